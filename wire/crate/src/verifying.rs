//! Whether a received request carries the right signature: the server's fast yes.
//!
//! The Python twin's `signature.verify` is the rule, and has the words for each refusal. This one
//! knows the requests that come by the thousand (no query, plain ASCII headers, each once) and says
//! yes to those that the twin accepts; anything else it leaves to the twin by saying no.

use base64::engine::general_purpose::STANDARD;
use base64::Engine as _;
use hmac::digest::KeyInit;
use hmac::{Hmac, Mac};
use md5::{Digest as _, Md5};
use sha1::Sha1;
use sha2::Sha256;

use crate::signature::{self, hex};

/// A request as it came, without a query.
#[derive(Debug)]
pub struct Received<'a> {
    /// The HTTP method.
    pub method: &'a str,
    /// The path as sent.
    pub path: &'a str,
    /// Lower-case names with values, in any order.
    pub headers: Vec<(&'a str, &'a str)>,
    /// The body as on the wire.
    pub body: &'a [u8],
}

/// What an Authorization header claims.
#[derive(Debug, Clone, Copy)]
pub enum Claim<'a> {
    /// `LOG id:signature`
    V1 {
        /// Base64.
        signature: &'a str,
    },
    /// `SLS4-HMAC-SHA256 Credential=…,Signature=…`
    V4 {
        /// Hexadecimal.
        signature: &'a str,
        /// `20261123`
        date: &'a str,
        /// The region that the scope names.
        region: &'a str,
    },
}

/// Whether the signature is surely right; its date is not judged here.
#[must_use]
pub fn holds(claim: Claim<'_>, secret: &str, mut received: Received<'_>) -> bool {
    received.headers.sort_unstable();
    // Control characters too are left to the twin: what counts as white space differs.
    let printable = |text: &str| text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    let plain = received.headers.iter().all(|(name, value)| printable(name) && printable(value));
    let once = received.headers.windows(2).all(|pair| match pair {
        [one, other] => one.0 != other.0,
        _ => true,
    });
    plain && once && received.path.is_ascii() && known(claim, secret, &received)
}

fn known(claim: Claim<'_>, secret: &str, received: &Received<'_>) -> bool {
    match claim {
        Claim::V1 { signature } => v1(signature, secret, received),
        Claim::V4 { signature, date, region } => v4(signature, secret, received, date, region),
    }
}

fn v1(stated: &str, secret: &str, received: &Received<'_>) -> bool {
    let Received { method, path, headers, body } = received;
    let md5 = find(headers, "content-md5");
    if !md5.is_empty() && !md5.eq_ignore_ascii_case(&hex(&Md5::digest(body))) {
        return false;
    }
    let Ok(stated) = STANDARD.decode(stated) else { return false };
    let moment = find(headers, "x-log-date");
    let date = if moment.is_empty() { find(headers, "date") } else { moment };
    let signed = headers.iter().filter(|(name, _)| *name != "x-log-date");
    let text = signature::v1_text(method, path, date, headers, signed);
    match find(headers, "x-log-signaturemethod") {
        "hmac-sha1" => right::<Hmac<Sha1>>(secret.as_bytes(), &text, &stated),
        "hmac-sha256" => right::<Hmac<Sha256>>(secret.as_bytes(), &text, &stated),
        _ => false,
    }
}

/// In constant time.
fn right<M: Mac + KeyInit>(secret: &[u8], text: &str, stated: &[u8]) -> bool {
    <M as Mac>::new_from_slice(secret)
        .is_ok_and(|mac| mac.chain_update(text.as_bytes()).verify_slice(stated).is_ok())
}

fn v4(stated: &str, secret: &str, received: &Received<'_>, date: &str, region: &str) -> bool {
    let Received { method, path, headers, body } = received;
    let payload = find(headers, "x-log-content-sha256");
    let moment = find(headers, "x-log-date");
    if payload != hex(&Sha256::digest(body)) || moment.get(..8) != Some(date) {
        return false;
    }
    let signed: Vec<_> = headers
        .iter()
        .filter(|(name, _)| signature::is_signed_v4(name) && !name.starts_with("x-log-meta-"))
        .copied()
        .collect();
    let text = signature::v4_text(method, &format!("{path}\n"), &signed, payload, moment, region);
    let key = signature::v4_key(secret, date, region);
    unhex(stated).is_some_and(|stated| right::<Hmac<Sha256>>(&key, &text, &stated))
}

fn find<'a>(headers: &[(&str, &'a str)], name: &str) -> &'a str {
    headers.iter().find(|each| each.0 == name).map_or("", |each| each.1)
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let byte = |pair: &[u8]| match pair {
        [high, low] => Some((digit(*high)? << 4) | digit(*low)?),
        _ => None,
    };
    text.as_bytes().chunks(2).map(byte).collect()
}

fn digit(letter: u8) -> Option<u8> {
    match letter {
        b'0'..=b'9' => Some(letter - b'0'),
        b'a'..=b'f' => Some(letter - b'a' + 10),
        _ => None,
    }
}
