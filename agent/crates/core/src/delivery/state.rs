//! What a lane knows of its queue and of its destination; its threads share it under a lock.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::room::Room;
use super::{Shared, Waiting};
use crate::counters::Counters;
use crate::flows::Flows;
use crate::plan::Settings;

/// A destination that has taken nothing for that long is away: what has no room in memory goes to
/// the spool. One that is only slow leaves lines in their files.
const AWAY: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct State {
    pub(super) flows: Flows<Waiting>,
    pub(super) under_way: usize,
    pub(super) closing: bool,
    /// Failures since the last success, when the first and the last of them were, and when to try
    /// again.
    pub(super) failures: u32,
    failing: Option<Instant>,
    pub(super) failed: Option<Instant>,
    pub(super) resume: Option<Instant>,
    pub(super) threads: Vec<JoinHandle<()>>,
    /// Threads that wait for something to do.
    pub(super) resting: usize,
    /// Pipelines that go to another destination now.
    pub(super) moved: Vec<(Arc<Counters>, Weak<Shared>)>,
    /// To be written to the spool, in order; how many are being written; what lies only there.
    pub(super) incoming: VecDeque<Waiting>,
    pub(super) writing: usize,
    pub(super) stored: BTreeSet<u64>,
    /// Those of them that go to another lane.
    pub(super) leaving: BTreeSet<u64>,
    pub(super) room: Room,
    /// Why the spool cannot be written.
    pub(super) refusal: String,
}

impl State {
    pub(super) fn new(settings: &Settings, spool_bytes: u64) -> Self {
        Self {
            flows: Flows::new(settings.queue_bytes_per_destination),
            under_way: 0,
            closing: false,
            failures: 0,
            failing: None,
            failed: None,
            resume: None,
            threads: Vec::new(),
            resting: 0,
            moved: Vec::new(),
            incoming: VecDeque::new(),
            writing: 0,
            stored: BTreeSet::new(),
            leaving: BTreeSet::new(),
            room: Room::new(usize::try_from(spool_bytes).unwrap_or(usize::MAX)),
            refusal: String::new(),
        }
    }

    /// Takes one that is to be sent, room or not.
    pub(super) fn push(&mut self, waiting: Waiting) {
        let (flow, size) = (waiting.flow(), waiting.size());
        self.flows.weigh(flow, waiting.priority);
        self.flows.push(flow, size, waiting);
    }

    /// Whether the destination is away.
    pub(super) fn stuck(&self) -> bool {
        self.failing.is_some_and(|since| since.elapsed() >= AWAY)
    }

    /// A request failed at `now`.
    pub(super) fn fails(&mut self, now: Instant, pause: Duration) {
        self.failing.get_or_insert(now);
        self.failed = Some(now);
        self.resume = Some(now + pause);
    }

    /// The destination took one.
    pub(super) fn recovered(&mut self) {
        (self.failures, self.failing) = (0, None);
    }

    /// Whether something is in the spool, or soon will be, that has to be sent before.
    pub(super) fn spooling(&self) -> bool {
        self.writing > 0 || !self.incoming.is_empty() || !self.stored.is_empty()
    }

    /// Whether so many bytes from the spool have room in memory. While the destination is away, what
    /// is there to ask it with is enough.
    pub(super) fn may_take(&self, size: usize) -> bool {
        self.flows.is_empty() || (!self.stuck() && self.flows.fits(size))
    }

    /// Where a pipeline goes now, if elsewhere.
    pub(super) fn target(&self, pipeline: &Arc<Counters>) -> Option<Arc<Shared>> {
        let moved = self.moved.iter().find(|(known, _)| Arc::ptr_eq(known, pipeline));
        moved.and_then(|(_, target)| target.upgrade())
    }
}
