//! A log group read in place: no copy, no message objects.
//!
//! Field numbers and types: the SDKs' public `log_logs.proto`. Stored groups were validated when
//! they were accepted; what is cut short here all the same ends the walk early.

use crate::varints;

/// One key and its value.
pub type Pair<'a> = (&'a [u8], &'a [u8]);

/// A log group, its logs still encoded.
#[derive(Debug, Default)]
pub struct Group<'a> {
    /// Each log's bytes.
    pub logs: Vec<&'a [u8]>,
    /// `__topic__`
    pub topic: &'a [u8],
    /// `__source__`
    pub source: &'a [u8],
    /// The group's tags, in order.
    pub tags: Vec<Pair<'a>>,
}

/// One log; its contents stay encoded.
#[derive(Debug, Clone, Copy, Default)]
pub struct Log<'a> {
    /// Unix seconds.
    pub time: u32,
    /// Nanoseconds within the second.
    pub time_ns: u32,
    encoded: &'a [u8],
}

struct Fields<'a> {
    rest: &'a [u8],
}

enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

impl<'a> Iterator for Fields<'a> {
    type Item = (u64, Value<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let tag = varints::take(&mut self.rest)?;
        let value = match tag & 7 {
            0 => Value::Number(varints::take(&mut self.rest)?),
            1 => Value::Bytes(varints::take_bytes(&mut self.rest, 8)?),
            2 => {
                let size = usize::try_from(varints::take(&mut self.rest)?).ok()?;
                Value::Bytes(varints::take_bytes(&mut self.rest, size)?)
            }
            5 => {
                let bytes = varints::take_bytes(&mut self.rest, 4)?;
                let number = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
                Value::Number(u64::from(number))
            }
            _ => return None,
        };
        Some((tag >> 3, value))
    }
}

/// The group in `raw`.
#[must_use]
pub fn group(raw: &[u8]) -> Group<'_> {
    let mut found = Group::default();
    for field in (Fields { rest: raw }) {
        match field {
            (1, Value::Bytes(log)) => found.logs.push(log),
            (3, Value::Bytes(topic)) => found.topic = topic,
            (4, Value::Bytes(source)) => found.source = source,
            (6, Value::Bytes(tag)) => found.tags.push(pair(tag)),
            _ => {}
        }
    }
    found
}

fn pair(encoded: &[u8]) -> Pair<'_> {
    let mut found: Pair<'_> = (b"", b"");
    for field in (Fields { rest: encoded }) {
        match field {
            (1, Value::Bytes(key)) => found.0 = key,
            (2, Value::Bytes(value)) => found.1 = value,
            _ => {}
        }
    }
    found
}

/// The log in `encoded`.
#[must_use]
pub fn log(encoded: &[u8]) -> Log<'_> {
    let mut found = Log { time: 0, time_ns: 0, encoded };
    for field in (Fields { rest: encoded }) {
        match field {
            (1, Value::Number(time)) => found.time = u32::try_from(time).unwrap_or(u32::MAX),
            (4, Value::Number(part)) => found.time_ns = u32::try_from(part).unwrap_or(0),
            _ => {}
        }
    }
    found
}

impl<'a> Log<'a> {
    /// Its fields, in order.
    pub fn contents(&self) -> impl Iterator<Item = Pair<'a>> + use<'a> {
        Fields { rest: self.encoded }.filter_map(|field| match field {
            (2, Value::Bytes(content)) => Some(pair(content)),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_agent_encodes_is_read_back() {
        let mut raw = Vec::new();
        slswire::group::log(&mut raw, 1_700_000_000, 5, &[(b"a", b"b"), (b"c", b"")]);
        slswire::group::log(&mut raw, 1_700_000_001, 0, &[]);
        slswire::group::text(&mut raw, "t", "s");
        slswire::group::tag(&mut raw, "x", "y");
        let group = group(&raw);
        assert_eq!((group.topic, group.source), (&b"t"[..], &b"s"[..]));
        assert_eq!(group.tags, [(&b"x"[..], &b"y"[..])]);
        let log = log(group.logs[0]);
        assert_eq!((log.time, log.time_ns), (1_700_000_000, 5));
        let contents: Vec<_> = log.contents().collect();
        assert_eq!(contents, [(&b"a"[..], &b"b"[..]), (&b"c"[..], &b""[..])]);
    }

    #[test]
    fn any_cut_ends_the_walk_without_harm() {
        let mut raw = Vec::new();
        slswire::group::log(&mut raw, 1_700_000_000, 5, &[(b"key", b"value")]);
        slswire::group::text(&mut raw, "topic", "source");
        for end in 0..raw.len() {
            for encoded in group(&raw[..end]).logs {
                assert_eq!(log(encoded).contents().count(), 1);
            }
        }
    }
}
