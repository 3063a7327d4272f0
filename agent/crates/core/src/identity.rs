//! What tells one file from every other: while the agent runs, and over a restart (`Saved`).
//!
//! While the agent runs a file is known by device, inode and birth: a busy container's next file often has
//! the inode of the one just removed. Over a restart it is known by inode, birth and a hash of its
//! first bytes; without a birth, and for a copy, the hash decides. `files` reads what is known so.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

/// First bytes that identify a file: its first line's time alone has nanoseconds.
pub const HEAD_BYTES: usize = 1024;

/// What tells a file from every other while the agent runs, whatever it is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// Device and inode.
    inode: (u64, u64),
    /// When the inode was made; None where the file system does not say.
    born: Option<SystemTime>,
}

impl Identity {
    /// Device and inode.
    #[must_use]
    pub fn inode(self) -> (u64, u64) {
        self.inode
    }

    /// What a checkpoint remembers.
    #[must_use]
    pub fn saved(self, head: (usize, u64), offset: u64, size: u64) -> Saved {
        Saved { inode: self.inode, born: self.born, head, offset, size, finished: false }
    }

    /// Whether it is the inode that the checkpoint names, as far as their births say.
    #[must_use]
    pub fn may_be(self, saved: &Saved) -> bool {
        saved.inode == self.inode && self.may_be_born(saved)
    }

    /// Whether it has the checkpoint's inode, and that inode was made anew since.
    #[must_use]
    pub fn is_told_apart(self, saved: &Saved) -> bool {
        saved.inode == self.inode && !self.may_be_born(saved)
    }

    /// Whether their births do not contradict that they are one file.
    fn may_be_born(self, saved: &Saved) -> bool {
        saved.born.zip(self.born).is_none_or(|(before, now)| before == now)
    }
}

impl From<&Metadata> for Identity {
    fn from(found: &Metadata) -> Self {
        Self { inode: (found.dev(), found.ino()), born: found.created().ok() }
    }
}

/// What a checkpoint remembers of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saved {
    /// Device and inode.
    pub inode: (u64, u64),
    /// How many first bytes were hashed, and their hash.
    pub head: (usize, u64),
    /// The first byte not acknowledged.
    pub offset: u64,
    /// Bytes the file was known to have.
    pub size: u64,
    /// When the inode was made; older checkpoints and some file systems do not say.
    #[serde(default)]
    pub born: Option<SystemTime>,
    /// Whether all of it was read and nothing could follow.
    #[serde(default)]
    pub finished: bool,
}

/// Up to `most` first bytes.
///
/// # Errors
/// The file cannot be read.
pub fn first(file: &File, most: usize) -> io::Result<Vec<u8>> {
    span(file, 0, most)
}

/// Up to `most` bytes from `begin` on.
///
/// # Errors
/// The file cannot be read.
pub fn span(file: &File, begin: u64, most: usize) -> io::Result<Vec<u8>> {
    let mut head = vec![0; most];
    let mut filled = 0;
    while let Some(room) = head.get_mut(filled..).filter(|room| !room.is_empty()) {
        match file.read_at(room, begin + filled as u64)? {
            0 => break,
            read => filled += read,
        }
    }
    head.truncate(filled);
    Ok(head)
}

/// Length and FNV-1a hash.
#[must_use]
pub fn hash(bytes: &[u8]) -> (usize, u64) {
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    (bytes.len(), hash)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::files::{LogFile, Place};
    use crate::listing::Named;

    #[test]
    fn renamed_file_is_the_same_file() {
        let home = tempfile::tempdir().unwrap();
        let (path, rotated) = (home.path().join("0.log"), home.path().join("0.log.1"));
        drop(File::create(&path).unwrap());
        let known = Identity::from(&std::fs::metadata(&path).unwrap());
        std::fs::rename(&path, &rotated).unwrap();
        assert_eq!(Identity::from(&std::fs::metadata(&rotated).unwrap()), known);
    }

    #[test]
    fn inode_used_again_with_the_same_first_bytes_is_another_file_after_a_restart() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("0.log");
        File::create(&path).unwrap().write_all(b"a banner that every file begins with\n").unwrap();
        let named = Named::current(path);
        let file = LogFile::open(&named).unwrap();
        let saved = file.saved(Place::default());
        assert!(file.matches(&saved) && file.has_inode_of(&saved));
        let Some(born) = saved.born else { return }; // this file system does not say
        let other =
            Saved { born: Some(born - std::time::Duration::from_secs(60)), ..saved.clone() };
        assert!(!file.matches(&other) && !file.has_inode_of(&other));
        let older = r#"{"inode":[1,2],"head":[3,4],"offset":5,"size":6,"finished":true}"#;
        let older: Saved = serde_json::from_str(older).unwrap();
        assert_eq!(older.born, None);
        assert!(file.matches(&Saved { born: None, ..saved }));
    }
}
