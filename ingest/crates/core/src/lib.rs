//! What the service does to every byte of a write and of a query, without Python's lock.
//!
//! [`summary`] judges a log group that is to be stored; [`splice`] makes an answer of stored ones.
//! [`walk`] reads a log group in place; [`text`] cuts values into words as an index document says;
//! [`program`] is a compiled query; [`matching`] decides on one record; [`scan`] goes over one group
//! and is what `loghub-ingest-py` offers to Python; [`filters`] says which groups can be passed over.
//! [`frames`] makes a packed frame of log groups, by field in [`columns`] of [`templates`].

mod columns;
pub mod filters;
pub mod frames;
pub mod matching;
pub mod program;
pub mod scan;
pub mod splice;
pub mod summary;
mod templates;
pub mod text;
mod varints;
pub mod walk;
