//! Lines as programs write them, and the fields that come out: `golden/parsing.json`.
//!
//! Its first cases are the log samples of the take-away shop that the project was asked to collect.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use super::spec::Shaping;
use super::time::When;
use super::{Shape, Shaper};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    line: String,
    shaping: Shaping,
    fields: BTreeMap<String, String>,
    time: Option<String>,
    received: Option<String>,
    fault: Option<String>,
    dropped: Option<String>,
}

fn instant(text: &str) -> When {
    let instant: jiff::Timestamp = text.parse().unwrap();
    When {
        seconds: instant.as_second().try_into().unwrap(),
        nanos: instant.subsec_nanosecond().try_into().unwrap(),
    }
}

#[test]
fn every_golden_line_gives_its_fields() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("../../golden/parsing.json")).unwrap();
    for case in cases {
        let shape =
            Shape::new(&case.shaping).unwrap_or_else(|words| panic!("{}: {words}", case.name));
        let mut shaper = Shaper::new(Arc::new(shape));
        let received = instant(case.received.as_deref().unwrap_or("2024-01-01T00:00:00Z"));
        // Twice: nothing of a line is left for the next one.
        for _ in 0..2 {
            let outcome = shaper.shape(&case.line, received, Instant::now());
            let pairs = shaper.pairs(&case.line);
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            let listed: Vec<_> = pairs.map(|(key, value)| (text(key), text(value))).collect();
            let found: BTreeMap<_, _> = listed.iter().cloned().collect();
            assert_eq!(found, case.fields, "{}", case.name);
            assert_eq!(found.len(), listed.len(), "{}: a key stands twice", case.name);
            let fault = outcome.fault.map(|fault| fault.reason().to_owned());
            assert_eq!(fault, case.fault, "{}", case.name);
            let dropped = outcome.kept.err().map(|why| why.reason().to_owned());
            assert_eq!(dropped, case.dropped, "{}", case.name);
            if let Some(time) = &case.time {
                assert_eq!(outcome.kept, Ok(instant(time)), "{}", case.name);
            }
        }
    }
}

#[test]
fn shaping_that_cannot_be_done_is_refused_by_field() {
    let refused = [
        (r#"{"parser":{"regex":{"pattern":"([a-z","keys":["a"]}}}"#, "parser.regex.pattern"),
        (r#"{"parser":{"regex":{"pattern":"(?=a)(b)","keys":["a"]}}}"#, "parser.regex.pattern"),
        (r#"{"parser":{"regex":{"pattern":"(a)(b)","keys":["a"]}}}"#, "2 groups and 1 keys"),
        (r#"{"parser":{"regex":{"pattern":"abc"}}}"#, "no group"),
        (r#"{"parser":{"regex":{"pattern":"a)|(b","keys":["x"]}}}"#, "parser.regex.pattern"),
        (r#"{"parser":{"regex":{"pattern":"((\\pL{900}){900})","keys":["a","b"]}}}"#, "pattern"),
        (r#"{"parser":{"nginx":{"logFormat":"$a$b"}}}"#, "parser.nginx.logFormat"),
        (r#"{"parser":{"nginx":{"logFormat":"no variable"}}}"#, "parser.nginx.logFormat"),
        (r#"{"parser":{"apache":{"logFormat":"%h %Z"}}}"#, "%Z is not known"),
        (r#"{"parser":{"grok":{"pattern":"%{NOPE:x}"}}}"#, "%{NOPE} is not known"),
        (r#"{"parser":{"delimiter":{"separator":"","keys":["a"]}}}"#, "delimiter.separator"),
        (r#"{"parser":{"delimiter":{"separator":",","quote":"ab","keys":["a"]}}}"#, "quote"),
        (r#"{"parser":{"json":{"maxDepth":0}}}"#, "maxDepth"),
        (r#"{"time":{"key":"t","format":"%Q!"}}"#, "time.format"),
        (r#"{"time":{"key":"t","format":"%Y-%m-%d"}}"#, "names no hour"),
        (r#"{"time":{"key":"t","format":"%s","timezone":"Mars/Base"}}"#, "time.timezone"),
        (r#"{"processors":[{"filter":{}}]}"#, "processors[0].filter"),
        (r#"{"processors":[{"mask":{"key":"a","pattern":"("}}]}"#, "processors[0].mask.pattern"),
        (r#"{"processors":[{"sample":{"rate":2}}]}"#, "processors[0].sample.rate"),
    ];
    for (spec, sentence) in refused {
        let spec: Shaping = serde_json::from_str(spec).unwrap();
        let words = Shape::new(&spec).unwrap_err();
        assert!(words.contains(sentence), "{words}");
    }
}

fn shaper(spec: &str) -> Shaper {
    Shaper::new(Arc::new(Shape::new(&serde_json::from_str(spec).unwrap()).unwrap()))
}

#[test]
fn sample_keeps_its_share_and_decides_the_same_again() {
    let mut sampled = shaper(r#"{"processors":[{"sample":{"rate":0.25}}]}"#);
    let mut keep = |number: u32| {
        let received = When { seconds: number, nanos: 0 };
        sampled.shape("the same line", received, Instant::now()).kept.is_ok()
    };
    let kept: Vec<bool> = (0..4000).map(&mut keep).collect();
    let count = kept.iter().filter(|kept| **kept).count();
    assert!((900..1100).contains(&count), "{count}");
    assert_eq!(kept, (0..4000).map(&mut keep).collect::<Vec<_>>());
}

#[test]
fn rate_limit_lets_its_bytes_through_and_refills() {
    let mut limited = shaper(r#"{"processors":[{"rateLimit":{"bytesPerSecond":10}}]}"#);
    let start = Instant::now();
    let received = When { seconds: 0, nanos: 0 };
    let mut pass = |millis: u64| {
        let now = start + std::time::Duration::from_millis(millis);
        limited.shape("12345", received, now).kept.is_ok()
    };
    let passed: Vec<bool> = [0, 0, 0, 400, 500, 5000, 5000, 5000].map(&mut pass).to_vec();
    assert_eq!(passed, [true, true, false, false, true, true, true, false]);
}
