//! What stands in a segment of the spool: frames with a checksum each. Pure.
//!
//! `<length of the rest, u32> <CRC-32 of the rest, u32> <kind, u8> <length of the head, u32> <head,
//! JSON> <body>`, numbers little-endian. A segment begins with an opening; then records, and what
//! became of records, follow in any order. The end of a segment may be torn, as a crash leaves it.

use serde::{Deserialize, Serialize};

use crate::batch::Sealed;
use crate::checkpoints::Standing;
use crate::plan::Compression;
use crate::terms::Manner;

/// Longest frame read: far above the largest request.
const LONGEST: usize = 64 * 1024 * 1024;

/// Before each frame.
const PREFIX: usize = 8;

/// A write's place in the order of its hash key, for writing exactly once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// Which of the lane's hash keys.
    pub slot: usize,
    /// The key itself: 32 hexadecimal digits.
    pub key: String,
    /// Rises with each write under the key.
    pub seqid: u64,
}

/// A hash key of the lane and the next number under it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    /// 32 hexadecimal digits that no other agent has.
    pub key: String,
    /// The number of its next write.
    pub next: u64,
}

/// What a segment goes on from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opening {
    /// The lane's hash keys.
    pub slots: Vec<Slot>,
    /// The order of the next record.
    pub order: u64,
}

/// What a record says besides its body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Counts the lane's records.
    pub order: u64,
    /// `<pipeline>\0<source id>`
    pub source: String,
    /// What a checkpoint says of the source once the record is durable.
    pub standing: Standing,
    /// How it travels.
    #[serde(flatten)]
    pub manner: Manner,
    /// Under which number it is sent, if exactly once.
    #[serde(default)]
    pub ticket: Option<Ticket>,
    /// When it was written, in milliseconds of Unix time.
    pub written: u64,
    /// Of the body.
    pub compression: Compression,
    /// The body's size before compression.
    pub raw_size: usize,
    /// Records of the log in it.
    pub logs: usize,
    /// Bytes of their content.
    pub bytes: u64,
}

/// A frame that was read.
#[derive(Debug, PartialEq)]
pub enum Frame<'a> {
    /// Begins a segment.
    Opening(Opening),
    /// A log group that waits.
    Record(Box<Head>, &'a [u8]),
    /// Records of these orders wait no more.
    Settled(Vec<u64>),
}

fn encode(kind: u8, head: &[u8], body: &[u8]) -> Vec<u8> {
    let short = |length: usize| u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes();
    let mut frame = Vec::with_capacity(PREFIX + 5 + head.len() + body.len());
    frame.extend_from_slice(&[0; PREFIX]);
    frame.push(kind);
    frame.extend_from_slice(&short(head.len()));
    frame.extend_from_slice(head);
    frame.extend_from_slice(body);
    let (prefix, rest) = frame.split_at_mut(PREFIX);
    let sum = crc32fast::hash(rest);
    let (length, checksum) = prefix.split_at_mut(4);
    length.copy_from_slice(&short(rest.len()));
    checksum.copy_from_slice(&sum.to_le_bytes());
    frame
}

/// The frame that begins a segment.
///
/// # Errors
/// It cannot be written as JSON.
pub fn opening(opening: &Opening) -> std::io::Result<Vec<u8>> {
    Ok(encode(0, &serde_json::to_vec(opening)?, b""))
}

/// The frame of a log group.
///
/// # Errors
/// Its head cannot be written as JSON.
pub fn record(head: &Head, body: &[u8]) -> std::io::Result<Vec<u8>> {
    Ok(encode(1, &serde_json::to_vec(head)?, body))
}

/// The frame that says that a record waits no more.
///
/// # Errors
/// It cannot be written as JSON.
pub fn settled(order: u64) -> std::io::Result<Vec<u8>> {
    Ok(encode(2, &serde_json::to_vec(&[order])?, b""))
}

/// The first frame of `bytes` and its length; None when there is none that is whole.
#[must_use]
pub fn decode(bytes: &[u8]) -> Option<(Frame<'_>, usize)> {
    let number = |at: usize| {
        let bytes = bytes.get(at..at + 4)?;
        usize::try_from(u32::from_le_bytes(bytes.try_into().ok()?)).ok()
    };
    let length = number(0).filter(|length| (5..=LONGEST).contains(length))?;
    let rest = bytes.get(PREFIX..PREFIX + length)?;
    if usize::try_from(crc32fast::hash(rest)).ok()? != number(4)? {
        return None;
    }
    let (head, body) = rest.get(5..)?.split_at_checked(number(PREFIX + 1)?)?;
    let frame = match rest.first()? {
        0 => Frame::Opening(serde_json::from_slice(head).ok()?),
        1 => Frame::Record(serde_json::from_slice(head).ok()?, body),
        2 => Frame::Settled(serde_json::from_slice(head).ok()?),
        _ => return None,
    };
    Some((frame, PREFIX + length))
}

impl Head {
    /// The log group as it is sent.
    #[must_use]
    pub fn sealed(&self, body: &[u8]) -> Sealed {
        Sealed {
            body: body.to_vec(),
            key: None,
            compression: self.compression,
            raw_size: self.raw_size,
            logs: self.logs,
            bytes: self.bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terms::Priority;

    fn head() -> Head {
        Head {
            order: 7,
            source: "pipeline\0source".to_owned(),
            standing: Standing { number: 3, ..Standing::default() },
            manner: Manner { key: Some("0f".into()), priority: Priority::Low },
            ticket: Some(Ticket { slot: 1, key: "0f".repeat(16), seqid: 9 }),
            written: 5,
            compression: Compression::Lz4,
            raw_size: 100,
            logs: 2,
            bytes: 80,
        }
    }

    #[test]
    fn frames_come_out_as_they_went_in() {
        let first = Opening { slots: vec![Slot { key: "k".into(), next: 4 }], order: 6 };
        let frames =
            [opening(&first).unwrap(), record(&head(), b"body").unwrap(), settled(7).unwrap()];
        let bytes = frames.concat();
        let (frame, length) = decode(&bytes).unwrap();
        assert_eq!((frame, length), (Frame::Opening(first), frames[0].len()));
        let (frame, more) = decode(&bytes[length..]).unwrap();
        assert_eq!(frame, Frame::Record(Box::new(head()), b"body"));
        assert_eq!(decode(&bytes[length + more..]).unwrap().0, Frame::Settled(vec![7]));
    }

    #[test]
    fn frame_that_is_torn_or_has_a_flipped_bit_is_none() {
        let whole = record(&head(), b"body").unwrap();
        for length in 0..whole.len() {
            assert_eq!(decode(&whole[..length]), None, "{length}");
        }
        for bit in 0..whole.len() * 8 {
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(decode(&flipped), None, "bit {bit}");
        }
    }
}
