//! One source as several threads see it: one reads, others ask, change and remember.
//!
//! The thread that steps it has the reader to itself; nobody else waits for a read. Who asks while a
//! step is in progress gets what was true after the last one, and a change waits for the next.

use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::checkpoints::Standing;
use crate::counters::Counters;
use crate::delivery::Lane;
use crate::files::{self, Scratch};
use crate::joining::Rule;
use crate::listing::Log;
use crate::parsing::{Shape, Shaper};
use crate::plan::{Compression, Settings, Source};
use crate::progress::Progress;
use crate::schedule::{Heard, Rest};
use crate::source::{Glance, Reader, Surroundings, Wanted};
use crate::terms::Terms;
use crate::watching::Watching;

/// A directory that is watched is listed that seldom besides, should an event have been missed.
const SCAN_BEHIND: Duration = Duration::from_secs(10);

/// Those lists are made at so many moments of that time, each source's always at the same one: a
/// thousand idle sources wake a thread twice a second, and ten thousand do not all come at once.
const PHASES: u32 = 20;

/// Where the phases begin.
static BEGIN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// After a failure the source is tried again that late, unless something is heard of it.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// So many looks in a row that found bytes nobody had told of: events do not come from there, as from
/// a volume that another node writes.
const DEAF_AFTER: u32 = 2;

/// The pipeline around a source.
#[derive(Debug, Clone)]
pub struct Pipeline {
    /// The way to the destination.
    pub lane: Arc<Lane>,
    /// Of the pipeline.
    pub counters: Arc<Counters>,
    /// Of request bodies.
    pub compression: Compression,
    /// What it agreed about its delivery.
    pub terms: Arc<Terms>,
}

impl Pipeline {
    fn around<'a>(&'a self, settings: &'a Settings) -> Surroundings<'a> {
        Surroundings {
            settings,
            lane: &self.lane,
            counters: &self.counters,
            compression: self.compression,
            terms: &self.terms,
        }
    }
}

/// What a new plan changes.
#[derive(Debug)]
pub enum Change {
    /// The description of the source.
    Source(Box<Source>),
    /// The files that a tree found.
    Log(Arc<Log>),
    /// How lines are joined.
    Rule(Option<Rule>),
    /// How records are taken apart.
    Shape(Option<Arc<Shape>>),
    /// Where they go.
    Pipeline(Pipeline),
    /// So many deleted files are not read to their end.
    GiveUpDeleted(usize),
}

/// What a source is doing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub enum State {
    /// Its directory has no file yet.
    #[default]
    Waiting,
    /// Files are followed.
    Reading,
    /// It has ended, and everything is acknowledged.
    Drained,
}

/// What is told of a source.
#[derive(Debug, Clone, Default)]
pub struct Told {
    /// What it is doing.
    pub state: State,
    /// Lines read.
    pub lines: u64,
    /// Files known.
    pub files: usize,
    /// Deleted files that are still read.
    pub open_deleted: usize,
    /// Age of the oldest record not acknowledged.
    pub lag: Duration,
}

#[derive(Debug)]
struct Work {
    reader: Reader,
    pipeline: Pipeline,
    /// When its directory was listed last.
    listed: Option<Instant>,
    wanted: Wanted,
    watched: bool,
    /// How it looked when a list behind the events found nothing.
    glance: Option<Glance>,
}

/// A source and who may do what with it.
#[derive(Debug)]
pub struct Slot {
    /// Its number in the schedule and among the watches.
    pub number: u64,
    name: String,
    work: Mutex<Work>,
    changes: Mutex<Vec<Change>>,
    /// What was true after the last step.
    last: Mutex<Last>,
    progress: Arc<Progress>,
    unheard: AtomicU32,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What was true of a source after a step.
#[derive(Debug)]
struct Last {
    told: Told,
    standing: Standing,
}

impl Last {
    fn of(reader: &Reader, told: Told) -> Self {
        Self { told, standing: reader.standing() }
    }
}

impl Slot {
    /// A source that nobody has stepped yet; `name` is for people.
    #[must_use]
    pub fn new(number: u64, name: &str, reader: Reader, pipeline: Pipeline) -> Self {
        let last = Last::of(&reader, Told::default());
        let progress = reader.progress();
        let wanted = Wanted::Directories(Vec::new());
        let work = Work { reader, pipeline, listed: None, wanted, watched: false, glance: None };
        Self {
            number,
            name: name.to_owned(),
            work: Mutex::new(work),
            changes: Mutex::default(),
            last: Mutex::new(last),
            progress,
            unheard: AtomicU32::new(0),
        }
    }

    /// Whether a change waits for the next step.
    pub fn is_changing(&self) -> bool {
        !lock(&self.changes).is_empty()
    }

    /// Leaves a change for the next step.
    pub fn change(&self, change: Change) {
        lock(&self.changes).push(change);
    }

    /// Reads a little; gives when it wants to be stepped again, and whether a checkpoint has
    /// something new to say or soon will.
    pub fn step(
        &self,
        heard: Heard,
        settings: &Settings,
        watching: &Watching,
        scratch: &mut Scratch,
    ) -> (Rest, bool) {
        let mut work = lock(&self.work);
        let work = &mut *work;
        self.take_changes(work, settings);
        let now = Instant::now();
        let due = work.listed.is_none_or(|listed| now >= self.next_list(listed, work, settings));
        let look = heard.names || due;
        let before = if due && heard == Heard::default() { self.glance(work) } else { None };
        if before.is_some() && before == work.glance {
            if files::open_files() > settings.max_open_files {
                work.reader.rest();
            }
            work.listed = Some(now);
            let until = Some(self.next_list(now, work, settings));
            return (Rest { until, fed: false }, false);
        }
        if look {
            // Watched first: what comes after the listing is told of.
            work.wanted = work.reader.wanted();
            work.watched = match &work.wanted {
                Wanted::Directories(directories) => watching.follow(self.number, directories),
                Wanted::Log(directory, name) => watching.follow_log(self.number, directory, name),
            };
            work.listed = Some(now);
        }
        let outcome = work.reader.step(&work.pipeline.around(settings), scratch, look, now);
        if look && work.reader.wanted() != work.wanted {
            // A new link leads to where nobody was watching when its target was read.
            work.listed = None;
        }
        work.glance = before.filter(|_| matches!(&outcome, Ok(rest) if !rest.fed));
        let rest = self.judge(work, outcome, heard, due);
        let told = Last::of(&work.reader, tell(&work.reader, now));
        let mut last = lock(&self.last);
        let news = !work.reader.idle() || last.standing != told.standing;
        *last = told;
        drop(last);
        let scan = work.listed.map_or(now, |listed| self.next_list(listed, work, settings));
        (Rest { until: rest.until.into_iter().chain([scan]).min(), fed: rest.fed }, news)
    }

    fn judge(&self, work: &mut Work, outcome: io::Result<Rest>, heard: Heard, due: bool) -> Rest {
        match outcome {
            Ok(rest) => {
                if heard != Heard::default() {
                    self.unheard.store(0, Ordering::Relaxed);
                } else if due && rest.fed {
                    self.unheard.fetch_add(1, Ordering::Relaxed);
                }
                rest
            }
            Err(fault) => {
                work.pipeline.counters.error(&format!("source {}: {fault}", self.name));
                Rest { until: Some(Instant::now() + AFTER_FAILURE), fed: false }
            }
        }
    }

    /// Whether events come from its directory.
    fn hears(&self, work: &Work) -> bool {
        work.watched && self.unheard.load(Ordering::Relaxed) < DEAF_AFTER
    }

    /// Until when a listing holds.
    fn next_list(&self, listed: Instant, work: &Work, settings: &Settings) -> Instant {
        if self.hears(work) {
            return phase_after(listed, self.number);
        }
        listed + Duration::from_secs_f64(settings.scan_seconds.max(0.01))
    }

    /// How it looks, where that may stand for a look: a link may lead to other directories.
    fn glance(&self, work: &Work) -> Option<Glance> {
        let alone = matches!(&work.wanted, Wanted::Directories(all) if all.len() == 1);
        let may = alone && self.hears(work) && lock(&self.changes).is_empty();
        may.then(|| work.reader.glance()).flatten()
    }

    fn take_changes(&self, work: &mut Work, settings: &Settings) {
        for change in std::mem::take(&mut *lock(&self.changes)) {
            match change {
                Change::Source(spec) => {
                    work.reader.update(*spec, &work.pipeline.around(settings));
                    work.listed = None;
                }
                Change::Log(log) => work.reader.give(log),
                Change::Rule(rule) => work.reader.change_rule(rule),
                Change::Shape(shape) => {
                    let shaper = shape.map(Shaper::new);
                    work.reader.change_shaper(shaper, &work.pipeline.counters);
                }
                Change::Pipeline(pipeline) => work.pipeline = pipeline,
                Change::GiveUpDeleted(files) => {
                    work.reader.give_up_deleted(files, &work.pipeline.counters);
                }
            }
        }
    }

    /// The reader, unless a step is in progress.
    fn at_rest(&self) -> Option<MutexGuard<'_, Work>> {
        match self.work.try_lock() {
            Ok(work) => Some(work),
            Err(TryLockError::Poisoned(work)) => Some(work.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// How it stands.
    pub fn told(&self, now: Instant) -> Told {
        match self.at_rest() {
            Some(work) => tell(&work.reader, now),
            None => lock(&self.last).told.clone(),
        }
    }

    /// What to remember of it.
    pub fn standing(&self) -> Standing {
        if let Some(work) = self.at_rest() {
            return work.reader.standing();
        }
        // While it is stepped, acknowledgements come in: the journal that holds them ends with the
        // document that is being made.
        let last = lock(&self.last);
        let beyond = self.progress.beyond(last.standing.number);
        beyond.unwrap_or_else(|| last.standing.clone())
    }

    /// Whether everything read is acknowledged and every file is at its end.
    pub fn idle(&self) -> bool {
        lock(&self.changes).is_empty() && self.at_rest().is_some_and(|work| work.reader.idle())
    }

    /// Hands over what is read; true while there is something that could not be.
    pub fn flush(&self, settings: &Settings) -> bool {
        let Some(mut work) = self.at_rest() else { return true };
        let Work { reader, pipeline, .. } = &mut *work;
        reader.flush(&pipeline.around(settings));
        reader.holds()
    }
}

/// The next moment at which a source of that number is listed behind its events.
fn phase_after(listed: Instant, number: u64) -> Instant {
    let begin = *BEGIN;
    let step = SCAN_BEHIND / PHASES;
    let phase = step * u32::try_from(number % u64::from(PHASES)).unwrap_or_default();
    let first = begin + phase;
    let Some(passed) = listed.checked_duration_since(first) else { return first };
    let rounds = passed.as_nanos() / SCAN_BEHIND.as_nanos() + 1;
    first + SCAN_BEHIND * u32::try_from(rounds).unwrap_or(u32::MAX)
}

fn tell(reader: &Reader, now: Instant) -> Told {
    Told {
        state: reader.state(),
        lines: reader.lines,
        files: reader.files(),
        open_deleted: reader.open_deleted(),
        lag: reader.lag(now),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn list_comes_within_ten_seconds_and_those_of_many_sources_together(
            number: u64, at in 0..10_000_000_u64, later in 0..9_000_u64,
        ) {
            let listed = *BEGIN + Duration::from_millis(at);
            let next = phase_after(listed, number);
            prop_assert!(next > listed && next <= listed + SCAN_BEHIND);
            prop_assert_eq!(phase_after(next, number), next + SCAN_BEHIND);
            let other = phase_after(listed + Duration::from_millis(later), number + u64::from(PHASES) * 3);
            let apart = other.saturating_duration_since(next);
            prop_assert_eq!(apart.as_nanos() % SCAN_BEHIND.as_nanos(), 0);
        }
    }
}
