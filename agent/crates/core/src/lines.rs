//! A line of a file on its way to the batch: as a container runtime wrote it ([`cri`]), as docker
//! did ([`docker`]), or as neither; or, of a file that a program writes itself, the line as it is.

use std::borrow::Cow;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use encoding_rs::GBK;

use crate::batch::Batch;
use crate::cri;
use crate::docker::{self, Message};
use crate::files::Place;
use crate::joining::{Joiner, Record};
use crate::plan::{Encoding, Source, Stream};

/// What the lines of a source look like.
#[derive(Debug)]
pub struct Form {
    streams: Vec<Stream>,
    /// The encoding of lines that no runtime wrote.
    plain: Option<Encoding>,
    /// Unix seconds and nanoseconds: when what is taken now was read.
    received: (u32, u32),
    parser: cri::Parser,
}

impl Form {
    /// Of a source.
    #[must_use]
    pub fn of(source: &Source) -> Self {
        let plain = source.files.as_ref().map(|files| files.encoding);
        Self {
            streams: source.streams.clone(),
            plain,
            received: (0, 0),
            parser: cri::Parser::default(),
        }
    }

    /// Takes the time for lines that bring none.
    pub fn tick(&mut self) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.received = (u32::try_from(now.as_secs()).unwrap_or(u32::MAX), now.subsec_nanos());
    }

    /// Hands a line which stands at `place` to the `joiner`, if it is wanted.
    pub fn take(
        &mut self,
        line: &[u8],
        place: Place,
        now: Instant,
        joiner: &mut Joiner,
        batch: &mut Batch,
    ) {
        let line = self.behind_hole(line);
        let mut add = |record: &Record<'_>| batch.add(record, now);
        if let Some(encoding) = self.plain {
            let content = decoded(line.strip_suffix(b"\r").unwrap_or(line), encoding);
            joiner.line(&self.whole(&content), place, now, &mut add);
            return;
        }
        let message = docker::parse(line);
        match message.as_ref().and_then(Message::line).or_else(|| self.parser.parse(line)) {
            Some(parsed) if self.streams.contains(&parsed.stream) => {
                joiner.line(&parsed, place, now, &mut add);
            }
            Some(_) => {}
            // Not in the format: nothing is thrown away. The time is that of reading.
            None => {
                if let Some(stream) = self.streams.first() {
                    add(&self.raw(line, *stream));
                }
            }
        }
    }

    /// The line without the hole before it: after a crash a file may have its new size and zeros in
    /// place of bytes, and who truncates a log under a writer that does not append leaves them too.
    /// A line of zeros alone stays what it is.
    fn behind_hole<'a>(&mut self, line: &'a [u8]) -> &'a [u8] {
        if line.first() != Some(&0) {
            return line;
        }
        let begin = line.iter().position(|byte| *byte != 0).unwrap_or(line.len());
        let written = line.get(begin..).unwrap_or_default();
        let known = match self.plain {
            Some(_) => !written.is_empty(),
            None => docker::parse(written).is_some() || self.parser.parse(written).is_some(),
        };
        if known {
            written
        } else {
            line
        }
    }

    /// A line that is all of a line, received now.
    fn whole<'a>(&self, content: &'a [u8]) -> cri::Line<'a> {
        let (time, time_ns) = self.received;
        cri::Line { time, time_ns, stamp: b"", stream: Stream::Stdout, partial: false, content }
    }

    /// A record of a line that the runtime did not write: it may be of either stream, so it goes out as
    /// the first one that is wanted.
    fn raw<'a>(&self, line: &'a [u8], stream: Stream) -> Record<'a> {
        let (time, time_ns) = self.received;
        Record { time, time_ns, stamp: b"", stream, content: line }
    }
}

/// The line in UTF-8. A newline is never a part of a character of these encodings, so lines are told
/// apart before; what is no text is replaced, here or by the batch.
fn decoded(line: &[u8], encoding: Encoding) -> Cow<'_, [u8]> {
    match encoding {
        Encoding::Utf8 => Cow::Borrowed(line),
        Encoding::Gbk => match GBK.decode_without_bom_handling(line).0 {
            Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
            Cow::Owned(text) => Cow::Owned(text.into_bytes()),
        },
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn gbk_becomes_utf8_and_what_is_none_is_replaced() {
        let text = |bytes: &[u8]| String::from_utf8(decoded(bytes, Encoding::Gbk).into()).unwrap();
        assert_eq!(text(b"\xc8\xd5\xd6\xbe: ok"), "\u{65e5}\u{5fd7}: ok");
        // A byte of two that looks like a backslash or a bar.
        assert_eq!(text(b"\x81\x5c\x81\x7c"), "\u{4e57}\u{4e85}");
        assert_eq!(text(b"a\xff b\x81"), "a\u{fffd} b\u{fffd}");
    }

    proptest! {
        #[test]
        fn what_was_written_in_gbk_arrives(words in "[\u{4e00}-\u{9fa5}a-z\\\\|{}]{0,60}") {
            let (bytes, _, lossy) = GBK.encode(&words);
            prop_assume!(!lossy);
            prop_assert!(!bytes.contains(&b'\n'));
            prop_assert_eq!(&*decoded(&bytes, Encoding::Gbk), words.as_bytes());
        }

        #[test]
        fn any_bytes_become_text(bytes: Vec<u8>) {
            prop_assert!(std::str::from_utf8(&decoded(&bytes, Encoding::Gbk)).is_ok());
        }
    }
}
