//! One query over one stored log group: which records match, how many, their fields as columns.
//!
//! Most groups hold no match, and most records of the others neither: a search for the query's own
//! text, in a folded copy, decides what is decoded.

use memchr::memmem::Finder;

use crate::matching::{self, Record, TAG};
use crate::program::{Program, Type};
use crate::walk::{self, Group, Log};

/// Place of a record: unix seconds, nanoseconds, position in its group.
pub type Hit = (u32, u32, u32);

/// Which records are looked at: a half-open span of unix seconds, and a topic.
#[derive(Debug, Clone)]
pub struct Window {
    /// The first second.
    pub begin: u32,
    /// The first second after it.
    pub end: u32,
    /// Only this topic.
    pub topic: Option<String>,
}

/// A field to read into a column.
#[derive(Debug, Clone)]
pub struct Column {
    /// The record's key.
    pub key: String,
    /// A path within its JSON; empty for the value itself.
    pub path: Vec<String>,
    /// What the column holds.
    pub kind: Type,
}

/// A column's values; None where a record has none, or none of that type.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// As they are.
    Text(Vec<Option<String>>),
    /// Whole numbers.
    Long(Vec<Option<i64>>),
    /// Floating-point numbers.
    Double(Vec<Option<f64>>),
}

impl Values {
    fn new(kind: Type) -> Self {
        match kind {
            Type::Text => Self::Text(Vec::new()),
            Type::Long => Self::Long(Vec::new()),
            Type::Double => Self::Double(Vec::new()),
        }
    }

    fn push_none(&mut self) {
        match self {
            Self::Text(values) => values.push(None),
            Self::Long(values) => values.push(None),
            Self::Double(values) => values.push(None),
        }
    }

    fn set_last(&mut self, text: &str) {
        match self {
            Self::Text(values) => set(values, Some(text.to_owned())),
            Self::Long(values) => set(values, text.trim().parse().ok()),
            Self::Double(values) => set(values, text.trim().parse().ok()),
        }
    }
}

fn set<T>(values: &mut [Option<T>], value: Option<T>) {
    if let Some(last) = values.last_mut() {
        *last = value;
    }
}

/// A compiled query.
pub struct Scanner {
    program: Program,
    needles: Option<Vec<Finder<'static>>>,
}

impl Scanner {
    /// The scanner of a program's JSON document.
    ///
    /// # Errors
    /// A sentence, where the document is not a program.
    pub fn new(document: &str) -> Result<Self, String> {
        let program = Program::parse(document)?;
        let needles = program
            .needles()
            .map(|found| found.iter().map(|text| Finder::new(text).into_owned()).collect());
        Ok(Self { program, needles })
    }

    /// Calls `found` with each matching record of `raw`, in order.
    fn each(&self, raw: &[u8], window: &Window, mut found: impl FnMut(u32, Record<'_>)) {
        let folded = self.needles.as_ref().map(|_| raw.to_ascii_lowercase());
        let may = |part: &[u8]| {
            self.needles.as_ref().is_none_or(|all| all.iter().any(|one| one.find(part).is_some()))
        };
        if folded.as_ref().is_some_and(|all| !may(all)) {
            return;
        }
        let group = walk::group(raw);
        if window.topic.as_ref().is_some_and(|topic| topic.as_bytes() != group.topic) {
            return;
        }
        // A word may stand in what the group gives to all its records.
        let shared = self.needles.is_some() && may(&shared_text(&group));
        for (position, encoded) in (0_u32..).zip(&group.logs) {
            if let (Some(folded), false) = (&folded, shared) {
                let at = encoded.as_ptr() as usize - raw.as_ptr() as usize;
                if !may(&folded[at..at + encoded.len()]) {
                    continue;
                }
            }
            let record = Record { group: &group, log: walk::log(encoded) };
            let inside = (window.begin..window.end).contains(&record.log.time);
            if inside && self.program.matches(record) {
                found(position, record);
            }
        }
    }

    /// Whether a group with this filter of [`crate::filters`] can hold a match.
    #[must_use]
    pub fn may_match(&self, filter: &[u8]) -> bool {
        self.program.may_match(filter)
    }

    /// Whether a filter can ever say no.
    #[must_use]
    pub fn is_selective(&self) -> bool {
        self.program.is_selective()
    }

    /// The matching records' places.
    #[must_use]
    pub fn hits(&self, raw: &[u8], window: &Window) -> Vec<Hit> {
        let mut found = Vec::new();
        self.each(raw, window, |at, record| found.push((record.log.time, record.log.time_ns, at)));
        found
    }

    /// How many records match in each span of `step` seconds from the window's beginning on.
    #[must_use]
    pub fn counts(&self, raw: &[u8], window: &Window, step: u32) -> Vec<u64> {
        let step = step.max(1);
        let buckets = window.end.saturating_sub(window.begin).div_ceil(step);
        let mut found = vec![0_u64; buckets as usize];
        self.each(raw, window, |_, record| {
            found[((record.log.time - window.begin) / step) as usize] += 1;
        });
        found
    }

    /// Times and columns of the matching records.
    #[must_use]
    pub fn columns(
        &self,
        raw: &[u8],
        window: &Window,
        wanted: &[Column],
    ) -> (Vec<u32>, Vec<Values>) {
        let mut times = Vec::new();
        let mut found: Vec<Values> = wanted.iter().map(|each| Values::new(each.kind)).collect();
        self.each(raw, window, |_, record| {
            times.push(record.log.time);
            found.iter_mut().for_each(Values::push_none);
            fill(&record, wanted, &mut found);
        });
        (times, found)
    }
}

fn owned(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn fill(record: &Record<'_>, wanted: &[Column], found: &mut [Values]) {
    let mut set = |key: &[u8], value: &[u8]| {
        for (column, values) in wanted.iter().zip(found.iter_mut()) {
            if column.key.as_bytes() != key {
                continue;
            }
            let text = String::from_utf8_lossy(value);
            if column.path.is_empty() {
                values.set_last(&text);
            } else if let Some(inner) = matching::extract(&text, &column.path) {
                values.set_last(&inner);
            }
        }
    };
    set(b"__source__", record.group.source);
    set(b"__topic__", record.group.topic);
    for (key, value) in &record.group.tags {
        set(format!("{TAG}{}", owned(key)).as_bytes(), value);
    }
    for (key, value) in record.log.contents() {
        set(key, value);
    }
}

fn shared_text(group: &Group<'_>) -> Vec<u8> {
    let tags = group.tags.iter().flat_map(|(key, value)| [*key, *value]);
    let parts: Vec<&[u8]> = tags.chain([group.topic, group.source]).collect();
    parts.join(&b' ').to_ascii_lowercase()
}

/// The records at `positions` as a client sees them, fields in the order of the group.
#[must_use]
pub fn render(raw: &[u8], positions: &[u32]) -> Vec<Vec<(String, String)>> {
    let group = walk::group(raw);
    let logs = positions.iter().filter_map(|&at| group.logs.get(at as usize));
    logs.map(|encoded| rendered(&group, walk::log(encoded))).collect()
}

fn rendered(group: &Group<'_>, log: Log<'_>) -> Vec<(String, String)> {
    let mut found = vec![
        ("__time__".to_owned(), log.time.to_string()),
        ("__source__".to_owned(), owned(group.source)),
        ("__topic__".to_owned(), owned(group.topic)),
    ];
    found.extend(
        group.tags.iter().map(|(key, value)| (format!("{TAG}{}", owned(key)), owned(value))),
    );
    found.extend(log.contents().map(|(key, value)| (owned(key), owned(value))));
    found
}

/// Topic, source and tags of a group, and how many logs it has.
#[must_use]
pub fn head(raw: &[u8]) -> (String, String, Vec<(String, String)>, usize) {
    let group = walk::group(raw);
    let tags = group.tags.iter().map(|(key, value)| (owned(key), owned(value))).collect();
    (owned(group.topic), owned(group.source), tags, group.logs.len())
}
