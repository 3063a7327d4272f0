//! One line of a container log file that docker's `json-file` driver wrote:
//! `{"log":"the container's own line\n","stream":"stdout","time":"2016-10-06T00:17:09.669794202Z"}`.
//!
//! A message of over 16 KiB stands in several lines, of which all but the last one lack the newline
//! at the end of `log`: what the container runtime interface ([`cri`]) marks with `P`. `source` tries
//! this format on lines that begin with a brace, which no line of the interface does.

use std::borrow::Cow;

use serde::Deserialize;

use crate::cri;
use crate::plan::Stream;

/// A line, taken apart; it borrows from the file's bytes what needs no unescaping.
#[derive(Debug, Deserialize)]
pub struct Message<'a> {
    #[serde(borrow)]
    log: Cow<'a, str>,
    #[serde(borrow)]
    stream: Cow<'a, str>,
    #[serde(borrow)]
    time: Cow<'a, str>,
}

impl Message<'_> {
    /// The same as a line of the runtime interface, or `None` when its values are none.
    #[must_use]
    pub fn line(&self) -> Option<cri::Line<'_>> {
        let stream = match self.stream.as_ref() {
            "stdout" => Stream::Stdout,
            "stderr" => Stream::Stderr,
            _ => return None,
        };
        let stamp = self.time.as_bytes();
        let (time, time_ns) = cri::Parser::default().timestamp(stamp)?;
        let log = self.log.as_bytes();
        let (content, partial) = log.strip_suffix(b"\n").map_or((log, true), |line| (line, false));
        Some(cri::Line { time, time_ns, stamp, stream, partial, content })
    }
}

/// The line without its newline, or `None` when it is not in the format.
#[must_use]
pub fn parse(line: &[u8]) -> Option<Message<'_>> {
    if line.first() != Some(&b'{') {
        return None;
    }
    serde_json::from_slice(line).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_is_unescaped_and_taken_apart() {
        let text = r#"{"log":"a \"b\"\t\u0007\n","stream":"stderr","attrs":{"k":"v"},"time":"2016-10-06T00:17:09.5Z"}"#;
        let message = parse(text.as_bytes()).unwrap();
        let line = message.line().unwrap();
        assert_eq!((line.time, line.time_ns), (1_475_713_029, 500_000_000));
        assert_eq!((line.stream, line.partial), (Stream::Stderr, false));
        assert_eq!(line.content, b"a \"b\"\t\x07");
        assert_eq!(line.stamp, b"2016-10-06T00:17:09.5Z");
    }

    #[test]
    fn part_without_a_newline_goes_on_in_the_next_line() {
        let text = r#"{"log":"part","stream":"stdout","time":"2016-10-06T00:17:09Z"}"#;
        let message = parse(text.as_bytes()).unwrap();
        let line = message.line().unwrap();
        assert!(line.partial);
        assert_eq!(line.content, b"part");
    }

    #[test]
    fn what_is_no_line_is_refused() {
        for text in [
            "",
            "{",
            "2016-10-06T00:17:09Z stdout F x",
            r#"{"log":"x\n","stream":"stdout"}"#,
            r#"{"log":"x\n","stream":"stdin","time":"2016-10-06T00:17:09Z"}"#,
            r#"{"log":"x\n","stream":"stdout","time":"today"}"#,
            r#"{"log":1,"stream":"stdout","time":"2016-10-06T00:17:09Z"}"#,
        ] {
            let message = parse(text.as_bytes());
            assert!(message.as_ref().and_then(Message::line).is_none(), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_a_container_wrote_comes_back(content in "\\PC*", whole: bool) {
            let log = if whole { format!("{content}\n") } else { content.clone() };
            let text = serde_json::json!({
                "log": log, "stream": "stdout", "time": "2016-10-06T00:17:09.669794202Z",
            });
            let text = text.to_string();
            let message = parse(text.as_bytes()).unwrap();
            let line = message.line().unwrap();
            proptest::prop_assert_eq!(line.content, content.as_bytes());
            proptest::prop_assert_eq!(line.partial, !whole);
        }

        #[test]
        fn any_bytes_are_judged_without_a_panic(bytes: Vec<u8>) {
            let text = [b"{", bytes.as_slice()].concat();
            drop(parse(&text));
        }
    }
}
