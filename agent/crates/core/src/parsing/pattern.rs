//! Users' patterns: linear time, bounded memory, and a sentence for one that cannot be had so.
//!
//! A pattern is compiled twice where that helps: lines are ASCII nearly always, and for those a
//! byte-wise automaton is several times smaller and faster, and finds the same.

use regex::bytes;

use super::fault::Fault;
use super::fields::{Fields, Names, Text};
use super::splitter::Splitter;

/// Bytes of memory that one pattern may need, compiled and while it runs; users' patterns need a
/// few kilobytes.
pub const PATTERN_BYTES: usize = 2 << 20;

/// Longest pattern.
pub const MAX_PATTERN_CHARS: usize = 8192;

fn refuse(what: &str, fault: &regex::Error) -> String {
    let words = fault.to_string();
    let last = words.lines().last().unwrap_or_default().trim();
    let words = last.strip_prefix("error: ").unwrap_or(last);
    format!("{what} is no usable pattern: {words}")
}

/// Compiles a pattern that is searched in text; `what` names it in sentences.
///
/// # Errors
/// It is none, or needs too much memory.
pub fn search(pattern: &str, what: &str) -> Result<regex::Regex, String> {
    if pattern.len() > MAX_PATTERN_CHARS {
        return Err(format!("{what} is longer than {MAX_PATTERN_CHARS} bytes; shorten it"));
    }
    regex::RegexBuilder::new(pattern)
        .size_limit(PATTERN_BYTES)
        .dfa_size_limit(PATTERN_BYTES)
        .build()
        .map_err(|fault| refuse(what, &fault))
}

/// Compiles a pattern that is searched in bytes which need not be UTF-8.
///
/// # Errors
/// As [`search`].
pub fn search_bytes(pattern: &str, what: &str) -> Result<bytes::Regex, String> {
    // Only what is a pattern for text too: what users write has one meaning everywhere.
    search(pattern, what)?;
    bytes::RegexBuilder::new(pattern)
        .size_limit(PATTERN_BYTES)
        .dfa_size_limit(PATTERN_BYTES)
        .build()
        .map_err(|fault| refuse(what, &fault))
}

/// A pattern whose groups become fields.
#[derive(Debug, Clone)]
pub struct Groups {
    full: regex::Regex,
    ascii: Option<bytes::Regex>,
    /// Where one walk finds the same in ASCII.
    splitter: Option<Splitter>,
    /// The key of each group but the whole match.
    keys: Vec<Option<Text>>,
}

/// Memory for the groups of one match; belongs to one [`Groups`].
#[derive(Debug, Clone)]
pub struct Locations {
    full: regex::CaptureLocations,
    ascii: Option<bytes::CaptureLocations>,
    walked: Vec<(usize, usize)>,
}

impl Groups {
    /// Compiles `pattern`; `keys` name its groups in order, or its own names do where it is empty.
    ///
    /// # Errors
    /// As [`search`], or the keys do not fit the groups.
    pub fn new(
        pattern: &str,
        keys: &[String],
        names: &mut Names,
        what: &str,
    ) -> Result<Self, String> {
        let full = search(pattern, what)?;
        let groups = full.captures_len() - 1;
        let keys: Vec<Option<Text>> = if keys.is_empty() {
            let own = full.capture_names().skip(1);
            own.map(|name| name.map(|name| names.key(name, what)).transpose())
                .collect::<Result<_, _>>()?
        } else {
            if keys.len() != groups {
                let given = keys.len();
                return Err(format!(
                    "{what} has {groups} groups and {given} keys; name each group once"
                ));
            }
            keys.iter().map(|key| names.key(key, what).map(Some)).collect::<Result<_, _>>()?
        };
        if keys.iter().flatten().next().is_none() {
            return Err(format!(
                "{what} has no group that becomes a field; put one in parentheses"
            ));
        }
        let splitter = Splitter::new(pattern).filter(|each| each.groups() == groups);
        let ascii = if splitter.is_none() { ascii(pattern) } else { None };
        Ok(Self { full, ascii, splitter, keys })
    }

    /// Renames the groups: grok names them by number to keep any character out of the pattern.
    ///
    /// # Errors
    /// A key is none.
    pub fn renamed(
        mut self,
        key_of: impl Fn(&str) -> Option<String>,
        names: &mut Names,
        what: &str,
    ) -> Result<Self, String> {
        for (at, name) in self.full.capture_names().skip(1).enumerate() {
            self.keys[at] = match name.and_then(&key_of) {
                Some(key) => Some(names.key(&key, what)?),
                None => None,
            };
        }
        Ok(self)
    }

    /// Memory for its matches.
    #[must_use]
    pub fn locations(&self) -> Locations {
        Locations {
            full: self.full.capture_locations(),
            ascii: self.ascii.as_ref().map(bytes::Regex::capture_locations),
            walked: Vec::new(),
        }
    }

    /// Adds the groups of the first match as fields.
    ///
    /// # Errors
    /// There is no match, or it has too many groups.
    pub fn fields(&self, line: &str, space: &mut Locations, out: &mut Fields) -> Result<(), Fault> {
        if let Some(splitter) = self.splitter.as_ref().filter(|_| line.is_ascii()) {
            let found = &mut space.walked;
            if !splitter.split(line.as_bytes(), found) {
                return Err(Fault::NoMatch);
            }
            return self.push(|group| found.get(group - 1).copied(), out);
        }
        match (&self.ascii, &mut space.ascii) {
            (Some(pattern), Some(found)) if line.is_ascii() => {
                pattern.captures_read(found, line.as_bytes()).ok_or(Fault::NoMatch)?;
                self.push(|group| found.get(group), out)
            }
            _ => {
                let found = &mut space.full;
                self.full.captures_read(found, line).ok_or(Fault::NoMatch)?;
                self.push(|group| found.get(group), out)
            }
        }
    }

    fn push(
        &self,
        place: impl Fn(usize) -> Option<(usize, usize)>,
        out: &mut Fields,
    ) -> Result<(), Fault> {
        for (at, key) in self.keys.iter().enumerate() {
            if let (Some(key), Some((start, end))) = (key, place(at + 1)) {
                out.push(*key, Text::line(start, end))?;
            }
        }
        Ok(())
    }
}

/// The same pattern for ASCII only; None where it needs Unicode.
fn ascii(pattern: &str) -> Option<bytes::Regex> {
    // Folded cases reach out of ASCII (the Kelvin sign is a k), but never from ASCII to another
    // ASCII letter, so that the two agree on every ASCII line.
    bytes::RegexBuilder::new(pattern)
        .unicode(false)
        .size_limit(PATTERN_BYTES)
        .dfa_size_limit(PATTERN_BYTES)
        .build()
        .ok()
}
