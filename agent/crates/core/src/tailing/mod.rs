//! Reading as a whole against a model: a [`container`] writes, is rotated, restarted and cut on a
//! real disk, the agent reads, sends to a [`service`], is killed and goes on from its checkpoints, and
//! a [`ledger`] says what must have come: every record whole and in order, none twice but those that
//! were not acknowledged before a kill.
//!
//! The clock is the test's. `LOGHUB_TAILING_CASES` says how many cases are tried.

mod agent;
mod container;
mod ledger;
mod plain;
mod service;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use crate::listing::Log;
use crate::plan::{
    Compression, Destination, Guarantee, ProjectIn, Route, Settings, Signature, Source, Stream, Tls,
};
use crate::slot::State;
use agent::Agent;
use container::Container;
use ledger::Ledger;
use service::Service;

/// Of `cargo test`: a few seconds.
const CASES: u32 = 150;

/// Longer than a reader waits for anything.
const LONG: Duration = Duration::from_millis(300);

/// Steps after which a reader that is not at its end never will be.
const STEPS: usize = 1000;

/// The source's name in the checkpoints.
const NAME: &str = "pipeline\0source";

#[derive(Debug, Clone)]
enum Op {
    Line { stream: usize, pad: usize },
    Part { stream: usize, pad: usize },
    Tear { stream: usize, pad: usize },
    Complete,
    Late { pad: usize },
    Rotate { slowly: bool },
    Reopen,
    Compress { leave: bool },
    DeleteOldest,
    Restart,
    Truncate { read: bool },
    Step { look: bool, wait: u64 },
    Acknowledge { requests: usize },
    Checkpoint,
    Kill { received: bool },
}

fn op() -> impl Strategy<Value = Op> {
    let pad = || prop_oneof![9 => 0..60_usize, 1 => 1000..1500_usize];
    let wait = prop_oneof![Just(0_u64), Just(20), Just(60), Just(300)];
    prop_oneof![
        12 => (0..2_usize, pad()).prop_map(|(stream, pad)| Op::Line { stream, pad }),
        3 => (0..2_usize, pad()).prop_map(|(stream, pad)| Op::Part { stream, pad }),
        3 => (0..2_usize, pad()).prop_map(|(stream, pad)| Op::Tear { stream, pad }),
        1 => Just(Op::Complete),
        2 => pad().prop_map(|pad| Op::Late { pad }),
        5 => any::<bool>().prop_map(|slowly| Op::Rotate { slowly }),
        2 => Just(Op::Reopen),
        3 => any::<bool>().prop_map(|leave| Op::Compress { leave }),
        1 => Just(Op::DeleteOldest),
        1 => Just(Op::Restart),
        1 => any::<bool>().prop_map(|read| Op::Truncate { read }),
        14 => (any::<bool>(), wait).prop_map(|(look, wait)| Op::Step { look, wait }),
        5 => (1..4_usize).prop_map(|requests| Op::Acknowledge { requests }),
        1 => Just(Op::Checkpoint),
        3 => any::<bool>().prop_map(|received| Op::Kill { received }),
    ]
}

/// What stays when the agent is killed.
#[derive(Debug)]
struct Node {
    logs: PathBuf,
    state: PathBuf,
    service: Service,
    settings: Settings,
    guarantee: Guarantee,
    /// The log of a program, in place of a container's.
    log: Option<Arc<Log>>,
}

impl Node {
    fn source(&self, ended: bool) -> Source {
        Source {
            id: "source".to_owned(),
            dir: self.logs.clone(),
            streams: vec![Stream::Stdout, Stream::Stderr],
            files: self.log.is_some().then(|| Arc::new(plain::files(&self.logs))),
            source: "10.0.0.1".to_owned(),
            tags: Vec::new(),
            ended,
        }
    }

    fn route(&self) -> Route {
        let destination = Destination {
            endpoint: self.service.endpoint(),
            project: "p".to_owned(),
            logstore: "l".to_owned(),
            project_in: ProjectIn::Header,
            signature: Signature::V1,
            region: String::new(),
            compression: Compression::None,
            credentials: "key".to_owned(),
            proxy: None,
            tls: Tls::default(),
        };
        Route { destination, guarantee: self.guarantee, spool: None }
    }
}

/// A case.
#[derive(Debug)]
struct Scene {
    node: Node,
    agent: Option<Agent>,
    container: Container,
    ledger: Ledger,
    now: Instant,
}

type Outcome = Result<(), String>;

impl Scene {
    fn start(
        home: &Path,
        batch_logs: usize,
        queue_bytes_per_destination: usize,
        guarantee: Guarantee,
    ) -> Self {
        let settings = Settings {
            batch_logs,
            batch_seconds: 0.1,
            queue_bytes_per_destination,
            requests_per_destination: 1,
            ..Settings::default()
        };
        let (logs, state) = (home.join("logs"), home.join("state"));
        std::fs::create_dir(&logs).unwrap();
        let container = Container::start(&logs);
        let node = Node { logs, state, service: Service::start(), settings, guarantee, log: None };
        let agent = Some(Agent::start(&node));
        let once = guarantee == Guarantee::ExactlyOnce;
        let ledger = Ledger::new(once);
        Self { node, agent, container, ledger, now: Instant::now() }
    }

    fn agent(&mut self) -> &mut Agent {
        self.agent.get_or_insert_with(|| Agent::start(&self.node))
    }

    fn apply(&mut self, op: &Op) -> Outcome {
        let Self { container, ledger, now, .. } = self;
        match *op {
            Op::Line { stream, pad } => container.line(stream, pad, false, ledger),
            Op::Part { stream, pad } => container.line(stream, pad, true, ledger),
            Op::Tear { stream, pad } => container.tear(stream, pad, ledger),
            Op::Complete => container.complete(ledger),
            Op::Late { pad } => container.write_late(pad, *now, ledger),
            Op::Rotate { slowly } => {
                container.rename();
                if !slowly {
                    container.reopen(*now, ledger);
                }
            }
            Op::Reopen => container.reopen(*now, ledger),
            Op::Compress { leave } => container.compress(leave),
            Op::DeleteOldest => container.delete_oldest(ledger),
            Op::Restart => container.restart(ledger),
            Op::Truncate { read } => return self.truncate(read),
            Op::Step { look, wait } => self.step(look, Duration::from_millis(wait)),
            Op::Acknowledge { requests } => {
                for _ in 0..requests {
                    self.acknowledge()?;
                }
            }
            Op::Checkpoint => self.agent().checkpoint(),
            Op::Kill { received } => return self.kill(received),
        }
        Ok(())
    }

    fn step(&mut self, look: bool, wait: Duration) {
        self.now += wait;
        let Self { node, agent, container, now, .. } = self;
        // The first step of an agent looks in any case.
        let fresh = agent.is_none();
        agent.get_or_insert_with(|| Agent::start(node)).step(node, look, *now);
        if look || fresh {
            container.listed();
        }
    }

    fn acknowledge(&mut self) -> Outcome {
        let Self { node, agent, ledger, .. } = self;
        let records = agent.as_mut().and_then(|agent| agent.acknowledge(&node.service));
        for record in records.unwrap_or_default() {
            ledger.delivered(&record)?;
            ledger.acknowledged(&record);
        }
        Ok(())
    }

    /// What was lost with the file was lost; what came before it was read entirely, if `read`.
    fn truncate(&mut self, read: bool) -> Outcome {
        let Self { container, ledger, .. } = self;
        if container.has_open_parts() {
            container.complete_all(ledger);
        }
        // Of a record's parts all or none are lost: the reader cannot know about the others.
        let read = read || container.parts_unread;
        if read {
            self.settle()?;
            self.container.parts_unread = false;
        }
        self.container.truncate(read, &mut self.ledger);
        Ok(())
    }

    /// Reads and delivers until there is nothing left to.
    fn settle(&mut self) -> Outcome {
        for _ in 0..STEPS {
            self.step(true, LONG);
            while !self.agent().lane.idle() {
                self.acknowledge()?;
            }
            if self.agent().reader.idle() {
                return Ok(());
            }
        }
        Err(format!("not at the end: {:?}", self.agent().reader))
    }

    fn kill(&mut self, received: bool) -> Outcome {
        let Some(agent) = self.agent.take() else { return Ok(()) };
        let records = agent.kill(&self.node.service, received);
        for record in records.into_iter().flatten() {
            self.ledger.delivered(&record)?;
        }
        self.ledger.killed();
        self.container.killed();
        Ok(())
    }

    /// Ends the container and reads all that is left.
    fn end(mut self) -> Outcome {
        let Self { container, ledger, .. } = &mut self;
        container.complete_all(ledger);
        self.settle()?;
        let Self { agent, node, .. } = &mut self;
        agent.get_or_insert_with(|| Agent::start(node)).end(node);
        self.step(true, Duration::ZERO);
        self.step(true, LONG);
        let state = self.agent().reader.state();
        let missing = self.ledger.missing();
        if state == State::Drained && missing.is_empty() {
            return Ok(());
        }
        Err(format!("{state:?}; never came: {missing:?}"))
    }
}

/// On the disk that the build is on: in memory no inode is used twice.
fn home() -> tempfile::TempDir {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../target/tests");
    std::fs::create_dir_all(&tests).unwrap();
    tempfile::tempdir_in(tests).unwrap()
}

fn cases() -> u32 {
    let wanted = std::env::var("LOGHUB_TAILING_CASES");
    wanted.map_or(CASES, |number| number.parse().unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: cases(),
        failure_persistence: None,
        max_shrink_iters: 3000,
        ..ProptestConfig::default()
    })]

    #[test]
    fn every_record_arrives_whole_in_order_and_again_only_after_a_kill(
        ops in prop::collection::vec(op(), 1..80),
        batch_logs in 1..6_usize,
        queue in prop_oneof![Just(600_usize), Just(64 * 1024)],
        guarantee in prop_oneof![Just(Guarantee::AtLeastOnce), Just(Guarantee::ExactlyOnce)],
    ) {
        let home = home();
        let mut scene = Scene::start(home.path(), batch_logs, queue, guarantee);
        for op in &ops {
            let outcome = scene.apply(op);
            prop_assert!(outcome.is_ok(), "{op:?}: {outcome:?}");
        }
        let outcome = scene.end();
        prop_assert!(outcome.is_ok(), "{outcome:?}");
    }
}

/// A case that was found once, or that chance would seldom find.
fn play(batch_logs: usize, ops: &[Op]) {
    for guarantee in [Guarantee::AtLeastOnce, Guarantee::ExactlyOnce] {
        play_with(batch_logs, ops, guarantee);
    }
}

fn play_with(batch_logs: usize, ops: &[Op], guarantee: Guarantee) {
    let home = home();
    let mut scene = Scene::start(home.path(), batch_logs, 64 * 1024, guarantee);
    for op in ops {
        scene.apply(op).unwrap();
    }
    scene.end().unwrap();
}

const LINE: Op = Op::Line { stream: 0, pad: 0 };
const ROTATE: Op = Op::Rotate { slowly: false };
const READ: Op = Op::Step { look: true, wait: 60 };
const KILL: Op = Op::Kill { received: false };

#[test]
fn request_that_ends_with_a_file_acknowledges_the_file() {
    let torn = Op::Tear { stream: 0, pad: 0 };
    let acknowledge = Op::Acknowledge { requests: 1 };
    play(2, &[LINE, torn, ROTATE, LINE, READ, READ, acknowledge, KILL]);
}

#[test]
fn what_is_carried_is_not_joined_with_lines_behind_a_gap() {
    let part = Op::Part { stream: 0, pad: 0 };
    let look = |wait| Op::Step { look: false, wait };
    let first = [LINE, look(0), look(60), part.clone(), READ, LINE, part, ROTATE];
    play(2, &[&first[..], &[Op::DeleteOldest, KILL]].concat());
}

#[test]
fn what_is_carried_outlives_a_kill_before_the_next_acknowledgement() {
    let acknowledge = Op::Acknowledge { requests: 1 };
    let (part, other) = (Op::Part { stream: 0, pad: 0 }, Op::Line { stream: 1, pad: 0 });
    let first = [part, other.clone(), READ, acknowledge, KILL];
    play(1, &[&first[..], &[other, READ, Op::Checkpoint, KILL]].concat());
}

#[test]
fn file_that_grew_and_was_compressed_while_the_agent_was_away_goes_on_where_it_was_read() {
    let acknowledge = Op::Acknowledge { requests: 1 };
    let compress = Op::Compress { leave: false };
    play(1, &[LINE, READ, acknowledge, KILL, LINE, ROTATE, LINE, ROTATE, compress]);
}

#[test]
fn acknowledgement_counts_after_a_start_that_found_a_document_and_no_journal() {
    let acknowledge = Op::Acknowledge { requests: 1 };
    let before = [LINE, READ, acknowledge.clone(), Op::Checkpoint, LINE, READ, Op::Checkpoint];
    play(1, &[&before[..], &[KILL, READ, acknowledge, KILL]].concat());
}

#[test]
fn file_that_lost_its_name_before_it_was_read_comes_before_what_was_written_later() {
    let (unseen, delete) = (Op::Step { look: false, wait: 0 }, Op::DeleteOldest);
    let after = [ROTATE, delete.clone(), LINE, ROTATE, delete];
    play(1, &[&[LINE, ROTATE, LINE, unseen][..], &after[..]].concat());
}

#[test]
fn file_that_was_emptied_before_it_was_read_is_known_by_what_was_read() {
    let long = Op::Line { stream: 0, pad: 1000 };
    let acknowledge = Op::Acknowledge { requests: 1 };
    let begin = [LINE, Op::Step { look: false, wait: 0 }, ROTATE, long];
    let look = Op::Step { look: true, wait: 0 };
    let read = Op::Step { look: false, wait: 60 };
    let after = [look, Op::Truncate { read: false }, LINE, read, acknowledge, KILL];
    play(2, &[&begin[..], &after[..]].concat());
}

#[test]
fn pipe_that_is_called_like_a_log_does_not_stop_the_logs_beside_it() {
    let home = home();
    let mut scene = Scene::start(home.path(), 1, 64 * 1024, Guarantee::AtLeastOnce);
    let pipe = scene.node.logs.join("1.log");
    let (kind, mode) = (rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR);
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, kind, mode, 0).unwrap();
    for op in [LINE, READ, Op::Acknowledge { requests: 1 }, LINE] {
        scene.apply(&op).unwrap();
    }
    let stats = serde_json::to_value(scene.agent().counters.snapshot(0.0)).unwrap();
    assert_eq!(stats["sentLines"], 1);
    scene.end().unwrap();
}

#[test]
fn copy_beside_the_current_file_does_not_end_it() {
    let home = home();
    let mut scene = Scene::start(home.path(), 1, 64 * 1024, Guarantee::AtLeastOnce);
    let acknowledge = Op::Acknowledge { requests: 1 };
    for op in [LINE, READ, acknowledge.clone()] {
        scene.apply(&op).unwrap();
    }
    let current = scene.node.logs.join("0.log");
    std::fs::copy(&current, current.with_extension("log.bak")).unwrap();
    for op in [READ, Op::Step { look: true, wait: 300 }, LINE, READ, acknowledge] {
        scene.apply(&op).unwrap();
    }
    assert_eq!(scene.ledger.missing().len(), 0);
}

#[test]
fn glance_stays_while_nothing_changes_and_changes_with_everything_else() {
    let home = home();
    let mut scene = Scene::start(home.path(), 1, 64 * 1024, Guarantee::AtLeastOnce);
    let aged = |scene: &Scene| {
        let past = rustix::fs::Timespec { tv_sec: 1_700_000_000, tv_nsec: 0 };
        let times = rustix::fs::Timestamps { last_access: past, last_modification: past };
        let flags = rustix::fs::AtFlags::empty();
        rustix::fs::utimensat(rustix::fs::CWD, &scene.node.logs, &times, flags).unwrap();
    };
    scene.apply(&LINE).unwrap();
    scene.settle().unwrap();
    assert_eq!(scene.agent().reader.glance(), None, "the directory has changed only now");
    let mut known = Vec::new();
    for change in [None, Some(LINE), Some(ROTATE), Some(Op::Restart), Some(LINE)] {
        if let Some(op) = &change {
            scene.apply(op).unwrap();
            aged(&scene);
            assert_ne!(scene.agent().reader.glance(), known.last().copied(), "{change:?}");
        }
        scene.settle().unwrap();
        aged(&scene);
        let glance = scene.agent().reader.glance();
        assert!(glance.is_some() && !known.contains(&glance.unwrap()), "{change:?}");
        assert_eq!(scene.agent().reader.glance(), glance);
        known.extend(glance);
    }
}
