//! Records of one source, encoded as they come, until they are worth a request.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Instant;

use crate::counters::Counters;
use crate::joining::Record;
use crate::parsing::time::When;
use crate::parsing::Shaper;
use crate::plan::{Compression, Settings, Source};

/// A log group in the making.
#[derive(Debug, Default)]
pub struct Batch {
    /// Its lines are of no container runtime: there is no time of writing and no stream.
    plain: bool,
    shaping: Option<Shaping>,
    body: Vec<u8>,
    /// Records in it.
    pub logs: usize,
    /// Bytes of their content.
    pub bytes: u64,
    /// When its first record came.
    pub began: Option<Instant>,
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
    /// Its size before compression.
    pub raw_size: usize,
    /// Records in it.
    pub logs: usize,
    /// Bytes of their content.
    pub bytes: u64,
}

/// The bytes as text. The plain check is several times faster than the one that repairs.
fn text(bytes: &[u8]) -> Cow<'_, str> {
    std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed)
}

impl Batch {
    /// An empty one; `plain` says that its lines are of no container runtime.
    #[must_use]
    pub fn new(plain: bool) -> Self {
        Self { plain, ..Self::default() }
    }

    /// Takes records apart by `shaper` from now on, or ships them as they are.
    pub fn change_shaper(&mut self, shaper: Option<Shaper>, counters: &Arc<Counters>) {
        self.shaping = shaper.map(|shaper| Shaping { shaper, counters: Arc::clone(counters) });
    }

    /// Adds a record, read at `now`.
    pub fn add(&mut self, record: &Record<'_>, now: Instant) {
        // The service refuses a group with a byte that is not UTF-8: what is not is replaced.
        let content = text(record.content);
        let stamp = text(record.stamp);
        let written: [(&[u8], &[u8]); 2] =
            [(b"_time_", stamp.as_bytes()), (b"_source_", record.stream.name().as_bytes())];
        let written = written.get(..if self.plain { 0 } else { 2 }).unwrap_or_default();
        if let Some(Shaping { shaper, counters }) = &mut self.shaping {
            let received = When { seconds: record.time, nanos: record.time_ns };
            let outcome = shaper.shape(&content, received, now);
            outcome.count(&counters.parsing);
            let Ok(when) = outcome.kept else { return };
            let fields = shaper.pairs(&content).chain(written.iter().copied());
            slswire::group::log_of(&mut self.body, when.seconds, when.nanos, fields);
        } else {
            let content = [(&b"content"[..], content.as_bytes())];
            let fields = content.into_iter().chain(written.iter().copied());
            slswire::group::log_of(&mut self.body, record.time, record.time_ns, fields);
        }
        self.logs += 1;
        self.bytes += record.content.len() as u64;
        self.began.get_or_insert(now);
    }

    /// Whether it is worth a request.
    #[must_use]
    pub fn full(&self, settings: &Settings) -> bool {
        self.body.len() >= settings.batch_bytes || self.logs >= settings.batch_logs
    }

    /// Ends the group and leaves an empty batch.
    pub fn seal(&mut self, source: &Source, compression: Compression) -> Sealed {
        let shaping = self.shaping.take();
        let empty = Self { plain: self.plain, shaping, ..Self::default() };
        let done = std::mem::replace(self, empty);
        let mut raw = done.body;
        slswire::group::text(&mut raw, "", &source.source);
        for (key, value) in &source.tags {
            slswire::group::tag(&mut raw, key, value);
        }
        let raw_size = raw.len();
        let compressed = match compression {
            Compression::Lz4 => Some(slswire::compress::lz4(&raw)),
            // Should it fail, the body goes as it is, and says so.
            Compression::Zstd => slswire::compress::zstd(&raw).ok(),
            Compression::None => None,
        };
        let (body, compression) = match compressed {
            Some(body) => (body, compression),
            None => (raw, Compression::None),
        };
        Sealed { body, compression, raw_size, logs: done.logs, bytes: done.bytes }
    }
}
