//! Sources that are files by their paths: a tree finds logs, and each log becomes a source of its own.
//!
//! A tree is scheduled as a source is, walks when a name changed, and hands what differs to
//! [`Shared::grow`]. The logs' sources stand among all others, under the tree's id, a NUL and the path, so
//! that reading, checkpoints and delivery know nothing of trees. A checkpoint names the tree itself
//! too: whether files were there before it was looked at first is known over a restart.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use super::{key, lock, Inner, Running, Shared};
use crate::chain;
use crate::checkpoints::{Places, Standing};
use crate::listing::Log;
use crate::plan::{self, Files};
use crate::schedule::{Heard, Rest};
use crate::slot::{Change, Slot, State};
use crate::tree::{Tree, Walk};

/// A tree that is watched is walked that seldom besides, should an event have been missed.
const SCAN_BEHIND: Duration = Duration::from_secs(10);

/// Between two walks at least: a new log is read within that, and many new names cost one walk.
const PAUSE: Duration = Duration::from_millis(20);

/// A walk is followed by so many times its own length without one: a tree costs no more than a
/// twentieth of a core while its names change all the time.
const REST: u32 = 20;

/// How often a log that is gone is asked whether all of it is acknowledged.
const LEAVING: Duration = Duration::from_secs(1);

/// Checkpoints of logs in directories that are not there are kept that long: a disk may be late.
const KEPT: Duration = Duration::from_secs(3600);

/// A tree among the sources.
#[derive(Debug)]
pub(super) struct Stand {
    /// In the schedule and among the watches.
    pub(super) number: u64,
    pipeline: String,
    id: String,
    work: Mutex<Work>,
    /// What a new plan says.
    change: Mutex<Option<plan::Source>>,
    /// Checkpoints of logs that no walk has found yet.
    left: Mutex<BTreeMap<PathBuf, Standing>>,
    walked: AtomicBool,
    /// It has ended, and so were all its logs told.
    ended: AtomicBool,
}

#[derive(Debug)]
struct Work {
    spec: plan::Source,
    tree: Tree,
    /// It was walked in a former life: what is new is read from its beginning.
    known: bool,
    started: Instant,
    /// When the last walk ended, and how long it took.
    last: Option<(Instant, Duration)>,
    heard: bool,
    watched: bool,
    /// Logs that are gone.
    leaving: BTreeSet<String>,
}

impl Stand {
    fn new(
        number: u64,
        pipeline: &str,
        spec: &plan::Source,
        files: &Files,
        restored: &mut Places,
    ) -> Result<Self, String> {
        let tree = Tree::new(files)?;
        let own = key(pipeline, &spec.id);
        let known = restored.remove(&own).is_some();
        let first = format!("{own}\0");
        let logs: Vec<_> = restored.range(first.clone()..).map(|(key, _)| key.clone()).collect();
        let logs = logs.into_iter().take_while(|key| key.starts_with(&first));
        let left = logs.filter_map(|key| {
            let path = PathBuf::from(key.strip_prefix(&first)?);
            Some((path, restored.remove(&key)?))
        });
        let left: BTreeMap<_, _> = left.collect();
        let work = Work {
            spec: spec.clone(),
            tree,
            known: known || !left.is_empty(),
            started: Instant::now(),
            last: None,
            heard: false,
            watched: false,
            leaving: BTreeSet::new(),
        };
        Ok(Self {
            number,
            pipeline: pipeline.to_owned(),
            id: spec.id.clone(),
            work: Mutex::new(work),
            change: Mutex::default(),
            left: Mutex::new(left),
            walked: AtomicBool::new(false),
            ended: AtomicBool::new(false),
        })
    }

    /// Whether it was walked at least once, and nothing was heard since.
    pub(super) fn idle(&self) -> bool {
        let unchanged = lock(&self.change).is_none();
        unchanged
            && self.walked.load(Ordering::Relaxed)
            && self.work.try_lock().is_ok_and(|work| !work.heard)
    }

    /// What a checkpoint says of it, and of logs that were not found yet.
    pub(super) fn save(&self, places: &mut Places) {
        let own = key(&self.pipeline, &self.id);
        for (path, saved) in &*lock(&self.left) {
            places.insert(format!("{own}\0{}", path.display()), saved.clone());
        }
        if self.walked.load(Ordering::Relaxed) {
            places.insert(own, Standing::default());
        }
    }

    /// What it does as a whole, given what its logs do.
    pub(super) fn state(&self, logs: &[State]) -> State {
        let drained = logs.iter().all(|log| *log == State::Drained);
        if drained && self.ended.load(Ordering::Relaxed) {
            return State::Drained;
        }
        if logs.is_empty() {
            State::Waiting
        } else {
            State::Reading
        }
    }
}

impl Work {
    /// Takes a new plan; true if the tree's logs must hear of it.
    fn take(&mut self, spec: plan::Source) -> bool {
        let other = self.spec.files != spec.files;
        let changed = self.spec != spec;
        if let (true, Some(files)) = (other, &spec.files) {
            // A plan whose patterns are none was refused before.
            if let Ok(tree) = Tree::new(files) {
                self.tree = tree;
            }
        }
        self.spec = spec;
        changed
    }

    /// The source that one log is.
    fn source(&self, log: &Path) -> plan::Source {
        let mut source = self.spec.clone();
        source.id = log_id(&self.spec.id, log);
        source.tags.push(("__path__".to_owned(), log.display().to_string()));
        source
    }

    fn tail(&self) -> Option<u64> {
        self.spec.files.as_ref().and_then(|files| files.tail_bytes).filter(|_| !self.known)
    }
}

fn log_id(tree: &str, log: &Path) -> String {
    format!("{tree}\0{}", log.display())
}

/// The tree that a source's id names, where the source is one of its logs.
pub(super) fn tree_of(id: &str) -> Option<&str> {
    id.split_once('\0').map(|(tree, _)| tree)
}

impl Shared {
    /// Starts, changes and ends a pipeline's trees; `sources` are those of its plan that are trees.
    pub(super) fn set_trees(
        &self,
        inner: &mut Inner,
        name: &str,
        sources: Vec<plan::Source>,
    ) -> Result<(), String> {
        let Inner { pipelines, restored, numbered, .. } = inner;
        let Some(running) = pipelines.get_mut(name) else { return Ok(()) };
        let mut known = std::mem::take(&mut running.trees);
        let mut outcome = Ok(());
        for source in sources {
            let Some(files) = source.files.clone() else { continue };
            let id = source.id.clone();
            let checked = Tree::new(&files).map(drop);
            let stand = match (known.remove(&id), checked) {
                (Some((before, stand)), Ok(())) => {
                    if before != source {
                        *lock(&stand.change) = Some(source.clone());
                        self.schedule.poke([(stand.number, Heard::NAMES)], Instant::now());
                    }
                    stand
                }
                (None, Ok(())) => {
                    *numbered += 1;
                    match Stand::new(*numbered, name, &source, &files, restored) {
                        Ok(stand) => self.plant(Arc::new(stand)),
                        Err(sentence) => {
                            outcome = Err(sentence);
                            continue;
                        }
                    }
                }
                (before, Err(sentence)) => {
                    outcome = Err(sentence);
                    if let Some(before) = before {
                        running.trees.insert(id, before);
                    }
                    continue;
                }
            };
            running.trees.insert(id, (source, stand));
        }
        for (_, stand) in known.values() {
            self.forget(stand.number);
        }
        outcome
    }

    fn plant(&self, stand: Arc<Stand>) -> Arc<Stand> {
        let mut tasks = self.tasks();
        tasks.insert(stand.number, super::Task::Tree(Arc::clone(&stand)));
        drop(tasks);
        self.schedule.add(stand.number);
        stand
    }

    /// Walks a tree, if it is time, and has its logs read; gives when it is next.
    pub(super) fn grow(&self, stand: &Stand, heard: Heard) -> Rest {
        let mut work = lock(&stand.work);
        let work = &mut *work;
        let changed = lock(&stand.change).take().is_some_and(|spec| work.take(spec));
        work.heard |= heard.names || changed;
        let now = Instant::now();
        let rest = |until| Rest { until: Some(until), fed: false };
        if let Some((ended, took)) = work.last.filter(|_| !changed) {
            let pause = PAUSE.max(took * REST);
            let due = if work.heard { ended + pause } else { ended + self.scan(work, pause) };
            if now < due {
                self.let_go(stand, work);
                return rest(if work.leaving.is_empty() { due } else { due.min(now + LEAVING) });
            }
        }
        work.heard = false;
        let left = lock(&stand.left).clone();
        let mut walk = work.tree.walk(SystemTime::now(), &|path| left.contains_key(path));
        // Watched before it is looked at again: what comes after that is told of.
        work.watched = self.watching.follow_names(stand.number, &walk.directories);
        if work.last.is_none() || !walk.changed.is_empty() {
            let again = work.tree.walk(SystemTime::now(), &|path| left.contains_key(path));
            walk.changed.retain(|log| !again.changed.iter().any(|later| later.path == log.path));
            walk.changed.extend(again.changed);
        }
        self.tell(stand, work, walk, changed);
        let ended = Instant::now();
        work.last = Some((ended, ended - now));
        work.known = true;
        stand.walked.store(true, Ordering::Relaxed);
        self.let_go(stand, work);
        let scan = ended + self.scan(work, PAUSE);
        rest(if work.leaving.is_empty() { scan } else { scan.min(ended + LEAVING) })
    }

    /// How long a walk holds where nothing is heard.
    fn scan(&self, work: &Work, least: Duration) -> Duration {
        if work.watched {
            return SCAN_BEHIND;
        }
        Duration::from_secs_f64(self.settings.scan_seconds.max(0.01)).max(least)
    }

    /// Has the logs of a walk read.
    fn tell(&self, stand: &Stand, work: &mut Work, walk: Walk, changed: bool) {
        let mut inner = lock(&self.inner);
        let Inner { pipelines, numbered, .. } = &mut *inner;
        let Some(running) = pipelines.get_mut(&stand.pipeline) else { return };
        let own = |(_, known): &(plan::Source, Arc<Stand>)| known.number == stand.number;
        if !running.trees.get(&stand.id).is_some_and(own) {
            return;
        }
        if changed {
            self.change_logs(stand, work, running);
        }
        for log in walk.changed {
            let id = log_id(&stand.id, &log.path);
            if log.files.is_empty() {
                work.leaving.insert(id.clone());
            } else {
                work.leaving.remove(&id);
            }
            match running.sources.get(&id) {
                Some((_, slot)) => {
                    slot.change(Change::Log(log));
                    self.schedule.poke([(slot.number, Heard::NAMES)], Instant::now());
                }
                None if log.files.is_empty() => {}
                None => {
                    *numbered += 1;
                    self.start_log(running, work, stand, log, *numbered);
                }
            }
        }
        if let Some(sentence) = &walk.complaint {
            running.counters.error(sentence);
        }
        count_vanished(stand, work, running);
        stand.ended.store(work.spec.ended, Ordering::Relaxed);
    }

    /// Logs take the tags of a new plan; those that it does not ask for are read no more.
    fn change_logs(&self, stand: &Stand, work: &Work, running: &mut Running) {
        running.sources.retain(|id, (spec, slot)| {
            let Some((tree, path)) = id.split_once('\0') else { return true };
            if tree != stand.id {
                return true;
            }
            let fresh = work.source(Path::new(path));
            let wanted = work.tree.logs().contains_key(Path::new(path));
            // What the plan still means may be gone, and its end on the way.
            if !wanted && spec.files != fresh.files {
                self.remove(slot);
                return false;
            }
            *spec = fresh.clone();
            slot.change(Change::Source(Box::new(fresh)));
            self.schedule.poke([(slot.number, Heard::NAMES)], Instant::now());
            true
        });
    }

    fn start_log(
        &self,
        running: &mut Running,
        work: &Work,
        stand: &Stand,
        log: Arc<Log>,
        number: u64,
    ) {
        let source = work.source(&log.path);
        let places = lock(&stand.left).remove(&log.path);
        let tail = work.tail().filter(|_| places.is_none());
        let reader = self.reader(running, &source, places.unwrap_or_default());
        let reader = reader.given(log, tail);
        let id = source.id.clone();
        let slot = self.start(running, &source, reader, number);
        running.sources.insert(id, (source, slot));
    }

    /// Forgets logs that are gone and of which all is acknowledged.
    fn let_go(&self, stand: &Stand, work: &mut Work) {
        if work.leaving.is_empty() {
            return;
        }
        let mut inner = lock(&self.inner);
        let Some(running) = inner.pipelines.get_mut(&stand.pipeline) else { return };
        let now = Instant::now();
        work.leaving.retain(|id| match running.sources.get(id) {
            Some((_, slot)) if slot.told(now).state != State::Drained => true,
            Some((_, slot)) => {
                let slot: Arc<Slot> = Arc::clone(slot);
                self.remove(&slot);
                running.sources.remove(id);
                false
            }
            None => false,
        });
    }
}

/// Counts logs that a checkpoint remembers and that are gone.
fn count_vanished(stand: &Stand, work: &Work, running: &Running) {
    let late = work.started.elapsed() > KEPT;
    lock(&stand.left).retain(|path, places| {
        let keep = !late && !path.parent().is_some_and(|dir| work.tree.has_listed(dir));
        for saved in places.files.iter().filter(|_| !keep) {
            chain::count_lost(saved, &running.counters);
        }
        keep
    });
}
