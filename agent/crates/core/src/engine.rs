//! The core as its owner sees it: a plan in, statistics out, a threads that read in between.

mod telling;
mod trees;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock, RwLockWriteGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::access::{Access, Keys};
use crate::checkpoints::{Checkpoints, Places, Standing};
use crate::counters::{Counters, Registry};
use crate::delivery::Lane;
use crate::files::Scratch;
use crate::joining::Rule;
use crate::lanes::Lanes;
use crate::parsing::{Shape, Shaper};
use crate::plan::{self, Plan, Settings};
use crate::progress::Progress;
use crate::schedule::{Heard, Schedule};
use crate::slot::{self, Change, Slot};
use crate::source::Reader;
use crate::terms::Terms;
use crate::watching::Watching;
use trees::Stand;

/// Between two checkpoint documents: what a power cut repeats at the most, besides what is in flight.
const CHECKPOINT: Duration = Duration::from_secs(1);

/// Between two looks whether all is delivered, at the end.
const PAUSE: Duration = Duration::from_millis(20);

/// Checkpoints of sources that no plan names are kept that long after the start.
const KEPT: Duration = Duration::from_secs(3600);

/// Most threads that read: beyond a node's idle cores they would only wait for each other.
const MOST_THREADS: usize = 16;

#[derive(Debug)]
struct Running {
    spec: plan::Pipeline,
    rule: Option<Rule>,
    shape: Option<Arc<Shape>>,
    lane: Arc<Lane>,
    terms: Arc<Terms>,
    counters: Arc<Counters>,
    /// A log that a tree found stands here too.
    sources: BTreeMap<String, (plan::Source, Arc<Slot>)>,
    trees: BTreeMap<String, (plan::Source, Arc<Stand>)>,
}

/// What a data thread steps.
#[derive(Debug, Clone)]
enum Task {
    Source(Arc<Slot>),
    Tree(Arc<Stand>),
}

impl Running {
    fn around(&self) -> slot::Pipeline {
        slot::Pipeline {
            lane: Arc::clone(&self.lane),
            counters: Arc::clone(&self.counters),
            compression: self.spec.destination.compression,
            terms: Arc::clone(&self.terms),
        }
    }

    fn change_all(&self, change: impl Fn() -> Change) {
        for (_, slot) in self.sources.values() {
            slot.change(change());
        }
    }
}

/// What the plan wants and what a crash must not forget. No thread holds it while it reads a file.
#[derive(Debug)]
struct Inner {
    pipelines: BTreeMap<String, Running>,
    lanes: Lanes,
    /// Checkpoints of sources that no plan has named yet.
    restored: Places,
    started: Instant,
    numbered: u64,
}

/// What the keeper of checkpoints waits for.
#[derive(Debug, Default)]
struct Keeping {
    worked: bool,
    stopping: bool,
}

#[derive(Debug)]
struct Shared {
    inner: Mutex<Inner>,
    tasks: RwLock<HashMap<u64, Task>>,
    schedule: Schedule,
    watching: Watching,
    checkpoints: Checkpoints,
    keeping: Mutex<Keeping>,
    kept: Condvar,
    settings: Settings,
    keys: Keys,
    counters: Registry,
}

/// The data path of one agent.
#[derive(Debug)]
pub struct Core {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Core {
    /// Opens the state directory, restores the checkpoints and starts reading.
    ///
    /// # Errors
    /// The settings are no document of settings, or the directory cannot be used.
    pub fn new(state_dir: &Path, settings_json: &str) -> io::Result<Self> {
        let settings = serde_json::from_str(settings_json)?;
        let (checkpoints, mut restored) = Checkpoints::open(state_dir)?;
        let (keys, counters) = (Keys::default(), Registry::default());
        let lanes = Lanes::restore(state_dir, &keys, &settings, &counters, &mut restored)?;
        let shared = Arc::new(Shared {
            inner: Mutex::new(Inner {
                pipelines: BTreeMap::new(),
                lanes,
                restored,
                started: Instant::now(),
                numbered: 0,
            }),
            tasks: RwLock::default(),
            schedule: Schedule::default(),
            watching: Watching::start(),
            checkpoints,
            keeping: Mutex::default(),
            kept: Condvar::new(),
            settings,
            keys,
            counters,
        });
        let core = Self { shared, threads: Mutex::default() };
        core.spawn("watcher", |shared| shared.watching.run(&shared.schedule))?;
        core.spawn("keeper", Shared::keep)?;
        for _ in 0..core.shared.settings.data_threads.clamp(1, MOST_THREADS) {
            core.spawn("reader", Shared::read)?;
        }
        Ok(core)
    }

    fn spawn(&self, name: &str, body: impl FnOnce(&Shared) + Send + 'static) -> io::Result<()> {
        let shared = Arc::clone(&self.shared);
        let thread = std::thread::Builder::new().name(name.into()).spawn(move || body(&shared))?;
        lock(&self.threads).push(thread);
        Ok(())
    }

    /// Takes the whole desired plan; gives a sentence for each pipeline that cannot run so and
    /// keeps its last good form.
    ///
    /// # Errors
    /// The text is no plan.
    pub fn apply(&self, plan_json: &str) -> io::Result<BTreeMap<String, String>> {
        let plan: Plan = serde_json::from_str(plan_json)?;
        let mut inner = lock(&self.shared.inner);
        let mut failed = BTreeMap::new();
        let mut wanted = BTreeSet::new();
        for pipeline in plan.pipelines {
            let name = pipeline.name.clone();
            wanted.insert(name.clone());
            if let Err(sentence) = self.shared.apply_one(&mut inner, pipeline) {
                failed.insert(name, sentence);
            }
        }
        inner.pipelines.retain(|name, running| {
            let keep = wanted.contains(name);
            if !keep {
                for (_, slot) in running.sources.values() {
                    self.shared.remove(slot);
                }
                for (_, stand) in running.trees.values() {
                    self.shared.forget(stand.number);
                }
            }
            keep
        });
        inner.lanes.forget_unused();
        Ok(failed)
    }

    /// Sets or swaps a key.
    pub fn set_credentials(&self, name: &str, access: Access) {
        let mut keys = self.shared.keys.write().unwrap_or_else(PoisonError::into_inner);
        keys.insert(name.to_owned(), access);
        drop(keys);
        for lane in lock(&self.shared.inner).lanes.all() {
            lane.wake();
        }
    }

    /// Forgets a key.
    pub fn remove_credentials(&self, name: &str) {
        self.shared.keys.write().unwrap_or_else(PoisonError::into_inner).remove(name);
    }

    /// Whether everything read is acknowledged and every file is at its end.
    #[must_use]
    pub fn idle(&self) -> bool {
        let inner = lock(&self.shared.inner);
        let mut slots = inner.pipelines.values().flat_map(|each| each.sources.values());
        let mut trees = inner.pipelines.values().flat_map(|each| each.trees.values());
        let found = trees.all(|(_, stand)| stand.idle());
        found && slots.all(|(_, slot)| slot.idle()) && inner.lanes.idle()
    }

    /// Stops reading, delivers what is in flight, writes the checkpoints; false when the time was
    /// not enough.
    #[must_use]
    pub fn drain(&self, timeout: Duration) -> bool {
        let until = Instant::now() + timeout;
        self.shared.schedule.pause();
        loop {
            let inner = lock(&self.shared.inner);
            let mut held = false;
            for (_, slot) in inner.pipelines.values().flat_map(|each| each.sources.values()) {
                held |= slot.flush(&self.shared.settings);
            }
            let empty = !held && inner.lanes.rest();
            drop(inner);
            if empty || Instant::now() >= until {
                let written = self.shared.checkpoint().is_ok();
                return empty && written;
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// Ends every thread; what is in flight is not waited for.
    pub fn close(&self) {
        self.shared.schedule.stop();
        self.shared.watching.stop();
        lock(&self.shared.keeping).stopping = true;
        self.shared.kept.notify_all();
        for thread in lock(&self.threads).drain(..) {
            // A thread that panicked has nothing left to say.
            drop(thread.join());
        }
        let mut inner = lock(&self.shared.inner);
        inner.lanes.close();
        self.shared.tasks().clear();
        inner.pipelines.clear();
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        self.close();
    }
}

fn key(pipeline: &str, source: &str) -> String {
    format!("{pipeline}\0{source}")
}

impl Shared {
    /// Steps what is due; the body of a data thread.
    fn read(&self) {
        let mut scratch = Scratch::default();
        while let Some((number, heard)) = self.schedule.take() {
            let known = self.tasks.read().unwrap_or_else(PoisonError::into_inner);
            let Some(task) = known.get(&number).cloned() else { continue };
            drop(known);
            let slot = match task {
                Task::Source(slot) => slot,
                Task::Tree(stand) => {
                    let rest = self.grow(&stand, heard);
                    self.schedule.done(number, rest, Instant::now());
                    continue;
                }
            };
            let (rest, news) = slot.step(heard, &self.settings, &self.watching, &mut scratch);
            self.schedule.done(number, rest, Instant::now());
            if news {
                self.say_worked();
            }
        }
    }

    fn say_worked(&self) {
        let mut keeping = lock(&self.keeping);
        if !keeping.worked {
            keeping.worked = true;
            self.kept.notify_all();
        }
    }

    /// Writes checkpoints while there is something new to them; the body of a thread.
    fn keep(&self) {
        loop {
            let mut keeping = lock(&self.keeping);
            while !keeping.worked && !keeping.stopping {
                keeping = self.kept.wait(keeping).unwrap_or_else(PoisonError::into_inner);
            }
            if keeping.stopping {
                return;
            }
            keeping.worked = false;
            drop(keeping);
            let settled = lock(&self.inner).lanes.idle();
            // A full disk delays checkpoints and stops nothing: more is repeated after a crash.
            drop(self.checkpoint());
            self.bound_deleted();
            let mut keeping = lock(&self.keeping);
            keeping.worked |= !settled;
            let until = Instant::now() + CHECKPOINT;
            while let Some(rest) = until.checked_duration_since(Instant::now()) {
                if keeping.stopping {
                    return;
                }
                let waited = self.kept.wait_timeout(keeping, rest);
                keeping = waited.unwrap_or_else(PoisonError::into_inner).0;
            }
        }
    }

    fn checkpoint(&self) -> io::Result<()> {
        let marks = lock(&self.inner).lanes.marks();
        self.checkpoints.write(|| {
            let mut inner = lock(&self.inner);
            if inner.started.elapsed() > KEPT {
                inner.restored.clear();
            }
            let mut places = inner.restored.clone();
            for (name, running) in &inner.pipelines {
                for (id, (_, slot)) in &running.sources {
                    places.insert(key(name, id), slot.standing());
                }
                for (_, stand) in running.trees.values() {
                    stand.save(&mut places);
                }
            }
            places
        })?;
        Lanes::forget(&marks);
        Ok(())
    }

    fn tasks(&self) -> RwLockWriteGuard<'_, HashMap<u64, Task>> {
        self.tasks.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn remove(&self, slot: &Slot) {
        self.forget(slot.number);
    }

    fn forget(&self, number: u64) {
        self.schedule.remove(number);
        self.watching.forget(number);
        self.tasks().remove(&number);
    }

    fn apply_one(&self, inner: &mut Inner, mut spec: plan::Pipeline) -> Result<(), String> {
        let sources = std::mem::take(&mut spec.sources);
        let outcome = self.change(inner, &spec);
        let (trees, sources) = sources.into_iter().partition(|source| source.files.is_some());
        // After a refusal the last good form keeps running, with the containers of today.
        let found = self.set_trees(inner, &spec.name, trees);
        self.set_sources(inner, &spec.name, sources);
        outcome.and(found)
    }

    fn change(&self, inner: &mut Inner, spec: &plan::Pipeline) -> Result<(), String> {
        let rule = spec.multiline.as_ref().map(Rule::new).transpose()?;
        let known =
            inner.pipelines.get(&spec.name).filter(|each| each.spec.shaping == spec.shaping);
        let shape = match (known, &spec.shaping) {
            (Some(running), _) => running.shape.clone(),
            (None, Some(shaping)) => Some(Arc::new(Shape::new(shaping)?)),
            (None, None) => None,
        };
        let lane = inner
            .lanes
            .of(&spec.route(), &self.keys, &self.settings, &self.counters)
            .map_err(|fault| format!("no way to the destination (a thread, a spool): {fault}"))?;
        let fresh = !inner.pipelines.contains_key(&spec.name);
        let running = inner.pipelines.entry(spec.name.clone()).or_insert_with(|| Running {
            spec: spec.clone(),
            rule: None,
            shape: None,
            lane: Arc::clone(&lane),
            terms: Arc::new(Terms::new(&spec.delivery)),
            counters: self.counters.of(&spec.name),
            sources: BTreeMap::new(),
            trees: BTreeMap::new(),
        });
        if running.spec.multiline != spec.multiline {
            running.change_all(|| Change::Rule(rule.clone()));
        }
        if running.spec.shaping != spec.shaping {
            running.change_all(|| Change::Shape(shape.clone()));
        }
        running.rule = rule;
        running.shape = shape;
        let mut changed = !Arc::ptr_eq(&running.lane, &lane);
        if running.spec.delivery != spec.delivery {
            running.terms = Arc::new(Terms::new(&spec.delivery));
            changed = true;
        }
        running.lane.hand_over(&running.counters, &lane);
        if fresh {
            // What was left in a spool by an earlier life of the agent.
            inner.lanes.gather(&running.counters, &lane);
        }
        running.lane = lane;
        running.spec = spec.clone();
        if changed {
            running.change_all(|| Change::Pipeline(running.around()));
        }
        Ok(())
    }

    fn set_sources(&self, inner: &mut Inner, name: &str, sources: Vec<plan::Source>) {
        let Inner { pipelines, restored, numbered, .. } = inner;
        let Some(running) = pipelines.get_mut(name) else { return };
        let mut known = std::mem::take(&mut running.sources);
        for source in sources {
            let id = source.id.clone();
            let slot = if let Some((before, slot)) = known.remove(&id) {
                if before != source {
                    slot.change(Change::Source(Box::new(source.clone())));
                    self.schedule.poke([(slot.number, Heard::NAMES)], Instant::now());
                }
                slot
            } else {
                *numbered += 1;
                let standing = restored.remove(&key(name, &id)).unwrap_or_default();
                let reader = self.reader(running, &source, standing);
                self.start(running, &source, reader, *numbered)
            };
            running.sources.insert(id, (source, slot));
        }
        for (id, (source, slot)) in known {
            // Logs stay as long as their tree.
            if trees::tree_of(&id).is_some_and(|tree| running.trees.contains_key(tree)) {
                running.sources.insert(id, (source, slot));
            } else {
                self.remove(&slot);
            }
        }
        let sources = running.sources.values().map(|(_, slot)| slot.number);
        for number in sources.chain(running.trees.values().map(|(_, stand)| stand.number)) {
            if running.spec.paused {
                self.schedule.remove(number);
            } else {
                self.schedule.add(number);
            }
        }
    }

    fn reader(&self, running: &Running, source: &plan::Source, standing: Standing) -> Reader {
        let key = key(&running.spec.name, &source.id);
        let journal = Arc::clone(self.checkpoints.journal());
        let progress = Arc::new(Progress::new(key, journal, &standing));
        let (rule, most) = (running.rule.clone(), self.settings.max_line_bytes);
        let mut reader = Reader::new(source.clone(), standing, progress, rule, most);
        let shaper = running.shape.clone().map(Shaper::new);
        reader.change_shaper(shaper, &running.counters);
        reader
    }

    fn start(
        &self,
        running: &Running,
        source: &plan::Source,
        reader: Reader,
        number: u64,
    ) -> Arc<Slot> {
        let slot = Arc::new(Slot::new(number, &source.id, reader, running.around()));
        let mut tasks = self.tasks();
        tasks.insert(number, Task::Source(Arc::clone(&slot)));
        drop(tasks);
        if !running.spec.paused {
            self.schedule.add(number);
        }
        slot
    }
}
