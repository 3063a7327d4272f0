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

/// Takes lines apart. It remembers the minute of the last one, which thousands of lines may share.
#[derive(Debug, Default)]
pub struct Parser {
    minute: [u8; 17],
    /// The unix seconds at which it begins, were it UTC.
    begin: i64,
}

impl Parser {
    /// The line without its newline, or `None` when it is not in the format.
    #[must_use]
    pub fn parse<'a>(&mut self, line: &'a [u8]) -> Option<Line<'a>> {
        let (stamp, rest) = split(line)?;
        let (stream, partial, content) = match rest {
            [b's', b't', b'd', b'o', b'u', b't', b' ', b'F', b' ', content @ ..] => {
                (Stream::Stdout, false, content)
            }
            [b's', b't', b'd', b'e', b'r', b'r', b' ', b'F', b' ', content @ ..] => {
                (Stream::Stderr, false, content)
            }
            _ => tagged(rest)?,
        };
        let (time, time_ns) = self.timestamp(stamp)?;
        Some(Line { time, time_ns, stamp, stream, partial, content })
    }

    /// Unix seconds and nanoseconds of an RFC 3339 time with up to nine digits of a fraction, which
    /// is ASCII then.
    #[must_use]
    pub fn timestamp(&mut self, text: &[u8]) -> Option<(u32, u32)> {
        let (minute, rest) = text.split_first_chunk::<17>()?;
        if *minute != self.minute {
            self.begin = begin(minute)?;
            self.minute = *minute;
        }
        let (second, mut rest) = rest.split_first_chunk::<2>()?;
        let second = number(second, 0, 2).filter(|second| *second <= 60)?;
        let mut nanoseconds = 0;
        if let Some(fraction) = rest.strip_prefix(b".") {
            let digits = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
            let scale = SCALES.get(digits).filter(|_| digits > 0)?;
            nanoseconds = number(fraction, 0, digits)? * scale;
            rest = fraction.get(digits..)?;
        }
        let unix = u32::try_from(self.begin + second - offset(rest)?).ok()?;
        Some((unix, u32::try_from(nanoseconds).ok()?))
    }
}

/// Nanoseconds of the last digit of a fraction, by its length.
const SCALES: [i64; 10] =
    [0, 100_000_000, 10_000_000, 1_000_000, 100_000, 10_000, 1000, 100, 10, 1];

/// Stream, whether it is a part, and content of any line in the format.
fn tagged(rest: &[u8]) -> Option<(Stream, bool, &[u8])> {
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
    Some((stream, partial, content))
}

fn split(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let space = memchr::memchr(b' ', text)?;
    Some((text.get(..space)?, text.get(space + 1..)?))
}

/// Seconds since 1970 of `2016-10-06T00:17:` in UTC.
fn begin(text: &[u8; 17]) -> Option<i64> {
    let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if marks.iter().any(|(at, mark)| text.get(*at) != Some(mark)) {
        return None;
    }
    let [year, month, day] = [number(text, 0, 4)?, number(text, 5, 7)?, number(text, 8, 10)?];
    let [hour, minute] = [number(text, 11, 13)?, number(text, 14, 16)?];
    let possible = (1..=12).contains(&month) && (1..=31).contains(&day);
    if !possible || hour > 23 || minute > 59 {
        return None;
    }
    Some(days(year, month, day) * 86_400 + hour * 3600 + minute * 60)
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
    use proptest::prelude::*;

    use super::*;

    fn parse(line: &[u8]) -> Option<Line<'_>> {
        Parser::default().parse(line)
    }

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

    proptest! {
        #[test]
        fn any_bytes_are_judged_without_a_panic(bytes: Vec<u8>) {
            let parsed = parse(&bytes);
            prop_assert!(parsed.is_none_or(|line| bytes.ends_with(line.content)));
        }

        /// What was parsed before changes nothing, and a time that is one is ASCII.
        #[test]
        fn lines_are_parsed_the_same_after_any_others(lines in prop::collection::vec(
            "(20[0-3][0-9]-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6]0:0[0-9]|2026-01-02T03:04:0[56]|\\PC{0,20})\
             (\\.[0-9]{0,10})?(Z|[+-][0-9]{2}:[0-9]{2}|) (stdout|stderr|std) (F|P|F:x|Q)( \\PC{0,9})?", 1..9,
        )) {
            let mut parser = Parser::default();
            for line in &lines {
                let parsed = parser.parse(line.as_bytes());
                prop_assert_eq!(&parsed, &parse(line.as_bytes()));
                prop_assert!(parsed.is_none_or(|line| line.stamp.is_ascii()));
            }
        }
    }
}
