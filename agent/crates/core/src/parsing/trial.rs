//! What a pipeline would make of sample lines: the real joiner and the real shaper, without files.
//!
//! For validating a configuration's samples and for showing people what comes out.

use std::sync::Arc;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::spec::Shaping;
use super::time::When;
use super::{Shape, Shaper};
use crate::cri;
use crate::files::Place;
use crate::joining::{Joiner, Record, Rule};
use crate::plan::{Multiline, Stream};

/// Bytes of all sample lines; a sample is for people to read.
const MAX_BYTES: usize = 1 << 20;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rules {
    #[serde(default)]
    multiline: Option<Multiline>,
    #[serde(default)]
    shaping: Option<Shaping>,
}

/// One record as it would be shipped.
#[derive(Debug, Serialize)]
pub struct Tried {
    /// The joined lines.
    pub record: String,
    /// In order; empty where the record is dropped.
    pub fields: Vec<(String, String)>,
    /// Unix seconds and nanoseconds; None where it is dropped.
    pub time: Option<(u32, u32)>,
    /// Why it could not be parsed.
    pub fault: Option<&'static str>,
    /// Why it would not be shipped.
    pub dropped: Option<&'static str>,
}

/// Runs `lines`, received at `received`, through the plan's `multiline` and `shaping` (JSON).
///
/// # Errors
/// A sentence that names the field that cannot be used.
pub fn run(rules_json: &str, lines: &[String], received: When) -> Result<Vec<Tried>, String> {
    let rules: Rules = serde_json::from_str(rules_json).map_err(|fault| fault.to_string())?;
    if lines.iter().map(String::len).sum::<usize>() > MAX_BYTES {
        return Err(format!("the sample lines have over {MAX_BYTES} bytes; shorten them"));
    }
    let rule = rules.multiline.as_ref().map(Rule::new).transpose()?;
    let shape = Shape::new(&rules.shaping.unwrap_or_default())?;
    let mut shaper = Shaper::new(Arc::new(shape));
    let mut joiner = Joiner::new(rule, MAX_BYTES);
    let now = Instant::now();
    let mut tried = Vec::new();
    let mut take = |record: &Record<'_>| {
        tried.push(one(&mut shaper, &String::from_utf8_lossy(record.content), received, now));
    };
    for (number, text) in lines.iter().enumerate() {
        let line = cri::Line {
            time: received.seconds,
            time_ns: received.nanos,
            stamp: b"",
            stream: Stream::Stdout,
            partial: false,
            content: text.as_bytes(),
        };
        let place = Place { file: 1, offset: number as u64 };
        joiner.line(&line, place, now, &mut take);
    }
    joiner.flush_all(&mut take);
    Ok(tried)
}

fn one(shaper: &mut Shaper, line: &str, received: When, now: Instant) -> Tried {
    let outcome = shaper.shape(line, received, now);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut fields: Vec<_> =
        shaper.pairs(line).map(|(key, value)| (text(key), text(value))).collect();
    if outcome.kept.is_err() {
        fields.clear();
    }
    Tried {
        record: line.to_owned(),
        fields,
        time: outcome.kept.ok().map(|when| (when.seconds, when.nanos)),
        fault: outcome.fault.map(super::fault::Fault::reason),
        dropped: outcome.kept.err().map(super::fault::Dropped::reason),
    }
}
