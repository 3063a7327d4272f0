//! What one pipeline has done since the core started; written by readers and senders.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;

use crate::parsing::fault::{Tallied, Tally};

/// Longest error kept.
const ERROR_CHARS: usize = 300;

/// Counters of one pipeline.
#[derive(Debug, Default)]
pub struct Counters {
    /// Bytes read from log files.
    pub read_bytes: AtomicU64,
    /// Lines read from log files.
    pub read_lines: AtomicU64,
    /// Bytes of content acknowledged.
    pub sent_bytes: AtomicU64,
    /// Records acknowledged.
    pub sent_lines: AtomicU64,
    /// Requests acknowledged.
    pub sent_requests: AtomicU64,
    /// Requests sent again.
    pub retries: AtomicU64,
    /// Bytes that wait for their acknowledgement.
    pub queue_bytes: AtomicU64,
    /// Those of them that lie on the state volume.
    pub spool_bytes: AtomicU64,
    /// Milliseconds for which its rate was the reason to wait.
    pub throttled: AtomicU64,
    /// Lines that could not be parsed, and records that the pipeline does not want.
    pub parsing: Tally,
    /// Files that went away with an end that was not read.
    pub lost_files: AtomicU64,
    lost: Mutex<BTreeMap<&'static str, u64>>,
    last_error: Mutex<String>,
}

/// A snapshot, as the control reads it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    read_bytes: u64,
    read_lines: u64,
    sent_bytes: u64,
    sent_lines: u64,
    sent_requests: u64,
    retries: u64,
    queue_bytes: u64,
    spool_bytes: u64,
    throttled_seconds: f64,
    lost_files: u64,
    lost: BTreeMap<&'static str, u64>,
    last_error: String,
    #[serde(flatten)]
    parsing: Tallied,
    /// Age of the oldest record not acknowledged.
    pub lag_seconds: f64,
}

/// Adds to a counter.
pub fn add(counter: &AtomicU64, value: u64) {
    counter.fetch_add(value, Ordering::Relaxed);
}

impl Counters {
    /// Counts bytes that can no longer arrive.
    pub fn lose(&self, reason: &'static str, bytes: u64) {
        if bytes > 0 {
            let mut lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
            *lost.entry(reason).or_default() += bytes;
        }
    }

    /// Remembers the last error; an empty one says that all is well again.
    pub fn error(&self, sentence: &str) {
        let mut last = self.last_error.lock().unwrap_or_else(PoisonError::into_inner);
        if *last != sentence {
            *last = sentence.chars().take(ERROR_CHARS).collect();
        }
    }

    /// The numbers now.
    #[must_use]
    pub fn snapshot(&self, lag_seconds: f64) -> Snapshot {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Snapshot {
            read_bytes: get(&self.read_bytes),
            read_lines: get(&self.read_lines),
            sent_bytes: get(&self.sent_bytes),
            sent_lines: get(&self.sent_lines),
            sent_requests: get(&self.sent_requests),
            retries: get(&self.retries),
            queue_bytes: get(&self.queue_bytes),
            spool_bytes: get(&self.spool_bytes),
            throttled_seconds: Duration::from_millis(get(&self.throttled)).as_secs_f64(),
            lost_files: get(&self.lost_files),
            lost: self.lost.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            last_error: self.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            parsing: self.parsing.snapshot(),
            lag_seconds,
        }
    }
}

/// The counters of every pipeline by its name, of those too whose log groups are all that is left.
#[derive(Debug, Default)]
pub struct Registry(Mutex<BTreeMap<String, Arc<Counters>>>);

impl Registry {
    /// Those of one pipeline.
    #[must_use]
    pub fn of(&self, pipeline: &str) -> Arc<Counters> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Nobody counts there any more.
        known.retain(|name, counters| name == pipeline || Arc::strong_count(counters) > 1);
        Arc::clone(known.entry(pipeline.to_owned()).or_default())
    }
}
