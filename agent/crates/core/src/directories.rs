//! Tells whoever waits on a descriptor that a name came or went in one of some directories.
//!
//! The control looks for pods and their containers itself where no API server tells of them; with
//! this it looks when there is something to see. [`watching`](crate::watching) does the same for the
//! files within.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::path::Path;

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::io::Errno;

/// Bytes for events of one read: some dozens, whose names say nothing here.
const EVENT_BYTES: usize = 4096;

/// Names that come and go, and the end of the directory itself.
const NAMES: WatchFlags = WatchFlags::CREATE
    .union(WatchFlags::DELETE)
    .union(WatchFlags::MOVED_FROM)
    .union(WatchFlags::MOVED_TO)
    .union(WatchFlags::DELETE_SELF)
    .union(WatchFlags::MOVE_SELF)
    .union(WatchFlags::ONLYDIR);

/// Directories whose names are watched; a removed one leaves by itself.
#[derive(Debug)]
pub struct Directories {
    kernel: OwnedFd,
}

impl Directories {
    /// Watches nothing yet.
    ///
    /// # Errors
    /// The kernel gives no further queue of events.
    pub fn new() -> io::Result<Self> {
        let kernel = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
        Ok(Self { kernel })
    }

    /// Watches a directory too, if it is not watched.
    ///
    /// # Errors
    /// It is not there, or there is no watch left for it.
    pub fn follow(&self, directory: &Path) -> io::Result<()> {
        inotify::add_watch(&self.kernel, directory, NAMES)?;
        Ok(())
    }

    /// Takes what was heard; true if there was anything, were it that events were missed.
    ///
    /// # Errors
    /// The queue cannot be read.
    pub fn heard(&self) -> io::Result<bool> {
        let mut room = [MaybeUninit::uninit(); EVENT_BYTES];
        let mut events = inotify::Reader::new(&self.kernel, &mut room);
        let mut any = false;
        loop {
            match events.next() {
                Ok(_) => any = true,
                Err(Errno::AGAIN) => return Ok(any),
                Err(Errno::INTR) => {}
                Err(fault) => return Err(fault.into()),
            }
        }
    }
}

impl AsRawFd for Directories {
    fn as_raw_fd(&self) -> RawFd {
        self.kernel.as_raw_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use super::*;

    #[test]
    fn names_are_heard_once_and_other_changes_are_not() {
        let (home, directories) = (tempfile::tempdir().unwrap(), Directories::new().unwrap());
        let (pod, file) = (home.path().join("pod"), home.path().join("file"));
        directories.follow(home.path()).unwrap();
        directories.follow(home.path()).unwrap();
        assert!(!directories.heard().unwrap());
        fs::create_dir(&pod).unwrap();
        assert!(directories.heard().unwrap());
        directories.follow(&pod).unwrap();
        fs::create_dir(pod.join("container")).unwrap();
        assert!(directories.heard().unwrap());
        fs::File::create(&file).unwrap();
        assert!(directories.heard().unwrap());
        fs::File::options().append(true).open(&file).unwrap().write_all(b"written").unwrap();
        assert!(!directories.heard().unwrap());
        fs::remove_dir_all(&pod).unwrap();
        assert!(directories.heard().unwrap());
        assert!(directories.follow(&pod).is_err());
    }
}
