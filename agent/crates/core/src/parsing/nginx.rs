//! nginx' `log_format` string as a template.
//!
//! <https://nginx.org/en/docs/http/ngx_http_log_module.html>: variables are `$name` or `${name}`;
//! a quote within a value is written `\x22`, so the quote of the format ends it.

use super::template::{Form, Part};

/// What nginx writes where nothing is configured.
const COMBINED: &str = "$remote_addr - $remote_user [$time_local] \"$request\" $status \
     $body_bytes_sent \"$http_referer\" \"$http_user_agent\"";

/// The parts of a format: the string itself, the whole directive, or `combined`.
///
/// # Errors
/// A sentence that names what cannot be read.
pub fn parts(format: &str) -> Result<Vec<Part>, String> {
    let format = match format.trim() {
        "combined" => COMBINED.to_owned(),
        whole if whole.starts_with("log_format") => directive(whole)?,
        _ => format.to_owned(),
    };
    let mut parts = Vec::new();
    let mut rest = format.as_str();
    while let Some((literal, behind)) = rest.split_once('$') {
        parts.push(Part::Literal(literal.to_owned()));
        let (name, after) = if let Some(braced) = behind.strip_prefix('{') {
            braced
                .split_once('}')
                .ok_or("parser.nginx.logFormat: a ${ has no }; close it".to_owned())?
        } else {
            let end = behind
                .find(|each: char| !(each.is_ascii_alphanumeric() || each == '_'))
                .unwrap_or(behind.len());
            behind.split_at(end)
        };
        if name.is_empty() {
            return Err("parser.nginx.logFormat: a $ has no name behind it".to_owned());
        }
        let form = if name.starts_with("upstream_") { Form::List } else { Form::Plain };
        parts.push(Part::Variable { key: name.to_owned(), form });
        rest = after;
    }
    parts.push(Part::Literal(rest.to_owned()));
    Ok(parts)
}

/// The string of `log_format name [escape=…] 'string' 'string';`.
fn directive(whole: &str) -> Result<String, String> {
    let mut string = String::new();
    let mut rest = whole;
    while let Some(start) = rest.find(['\'', '"']) {
        let (_, quoted) = rest.split_at(start);
        let mut characters = quoted.chars();
        let quote = characters.next().unwrap_or('\'');
        let (text, behind) = characters
            .as_str()
            .split_once(quote)
            .ok_or("parser.nginx.logFormat: a quote has no end; close it".to_owned())?;
        string.push_str(text);
        rest = behind;
    }
    if string.is_empty() {
        return Err("parser.nginx.logFormat: the directive has no quoted string".to_owned());
    }
    Ok(string)
}
