//! A line of a container's log file on its way to the batch: as a container runtime wrote it
//! ([`cri`]), as docker did ([`docker`]), or as neither.

use std::time::Instant;

use crate::batch::Batch;
use crate::cri;
use crate::docker::{self, Message};
use crate::files::Place;
use crate::joining::{Joiner, Record};
use crate::plan::Stream;

/// Hands a line of one of the wanted `streams`, which stands at `place`, to the `joiner`.
pub fn take(
    line: &[u8],
    place: Place,
    now: Instant,
    joiner: &mut Joiner,
    streams: &[Stream],
    batch: &mut Batch,
) {
    let mut add = |record: &Record<'_>| batch.add(record, now);
    let message = docker::parse(line);
    match message.as_ref().and_then(Message::line).or_else(|| cri::parse(line)) {
        Some(parsed) if streams.contains(&parsed.stream) => {
            joiner.line(&parsed, place, now, &mut add);
        }
        Some(_) => {}
        // Not in the format: nothing is thrown away. The time is that of reading.
        None => {
            if let Some(stream) = streams.first() {
                add(&raw(line, *stream));
            }
        }
    }
}

/// A record of a line that the runtime did not write: it may be of either stream, so it goes out as
/// the first one that is wanted.
fn raw(line: &[u8], stream: Stream) -> Record<'_> {
    let now =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Record {
        time: u32::try_from(now.as_secs()).unwrap_or(u32::MAX),
        time_ns: now.subsec_nanos(),
        stamp: b"",
        stream,
        content: line,
    }
}
