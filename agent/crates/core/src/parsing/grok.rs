//! Grok expressions: `%{NAME:field}` stands for a pattern from a library, the rest is a pattern.
//!
//! The names are the ones everybody knows; the patterns are our own, in linear time.

use std::collections::BTreeMap;

use super::fields::Names;
use super::pattern::{Groups, MAX_PATTERN_CHARS};

/// Names within names; the library itself needs four.
const MAX_NESTING: usize = 8;

/// Bytes that an expression may grow to.
const MAX_EXPANDED: usize = 8 * MAX_PATTERN_CHARS;

/// What the names stand for.
const LIBRARY: [(&str, &str); 55] = [
    ("USERNAME", r"[a-zA-Z0-9._-]+"),
    ("USER", "%{USERNAME}"),
    ("EMAILLOCALPART", r"[a-zA-Z0-9!#$%&'*+/=?^_`{|}~.-]+"),
    ("EMAILADDRESS", "%{EMAILLOCALPART}@%{HOSTNAME}"),
    ("INT", r"[+-]?[0-9]+"),
    ("BASE10NUM", r"[+-]?(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)"),
    ("NUMBER", "%{BASE10NUM}"),
    ("BASE16NUM", r"[+-]?(?:0x)?[0-9A-Fa-f]+"),
    ("POSINT", r"\b[1-9][0-9]*\b"),
    ("NONNEGINT", r"\b[0-9]+\b"),
    ("WORD", r"\b\w+\b"),
    ("NOTSPACE", r"\S+"),
    ("SPACE", r"\s*"),
    ("DATA", r".*?"),
    ("GREEDYDATA", r".*"),
    ("GREEDYMULTILINE", r"(?s:.*)"),
    ("QUOTEDSTRING", r#"(?:"(?:\\.|[^\\"])*"|'(?:\\.|[^\\'])*'|`(?:\\.|[^\\`])*`)"#),
    ("QS", "%{QUOTEDSTRING}"),
    ("UUID", r"[A-Fa-f0-9]{8}-(?:[A-Fa-f0-9]{4}-){3}[A-Fa-f0-9]{12}"),
    ("MAC", r"(?:[A-Fa-f0-9]{2}[:-]){5}[A-Fa-f0-9]{2}|(?:[A-Fa-f0-9]{4}\.){2}[A-Fa-f0-9]{4}"),
    (
        "IPV4",
        r"(?:(?:25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])\.){3}(?:25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])",
    ),
    ("IPV6", r"(?:[0-9A-Fa-f]{0,4}:){2,7}(?:%{IPV4}|[0-9A-Fa-f]{0,4})(?:%[0-9A-Za-z]+)?"),
    ("IP", "(?:%{IPV6}|%{IPV4})"),
    ("HOSTNAME", r"\b[0-9A-Za-z][0-9A-Za-z_-]{0,62}(?:\.[0-9A-Za-z][0-9A-Za-z_-]{0,62})*\.?"),
    ("IPORHOST", "(?:%{IP}|%{HOSTNAME})"),
    ("HOSTPORT", "%{IPORHOST}:%{POSINT}"),
    ("UNIXPATH", r"(?:/[^\s/]*)+"),
    ("WINPATH", r"(?:[A-Za-z]+:|\\)(?:\\[^\\?*]*)+"),
    ("PATH", "(?:%{UNIXPATH}|%{WINPATH})"),
    ("TTY", r"/dev/(?:pts|tty)[a-z0-9/]*"),
    ("URIPROTO", r"[A-Za-z][A-Za-z0-9+.-]+"),
    ("URIHOST", "%{IPORHOST}(?::%{POSINT})?"),
    ("URIPATH", r"(?:/[^\s?#]*)+"),
    ("URIPARAM", r"\?[^\s#]*"),
    ("URIPATHPARAM", "%{URIPATH}(?:%{URIPARAM})?"),
    ("URI", r"%{URIPROTO}://(?:%{USER}(?::[^@\s]*)?@)?(?:%{URIHOST})?(?:%{URIPATHPARAM})?"),
    (
        "MONTH",
        r"\b(?:[Jj]an(?:uary)?|[Ff]eb(?:ruary)?|[Mm]ar(?:ch)?|[Aa]pr(?:il)?|[Mm]ay|[Jj]une?|[Jj]uly?|[Aa]ug(?:ust)?|[Ss]ep(?:tember)?|[Oo]ct(?:ober)?|[Nn]ov(?:ember)?|[Dd]ec(?:ember)?)\b",
    ),
    ("MONTHNUM", r"(?:0?[1-9]|1[0-2])"),
    ("MONTHDAY", r"(?:0[1-9]|[12][0-9]|3[01]|[1-9])"),
    ("DAY", r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*"),
    ("YEAR", r"[0-9]{4}|[0-9]{2}"),
    ("HOUR", r"(?:2[0-3]|[01]?[0-9])"),
    ("MINUTE", r"[0-5][0-9]"),
    ("SECOND", r"(?:[0-5]?[0-9]|60)(?:[:.,][0-9]+)?"),
    ("TIME", "%{HOUR}:%{MINUTE}(?::%{SECOND})?"),
    ("ISO8601_TIMEZONE", r"(?:Z|[+-][0-9]{2}:?[0-9]{2})"),
    (
        "TIMESTAMP_ISO8601",
        r"(?:%{YEAR})-%{MONTHNUM}-%{MONTHDAY}[T ]%{HOUR}:?%{MINUTE}(?::?%{SECOND})?(?:%{ISO8601_TIMEZONE})?",
    ),
    ("HTTPDATE", r"%{MONTHDAY}/%{MONTH}/(?:%{YEAR}):%{TIME} %{INT}"),
    ("SYSLOGTIMESTAMP", "%{MONTH} +%{MONTHDAY} %{TIME}"),
    ("PROG", r"[!-Z\\^-~]+"),
    ("SYSLOGPROG", r"%{PROG:program}(?:\[%{POSINT:pid}\])?"),
    ("SYSLOGHOST", "%{IPORHOST}"),
    (
        "LOGLEVEL",
        r"(?:[Aa]lert|ALERT|[Tt]race|TRACE|[Dd]ebug|DEBUG|[Nn]otice|NOTICE|[Ii]nfo(?:rmation)?|INFO(?:RMATION)?|[Ww]arn(?:ing)?|WARN(?:ING)?|[Ee]rr(?:or)?|ERR(?:OR)?|[Cc]rit(?:ical)?|CRIT(?:ICAL)?|[Ff]atal|FATAL|[Ss]evere|SEVERE|[Ee]merg(?:ency)?|EMERG(?:ENCY)?)",
    ),
    (
        "COMMONAPACHELOG",
        r#"%{IPORHOST:clientip} %{NOTSPACE:ident} %{NOTSPACE:auth} \[%{HTTPDATE:timestamp}\] "(?:%{WORD:verb} %{NOTSPACE:request}(?: HTTP/%{NUMBER:httpversion})?|%{DATA:rawrequest})" %{NUMBER:response} (?:%{NUMBER:bytes}|-)"#,
    ),
    ("COMBINEDAPACHELOG", "%{COMMONAPACHELOG} %{QS:referrer} %{QS:agent}"),
];

/// Compiles an expression.
///
/// # Errors
/// A name that the library does not have, or what [`Groups::new`] refuses.
pub fn compile(expression: &str, names: &mut Names) -> Result<Groups, String> {
    let what = "parser.grok.pattern";
    if expression.len() > MAX_PATTERN_CHARS {
        return Err(format!("{what} is longer than {MAX_PATTERN_CHARS} bytes; shorten it"));
    }
    let mut expansion = Expansion { pattern: String::new(), keys: BTreeMap::new() };
    expansion.expand(expression, 0)?;
    let keys = expansion.keys;
    let own = |name: &str| Some(keys.get(name).cloned().unwrap_or_else(|| name.to_owned()));
    Groups::new(&expansion.pattern, &[], names, what)?.renamed(own, names, what)
}

struct Expansion {
    pattern: String,
    /// Group to field.
    keys: BTreeMap<String, String>,
}

impl Expansion {
    fn expand(&mut self, expression: &str, nesting: usize) -> Result<(), String> {
        if nesting > MAX_NESTING || self.pattern.len() > MAX_EXPANDED {
            return Err("parser.grok.pattern grows too large; write a part of it out".to_owned());
        }
        let mut rest = expression;
        while let Some((literal, behind)) = rest.split_once("%{") {
            self.pattern.push_str(literal);
            let (reference, after) = behind
                .split_once('}')
                .ok_or("parser.grok.pattern: a %{ has no }; close it".to_owned())?;
            self.reference(reference, nesting)?;
            rest = after;
        }
        self.pattern.push_str(rest);
        Ok(())
    }

    /// `NAME`, `NAME:field` or `NAME:field:type`; every value is a text, so the type says nothing.
    fn reference(&mut self, reference: &str, nesting: usize) -> Result<(), String> {
        let mut words = reference.splitn(3, ':');
        let name = words.next().unwrap_or_default();
        let field = words.next().unwrap_or_default();
        let Some((_, pattern)) = LIBRARY.iter().find(|(known, _)| *known == name) else {
            let known: Vec<_> = LIBRARY.iter().map(|(known, _)| *known).collect();
            return Err(format!(
                "parser.grok.pattern: %{{{name}}} is not known; write its pattern out, or use one \
                 of {}",
                known.join(", ")
            ));
        };
        if field.is_empty() {
            self.pattern.push_str("(?:");
        } else {
            let group = format!("loghub{}", self.keys.len());
            self.pattern.push_str("(?P<");
            self.pattern.push_str(&group);
            self.pattern.push('>');
            self.keys.insert(group, field.to_owned());
        }
        self.expand(pattern, nesting + 1)?;
        self.pattern.push(')');
        Ok(())
    }
}
