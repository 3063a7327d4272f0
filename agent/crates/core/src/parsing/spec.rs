//! How lines become fields, as the control hands it over with a pipeline (camelCase JSON).

use std::collections::BTreeMap;

use serde::Deserialize;

/// Everything between a joined line and the fields that are shipped.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
#[derive(Default)]
pub struct Shaping {
    /// How a line is taken apart; without one it is the field `content`.
    pub parser: Option<Parser>,
    /// Where the record's time stands.
    pub time: Option<Time>,
    /// What becomes of a line that cannot be parsed.
    pub on_parse_error: OnParseError,
    /// Whether a parsed record has its line too, as `__raw__`.
    pub keep_raw: bool,
    /// What is done with the fields, in order.
    pub processors: Vec<Processor>,
}

/// What becomes of a line that cannot be parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub enum OnParseError {
    /// It arrives as `__raw_log__`.
    #[default]
    KeepRaw,
    /// It is left out and counted.
    Drop,
}

/// How a line is taken apart.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Parser {
    /// A pattern that matches the whole line.
    Regex(Regex),
    /// A JSON object.
    Json(Json),
    /// Columns.
    Delimiter(Delimiter),
    /// An nginx access log.
    Nginx(LogFormat),
    /// An Apache access log.
    Apache(LogFormat),
    /// A W3C extended log of IIS.
    Iis(Iis),
    /// A syslog message.
    Syslog(Syslog),
    /// Pairs of keys and values.
    KeyValue(KeyValue),
    /// A grok expression that matches somewhere in the line.
    Grok(Grok),
}

/// `regex`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Regex {
    /// In the syntax of Rust's regex crate.
    pub pattern: String,
    /// The names of its groups in order; empty where the groups have names of their own.
    #[serde(default)]
    pub keys: Vec<String>,
}

/// `json`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Json {
    /// Levels of objects that become fields; deeper ones stay JSON text.
    pub max_depth: usize,
    /// In front of every key.
    pub prefix: String,
}

impl Default for Json {
    fn default() -> Self {
        Self { max_depth: 1, prefix: String::new() }
    }
}

/// `delimiter`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Delimiter {
    /// Between two columns.
    pub separator: String,
    /// One character around columns that hold a separator; two of them stand for one. May be empty.
    #[serde(default)]
    pub quote: String,
    /// The names of the columns.
    pub keys: Vec<String>,
    /// More columns than keys are `__column<number>__`.
    #[serde(default)]
    pub allow_extra: bool,
    /// Fewer columns than keys are fine.
    #[serde(default)]
    pub allow_missing: bool,
}

/// `nginx` and `apache`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct LogFormat {
    /// The format string, or the name of one that the server knows (`combined`).
    pub log_format: String,
}

/// `iis`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Iis {
    /// The words of the file's `#Fields:` line.
    pub fields: Vec<String>,
}

/// `syslog`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Syslog {
    /// Which form.
    #[serde(default)]
    pub rfc: Rfc,
}

/// The forms of syslog messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub enum Rfc {
    /// `Aug 31 11:07:24 host program[pid]: message`
    #[serde(rename = "RFC3164")]
    Rfc3164,
    /// `<34>1 2003-10-11T22:14:15.003Z host program pid id [data] message`
    #[serde(rename = "RFC5424")]
    Rfc5424,
    /// Whichever a line has.
    #[default]
    Auto,
}

/// `keyValue`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct KeyValue {
    /// Between two pairs.
    pub pair_separator: String,
    /// Between a key and its value.
    pub separator: String,
    /// One character around values that hold a separator. May be empty.
    pub quote: String,
}

impl Default for KeyValue {
    fn default() -> Self {
        Self { pair_separator: " ".into(), separator: "=".into(), quote: "\"".into() }
    }
}

/// `grok`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grok {
    /// With `%{NAME:field}`.
    pub pattern: String,
}

/// Where a record's time stands.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Time {
    /// The field.
    pub key: String,
    /// Directives of strptime.
    pub format: String,
    /// Of times that do not name theirs: a name of the IANA database or `+08:00`.
    #[serde(default)]
    pub timezone: String,
    /// What becomes of a record without a usable time.
    #[serde(default)]
    pub on_missing: OnMissing,
}

/// What becomes of a record without a usable time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub enum OnMissing {
    /// It keeps the time at which the container wrote it.
    #[default]
    Receive,
    /// It is left out and counted.
    Drop,
}

/// One thing done with the fields.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Processor {
    /// Leaves records out.
    Filter(Filter),
    /// Makes values unreadable.
    Mask(Mask),
    /// Old to new key.
    Rename(BTreeMap<String, String>),
    /// Keys.
    Remove(Vec<String>),
    /// Key to value.
    Add(BTreeMap<String, String>),
    /// Leaves a part of the records out.
    Sample(Sample),
    /// Leaves out what comes too fast.
    RateLimit(RateLimit),
}

/// `filter`: key to pattern; a key that is not there matches nothing.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Filter {
    /// All must match.
    pub include: BTreeMap<String, String>,
    /// None may match.
    pub exclude: BTreeMap<String, String>,
}

/// `mask`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mask {
    /// The field.
    pub key: String,
    /// What is made unreadable; only its first group where it has one.
    pub pattern: String,
    /// By what.
    #[serde(default)]
    pub with: With,
    /// For `Const`.
    #[serde(default = "stars")]
    pub replacement: String,
}

fn stars() -> String {
    "********".into()
}

/// What stands in place of a masked value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub enum With {
    /// `replacement`
    #[default]
    Const,
    /// Its MD5 in hexadecimal digits.
    #[serde(rename = "MD5")]
    Md5,
    /// Its SHA-256 in hexadecimal digits.
    #[serde(rename = "SHA256")]
    Sha256,
}

/// `sample`
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sample {
    /// The part that is kept, 0 to 1.
    pub rate: f64,
}

/// `rateLimit`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RateLimit {
    /// Of one pipeline on one node.
    pub bytes_per_second: u64,
}
