//! One lane per destination: a bounded queue ([`flows`]) and the threads that empty it.
//!
//! Several requests are under way at once, so that a far service does not limit what is sent, but one
//! of each source: its lines arrive in order, as long as its pipeline keeps the destination. A destination that is away, slow or throttled stops its own lane and no other,
//! and is asked by one request at a time until it takes one.
//!
//! Where a pipeline asks for it, what waits is made durable first ([`storing`], the `spool`): all of it
//! for writing exactly once, else what has no room while the destination is away.

mod room;
mod state;
mod storing;

use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::access::Keys;
use crate::batch::Sealed;
use crate::counters::{self, Counters};
use crate::flows::Next;
use crate::http::{Outcome, Routing, Sender};
use crate::plan::{Route, Settings, WhenFull};
use crate::progress::{Milestone, Progress};
use crate::spool::Spool;
use crate::terms::{Manner, Priority, Terms};
use state::State;
use storing::Storing;

/// First pause after a failure; it doubles with each, and a random part of it is waited.
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// Longest pause: a service that comes back is found soon.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// A body on its way.
#[derive(Debug)]
pub struct Package {
    /// The body.
    pub sealed: Sealed,
    /// What acknowledging it acknowledges.
    pub milestone: Milestone,
    /// Told when it is.
    pub source: Arc<Progress>,
    /// Of its pipeline.
    pub counters: Arc<Counters>,
    /// What its pipeline agreed.
    pub terms: Arc<Terms>,
    /// How it travels.
    pub manner: Manner,
}

/// Who is to be told that a package waits no more.
#[derive(Debug)]
enum Debt {
    /// Its source, under its number.
    Source(Arc<Progress>, u64),
    /// The lane whose spool holds it, under its order.
    Stored(Weak<Shared>, Arc<Spool>, u64),
}

/// A package in the queue.
#[derive(Debug)]
struct Waiting {
    sealed: Sealed,
    debt: Debt,
    /// Names its source.
    owner: usize,
    counters: Arc<Counters>,
    routing: Routing,
    priority: Priority,
    /// How often the service would not take this one.
    unwanted: u32,
    /// How often it was sent since it was last read from a spool.
    tries: u32,
    /// Whether no earlier life of the agent can have sent it.
    fresh: bool,
}

impl Waiting {
    fn size(&self) -> usize {
        self.sealed.body.len()
    }
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    /// For the thread of the spool alone.
    spooling: Condvar,
    sender: Sender,
    most_threads: usize,
    storing: Option<Storing>,
}

/// The way to one destination.
#[derive(Debug)]
pub struct Lane {
    shared: Arc<Shared>,
}

impl Lane {
    /// Starts a lane with its first thread; more are started when there is work for them. A route
    /// with a bound has a spool.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn start(
        route: &Route,
        keys: Keys,
        settings: &Settings,
        spool: Option<Arc<Spool>>,
    ) -> std::io::Result<Self> {
        let window = settings.requests_per_destination.max(1);
        let storing = spool.zip(route.bound()).map(|(spool, rule)| Storing {
            spool,
            rule,
            once: route.once(),
        });
        let bound = storing.as_ref().map_or(0, |storing| storing.rule.max_bytes);
        let destination = route.destination.clone();
        let shared = Arc::new(Shared {
            state: Mutex::new(State::new(settings, bound)),
            changed: Condvar::new(),
            spooling: Condvar::new(),
            sender: Sender::new(destination, keys, &settings.user_agent, window),
            most_threads: window,
            storing,
        });
        let first = shared.thread()?;
        shared.lock().threads.push(first);
        let storing = shared.storing_thread()?;
        let mut state = shared.lock();
        state.threads.extend(storing);
        drop(state);
        Ok(Self { shared })
    }

    /// Takes a package, or gives it back when the queue has no room for its source.
    ///
    /// # Errors
    /// The package itself: try again later.
    #[allow(clippy::result_large_err, reason = "the error is the package, moved back to its owner")]
    pub fn push(&self, package: Package) -> Result<(), Package> {
        let mut state = self.shared.lock();
        let (owner, size) = (package.source.owner(), package.sealed.body.len());
        let (place, now) = (self.shared.place(&state, owner, size), Instant::now());
        let Some(spooled) = place.filter(|_| package.terms.allow(now)) else {
            return Err(package);
        };
        let Package { sealed, milestone, source, counters, terms, manner } = package;
        let waited = terms.spend(sealed.bytes, now);
        counters::add(&counters.throttled, u64::try_from(waited.as_millis()).unwrap_or(u64::MAX));
        counters::add(&counters.queue_bytes, size as u64);
        let number = source.begin(milestone);
        let waiting = Waiting {
            sealed,
            debt: Debt::Source(source, number),
            owner,
            counters,
            routing: Routing::of(&manner),
            priority: manner.priority,
            unwanted: 0,
            tries: 0,
            fresh: true,
        };
        self.shared.take(&mut state, waiting, spooled);
        Ok(())
    }

    /// Whether a package of that source, of some such size, would be taken now.
    #[must_use]
    pub fn has_room(&self, source: &Progress, size: usize) -> bool {
        self.shared.place(&self.shared.lock(), source.owner(), size).is_some()
    }

    /// Sentences about the spool.
    #[must_use]
    pub fn complaints(&self) -> Vec<String> {
        let Some(storing) = &self.shared.storing else { return Vec::new() };
        let refusal = self.shared.lock().refusal.clone();
        let refusal = Some(refusal).filter(|sentence| !sentence.is_empty());
        storing.spool.complaints().into_iter().chain(refusal).collect()
    }

    /// Age of the oldest log group of a pipeline in the spool.
    #[must_use]
    pub fn age(&self, pipeline: &Arc<Counters>) -> Duration {
        let storing = self.shared.storing.as_ref();
        storing.map_or(Duration::ZERO, |each| Duration::from_millis(each.spool.age(pipeline)))
    }

    /// The spool, if it has one.
    #[must_use]
    pub fn spool(&self) -> Option<&Spool> {
        self.shared.storing.as_ref().map(|storing| storing.spool.as_ref())
    }

    /// Whether records that go this way are to arrive exactly once.
    #[must_use]
    pub fn once(&self) -> bool {
        self.shared.storing.as_ref().is_some_and(|storing| storing.once)
    }

    /// Whether all that waits is durable, and is not going to be delivered soon.
    #[must_use]
    pub fn rests(&self) -> bool {
        let state = self.shared.lock();
        let durable = |each: &Waiting| matches!(each.debt, Debt::Stored(..));
        state.failures > 0
            && state.under_way == 0
            && state.writing == 0
            && state.incoming.is_empty()
            && state.flows.all(durable)
    }

    /// Whether nothing is on its way.
    #[must_use]
    pub fn idle(&self) -> bool {
        let state = self.shared.lock();
        let stored = self.shared.storing.as_ref().is_some_and(|each| !each.spool.is_empty());
        state.flows.is_empty() && state.incoming.is_empty() && state.writing == 0 && !stored
    }

    /// Tries at once what waits after a failure: a key or something else has changed.
    pub fn wake(&self) {
        self.shared.lock().resume = None;
        self.shared.changed.notify_all();
    }

    /// The pipeline with these counters goes through `other` from now on, and what of it waits here
    /// does too: its old destination may never come back.
    pub fn hand_over(&self, pipeline: &Arc<Counters>, other: &Self) {
        if Arc::ptr_eq(&self.shared, &other.shared) {
            return;
        }
        other.shared.lock().moved.retain(|(known, _)| !Arc::ptr_eq(known, pipeline));
        let mut state = self.shared.lock();
        state.moved.retain(|(_, target)| target.strong_count() > 0);
        state.moved.push((Arc::clone(pipeline), Arc::downgrade(&other.shared)));
        let taken = state.flows.take(|waiting| Arc::ptr_eq(&waiting.counters, pipeline));
        self.shared.leave(&mut state, pipeline);
        drop(state);
        for (_, _, waiting) in taken {
            other.shared.adopt(waiting);
        }
    }

    /// Tells the threads to end after the requests under way; what waits is not sent.
    pub fn close(&self) {
        self.shared.lock().closing = true;
        self.shared.changed.notify_all();
        self.shared.spooling.notify_all();
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.close();
        let threads = std::mem::take(&mut self.shared.lock().threads);
        for thread in threads {
            // A sender that panicked has nothing left to say.
            drop(thread.join());
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn thread(self: &Arc<Self>) -> std::io::Result<JoinHandle<()>> {
        let inner = Arc::clone(self);
        std::thread::Builder::new().name("lane".into()).spawn(move || inner.run())
    }

    /// Starts a thread when more can be sent than threads wait (one that was just told counts as waiting
    /// still); without it the others do it later.
    fn more_threads(self: &Arc<Self>, state: &mut State) {
        let room = state.threads.len() < self.most_threads && !state.closing;
        if room && state.flows.sendable() > state.resting && state.failures == 0 {
            state.threads.extend(self.thread());
        }
    }

    /// Whether a package of so many bytes has room, and whether in the spool.
    fn place(&self, state: &State, owner: usize, size: usize) -> Option<bool> {
        let memory = state.flows.has_room(owner, size);
        let Some(storing) = &self.storing else { return memory.then_some(false) };
        // Requests under way come back first: what they carry is older.
        let begins = state.stuck() && state.under_way == 0 && !memory;
        let spooled = storing.once || state.spooling() || begins;
        if !spooled {
            return memory.then_some(false);
        }
        let written = state.incoming.iter().map(Waiting::size).sum::<usize>();
        let soon = state.incoming.is_empty() || state.flows.has_room(owner, written + size);
        let drops = storing.rule.when_full == WhenFull::DropOldest;
        (soon && (drops || state.room.fits(owner, size))).then_some(true)
    }

    fn take(self: &Arc<Self>, state: &mut State, waiting: Waiting, spooled: bool) {
        if spooled {
            if !state.spooling() {
                // What waits in memory comes before, and is durable then as well.
                let unstored = |each: &Waiting| matches!(each.debt, Debt::Source(..));
                for (_, size, earlier) in state.flows.take(unstored) {
                    state.room.add(earlier.owner, size);
                    state.incoming.push_back(earlier);
                }
            }
            state.room.add(waiting.owner, waiting.size());
            state.incoming.push_back(waiting);
            self.spooling.notify_all();
        } else {
            state.push(waiting);
            self.more_threads(state);
            self.changed.notify_one();
        }
    }

    /// Takes what waited in another lane.
    fn adopt(self: &Arc<Self>, mut waiting: Waiting) {
        if matches!(waiting.routing, Routing::Once(_)) {
            waiting.routing = Routing::Balanced;
        }
        (waiting.tries, waiting.fresh) = (0, true);
        let once = self.storing.as_ref().is_some_and(|storing| storing.once);
        self.take(&mut self.lock(), waiting, once);
    }

    fn run(self: &Arc<Self>) {
        while let Some(mut waiting) = self.next() {
            let started = Instant::now();
            waiting.tries = waiting.tries.saturating_add(1);
            let outcome = self.sender.put(&waiting.sealed, &waiting.routing);
            self.settle(waiting, outcome, started);
        }
    }

    fn next(self: &Arc<Self>) -> Option<Waiting> {
        let mut state = self.lock();
        while !state.closing {
            let now = Instant::now();
            let probing = state.failures > 0 && state.under_way > 0;
            let next = match state.resume.filter(|resume| *resume > now) {
                Some(resume) => Next::At(resume),
                None if probing => Next::Nothing,
                None => state.flows.next(now),
            };
            state.resting += 1;
            state = match next {
                Next::Item(waiting) => {
                    state.resting -= 1;
                    state.under_way += 1;
                    self.more_threads(&mut state);
                    return Some(waiting);
                }
                Next::At(at) => {
                    let rest = at.saturating_duration_since(now);
                    let woken = self.changed.wait_timeout(state, rest);
                    woken.unwrap_or_else(PoisonError::into_inner).0
                }
                Next::Nothing => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
            state.resting -= 1;
        }
        None
    }

    fn settle(self: &Arc<Self>, mut waiting: Waiting, outcome: Outcome, started: Instant) {
        let counters = Arc::clone(&waiting.counters);
        match outcome {
            Outcome::Repeated(sentence) if waiting.fresh && waiting.tries == 1 => {
                self.clashed(waiting, &sentence);
            }
            Outcome::Done | Outcome::Repeated(_) => {
                counters::add(&counters.sent_bytes, waiting.sealed.bytes);
                counters::add(&counters.sent_lines, waiting.sealed.logs as u64);
                counters::add(&counters.sent_requests, 1);
                counters.error("");
                self.settled(waiting);
            }
            Outcome::Refused(sentence) => {
                counters.lose("rejected", waiting.sealed.bytes);
                counters.error(&sentence);
                self.settled(waiting);
            }
            Outcome::Later(sentence) => {
                counters.error(&sentence);
                counters::add(&counters.retries, 1);
                self.failed(waiting, started);
            }
            Outcome::NotThis(sentence) => {
                counters.error(&sentence);
                counters::add(&counters.retries, 1);
                waiting.unwanted += 1;
                let at = Instant::now() + pause(waiting.unwanted);
                self.again(waiting, Some(at), State::recovered);
            }
        }
        self.changed.notify_all();
        self.spooling.notify_all();
    }

    /// Acknowledged, or given up for good.
    fn settled(&self, waiting: Waiting) {
        let (flow, size) = (waiting.flow(), waiting.size());
        waiting.counters.queue_bytes.fetch_sub(size as u64, Ordering::Relaxed);
        // Noted before the lane counts as idle: who waits for that writes a checkpoint next.
        waiting.debt.settle();
        let mut state = self.lock();
        state.recovered();
        state.under_way -= 1;
        state.flows.settle(flow, size);
    }

    /// A number that nobody can have used yet was: somebody else writes under the same hash key, as a
    /// copy of this agent's state would. The package goes out under another key.
    fn clashed(self: &Arc<Self>, mut waiting: Waiting, sentence: &str) {
        waiting.counters.error(&format!(
            "another writer uses this agent's hash key, is its state directory a copy? A new key is \
             taken ({sentence})"
        ));
        if let (Some(storing), Routing::Once(ticket)) = (&self.storing, &waiting.routing) {
            storing.spool.renew(ticket);
        }
        let (flow, size) = (waiting.flow(), waiting.size());
        (waiting.routing, waiting.tries) = (Routing::Balanced, 0);
        let mut state = self.lock();
        state.under_way -= 1;
        state.flows.settle(flow, size);
        self.take(&mut state, waiting, true);
    }

    fn failed(&self, waiting: Waiting, started: Instant) {
        self.again(waiting, None, |state| {
            // Requests that fail together are one failure.
            if state.failed.is_none_or(|failed| started >= failed) {
                let now = Instant::now();
                state.failures = state.failures.saturating_add(1);
                state.fails(now, pause(state.failures));
            }
        });
    }

    /// Puts a package back, here or where its pipeline goes now.
    fn again(&self, waiting: Waiting, at: Option<Instant>, note: impl FnOnce(&mut State)) {
        let (flow, size) = (waiting.flow(), waiting.size());
        let mut state = self.lock();
        note(&mut state);
        state.under_way -= 1;
        let Some(target) = state.target(&waiting.counters) else {
            state.flows.put_back(flow, size, waiting, at);
            return;
        };
        state.flows.settle(flow, size);
        drop(state);
        target.adopt(waiting);
    }
}

/// How long to wait after that many failures.
fn pause(failures: u32) -> Duration {
    let doubled = FIRST_PAUSE * 2_u32.saturating_pow(failures.saturating_sub(1).min(16));
    doubled.min(LONGEST_PAUSE).mul_f64(0.5 + fastrand::f64() * 0.5)
}
