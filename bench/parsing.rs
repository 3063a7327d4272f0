//! What parsing one line costs, per parser: `cargo run --release --example parsing`.
//!
//! One thread, lines of an nginx access log (12 fields) and what other parsers are for, 3 rounds
//! interleaved, the median. MB are 10^6 bytes of input; the time is that of the thread's CPU, so a
//! busy machine changes little. `encode` adds the protobuf record that a batch holds.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    reason = "a bench"
)]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use loghub_agent_core::parsing::time::When;
use loghub_agent_core::parsing::{Shape, Shaper};

const LINES: usize = 200_000;
const ROUNDS: usize = 3;

const NGINX: &str = r#"$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" $request_time "$http_x_forwarded_for""#;
const PATTERN: &str = r#"(\S+) - (\S+) \[([^\]]+)\] "(\S+) (\S+) (\S+)" (\d+) (\d+) "([^"]*)" "([^"]*)" (\S+) "([^"]*)""#;

fn access(number: usize) -> String {
    format!(
        "10.{}.{}.{} - - [0{}/Mar/2024:16:{:02}:{:02} +0800] \"GET /api/v1/orders/{number}/items?page={} \
         HTTP/1.1\" {} {} \"https://shop.example.com/orders\" \"Mozilla/5.0 (X11; Linux x86_64) \
         AppleWebKit/537.36\" 0.{:03} \"-\"",
        number % 250, number % 199, number % 97, 1 + number % 9, number / 60 % 60, number % 60,
        number % 10, 200 + number % 5, number % 50_000, number % 1000
    )
}

fn json(number: usize) -> String {
    format!(
        "{{\"time\":\"2024-03-01T16:12:{:02}.{number:06}Z\",\"level\":\"INFO\",\"logger\":\
         \"com.example.shop.Orders\",\"message\":\"order {number} was placed by user {}\",\
         \"traceId\":\"4bf92f3577b34da6a3ce929d0e0e{:04}\",\"elapsedMs\":{},\"ok\":true,\
         \"cart\":{{\"items\":{},\"total\":12.50}}}}",
        number % 60,
        number % 1000,
        number % 10_000,
        number % 300,
        number % 9
    )
}

fn columns(number: usize) -> String {
    format!(
        "2024-03-01 16:12:07,{number},\"a, b\",user{},200,0.{:03},eu-central,ok",
        number % 99,
        number % 1000
    )
}

fn syslog(number: usize) -> String {
    format!(
        "<13>Mar  1 16:12:{:02} web-1 cron[{number}]: (root) CMD (run-parts /etc/cron.hourly)",
        number % 60
    )
}

fn logfmt(number: usize) -> String {
    format!(
        "level=info caller=main.go:{} msg=\"request is done\" id={number} took=0.{:03}s code=200",
        number % 400,
        number % 1000
    )
}

struct Job {
    name: &'static str,
    shaping: serde_json::Value,
    lines: Vec<String>,
}

fn jobs() -> Vec<Job> {
    let make = |line: fn(usize) -> String| (0..LINES).map(line).collect::<Vec<_>>();
    let clock = serde_json::json!({"key": "time_local", "format": "%d/%b/%Y:%H:%M:%S %z"});
    let nginx = serde_json::json!({"nginx": {"logFormat": NGINX}});
    let keys: Vec<String> = (1..=12).map(|number| format!("k{number}")).collect();
    let regex = serde_json::json!({"regex": {"pattern": PATTERN, "keys": keys}});
    let delimiter = serde_json::json!({"delimiter": {"separator": ",", "quote": "\"",
        "keys": ["time", "id", "name", "user", "status", "took", "region", "result"]}});
    let grok = serde_json::json!({"grok": {"pattern": "^%{IPV4:ip} - %{NOTSPACE:user} \\[%{HTTPDATE:t}\\] \
        \"%{WORD:verb} %{NOTSPACE:uri} HTTP/%{NUMBER:v}\" %{INT:status} %{INT:bytes} \"%{DATA:ref}\" \
        \"%{DATA:agent}\""}});
    vec![
        Job { name: "no parser", shaping: serde_json::json!({}), lines: make(access) },
        Job {
            name: "nginx, 12 fields",
            shaping: serde_json::json!({"parser": nginx}),
            lines: make(access),
        },
        Job {
            name: "nginx, 12 fields, time",
            shaping: serde_json::json!({"parser": nginx, "time": clock}),
            lines: make(access),
        },
        Job {
            name: "regex, 12 groups",
            shaping: serde_json::json!({"parser": regex}),
            lines: make(access),
        },
        Job {
            name: "grok, 10 fields",
            shaping: serde_json::json!({"parser": grok}),
            lines: make(access),
        },
        Job {
            name: "json, 8 fields",
            shaping: serde_json::json!({"parser": {"json": {}}}),
            lines: make(json),
        },
        Job {
            name: "delimiter, 8 columns",
            shaping: serde_json::json!({"parser": delimiter}),
            lines: make(columns),
        },
        Job {
            name: "syslog",
            shaping: serde_json::json!({"parser": {"syslog": {}}}),
            lines: make(syslog),
        },
        Job {
            name: "key-value, 6 pairs",
            shaping: serde_json::json!({"parser": {"keyValue": {}}}),
            lines: make(logfmt),
        },
    ]
}

/// CPU seconds of this thread, as the kernel counts them.
fn cpu_seconds() -> f64 {
    let text = std::io::read_to_string(std::fs::File::open("/proc/thread-self/schedstat").unwrap());
    text.unwrap().split(' ').next().unwrap().parse::<f64>().unwrap() / 1e9
}

/// CPU seconds and fields of one pass; the records go into a buffer as large as a batch.
fn pass(shaper: &mut Shaper, lines: &[String], encode: bool) -> (f64, usize) {
    let received = When { seconds: 1_709_280_727, nanos: 5 };
    let now = Instant::now();
    let mut body: Vec<u8> = Vec::with_capacity(1 << 20);
    let mut fields = 0;
    let start = cpu_seconds();
    for line in lines {
        let outcome = black_box(shaper.shape(line, received, now));
        assert!(outcome.fault.is_none(), "{line}");
        if encode {
            if body.len() > 512 * 1024 {
                body.clear();
            }
            slswire::group::log_of(&mut body, received.seconds, 5, shaper.pairs(line));
            fields += 1;
        } else {
            fields += black_box(shaper.pairs(line).count());
        }
    }
    (cpu_seconds() - start, fields)
}

fn main() {
    let jobs = jobs();
    let mut times = vec![[Vec::new(), Vec::new()]; jobs.len()];
    for _ in 0..ROUNDS {
        for (at, job) in jobs.iter().enumerate() {
            let shaping = serde_json::from_value(job.shaping.clone()).unwrap();
            let mut shaper = Shaper::new(Arc::new(Shape::new(&shaping).unwrap()));
            for (way, encode) in [false, true].into_iter().enumerate() {
                times[at][way].push(pass(&mut shaper, &job.lines, encode).0);
            }
        }
    }
    println!(
        "{:<24} {:>10} {:>14} {:>16} {:>18}",
        "", "B per line", "ns per line", "MB/core-s", "encoded, MB/core-s"
    );
    for (job, ways) in jobs.iter().zip(&mut times) {
        let bytes: usize = job.lines.iter().map(String::len).sum();
        let median = |rounds: &mut Vec<f64>| {
            rounds.sort_by(f64::total_cmp);
            rounds[ROUNDS / 2]
        };
        let (parsed, encoded) = (median(&mut ways[0]), median(&mut ways[1]));
        let speed = |seconds: f64| bytes as f64 / 1e6 / seconds;
        println!(
            "{:<24} {:>10} {:>14.0} {:>16.0} {:>18.0}",
            job.name,
            bytes / LINES,
            parsed * 1e9 / LINES as f64,
            speed(parsed),
            speed(encoded)
        );
    }
}
