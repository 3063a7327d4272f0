//! Log groups as protobuf, written field by field into one buffer.
//!
//! Field numbers and types: the SDKs' public `log_logs.proto`; see `schema.py` in the Python twin.
//! A sender appends logs with [`log`] as it reads them, then ends the group with [`text`] and
//! [`tag`]: nothing is held twice.

const LOGS: u8 = 0x0a;
const TOPIC: u8 = 0x1a;
const SOURCE: u8 = 0x22;
const TAGS: u8 = 0x32;
const KEY: u8 = 0x0a;
const VALUE: u8 = 0x12;
const TIME: u8 = 0x08;
const CONTENTS: u8 = 0x12;
const TIME_NS: u8 = 0x25;

/// Bytes of `value` as a varint.
fn varint_len(value: usize) -> usize {
    let bits = (usize::BITS - (value | 1).leading_zeros()) as usize;
    bits.div_ceil(7)
}

#[inline]
fn varint(out: &mut Vec<u8>, mut value: usize) {
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

#[inline]
fn bytes(out: &mut Vec<u8>, field: u8, value: &[u8]) {
    out.push(field);
    varint(out, value.len());
    out.extend_from_slice(value);
}

fn pair_len(key: &[u8], value: &[u8]) -> usize {
    2 + varint_len(key.len()) + key.len() + varint_len(value.len()) + value.len()
}

fn pair(out: &mut Vec<u8>, field: u8, key: &[u8], value: &[u8]) {
    out.push(field);
    varint(out, pair_len(key, value));
    bytes(out, KEY, key);
    bytes(out, VALUE, value);
}

/// Appends one log to a group: unix seconds, nanoseconds within the second, fields in order.
///
/// Values must be UTF-8: a service refuses the whole group otherwise.
pub fn log(out: &mut Vec<u8>, time: u32, time_ns: u32, contents: &[(&[u8], &[u8])]) {
    log_of(out, time, time_ns, contents.iter().copied());
}

/// As [`log`], of fields that stand in no slice; they are gone over twice, for their size first.
pub fn log_of<'a>(
    out: &mut Vec<u8>,
    time: u32,
    time_ns: u32,
    contents: impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone,
) {
    let mut size = 1 + varint_len(time as usize) + 5;
    for (key, value) in contents.clone() {
        let inner = pair_len(key, value);
        size += 1 + varint_len(inner) + inner;
    }
    out.reserve(1 + varint_len(size) + size);
    out.push(LOGS);
    varint(out, size);
    out.push(TIME);
    varint(out, time as usize);
    for (key, value) in contents {
        pair(out, CONTENTS, key, value);
    }
    out.push(TIME_NS);
    out.extend_from_slice(&time_ns.to_le_bytes());
}

/// Appends the log of a container's line: what [`log`] makes of `content`, `_time_` and `_source_`.
/// Most of an agent's logs are such, so the keys stand here as they are on the wire.
pub fn line(
    out: &mut Vec<u8>,
    time: u32,
    time_ns: u32,
    content: &[u8],
    stamp: &[u8],
    source: &[u8],
) {
    let inner =
        [pair_len(b"content", content), pair_len(b"_time_", stamp), pair_len(b"_source_", source)];
    let fields: usize = inner.iter().map(|inner| 1 + varint_len(*inner) + inner).sum();
    let size = 1 + varint_len(time as usize) + 5 + fields;
    out.reserve(1 + varint_len(size) + size);
    out.push(LOGS);
    varint(out, size);
    out.push(TIME);
    varint(out, time as usize);
    out.push(CONTENTS);
    varint(out, inner[0]);
    out.extend_from_slice(b"\x0a\x07content\x12");
    varint(out, content.len());
    out.extend_from_slice(content);
    out.push(CONTENTS);
    varint(out, inner[1]);
    out.extend_from_slice(b"\x0a\x06_time_\x12");
    varint(out, stamp.len());
    out.extend_from_slice(stamp);
    out.push(CONTENTS);
    varint(out, inner[2]);
    out.extend_from_slice(b"\x0a\x08_source_\x12");
    varint(out, source.len());
    out.extend_from_slice(source);
    out.push(TIME_NS);
    out.extend_from_slice(&time_ns.to_le_bytes());
}

/// Appends the topic, when it is not empty, and the source to a group.
pub fn text(out: &mut Vec<u8>, topic: &str, source: &str) {
    if !topic.is_empty() {
        bytes(out, TOPIC, topic.as_bytes());
    }
    if !source.is_empty() {
        bytes(out, SOURCE, source.as_bytes());
    }
}

/// Appends one tag to a group.
pub fn tag(out: &mut Vec<u8>, key: &str, value: &str) {
    pair(out, TAGS, key.as_bytes(), value.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varint_len_is_the_length_of_varint() {
        for value in [0, 1, 127, 128, 16_383, 16_384, usize::MAX >> 1] {
            let mut out = Vec::new();
            varint(&mut out, value);
            assert_eq!(out.len(), varint_len(value), "{value}");
        }
    }

    #[test]
    fn line_is_what_log_makes_of_its_fields() {
        for length in [0, 1, 100, 127, 128, 16_383, 20_000] {
            let content = vec![b'x'; length];
            let stamp = b"2026-11-25T09:07:01.123456789+08:00".repeat(1 + length / 50);
            for stamp in [&stamp[..], b""] {
                let fields =
                    [(&b"content"[..], &content[..]), (b"_time_", stamp), (b"_source_", b"stderr")];
                let (mut one, mut other) = (vec![1], vec![1]);
                log(&mut one, 1_700_000_000, 7, &fields);
                line(&mut other, 1_700_000_000, 7, &content, stamp, b"stderr");
                assert_eq!(one, other);
            }
        }
    }

    #[test]
    fn group_is_what_the_official_node_client_sends() {
        // Recorded from the Node SDK: one log {a: b} with nanoseconds, source t, tag {x: y}.
        let expected = "0a130880e2cfaa0612060a016112016225050000001a017422017332060a0178120179";
        let mut out = Vec::new();
        log(&mut out, 1_700_000_000, 5, &[(b"a", b"b")]);
        text(&mut out, "t", "s");
        tag(&mut out, "x", "y");
        let bytes: Vec<u8> = (0..expected.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(expected.get(at..at + 2).unwrap(), 16).unwrap())
            .collect();
        assert_eq!(out, bytes);
    }
}
