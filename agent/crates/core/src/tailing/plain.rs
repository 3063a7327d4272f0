//! The same for a log that a program writes itself, which a tree finds: renamed, copied and
//! truncated, compressed, written to by who was not told, and an agent that is killed in between.
//!
//! Every record arrives whole, and again only if it was not acknowledged before a kill. The order is
//! that of each file: what comes late to a rotated one comes after what the next one has.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::time::SystemTime;

use flate2::{write::GzEncoder, Compression as Level};

use super::*;
use crate::ground::Mount;
use crate::plan::{Encoding, Files};
use crate::tree::Tree;

/// Rotated files that are kept.
const KEPT: usize = 4;

#[derive(Debug, Clone)]
enum Deed {
    Line { pad: usize },
    Late { pad: usize },
    Tear,
    Rename { reopen: bool },
    Reopen,
    CopyAndTruncate,
    Compress { leave: bool },
    Step { look: bool, wait: u64 },
    Acknowledge,
    Checkpoint,
    Kill { received: bool },
}

fn deed() -> impl Strategy<Value = Deed> {
    let pad = || prop_oneof![9 => 0..60_usize, 1 => 1000..1500_usize];
    let wait = prop_oneof![Just(0_u64), Just(60), Just(1100)];
    prop_oneof![
        12 => pad().prop_map(|pad| Deed::Line { pad }),
        3 => pad().prop_map(|pad| Deed::Late { pad }),
        2 => Just(Deed::Tear),
        4 => any::<bool>().prop_map(|reopen| Deed::Rename { reopen }),
        2 => Just(Deed::Reopen),
        3 => Just(Deed::CopyAndTruncate),
        2 => any::<bool>().prop_map(|leave| Deed::Compress { leave }),
        14 => (any::<bool>(), wait).prop_map(|(look, wait)| Deed::Step { look, wait }),
        5 => Just(Deed::Acknowledge),
        1 => Just(Deed::Checkpoint),
        3 => any::<bool>().prop_map(|received| Deed::Kill { received }),
    ]
}

pub(super) fn files(dir: &Path) -> Files {
    Files {
        mounts: vec![Mount { at: "/".into(), dir: Some(dir.to_owned()) }],
        paths: vec!["/app.log".to_owned()],
        exclude: Vec::new(),
        max_depth: 0,
        tail_bytes: None,
        encoding: Encoding::Utf8,
        links_anywhere: false,
    }
}

/// What became of a record.
#[derive(Debug, Default)]
struct Fate {
    delivered: bool,
    acknowledged: bool,
    /// Times it came since the last kill.
    times: usize,
}

#[derive(Debug)]
struct Scene {
    node: Node,
    agent: Option<(Agent, Tree)>,
    current: File,
    /// Open for a program that was not told of the rotation.
    late: Option<File>,
    torn: Option<String>,
    ids: u32,
    fates: HashMap<String, Fate>,
    now: Instant,
    used: Vec<File>,
    copying: bool,
}

impl Scene {
    fn start(home: &Path, batch_logs: usize, copying: bool) -> Self {
        let settings = Settings {
            batch_logs,
            batch_seconds: 0.1,
            requests_per_destination: 1,
            ..Settings::default()
        };
        let (logs, state) = (home.join("logs"), home.join("state"));
        fs::create_dir(&logs).unwrap();
        let current = File::options().append(true).create(true).open(logs.join("app.log")).unwrap();
        Self {
            node: Node {
                logs,
                state,
                service: Service::start(),
                settings,
                guarantee: Guarantee::AtLeastOnce,
                log: None,
            },
            agent: None,
            current,
            late: None,
            torn: None,
            ids: 0,
            fates: HashMap::new(),
            now: Instant::now(),
            used: Vec::new(),
            copying,
        }
    }

    fn path(&self, end: &str) -> PathBuf {
        self.node.logs.join(format!("app.log{end}"))
    }

    fn record(&mut self, pad: usize) -> String {
        self.ids += 1;
        let text = format!("{:06} {}", self.ids, "x".repeat(pad));
        self.fates.insert(text.clone(), Fate::default());
        text
    }

    /// Writes the rest of a torn line.
    fn complete(&mut self) {
        if let Some(rest) = self.torn.take() {
            writeln!(self.current, "{rest}").unwrap();
        }
    }

    /// Moves rotated files up by one; the oldest leaves when all of it is delivered.
    fn move_up(&mut self) -> Outcome {
        let oldest = [format!(".{KEPT}"), format!(".{KEPT}.gz")].map(|end| self.path(&end));
        if oldest.iter().any(|path| path.exists()) {
            self.settle()?;
            for path in oldest {
                // An inode that is used again within a tick of the clock is no case of any disk.
                self.used.extend(File::open(&path));
                let _absent = fs::remove_file(path);
            }
        }
        for number in (1..KEPT).rev() {
            for end in ["", ".gz"] {
                let from = self.path(&format!(".{number}{end}"));
                let _absent = fs::rename(from, self.path(&format!(".{}{end}", number + 1)));
            }
        }
        Ok(())
    }

    fn reopen(&mut self) {
        let fresh = File::options().append(true).create(true).open(self.path("")).unwrap();
        let before = std::mem::replace(&mut self.current, fresh);
        if !self.path(".1").exists() {
            return; // it was not rotated
        }
        self.late = Some(before);
    }

    /// Whoever rotates does it in one way, by renaming or by copying.
    fn is_of_other_way(&self, deed: &Deed) -> bool {
        match deed {
            Deed::CopyAndTruncate => !self.copying,
            Deed::Rename { .. } | Deed::Reopen => self.copying,
            _ => false,
        }
    }

    fn apply(&mut self, deed: &Deed) -> Outcome {
        match *deed {
            _ if self.is_of_other_way(deed) => {}
            Deed::Line { pad } => {
                self.complete();
                let text = self.record(pad);
                writeln!(self.current, "{text}").unwrap();
            }
            Deed::Late { pad } => {
                if self.late.is_some() {
                    let text = self.record(pad);
                    writeln!(self.late.as_mut().unwrap(), "{text}").unwrap();
                }
            }
            Deed::Tear => {
                self.complete();
                let text = self.record(8);
                let (written, rest) = text.split_at(9);
                write!(self.current, "{written}").unwrap();
                self.torn = Some(rest.to_owned());
            }
            Deed::Rename { reopen } => {
                self.complete();
                if self.path("").exists() {
                    self.move_up()?;
                    fs::rename(self.path(""), self.path(".1")).unwrap();
                }
                if reopen {
                    self.reopen();
                }
            }
            Deed::Reopen => {
                self.complete();
                if !self.path("").exists() {
                    self.reopen();
                }
            }
            Deed::CopyAndTruncate => {
                self.complete();
                if self.path("").exists() && fs::metadata(self.path("")).unwrap().len() > 0 {
                    self.move_up()?;
                    fs::copy(self.path(""), self.path(".1")).unwrap();
                    self.current.set_len(0).unwrap();
                    self.late = None;
                }
            }
            Deed::Compress { leave } => self.compress(leave),
            Deed::Step { look, wait } => self.step(look, Duration::from_millis(wait)),
            Deed::Acknowledge => self.acknowledge()?,
            Deed::Checkpoint => {
                self.agent().checkpoint();
            }
            Deed::Kill { received } => self.kill(received)?,
        }
        Ok(())
    }

    /// As logrotate does it: of what was rotated before the last rotation, under its final name.
    fn compress(&mut self, leave: bool) {
        let (plain, packed) = (self.path(".2"), self.path(".2.gz"));
        if !plain.exists() || packed.exists() {
            return;
        }
        self.late = None;
        let mut text = Vec::new();
        File::open(&plain).unwrap().read_to_end(&mut text).unwrap();
        let mut encoder = GzEncoder::new(File::create(&packed).unwrap(), Level::fast());
        encoder.write_all(&text).unwrap();
        encoder.finish().unwrap();
        if leave {
            fs::remove_file(packed).unwrap(); // it was stopped and begins anew later
        } else {
            self.used.push(File::open(&plain).unwrap());
            fs::remove_file(plain).unwrap();
        }
    }

    /// The agent; one that is started now begins with what its tree finds.
    fn agent(&mut self) -> &mut Agent {
        let Self { node, agent, .. } = self;
        let fresh = || {
            let mut tree = Tree::new(&files(&node.logs)).unwrap();
            node.log = tree.walk(SystemTime::now(), &|_| true).changed.into_iter().next();
            (Agent::start(node), tree)
        };
        &mut agent.get_or_insert_with(fresh).0
    }

    fn step(&mut self, look: bool, wait: Duration) {
        self.now += wait;
        self.agent();
        let Self { node, agent, now, .. } = self;
        let Some((agent, tree)) = agent else { return };
        if look {
            for log in tree.walk(SystemTime::now(), &|_| true).changed {
                agent.reader.give(log);
            }
        }
        agent.step(node, look, *now);
    }

    fn delivered(&mut self, content: &str) -> Outcome {
        let Some(fate) = self.fates.get_mut(content) else {
            return Err(format!("{content:?} was never written"));
        };
        fate.times += 1;
        if fate.times > 1 || fate.acknowledged {
            return Err(format!("{content:?} comes again: {fate:?}"));
        }
        fate.delivered = true;
        Ok(())
    }

    fn acknowledge(&mut self) -> Outcome {
        let Self { node, agent, .. } = self;
        let records = agent.as_mut().and_then(|(agent, _)| agent.acknowledge(&node.service));
        for record in records.unwrap_or_default() {
            self.delivered(&record)?;
            self.fates.entry(record).or_default().acknowledged = true;
        }
        Ok(())
    }

    fn kill(&mut self, received: bool) -> Outcome {
        let Some((agent, _)) = self.agent.take() else { return Ok(()) };
        let records = agent.kill(&self.node.service, received);
        for record in records.into_iter().flatten().filter(|_| received) {
            self.delivered(&record)?;
        }
        self.fates.values_mut().for_each(|fate| fate.times = 0);
        Ok(())
    }

    /// Reads and delivers until there is nothing left to.
    fn settle(&mut self) -> Outcome {
        let mut quiet = 0;
        for _ in 0..STEPS {
            self.step(true, Duration::from_millis(1100));
            while !self.agent().lane.idle() {
                self.acknowledge()?;
                quiet = 0;
            }
            // What has grown behind the current file is seen by a look that finds nothing else.
            quiet = if self.agent().reader.idle() { quiet + 1 } else { 0 };
            if quiet > 3 {
                return Ok(());
            }
        }
        Err(format!("not at the end: {:?}", self.agent().reader))
    }

    fn end(mut self) -> Outcome {
        self.complete();
        self.settle()?;
        let missing: Vec<_> = self.fates.iter().filter(|(_, fate)| !fate.delivered).collect();
        if missing.is_empty() {
            return Ok(());
        }
        Err(format!("never came: {missing:?}"))
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: cases(),
        failure_persistence: None,
        max_shrink_iters: 3000,
        ..ProptestConfig::default()
    })]

    #[test]
    fn every_record_of_a_programs_log_arrives_whole_and_again_only_after_a_kill(
        deeds in prop::collection::vec(deed(), 1..60),
        batch_logs in 1..6_usize,
        copying: bool,
    ) {
        let home = home();
        let mut scene = Scene::start(home.path(), batch_logs, copying);
        for deed in &deeds {
            let outcome = scene.apply(deed);
            prop_assert!(outcome.is_ok(), "{deed:?}: {outcome:?}");
        }
        let outcome = scene.end();
        prop_assert!(outcome.is_ok(), "{outcome:?}");
    }
}
