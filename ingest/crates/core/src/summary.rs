//! What a server must know of a log group before it stores the bytes: that they are one, how many
//! logs it has, and their times. Nothing is copied.
//!
//! A client's hot path. It says yes only to what is beyond doubt: known fields of the right wire
//! type, required ones there, text that is UTF-8. Anything else is the Python twin's to judge
//! (`slswire.protobuf.inspect`), which also has the words for a refusal.

/// Logs, the lowest and the highest of their times (unix seconds; 0 where there are no logs).
pub type Summary = (u32, u32, u32);

/// The summary of `raw`, or None where it is in doubt.
#[must_use]
pub fn of(raw: &[u8]) -> Option<Summary> {
    let (mut logs, mut low, mut high) = (0_u32, u32::MAX, 0_u32);
    let mut rest = raw;
    while !rest.is_empty() {
        match varint(&mut rest)? {
            LOGS => {
                let time = log(bytes(&mut rest)?)?;
                low = low.min(time);
                high = high.max(time);
                logs = logs.checked_add(1)?;
            }
            TOPIC | SOURCE | MACHINE => text(bytes(&mut rest)?)?,
            TAGS => pair(bytes(&mut rest)?)?,
            _ => return None,
        }
    }
    Some(if logs == 0 { (0, 0, 0) } else { (logs, low, high) })
}

// Field number and wire type in one: 2 is bytes, 0 a number, 5 four bytes.
const LOGS: u64 = 1 << 3 | 2;
const TOPIC: u64 = 3 << 3 | 2;
const SOURCE: u64 = 4 << 3 | 2;
const MACHINE: u64 = 5 << 3 | 2;
const TAGS: u64 = 6 << 3 | 2;
const TIME: u64 = 1 << 3;
const CONTENTS: u64 = 2 << 3 | 2;
const TIME_NS: u64 = 4 << 3 | 5;
const KEY: u64 = 1 << 3 | 2;
const VALUE: u64 = 2 << 3 | 2;

fn log(mut rest: &[u8]) -> Option<u32> {
    let mut time = None;
    while !rest.is_empty() {
        match varint(&mut rest)? {
            TIME => time = Some(u32::try_from(varint(&mut rest)?).ok()?),
            CONTENTS => pair(bytes(&mut rest)?)?,
            TIME_NS => {
                take(&mut rest, 4)?;
            }
            _ => return None,
        }
    }
    time
}

fn pair(mut rest: &[u8]) -> Option<()> {
    let (mut key, mut value) = (false, false);
    while !rest.is_empty() {
        match varint(&mut rest)? {
            KEY => key = true,
            VALUE => value = true,
            _ => return None,
        }
        text(bytes(&mut rest)?)?;
    }
    (key && value).then_some(())
}

fn text(value: &[u8]) -> Option<()> {
    std::str::from_utf8(value).ok().map(|_| ())
}

fn bytes<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let size = usize::try_from(varint(rest)?).ok()?;
    take(rest, size)
}

fn take<'a>(rest: &mut &'a [u8], size: usize) -> Option<&'a [u8]> {
    let (taken, after) = rest.split_at_checked(size)?;
    *rest = after;
    Some(taken)
}

fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    // Nine groups of seven bits: no field of a log group needs more.
    for shift in (0..63).step_by(7) {
        let (&byte, after) = rest.split_first()?;
        *rest = after;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group() -> Vec<u8> {
        let mut raw = Vec::new();
        for time in [1_700_000_005, 1_700_000_001, 1_700_000_009] {
            slswire::group::log(&mut raw, time, 7, &[(b"key", "wörter".as_bytes()), (b"", b"")]);
        }
        slswire::group::text(&mut raw, "topic", "source");
        slswire::group::tag(&mut raw, "x", "y");
        raw
    }

    #[test]
    fn logs_are_counted_and_their_times_found() {
        assert_eq!(of(&group()), Some((3, 1_700_000_001, 1_700_000_009)));
        assert_eq!(of(b""), Some((0, 0, 0)));
    }

    #[test]
    fn cut_anywhere_within_a_field_it_is_in_doubt() {
        let raw = group();
        let whole = (0..=raw.len()).filter(|end| of(&raw[..*end]).is_some()).count();
        // Between fields a group is a shorter group: three logs, topic, source, tag.
        assert_eq!(whole, 7);
    }

    #[test]
    fn what_is_not_utf8_is_in_doubt() {
        let mut raw = group();
        let at = raw.iter().position(|byte| *byte == b'k').unwrap();
        raw[at] = 0xff;
        assert_eq!(of(&raw), None);
    }

    #[test]
    fn log_without_its_time_is_in_doubt() {
        assert_eq!(of(&[0x0a, 0x00]), None);
    }
}
