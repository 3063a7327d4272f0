//! Columns between separators, quoted where they hold one (RFC 4180's quotes, any separator).

use super::fault::Fault;
use super::fields::{Fields, Names, Text};
use super::spec;

/// Keys of one line at most.
const MAX_KEYS: usize = 500;

/// A compiled `delimiter` parser.
#[derive(Debug)]
pub struct Delimiter {
    separator: String,
    quote: Option<char>,
    keys: Vec<Text>,
    allow_extra: bool,
    allow_missing: bool,
}

/// One character, or none for an empty text.
///
/// # Errors
/// There are several.
pub fn quote_of(text: &str, what: &str) -> Result<Option<char>, String> {
    let mut characters = text.chars();
    match (characters.next(), characters.next()) {
        (first, None) => Ok(first),
        _ => Err(format!("{what} is {text:?}; it must be one character, or empty for none")),
    }
}

/// A value that began with a quote: where it stands, and where the text goes on behind its end.
///
/// # Errors
/// It does not end.
pub fn quoted(
    line: &str,
    start: usize,
    quote: char,
    out: &mut Fields,
) -> Result<(Text, usize), Fault> {
    let inner = start + quote.len_utf8();
    let mut at = inner;
    let mut doubled = false;
    loop {
        let rest = line.get(at..).unwrap_or_default();
        let end = at + rest.find(quote).ok_or(Fault::BadQuote)?;
        at = end + quote.len_utf8();
        if line.get(at..).is_some_and(|behind| behind.starts_with(quote)) {
            doubled = true;
            at += quote.len_utf8();
            continue;
        }
        if !doubled {
            return Ok((Text::line(inner, end), at));
        }
        let twice: String = [quote, quote].iter().collect();
        let value = line.get(inner..end).unwrap_or_default();
        let text = out.write(|scratch| {
            for (number, piece) in value.split(twice.as_str()).enumerate() {
                if number > 0 {
                    scratch.push(quote);
                }
                scratch.push_str(piece);
            }
        });
        return Ok((text, at));
    }
}

impl Delimiter {
    /// Compiles it.
    ///
    /// # Errors
    /// A sentence that names the field.
    pub fn new(spec: &spec::Delimiter, names: &mut Names) -> Result<Self, String> {
        if spec.separator.is_empty() {
            return Err("parser.delimiter.separator is empty; give one".to_owned());
        }
        if spec.keys.is_empty() || spec.keys.len() > MAX_KEYS {
            return Err(format!("parser.delimiter.keys must have 1 to {MAX_KEYS} names"));
        }
        let keys = spec.keys.iter().map(|key| names.key(key, "parser.delimiter.keys"));
        Ok(Self {
            separator: spec.separator.clone(),
            quote: quote_of(&spec.quote, "parser.delimiter.quote")?,
            keys: keys.collect::<Result<_, _>>()?,
            allow_extra: spec.allow_extra,
            allow_missing: spec.allow_missing,
        })
    }

    /// Adds the columns as fields.
    ///
    /// # Errors
    /// The line does not have this form.
    pub fn fields(&self, line: &str, out: &mut Fields) -> Result<(), Fault> {
        let mut at = 0;
        let mut column = 0;
        loop {
            let (value, behind) = self.column(line, at, out)?;
            self.push(column, value, out)?;
            column += 1;
            if behind == line.len() {
                break;
            }
            at = behind + self.separator.len();
        }
        if column < self.keys.len() && !self.allow_missing {
            return Err(Fault::TooFewFields);
        }
        Ok(())
    }

    fn column(&self, line: &str, at: usize, out: &mut Fields) -> Result<(Text, usize), Fault> {
        let rest = line.get(at..).unwrap_or_default();
        if let Some(quote) = self.quote.filter(|quote| rest.starts_with(*quote)) {
            let (value, behind) = quoted(line, at, quote, out)?;
            let after = line.get(behind..).unwrap_or_default();
            if !after.is_empty() && !after.starts_with(&self.separator) {
                return Err(Fault::BadQuote);
            }
            return Ok((value, behind));
        }
        let end = rest.find(&self.separator).map_or(line.len(), |found| at + found);
        Ok((Text::line(at, end), end))
    }

    fn push(&self, column: usize, value: Text, out: &mut Fields) -> Result<(), Fault> {
        if let Some(key) = self.keys.get(column) {
            return out.push(*key, value);
        }
        if !self.allow_extra {
            return Err(Fault::TooManyFields);
        }
        let key = out.write(|scratch| {
            scratch.push_str("__column");
            scratch.push_str(&(column + 1).to_string());
            scratch.push_str("__");
        });
        out.push(key, value)
    }
}
