//! The core as its owner sees it: a plan in, statistics out, a thread that reads in between.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde::Serialize;
use slswire::signature::Credentials;

use crate::checkpoints::{Checkpoints, Places};
use crate::counters::{Counters, Snapshot};
use crate::delivery::Lane;
use crate::files::Scratch;
use crate::http::Keys;
use crate::joining::Rule;
use crate::parsing::{Shape, Shaper};
use crate::plan::{self, Destination, Plan, Settings};
use crate::progress::Progress;
use crate::source::{Reader, State, Surroundings};

/// Between two checkpoint documents: what a power cut repeats at the most, besides what is in flight.
const CHECKPOINT: Duration = Duration::from_secs(1);

/// Between two rounds when nothing is to be read.
const PAUSE: Duration = Duration::from_millis(20);

/// Checkpoints of sources that no plan names are kept that long after the start.
const KEPT: Duration = Duration::from_secs(3600);

#[derive(Debug)]
struct Running {
    spec: plan::Pipeline,
    rule: Option<Rule>,
    shape: Option<Arc<Shape>>,
    lane: Arc<Lane>,
    counters: Arc<Counters>,
    readers: BTreeMap<String, Reader>,
}

#[derive(Debug)]
struct Inner {
    pipelines: BTreeMap<String, Running>,
    lanes: HashMap<Destination, Arc<Lane>>,
    /// Checkpoints of sources that no plan has named yet.
    restored: Places,
    started: Instant,
    checkpoints: Checkpoints,
    draining: bool,
}

#[derive(Debug)]
struct Shared {
    inner: Mutex<Inner>,
    settings: Settings,
    keys: Keys,
    stop: AtomicBool,
}

/// The data path of one agent.
#[derive(Debug)]
pub struct Core {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Stats {
    pipelines: BTreeMap<String, Snapshot>,
    sources: BTreeMap<String, SourceStats>,
    open_deleted_files: usize,
    checkpoint_writes: u64,
    complaints: Vec<String>,
}

#[derive(Serialize)]
struct SourceStats {
    state: State,
    lines: u64,
    files: usize,
}

impl Core {
    /// Opens the state directory, restores the checkpoints and starts reading.
    ///
    /// # Errors
    /// The settings are no document of settings, or the directory cannot be used.
    pub fn new(state_dir: &Path, settings_json: &str) -> io::Result<Self> {
        let settings = serde_json::from_str(settings_json)?;
        let (checkpoints, restored) = Checkpoints::open(state_dir)?;
        let inner = Inner {
            pipelines: BTreeMap::new(),
            lanes: HashMap::new(),
            restored,
            started: Instant::now(),
            checkpoints,
            draining: false,
        };
        let shared = Arc::new(Shared {
            inner: Mutex::new(inner),
            settings,
            keys: Arc::new(RwLock::default()),
            stop: AtomicBool::new(false),
        });
        let reading = Arc::clone(&shared);
        let thread =
            std::thread::Builder::new().name("reader".into()).spawn(move || reading.run())?;
        Ok(Self { shared, thread: Mutex::new(Some(thread)) })
    }

    /// Takes the whole desired plan; gives a sentence for each pipeline that cannot run so and
    /// keeps its last good form.
    ///
    /// # Errors
    /// The text is no plan.
    pub fn apply(&self, plan_json: &str) -> io::Result<BTreeMap<String, String>> {
        let plan: Plan = serde_json::from_str(plan_json)?;
        let mut inner = self.shared.lock();
        let mut failed = BTreeMap::new();
        let mut wanted = BTreeSet::new();
        for pipeline in plan.pipelines {
            let name = pipeline.name.clone();
            wanted.insert(name.clone());
            if let Err(sentence) = self.shared.apply_one(&mut inner, pipeline) {
                failed.insert(name, sentence);
            }
        }
        inner.pipelines.retain(|name, _| wanted.contains(name));
        let used: Vec<_> =
            inner.pipelines.values().map(|running| Arc::clone(&running.lane)).collect();
        // A lane that still delivers what a removed pipeline read is kept until it is empty.
        inner
            .lanes
            .retain(|_, lane| !lane.idle() || used.iter().any(|each| Arc::ptr_eq(each, lane)));
        Ok(failed)
    }

    /// Sets or swaps a key.
    pub fn set_credentials(&self, name: &str, id: &str, secret: &str) {
        let key =
            Credentials { access_key_id: id.to_owned(), access_key_secret: secret.to_owned() };
        let mut keys = self.shared.keys.write().unwrap_or_else(PoisonError::into_inner);
        keys.insert(name.to_owned(), key);
        drop(keys);
        for lane in self.shared.lock().lanes.values() {
            lane.wake();
        }
    }

    /// Forgets a key.
    pub fn remove_credentials(&self, name: &str) {
        self.shared.keys.write().unwrap_or_else(PoisonError::into_inner).remove(name);
    }

    /// Counters and states as a JSON document.
    ///
    /// # Errors
    /// It cannot be written as JSON.
    pub fn stats(&self) -> io::Result<String> {
        let inner = self.shared.lock();
        let now = Instant::now();
        let mut stats = Stats {
            pipelines: BTreeMap::new(),
            sources: BTreeMap::new(),
            open_deleted_files: 0,
            checkpoint_writes: inner.checkpoints.writes(),
            complaints: inner.checkpoints.complaints(),
        };
        for (name, running) in &inner.pipelines {
            let lag = running.readers.values().map(|reader| reader.lag(now)).max();
            let snapshot = running.counters.snapshot(lag.unwrap_or_default().as_secs_f64());
            stats.pipelines.insert(name.clone(), snapshot);
            for (id, reader) in &running.readers {
                stats.open_deleted_files += reader.open_deleted();
                let source = SourceStats {
                    state: reader.state(),
                    lines: reader.lines,
                    files: reader.files(),
                };
                stats.sources.insert(key(name, id), source);
            }
        }
        Ok(serde_json::to_string(&stats)?)
    }

    /// Whether everything read is acknowledged and every file is at its end.
    #[must_use]
    pub fn idle(&self) -> bool {
        let inner = self.shared.lock();
        let read = inner.pipelines.values().all(|each| each.readers.values().all(Reader::idle));
        read && inner.lanes.values().all(|lane| lane.idle())
    }

    /// Stops reading, delivers what is in flight, writes the checkpoints; false when the time was
    /// not enough.
    #[must_use]
    pub fn drain(&self, timeout: Duration) -> bool {
        let until = Instant::now() + timeout;
        self.shared.lock().draining = true;
        loop {
            let mut inner = self.shared.lock();
            let held = self.shared.flush(&mut inner);
            let empty = !held && inner.lanes.values().all(|lane| lane.idle());
            if empty || Instant::now() >= until {
                let inner = &mut *inner;
                let written = inner.checkpoints.write(|| places(inner)).is_ok();
                return empty && written;
            }
            drop(inner);
            std::thread::sleep(PAUSE);
        }
    }

    /// Ends every thread; what is in flight is not waited for.
    pub fn close(&self) {
        self.shared.stop.store(true, Ordering::Release);
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(thread) = thread.take() {
            drop(thread.join());
        }
        let mut inner = self.shared.lock();
        for lane in inner.lanes.values() {
            lane.close();
        }
        inner.pipelines.clear();
        inner.lanes.clear();
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
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        let mut checkpointed = Instant::now();
        let mut scratch = Scratch::default();
        while !self.stop.load(Ordering::Acquire) {
            let mut inner = self.lock();
            let busy = !inner.draining && self.round(&mut inner, &mut scratch);
            if checkpointed.elapsed() >= CHECKPOINT {
                if inner.started.elapsed() > KEPT {
                    inner.restored.clear();
                }
                inner.checkpoints.write_soon(|| places(&inner));
                checkpointed = Instant::now();
            }
            drop(inner);
            std::thread::sleep(if busy { Duration::ZERO } else { PAUSE });
        }
    }

    fn round(&self, inner: &mut Inner, scratch: &mut Scratch) -> bool {
        let mut busy = false;
        for running in inner.pipelines.values_mut() {
            let around = Surroundings {
                settings: &self.settings,
                lane: &running.lane,
                counters: &running.counters,
                compression: running.spec.destination.compression,
            };
            for (id, reader) in &mut running.readers {
                match reader.step(&around, scratch) {
                    Ok(read) => busy |= read,
                    Err(fault) => running.counters.error(&format!("source {id}: {fault}")),
                }
            }
        }
        busy
    }

    fn flush(&self, inner: &mut Inner) -> bool {
        let mut held = false;
        for running in inner.pipelines.values_mut() {
            let around = Surroundings {
                settings: &self.settings,
                lane: &running.lane,
                counters: &running.counters,
                compression: running.spec.destination.compression,
            };
            for reader in running.readers.values_mut() {
                reader.flush(&around);
                held |= reader.holds();
            }
        }
        held
    }

    fn lane(&self, inner: &mut Inner, destination: &Destination) -> io::Result<Arc<Lane>> {
        if let Some(lane) = inner.lanes.get(destination) {
            return Ok(Arc::clone(lane));
        }
        let lane =
            Arc::new(Lane::start(destination.clone(), Arc::clone(&self.keys), &self.settings)?);
        inner.lanes.insert(destination.clone(), Arc::clone(&lane));
        Ok(lane)
    }

    fn apply_one(&self, inner: &mut Inner, mut spec: plan::Pipeline) -> Result<(), String> {
        let sources = std::mem::take(&mut spec.sources);
        let outcome = self.change(inner, &spec);
        // After a refusal the last good form keeps running, with the containers of today.
        self.set_sources(inner, &spec.name, sources);
        outcome
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
        let lane = self
            .lane(inner, &spec.destination)
            .map_err(|fault| format!("no thread for the destination: {fault}"))?;
        let running = inner.pipelines.entry(spec.name.clone()).or_insert_with(|| Running {
            spec: spec.clone(),
            rule: None,
            shape: None,
            lane: Arc::clone(&lane),
            counters: Arc::default(),
            readers: BTreeMap::new(),
        });
        if running.spec.multiline != spec.multiline {
            for reader in running.readers.values_mut() {
                reader.change_rule(rule.clone());
            }
        }
        if running.spec.shaping != spec.shaping {
            for reader in running.readers.values_mut() {
                reader.change_shaper(shape.clone().map(Shaper::new), &running.counters);
            }
        }
        running.rule = rule;
        running.shape = shape;
        running.lane.hand_over(&running.counters, &lane);
        running.lane = lane;
        running.spec = spec.clone();
        Ok(())
    }

    fn set_sources(&self, inner: &mut Inner, name: &str, sources: Vec<plan::Source>) {
        let Inner { pipelines, restored, checkpoints, .. } = inner;
        let Some(running) = pipelines.get_mut(name) else { return };
        let around = Surroundings {
            settings: &self.settings,
            lane: &running.lane,
            counters: &running.counters,
            compression: running.spec.destination.compression,
        };
        let mut kept = std::mem::take(&mut running.readers);
        for source in sources {
            let id = source.id.clone();
            let reader = if let Some(mut reader) = kept.remove(&id) {
                reader.update(source, &around);
                reader
            } else {
                let key = key(name, &id);
                let places = restored.remove(&key).unwrap_or_default();
                let progress = Arc::new(Progress::new(key, Arc::clone(checkpoints.journal())));
                let (rule, most) = (running.rule.clone(), self.settings.max_line_bytes);
                let mut reader = Reader::new(source, places, progress, rule, most);
                let shaper = running.shape.clone().map(Shaper::new);
                reader.change_shaper(shaper, &running.counters);
                reader
            };
            running.readers.insert(id, reader);
        }
    }
}

fn places(inner: &Inner) -> Places {
    let mut places = inner.restored.clone();
    for (name, running) in &inner.pipelines {
        for (id, reader) in &running.readers {
            places.insert(key(name, id), reader.saved());
        }
    }
    places
}
