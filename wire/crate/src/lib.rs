//! The SLS `LogHub` wire format for the hot path: log groups as protobuf, LZ4 blocks, signatures.
//!
//! The Rust twin of the Python package `slswire`; both pass the vectors in `wire/vectors`. Three
//! modules: [`group`] encodes, [`compress`] packs, [`signature`] signs.

pub mod compress;
pub mod group;
pub mod signature;

#[cfg(test)]
mod vectors;
