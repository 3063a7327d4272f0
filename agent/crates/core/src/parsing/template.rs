//! A line of literals and variables: what nginx' and Apache's format strings describe.
//!
//! A variable ends where the next literal begins. That is one search per field, several times
//! faster than a pattern with as many groups. `nginx` and `apache` make the parts.

use memchr::memmem::Finder;

use super::fault::Fault;
use super::fields::{Fields, Names, Text};

/// Variables of one format at most.
const MAX_VARIABLES: usize = 100;

/// How a variable's value may look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Anything but the literal behind it.
    Plain,
    /// Values separated by `, ` and ` : `, as nginx writes one per upstream server.
    List,
    /// A backslash takes the meaning of the character behind it.
    Escaped,
}

/// A part of a format string, as its reader gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Stands in the line as it is.
    Literal(String),
    /// Becomes a field.
    Variable {
        /// Its key.
        key: String,
        /// How its value may look.
        form: Form,
    },
}

/// The parts of a request line.
#[derive(Debug, Clone, Copy)]
struct Request {
    method: Text,
    uri: Text,
    protocol: Text,
}

#[derive(Debug)]
struct Step {
    key: Text,
    form: Form,
    request: Option<Request>,
    /// None: the rest of the line.
    until: Option<Finder<'static>>,
}

/// A compiled format.
#[derive(Debug)]
pub struct Template {
    lead: String,
    steps: Vec<Step>,
}

impl Template {
    /// Compiles the parts; the field `request` is taken apart into `request_method`,
    /// `request_uri` and `request_protocol`.
    ///
    /// # Errors
    /// Two variables that cannot be told apart, none at all, or too many.
    pub fn new(parts: &[Part], names: &mut Names, what: &str) -> Result<Self, String> {
        let parts = joined(parts);
        let mut lead = String::new();
        let mut steps = Vec::new();
        for (at, part) in parts.iter().enumerate() {
            let Part::Variable { key, form } = part else { continue };
            let until = match parts.get(at + 1) {
                None => None,
                Some(Part::Literal(text)) => Some(Finder::new(text).into_owned()),
                Some(Part::Variable { key: next, .. }) => {
                    return Err(format!(
                        "{what}: nothing stands between {key} and {next}, so they cannot be told \
                         apart; put a blank between them"
                    ))
                }
            };
            let request = if key == "request" { Some(request(names)) } else { None };
            steps.push(Step { key: names.key(key, what)?, form: *form, request, until });
        }
        if let Some(Part::Literal(text)) = parts.first() {
            lead.push_str(text);
        }
        if steps.is_empty() || steps.len() > MAX_VARIABLES {
            return Err(format!("{what} must have 1 to {MAX_VARIABLES} variables"));
        }
        Ok(Self { lead, steps })
    }

    /// Adds the variables as fields.
    ///
    /// # Errors
    /// The line does not have this form.
    pub fn fields(&self, line: &str, out: &mut Fields) -> Result<(), Fault> {
        let bytes = line.as_bytes();
        if !bytes.starts_with(self.lead.as_bytes()) {
            return Err(Fault::NoMatch);
        }
        let mut at = self.lead.len();
        for step in &self.steps {
            let (end, next) = match &step.until {
                None => (bytes.len(), bytes.len()),
                Some(until) => {
                    let end = step.end(bytes, at, until).ok_or(Fault::NoMatch)?;
                    (end, end + until.needle().len())
                }
            };
            match step.request.and_then(|parts| parts.split(bytes, at, end)) {
                Some(fields) => {
                    for (key, value) in fields {
                        out.push(key, value)?;
                    }
                }
                None => out.push(step.key, Text::line(at, end))?,
            }
            at = next;
        }
        if at == bytes.len() {
            Ok(())
        } else {
            Err(Fault::NoMatch)
        }
    }
}

impl Step {
    /// Where its value ends, given that it begins at `start`.
    fn end(&self, line: &[u8], start: usize, until: &Finder<'_>) -> Option<usize> {
        let needle = until.needle();
        let mut from = start;
        loop {
            let rest = line.get(from..)?;
            let found =
                if let [one] = needle { memchr::memchr(*one, rest)? } else { until.find(rest)? };
            let end = from + found;
            let goes_on = match self.form {
                Form::Plain => false,
                Form::List => in_list(line, start, end),
                Form::Escaped => escaped(line, start, end),
            };
            if !goes_on {
                return Some(end);
            }
            from = end + 1;
        }
    }
}

/// Whether a list of upstream values goes on at `end`.
fn in_list(line: &[u8], start: usize, end: usize) -> bool {
    let value = line.get(start..end).unwrap_or_default();
    let behind = line.get(end..).unwrap_or_default();
    value.ends_with(b",") || value.ends_with(b" :") || behind.starts_with(b" : ")
}

/// Whether an odd number of backslashes stands before `end`.
fn escaped(line: &[u8], start: usize, end: usize) -> bool {
    let value = line.get(start..end).unwrap_or_default();
    value.iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1
}

fn request(names: &mut Names) -> Request {
    Request {
        method: names.add("request_method"),
        uri: names.add("request_uri"),
        protocol: names.add("request_protocol"),
    }
}

impl Request {
    /// `GET /path HTTP/1.1`; None for what is no request line, which then stays one field.
    fn split(self, line: &[u8], start: usize, end: usize) -> Option<[(Text, Text); 3]> {
        let text = line.get(start..end)?;
        let first = memchr::memchr(b' ', text)?;
        let last = memchr::memrchr(b' ', text)?;
        let method = text.get(..first)?;
        let protocol = text.get(last + 1..)?;
        let known = !method.is_empty() && method.iter().all(u8::is_ascii_uppercase);
        if first == last || !known || !protocol.starts_with(b"HTTP/") {
            return None;
        }
        Some([
            (self.method, Text::line(start, start + first)),
            (self.uri, Text::line(start + first + 1, start + last)),
            (self.protocol, Text::line(start + last + 1, end)),
        ])
    }
}

/// The same parts with adjacent literals in one.
fn joined(parts: &[Part]) -> Vec<Part> {
    let mut out: Vec<Part> = Vec::new();
    for part in parts {
        match (out.last_mut(), part) {
            (_, Part::Literal(text)) if text.is_empty() => {}
            (Some(Part::Literal(before)), Part::Literal(text)) => before.push_str(text),
            _ => out.push(part.clone()),
        }
    }
    out
}
