//! Which source is to be stepped next: at once, at a time, or when something is heard of it.
//!
//! The data threads of `engine` take sources from here and give them back with the time at which
//! they want to be stepped again; `watching` pokes those whose directory changed. A source is in the
//! hands of one thread at a time, which keeps its lines in order. With nothing due a thread sleeps.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A source that just gave bytes is left alone for that long: its batch waits longer anyway, and a
/// writer of a thousand short lines a second costs twenty reads instead of a thousand.
const BREATH: Duration = Duration::from_millis(50);

/// What was heard of a source since it was taken last.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Heard {
    /// A file has new bytes.
    pub bytes: bool,
    /// A name came, went or changed, or nobody knows: its directory is to be listed.
    pub names: bool,
}

impl Heard {
    /// That the directory is to be listed.
    pub const NAMES: Self = Self { bytes: false, names: true };

    /// Adds what else was heard.
    pub fn add(&mut self, other: Self) {
        self.bytes |= other.bytes;
        self.names |= other.names;
    }
}

/// When a source wants to be stepped again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rest {
    /// At the latest; None leaves it to events.
    pub until: Option<Instant>,
    /// Whether the step found bytes and came to their end: further ones may gather.
    pub fed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Resting(Option<Instant>),
    Queued,
    Taken,
}

#[derive(Debug)]
struct Entry {
    state: State,
    heard: Heard,
    /// New bytes alone are no reason to step it earlier.
    breath: Option<Instant>,
}

#[derive(Debug, Default)]
struct Queue {
    entries: HashMap<u64, Entry>,
    ready: VecDeque<u64>,
    timers: BTreeSet<(Instant, u64)>,
    paused: bool,
    stopping: bool,
}

/// The sources by number, and the threads that wait for one.
#[derive(Debug, Default)]
pub struct Schedule {
    queue: Mutex<Queue>,
    changed: Condvar,
}

impl Schedule {
    /// Takes up a source; it is due at once, its directory is to be listed. One that is there
    /// already stays as it is.
    pub fn add(&self, source: u64) {
        let mut queue = self.lock();
        if queue.entries.contains_key(&source) {
            return;
        }
        let entry = Entry { state: State::Queued, heard: Heard::NAMES, breath: None };
        queue.entries.insert(source, entry);
        queue.ready.push_back(source);
        self.changed.notify_one();
    }

    /// Forgets a source; a step in progress is its last.
    pub fn remove(&self, source: u64) {
        let mut queue = self.lock();
        if let Some(Entry { state: State::Resting(Some(due)), .. }) = queue.entries.remove(&source)
        {
            queue.timers.remove(&(due, source));
        }
        queue.ready.retain(|each| *each != source);
    }

    /// Says what was heard of some sources at `now`.
    pub fn poke(&self, heard: impl IntoIterator<Item = (u64, Heard)>, now: Instant) {
        let mut queue = self.lock();
        for (source, what) in heard {
            if queue.heard(source, what, now) {
                self.changed.notify_one();
            }
        }
    }

    /// Says that every directory is to be listed.
    pub fn poke_all(&self, now: Instant) {
        let all: Vec<_> =
            self.lock().entries.keys().map(|source| (*source, Heard::NAMES)).collect();
        self.poke(all, now);
    }

    /// Waits for a source that is due; None when all is to end.
    pub fn take(&self) -> Option<(u64, Heard)> {
        let mut queue = self.lock();
        loop {
            if queue.stopping {
                return None;
            }
            let wait = if queue.paused { None } else { queue.ring(Instant::now()) };
            if let Some(taken) = queue.next() {
                return Some(taken);
            }
            queue = match wait {
                Some(wait) => {
                    self.changed.wait_timeout(queue, wait).unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    /// Gives a source back at `now`.
    pub fn done(&self, source: u64, rest: Rest, now: Instant) {
        let mut queue = self.lock();
        let Some(entry) = queue.entries.get_mut(&source) else { return };
        entry.breath = rest.fed.then(|| now + BREATH);
        entry.state = State::Resting(None);
        let heard = entry.heard;
        queue.rest(source, rest.until, now);
        if heard != Heard::default() {
            queue.heard(source, heard, now);
        }
        // The caller takes the next source itself; others are woken for what it leaves.
        let first = queue.timers.first().is_some_and(|(_, first)| *first == source);
        if queue.ready.len() > 1 || first {
            self.changed.notify_one();
        }
    }

    /// Gives out no source any more, until the end.
    pub fn pause(&self) {
        self.lock().paused = true;
    }

    /// Ends the waiting of every thread.
    pub fn stop(&self) {
        self.lock().stopping = true;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    /// Remembers what was heard; true when the source became due or due earlier.
    fn heard(&mut self, source: u64, what: Heard, now: Instant) -> bool {
        let Some(entry) = self.entries.get_mut(&source) else { return false };
        entry.heard.add(what);
        if !matches!(entry.state, State::Resting(_)) {
            return false;
        }
        let breath = entry.breath.filter(|_| !entry.heard.names);
        self.rest(source, Some(breath.map_or(now, |breath| breath.max(now))), now);
        true
    }

    /// Makes a resting source due at `until`, unless it is so earlier.
    fn rest(&mut self, source: u64, until: Option<Instant>, now: Instant) {
        let Some(entry) = self.entries.get_mut(&source) else { return };
        let (State::Resting(before), Some(until)) = (entry.state, until) else { return };
        if before.is_some_and(|before| before <= until) {
            return;
        }
        if let Some(before) = before {
            self.timers.remove(&(before, source));
        }
        if until <= now {
            entry.state = State::Queued;
            self.ready.push_back(source);
        } else {
            entry.state = State::Resting(Some(until));
            self.timers.insert((until, source));
        }
    }

    /// Makes due what is due at `now`; gives the time until the next one is.
    fn ring(&mut self, now: Instant) -> Option<Duration> {
        while let Some((due, source)) = self.timers.first().copied() {
            if due > now {
                return Some(due - now);
            }
            self.timers.pop_first();
            if let Some(entry) = self.entries.get_mut(&source) {
                entry.state = State::Queued;
                self.ready.push_back(source);
            }
        }
        None
    }

    fn next(&mut self) -> Option<(u64, Heard)> {
        if self.paused {
            return None;
        }
        let source = self.ready.pop_front()?;
        let entry = self.entries.get_mut(&source)?;
        entry.state = State::Taken;
        Some((source, std::mem::take(&mut entry.heard)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BYTES: Heard = Heard { bytes: true, names: false };
    const EVENTS: Rest = Rest { until: None, fed: false };

    fn taken(schedule: &Schedule, now: Instant) -> Option<(u64, Heard)> {
        let mut queue = schedule.lock();
        queue.ring(now);
        queue.next()
    }

    fn rested(rest: Rest) -> (Schedule, Instant) {
        let (schedule, now) = (Schedule::default(), Instant::now());
        schedule.add(1);
        assert_eq!(taken(&schedule, now), Some((1, Heard::NAMES)));
        schedule.done(1, rest, now);
        (schedule, now)
    }

    #[test]
    fn resting_source_is_due_when_heard_of_and_not_before() {
        let (schedule, now) = rested(EVENTS);
        assert_eq!(taken(&schedule, now + Duration::from_secs(3600)), None);
        schedule.poke([(1, BYTES), (2, BYTES)], now);
        assert_eq!(taken(&schedule, now), Some((1, BYTES)));
    }

    #[test]
    fn what_is_heard_while_it_is_stepped_makes_it_due_again() {
        let (schedule, now) = rested(EVENTS);
        schedule.poke([(1, BYTES)], now);
        assert!(taken(&schedule, now).is_some());
        schedule.poke([(1, Heard::NAMES)], now);
        assert_eq!(taken(&schedule, now), None, "it is in one thread's hands");
        schedule.done(1, EVENTS, now);
        assert_eq!(taken(&schedule, now), Some((1, Heard::NAMES)));
    }

    #[test]
    fn source_that_was_fed_breathes_unless_a_name_changes() {
        let (schedule, now) = rested(Rest { until: None, fed: true });
        schedule.poke([(1, BYTES)], now);
        assert_eq!(taken(&schedule, now), None);
        assert_eq!(taken(&schedule, now + BREATH), Some((1, BYTES)));
        schedule.done(1, Rest { until: None, fed: true }, now);
        schedule.poke([(1, Heard::NAMES)], now);
        assert_eq!(taken(&schedule, now), Some((1, Heard::NAMES)));
    }

    #[test]
    fn earliest_time_counts_and_a_removed_source_has_none() {
        let second = Duration::from_secs(1);
        let (schedule, now) = rested(Rest { until: Some(Instant::now() + 9 * second), fed: false });
        assert_eq!(taken(&schedule, now + 5 * second), None);
        assert_eq!(taken(&schedule, now + 10 * second), Some((1, Heard::default())));
        schedule.done(1, Rest { until: Some(now + second), fed: false }, now);
        schedule.remove(1);
        assert_eq!(taken(&schedule, now + 10 * second), None);
        assert!(schedule.lock().timers.is_empty());
    }

    #[test]
    fn paused_schedule_gives_nothing_and_a_stopped_one_ends_the_wait() {
        let (schedule, now) = rested(EVENTS);
        schedule.pause();
        schedule.poke_all(now);
        assert_eq!(taken(&schedule, now), None);
        schedule.stop();
        assert_eq!(schedule.take(), None);
    }
}
