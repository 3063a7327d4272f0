//! From a joined line to the fields that are shipped: parsed, timed, shaped.
//!
//! A pipeline compiles its [`spec::Shaping`] once into a [`Shape`]; each source has a [`Shaper`] on
//! it, whose memory is used again for every line. `batch` encodes what [`Shaper::pairs`] gives. A
//! line that cannot be parsed arrives as it is, in `__raw_log__`, and is counted ([`fault`]).
//!
//! `lines` decides before that which lines are one record.

pub mod apache;
pub mod delimiter;
pub mod fault;
pub mod fields;
#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod golden;
pub mod grok;
pub mod iis;
pub mod json;
pub mod key_value;
pub mod lines;
pub mod nginx;
pub mod pattern;
pub mod processors;
pub mod spec;
pub mod splitter;
pub mod syslog;
pub mod template;
pub mod time;
pub mod trial;

use std::sync::Arc;
use std::time::Instant;

use fault::{Dropped, Fault, Tally};
use fields::{Fields, Names, Text};
use pattern::{Groups, Locations};
use processors::{Passing, Processors};
use spec::{OnMissing, OnParseError};
use template::Template;
use time::When;

/// The field of a line that could not be parsed; Log Service's own name for it.
pub const RAW_LOG: &str = "__raw_log__";

/// The field of a parsed record's line; Log Service's own name for it.
pub const RAW: &str = "__raw__";

/// The field of a line that no parser takes apart.
pub const CONTENT: &str = "content";

/// Longest line that is parsed; longer ones arrive as they are. `PutLogs` takes 10 MB at the most.
pub const MAX_LINE_BYTES: usize = 16 << 20;

#[derive(Debug)]
enum Parser {
    Groups(Groups),
    Json(json::Json),
    Delimiter(delimiter::Delimiter),
    Template(Template),
    Iis(iis::Iis),
    Syslog(syslog::Syslog),
    KeyValue(key_value::KeyValue),
}

#[derive(Debug)]
struct Clock {
    key: String,
    format: time::Format,
    on_missing: OnMissing,
}

/// A compiled [`spec::Shaping`].
#[derive(Debug)]
pub struct Shape {
    names: Names,
    parser: Option<Parser>,
    clock: Option<Clock>,
    on_parse_error: OnParseError,
    keep_raw: bool,
    processors: Processors,
    content: Text,
    raw_log: Text,
    raw: Text,
}

impl Shape {
    /// Compiles it.
    ///
    /// # Errors
    /// A sentence that names the field and the way out.
    pub fn new(spec: &spec::Shaping) -> Result<Self, String> {
        let mut names = Names::default();
        let parser = spec.parser.as_ref().map(|each| compile(each, &mut names)).transpose()?;
        let clock = spec.time.as_ref().map(|time| {
            Ok::<_, String>(Clock {
                key: time.key.clone(),
                format: time::Format::new(time)?,
                on_missing: time.on_missing,
            })
        });
        let processors = Processors::new(&spec.processors, &mut names)?;
        Ok(Self {
            parser,
            clock: clock.transpose()?,
            on_parse_error: spec.on_parse_error,
            keep_raw: spec.keep_raw,
            processors,
            content: names.add(CONTENT),
            raw_log: names.add(RAW_LOG),
            raw: names.add(RAW),
            names,
        })
    }
}

fn compile(spec: &spec::Parser, names: &mut Names) -> Result<Parser, String> {
    Ok(match spec {
        spec::Parser::Regex(regex) => {
            let what = "parser.regex.pattern";
            // The whole line: an anchored automaton needs one pass, and half a match is no parse.
            pattern::search(&regex.pattern, what)?;
            let whole = format!(r"\A(?:{})\z", regex.pattern);
            Parser::Groups(Groups::new(&whole, &regex.keys, names, what)?)
        }
        spec::Parser::Grok(spec) => Parser::Groups(grok::compile(&spec.pattern, names)?),
        spec::Parser::Json(spec) => Parser::Json(json::Json::new(spec, names)?),
        spec::Parser::Delimiter(spec) => Parser::Delimiter(delimiter::Delimiter::new(spec, names)?),
        spec::Parser::Nginx(spec) => {
            let parts = nginx::parts(&spec.log_format)?;
            Parser::Template(Template::new(&parts, names, "parser.nginx.logFormat")?)
        }
        spec::Parser::Apache(spec) => {
            let parts = apache::parts(&spec.log_format)?;
            Parser::Template(Template::new(&parts, names, "parser.apache.logFormat")?)
        }
        spec::Parser::Iis(spec) => Parser::Iis(iis::Iis::new(spec, names)?),
        spec::Parser::Syslog(spec) => Parser::Syslog(syslog::Syslog::new(*spec, names)),
        spec::Parser::KeyValue(spec) => Parser::KeyValue(key_value::KeyValue::new(spec, names)?),
    })
}

/// What became of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// Its time where it is shipped, and why not where it is not.
    pub kept: Result<When, Dropped>,
    /// What was wrong with it, shipped or not.
    pub fault: Option<Fault>,
}

impl Outcome {
    /// Counts it.
    pub fn count(self, tally: &Tally) {
        if let Some(fault) = self.fault {
            tally.fault(fault);
        }
        if let Err(why) = self.kept {
            tally.drop(why);
        }
    }
}

/// Shapes the lines of one source, one after the other.
#[derive(Debug)]
pub struct Shaper {
    shape: Arc<Shape>,
    fields: Fields,
    locations: Option<Locations>,
    memory: time::Memory,
}

impl Shaper {
    /// A shaper with memory of its own.
    #[must_use]
    pub fn new(shape: Arc<Shape>) -> Self {
        let locations = match &shape.parser {
            Some(Parser::Groups(groups)) => Some(groups.locations()),
            _ => None,
        };
        Self { shape, fields: Fields::default(), locations, memory: time::Memory::default() }
    }

    /// Takes a line apart; the fields are those of [`Self::pairs`] until the next one.
    pub fn shape(&mut self, line: &str, received: When, now: Instant) -> Outcome {
        self.fields.clear();
        if matches!(self.shape.parser, Some(Parser::Iis(_))) && iis::Iis::comment(line) {
            return Outcome { kept: Err(Dropped::Comment), fault: None };
        }
        let mut fault = self.parse(line).err();
        let raw = fault.is_some();
        if raw {
            if self.shape.on_parse_error == OnParseError::Drop {
                return Outcome { kept: Err(Dropped::ParseError), fault };
            }
            self.fields.clear();
            self.fields.offer(self.shape.raw_log, Text::line(0, line.len()));
        } else if self.shape.keep_raw {
            self.fields.offer(self.shape.raw, Text::line(0, line.len()));
        }
        let mut when = received;
        if !raw {
            match self.time(line, received) {
                Ok(found) => when = found,
                Err((found, why)) => {
                    fault = Some(found);
                    if let Some(why) = why {
                        return Outcome { kept: Err(why), fault };
                    }
                }
            }
        }
        let fields = &mut self.fields;
        let mut passing = Passing { line, fields, received, raw, now };
        let kept = self.shape.processors.apply(&mut passing, &self.shape.names).map(|()| when);
        Outcome { kept, fault }
    }

    fn parse(&mut self, line: &str) -> Result<(), Fault> {
        if line.len() > MAX_LINE_BYTES {
            return Err(Fault::TooLong);
        }
        let out = &mut self.fields;
        match &self.shape.parser {
            None => out.push(self.shape.content, Text::line(0, line.len())),
            Some(Parser::Groups(groups)) => match &mut self.locations {
                Some(space) => groups.fields(line, space, out),
                None => Err(Fault::NoMatch),
            },
            Some(Parser::Json(parser)) => parser.fields(line, out),
            Some(Parser::Delimiter(parser)) => parser.fields(line, out),
            Some(Parser::Template(parser)) => parser.fields(line, out),
            Some(Parser::Iis(parser)) => parser.fields(line, out),
            Some(Parser::Syslog(parser)) => parser.fields(line, out),
            Some(Parser::KeyValue(parser)) => parser.fields(line, out),
        }
    }

    /// The record's own time; else what is wrong with it, and whether the record goes for that.
    fn time(&mut self, line: &str, received: When) -> Result<When, (Fault, Option<Dropped>)> {
        let Some(clock) = &self.shape.clock else { return Ok(received) };
        let view = self.fields.view(line, &self.shape.names);
        let field = self.fields.all().iter().find(|field| view.get(field.key) == clock.key);
        let fault = match field {
            None => Fault::NoTime,
            Some(field) => {
                match clock.format.read(view.get(field.value), received, &mut self.memory) {
                    Some(when) => return Ok(when),
                    None => Fault::BadTime,
                }
            }
        };
        Err((fault, (clock.on_missing == OnMissing::Drop).then_some(Dropped::Time)))
    }

    /// Keys and values of the last line, which is given again.
    pub fn pairs<'a>(
        &'a self,
        line: &'a str,
    ) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone + 'a {
        let view = self.fields.view(line, &self.shape.names);
        self.fields
            .all()
            .iter()
            .map(move |field| (view.get(field.key).as_bytes(), view.get(field.value).as_bytes()))
    }
}
