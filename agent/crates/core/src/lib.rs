//! The agent's data path: from container log files to acknowledged `PutLogs` requests.
//!
//! [`engine::Core`] is the whole of it. [`watching`] hears of changes and the [`schedule`] says which
//! [`slot`] is due. Per container a [`source`] finds ([`listing`]) and follows ([`chain`], [`files`])
//! files, per log that a program writes itself another one does, of which a [`tree`] tells; it takes lines apart ([`lines`]), joins them ([`joining`]) and fills a [`batch`]; per
//! destination a lane ([`delivery`]) sends ([`http`], with what [`access`] opens it) what waits in turn ([`flows`]). A checkpoint
//! ([`checkpoints`], between two of them the [`journal`]) moves only when a request was acknowledged
//! ([`progress`]).

pub mod access;
pub mod batch;
pub mod carried;
pub mod chain;
pub mod checkpoints;
pub mod counters;
pub mod cri;
pub mod delivery;
pub mod directories;
pub mod docker;
pub mod engine;
pub mod files;
pub mod flows;
pub mod ground;
pub mod http;
pub mod identity;
pub mod joining;
pub mod journal;
pub mod lanes;
pub mod lines;
pub mod listing;
pub mod parsing;
pub mod patterns;
pub mod plan;
pub mod progress;
pub mod rotations;
pub mod schedule;
pub mod sharding;
pub mod slot;
pub mod source;
pub mod spool;
pub mod terms;
pub mod tree;
pub mod watching;

#[cfg(test)]
mod tailing;
