//! Why a record is not what its pipeline expected, and why one was left out; each is counted.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

/// Why a line could not be parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It does not have the form of the pattern or format.
    NoMatch,
    /// It is no JSON object.
    BadJson,
    /// Fewer columns than keys.
    TooFewFields,
    /// More columns than keys, or more fields than a record may have.
    TooManyFields,
    /// A quote that does not end, or that ends within a column.
    BadQuote,
    /// Not one pair in it.
    NoPairs,
    /// A key is empty or longer than the service takes.
    BadKey,
    /// The field with its time is not there.
    NoTime,
    /// The field with its time does not have the form of the format, or is out of range.
    BadTime,
    /// It is longer than can be parsed.
    TooLong,
}

impl Fault {
    const ALL: [Self; 10] = [
        Self::NoMatch,
        Self::BadJson,
        Self::TooFewFields,
        Self::TooManyFields,
        Self::BadQuote,
        Self::NoPairs,
        Self::BadKey,
        Self::NoTime,
        Self::BadTime,
        Self::TooLong,
    ];

    /// As metrics and reports name it.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::NoMatch => "no_match",
            Self::BadJson => "bad_json",
            Self::TooFewFields => "too_few_fields",
            Self::TooManyFields => "too_many_fields",
            Self::BadQuote => "bad_quote",
            Self::NoPairs => "no_pairs",
            Self::BadKey => "bad_key",
            Self::NoTime => "no_time",
            Self::BadTime => "bad_time",
            Self::TooLong => "too_long",
        }
    }
}

/// Why a record is not shipped: each is what the pipeline asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dropped {
    /// It could not be parsed, and `onParseError` is Drop.
    ParseError,
    /// It has no time, and `time.onMissing` is Drop.
    Time,
    /// A filter does not want it.
    Filter,
    /// The sample is without it.
    Sample,
    /// The pipeline has used up its rate.
    RateLimit,
    /// A header line of the format, not a record.
    Comment,
}

impl Dropped {
    const ALL: [Self; 6] =
        [Self::ParseError, Self::Time, Self::Filter, Self::Sample, Self::RateLimit, Self::Comment];

    /// As metrics and reports name it.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::ParseError => "parse_error",
            Self::Time => "time",
            Self::Filter => "filter",
            Self::Sample => "sample",
            Self::RateLimit => "rate_limit",
            Self::Comment => "comment",
        }
    }
}

/// What parsing has met since the pipeline started, by reason.
#[derive(Debug, Default)]
pub struct Tally {
    faults: [AtomicU64; Fault::ALL.len()],
    dropped: [AtomicU64; Dropped::ALL.len()],
}

/// Records by reason.
pub type Reasons = std::collections::BTreeMap<&'static str, u64>;

/// A snapshot of a [`Tally`].
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Tallied {
    /// Lines that could not be parsed; most of them arrive as they are.
    pub parse_errors: Reasons,
    /// Records left out because the pipeline asks for it.
    pub dropped_lines: Reasons,
}

impl Tally {
    /// Counts one line that could not be parsed.
    pub fn fault(&self, fault: Fault) {
        self.faults[fault as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Counts one record left out.
    pub fn drop(&self, why: Dropped) {
        self.dropped[why as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// The numbers now, without zeros.
    #[must_use]
    pub fn snapshot(&self) -> Tallied {
        let count = |number: &AtomicU64| number.load(Ordering::Relaxed);
        let faults =
            Fault::ALL.iter().map(|each| (each.reason(), count(&self.faults[*each as usize])));
        let dropped =
            Dropped::ALL.iter().map(|each| (each.reason(), count(&self.dropped[*each as usize])));
        Tallied {
            parse_errors: faults.filter(|(_, number)| *number > 0).collect(),
            dropped_lines: dropped.filter(|(_, number)| *number > 0).collect(),
        }
    }
}
