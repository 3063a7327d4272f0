//! The Python door of the service's compiled core: conversions and error mapping, nothing else.

use std::borrow::Cow;

use loghub_ingest_core::program::Type;
use loghub_ingest_core::scan::{self, Column, Hit, Window};
use loghub_ingest_core::splice as splicing;
use loghub_ingest_core::summary as judge;
use loghub_ingest_core::{filters, frames};
use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBytes, PyDict};
use slswire::verifying::{self, Claim, Received};

/// A column's key, path and type.
type Named = (String, Vec<String>, String);

/// The values of one column, as a list.
#[derive(IntoPyObject)]
enum Values {
    Text(Vec<Option<String>>),
    Long(Vec<Option<i64>>),
    Double(Vec<Option<f64>>),
}

/// Times, then one list per column.
type Columns = (Vec<u32>, Vec<Values>);

/// Topic, source, tags, number of logs.
type Head = (String, String, Vec<(String, String)>, usize);

/// Log groups compressed, and their filter.
type Packed = (Cow<'static, [u8]>, Cow<'static, [u8]>);

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

    fn may_match(&self, bloom: &[u8]) -> bool {
        self.inner.may_match(bloom)
    }

    fn is_selective(&self) -> bool {
        self.inner.is_selective()
    }

    fn hits(&self, py: Python<'_>, raw: &[u8]) -> Vec<Hit> {
        py.detach(|| self.inner.hits(raw, &self.window))
    }

    fn counts(&self, py: Python<'_>, raw: &[u8], step: u32) -> Vec<u64> {
        py.detach(|| self.inner.counts(raw, &self.window, step))
    }

    fn columns(&self, py: Python<'_>, raw: &[u8], names: Vec<Named>) -> Columns {
        let wanted: Vec<Column> = names.into_iter().map(column).collect();
        let (times, found) = py.detach(|| self.inner.columns(raw, &self.window, &wanted));
        let values = found.into_iter().map(|each| match each {
            scan::Values::Text(values) => Values::Text(values),
            scan::Values::Long(values) => Values::Long(values),
            scan::Values::Double(values) => Values::Double(values),
        });
        (times, values.collect())
    }
}

fn column((key, path, kind): Named) -> Column {
    let kind = match kind.as_str() {
        "long" => Type::Long,
        "double" => Type::Double,
        _ => Type::Text,
    };
    Column { key, path, kind }
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
#[allow(clippy::needless_pass_by_value, reason = "a list of Python arrives as a vector")]
fn bloom(py: Python<'_>, raws: Vec<PyBackedBytes>) -> Cow<'static, [u8]> {
    let raws: Vec<&[u8]> = raws.iter().map(|raw| &**raw).collect();
    Cow::Owned(py.detach(|| filters::of(&raws)))
}

#[pyfunction]
#[allow(clippy::needless_pass_by_value, reason = "a list of Python arrives as a vector")]
fn pack(py: Python<'_>, raws: Vec<PyBackedBytes>) -> PyResult<Packed> {
    let raws: Vec<&[u8]> = raws.iter().map(|raw| &**raw).collect();
    let (packed, filter) = py.detach(|| frames::pack(&raws)).map_err(PyOSError::new_err)?;
    Ok((Cow::Owned(packed), Cow::Owned(filter)))
}

#[pyfunction]
fn unpack<'py>(
    py: Python<'py>,
    packed: &[u8],
    size: usize,
    first_version: bool,
) -> Option<Bound<'py, PyBytes>> {
    let work = if first_version { frames::whole } else { frames::unpack };
    py.detach(|| work(packed, size)).map(|raw| PyBytes::new(py, &raw))
}

#[pyfunction]
fn head(py: Python<'_>, raw: &[u8]) -> Head {
    py.detach(|| scan::head(raw))
}

#[pyfunction]
fn summary(py: Python<'_>, raw: &[u8]) -> Option<judge::Summary> {
    py.detach(|| judge::of(raw))
}

#[pyfunction]
#[allow(clippy::needless_pass_by_value, reason = "a list of Python arrives as a vector")]
fn splice(
    py: Python<'_>,
    blocks: Vec<(PyBackedBytes, usize)>,
) -> Option<(Cow<'static, [u8]>, usize)> {
    let blocks: Vec<_> = blocks.iter().map(|(block, size)| (&**block, *size)).collect();
    let (body, raw_size) = py.detach(|| splicing::splice(&blocks))?;
    Some((Cow::Owned(body), raw_size))
}

/// Bodies up to this are hashed with the interpreter's lock held: letting it go costs more.
const SMALL: usize = 64 * 1024;

#[pyfunction]
#[allow(clippy::needless_pass_by_value, reason = "a list of Python arrives as a vector")]
fn signed(
    py: Python<'_>,
    secret: &str,
    claim: (String, String, String),
    method: &str,
    path: &[u8],
    headers: Vec<(PyBackedBytes, PyBackedBytes)>,
    body: &[u8],
) -> bool {
    let text = |bytes| std::str::from_utf8(bytes).ok();
    let pairs = headers.iter().map(|(name, value)| Some((text(name)?, text(value)?)));
    let (Some(headers), Some(path)) = (pairs.collect(), text(path)) else {
        return false;
    };
    let (signature, date, region) = (&*claim.0, &*claim.1, &*claim.2);
    let claim = if date.is_empty() {
        Claim::V1 { signature }
    } else {
        Claim::V4 { signature, date, region }
    };
    let received = Received { method, path, headers, body };
    if body.len() <= SMALL {
        verifying::holds(claim, secret, received)
    } else {
        py.detach(|| verifying::holds(claim, secret, received))
    }
}

/// The compiled core of `loghub_ingest`.
#[pymodule(name = "_core")]
fn core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<Scanner>()?;
    module.add_function(wrap_pyfunction!(summary, module)?)?;
    module.add_function(wrap_pyfunction!(signed, module)?)?;
    module.add_function(wrap_pyfunction!(splice, module)?)?;
    module.add_function(wrap_pyfunction!(render, module)?)?;
    module.add_function(wrap_pyfunction!(bloom, module)?)?;
    module.add_function(wrap_pyfunction!(pack, module)?)?;
    module.add_function(wrap_pyfunction!(unpack, module)?)?;
    module.add_function(wrap_pyfunction!(head, module)?)
}
