//! The SLS `LogHub` wire format for the hot path: log groups as protobuf, LZ4 blocks, signatures.
//!
//! The Rust twin of the Python package `slswire`; both pass the vectors in `wire/vectors`. For a
//! writer [`group`] encodes, [`compress`] packs, [`signature`] signs; for the service [`verifying`]
//! holds a signature against its request.

pub mod compress;
pub mod group;
pub mod signature;
pub mod verifying;

#[cfg(test)]
mod vectors;
