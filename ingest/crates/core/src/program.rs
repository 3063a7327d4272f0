//! A compiled query as it comes from Python: `search/planning.py` is the other side.
//!
//! Names of fields are resolved there, against the index document; here they are looked up only.

use std::collections::HashMap;

use serde::Deserialize;

use crate::text::{Rules, Word};

/// Deepest nesting that is accepted; the grammar's own limit is below it.
const MAX_DEPTH: usize = 64;

/// How the values of a field compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Type {
    /// As words.
    Text,
    /// As 64-bit whole numbers; other values are not found.
    Long,
    /// As floating-point numbers.
    Double,
}

/// Where a term looks: a field, or a path within a field of type json.
#[derive(Debug, Clone, Deserialize)]
pub struct Field {
    /// The record's key.
    pub key: String,
    /// Keys within its JSON; empty for the value itself.
    pub path: Vec<String>,
}

/// One end of a range.
#[derive(Debug, Clone, Deserialize)]
pub struct Bound {
    /// A number's text.
    pub value: String,
    /// Whether the number itself is outside.
    pub open: bool,
}

/// A condition on a record.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "op", rename_all = "lowercase")]
pub enum Node {
    /// Every record.
    All,
    /// All of them.
    And {
        /// The conditions.
        of: Vec<Node>,
    },
    /// One of them at least.
    Or {
        /// The conditions.
        of: Vec<Node>,
    },
    /// Not that.
    Not {
        /// The condition.
        of: Box<Node>,
    },
    /// The field is there.
    Exists {
        /// Where.
        field: Field,
    },
    /// The field is there, and empty.
    Empty {
        /// Where.
        field: Field,
    },
    /// Words in one field.
    Field {
        /// Where.
        field: Field,
        /// Number of the rules in [`Program::rules`].
        rules: usize,
        /// The words, one after the other.
        words: Vec<Word>,
        /// Text that stands there exactly; folded like the words.
        literal: Option<String>,
    },
    /// Words in any field.
    Full {
        /// The words by the rules they are cut with; the same order as [`Program::rules`].
        words: Vec<Vec<Word>>,
        /// As of [`Node::Field`], by rules.
        literal: Option<Vec<String>>,
    },
    /// A number within bounds.
    Range {
        /// Where.
        field: Field,
        /// Long or double.
        #[serde(rename = "type")]
        kind: Type,
        /// The lower end.
        low: Option<Bound>,
        /// The upper end.
        high: Option<Bound>,
    },
}

/// A query, and what it needs to know of the index document.
#[derive(Debug, Clone, Deserialize)]
pub struct Program {
    /// The condition.
    pub node: Node,
    /// Ways of cutting text.
    pub rules: Vec<Rules>,
    /// Fields with rules of their own in full-text search; `null` keeps one out of it.
    pub fields: HashMap<String, Option<usize>>,
    /// The rules of all other fields; `null` keeps them out.
    pub line: Option<usize>,
}

impl Program {
    /// The program in a JSON document.
    ///
    /// # Errors
    /// A sentence, where the document is not a program.
    pub fn parse(document: &str) -> Result<Self, String> {
        let found: Self = serde_json::from_str(document).map_err(|fault| fault.to_string())?;
        found.check(&found.node, 0)?;
        let known = |rules: &Option<usize>| rules.is_none_or(|number| number < found.rules.len());
        if !known(&found.line) || !found.fields.values().all(known) {
            return Err("a field names rules that are not there".to_owned());
        }
        Ok(found)
    }

    fn check(&self, node: &Node, depth: usize) -> Result<(), String> {
        if depth > MAX_DEPTH {
            return Err("nested too deep".to_owned());
        }
        match node {
            Node::And { of } | Node::Or { of } => {
                of.iter().try_for_each(|each| self.check(each, depth + 1))
            }
            Node::Not { of } => self.check(of, depth + 1),
            Node::Field { rules, .. } if *rules >= self.rules.len() => {
                Err("a term names rules that are not there".to_owned())
            }
            Node::Full { words, literal } => {
                let right = words.len() == self.rules.len()
                    && literal.as_ref().is_none_or(|each| each.len() == self.rules.len());
                right.then_some(()).ok_or_else(|| "a term does not cover all rules".to_owned())
            }
            _ => Ok(()),
        }
    }

    /// Texts, folded, of which every match contains one; None where nothing can be said.
    #[must_use]
    pub fn needles(&self) -> Option<Vec<Vec<u8>>> {
        needles(&self.node).filter(|found| found.iter().all(|text| !text.is_empty()))
    }
}

fn needles(node: &Node) -> Option<Vec<Vec<u8>>> {
    match node {
        Node::Field { words, field, .. } => {
            // JSON may write a character as an escape, so its text proves nothing.
            if field.path.is_empty() {
                longest(words).map(|text| vec![text])
            } else {
                None
            }
        }
        Node::Full { words, .. } => words.iter().map(|each| longest(each)).collect(),
        Node::And { of } => of
            .iter()
            .filter_map(needles)
            .max_by_key(|found| found.iter().map(Vec::len).min().unwrap_or(0)),
        Node::Or { of } => {
            let all: Option<Vec<_>> = of.iter().map(needles).collect();
            all.map(|found| found.concat())
        }
        _ => None,
    }
}

fn longest(words: &[Word]) -> Option<Vec<u8>> {
    let found = words.iter().map(Word::literal).max_by_key(|text| text.len())?;
    Some(found.to_ascii_lowercase().into_bytes())
}
