//! The Python door of the agent's data path: conversions and error mapping, nothing else.

use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use loghub_agent_core::access::{Access, Trust};
use loghub_agent_core::directories::Directories;
use loghub_agent_core::engine;
use loghub_agent_core::parsing::time::When;
use loghub_agent_core::parsing::trial;
use loghub_agent_core::patterns::Patterns;
use loghub_agent_core::plan::Files;
use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;

/// Moves bytes from container log files to acknowledged `PutLogs` requests.
#[pyclass(frozen)]
struct Core {
    inner: engine::Core,
}

fn raised(fault: &std::io::Error) -> PyErr {
    if fault.kind() == std::io::ErrorKind::InvalidData || fault.get_ref().is_some() {
        return PyValueError::new_err(fault.to_string());
    }
    PyOSError::new_err(fault.to_string())
}

#[pymethods]
impl Core {
    #[new]
    fn new(py: Python<'_>, state_dir: &str, settings_json: &str) -> PyResult<Self> {
        let opened = py.detach(|| engine::Core::new(Path::new(state_dir), settings_json));
        opened.map(|inner| Self { inner }).map_err(|fault| raised(&fault))
    }

    fn apply(&self, py: Python<'_>, plan_json: &str) -> PyResult<String> {
        let failed = py.detach(|| self.inner.apply(plan_json)).map_err(|fault| raised(&fault))?;
        let mut answer = std::collections::BTreeMap::new();
        answer.insert("failed", failed);
        serde_json::to_string(&answer).map_err(|fault| PyValueError::new_err(fault.to_string()))
    }

    /// `trust` is a CA bundle, a certificate and its key as PEM; empty texts where there is none.
    fn set_credentials(
        &self,
        name: &str,
        access_key_id: String,
        access_key_secret: String,
        trust: (String, String, String),
    ) {
        let (ca_bundle, certificate, private_key) = trust;
        let trust = Trust { ca_bundle, certificate, private_key };
        self.inner.set_credentials(name, Access::new(access_key_id, access_key_secret, trust));
    }

    fn remove_credentials(&self, name: &str) {
        self.inner.remove_credentials(name);
    }

    fn stats(&self, py: Python<'_>) -> PyResult<String> {
        py.detach(|| self.inner.stats()).map_err(|fault| raised(&fault))
    }

    fn idle(&self, py: Python<'_>) -> bool {
        py.detach(|| self.inner.idle())
    }

    fn drain(&self, py: Python<'_>, timeout_seconds: f64) -> bool {
        let timeout = Duration::try_from_secs_f64(timeout_seconds).unwrap_or_default();
        py.detach(|| self.inner.drain(timeout))
    }

    fn close(&self, py: Python<'_>) {
        py.detach(|| self.inner.close());
    }
}

/// Tells on a descriptor that a name came or went in one of some directories.
#[pyclass(frozen)]
struct DirectoryWatch {
    inner: Directories,
}

#[pymethods]
impl DirectoryWatch {
    #[new]
    fn new() -> PyResult<Self> {
        let inner = Directories::new()?;
        Ok(Self { inner })
    }

    fn fileno(&self) -> i32 {
        self.inner.as_raw_fd()
    }

    #[allow(clippy::needless_pass_by_value, reason = "PyO3 hands over an owned path")]
    fn follow(&self, directory: PathBuf) -> PyResult<()> {
        Ok(self.inner.follow(&directory)?)
    }

    fn heard(&self) -> PyResult<bool> {
        Ok(self.inner.heard()?)
    }
}

/// What the plan's `multiline` and `shaping` make of sample lines received at a unix time.
#[pyfunction]
#[allow(clippy::needless_pass_by_value, reason = "PyO3 hands over an owned list")]
fn try_lines(
    py: Python<'_>,
    rules_json: &str,
    lines: Vec<String>,
    received: (u32, u32),
) -> PyResult<String> {
    let received = When { seconds: received.0, nanos: received.1 };
    let tried =
        py.detach(|| trial::run(rules_json, &lines, received)).map_err(PyValueError::new_err)?;
    serde_json::to_string(&tried).map_err(|fault| PyValueError::new_err(fault.to_string()))
}

/// Why a plan's `files` do not mean a path; None when they do.
#[pyfunction]
fn why_not(files_json: &str, path: &str) -> PyResult<Option<String>> {
    let read = serde_json::from_str::<Files>(files_json);
    let files = read.map_err(|fault| PyValueError::new_err(fault.to_string()))?;
    let patterns = Patterns::new(&files).map_err(PyValueError::new_err)?;
    Ok(patterns.why_not(Path::new(path)))
}

/// The compiled core of `loghub_agent`.
#[pymodule(name = "_core")]
fn core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_function(wrap_pyfunction!(try_lines, module)?)?;
    module.add_function(wrap_pyfunction!(why_not, module)?)?;
    module.add_class::<DirectoryWatch>()?;
    module.add_class::<Core>()
}
