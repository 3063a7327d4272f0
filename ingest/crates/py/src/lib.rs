//! The Python door of the service's compiled core: conversions and error mapping, nothing else.

use loghub_ingest_core::scan::{self, Column, Hit, Window};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// Times, then one list per column.
type Columns = (Vec<u32>, Vec<Vec<Option<String>>>);

/// Topic, source, tags, number of logs.
type Head = (String, String, Vec<(String, String)>, usize);

/// A compiled query over log groups; the interpreter's lock is released while it works.
#[pyclass(frozen)]
struct Scanner {
    inner: scan::Scanner,
    window: Window,
}

#[pymethods]
impl Scanner {
    #[new]
    fn new(program_json: &str, begin: u32, end: u32, topic: Option<String>) -> PyResult<Self> {
        let inner = scan::Scanner::new(program_json).map_err(PyValueError::new_err)?;
        Ok(Self { inner, window: Window { begin, end, topic } })
    }

    fn hits(&self, py: Python<'_>, raw: &[u8]) -> Vec<Hit> {
        py.detach(|| self.inner.hits(raw, &self.window))
    }

    fn counts(&self, py: Python<'_>, raw: &[u8], step: u32) -> Vec<u64> {
        py.detach(|| self.inner.counts(raw, &self.window, step))
    }

    #[allow(clippy::needless_pass_by_value, reason = "a list of Python arrives as a vector")]
    fn columns(&self, py: Python<'_>, raw: &[u8], names: Vec<Column>) -> Columns {
        py.detach(|| self.inner.columns(raw, &self.window, &names))
    }
}

#[pyfunction]
#[allow(clippy::needless_pass_by_value, reason = "a list of Python arrives as a vector")]
fn render<'py>(
    py: Python<'py>,
    raw: &[u8],
    positions: Vec<u32>,
) -> PyResult<Vec<Bound<'py, PyDict>>> {
    let found = py.detach(|| scan::render(raw, &positions));
    found
        .into_iter()
        .map(|pairs| {
            let record = PyDict::new(py);
            pairs.into_iter().try_for_each(|(key, value)| record.set_item(key, value))?;
            Ok(record)
        })
        .collect()
}

#[pyfunction]
fn head(py: Python<'_>, raw: &[u8]) -> Head {
    py.detach(|| scan::head(raw))
}

/// The compiled core of `loghub_ingest`.
#[pymodule]
fn _core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<Scanner>()?;
    module.add_function(wrap_pyfunction!(render, module)?)?;
    module.add_function(wrap_pyfunction!(head, module)?)
}
