//! One lane per destination: a bounded queue ([`flows`]) and the threads that empty it.
//!
//! Several requests are under way at once, so that a far service does not limit what is sent, but one
//! of each source: its lines arrive in order, as long as its pipeline keeps the destination. A destination that is away, slow or throttled stops its own lane and no other,
//! and is asked by one request at a time until it takes one.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::batch::Sealed;
use crate::counters::{self, Counters};
use crate::flows::{Flows, Next};
use crate::http::{Keys, Outcome, Sender};
use crate::plan::{Destination, Settings};
use crate::progress::{Milestone, Progress};

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
}

/// A package in the queue, under its number.
#[derive(Debug)]
struct Waiting {
    sealed: Sealed,
    source: Arc<Progress>,
    number: u64,
    counters: Arc<Counters>,
    /// How often the service would not take this one.
    unwanted: u32,
}

impl Waiting {
    fn flow(&self) -> usize {
        Arc::as_ptr(&self.source) as usize
    }

    fn size(&self) -> usize {
        self.sealed.body.len()
    }
}

#[derive(Debug)]
struct State {
    flows: Flows<Waiting>,
    under_way: usize,
    closing: bool,
    /// Failures since the last success, when the last of them was, and when to try again.
    failures: u32,
    failed: Option<Instant>,
    resume: Option<Instant>,
    threads: Vec<JoinHandle<()>>,
    /// Threads that wait for something to do.
    resting: usize,
    /// Pipelines that go to another destination now.
    moved: Vec<(Arc<Counters>, Weak<Shared>)>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    sender: Sender,
    most_threads: usize,
}

/// The way to one destination.
#[derive(Debug)]
pub struct Lane {
    shared: Arc<Shared>,
}

impl Lane {
    /// Starts a lane with its first thread; more are started when there is work for them.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn start(
        destination: Destination,
        keys: Keys,
        settings: &Settings,
    ) -> std::io::Result<Self> {
        let window = settings.requests_per_destination.max(1);
        let state = State {
            flows: Flows::new(settings.queue_bytes_per_destination),
            under_way: 0,
            closing: false,
            failures: 0,
            failed: None,
            resume: None,
            threads: Vec::new(),
            resting: 0,
            moved: Vec::new(),
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            changed: Condvar::new(),
            sender: Sender::new(destination, keys, &settings.user_agent, window),
            most_threads: window,
        });
        let first = shared.thread()?;
        shared.lock().threads.push(first);
        Ok(Self { shared })
    }

    /// Takes a package, or gives it back when the queue has no room for its source.
    ///
    /// # Errors
    /// The package itself: try again later.
    #[allow(clippy::result_large_err, reason = "the error is the package, moved back to its owner")]
    pub fn push(&self, package: Package) -> Result<(), Package> {
        let mut state = self.shared.lock();
        let flow = Arc::as_ptr(&package.source) as usize;
        let size = package.sealed.body.len();
        if !state.flows.has_room(flow, size) {
            return Err(package);
        }
        let Package { sealed, milestone, source, counters } = package;
        counters::add(&counters.queue_bytes, size as u64);
        let number = source.begin(milestone);
        state.flows.push(flow, size, Waiting { sealed, source, number, counters, unwanted: 0 });
        self.shared.more_threads(&mut state);
        drop(state);
        self.shared.changed.notify_one();
        Ok(())
    }

    /// Whether nothing is on its way.
    #[must_use]
    pub fn idle(&self) -> bool {
        self.shared.lock().flows.is_empty()
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
        drop(state);
        for (_, _, waiting) in taken {
            other.shared.adopt(waiting);
        }
    }

    /// Tells the threads to end after the requests under way; what waits is not sent.
    pub fn close(&self) {
        self.shared.lock().closing = true;
        self.shared.changed.notify_all();
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

    fn adopt(self: &Arc<Self>, waiting: Waiting) {
        let mut state = self.lock();
        state.flows.push(waiting.flow(), waiting.size(), waiting);
        self.more_threads(&mut state);
        drop(state);
        self.changed.notify_one();
    }

    fn run(self: &Arc<Self>) {
        while let Some(waiting) = self.next() {
            let started = Instant::now();
            let outcome = self.sender.put(&waiting.sealed);
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

    fn settle(&self, mut waiting: Waiting, outcome: Outcome, started: Instant) {
        let counters = Arc::clone(&waiting.counters);
        match outcome {
            Outcome::Done => {
                counters::add(&counters.sent_bytes, waiting.sealed.bytes);
                counters::add(&counters.sent_lines, waiting.sealed.logs as u64);
                counters::add(&counters.sent_requests, 1);
                counters.error("");
                self.settled(&waiting);
            }
            Outcome::Refused(sentence) => {
                counters.lose("rejected", waiting.sealed.bytes);
                counters.error(&sentence);
                self.settled(&waiting);
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
                self.again(waiting, Some(at), |state| state.failures = 0);
            }
        }
        self.changed.notify_all();
    }

    /// Acknowledged, or given up for good.
    fn settled(&self, waiting: &Waiting) {
        waiting.counters.queue_bytes.fetch_sub(waiting.size() as u64, Ordering::Relaxed);
        // Noted before the lane counts as idle: who waits for that writes a checkpoint next.
        waiting.source.done(waiting.number);
        let mut state = self.lock();
        state.failures = 0;
        state.under_way -= 1;
        state.flows.settle(waiting.flow(), waiting.size());
    }

    fn failed(&self, waiting: Waiting, started: Instant) {
        self.again(waiting, None, |state| {
            // Requests that fail together are one failure.
            if state.failed.is_none_or(|failed| started >= failed) {
                let now = Instant::now();
                state.failures = state.failures.saturating_add(1);
                state.failed = Some(now);
                state.resume = Some(now + pause(state.failures));
            }
        });
    }

    /// Puts a package back, here or where its pipeline goes now.
    fn again(&self, waiting: Waiting, at: Option<Instant>, note: impl FnOnce(&mut State)) {
        let (flow, size) = (waiting.flow(), waiting.size());
        let mut state = self.lock();
        note(&mut state);
        state.under_way -= 1;
        let moved = state.moved.iter().find(|(known, _)| Arc::ptr_eq(known, &waiting.counters));
        let Some(target) = moved.and_then(|(_, target)| target.upgrade()) else {
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
