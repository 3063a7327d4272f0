//! Apache's `LogFormat` string as a template.
//!
//! <https://httpd.apache.org/docs/2.4/mod/mod_log_config.html>: a quote within a value is written
//! `\"`. Keys are the names that Log Service gives these directives.

use super::template::{Form, Part};

const COMMON: &str = "%h %l %u %t \"%r\" %>s %b";
const COMBINED: &str = "%h %l %u %t \"%r\" %>s %b \"%{Referer}i\" \"%{User-Agent}i\"";
const VHOST: &str = "%v:%p %h %l %u %t \"%r\" %>s %O \"%{Referer}i\" \"%{User-Agent}i\"";

/// Directives without an argument.
const KEYS: [(&str, &str); 26] = [
    ("a", "client_addr"),
    ("A", "local_addr"),
    ("b", "response_size_bytes"),
    ("B", "response_bytes"),
    ("D", "request_time_msec"),
    ("f", "filename"),
    ("h", "remote_addr"),
    ("H", "request_protocol_supple"),
    ("I", "bytes_received"),
    ("k", "keep_alive"),
    ("l", "remote_ident"),
    ("L", "request_log_id"),
    ("m", "request_method_supple"),
    ("O", "bytes_sent"),
    ("p", "remote_port"),
    ("P", "child_process"),
    ("q", "request_query"),
    ("r", "request"),
    ("R", "response_handler"),
    ("s", "status"),
    ("S", "bytes_combined"),
    ("T", "request_time_sec"),
    ("u", "remote_user"),
    ("U", "request_uri_path"),
    ("v", "server_name"),
    ("V", "server_name_canonical"),
];

/// The parts of a format: the string itself, the whole directive, or a nickname that Apache's own
/// configuration has (`common`, `combined`, `vhost_combined`).
///
/// # Errors
/// A sentence that names what cannot be read.
pub fn parts(format: &str) -> Result<Vec<Part>, String> {
    let format = match format.trim() {
        "common" => COMMON.to_owned(),
        "combined" => COMBINED.to_owned(),
        "vhost_combined" => VHOST.to_owned(),
        whole if whole.starts_with("LogFormat") => directive(whole)?,
        _ => format.replace("\\\"", "\""),
    };
    let mut parts = Vec::new();
    let mut rest = format.as_str();
    while let Some((literal, behind)) = rest.split_once('%') {
        parts.push(Part::Literal(literal.to_owned()));
        if let Some(after) = behind.strip_prefix('%') {
            parts.push(Part::Literal("%".to_owned()));
            rest = after;
            continue;
        }
        rest = variable(behind, &mut parts)?;
    }
    parts.push(Part::Literal(rest.to_owned()));
    Ok(parts)
}

/// Reads one directive behind its `%`; gives what follows it.
fn variable<'a>(behind: &'a str, parts: &mut Vec<Part>) -> Result<&'a str, String> {
    // Conditions and `<` or `>` do not change where the value stands.
    let text = behind.trim_start_matches(|each: char| {
        each.is_ascii_digit() || matches!(each, ',' | '!' | '<' | '>')
    });
    let (argument, text) = match text.strip_prefix('{') {
        Some(braced) => {
            let (argument, text) = braced
                .split_once('}')
                .ok_or("parser.apache.logFormat: a %{ has no }; close it".to_owned())?;
            (Some(argument), text)
        }
        None => (None, text),
    };
    let name_end = if text.starts_with("^t") { 3 } else { 1 };
    let (name, rest) = text
        .split_at_checked(name_end)
        .ok_or("parser.apache.logFormat: a % has no directive behind it".to_owned())?;
    let key = match argument {
        _ if name == "t" => "time_local".to_owned(),
        Some(argument) => with_argument(name, argument),
        None => KEYS
            .iter()
            .find(|(directive, _)| *directive == name)
            .map(|(_, key)| (*key).to_owned())
            .ok_or_else(|| format!("parser.apache.logFormat: %{name} is not known; remove it"))?,
    };
    let bracketed = name == "t" && argument.is_none();
    let form = Form::Escaped;
    if bracketed {
        parts.push(Part::Literal("[".to_owned()));
    }
    parts.push(Part::Variable { key, form });
    if bracketed {
        parts.push(Part::Literal("]".to_owned()));
    }
    Ok(rest)
}

/// `%{Referer}i` is `http_referer`; other kinds are told apart by their own names.
fn with_argument(name: &str, argument: &str) -> String {
    let lower = argument.to_ascii_lowercase().replace('-', "_");
    match name {
        "i" => format!("http_{lower}"),
        "o" => format!("response_{lower}"),
        "C" => format!("cookie_{lower}"),
        "e" => format!("env_{lower}"),
        "n" => format!("note_{lower}"),
        "T" => format!("request_time_{lower}"),
        other => format!("{}_{lower}", other.trim_start_matches('^').to_ascii_lowercase()),
    }
}

/// The string of `LogFormat "string" nickname`.
fn directive(whole: &str) -> Result<String, String> {
    let fault = || "parser.apache.logFormat: the directive has no quoted string".to_owned();
    let (_, quoted) = whole.split_once('"').ok_or_else(fault)?;
    let mut string = String::new();
    let mut characters = quoted.chars();
    while let Some(each) = characters.next() {
        match each {
            '"' => return Ok(string),
            '\\' => string.extend(characters.next()),
            _ => string.push(each),
        }
    }
    Err(fault())
}
