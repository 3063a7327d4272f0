//! What is done with the fields before they are shipped, in the order of the pipeline.

use std::collections::BTreeMap;
use std::hash::Hasher;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use md5::Md5;
use sha2::{Digest, Sha256};

use super::fault::Dropped;
use super::fields::{Fields, Names, Text};
use super::pattern;
use super::spec;
use super::time::When;

/// Processors of one pipeline at most.
const MAX_PROCESSORS: usize = 50;

/// A record as processors see it.
#[derive(Debug)]
pub struct Passing<'a> {
    /// Its line.
    pub line: &'a str,
    /// Its fields.
    pub fields: &'a mut Fields,
    /// When the container wrote it.
    pub received: When,
    /// Whether its fields are not those that the parser gives: it could not be parsed.
    pub raw: bool,
    /// The clock, for rates.
    pub now: Instant,
}

/// Compiled processors.
#[derive(Debug)]
pub struct Processors(Vec<Processor>);

#[derive(Debug)]
enum Processor {
    Filter { include: Vec<Condition>, exclude: Vec<Condition> },
    Mask(Mask),
    Rename(Vec<(String, Text)>),
    Remove(Vec<String>),
    Add(Vec<(String, Text, Text)>),
    Sample(u64),
    RateLimit(Mutex<Bucket>, f64),
}

#[derive(Debug)]
struct Condition {
    key: String,
    pattern: regex::Regex,
}

#[derive(Debug)]
struct Mask {
    key: String,
    pattern: regex::Regex,
    with: spec::With,
    replacement: String,
}

/// Bytes that may pass now; at most those of one second.
#[derive(Debug, Default)]
struct Bucket {
    bytes: f64,
    filled: Option<Instant>,
}

impl Processors {
    /// Compiles them.
    ///
    /// # Errors
    /// A sentence that names the field.
    pub fn new(specs: &[spec::Processor], names: &mut Names) -> Result<Self, String> {
        if specs.len() > MAX_PROCESSORS {
            return Err(format!("processors: there are more than {MAX_PROCESSORS}; join some"));
        }
        let numbered = specs.iter().enumerate();
        let made = numbered.map(|(at, each)| compile(each, names, &format!("processors[{at}]")));
        Ok(Self(made.collect::<Result<_, _>>()?))
    }

    /// Applies all of them.
    ///
    /// # Errors
    /// The record is not wanted.
    pub fn apply(&self, record: &mut Passing<'_>, names: &Names) -> Result<(), Dropped> {
        self.0.iter().try_for_each(|each| each.apply(record, names))
    }
}

fn compile(spec: &spec::Processor, names: &mut Names, what: &str) -> Result<Processor, String> {
    Ok(match spec {
        spec::Processor::Filter(filter) => {
            if filter.include.is_empty() && filter.exclude.is_empty() {
                return Err(format!("{what}.filter has neither include nor exclude; give one"));
            }
            Processor::Filter {
                include: conditions(&filter.include, &format!("{what}.filter.include"))?,
                exclude: conditions(&filter.exclude, &format!("{what}.filter.exclude"))?,
            }
        }
        spec::Processor::Mask(mask) => Processor::Mask(Mask {
            key: mask.key.clone(),
            pattern: pattern::search(&mask.pattern, &format!("{what}.mask.pattern"))?,
            with: mask.with,
            replacement: mask.replacement.clone(),
        }),
        spec::Processor::Rename(map) => {
            let keys = map
                .iter()
                .map(|(old, new)| Ok((old.clone(), names.key(new, &format!("{what}.rename"))?)));
            Processor::Rename(keys.collect::<Result<_, String>>()?)
        }
        spec::Processor::Remove(keys) => Processor::Remove(keys.clone()),
        spec::Processor::Add(map) => {
            let fields = map.iter().map(|(key, value)| {
                let name = names.key(key, &format!("{what}.add"))?;
                Ok((key.clone(), name, names.add(value)))
            });
            Processor::Add(fields.collect::<Result<_, String>>()?)
        }
        spec::Processor::Sample(sample) => {
            if !(0.0..=1.0).contains(&sample.rate) {
                return Err(format!(
                    "{what}.sample.rate is {}; it lies within 0 and 1",
                    sample.rate
                ));
            }
            Processor::Sample(threshold(sample.rate))
        }
        spec::Processor::RateLimit(limit) => {
            if limit.bytes_per_second == 0 {
                return Err(format!("{what}.rateLimit.bytesPerSecond must be at least 1"));
            }
            #[allow(clippy::cast_precision_loss, reason = "a rate needs no more than 52 bits")]
            Processor::RateLimit(Mutex::default(), limit.bytes_per_second as f64)
        }
    })
}

fn conditions(map: &BTreeMap<String, String>, what: &str) -> Result<Vec<Condition>, String> {
    let made = map.iter().map(|(key, pattern)| {
        let pattern = pattern::search(pattern, &format!("{what}.{key}"))?;
        Ok(Condition { key: key.clone(), pattern })
    });
    made.collect()
}

/// The hash below which a record is kept.
#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share of the hashes; the rate is checked to lie within 0 and 1"
)]
fn threshold(rate: f64) -> u64 {
    (rate * u64::MAX as f64) as u64
}

impl Processor {
    fn apply(&self, record: &mut Passing<'_>, names: &Names) -> Result<(), Dropped> {
        match self {
            // A line that could not be parsed has none of the fields a filter asks for: it is
            // kept, as `onParseError` says.
            Self::Filter { .. } if record.raw => {}
            Self::Filter { include, exclude } => {
                let wanted = include.iter().all(|each| each.holds(record, names));
                if !wanted || exclude.iter().any(|each| each.holds(record, names)) {
                    return Err(Dropped::Filter);
                }
            }
            Self::Mask(mask) => mask.apply(record, names),
            Self::Rename(keys) => rename(keys, record, names),
            Self::Remove(keys) => {
                retain(record, names, |key| !keys.iter().any(|removed| removed == key));
            }
            Self::Add(fields) => {
                for (key, name, value) in fields {
                    retain(record, names, |present| present != key);
                    record.fields.offer(*name, *value);
                }
            }
            Self::Sample(below) => {
                if *below != u64::MAX && hash(record) >= *below {
                    return Err(Dropped::Sample);
                }
            }
            Self::RateLimit(bucket, rate) => {
                let mut bucket = bucket.lock().unwrap_or_else(PoisonError::into_inner);
                if !bucket.take(record.line.len(), *rate, record.now) {
                    return Err(Dropped::RateLimit);
                }
            }
        }
        Ok(())
    }
}

impl Condition {
    fn holds(&self, record: &Passing<'_>, names: &Names) -> bool {
        let view = record.fields.view(record.line, names);
        let mut having = record.fields.all().iter().filter(|field| view.get(field.key) == self.key);
        having.any(|field| self.pattern.is_match(view.get(field.value)))
    }
}

/// Keeps the fields whose key is `wanted`.
fn retain(record: &mut Passing<'_>, names: &Names, wanted: impl Fn(&str) -> bool) {
    let view = record.fields.view(record.line, names);
    let keep: Vec<bool> =
        record.fields.all().iter().map(|each| wanted(view.get(each.key))).collect();
    let mut keep = keep.into_iter();
    record.fields.retain(|_| keep.next().unwrap_or(true));
}

fn rename(keys: &[(String, Text)], record: &mut Passing<'_>, names: &Names) {
    for (old, new) in keys {
        let view = record.fields.view(record.line, names);
        let Some(at) = record.fields.all().iter().position(|each| view.get(each.key) == old) else {
            continue;
        };
        let target = view.get(*new);
        let clash = record.fields.all().iter().position(|each| view.get(each.key) == target);
        if let Some(field) = record.fields.change().get_mut(at) {
            field.key = *new;
        }
        // A field of that name is replaced, or the record would have two.
        if let Some(clash) = clash.filter(|clash| *clash != at) {
            let mut number = 0..;
            record.fields.retain(|_| number.next() != Some(clash));
        }
    }
}

impl Mask {
    fn apply(&self, record: &mut Passing<'_>, names: &Names) {
        for at in 0..record.fields.all().len() {
            let view = record.fields.view(record.line, names);
            let Some(field) = record.fields.all().get(at) else { return };
            let key = view.get(field.key);
            // A value that must not be seen must not be seen in the raw line either.
            if key != self.key && key != super::RAW_LOG && key != super::RAW {
                continue;
            }
            let value = view.get(field.value);
            if !self.pattern.is_match(value) {
                continue;
            }
            let masked = self.masked(value);
            let text = record.fields.write(|scratch| scratch.push_str(&masked));
            if let Some(field) = record.fields.change().get_mut(at) {
                field.value = text;
            }
        }
    }

    fn masked(&self, value: &str) -> String {
        let mut out = String::with_capacity(value.len());
        let mut at = 0;
        for found in self.pattern.captures_iter(value) {
            let Some(secret) = found.get(1).or(found.get(0)) else { continue };
            out.push_str(value.get(at..secret.start()).unwrap_or_default());
            match self.with {
                spec::With::Const => out.push_str(&self.replacement),
                spec::With::Md5 => hex(&Md5::digest(secret.as_str()), &mut out),
                spec::With::Sha256 => hex(&Sha256::digest(secret.as_str()), &mut out),
            }
            at = secret.end();
        }
        out.push_str(value.get(at..).unwrap_or_default());
        out
    }
}

fn hex(bytes: &[u8], out: &mut String) {
    for byte in bytes {
        for digit in [byte >> 4, byte & 15] {
            out.extend(char::from_digit(digit.into(), 16));
        }
    }
}

/// The same for the same line of the same instant: what is sent again after a crash is sampled as
/// it was before.
fn hash(record: &Passing<'_>) -> u64 {
    let mut hasher = std::collections::hash_map::DefaultHasher::new();
    hasher.write_u32(record.received.seconds);
    hasher.write_u32(record.received.nanos);
    hasher.write(record.line.as_bytes());
    hasher.finish()
}

impl Bucket {
    #[allow(clippy::cast_precision_loss, reason = "lines are far below 2^52 bytes")]
    fn take(&mut self, bytes: usize, rate: f64, now: Instant) -> bool {
        let gone =
            self.filled.map_or(1.0, |then| now.saturating_duration_since(then).as_secs_f64());
        self.bytes = (self.bytes + gone * rate).min(rate);
        self.filled = Some(now);
        // A line longer than a second's worth passes when the bucket is full, and empties it.
        let cost = (bytes as f64).min(rate);
        let passes = self.bytes >= cost;
        if passes {
            self.bytes -= cost;
        }
        passes
    }
}
