//! A record's own time: strptime's directives, zones with their history, nanoseconds.
//!
//! `jiff` reads the text. Lines of one second share their time, so the last one read is remembered.

use jiff::civil::DateTime;
use jiff::fmt::strtime::BrokenDownTime;
use jiff::tz::{Offset, TimeZone};
use jiff::{Timestamp, ZonedDateTime};

use super::spec;

/// Unix time with nanoseconds within the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct When {
    /// Seconds since 1970.
    pub seconds: u32,
    /// Within the second.
    pub nanos: u32,
}

/// Longest text that can be a time.
const MAX_TIME_BYTES: usize = 100;

/// A compiled format.
#[derive(Debug, Clone)]
pub struct Format {
    /// As given; then, where an offset is read, with the offset's other way of writing.
    forms: Vec<String>,
    zone: TimeZone,
    epoch: bool,
    yearless: bool,
}

/// The last time that was read.
#[derive(Debug, Default, Clone)]
pub struct Memory {
    text: String,
    when: Option<When>,
}

impl Format {
    /// Compiles it.
    ///
    /// # Errors
    /// A sentence that names the field.
    pub fn new(spec: &spec::Time) -> Result<Self, String> {
        let zone = zone(&spec.timezone)?;
        let format = spec.format.trim().to_owned();
        if format.is_empty() || format.len() > MAX_TIME_BYTES {
            return Err(format!("time.format must have 1 to {MAX_TIME_BYTES} bytes"));
        }
        let epoch = format == "%s";
        let has = |directives: &[&str]| directives.iter().any(|each| format.contains(each));
        let yearless = !epoch && !has(&["%Y", "%y", "%F", "%D", "%G", "%c", "%s", "%C"]);
        if !epoch && !has(&["%H", "%I", "%T", "%R", "%s", "%k", "%l", "%c", "%r"]) {
            return Err(format!(
                "time.format is {format:?}, which names no hour; use %H:%M:%S, %T or %s"
            ));
        }
        let made = Self { forms: forms(&format, yearless), zone, epoch, yearless };
        made.check(&format)?;
        Ok(made)
    }

    /// What it writes of one instant it must be able to read: that finds unknown directives.
    fn check(&self, format: &str) -> Result<(), String> {
        let sample = ZonedDateTime::new(Timestamp::UNIX_EPOCH, self.zone.clone());
        jiff::fmt::strtime::format(format, &sample).map(drop).map_err(|fault| {
            format!("time.format {format:?} cannot be used: {fault}; see strptime(3)")
        })
    }

    /// Reads a time; `received` gives the year where the text has none.
    pub fn read(&self, text: &str, received: When, memory: &mut Memory) -> Option<When> {
        if text.len() > MAX_TIME_BYTES {
            return None;
        }
        if memory.text == text && memory.when.is_some() && !self.yearless {
            return memory.when;
        }
        let when = if self.epoch { epoch(text) } else { self.strptime(text, received) };
        memory.text.clear();
        memory.text.push_str(text);
        memory.when = when;
        when
    }

    fn strptime(&self, text: &str, received: When) -> Option<When> {
        if !self.yearless {
            return self.instant(&self.broken_down(text)?);
        }
        // The year is the one that brings it nearest to when the line was written.
        let now = Timestamp::from_second(received.seconds.into()).ok()?;
        let year = ZonedDateTime::new(now, self.zone.clone()).year();
        (year - 1..=year + 1)
            .filter_map(|year| self.instant(&self.broken_down(&format!("{year} {text}"))?))
            .min_by_key(|when| when.seconds.abs_diff(received.seconds))
    }

    fn broken_down(&self, text: &str) -> Option<BrokenDownTime> {
        let [form] = self.forms.as_slice() else {
            // strptime(3) of the C library takes Z, +0800 and +08:00 for %z.
            let utc = text.strip_suffix(['Z', 'z']).map(|rest| format!("{rest}+0000"));
            let text = utc.as_deref().unwrap_or(text);
            return self.forms.iter().find_map(|form| BrokenDownTime::parse(form, text).ok());
        };
        BrokenDownTime::parse(form, text).ok()
    }

    fn instant(&self, read: &BrokenDownTime) -> Option<When> {
        if read.offset().is_some() || read.timestamp().is_some() {
            return when(read.to_timestamp().ok()?);
        }
        let civil: DateTime = read.to_datetime().ok()?;
        when(self.zone.to_ambiguous_timestamp(civil).compatible().ok()?)
    }
}

fn forms(format: &str, yearless: bool) -> Vec<String> {
    let format = if yearless { format!("%Y {format}") } else { format.to_owned() };
    let other = format.replace("%z", "%:z");
    if other == format {
        vec![format]
    } else {
        vec![format, other]
    }
}

/// A name of the IANA database, `UTC`, or an offset such as `+08:00`.
fn zone(name: &str) -> Result<TimeZone, String> {
    if name.is_empty() {
        return Ok(TimeZone::UTC);
    }
    if let Some(offset) = offset(name) {
        return Ok(TimeZone::fixed(offset));
    }
    TimeZone::get(name).map_err(|_| {
        format!("time.timezone {name:?} is not known; write Asia/Shanghai, UTC or +08:00")
    })
}

fn offset(name: &str) -> Option<Offset> {
    let sign = match name.chars().next()? {
        '+' => 1,
        '-' => -1,
        _ => return None,
    };
    let digits: String = name.chars().skip(1).filter(|each| *each != ':').collect();
    let (hours, minutes) = digits.split_at_checked(2)?;
    let hours: i32 = hours.parse().ok()?;
    let minutes: i32 = if minutes.is_empty() { 0 } else { minutes.parse().ok()? };
    (hours <= 15 && minutes < 60).then_some(())?;
    Offset::from_seconds(sign * (hours * 3600 + minutes * 60)).ok()
}

/// Digits since 1970: 10 are seconds, 13 milliseconds, 16 microseconds, 19 nanoseconds; or seconds
/// with a fraction.
fn epoch(text: &str) -> Option<When> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if !whole.bytes().chain(fraction.bytes()).all(|each| each.is_ascii_digit()) {
        return None;
    }
    let (seconds, nanos) = match whole.len() {
        1..=10 => (whole, fraction),
        13 | 16 | 19 if fraction.is_empty() => whole.split_at_checked(10)?,
        _ => return None,
    };
    let mut padded = nanos.to_owned();
    padded.truncate(9);
    while padded.len() < 9 {
        padded.push('0');
    }
    Some(When { seconds: seconds.parse().ok()?, nanos: padded.parse().ok()? })
}

fn when(instant: Timestamp) -> Option<When> {
    // Before 1970 the subsecond is negative; those times cannot be shipped anyway.
    let seconds = u32::try_from(instant.as_second()).ok()?;
    let nanos = u32::try_from(instant.subsec_nanosecond()).ok()?;
    Some(When { seconds, nanos })
}
