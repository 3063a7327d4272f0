//! One line of a container log file in the format of the container runtime interface:
//! `2016-10-06T00:17:09.669794202Z stdout F the container's own line`.
//!
//! `P` marks a part of a line that the runtime split, `F` its last or only part.

use crate::plan::Stream;

/// A line, taken apart; it borrows from the file's bytes.
#[derive(Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// Unix seconds.
    pub time: u32,
    /// Nanoseconds within the second.
    pub time_ns: u32,
    /// The time as it stands in the file.
    pub stamp: &'a [u8],
    /// Which output.
    pub stream: Stream,
    /// Whether more of the same line follows.
    pub partial: bool,
    /// What the container wrote.
    pub content: &'a [u8],
}

/// The line without its newline, or `None` when it is not in the format.
#[must_use]
pub fn parse(line: &[u8]) -> Option<Line<'_>> {
    let (stamp, rest) = split(line)?;
    let (stream, rest) = split(rest)?;
    let stream = match stream {
        b"stdout" => Stream::Stdout,
        b"stderr" => Stream::Stderr,
        _ => return None,
    };
    // An empty line may come without the space before its content.
    let (flags, content) = split(rest).unwrap_or((rest, b""));
    // Tags are separated by colons; the first one is P or F.
    let partial = match flags.split(|byte| *byte == b':').next()? {
        b"P" => true,
        b"F" => false,
        _ => return None,
    };
    let (time, time_ns) = timestamp(stamp)?;
    Some(Line { time, time_ns, stamp, stream, partial, content })
}

fn split(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let space = text.iter().position(|byte| *byte == b' ')?;
    Some((text.get(..space)?, text.get(space + 1..)?))
}

/// Unix seconds and nanoseconds of an RFC 3339 time with up to nine digits of a fraction.
#[must_use]
pub fn timestamp(text: &[u8]) -> Option<(u32, u32)> {
    let fixed = text.get(..19)?;
    let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if marks.iter().any(|(at, mark)| fixed.get(*at) != Some(mark)) {
        return None;
    }
    let [year, month, day] = [number(fixed, 0, 4)?, number(fixed, 5, 7)?, number(fixed, 8, 10)?];
    let [hour, minute] = [number(fixed, 11, 13)?, number(fixed, 14, 16)?];
    let second = number(fixed, 17, 19)?;
    let possible = (1..=12).contains(&month) && (1..=31).contains(&day);
    if !possible || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let mut rest = text.get(19..)?;
    let mut nanoseconds = 0;
    if let Some(fraction) = rest.strip_prefix(b".") {
        let digits = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if !(1..=9).contains(&digits) {
            return None;
        }
        let scale = 10_i64.pow(9 - u32::try_from(digits).ok()?);
        nanoseconds = number(fraction, 0, digits)? * scale;
        rest = fraction.get(digits..)?;
    }
    let seconds = days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
    let unix = u32::try_from(seconds - offset(rest)?).ok()?;
    Some((unix, u32::try_from(nanoseconds).ok()?))
}

/// Seconds east of UTC of `Z` or `+08:00`.
fn offset(text: &[u8]) -> Option<i64> {
    if text == b"Z" {
        return Some(0);
    }
    if text.len() != 6 || text.get(3) != Some(&b':') {
        return None;
    }
    let seconds = number(text, 1, 3)? * 3600 + number(text, 4, 6)? * 60;
    match text.first()? {
        b'+' => Some(seconds),
        b'-' => Some(-seconds),
        _ => None,
    }
}

fn number(text: &[u8], from: usize, to: usize) -> Option<i64> {
    text.get(from..to)?.iter().try_fold(0_i64, |value, byte| {
        byte.is_ascii_digit().then(|| value * 10 + i64::from(byte - b'0'))
    })
}

/// Days since 1970-01-01 (Howard Hinnant's `days_from_civil`).
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let shifted = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * shifted + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_line_is_taken_apart() {
        let line = parse(b"2016-10-06T00:17:09.669794202Z stdout F hello there").unwrap();
        assert_eq!((line.time, line.time_ns), (1_475_713_029, 669_794_202));
        assert_eq!((line.stream, line.partial), (Stream::Stdout, false));
        assert_eq!(line.content, b"hello there");
    }

    #[test]
    fn offset_and_short_fraction_are_understood() {
        let line = parse(b"2016-10-06T08:17:09.5+08:00 stderr P part").unwrap();
        assert_eq!((line.time, line.time_ns), (1_475_713_029, 500_000_000));
        assert!(line.partial);
    }

    #[test]
    fn empty_line_comes_with_and_without_its_space() {
        assert_eq!(parse(b"2016-10-06T00:17:09Z stdout F ").unwrap().content, b"");
        assert_eq!(parse(b"2016-10-06T00:17:09Z stdout F").unwrap().content, b"");
    }

    #[test]
    fn what_is_no_line_is_refused() {
        for text in [
            "",
            "hello",
            "2016-10-06T00:17:09Z stdin F x",
            "2016-10-06T00:17:09Z stdout X x",
            "2016-13-06T00:17:09Z stdout F x",
            "2016-10-06T00:17:09 stdout F x",
            "2016-10-06T00:17:09.Z stdout F x",
            "1916-10-06T00:17:09Z stdout F x",
            r#"{"log":"docker","stream":"stdout"}"#,
        ] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_judged_without_a_panic(bytes: Vec<u8>) {
            drop(parse(&bytes));
        }
    }
}
