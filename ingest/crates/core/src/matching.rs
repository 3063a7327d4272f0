//! Whether one record matches a program.

use std::borrow::Cow;

use memchr::memmem;
use serde_json::Value;

use crate::program::{Bound, Field, Node, Program, Type};
use crate::text::{self, Word};
use crate::walk::{Group, Log};

/// A field of type json longer than this is not read.
const MAX_JSON_BYTES: usize = 1024 * 1024;

/// Prefix of a tag's key in a record.
pub const TAG: &str = "__tag__:";

/// A record: a log and what it has from its group.
#[derive(Clone, Copy)]
pub struct Record<'a> {
    /// The group.
    pub group: &'a Group<'a>,
    /// The log.
    pub log: Log<'a>,
}

enum Number {
    Whole(i64),
    Real(f64),
}

fn number(text: &str, kind: Type) -> Option<Number> {
    let text = text.trim();
    match text.parse::<i64>() {
        Ok(value) => Some(Number::Whole(value)),
        Err(_) if kind == Type::Double => {
            text.parse::<f64>().ok().filter(|value| value.is_finite()).map(Number::Real)
        }
        Err(_) => None,
    }
}

#[allow(clippy::cast_precision_loss, reason = "a whole number against a real one, as in SQL")]
fn compare(left: &Number, right: &Number) -> Option<std::cmp::Ordering> {
    match (left, right) {
        (Number::Whole(left), Number::Whole(right)) => Some(left.cmp(right)),
        (Number::Whole(left), Number::Real(right)) => (*left as f64).partial_cmp(right),
        (Number::Real(left), Number::Whole(right)) => left.partial_cmp(&(*right as f64)),
        (Number::Real(left), Number::Real(right)) => left.partial_cmp(right),
    }
}

fn beyond(value: &Number, bound: Option<&Bound>, outside: std::cmp::Ordering) -> bool {
    let Some(bound) = bound else { return false };
    // A bound may be real where the field is whole.
    let Some(limit) = number(&bound.value, Type::Double) else { return true };
    match compare(value, &limit) {
        Some(std::cmp::Ordering::Equal) => bound.open,
        Some(found) => found == outside,
        None => true,
    }
}

fn decoded(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

impl<'a> Record<'a> {
    /// Calls `seen` with each value of `key` until it says true.
    fn values(&self, key: &str, mut seen: impl FnMut(Cow<'a, str>) -> bool) -> bool {
        if self.log.contents().any(|(name, value)| name == key.as_bytes() && seen(decoded(value))) {
            return true;
        }
        match key {
            "__source__" => seen(decoded(self.group.source)),
            "__topic__" => seen(decoded(self.group.topic)),
            "__time__" => seen(Cow::Owned(self.log.time.to_string())),
            _ => key.strip_prefix(TAG).is_some_and(|tag| {
                let mut tags = self.group.tags.iter();
                tags.any(|(name, value)| *name == tag.as_bytes() && seen(decoded(value)))
            }),
        }
    }

    fn at(&self, field: &Field, mut seen: impl FnMut(&str) -> bool) -> bool {
        if field.path.is_empty() {
            return self.values(&field.key, |value| seen(&value));
        }
        self.values(&field.key, |value| {
            if value.len() > MAX_JSON_BYTES {
                return false;
            }
            let Ok(document) = serde_json::from_str::<Value>(&value) else { return false };
            match inside(&document, &field.path) {
                Some(Value::String(text)) => seen(text),
                Some(Value::Null) | None => false,
                Some(other) => seen(&other.to_string()),
            }
        })
    }
}

/// The value at `path`; keys of the document may hold dots themselves.
fn inside<'v>(document: &'v Value, path: &[String]) -> Option<&'v Value> {
    if path.is_empty() {
        return Some(document);
    }
    (1..=path.len()).rev().find_map(|count| {
        let (head, rest) = path.split_at(count);
        document.get(head.join(".")).and_then(|below| inside(below, rest))
    })
}

/// The value at `path` of the JSON `text`, as a record shows it.
#[must_use]
pub fn extract(text: &str, path: &[String]) -> Option<String> {
    if text.len() > MAX_JSON_BYTES {
        return None;
    }
    let document: Value = serde_json::from_str(text).ok()?;
    match inside(&document, path)? {
        Value::String(found) => Some(found.clone()),
        Value::Null => None,
        other => Some(other.to_string()),
    }
}

impl Program {
    /// Whether `record` is what the query asks for.
    #[must_use]
    pub fn matches(&self, record: Record<'_>) -> bool {
        self.holds(&self.node, record)
    }

    fn holds(&self, node: &Node, record: Record<'_>) -> bool {
        match node {
            Node::All => true,
            Node::And { of } => of.iter().all(|each| self.holds(each, record)),
            Node::Or { of } => of.iter().any(|each| self.holds(each, record)),
            Node::Not { of } => !self.holds(of, record),
            Node::Exists { field } => record.at(field, |_| true),
            Node::Empty { field } => record.at(field, str::is_empty),
            Node::Field { field, rules, words, literal } => {
                record.at(field, |value| self.has(*rules, value, words, literal.as_deref()))
            }
            Node::Full { words, literal } => {
                // No word at all asks for nothing.
                words.iter().all(Vec::is_empty) || self.anywhere(record, words, literal.as_deref())
            }
            Node::Range { field, kind, low, high } => record.at(field, |value| {
                number(value, *kind).is_some_and(|found| {
                    !beyond(&found, low.as_ref(), std::cmp::Ordering::Less)
                        && !beyond(&found, high.as_ref(), std::cmp::Ordering::Greater)
                })
            }),
        }
    }

    fn has(&self, rules: usize, value: &str, words: &[Word], literal: Option<&str>) -> bool {
        let rules = &self.rules[rules];
        text::contains(rules, value, words)
            && literal.is_none_or(|text| {
                memmem::find(rules.folded(value).as_bytes(), text.as_bytes()).is_some()
            })
    }

    fn anywhere(
        &self,
        record: Record<'_>,
        words: &[Vec<Word>],
        literal: Option<&[String]>,
    ) -> bool {
        let found = |key: &str, value: &[u8]| {
            let rules = self.fields.get(key).copied().unwrap_or(self.line);
            rules.is_some_and(|rules| {
                let literal = literal.map(|each| each[rules].as_str());
                self.has(rules, &decoded(value), &words[rules], literal)
            })
        };
        record.log.contents().any(|(key, value)| found(&decoded(key), value))
            || found("__source__", record.group.source)
            || found("__topic__", record.group.topic)
            || record.group.tags.iter().any(|(key, value)| {
                let name = format!("{TAG}{}", decoded(key));
                found(&name, value)
            })
    }
}
