//! Syslog messages: RFC 5424, and what RFC 3164 observed in the field.
//!
//! Fields: `priority`, `facility`, `severity` (where the line begins with `<number>`), `timestamp`,
//! `hostname`, `app_name`, `proc_id`, `message`; RFC 5424 adds `version`, `msg_id` and one
//! `<id>.<name>` for each parameter of its structured data. What is `-` is left out.

use super::fault::Fault;
use super::fields::{Fields, Names, Text};
use super::spec::{self, Rfc};

/// RFC 5424, table 1.
const FACILITIES: [&str; 24] = [
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv",
    "ftp", "ntp", "audit", "alert", "clock", "local0", "local1", "local2", "local3", "local4",
    "local5", "local6", "local7",
];

/// RFC 5424, table 2.
const SEVERITIES: [&str; 8] =
    ["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"];

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// A compiled `syslog` parser.
#[derive(Debug)]
pub struct Syslog {
    rfc: Rfc,
    keys: Keys,
    facilities: Vec<Text>,
    severities: Vec<Text>,
}

#[derive(Debug)]
struct Keys {
    priority: Text,
    facility: Text,
    severity: Text,
    version: Text,
    timestamp: Text,
    hostname: Text,
    app_name: Text,
    proc_id: Text,
    msg_id: Text,
    message: Text,
}

/// A part of the line that is left to read, and where it begins.
#[derive(Debug, Clone, Copy)]
struct Rest<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Rest<'a> {
    /// Splits behind `len` bytes; None within a character or behind the end.
    fn split(self, len: usize) -> Option<(Text, &'a str, Self)> {
        let (head, tail) = self.text.split_at_checked(len)?;
        let text = Text::line(self.at, self.at + len);
        Some((text, head, Self { text: tail, at: self.at + len }))
    }

    /// Behind `prefix`.
    fn behind(self, prefix: char) -> Option<Self> {
        let text = self.text.strip_prefix(prefix)?;
        Some(Self { text, at: self.at + prefix.len_utf8() })
    }

    /// One word, and what stands behind the blank that ends it.
    fn word(self) -> Option<(Text, &'a str, Self)> {
        let len = self.text.find(' ').unwrap_or(self.text.len());
        let (place, word, rest) = self.split(len)?;
        let rest = rest.behind(' ').unwrap_or(rest);
        (!word.is_empty()).then_some((place, word, rest))
    }

    /// Without blanks in front.
    fn trimmed(self) -> Self {
        let text = self.text.trim_start_matches(' ');
        Self { text, at: self.at + self.text.len() - text.len() }
    }
}

impl Syslog {
    /// Compiles it.
    #[must_use]
    pub fn new(spec: spec::Syslog, names: &mut Names) -> Self {
        let keys = Keys {
            priority: names.add("priority"),
            facility: names.add("facility"),
            severity: names.add("severity"),
            version: names.add("version"),
            timestamp: names.add("timestamp"),
            hostname: names.add("hostname"),
            app_name: names.add("app_name"),
            proc_id: names.add("proc_id"),
            msg_id: names.add("msg_id"),
            message: names.add("message"),
        };
        let facilities = FACILITIES.map(|name| names.add(name)).to_vec();
        let severities = SEVERITIES.map(|name| names.add(name)).to_vec();
        Self { rfc: spec.rfc, keys, facilities, severities }
    }

    /// Adds the message's parts as fields.
    ///
    /// # Errors
    /// The line does not have the form asked for.
    pub fn fields(&self, line: &str, out: &mut Fields) -> Result<(), Fault> {
        let whole = Rest { text: line, at: 0 };
        let rest = self.priority(whole, out)?;
        let modern = match self.rfc {
            Rfc::Rfc3164 => false,
            Rfc::Rfc5424 => true,
            Rfc::Auto => rest.at > 0 && rest.text.starts_with("1 "),
        };
        if modern {
            self.modern(rest, out)
        } else {
            self.old(rest, out)
        }
    }

    fn priority<'a>(&self, rest: Rest<'a>, out: &mut Fields) -> Result<Rest<'a>, Fault> {
        let Some(inner) = rest.behind('<') else { return Ok(rest) };
        let len = inner.text.find('>').filter(|len| (1..=3).contains(len)).ok_or(Fault::NoMatch)?;
        let (place, digits, behind) = inner.split(len).ok_or(Fault::NoMatch)?;
        let number: usize = digits.parse().map_err(|_| Fault::NoMatch)?;
        let facility = self.facilities.get(number / 8).ok_or(Fault::NoMatch)?;
        let severity = self.severities.get(number % 8).ok_or(Fault::NoMatch)?;
        out.push(self.keys.priority, place)?;
        out.push(self.keys.facility, *facility)?;
        out.push(self.keys.severity, *severity)?;
        behind.behind('>').ok_or(Fault::NoMatch)
    }

    /// `Mmm dd hh:mm:ss host tag[pid]: message`; the host may be missing, as it is in `journalctl`
    /// and on local sockets, and the time may be RFC 3339, as rsyslog writes it.
    fn old(&self, rest: Rest<'_>, out: &mut Fields) -> Result<(), Fault> {
        let (timestamp, _, rest) = old_timestamp(rest).ok_or(Fault::NoMatch)?;
        out.push(self.keys.timestamp, timestamp)?;
        let rest = rest.trimmed();
        let rest = match rest.word() {
            Some((host, word, behind)) if !word.ends_with(':') && !word.contains('[') => {
                out.push(self.keys.hostname, host)?;
                behind.trimmed()
            }
            _ => rest,
        };
        self.tagged(rest, out)
    }

    /// `tag[pid]: message`, or only a message.
    fn tagged(&self, rest: Rest<'_>, out: &mut Fields) -> Result<(), Fault> {
        let message =
            match rest.text.find(": ").or_else(|| rest.text.strip_suffix(':').map(str::len)) {
                Some(end) if is_tag(rest.text.get(..end).unwrap_or_default()) => {
                    let (_, tag, behind) = rest.split(end).ok_or(Fault::NoMatch)?;
                    let name_len = tag.find('[').unwrap_or(tag.len());
                    out.push(self.keys.app_name, Text::line(rest.at, rest.at + name_len))?;
                    if name_len < tag.len() {
                        let pid = Text::line(rest.at + name_len + 1, rest.at + tag.len() - 1);
                        out.push(self.keys.proc_id, pid)?;
                    }
                    behind.behind(':').unwrap_or(behind).trimmed()
                }
                _ => rest,
            };
        out.push(self.keys.message, Text::line(message.at, message.at + message.text.len()))
    }

    /// `1 timestamp host app pid id data message`
    fn modern(&self, rest: Rest<'_>, out: &mut Fields) -> Result<(), Fault> {
        let keys = &self.keys;
        let heads =
            [keys.version, keys.timestamp, keys.hostname, keys.app_name, keys.proc_id, keys.msg_id];
        let mut rest = rest;
        for (number, key) in heads.into_iter().enumerate() {
            let (place, word, behind) = rest.word().ok_or(Fault::NoMatch)?;
            if number == 0 && !word.bytes().all(|each| each.is_ascii_digit()) {
                return Err(Fault::NoMatch);
            }
            if word != "-" {
                out.push(key, place)?;
            }
            rest = behind;
        }
        let rest = match rest.behind('-') {
            Some(behind) => behind,
            None => structured(rest, out)?,
        };
        let message = match rest.behind(' ') {
            Some(message) => message,
            None if rest.text.is_empty() => return Ok(()),
            None => return Err(Fault::NoMatch),
        };
        let text = message.text.strip_prefix('\u{feff}').unwrap_or(message.text);
        let start = message.at + message.text.len() - text.len();
        out.push(keys.message, Text::line(start, start + text.len()))
    }
}

/// `Aug 31 11:07:24`, with a year or a fraction too, or one word that begins like RFC 3339.
fn old_timestamp(rest: Rest<'_>) -> Option<(Text, &str, Rest<'_>)> {
    let (_, first, _) = rest.word()?;
    if first.len() >= 19 && first.as_bytes().get(4) == Some(&b'-') && first.contains('T') {
        return rest.split(first.len());
    }
    if !MONTHS.contains(&first) {
        return None;
    }
    let (_, _, behind) = rest.split(first.len())?;
    let mut behind = behind.trimmed();
    // The day, perhaps the year, and the time of the day, which ends it.
    for _ in 0..3 {
        let (_, word, after) = behind.word()?;
        if !word.starts_with(|each: char| each.is_ascii_digit()) {
            return None;
        }
        if word.contains(':') {
            let end = behind.at + word.trim_end_matches(':').len();
            return rest
                .split(end - rest.at)
                .map(|(place, text, after)| (place, text, after.behind(':').unwrap_or(after)));
        }
        behind = after.trimmed();
    }
    None
}

/// Whether this is a program's name, with or without its number in brackets.
fn is_tag(text: &str) -> bool {
    let name = match text.split_once('[') {
        Some((name, number)) if number.ends_with(']') => name,
        Some(_) => return false,
        None => text,
    };
    !name.is_empty() && name.bytes().all(|each| each.is_ascii_graphic())
}

/// `[id name="value" …][id …]`, and what stands behind.
fn structured<'a>(mut rest: Rest<'a>, out: &mut Fields) -> Result<Rest<'a>, Fault> {
    if !rest.text.starts_with('[') {
        return Err(Fault::NoMatch);
    }
    while let Some(inner) = rest.behind('[') {
        let end = inner.text.find([' ', ']']).ok_or(Fault::NoMatch)?;
        let (_, id, mut behind) = inner.split(end).ok_or(Fault::NoMatch)?;
        while let Some(parameter) = behind.behind(' ') {
            behind = one_parameter(id, parameter, out)?;
        }
        rest = behind.behind(']').ok_or(Fault::NoMatch)?;
    }
    Ok(rest)
}

fn one_parameter<'a>(id: &str, rest: Rest<'a>, out: &mut Fields) -> Result<Rest<'a>, Fault> {
    let end = rest.text.find("=\"").ok_or(Fault::NoMatch)?;
    let (_, name, behind) = rest.split(end).ok_or(Fault::NoMatch)?;
    let (_, _, value) = behind.split(2).ok_or(Fault::NoMatch)?;
    let mut skip = false;
    let mut plain = true;
    for (len, each) in value.text.char_indices() {
        if skip {
            skip = false;
        } else if each == '\\' {
            (skip, plain) = (true, false);
        } else if each == '"' {
            let (place, raw, behind) = value.split(len).ok_or(Fault::NoMatch)?;
            let text = if plain { place } else { out.write(|scratch| unescape(raw, scratch)) };
            let key = out.write(|scratch| {
                scratch.push_str(id);
                scratch.push('.');
                scratch.push_str(name);
            });
            out.push(key, text)?;
            return behind.behind('"').ok_or(Fault::NoMatch);
        }
    }
    Err(Fault::BadQuote)
}

/// RFC 5424, 6.3.3: only `"`, `\` and `]` are escaped; another backslash is itself.
fn unescape(raw: &str, out: &mut String) {
    let mut characters = raw.chars().peekable();
    while let Some(each) = characters.next() {
        match (each, characters.peek()) {
            ('\\', Some('"' | '\\' | ']')) => out.extend(characters.next()),
            _ => out.push(each),
        }
    }
}
