//! The whole desired plan, as the Python control hands it over, and the core's settings.

use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::ground::Mount;
use crate::parsing::spec::Shaping;
use crate::terms::Priority;

/// Everything this node collects.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// One per `LogPipeline`.
    pub pipelines: Vec<Pipeline>,
}

/// One pipeline and the containers it takes.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pipeline {
    /// Unique in the plan.
    pub name: String,
    /// Of the `LogPipeline`, for people who read the plan.
    pub generation: i64,
    /// Where its lines go.
    pub destination: Destination,
    /// How they travel.
    #[serde(default)]
    pub delivery: Delivery,
    /// How lines become records.
    pub multiline: Option<Multiline>,
    /// How records become fields; without it they are the field `content`.
    #[serde(default)]
    pub shaping: Option<Shaping>,
    /// Nothing is read; the places in its files are kept.
    #[serde(default)]
    pub paused: bool,
    /// The containers.
    pub sources: Vec<Source>,
}

/// What a pipeline asks of the way to its destination.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Delivery {
    /// What a crash may do.
    pub guarantee: Guarantee,
    /// What waits on the state volume when the destination takes nothing.
    pub spool: Option<SpoolRule>,
    /// Bytes of content a second, over all its sources on this node.
    pub max_bytes_per_second: Option<u64>,
    /// Tags and fields of records whose values choose the shard.
    pub shard_by: Vec<String>,
    /// Before whom its sources are sent.
    pub priority: Priority,
}

/// What a crash of either side may do to records.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Guarantee {
    /// Some arrive twice.
    #[default]
    AtLeastOnce,
    /// Nothing.
    ExactlyOnce,
}

/// The bound of a spool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct SpoolRule {
    /// Bytes of log groups, as they are sent, that may wait.
    pub max_bytes: u64,
    /// What gives way when they are so many.
    pub when_full: WhenFull,
}

/// What gives way when a spool is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum WhenFull {
    /// Reading: lines wait in their files.
    Block,
    /// What has waited longest; it is counted.
    DropOldest,
}

/// What makes a lane: pipelines that agree in it share one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Route {
    /// Where it leads.
    pub destination: Destination,
    /// What a crash may do.
    pub guarantee: Guarantee,
    /// What may wait on the state volume.
    pub spool: Option<SpoolRule>,
}

/// Of a lane that writes exactly once, without a bound of its own.
const ONCE_BYTES: u64 = 64 * 1024 * 1024;

impl Route {
    /// Whether each log group is to arrive once.
    #[must_use]
    pub fn once(&self) -> bool {
        self.guarantee == Guarantee::ExactlyOnce
    }

    /// The bound of its spool, if it has one.
    #[must_use]
    pub fn bound(&self) -> Option<SpoolRule> {
        let default = SpoolRule { max_bytes: ONCE_BYTES, when_full: WhenFull::Block };
        self.spool.or(self.once().then_some(default))
    }
}

impl Pipeline {
    /// The lane that it wants.
    #[must_use]
    pub fn route(&self) -> Route {
        Route {
            destination: self.destination.clone(),
            guarantee: self.delivery.guarantee,
            spool: self.delivery.spool,
        }
    }
}

/// An SLS endpoint with project, Logstore and key.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Destination {
    /// `http(s)://host[:port]`.
    pub endpoint: String,
    /// The project's name.
    pub project: String,
    /// The Logstore's name.
    pub logstore: String,
    /// `Header` or `Host`.
    pub project_in: ProjectIn,
    /// `V1` or `V4`.
    pub signature: Signature,
    /// What a v4 signature names.
    pub region: String,
    /// Of request bodies.
    pub compression: Compression,
    /// The name its key is known by.
    pub credentials: String,
    /// `http://host[:port]` of what stands between here and the endpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy: Option<String>,
    /// What of the key's Secret TLS is done with.
    #[serde(default, skip_serializing_if = "Tls::is_usual")]
    pub tls: Tls,
}

/// What of a Secret TLS is done with; the usual is the public authorities, and no certificate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Tls {
    /// Its `ca.crt` names the authorities.
    pub ca_bundle: bool,
    /// Its `tls.crt` and `tls.key` are shown.
    pub client_certificate: bool,
}

impl Tls {
    // What a journal holds of a destination stays as it was before there was a choice.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
    fn is_usual(&self) -> bool {
        *self == Self::default()
    }
}

/// Where the project's name stands in a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ProjectIn {
    /// In `x-log-project`.
    Header,
    /// In front of the host.
    Host,
}

/// The version of a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Signature {
    /// `LOG`
    V1,
    /// `SLS4-HMAC-SHA256`
    V4,
}

/// The compression of request bodies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Compression {
    /// One LZ4 block.
    #[serde(rename = "LZ4")]
    Lz4,
    /// A zstd frame with its content size.
    #[serde(rename = "ZSTD")]
    Zstd,
    /// As it is.
    None,
}

/// Records of more than one line.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Multiline {
    /// A language whose stack traces are joined, or `JSON`; stands for all patterns.
    #[serde(default)]
    pub preset: Option<String>,
    /// What the first line of a record matches.
    #[serde(default)]
    pub start: Option<String>,
    /// What further lines match.
    #[serde(default, rename = "continue")]
    pub go_on: Option<String>,
    /// What the last line of a record matches.
    #[serde(default)]
    pub end: Option<String>,
    /// A record ends when nothing came for that long.
    pub flush_seconds: f64,
    /// A record ends before it grows beyond that.
    pub max_bytes: usize,
}

/// The log directory of one container, or files by their paths.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// `<pod uid>/<container>`; that of one of many files has its path behind a NUL.
    pub id: String,
    /// Where its files are; it may not exist yet. Empty where there are `files`.
    pub dir: PathBuf,
    /// The streams to take.
    pub streams: Vec<Stream>,
    /// Files by their paths instead.
    #[serde(default)]
    pub files: Option<Arc<Files>>,
    /// The log group's source: an address.
    pub source: String,
    /// The log group's tags.
    pub tags: Vec<(String, String)>,
    /// Nothing more will be written.
    pub ended: bool,
}

/// Files that hold lines as programs write them.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Files {
    /// What the paths are resolved in.
    pub mounts: Vec<Mount>,
    /// Absolute, with `*`, `?`, `[..]` and `**`.
    pub paths: Vec<String>,
    /// What is left out: the same.
    #[serde(default)]
    pub exclude: Vec<String>,
    /// Directories that one `**` goes through at most.
    pub max_depth: usize,
    /// Of files that are there when they are looked for the first time, the last bytes only.
    #[serde(default)]
    pub tail_bytes: Option<u64>,
    /// Of their text.
    #[serde(default)]
    pub encoding: Encoding,
    /// Whether links may lead anywhere among the mounts, as within a container, and not only below
    /// what stands before the first wildcard.
    #[serde(default)]
    pub links_anywhere: bool,
}

/// How text is encoded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub enum Encoding {
    /// UTF-8; what is none is replaced.
    #[default]
    #[serde(rename = "UTF8")]
    Utf8,
    /// GBK with the extensions of GB 18030, as the Encoding Standard has it.
    #[serde(rename = "GBK")]
    Gbk,
}

/// A container's output stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stream {
    /// `stdout`
    Stdout,
    /// `stderr`
    Stderr,
}

impl Stream {
    /// As the runtime writes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

/// Settings of the core; each has a default.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Settings {
    /// Bytes of one request before compression.
    pub batch_bytes: usize,
    /// Records of one request.
    pub batch_logs: usize,
    /// Longest wait for a request to fill.
    pub batch_seconds: f64,
    /// Bytes read for one destination and not yet acknowledged.
    pub queue_bytes_per_destination: usize,
    /// Requests under way to one destination at once.
    pub requests_per_destination: usize,
    /// Longest line; the rest of one is cut and counted.
    pub max_line_bytes: usize,
    /// Longest time until new bytes or files are seen where the kernel tells of none.
    pub scan_seconds: f64,
    /// Threads that read, parse and compress.
    pub data_threads: usize,
    /// Deleted files held open until they are read; beyond that those of the sources that hold most
    /// are given up.
    pub max_deleted_files: usize,
    /// Logs open at once; beyond that those that are idle are closed until they have more.
    pub max_open_files: usize,
    /// How requests name their sender.
    pub user_agent: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            batch_bytes: 512 * 1024,
            batch_logs: 4096,
            batch_seconds: 0.5,
            queue_bytes_per_destination: 8 * 1024 * 1024,
            requests_per_destination: 4,
            max_line_bytes: 512 * 1024,
            scan_seconds: 0.2,
            data_threads: 1,
            max_deleted_files: 1024,
            max_open_files: 4096,
            user_agent: format!("loghub-agent/{}", env!("CARGO_PKG_VERSION")),
        }
    }
}
