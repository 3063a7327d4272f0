//! Records of one source, encoded as they come, until they are worth a request.

use std::borrow::Cow;
use std::cell::RefCell;
use std::sync::Arc;
use std::time::Instant;

use crate::counters::Counters;
use crate::joining::Record;
use crate::parsing::time::When;
use crate::parsing::Shaper;
use crate::plan::{Compression, Settings, Source};
use crate::sharding::{Sharding, RANGES};

/// More than this is given back to the allocator after a group: one with a very long line is rare.
const MOST_SPARE: usize = 2 << 20;

/// Memory that a reading thread uses for one group after another.
#[derive(Debug, Default)]
struct Spare {
    /// Of the last group that was sealed.
    body: Vec<u8>,
    /// Where groups are compressed.
    packed: Vec<u8>,
}

thread_local! {
    static SPARE: RefCell<Spare> = RefCell::default();
}

/// Records of a source that are sealed together: a log group in the making, or several where fields
/// of the records choose the shard.
#[derive(Debug, Default)]
pub struct Batch {
    /// Its lines are of no container runtime: there is no time of writing and no stream.
    plain: bool,
    shaping: Option<Shaping>,
    sharding: Option<Sharding>,
    /// One group, or one for each part of the hash keys.
    groups: Vec<Group>,
    /// Bytes of all groups.
    size: usize,
    /// Records in it.
    pub logs: usize,
    /// When its first record came.
    pub began: Option<Instant>,
}

/// A group in the making.
#[derive(Debug, Default)]
struct Group {
    body: Vec<u8>,
    logs: usize,
    /// Of the records' content.
    bytes: u64,
}

/// What takes records apart, and where it counts what it meets.
#[derive(Debug)]
struct Shaping {
    shaper: Shaper,
    counters: Arc<Counters>,
}

/// A finished body.
#[derive(Debug)]
pub struct Sealed {
    /// As on the wire.
    pub body: Vec<u8>,
    /// How it is compressed.
    pub compression: Compression,
    /// The hash key of its shard, where its records' fields choose it.
    pub key: Option<String>,
    /// Its size before compression.
    pub raw_size: usize,
    /// Records in it.
    pub logs: usize,
    /// Bytes of their content.
    pub bytes: u64,
}

impl Spare {
    /// The body on the wire and how it is compressed; keeps the memory of what it was made of.
    fn pack(&mut self, mut raw: Vec<u8>, compression: Compression) -> (Vec<u8>, Compression) {
        let body = match compression {
            Compression::Lz4 => slswire::compress::lz4_in(&mut self.packed, &raw),
            Compression::Zstd => match slswire::compress::zstd(&raw) {
                Ok(body) => body,
                // Should it fail, the body goes as it is, and says so.
                Err(_) => return (raw, Compression::None),
            },
            Compression::None => {
                // It waits now, and must not hold what a larger group once needed.
                raw.shrink_to_fit();
                return (raw, Compression::None);
            }
        };
        raw.clear();
        if raw.capacity() <= MOST_SPARE {
            self.body = raw;
        }
        if self.packed.capacity() > MOST_SPARE {
            self.packed = Vec::new();
        }
        (body, compression)
    }
}

/// The bytes as text. The plain check is several times faster than the one that repairs.
fn text(bytes: &[u8]) -> Cow<'_, str> {
    std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed)
}

/// The same as bytes, which most often are ASCII: that is seen several times faster still.
fn clean(bytes: &[u8]) -> Cow<'_, [u8]> {
    if bytes.is_ascii() || std::str::from_utf8(bytes).is_ok() {
        return Cow::Borrowed(bytes);
    }
    Cow::Owned(String::from_utf8_lossy(bytes).into_owned().into_bytes())
}

impl Batch {
    /// An empty one; `plain` says that its lines are of no container runtime.
    #[must_use]
    pub fn new(plain: bool) -> Self {
        Self { plain, groups: vec![Group::default()], ..Self::default() }
    }

    /// From now on records are told apart so; it must be empty.
    pub fn shard(&mut self, sharding: Option<Sharding>) {
        let groups = if sharding.is_some() { RANGES } else { 1 };
        self.groups = std::iter::repeat_with(Group::default).take(groups).collect();
        self.sharding = sharding;
    }

    /// Takes records apart by `shaper` from now on, or ships them as they are.
    pub fn change_shaper(&mut self, shaper: Option<Shaper>, counters: &Arc<Counters>) {
        self.shaping = shaper.map(|shaper| Shaping { shaper, counters: Arc::clone(counters) });
    }

    /// Adds a record, read at `now`.
    pub fn add(&mut self, record: &Record<'_>, now: Instant) {
        let Self { plain, shaping, sharding, groups, size, .. } = self;
        let plain = *plain;
        // The service refuses a group with a byte that is not UTF-8: what is not is replaced.
        let stamp = clean(record.stamp);
        let source = record.stream.name().as_bytes();
        let written: [(&[u8], &[u8]); 2] = [(b"_time_", &*stamp), (b"_source_", source)];
        let written = written.get(..if plain { 0 } else { 2 }).unwrap_or_default();
        let added = if let Some(Shaping { shaper, counters }) = shaping {
            let content = text(record.content);
            let received = When { seconds: record.time, nanos: record.time_ns };
            let outcome = shaper.shape(&content, received, now);
            outcome.count(&counters.parsing);
            let Ok(when) = outcome.kept else { return };
            let fields = shaper.pairs(&content).chain(written.iter().copied());
            let Some(group) = group(groups, sharding.as_ref(), &fields) else { return };
            group.add(record, |body| {
                slswire::group::log_of(body, when.seconds, when.nanos, fields);
            })
        } else {
            let content = clean(record.content);
            let fields = [(&b"content"[..], &*content)].into_iter().chain(written.iter().copied());
            let Some(group) = group(groups, sharding.as_ref(), &fields) else { return };
            let Record { time, time_ns, .. } = *record;
            group.add(record, |body| {
                if plain {
                    slswire::group::log_of(body, time, time_ns, fields);
                } else {
                    slswire::group::line(body, time, time_ns, &content, &stamp, source);
                }
            })
        };
        *size += added;
        self.logs += 1;
        self.began.get_or_insert(now);
    }

    /// Whether it is worth a request.
    #[must_use]
    pub fn full(&self, settings: &Settings) -> bool {
        self.size >= settings.batch_bytes || self.logs >= settings.batch_logs
    }

    /// Ends what is in it and leaves an empty batch.
    pub fn seal(&mut self, source: &Source, compression: Compression) -> Vec<Sealed> {
        (self.size, self.logs, self.began) = (0, 0, None);
        let sharded = self.sharding.is_some();
        let all = self.groups.iter_mut().map(std::mem::take).enumerate();
        let made = all.filter(|(_, group)| group.logs > 0).map(|(at, group)| {
            let key = sharded.then(|| Sharding::key(at));
            Sealed { key, ..group.seal(source, compression) }
        });
        made.collect()
    }
}

/// The group that a record with those fields belongs to.
fn group<'a, 'b>(
    groups: &'b mut [Group],
    sharding: Option<&Sharding>,
    fields: &(impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone),
) -> Option<&'b mut Group> {
    groups.get_mut(sharding.map_or(0, |sharding| sharding.range(fields)))
}

impl Group {
    /// Adds a record that `encode` appends; gives the bytes that it takes.
    fn add(&mut self, record: &Record<'_>, encode: impl FnOnce(&mut Vec<u8>)) -> usize {
        if self.body.capacity() == 0 {
            self.body = SPARE.with_borrow_mut(|spare| std::mem::take(&mut spare.body));
        }
        let before = self.body.len();
        encode(&mut self.body);
        self.logs += 1;
        self.bytes += record.content.len() as u64;
        self.body.len() - before
    }

    fn seal(self, source: &Source, compression: Compression) -> Sealed {
        let mut raw = self.body;
        slswire::group::text(&mut raw, "", &source.source);
        for (key, value) in &source.tags {
            slswire::group::tag(&mut raw, key, value);
        }
        let raw_size = raw.len();
        let (body, compression) = SPARE.with_borrow_mut(|spare| spare.pack(raw, compression));
        Sealed { body, compression, key: None, raw_size, logs: self.logs, bytes: self.bytes }
    }
}
