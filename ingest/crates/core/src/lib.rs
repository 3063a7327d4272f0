//! What the service does to every stored byte of a query, without Python's lock.
//!
//! [`walk`] reads a log group in place; [`text`] cuts values into words as an index document says;
//! [`program`] is a compiled query; [`matching`] decides on one record; [`scan`] goes over one group
//! and is what `loghub-ingest-py` offers to Python.

pub mod matching;
pub mod program;
pub mod scan;
pub mod text;
pub mod walk;
