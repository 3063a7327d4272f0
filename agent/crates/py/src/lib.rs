//! The Python door of the agent's data path: conversions and error mapping, nothing else.

use pyo3::prelude::*;

/// The compiled core of `loghub_agent`.
#[pymodule]
fn _core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))
}
