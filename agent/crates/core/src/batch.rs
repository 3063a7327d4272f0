//! Records of one source, encoded as they come, until they are worth a request.

use std::time::Instant;

use crate::joining::Record;
use crate::plan::{Compression, Settings, Source};

/// A log group in the making.
#[derive(Debug, Default)]
pub struct Batch {
    body: Vec<u8>,
    /// Records in it.
    pub logs: usize,
    /// Bytes of their content.
    pub bytes: u64,
    /// When its first record came.
    pub began: Option<Instant>,
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

impl Batch {
    /// Adds a record, read at `now`.
    pub fn add(&mut self, record: &Record<'_>, now: Instant) {
        // The service refuses a group with a byte that is not UTF-8: what is not is replaced.
        let content = String::from_utf8_lossy(record.content);
        let stamp = String::from_utf8_lossy(record.stamp);
        slswire::group::log(
            &mut self.body,
            record.time,
            record.time_ns,
            &[
                (b"content", content.as_bytes()),
                (b"_time_", stamp.as_bytes()),
                (b"_source_", record.stream.name().as_bytes()),
            ],
        );
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
        let done = std::mem::take(self);
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
