//! One `PutLogs` request and what its answer means.

use std::sync::PoisonError;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Deserialize;
use slswire::signature::{self, Credentials, Moment, Request};

use crate::access::{Clients, Keys};
use crate::batch::Sealed;
use crate::plan::{Compression, Destination, ProjectIn, Signature};
use crate::spool::record::Ticket;
use crate::terms::Manner;

/// Largest error answer that is read.
const ANSWER_BYTES: u64 = 64 * 1024;

/// In every answer of the service itself. What comes without it was said by something between: a
/// proxy's or a portal's 200 acknowledges nothing.
const REQUEST_ID: &str = "x-log-requestid";

/// What became of a request.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Acknowledged: it is durable.
    Done,
    /// It failed for now; the sentence says why.
    Later(String),
    /// The service takes others and not this one; it may later, so no other waits for it.
    NotThis(String),
    /// The service will never take this body; the sentence says why.
    Refused(String),
    /// A write under its number was acknowledged before.
    Repeated(String),
}

/// To which shard a body goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Routing {
    /// Whichever the service likes.
    Balanced,
    /// The one that holds a hash key of 32 hexadecimal digits.
    Key(String),
    /// The one that holds the ticket's key, once under its number.
    Once(Ticket),
}

impl Routing {
    /// As its pipeline wants it, unless it is sent once.
    #[must_use]
    pub fn of(manner: &Manner) -> Self {
        manner.key.clone().map_or(Self::Balanced, Self::Key)
    }

    /// Sorted by name, as signatures want it.
    fn query(&self) -> String {
        match self {
            Self::Balanced => String::new(),
            Self::Key(key) => format!("key={key}"),
            Self::Once(Ticket { key, seqid, .. }) => format!("key={key}&seqid={seqid}"),
        }
    }
}

/// Sends bodies to one destination over connections it keeps open.
#[derive(Debug)]
pub struct Sender {
    destination: Destination,
    keys: Keys,
    clients: Clients,
    base: String,
    host: String,
    shards: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Refusal {
    error_code: String,
    error_message: String,
}

impl Sender {
    /// A sender; it connects when there is something to send.
    #[must_use]
    pub fn new(destination: Destination, keys: Keys, user_agent: &str, connections: usize) -> Self {
        let clients = Clients::new(user_agent, connections);
        let endpoint = destination.endpoint.trim_end_matches('/');
        let (scheme, authority) = endpoint.split_once("://").unwrap_or(("http", endpoint));
        let host = match destination.project_in {
            ProjectIn::Header => authority.to_owned(),
            ProjectIn::Host => format!("{}.{authority}", destination.project),
        };
        let shards = format!("/logstores/{}/shards", destination.logstore);
        let base = format!("{scheme}://{host}");
        Self { destination, keys, clients, base, host, shards }
    }

    /// Sends one body, to the shard and under the number that `routing` says, and waits for its
    /// acknowledgement.
    pub fn put(&self, sealed: &Sealed, routing: &Routing) -> Outcome {
        let name = &self.destination.credentials;
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        let Some(access) = keys.get(name).cloned() else {
            return Outcome::Later(format!("no credentials named {name} are known yet"));
        };
        drop(keys);
        let client = match self.clients.client(&self.destination, &access.trust) {
            Ok(client) => client,
            Err(sentence) => return Outcome::Later(sentence),
        };
        let query = routing.query();
        let path = format!("{}/{}", self.shards, if query.is_empty() { "lb" } else { "route" });
        let mark = if query.is_empty() { "" } else { "?" };
        let mut request = client.post(format!("{}{path}{mark}{query}", self.base));
        for (header, value) in self.headers(&access.credentials, sealed, &path, &query) {
            request = request.header(header, value);
        }
        let where_to = format!("{}{path}", self.host);
        match request.send(sealed.body.as_slice()) {
            Ok(mut answer) => {
                let status = answer.status().as_u16();
                let by_service = answer.headers().contains_key(REQUEST_ID);
                // Read to its end, so that the connection can be used again.
                let body = answer.body_mut().with_config().limit(ANSWER_BYTES).read_to_vec();
                judge(status, by_service, &body.unwrap_or_default(), &where_to)
            }
            Err(fault) => Outcome::Later(format!("{where_to}: {fault}")),
        }
    }

    fn headers(
        &self,
        key: &Credentials,
        sealed: &Sealed,
        path: &str,
        query: &str,
    ) -> Vec<(&'static str, String)> {
        let mut headers = vec![
            ("content-type", "application/x-protobuf".to_owned()),
            ("host", self.host.clone()),
            ("x-log-bodyrawsize", sealed.raw_size.to_string()),
        ];
        match sealed.compression {
            Compression::Lz4 => headers.push(("x-log-compresstype", "lz4".to_owned())),
            Compression::Zstd => headers.push(("x-log-compresstype", "zstd".to_owned())),
            Compression::None => {}
        }
        if self.destination.project_in == ProjectIn::Header {
            headers.push(("x-log-project", self.destination.project.clone()));
        }
        let body = sealed.body.as_slice();
        let request = Request { method: "POST", path, query, headers, body };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let moment = Moment::from_unix(now);
        match self.destination.signature {
            Signature::V1 => signature::sign_v1(key, request, &moment),
            Signature::V4 => signature::sign_v4(key, request, &moment, &self.destination.region),
        }
    }
}

/// What an answer means for the body that was sent. Nothing is given up that may be taken later:
/// stores, keys and rights appear, quotas pass; only a body the service calls wrong is.
fn judge(status: u16, by_service: bool, body: &[u8], where_to: &str) -> Outcome {
    if !by_service {
        return Outcome::Later(format!(
            "{where_to}: HTTP {status} without {REQUEST_ID}, so it is not the service that answers"
        ));
    }
    if status == 200 {
        return Outcome::Done;
    }
    let Ok(refusal) = serde_json::from_slice::<Refusal>(body) else {
        return Outcome::Later(format!("{where_to}: HTTP {status} without an SLS error"));
    };
    let code = refusal.error_code.as_str();
    let sentence = format!("{where_to}: {code}: {}", refusal.error_message);
    let wrong_body = [
        "InvalidEncoding",
        "InvalidKey",
        "InvalidTimestamp",
        "PostBodyInvalid",
        "PostBodyTooLarge",
        "PostBodyUncompressError",
    ];
    // A clock that is wrong is so for every request.
    let anybody = ["RequestTimeExpired", "RequestTimeTooSkewed"].contains(&code);
    if code == "InvalidSequenceId" {
        Outcome::Repeated(sentence)
    } else if wrong_body.contains(&code) {
        Outcome::Refused(sentence)
    } else if status == 400 && !anybody {
        Outcome::NotThis(sentence)
    } else {
        Outcome::Later(sentence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_body_that_is_wrong_is_given_up() {
        let answer =
            |code: &str| format!(r#"{{"errorCode":"{code}","errorMessage":"m"}}"#).into_bytes();
        assert_eq!(judge(200, true, b"", "h"), Outcome::Done);
        assert!(matches!(judge(400, true, &answer("PostBodyInvalid"), "h"), Outcome::Refused(_)));
        for (status, code) in
            [(401, "Unauthorized"), (404, "LogStoreNotExist"), (403, "WriteQuotaExceed")]
        {
            assert!(matches!(judge(status, true, &answer(code), "h"), Outcome::Later(_)), "{code}");
        }
        let odd = judge(400, true, &answer("ParameterInvalid"), "h");
        assert!(matches!(odd, Outcome::NotThis(_)));
        let clock = judge(400, true, &answer("RequestTimeExpired"), "h");
        assert!(matches!(clock, Outcome::Later(_)));
        assert!(matches!(judge(400, true, b"<html>", "h"), Outcome::Later(_)));
        assert!(matches!(judge(502, true, b"", "h"), Outcome::Later(_)));
        assert!(matches!(judge(200, false, b"", "h"), Outcome::Later(_)));
        assert!(matches!(judge(400, false, &answer("PostBodyInvalid"), "h"), Outcome::Later(_)));
    }
}
