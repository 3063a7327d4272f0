//! A glance at an idle source: two calls of the system say that a whole look would find nothing.
//!
//! The look behind the kernel's events lists a directory, looks at each file and reads its end again.
//! Of a thousand idle containers that is most of what an agent does, so where the directory and the
//! file that is followed are what they were at the last whole look, there is no other.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime};

use super::Reader;
use crate::files::LogFile;

/// A directory that changed later than that before a glance may change once more within one tick of
/// its file system's clock.
const SETTLED: Duration = Duration::from_secs(2);

/// What of a directory or a file changes with every change of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    inode: (u64, u64),
    size: u64,
    links: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl From<&Metadata> for Seen {
    fn from(found: &Metadata) -> Self {
        Self {
            inode: (found.dev(), found.ino()),
            size: found.size(),
            links: found.nlink(),
            modified: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
        }
    }
}

/// How the directory of an idle source and the file that is followed there looked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Glance {
    directory: Seen,
    file: Option<Seen>,
}

impl Reader {
    /// Closes what it follows until there is more of it; a glance has just said that nothing is.
    pub fn rest(&mut self) {
        self.chain.rest();
    }

    /// How it looks; None where a glance says too little: something is under way, several files are
    /// open, a link may lead elsewhere, or the directory has changed only now.
    #[must_use]
    pub fn glance(&self) -> Option<Glance> {
        if self.chain.is_given() || self.ended() || !self.idle() {
            return None;
        }
        let directory = std::fs::metadata(&self.spec.dir).ok()?;
        let age = SystemTime::now().duration_since(directory.modified().ok()?).ok()?;
        if age < SETTLED {
            return None;
        }
        let mut open = self.chain.iter().filter(|file| !file.finished());
        let file = match (open.next(), open.next()) {
            (None, _) => None,
            (Some(file), None) => Some(Seen::from(&LogFile::metadata(file)?)),
            (Some(_), Some(_)) => return None,
        };
        Some(Glance { directory: Seen::from(&directory), file })
    }
}
