//! Whatever a container writes: no parser panics, grows without bound, or invents bytes.

use std::sync::Arc;
use std::time::Instant;

use super::fields::MAX_FIELDS;
use super::time::When;
use super::{Shape, Shaper};
use proptest::prelude::*;

const SHAPINGS: [&str; 16] = [
    r#"{"parser":{"json":{"maxDepth":3,"prefix":"p."}}}"#,
    r#"{"parser":{"delimiter":{"separator":",","quote":"\"","keys":["a","b"],"allowExtra":true,"allowMissing":true}}}"#,
    r#"{"parser":{"delimiter":{"separator":"é|","quote":"'","keys":["a"],"allowExtra":true}}}"#,
    r#"{"parser":{"nginx":{"logFormat":"combined"}}}"#,
    r#"{"parser":{"nginx":{"logFormat":"$upstream_addr $a\" $request"}}}"#,
    r#"{"parser":{"apache":{"logFormat":"%h %t \"%r\" %s"}}}"#,
    r#"{"parser":{"iis":{"fields":["a","b","c"]}}}"#,
    r#"{"parser":{"syslog":{}}}"#,
    r#"{"parser":{"syslog":{"rfc":"RFC3164"}}}"#,
    r#"{"parser":{"syslog":{"rfc":"RFC5424"}}}"#,
    r#"{"parser":{"keyValue":{}}}"#,
    r#"{"parser":{"keyValue":{"pairSeparator":"\n","separator":":"}}}"#,
    r#"{"parser":{"keyValue":{"pairSeparator":"é","separator":"=é","quote":"ü"}}}"#,
    r#"{"parser":{"grok":{"pattern":"%{SYSLOGTIMESTAMP:t} %{SYSLOGPROG}: %{GREEDYDATA:m}"}}}"#,
    r#"{"parser":{"regex":{"pattern":"(?s)(.)(\\w*)(.*?)(\\d*)","keys":["a","b","c","d"]}},"processors":[{"mask":{"key":"c","pattern":".(.)","with":"SHA256"}},{"rename":{"a":"b","b":"c","c":"a"}},{"add":{"d":"x"}}]}"#,
    r#"{"time":{"key":"content","format":"%b %d %H:%M:%S %z","timezone":"Asia/Shanghai"},"keepRaw":true}"#,
];

/// What programs write, cut, mixed and repeated.
fn lines() -> impl Strategy<Value = String> {
    let pieces = prop_oneof![
        Just("{\"a\":{\"b\":[1,{\"c\":\"\\u00e9\"}]},\"k\":\"v\\\"\"}".to_owned()),
        Just("Aug 31 11:07:24 host prog[12]: m".to_owned()),
        Just("<165>1 2003-10-11T22:14:15.003Z m e - I [x@1 a=\"\\]\"] t".to_owned()),
        Just(
            "1.2.3.4 - - [01/Mar/2012:16:12:07 +0800] \"GET / HTTP/1.1\" 200 5 \"-\" \"x\""
                .to_owned()
        ),
        Just("a=1 b=\"x y\" c".to_owned()),
        Just("é|é=éü".to_owned()),
        "[ -~]{0,12}",
        "[\"'\\\\,=:<>{}\\[\\] \\-#|é\n]{0,8}",
        any::<String>(),
    ];
    (proptest::collection::vec((pieces, 0usize..40), 0..6)).prop_map(|parts| {
        let cut = |(text, less): (String, usize)| {
            let keep = text.chars().count().saturating_sub(less / 4);
            text.chars().take(keep).collect::<String>()
        };
        parts.into_iter().map(cut).collect()
    })
}

fn shapers() -> Vec<Shaper> {
    let shape = |spec: &str| Shape::new(&serde_json::from_str(spec).unwrap()).unwrap();
    SHAPINGS.iter().map(|spec| Shaper::new(Arc::new(shape(spec)))).collect()
}

fn check(shaper: &mut Shaper, line: &str) {
    let received = When { seconds: 1_700_000_000, nanos: 1 };
    let outcome = shaper.shape(line, received, Instant::now());
    let pairs: Vec<_> = shaper.pairs(line).collect();
    assert!(pairs.len() <= MAX_FIELDS);
    let bytes: usize = pairs.iter().map(|(_, value)| value.len()).sum();
    // Hashes of a mask are the only values longer than what they stand for.
    assert!(bytes <= 64 * line.len() + 200, "{bytes} of {}", line.len());
    assert!(pairs.iter().all(|(key, _)| !key.is_empty()));
    if outcome.fault.is_some_and(|fault| !fault.reason().ends_with("time")) {
        assert_eq!(pairs[0], ("__raw_log__".as_bytes(), line.as_bytes()));
    }
}

proptest! {
    #[test]
    fn any_line_is_parsed_or_arrives_as_it_is(texts in proptest::collection::vec(lines(), 1..4)) {
        for shaper in &mut shapers() {
            for line in &texts {
                check(shaper, line);
            }
        }
    }

    #[test]
    fn json_values_are_those_of_the_document(
        members in proptest::collection::btree_map("[a-z\"é\\\\]{1,8}", any::<String>(), 0..8),
    ) {
        let line = serde_json::to_string(&members).unwrap();
        let shape = Shape::new(&serde_json::from_str(r#"{"parser":{"json":{}}}"#).unwrap()).unwrap();
        let mut shaper = Shaper::new(Arc::new(shape));
        shaper.shape(&line, When { seconds: 0, nanos: 0 }, Instant::now());
        let found: Vec<_> = shaper.pairs(&line).collect();
        let wanted: Vec<_> =
            members.iter().map(|(key, value)| (key.as_bytes(), value.as_bytes())).collect();
        prop_assert_eq!(found, wanted);
    }

    #[test]
    fn columns_come_back_as_they_were_quoted(
        columns in proptest::collection::vec("[a-z,\" é]{0,8}", 1..6),
    ) {
        let quoted = columns.iter().map(|each| format!("\"{}\"", each.replace('"', "\"\"")));
        let line = quoted.collect::<Vec<_>>().join(",");
        let keys: Vec<String> = (0..columns.len()).map(|at| format!("k{at}")).collect();
        let spec = serde_json::json!({"parser": {"delimiter": {
            "separator": ",", "quote": "\"", "keys": keys}}});
        let shape = Shape::new(&serde_json::from_value(spec).unwrap()).unwrap();
        let mut shaper = Shaper::new(Arc::new(shape));
        shaper.shape(&line, When { seconds: 0, nanos: 0 }, Instant::now());
        let found: Vec<_> = shaper.pairs(&line).map(|(_, value)| value).collect();
        prop_assert_eq!(found, columns.iter().map(String::as_bytes).collect::<Vec<_>>());
    }

    #[test]
    fn fields_of_an_access_log_are_the_line_without_its_punctuation(
        values in proptest::collection::vec("[!#-~é][ !#-~é]{0,10}[!#-~é]", 3),
    ) {
        let line = format!("\"{}\" \"{}\" \"{}\"", values[0], values[1], values[2]);
        let spec = r#"{"parser":{"nginx":{"logFormat":"\"$a\" \"$b\" \"$c\""}}}"#;
        let shape = Shape::new(&serde_json::from_str(spec).unwrap()).unwrap();
        let mut shaper = Shaper::new(Arc::new(shape));
        shaper.shape(&line, When { seconds: 0, nanos: 0 }, Instant::now());
        let found: Vec<_> = shaper.pairs(&line).map(|(_, value)| value).collect();
        prop_assert_eq!(found, values.iter().map(String::as_bytes).collect::<Vec<_>>());
    }
}

#[test]
fn long_and_deep_lines_are_bounded() {
    let deep = "{\"a\":".repeat(100_000);
    let wide = (0..50_000).map(|at| format!("k{at}=1")).collect::<Vec<_>>().join(" ");
    let long_key = format!("{{\"{}\":1}}", "k".repeat(200));
    let quotes = "\"".repeat(100_001);
    let blanks = " ".repeat(100_000);
    for shaper in &mut shapers() {
        for line in [&deep, &wide, &long_key, &quotes, &blanks] {
            check(shaper, line);
        }
    }
}
