//! One lane per destination: a bounded queue and the thread that empties it, request by request.
//!
//! Packages leave in the order they came, each until it is acknowledged or refused for good, so a
//! source's acknowledgements are in order too. A destination that is away, slow or throttled stops
//! its own lane and no other.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::batch::Sealed;
use crate::counters::{self, Counters};
use crate::http::{Keys, Outcome, Sender};
use crate::plan::Destination;
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
}

#[derive(Debug, Default)]
struct Queue {
    packages: VecDeque<Waiting>,
    bytes: usize,
    closing: bool,
}

#[derive(Debug)]
struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
    busy: AtomicBool,
    limit: usize,
}

/// The way to one destination.
#[derive(Debug)]
pub struct Lane {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Lane {
    /// Starts the thread of a lane that holds up to `limit` bytes.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn start(
        destination: Destination,
        keys: Keys,
        user_agent: &str,
        limit: usize,
    ) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            queue: Mutex::default(),
            changed: Condvar::new(),
            busy: AtomicBool::new(false),
            limit,
        });
        let sender = Sender::new(destination, keys, user_agent);
        let inner = Arc::clone(&shared);
        let thread =
            std::thread::Builder::new().name("lane".into()).spawn(move || inner.run(&sender))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Takes a package, or gives it back when the queue is full. An empty queue takes any.
    ///
    /// # Errors
    /// The package itself: try again later.
    #[allow(clippy::result_large_err, reason = "the error is the package, moved back to its owner")]
    pub fn push(&self, package: Package) -> Result<(), Package> {
        let mut queue = lock(&self.shared.queue);
        let size = package.sealed.body.len();
        if !queue.packages.is_empty() && queue.bytes + size > self.shared.limit {
            return Err(package);
        }
        let Package { sealed, milestone, source, counters } = package;
        counters::add(&counters.queue_bytes, size as u64);
        queue.bytes += size;
        let number = source.begin(milestone);
        queue.packages.push_back(Waiting { sealed, source, number, counters });
        self.shared.changed.notify_all();
        Ok(())
    }

    /// Whether nothing is on its way.
    #[must_use]
    pub fn idle(&self) -> bool {
        lock(&self.shared.queue).packages.is_empty() && !self.shared.busy.load(Ordering::Acquire)
    }

    /// Tells the thread to end after the request in progress; what waits is not sent.
    pub fn close(&self) {
        lock(&self.shared.queue).closing = true;
        self.shared.changed.notify_all();
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.close();
        if let Some(thread) = self.thread.take() {
            // A sender that panicked has nothing left to say.
            drop(thread.join());
        }
    }
}

impl Shared {
    fn run(&self, sender: &Sender) {
        while let Some(package) = self.next() {
            self.deliver(sender, &package);
            self.busy.store(false, Ordering::Release);
        }
    }

    fn next(&self) -> Option<Waiting> {
        let mut queue = lock(&self.queue);
        loop {
            if queue.closing {
                return None;
            }
            if let Some(package) = queue.packages.pop_front() {
                queue.bytes -= package.sealed.body.len();
                self.busy.store(true, Ordering::Release);
                return Some(package);
            }
            queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn deliver(&self, sender: &Sender, package: &Waiting) {
        let counters = &package.counters;
        let mut pause = FIRST_PAUSE;
        loop {
            match sender.put(&package.sealed) {
                Outcome::Done => {
                    counters::add(&counters.sent_bytes, package.sealed.bytes);
                    counters::add(&counters.sent_lines, package.sealed.logs as u64);
                    counters::add(&counters.sent_requests, 1);
                    counters.error("");
                    break;
                }
                Outcome::Refused(sentence) => {
                    counters.lose("rejected", package.sealed.bytes);
                    counters.error(&sentence);
                    break;
                }
                Outcome::Later(sentence) => {
                    counters.error(&sentence);
                    counters::add(&counters.retries, 1);
                    if !self.wait(pause.mul_f64(0.5 + fastrand::f64() * 0.5)) {
                        return;
                    }
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
        acknowledge(package);
    }

    /// Waits, unless the lane closes; false when it does.
    fn wait(&self, pause: Duration) -> bool {
        let until = Instant::now() + pause;
        let mut queue = lock(&self.queue);
        while !queue.closing {
            let Some(rest) = until.checked_duration_since(Instant::now()) else { return true };
            queue =
                self.changed.wait_timeout(queue, rest).unwrap_or_else(PoisonError::into_inner).0;
        }
        false
    }
}

fn acknowledge(package: &Waiting) {
    package.counters.queue_bytes.fetch_sub(package.sealed.body.len() as u64, Ordering::Relaxed);
    package.source.done(package.number);
}
