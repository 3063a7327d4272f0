//! Files that are idle give their descriptors back where there are too many of them.
//!
//! Who has a file open reads it to its end whatever becomes of its name, so files stay open as a rule.
//! Ten thousand that nobody writes to need not: one that rests is known by its identity, and opened
//! again when it has more. Only a file whose name is still there rests; what is written to it and
//! removed again before the kernel's event is looked at could not be read, which is why the files that
//! were idle longest are not the first but the only ones.

use std::fs::{File, Metadata};
use std::io;
use std::ops::Deref;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{Bytes, LogFile};
use crate::identity::Identity;

static OPEN: AtomicUsize = AtomicUsize::new(0);

/// Logs that are open in this process.
#[must_use]
pub fn open_files() -> usize {
    OPEN.load(Ordering::Relaxed)
}

/// An open file, counted.
#[derive(Debug)]
pub(super) struct Open(File);

impl Open {
    pub(super) fn new(file: File) -> Self {
        OPEN.fetch_add(1, Ordering::Relaxed);
        Self(file)
    }
}

impl Deref for Open {
    type Target = File;

    fn deref(&self) -> &File {
        &self.0
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        OPEN.fetch_sub(1, Ordering::Relaxed);
    }
}

impl LogFile {
    /// Closes it until it has more, if all of it was given out and a name leads to it.
    pub fn rest(&mut self) {
        let read = !self.pending && self.kept.len() == self.before;
        if read && self.linked && matches!(self.bytes, Bytes::Plain(_)) {
            self.bytes = Bytes::Resting;
        }
    }

    /// Opens it again, if it rests and is not what it was.
    pub(super) fn wake(&mut self) -> io::Result<()> {
        if !matches!(self.bytes, Bytes::Resting) {
            return Ok(());
        }
        match self.seen()? {
            Some(seen) if seen.len() != self.offset => {}
            _ => return Ok(()),
        }
        let file = self.named.open()?;
        if Identity::from(&file.metadata()?) == self.identity {
            self.bytes = Bytes::Plain(Open::new(file));
        }
        Ok(())
    }

    /// What it is now, if its name leads to it: after a rotation the next listing says which does.
    fn seen(&self) -> io::Result<Option<Metadata>> {
        match self.named.look() {
            Ok(seen) => Ok(Some(seen).filter(|seen| self.is(Identity::from(seen)))),
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    /// What the file that is followed is now; None of a compressed one, which does not change.
    #[must_use]
    pub fn metadata(&self) -> Option<Metadata> {
        match &self.bytes {
            Bytes::Plain(file) => file.metadata().ok(),
            Bytes::Resting => self.seen().ok().flatten(),
            Bytes::Gzip(_) | Bytes::Closed => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::files::{Found, Scratch};
    use crate::listing::Named;

    fn lines(file: &mut LogFile) -> Vec<String> {
        let (mut scratch, mut lines) = (Scratch::default(), Vec::new());
        while file
            .read(&mut scratch, &mut |line, _| {
                lines.push(String::from_utf8(line.to_vec()).unwrap());
                true
            })
            .unwrap()
            != Found::End
        {}
        lines
    }

    #[test]
    fn resting_file_goes_on_where_it_was_read_also_after_a_rotation_and_a_truncation() {
        let home = tempfile::tempdir().unwrap();
        let (path, rotated) = (home.path().join("0.log"), home.path().join("0.log.1"));
        let mut writer = File::options().create(true).append(true).open(&path).unwrap();
        writer.write_all(b"one\n").unwrap();
        let mut file = LogFile::open(&Named::current(path.clone())).unwrap();
        assert_eq!(lines(&mut file), ["one"]);
        file.rest();
        assert!(matches!(file.bytes, Bytes::Resting) && !file.finished());
        assert_eq!(lines(&mut file), [""; 0]);
        assert!(matches!(file.bytes, Bytes::Resting), "it is opened for new bytes only");
        writer.write_all(b"two\nthr").unwrap();
        assert_eq!(lines(&mut file), ["two"]);
        file.rest();
        assert!(matches!(file.bytes, Bytes::Plain(_)), "a line is not finished");
        writer.write_all(b"ee\n").unwrap();
        assert_eq!(lines(&mut file), ["three"]);
        file.rest();
        std::fs::rename(&path, &rotated).unwrap();
        writer.write_all(b"four\n").unwrap();
        File::create(&path).unwrap().write_all(b"of another file, which is longer\n").unwrap();
        assert_eq!(lines(&mut file), [""; 0]);
        file.named.path = rotated;
        assert_eq!(lines(&mut file), ["four"]);
        file.rest();
        writer.set_len(0).unwrap();
        writer.write_all(b"five\n").unwrap();
        assert_eq!(lines(&mut file), ["five"]);
    }
}
