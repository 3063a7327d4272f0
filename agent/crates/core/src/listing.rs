//! The log files of one container by name, in the order they were written.
//!
//! The kubelet names a container's current file `<restart>.log`, renames it to
//! `<restart>.log.<time>` when it is large, and compresses that to `.gz` at a later rotation.
//! `source` lists a directory and opens what is new (`files`).

use std::ffi::OsString;
use std::fs::{File, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{Mode, OFlags};

use crate::ground::Ground;

/// How files are opened.
pub const READING: OFlags = OFlags::RDONLY.union(OFlags::NONBLOCK).union(OFlags::CLOEXEC);

/// A file that a directory names, in the order of writing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Named {
    /// Of the container.
    pub restart: u32,
    /// The current file comes after the rotated ones.
    pub current: bool,
    /// When it was rotated; empty for the current one.
    pub stamp: String,
    /// Compressed by the kubelet.
    pub gzip: bool,
    /// Where it is.
    pub path: PathBuf,
    /// What its path is resolved in; None for a log of the kubelet's, whose links may lead anywhere.
    pub ground: Option<Arc<Ground>>,
}

/// One log that a program writes: its files, in the order of writing.
#[derive(Debug, PartialEq, Eq)]
pub struct Log {
    /// What it is called while it is written.
    pub path: PathBuf,
    /// What that is resolved in.
    pub ground: Arc<Ground>,
    /// All of it that there is; none when it is gone.
    pub files: Vec<Named>,
}

impl Log {
    /// Its directory and name on this machine, without links.
    #[must_use]
    pub fn here(&self) -> Option<(PathBuf, OsString)> {
        let here = match self.ground.find(&self.path) {
            Ok(place) => place.here,
            Err(_) => self.ground.here(&self.path)?,
        };
        Some((here.parent()?.to_path_buf(), here.file_name()?.to_os_string()))
    }
}

impl Named {
    /// The current file of that path.
    #[must_use]
    pub fn current(path: PathBuf) -> Self {
        Self { restart: 0, current: true, stamp: String::new(), gzip: false, path, ground: None }
    }

    /// What the file is.
    ///
    /// # Errors
    /// It cannot be looked at.
    pub fn look(&self) -> io::Result<Metadata> {
        match &self.ground {
            Some(ground) => File::from(ground.find(&self.path)?.handle).metadata(),
            None => std::fs::metadata(&self.path),
        }
    }

    /// The file that it leads to, where it is a link.
    #[must_use]
    pub fn link_target(&self) -> Option<PathBuf> {
        let linked = std::fs::symlink_metadata(&self.path).is_ok_and(|found| found.is_symlink());
        linked.then(|| std::fs::canonicalize(&self.path).ok()).flatten()
    }

    /// Opens it for reading, if it is a regular file: the opening of a named pipe would wait for
    /// its writer, and with it every source of the thread.
    ///
    /// # Errors
    /// It cannot be opened; `InvalidInput` says that it is no regular file.
    pub fn open(&self) -> io::Result<File> {
        let file = match &self.ground {
            Some(ground) => ground.find(&self.path)?.read()?,
            None => File::from(rustix::fs::open(&self.path, READING, Mode::empty())?),
        };
        if file.metadata()?.is_file() {
            return Ok(file);
        }
        let path = self.path.display();
        let sentence = format!("{path} is no regular file and is not read; give it another name");
        Err(io::Error::new(io::ErrorKind::InvalidInput, sentence))
    }
}

/// The log files that `dir` names, in the order they were written.
///
/// # Errors
/// The directory cannot be read; that it is not there is no error.
pub fn list(dir: &Path) -> io::Result<Vec<Named>> {
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(fault) => return Err(fault),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        found.extend(named(path));
    }
    found.sort();
    Ok(found)
}

fn named(path: PathBuf) -> Option<Named> {
    let name = path.file_name()?.to_str()?;
    let (restart, rest) = name.split_once(".log")?;
    let restart = restart.parse().ok()?;
    let (stamp, gzip) = match rest.strip_prefix('.') {
        None if rest.is_empty() => (String::new(), false),
        Some(stamp) => match stamp.strip_suffix(".gz") {
            Some(stamp) => (stamp.to_owned(), true),
            // `.tmp` is a compression in progress; the original is still there.
            None if stamp.rsplit('.').next() == Some("tmp") => return None,
            None => (stamp.to_owned(), false),
        },
        None => return None,
    };
    Some(Named { restart, current: stamp.is_empty(), stamp, gzip, path, ground: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_stand_in_the_order_of_writing_and_drafts_are_left_out() {
        let names = [
            "1.log",
            "0.log",
            "0.log.20260102-030406",
            "0.log.20260102-030405.gz",
            "0.log.20260102-030404.gz",
            "0.log.20260102-030406.tmp",
            "core",
        ];
        let mut found: Vec<_> =
            names.iter().filter_map(|name| named(PathBuf::from(name))).collect();
        found.sort();
        let order: Vec<_> = found.iter().map(|each| each.path.to_str().unwrap()).collect();
        assert_eq!(order, [names[4], names[3], names[2], names[1], names[0]]);
    }

    #[test]
    fn named_pipe_and_directory_are_refused_without_waiting() {
        let directory = tempfile::tempdir().unwrap();
        let [pipe, other, file] =
            ["0.log", "1.log", "2.log"].map(|name| directory.path().join(name));
        let kind = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, kind, Mode::RUSR | Mode::WUSR, 0).unwrap();
        std::fs::create_dir(&other).unwrap();
        for path in [pipe, other] {
            let fault = named(path.clone()).unwrap().open().unwrap_err();
            assert_eq!(fault.kind(), io::ErrorKind::InvalidInput);
            assert!(fault.to_string().starts_with(path.to_str().unwrap()), "{fault}");
        }
        File::create(&file).unwrap();
        assert!(named(file.clone()).unwrap().open().is_ok());
        std::fs::remove_file(&file).unwrap();
        assert_eq!(named(file).unwrap().open().unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
