//! The golden vectors that the official Python SDK made; the Python twin's tests read the same.

use std::path::Path;

use serde_json::Value;

use crate::signature::{self, Credentials, Moment, Request};
use crate::verifying::{self, Claim, Received};
use crate::{compress, group};

fn load(name: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../vectors").join(name);
    serde_json::from_reader(std::fs::File::open(path).unwrap()).unwrap()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(text.get(at..at + 2).unwrap(), 16).unwrap())
        .collect()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap()
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value.get(key).and_then(Value::as_array).unwrap()
}

fn pairs(values: &[Value]) -> Vec<(&str, &str)> {
    values
        .iter()
        .map(|pair| {
            let [key, value] = pair.as_array().unwrap().as_slice() else { panic!("{pair}") };
            (key.as_str().unwrap(), value.as_str().unwrap())
        })
        .collect()
}

fn number(value: &Value) -> u32 {
    u32::try_from(value.as_u64().unwrap()).unwrap()
}

#[test]
fn group_has_the_sdks_bytes() {
    let mut seen = 0;
    for vector in load("groups.json") {
        let logs = list(&vector, "logs");
        // An agent always states nanoseconds: a vector without them is the decoder's alone.
        if logs.iter().any(|log| log.get(1).is_none_or(Value::is_null)) {
            continue;
        }
        let mut out = Vec::new();
        for log in logs {
            let [time, time_ns, contents] = log.as_array().unwrap().as_slice() else {
                panic!("{log}")
            };
            let fields = pairs(contents.as_array().unwrap());
            let fields: Vec<_> =
                fields.iter().map(|(key, value)| (key.as_bytes(), value.as_bytes())).collect();
            group::log(&mut out, number(time), number(time_ns), &fields);
        }
        group::text(&mut out, text(&vector, "topic"), text(&vector, "source"));
        for (key, value) in pairs(list(&vector, "tags")) {
            group::tag(&mut out, key, value);
        }
        let name = text(&vector, "name");
        assert_eq!(out, unhex(text(&vector, "protobuf")), "{name}");
        // Two compressors may choose differently; what either packs, any decoder must unpack.
        for packed in [compress::lz4(&out), unhex(text(&vector, "lz4"))] {
            assert_eq!(lz4_flex::block::decompress(&packed, out.len()).unwrap(), out, "{name}");
        }
        seen += 1;
    }
    assert!(seen >= 6);
}

#[test]
fn write_is_signed_as_the_sdk_signs_it() {
    let mut seen = 0;
    for vector in load("signatures.json") {
        let query = vector.get("query").and_then(Value::as_object).unwrap();
        // The agent writes; requests with a query are the Python twin's.
        if !query.is_empty() {
            continue;
        }
        let [ident, secret] = list(&vector, "key") else { panic!("{vector}") };
        let key = Credentials {
            access_key_id: ident.as_str().unwrap().to_owned(),
            access_key_secret: secret.as_str().unwrap().to_owned(),
        };
        let given = vector.get("headers").and_then(Value::as_object).unwrap();
        let headers = [
            ("content-type", "Content-Type"),
            ("host", "Host"),
            ("x-log-bodyrawsize", "x-log-bodyrawsize"),
            ("x-log-compresstype", "x-log-compresstype"),
            ("x-log-project", "x-log-project"),
        ];
        let headers = headers
            .iter()
            .filter_map(|(name, sent)| Some((*name, given.get(*sent)?.as_str()?.to_owned())))
            .collect();
        let body = unhex(text(&vector, "body"));
        let request = Request {
            method: text(&vector, "method"),
            path: text(&vector, "path"),
            query: "",
            headers,
            body: &body,
        };
        let now = Moment::from_unix(vector.get("time").and_then(Value::as_u64).unwrap());
        let sent = if text(&vector, "version") == "V1" {
            signature::sign_v1(&key, request, &now)
        } else {
            signature::sign_v4(&key, request, &now, text(&vector, "region"))
        };
        let (_, found) = sent.iter().find(|(name, _)| *name == "authorization").unwrap();
        assert_eq!(found, text(&vector, "authorization"), "{}", text(&vector, "name"));
        let sent: Vec<_> = sent.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let secret = key.access_key_secret.as_str();
        assert!(holds(&vector, secret, &sent, &body), "{}", text(&vector, "name"));
        assert!(!holds(&vector, "another", &sent, &body));
        assert!(!holds(&vector, secret, &sent, b"another"));
        for (at, (name, _)) in sent.iter().enumerate() {
            // Of those that are signed, a changed one and one that stands there twice are no yes.
            if name.starts_with("x-log-") || *name == "content-type" {
                let mut other = sent.clone();
                if let Some(changed) = other.get_mut(at) {
                    changed.1 = "another";
                }
                assert!(!holds(&vector, secret, &other, &body), "{name}");
                other.push((name, "another"));
                assert!(!holds(&vector, secret, &other, &body), "{name}");
            }
        }
        seen += 1;
    }
    assert_eq!(seen, 4);
}

fn holds(vector: &Value, secret: &str, headers: &[(&str, &str)], body: &[u8]) -> bool {
    let authorization = text(vector, "authorization");
    let claim = if text(vector, "version") == "V1" {
        Claim::V1 { signature: authorization.rsplit(':').next().unwrap() }
    } else {
        let signature = authorization.rsplit('=').next().unwrap();
        let date = authorization.split('/').nth(1).unwrap();
        Claim::V4 { signature, date, region: text(vector, "region") }
    };
    let (method, path) = (text(vector, "method"), text(vector, "path"));
    verifying::holds(claim, secret, Received { method, path, headers: headers.to_vec(), body })
}
