//! Log groups that wait on the state volume: what a lane promised to deliver and a crash must not
//! change.
//!
//! A [`record`] is durable before its source's checkpoint may pass it, and before its first request
//! where it is sent exactly once: after a crash the same bytes go out again under the same number.
//! Records lie in segments. One is removed when none of its records and of those before it waits any
//! more, and after a checkpoint document that knows so was made durable ([`Spool::mark`]); of an old
//! segment that a few records keep, these are copied to the end. What is read at a start is what
//! the checksums prove; writing goes on in a new segment.

pub mod record;
mod segments;

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::batch::Sealed;
use crate::checkpoints::Standing;
use crate::counters::{self, Counters, Registry};
use crate::terms::Manner;
use record::{Frame, Head, Slot, Ticket};
use segments::{numbers, path, Inner, Segment};

/// Hash keys of a lane that writes exactly once: as many requests are under way at once. The service
/// keeps 16,384 of them per Logstore, so 4,000 nodes may write to one.
pub const SLOTS: usize = 4;

/// Fewer segments are not worth copying.
const FEWEST_SEGMENTS: usize = 4;

/// A record to be written.
#[derive(Debug)]
pub struct Item<'a> {
    /// `<pipeline>\0<source id>`
    pub source: String,
    /// What a checkpoint then says of it.
    pub standing: Standing,
    /// Names the source among those of the lane.
    pub owner: usize,
    /// Of the pipeline.
    pub counters: Arc<Counters>,
    /// The log group.
    pub sealed: &'a Sealed,
    /// How it travels.
    pub manner: Manner,
}

/// A record that was read.
#[derive(Debug)]
pub struct Loaded {
    /// What it says of its source.
    pub milestone: Milestone,
    /// The log group.
    pub sealed: Sealed,
    /// How it travels.
    pub manner: Manner,
    /// Under which number it is sent.
    pub ticket: Option<Ticket>,
}

/// Where a record went.
#[derive(Debug)]
pub struct Written {
    /// Names it from now on.
    pub order: u64,
    /// Under which number it is sent.
    pub ticket: Option<Ticket>,
}

/// A record that waits, as memory knows it.
#[derive(Debug, Clone)]
pub struct Entry {
    segment: u64,
    at: u64,
    length: usize,
    /// Names its source among those of the lane.
    pub owner: usize,
    /// Of its pipeline.
    pub counters: Arc<Counters>,
    /// Bytes of the body.
    pub size: usize,
    /// Bytes of content.
    pub bytes: u64,
    /// When it was written, in milliseconds of Unix time.
    pub written: u64,
}

impl Entry {
    /// Counts that it will not be delivered.
    pub fn give_up(&self, reason: &'static str) {
        self.counters.lose(reason, self.bytes);
        self.counters.queue_bytes.fetch_sub(self.size as u64, Ordering::Relaxed);
    }
}

/// What a start finds of a source: the milestone of a record.
#[derive(Debug, Default)]
pub struct Milestone {
    /// `<pipeline>\0<source id>`
    pub source: String,
    /// How it stands once the record is durable.
    pub standing: Standing,
}

/// The spool of one lane.
#[derive(Debug)]
pub struct Spool {
    directory: PathBuf,
    exactly_once: bool,
    /// The first order of this life of the agent.
    first: u64,
    inner: Mutex<Inner>,
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// A number of 128 random bits, the middle of the range `slot` of all: the keys of one lane lie in
/// different shards.
fn fresh_key(slot: usize) -> String {
    let bits = fastrand::u128(..) / SLOTS as u128;
    format!("{:032x}", (u128::MAX / SLOTS as u128) * slot as u128 + bits)
}

impl Spool {
    /// Opens the spool in a directory, making it if need be, and gives the milestones of everything
    /// that it holds, in order.
    ///
    /// # Errors
    /// The directory cannot be used.
    pub fn open(
        directory: &Path,
        exactly_once: bool,
        registry: &Registry,
    ) -> io::Result<(Self, Vec<Milestone>)> {
        fs::create_dir_all(directory)?;
        let mut inner = Inner::default();
        let mut milestones = Vec::new();
        for number in numbers(directory)? {
            inner.read(directory, number, registry, &mut milestones)?;
        }
        if exactly_once {
            let known = inner.opening.slots.len();
            let fresh = (known..SLOTS).map(|slot| Slot { key: fresh_key(slot), next: 1 });
            inner.opening.slots.extend(fresh);
        }
        for entry in inner.waiting.values() {
            counters::add(&entry.counters.spool_bytes, entry.size as u64);
            counters::add(&entry.counters.queue_bytes, entry.size as u64);
        }
        let first = inner.opening.order;
        let directory = directory.to_owned();
        let opened = Self { directory, exactly_once, first, inner: inner.into() };
        Ok((opened, milestones))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything that waits, oldest first.
    #[must_use]
    pub fn waiting(&self) -> Vec<(u64, Entry)> {
        self.lock().waiting.iter().map(|(order, entry)| (*order, entry.clone())).collect()
    }

    /// What memory knows of a record that waits.
    #[must_use]
    pub fn entry(&self, order: u64) -> Option<Entry> {
        self.lock().waiting.get(&order).cloned()
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lock().waiting.is_empty()
    }

    /// Whether something of a pipeline waits.
    #[must_use]
    pub fn holds(&self, pipeline: &Arc<Counters>) -> bool {
        self.lock().waiting.values().any(|each| Arc::ptr_eq(&each.counters, pipeline))
    }

    /// Age in milliseconds of the oldest record of a pipeline.
    #[must_use]
    pub fn age(&self, pipeline: &Arc<Counters>) -> u64 {
        let inner = self.lock();
        let oldest = inner.waiting.values().find(|each| Arc::ptr_eq(&each.counters, pipeline));
        oldest.map_or(0, |entry| now().saturating_sub(entry.written))
    }

    /// Sentences about what was found damaged.
    #[must_use]
    pub fn complaints(&self) -> Vec<String> {
        self.lock().complaints.clone()
    }

    /// Makes records durable, in their order.
    ///
    /// # Errors
    /// The volume refuses: none of them counts as written.
    pub fn append(&self, items: &[Item<'_>]) -> io::Result<Vec<Written>> {
        let mut inner = self.lock();
        let first = inner.opening.order;
        let outcome = inner.write_all(&self.directory, items, self.exactly_once);
        let file = inner.file.clone();
        drop(inner);
        // Others may note meanwhile what they delivered.
        let outcome = outcome.and_then(|written| {
            file.map_or(Ok(()), |file| file.sync_data())?;
            Ok(written)
        });
        let mut inner = self.lock();
        if outcome.is_err() {
            // Any of them may be there after a crash, and counts then. Without one none does.
            let orders = first..inner.opening.order;
            inner.void.extend(orders);
            inner.file = None;
        }
        let mut done = Vec::with_capacity(items.len());
        for (written, entry) in outcome? {
            counters::add(&entry.counters.spool_bytes, entry.size as u64);
            inner.take_up(written.order, entry);
            done.push(written);
        }
        Ok(done)
    }

    /// Whether a record was written since the agent started.
    #[must_use]
    pub fn is_of_this_life(&self, order: u64) -> bool {
        order >= self.first
    }

    /// Reads a record.
    ///
    /// # Errors
    /// It cannot be read, or is not what was written.
    pub fn load(&self, order: u64) -> io::Result<Loaded> {
        let gone = || io::Error::new(io::ErrorKind::InvalidData, "the record is damaged");
        let entry = self.entry(order).ok_or_else(gone)?;
        let mut bytes = vec![0; entry.length];
        File::open(path(&self.directory, entry.segment))?.read_exact_at(&mut bytes, entry.at)?;
        match record::decode(&bytes) {
            Some((Frame::Record(head, body), _)) if head.order == order => {
                let sealed = head.sealed(body);
                let Head { source, standing, ticket, manner, .. } = *head;
                Ok(Loaded { milestone: Milestone { source, standing }, sealed, manner, ticket })
            }
            _ => Err(gone()),
        }
    }

    /// A record waits no more; gives what memory knew of it.
    pub fn settle(&self, order: u64) -> Option<Entry> {
        let mut inner = self.lock();
        let entry = inner.put_off(order)?;
        entry.counters.spool_bytes.fetch_sub(entry.size as u64, Ordering::Relaxed);
        // What cannot be noted is sent again after a crash, and refused where it is sent once.
        if inner.note(&self.directory, order).is_err() {
            inner.file = None;
        }
        Some(entry)
    }

    /// The hash key of that slot was used by somebody else: takes another one.
    pub fn renew(&self, ticket: &Ticket) {
        let mut inner = self.lock();
        if let Some(slot) = inner.opening.slots.get_mut(ticket.slot) {
            if slot.key == ticket.key {
                *slot = Slot { key: fresh_key(ticket.slot), next: 1 };
            }
        }
        // A new segment begins with the new key.
        inner.file = None;
    }

    /// The last segment that may be removed once what a checkpoint knows now is durable.
    #[must_use]
    pub fn mark(&self) -> u64 {
        let inner = self.lock();
        let current = inner.segments.back().map_or(0, |last| last.number);
        let done = |each: &&Segment| each.waiting == 0 && each.number < current;
        inner.segments.iter().take_while(done).last().map_or(0, |last| last.number)
    }

    /// Removes the segments up to a mark.
    pub fn forget(&self, mark: u64) {
        let mut inner = self.lock();
        while inner.segments.front().is_some_and(|first| first.number <= mark) {
            if let Some(first) = inner.segments.pop_front() {
                // What cannot be removed now is so after the next start.
                drop(fs::remove_file(path(&self.directory, first.number)));
            }
        }
    }

    /// Copies the records that keep the oldest segment to the end when most of what lies on the disk
    /// waits no more.
    ///
    /// # Errors
    /// The volume refuses; all is as it was.
    pub fn compact(&self) -> io::Result<()> {
        let mut inner = self.lock();
        let on_disk: u64 = inner.segments.iter().map(|each| each.bytes).sum();
        let Some(first) = inner.segments.front().filter(|first| first.waiting > 0) else {
            return Ok(());
        };
        let first = first.number;
        if inner.segments.len() < FEWEST_SEGMENTS || on_disk / 2 < inner.held {
            return Ok(());
        }
        let kept = inner.waiting.iter().filter(|(_, entry)| entry.segment == first);
        let kept: Vec<_> = kept.map(|(order, entry)| (*order, entry.clone())).collect();
        let source = File::open(path(&self.directory, first))?;
        for (order, mut entry) in kept {
            let mut bytes = vec![0; entry.length];
            source.read_exact_at(&mut bytes, entry.at)?;
            (entry.segment, entry.at) = inner.write(&self.directory, &bytes)?;
            inner.put_off(order);
            inner.take_up(order, entry);
        }
        inner.file.as_ref().map_or(Ok(()), |file| file.sync_data())
    }
}

/// Names a source among those of a lane, in every life of the agent alike.
#[must_use]
pub fn owner(source: &str) -> usize {
    // FNV-1a
    source.bytes().fold(0xcbf2_9ce4_8422_2325_usize, |hash, byte| {
        (hash ^ usize::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
