//! What the service does to every byte of a write and of a query, without Python's lock.
//!
//! [`summary`] judges a log group that is to be stored; [`splice`] makes an answer of stored ones.
//! [`walk`] reads a log group in place; [`text`] cuts values into words as an index document says;
//! [`program`] is a compiled query; [`matching`] decides on one record; [`scan`] goes over one group
//! and is what `loghub-ingest-py` offers to Python; [`blooms`] says which groups can be passed over.

pub mod blooms;
pub mod matching;
pub mod program;
pub mod scan;
pub mod splice;
pub mod summary;
pub mod text;
pub mod walk;
