//! JSON objects: keys become fields, and what is nested deeper than asked stays JSON text.
//!
//! `serde_json` judges the text; values are only borrowed from it, so that a number arrives with
//! the digits it was written with and a nested object byte for byte.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer as _, Error as _, MapAccess, Visitor};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::fault::Fault;
use super::fields::{Fields, Names, Text};
use super::spec;

/// Levels that can become fields; the index of the service knows no more.
const MAX_DEPTH: usize = 10;

/// A compiled `json` parser.
#[derive(Debug)]
pub struct Json {
    max_depth: usize,
    prefix: String,
}

impl Json {
    /// Compiles it.
    ///
    /// # Errors
    /// A sentence that names the field.
    pub fn new(spec: &spec::Json, names: &mut Names) -> Result<Self, String> {
        if !(1..=MAX_DEPTH).contains(&spec.max_depth) {
            return Err(format!("parser.json.maxDepth must lie between 1 and {MAX_DEPTH}"));
        }
        if !spec.prefix.is_empty() {
            names.key(&spec.prefix, "parser.json.prefix")?;
        }
        Ok(Self { max_depth: spec.max_depth, prefix: spec.prefix.clone() })
    }

    /// Adds the object's members as fields.
    ///
    /// # Errors
    /// The line is no JSON object, or has too many members.
    pub fn fields(&self, line: &str, out: &mut Fields) -> Result<(), Fault> {
        self.object(line, line, &self.prefix, self.max_depth, out)
    }

    fn object(
        &self,
        line: &str,
        text: &str,
        prefix: &str,
        depth: usize,
        out: &mut Fields,
    ) -> Result<(), Fault> {
        let mut fault = None;
        let mut reader = serde_json::Deserializer::from_str(text);
        let members = Members(|key: Key<'_>, value: &RawValue| {
            let added = self.member(line, prefix, depth, (&key.0, value.get()), out);
            added.map_err(|found| fault = Some(found)).is_ok()
        });
        let read = reader.deserialize_map(members).and_then(|()| reader.end());
        read.map_err(|_| fault.unwrap_or(Fault::BadJson))
    }

    fn member(
        &self,
        line: &str,
        prefix: &str,
        depth: usize,
        (key, value): (&str, &str),
        out: &mut Fields,
    ) -> Result<(), Fault> {
        if depth > 1 && value.starts_with('{') {
            let deeper = format!("{prefix}{key}.");
            return self.object(line, value, &deeper, depth - 1, out);
        }
        let name = match place(line, key) {
            Some(text) if prefix.is_empty() => text,
            _ => out.write(|scratch| {
                scratch.push_str(prefix);
                scratch.push_str(key);
            }),
        };
        let text = if value.starts_with('"') {
            match serde_json::from_str(value).map_err(|_| Fault::BadJson)? {
                Key(Cow::Borrowed(plain)) => place(line, plain),
                Key(Cow::Owned(made)) => Some(out.write(|scratch| scratch.push_str(&made))),
            }
        } else {
            place(line, value)
        };
        out.push(name, text.ok_or(Fault::BadJson)?)
    }
}

/// Where `part` stands in `line`; None for a text of its own.
fn place(line: &str, part: &str) -> Option<Text> {
    let start = (part.as_ptr() as usize).checked_sub(line.as_ptr() as usize)?;
    (start + part.len() <= line.len()).then(|| Text::line(start, start + part.len()))
}

/// A string that is borrowed where it holds no escape.
struct Key<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Key<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Key<'de>;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a string")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Key(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Key(Cow::Owned(text.to_owned())))
            }
        }
        from.deserialize_str(Text)
    }
}

/// Hands every member of an object over until one is refused.
struct Members<F>(F);

impl<'de, F: FnMut(Key<'de>, &'de RawValue) -> bool> Visitor<'de> for Members<F> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some((key, value)) = map.next_entry::<Key<'de>, &'de RawValue>()? {
            if !(self.0)(key, value) {
                return Err(A::Error::custom("refused"));
            }
        }
        Ok(())
    }
}
