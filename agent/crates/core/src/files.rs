//! The files of one container: finding them, knowing them again, reading their lines.
//!
//! The kubelet names a container's current file `<restart>.log`, renames it to
//! `<restart>.log.<time>` when it is large, and compresses that to `.gz` at a later rotation. A file
//! is known by device, inode and a hash of its first bytes, so that neither a rename nor a reused
//! inode confuses it; a compressed copy is known by those first bytes alone.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

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
    inode: (u64, u64),
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
        let metadata = file.metadata()?;
        let inode = (metadata.dev(), metadata.ino());
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
        Ok(Self { number, inode, head, bytes, offset: 0, begun: 0, tail: Vec::new(), linked: true })
    }

    /// Device and inode of a path, to ask whether it is a file that is open already.
    ///
    /// # Errors
    /// It cannot be looked at.
    pub fn inode_of(path: &Path) -> io::Result<(u64, u64)> {
        let metadata = std::fs::metadata(path)?;
        Ok((metadata.dev(), metadata.ino()))
    }

    /// Whether it is the file with that device and inode.
    #[must_use]
    pub fn is(&self, inode: (u64, u64)) -> bool {
        self.inode == inode
    }

    /// Whether `other`, a fresh opening, has the bytes of this file: its compressed copy.
    #[must_use]
    pub fn same_content(&self, other: &Self) -> bool {
        self.head.0 > 0 && other.starts_with(self.head)
    }

    /// Whether it is the file that a checkpoint remembers.
    #[must_use]
    pub fn matches(&self, saved: &Saved) -> bool {
        let same_inode = saved.inode == self.inode;
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
        Saved { inode: self.inode, head: self.head, offset, size }
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
