//! The files of one container: finding them, knowing them again, reading their lines.
//!
//! The kubelet names a container's current file `<restart>.log`, renames it to
//! `<restart>.log.<time>` when it is large, and compresses that to `.gz` at a later rotation. While
//! the agent runs a file is known by device, inode and birth: a busy container's next file often has
//! the inode of the one just removed. Over a restart it is known by a hash of its first bytes, and so
//! is a compressed copy.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use flate2::read::MultiGzDecoder;
use serde::{Deserialize, Serialize};

/// First bytes that identify a file: its first line's time alone has nanoseconds.
const HEAD_BYTES: usize = 256;

/// Bytes of one read.
const CHUNK_BYTES: usize = 64 * 1024;

/// Longest line of a file: the runtime splits at 16 KiB, so this is no container's.
const MAX_FILE_LINE: usize = 1 << 20;

/// A byte of a container's output: which of its files, in the order they are read, and where.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Counts the files of one source from 1.
    pub file: u64,
    /// Bytes from the file's beginning, uncompressed.
    pub offset: u64,
}

/// What tells a file from every other while the agent runs, whatever it is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// Device and inode.
    inode: (u64, u64),
    /// When the inode was made; None where the file system does not say.
    born: Option<SystemTime>,
}

impl Identity {
    /// Of the file that a path names.
    ///
    /// # Errors
    /// It cannot be looked at.
    pub fn of(path: &Path) -> io::Result<Self> {
        Ok(Self::from(&std::fs::metadata(path)?))
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
}

#[derive(Debug)]
enum Bytes {
    Plain(File),
    Gzip(Box<MultiGzDecoder<File>>),
    Closed,
}

/// One file of a container.
#[derive(Debug)]
pub struct LogFile {
    /// Its number in the order of reading.
    pub number: u64,
    identity: Identity,
    head: (usize, u64),
    bytes: Bytes,
    /// The first byte not given out as a line; what was read beyond it is in `tail`.
    pub offset: u64,
    /// Where reading began: what a checkpoint says until something is acknowledged.
    begun: u64,
    tail: Vec<u8>,
    /// Whether a directory still names it.
    pub linked: bool,
}

/// A file that a directory names, in the order of writing.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Named {
    restart: u32,
    /// The current file comes after the rotated ones.
    current: bool,
    stamp: String,
    /// Compressed by the kubelet.
    pub gzip: bool,
    /// Where it is.
    pub path: PathBuf,
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
    Some(Named { restart, current: stamp.is_empty(), stamp, gzip, path })
}

impl LogFile {
    /// Opens a file and reads its first bytes, which say whether it is known already.
    ///
    /// # Errors
    /// It cannot be opened or read.
    pub fn open(named: &Named, number: u64) -> io::Result<Self> {
        let file = File::open(&named.path)?;
        let identity = Identity::from(&file.metadata()?);
        let (bytes, head) = if named.gzip {
            let mut head = Vec::new();
            MultiGzDecoder::new(file.try_clone()?)
                .take(HEAD_BYTES as u64)
                .read_to_end(&mut head)?;
            let fresh = File::open(&named.path)?;
            (Bytes::Gzip(Box::new(MultiGzDecoder::new(fresh))), hash(&head))
        } else {
            let head = first(&file, HEAD_BYTES)?;
            (Bytes::Plain(file), hash(&head))
        };
        Ok(Self {
            number,
            identity,
            head,
            bytes,
            offset: 0,
            begun: 0,
            tail: Vec::new(),
            linked: true,
        })
    }

    /// Whether it is the file with that identity.
    #[must_use]
    pub fn is(&self, identity: Identity) -> bool {
        self.identity == identity
    }

    /// Whether `other`, a fresh opening, has the bytes of this file: its compressed copy.
    #[must_use]
    pub fn same_content(&self, other: &Self) -> bool {
        self.head.0 > 0 && other.starts_with(self.head)
    }

    /// Whether it is the file that a checkpoint remembers.
    #[must_use]
    pub fn matches(&self, saved: &Saved) -> bool {
        let same_inode = saved.inode == self.identity.inode;
        (saved.head.0 > 0 || same_inode) && self.starts_with(saved.head)
    }

    fn starts_with(&self, head: (usize, u64)) -> bool {
        if head == self.head || head.0 == 0 {
            return true;
        }
        match &self.bytes {
            Bytes::Plain(file) => first(file, head.0).is_ok_and(|bytes| hash(&bytes) == head),
            // Compressed files do not grow: their heads are whole, a shorter one was taken early.
            Bytes::Gzip(_) | Bytes::Closed => false,
        }
    }

    /// Begins reading at `offset`; false when the file is shorter, which then is read from 0.
    ///
    /// # Errors
    /// A compressed file cannot be read.
    pub fn seek(&mut self, offset: u64) -> io::Result<bool> {
        let reached = match &mut self.bytes {
            Bytes::Plain(file) => offset <= file.metadata()?.len(),
            Bytes::Gzip(reader) => {
                io::copy(&mut reader.as_mut().take(offset), &mut io::sink())? == offset
            }
            Bytes::Closed => true,
        };
        if reached {
            self.offset = offset;
            self.begun = offset;
        }
        Ok(reached)
    }

    /// Reads up to one chunk and gives each whole line, without its newline, with its place.
    ///
    /// Gives the number of bytes read; 0 at the end.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn read(&mut self, each: &mut impl FnMut(&[u8], Place)) -> io::Result<usize> {
        let before = self.tail.len();
        self.tail.resize(before + CHUNK_BYTES, 0);
        let room = self.tail.get_mut(before..).unwrap_or_default();
        let outcome = match &mut self.bytes {
            Bytes::Plain(file) => file.read_at(room, self.offset + before as u64),
            Bytes::Gzip(reader) => reader.read(room),
            Bytes::Closed => Ok(0),
        };
        self.tail.truncate(before + *outcome.as_ref().unwrap_or(&0));
        let read = outcome?;
        self.take_lines(each);
        if self.head.0 < HEAD_BYTES && read > 0 {
            self.refresh_head()?;
        }
        Ok(read)
    }

    fn take_lines(&mut self, each: &mut impl FnMut(&[u8], Place)) {
        let mut begin = 0;
        let tail = std::mem::take(&mut self.tail);
        for line in tail.split_inclusive(|byte| *byte == b'\n') {
            let place = Place { file: self.number, offset: self.offset + begin as u64 };
            match line.strip_suffix(b"\n") {
                Some(text) => each(text, place),
                None if line.len() > MAX_FILE_LINE => each(line, place),
                None => break,
            }
            begin += line.len();
        }
        self.offset += begin as u64;
        self.tail = tail;
        self.tail.drain(..begin);
    }

    /// Gives what stands after the last newline as a line: nothing more will come.
    pub fn finish(&mut self, each: &mut impl FnMut(&[u8], Place)) {
        let tail = std::mem::take(&mut self.tail);
        if !tail.is_empty() {
            each(&tail, Place { file: self.number, offset: self.offset });
            self.offset += tail.len() as u64;
        }
        self.bytes = Bytes::Closed;
    }

    /// Whether it was read to its end and closed.
    #[must_use]
    pub fn finished(&self) -> bool {
        matches!(self.bytes, Bytes::Closed)
    }

    /// Whether the file became shorter than what was read of it.
    #[must_use]
    pub fn truncated(&self) -> bool {
        match &self.bytes {
            Bytes::Plain(file) => file
                .metadata()
                .is_ok_and(|found| found.len() < self.offset + self.tail.len() as u64),
            Bytes::Gzip(_) | Bytes::Closed => false,
        }
    }

    /// Begins at 0 again, after a truncation.
    pub fn rewind(&mut self) {
        self.offset = 0;
        self.begun = 0;
        self.tail.clear();
    }

    /// Whether bytes after the last newline were read.
    #[must_use]
    pub fn has_tail(&self) -> bool {
        !self.tail.is_empty()
    }

    /// What a checkpoint remembers of it when everything before `place` is acknowledged.
    #[must_use]
    pub fn saved(&self, place: Place) -> Saved {
        let offset = match self.number.cmp(&place.file) {
            std::cmp::Ordering::Less => self.offset,
            std::cmp::Ordering::Equal => place.offset.max(self.begun),
            std::cmp::Ordering::Greater => self.begun,
        };
        let size = match &self.bytes {
            Bytes::Plain(file) => file.metadata().map_or(self.offset, |found| found.len()),
            Bytes::Gzip(_) | Bytes::Closed => self.offset,
        };
        Saved { inode: self.identity.inode, head: self.head, offset, size }
    }

    fn refresh_head(&mut self) -> io::Result<()> {
        if let Bytes::Plain(file) = &self.bytes {
            self.head = hash(&first(file, HEAD_BYTES)?);
        }
        Ok(())
    }
}

fn first(file: &File, most: usize) -> io::Result<Vec<u8>> {
    let mut head = vec![0; most];
    let mut filled = 0;
    while let Some(room) = head.get_mut(filled..).filter(|room| !room.is_empty()) {
        match file.read_at(room, filled as u64)? {
            0 => break,
            read => filled += read,
        }
    }
    head.truncate(filled);
    Ok(head)
}

/// Length and FNV-1a hash.
fn hash(bytes: &[u8]) -> (usize, u64) {
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    (bytes.len(), hash)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn write(path: &Path, text: &str) {
        File::create(path).unwrap().write_all(text.as_bytes()).unwrap();
    }

    /// A directory on the disk that the build is on: in memory no inode is used twice.
    fn directory(name: &str) -> PathBuf {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../target/tests").join(name);
        let _absent = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        dir
    }

    #[test]
    fn next_file_on_the_inode_of_a_finished_one_is_another_file() {
        let dir = directory("inode");
        let path = dir.join("0.log");
        let named = || Named {
            restart: 0,
            current: true,
            stamp: String::new(),
            gzip: false,
            path: path.clone(),
        };
        for round in 0..100 {
            write(&path, &format!("{round} first\n"));
            let mut file = LogFile::open(&named(), 1).unwrap();
            file.finish(&mut |_, _| {});
            let known = Identity::of(&path).unwrap();
            assert!(file.is(known));
            std::fs::remove_file(&path).unwrap();
            std::thread::sleep(std::time::Duration::from_millis(15));
            write(&path, &format!("{round} second\n"));
            let next = Identity::of(&path).unwrap();
            assert!(!file.is(next), "round {round}");
            if known.inode == next.inode {
                return;
            }
            std::fs::remove_file(&path).unwrap();
        }
        // A file system that uses no inode twice cannot show it, and does not need it.
    }

    #[test]
    fn renamed_file_is_the_same_file() {
        let dir = directory("rename");
        let (path, rotated) = (dir.join("0.log"), dir.join("0.log.20260101-000000"));
        write(&path, "a line\n");
        let known = Identity::of(&path).unwrap();
        std::fs::rename(&path, &rotated).unwrap();
        assert_eq!(Identity::of(&rotated).unwrap(), known);
    }
}
