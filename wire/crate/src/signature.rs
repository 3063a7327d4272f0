//! Request signatures v1 (`LOG`) and v4 (`SLS4-HMAC-SHA256`), client side.
//!
//! The rules are those of the Python twin's `signature.py`; `verifying` is the server's side.

use base64::engine::general_purpose::STANDARD;
use base64::Engine as _;
use hmac::{Hmac, Mac};
use md5::{Digest as _, Md5};
use sha1::Sha1;
use sha2::Sha256;

/// An access key.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// What the service knows the key by.
    pub access_key_id: String,
    /// What signs; never sent.
    pub access_key_secret: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Credentials({})", self.access_key_id)
    }
}

/// The signed parts of a request: what a writer of logs sends.
#[derive(Debug)]
pub struct Request<'a> {
    /// The HTTP method.
    pub method: &'a str,
    /// The path as sent.
    pub path: &'a str,
    /// The query as sent, or empty: `name=value` sorted by name and joined by `&`, of characters that
    /// need no encoding.
    pub query: &'a str,
    /// Lower-case header names with their values; for v4 `host` is among them.
    pub headers: Vec<(&'static str, String)>,
    /// The body as on the wire.
    pub body: &'a [u8],
}

/// A moment, already written as the two signatures need it.
#[derive(Debug, Clone)]
pub struct Moment {
    /// As HTTP dates are written, for v1: `Mon, 23 Nov 2026 16:17:03 GMT`.
    pub http: String,
    /// As v4 writes it: `20261123T161703Z`.
    pub basic: String,
}

impl Moment {
    /// The moment `seconds` after 1970-01-01T00:00:00Z.
    #[must_use]
    pub fn from_unix(seconds: u64) -> Self {
        const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
        const MONTHS: [&str; 12] =
            ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        let (days, rest) = (seconds / 86_400, seconds % 86_400);
        let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
        let (year, month, day) = civil(days);
        let name = pick(&DAYS, days % 7);
        let month_name = pick(&MONTHS, month - 1);
        Self {
            http: format!(
                "{name}, {day:02} {month_name} {year} {hour:02}:{minute:02}:{second:02} GMT"
            ),
            basic: format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z"),
        }
    }
}

fn pick<'a>(names: &[&'a str], at: u64) -> &'a str {
    usize::try_from(at).ok().and_then(|at| names.get(at)).copied().unwrap_or_default()
}

/// Year, month, day of a day number since 1970-01-01 (Howard Hinnant's `civil_from_days`).
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let day_of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    (year, month, day)
}

pub(crate) fn hex(data: &[u8]) -> String {
    let digit = |value: u8| char::from(if value < 10 { b'0' + value } else { b'a' + value - 10 });
    data.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

fn hmac_sha256(key: &[u8], data: &[u8]) -> Vec<u8> {
    // HMAC takes keys of any length: this constructor's error is for other MACs.
    Hmac::<Sha256>::new_from_slice(key).map_or_else(
        |_| Vec::new(),
        |mut mac| {
            mac.update(data);
            mac.finalize().into_bytes().to_vec()
        },
    )
}

fn hmac_sha1(key: &[u8], data: &[u8]) -> Vec<u8> {
    Hmac::<Sha1>::new_from_slice(key).map_or_else(
        |_| Vec::new(),
        |mut mac| {
            mac.update(data);
            mac.finalize().into_bytes().to_vec()
        },
    )
}

fn header<'a>(headers: &[(&str, &'a str)], name: &str) -> &'a str {
    headers.iter().find(|each| each.0 == name).map_or("", |each| each.1)
}

fn borrow<'a>(headers: &'a [(&'static str, String)]) -> Vec<(&'a str, &'a str)> {
    headers.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

/// What v1 signs; `target` is the path with the query, `extra` are the sorted headers whose `x-log-` and `x-acs-` ones are part of it.
pub(crate) fn v1_text<'a>(
    method: &str,
    target: &str,
    date: &str,
    headers: &[(&str, &str)],
    extra: impl Iterator<Item = &'a (&'a str, &'a str)>,
) -> String {
    let md5 = header(headers, "content-md5");
    let mut text = format!("{method}\n{md5}\n{}\n{date}\n", header(headers, "content-type"));
    for (name, value) in extra {
        if name.starts_with("x-log-") || name.starts_with("x-acs-") {
            text.extend([name, ":", value, "\n"]);
        }
    }
    text.push_str(target);
    text
}

/// Whether v4 signs a header of that name.
pub(crate) fn is_signed_v4(name: &str) -> bool {
    ["content-type", "host"].contains(&name)
        || name.starts_with("x-log-")
        || name.starts_with("x-acs-")
}

/// What v4 signs; `target` is the path with the encoded query on the next line, `signed` are its
/// headers, sorted, `moment` is as v4 writes it.
pub(crate) fn v4_text(
    method: &str,
    target: &str,
    signed: &[(&str, &str)],
    payload: &str,
    moment: &str,
    region: &str,
) -> String {
    let mut lines = String::new();
    for (name, value) in signed {
        lines.extend([name, ":", value.trim(), "\n"]);
    }
    let names = signed.iter().map(|each| each.0).collect::<Vec<_>>().join(";");
    let canonical = format!("{method}\n{target}\n{lines}\n{names}\n{payload}");
    let date = moment.get(..8).unwrap_or(moment);
    format!(
        "SLS4-HMAC-SHA256\n{moment}\n{date}/{region}/sls/aliyun_v4_request\n{}",
        hex(&Sha256::digest(canonical.as_bytes()))
    )
}

/// The key that signs in a region for a day.
pub(crate) fn v4_key(secret: &str, date: &str, region: &str) -> Vec<u8> {
    let secret = format!("aliyun_v4{secret}").into_bytes();
    [date, region, "sls", "aliyun_v4_request"]
        .iter()
        .fold(secret, |key, step| hmac_sha256(&key, step.as_bytes()))
}

/// Every header of `request` plus those of signature v1.
#[must_use]
pub fn sign_v1(
    key: &Credentials,
    request: Request<'_>,
    now: &Moment,
) -> Vec<(&'static str, String)> {
    let mut headers = request.headers;
    headers.push(("x-log-apiversion", "0.6.0".to_owned()));
    headers.push(("x-log-signaturemethod", "hmac-sha1".to_owned()));
    headers.push(("date", now.http.clone()));
    if !request.body.is_empty() {
        headers.push(("content-md5", hex(&Md5::digest(request.body)).to_uppercase()));
    }
    headers.sort();
    let borrowed = borrow(&headers);
    let mark = if request.query.is_empty() { "" } else { "?" };
    let target = format!("{}{mark}{}", request.path, request.query);
    let text = v1_text(request.method, &target, &now.http, &borrowed, borrowed.iter());
    let digest = hmac_sha1(key.access_key_secret.as_bytes(), text.as_bytes());
    let value = format!("LOG {}:{}", key.access_key_id, STANDARD.encode(digest));
    headers.push(("authorization", value));
    headers
}

/// Every header of `request` (which must hold `host`) plus those of signature v4.
#[must_use]
pub fn sign_v4(
    key: &Credentials,
    request: Request<'_>,
    now: &Moment,
    region: &str,
) -> Vec<(&'static str, String)> {
    let payload = hex(&Sha256::digest(request.body));
    let mut headers = request.headers;
    headers.push(("x-log-apiversion", "0.6.0".to_owned()));
    headers.push(("x-log-content-sha256", payload.clone()));
    headers.push(("x-log-date", now.basic.clone()));
    headers.sort();
    let signed: Vec<_> =
        borrow(&headers).into_iter().filter(|(name, _)| is_signed_v4(name)).collect();
    let target = format!("{}\n{}", request.path, request.query);
    let text = v4_text(request.method, &target, &signed, &payload, &now.basic, region);
    let (date, _) = now.basic.split_at(8.min(now.basic.len()));
    let key_of_day = v4_key(&key.access_key_secret, date, region);
    let value = format!(
        "SLS4-HMAC-SHA256 Credential={}/{date}/{region}/sls/aliyun_v4_request,Signature={}",
        key.access_key_id,
        hex(&hmac_sha256(&key_of_day, text.as_bytes()))
    );
    headers.push(("authorization", value));
    headers
}
