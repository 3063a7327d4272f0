//! The service as the tailing test plays it: it takes requests one by one and answers when the test
//! says so, so that what is acknowledged is part of a case.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Mutex;

/// Takes the lane's requests.
#[derive(Debug)]
pub(super) struct Service {
    listener: TcpListener,
    /// The last number under each hash key.
    numbers: Mutex<HashMap<String, u64>>,
}

/// A request that is not answered yet; dropped, it never is.
#[derive(Debug)]
pub(super) struct Request {
    stream: TcpStream,
    /// The field `content` of its records.
    pub(super) records: Vec<String>,
    /// Its hash key and its number, if it is to be taken once.
    once: Option<(String, u64)>,
}

impl Service {
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        Self { listener, numbers: Mutex::default() }
    }

    pub(super) fn endpoint(&self) -> String {
        format!("http://{}", self.listener.local_addr().unwrap())
    }

    /// Waits for the next request.
    pub(super) fn receive(&self) -> Request {
        let (stream, _) = self.listener.accept().unwrap();
        let mut reader = BufReader::new(&stream);
        let (mut length, mut once) = (0, None);
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            match line.trim_end().split_once(": ") {
                Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                    length = value.parse().unwrap();
                }
                None if line.trim_end().is_empty() => break,
                None => once = number(&line),
                _ => {}
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        Request { records: contents(&body), stream, once }
    }

    /// Takes a request, unless its number was taken before; says whether it did.
    pub(super) fn take(&self, request: &Request) -> bool {
        let Some((key, number)) = &request.once else { return true };
        let mut numbers = self.numbers.lock().unwrap();
        let last = numbers.entry(key.clone()).or_default();
        let fresh = number > last;
        *last = (*last).max(*number);
        fresh
    }
}

impl Request {
    pub(super) fn acknowledge(mut self) {
        let answer = "HTTP/1.1 200 OK\r\nx-log-requestid: 1\r\ncontent-length: 0\r\n\
                      connection: close\r\n\r\n";
        self.stream.write_all(answer.as_bytes()).unwrap();
    }

    pub(super) fn refuse(mut self) {
        let body = r#"{"errorCode":"InvalidSequenceId","errorMessage":"m"}"#;
        let answer = format!(
            "HTTP/1.1 400 Bad Request\r\nx-log-requestid: 1\r\ncontent-length: {}\r\n\
             connection: close\r\n\r\n{body}",
            body.len()
        );
        self.stream.write_all(answer.as_bytes()).unwrap();
    }
}

/// Key and number of a request line.
fn number(line: &str) -> Option<(String, u64)> {
    let (_, query) = line.split_whitespace().nth(1)?.split_once("?key=")?;
    let (key, number) = query.split_once("&seqid=")?;
    Some((key.to_owned(), number.parse().unwrap()))
}

/// The field `content` of each log of a group.
fn contents(group: &[u8]) -> Vec<String> {
    let logs = fields(group).into_iter().filter(|(tag, _)| *tag == 0x0a);
    let pairs = logs.flat_map(|(_, log)| fields(log)).filter(|(tag, _)| *tag == 0x12);
    let pairs = pairs.map(|(_, pair)| fields(pair));
    let wanted = pairs.filter(|pair| pair[0].1 == b"content");
    wanted.map(|pair| String::from_utf8(pair[1].1.to_vec()).unwrap()).collect()
}

/// Tags and bytes of a protobuf message; a number has none.
fn fields(mut message: &[u8]) -> Vec<(u8, &[u8])> {
    let mut found = Vec::new();
    while let Some((tag, rest)) = message.split_first() {
        message = rest;
        let length = match tag & 7 {
            0 => {
                varint(&mut message);
                0
            }
            5 => 4,
            _ => varint(&mut message),
        };
        let (value, rest) = message.split_at(length);
        found.push((*tag, value));
        message = rest;
    }
    found
}

fn varint(message: &mut &[u8]) -> usize {
    let last = message.iter().position(|byte| byte & 0x80 == 0).unwrap();
    let (bytes, rest) = message.split_at(last + 1);
    *message = rest;
    bytes.iter().rev().fold(0, |value, byte| value << 7 | usize::from(byte & 0x7f))
}
