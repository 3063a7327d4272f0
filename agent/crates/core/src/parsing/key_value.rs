//! Pairs of keys and values in a line, logfmt for one. What is no pair is kept as `content`.

use super::delimiter;
use super::fault::Fault;
use super::fields::{Fields, Names, Text};
use super::spec;

/// A compiled `keyValue` parser.
#[derive(Debug)]
pub struct KeyValue {
    pair_separator: String,
    separator: String,
    quote: Option<char>,
    rest: Text,
}

impl KeyValue {
    /// Compiles it.
    ///
    /// # Errors
    /// A sentence that names the field.
    pub fn new(spec: &spec::KeyValue, names: &mut Names) -> Result<Self, String> {
        for (name, text) in
            [("pairSeparator", &spec.pair_separator), ("separator", &spec.separator)]
        {
            if text.is_empty() {
                return Err(format!("parser.keyValue.{name} is empty; give one"));
            }
        }
        if spec.pair_separator == spec.separator {
            return Err("parser.keyValue.separator is the pairSeparator; give another".to_owned());
        }
        Ok(Self {
            pair_separator: spec.pair_separator.clone(),
            separator: spec.separator.clone(),
            quote: delimiter::quote_of(&spec.quote, "parser.keyValue.quote")?,
            rest: names.add("content"),
        })
    }

    /// Adds the pairs as fields.
    ///
    /// # Errors
    /// There is not one pair, or a quote does not end.
    pub fn fields(&self, line: &str, out: &mut Fields) -> Result<(), Fault> {
        let mut at = 0;
        let mut pairs = 0;
        let mut rest = String::new();
        while at < line.len() {
            let piece_end = self.next(line, at);
            let piece = line.get(at..piece_end).unwrap_or_default();
            match piece.find(&self.separator) {
                Some(key_len) if key_len > 0 => {
                    let value_at = at + key_len + self.separator.len();
                    let (value, end) = self.value(line, value_at, piece_end, out)?;
                    out.push(Text::line(at, at + key_len), value)?;
                    pairs += 1;
                    at = end;
                }
                _ => {
                    if !piece.is_empty() && !rest.is_empty() {
                        rest.push_str(&self.pair_separator);
                    }
                    rest.push_str(piece);
                    at = piece_end;
                }
            }
            at += self.pair_separator.len();
        }
        if pairs == 0 {
            return Err(Fault::NoPairs);
        }
        if !rest.is_empty() {
            let text = out.write(|scratch| scratch.push_str(&rest));
            out.push(self.rest, text)?;
        }
        Ok(())
    }

    /// Where the piece that begins at `at` ends.
    fn next(&self, line: &str, at: usize) -> usize {
        let rest = line.get(at..).unwrap_or_default();
        rest.find(&self.pair_separator).map_or(line.len(), |found| at + found)
    }

    fn value(
        &self,
        line: &str,
        at: usize,
        piece_end: usize,
        out: &mut Fields,
    ) -> Result<(Text, usize), Fault> {
        let begins = |quote: &char| line.get(at..).is_some_and(|rest| rest.starts_with(*quote));
        let Some(quote) = self.quote.filter(begins) else {
            return Ok((Text::line(at, piece_end), piece_end));
        };
        let (value, behind) = escaped(line, at, quote, out)?;
        // What follows a closing quote without a separator belongs to nobody: not this form.
        let after = line.get(behind..).unwrap_or_default();
        if after.is_empty() || after.starts_with(&self.pair_separator) {
            Ok((value, behind))
        } else {
            Err(Fault::BadQuote)
        }
    }
}

/// A quoted value; a backslash keeps the character behind it, as logfmt writes quotes.
fn escaped(
    line: &str,
    start: usize,
    quote: char,
    out: &mut Fields,
) -> Result<(Text, usize), Fault> {
    let inner = start + quote.len_utf8();
    let text = line.get(inner..).unwrap_or_default();
    let mut plain = true;
    let mut skip = false;
    for (found, each) in text.char_indices() {
        if skip {
            skip = false;
        } else if each == '\\' {
            (skip, plain) = (true, false);
        } else if each == quote {
            let end = inner + found;
            let value = if plain {
                Text::line(inner, end)
            } else {
                let raw = line.get(inner..end).unwrap_or_default();
                out.write(|scratch| unescape(raw, scratch))
            };
            return Ok((value, end + quote.len_utf8()));
        }
    }
    Err(Fault::BadQuote)
}

fn unescape(raw: &str, out: &mut String) {
    let mut characters = raw.chars();
    while let Some(each) = characters.next() {
        if each != '\\' {
            out.push(each);
            continue;
        }
        match characters.next() {
            Some('n') => out.push('\n'),
            Some('t') => out.push('\t'),
            Some('r') => out.push('\r'),
            Some(other) => out.push(other),
            None => out.push('\\'),
        }
    }
}
