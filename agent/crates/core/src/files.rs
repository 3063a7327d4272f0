//! One file of a container: knowing it again, reading its lines. `listing` names it.
//!
//! While the agent runs a file is known by device, inode and birth: a busy container's next file often has
//! the inode of the one just removed. Over a restart it is known by inode, birth and a hash of its
//! first bytes; without a birth, and for a compressed copy, the hash decides.
//!
//! A file that is truncated in place may have grown past the old offset before anyone looks, so a
//! size says nothing. Each read begins some bytes early and compares: what was read before must
//! still stand there.

use std::fs::{File, Metadata};
use std::io::{self, Read, Seek};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::time::SystemTime;

use flate2::read::MultiGzDecoder;
use serde::{Deserialize, Serialize};

use crate::listing::Named;

/// First bytes that identify a file: its first line's time alone has nanoseconds.
const HEAD_BYTES: usize = 1024;

/// Bytes of one read: larger ones are hardly faster, and this much stays in a core's cache.
const CHUNK_BYTES: usize = 128 * 1024;

/// Bytes read a second time, to see that the file goes on where reading stopped: with its
/// nanoseconds one line's end and the next one's beginning are like no other's.
const OVERLAP: usize = 96;

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
    /// When the inode was made; older checkpoints and some file systems do not say.
    #[serde(default)]
    pub born: Option<SystemTime>,
    /// Whether all of it was read and nothing could follow.
    #[serde(default)]
    pub finished: bool,
}

/// The one buffer that a reading thread shares among all its files.
#[derive(Debug, Default)]
pub struct Scratch(Vec<u8>);

/// What a read found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// So many new bytes.
    Bytes(usize),
    /// Nothing new.
    End,
    /// It was truncated and is read from its beginning now; so many bytes of an unfinished line
    /// that stood there are no record.
    Rewritten(usize),
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
    /// Its number in the order of reading; 0 until reading begins.
    pub number: u64,
    /// What it was called when it was last seen, and so its place in the order of writing.
    pub named: Named,
    identity: Identity,
    head: (usize, u64),
    /// The first bytes of a compressed file, which gives them only once.
    unpacked: Vec<u8>,
    bytes: Bytes,
    /// The first byte not given out as a line; what was read beyond it is in `kept`.
    pub offset: u64,
    /// Where reading began: what a checkpoint says until something is acknowledged.
    begun: u64,
    /// Bytes before `offset`, for the comparison, and behind it the line that is not finished.
    kept: Vec<u8>,
    /// How many of `kept` stand before `offset`.
    before: usize,
    /// Whether `kept` holds whole lines that nobody has taken yet.
    pending: bool,
    /// Whether a directory still names it.
    pub linked: bool,
}

impl LogFile {
    /// Opens a file and reads its first bytes, which say whether it is known already.
    ///
    /// # Errors
    /// It cannot be opened or read; `InvalidInput` says that it is no regular file.
    pub fn open(named: &Named) -> io::Result<Self> {
        let mut file = named.open()?;
        let identity = Identity::from(&file.metadata()?);
        let mut unpacked = Vec::new();
        let (bytes, head) = if named.gzip {
            MultiGzDecoder::new(file.try_clone()?)
                .take(HEAD_BYTES as u64)
                .read_to_end(&mut unpacked)?;
            file.rewind()?;
            (Bytes::Gzip(Box::new(MultiGzDecoder::new(file))), hash(&unpacked))
        } else {
            let head = first(&file, HEAD_BYTES)?;
            (Bytes::Plain(file), hash(&head))
        };
        Ok(Self {
            number: 0,
            named: named.clone(),
            identity,
            head,
            unpacked,
            bytes,
            offset: 0,
            begun: 0,
            kept: Vec::new(),
            before: 0,
            pending: false,
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
        self.head.0 > 0 && other.head == self.head
    }

    /// Whether it is the file that a checkpoint remembers.
    #[must_use]
    pub fn matches(&self, saved: &Saved) -> bool {
        let same_inode = saved.inode == self.identity.inode;
        let told_apart = same_inode && !self.may_be_born(saved);
        (saved.head.0 > 0 || same_inode) && !told_apart && self.starts_with(saved.head)
    }

    /// Whether it also has the inode that the checkpoint names: it wins over a file that only
    /// begins with the same bytes.
    #[must_use]
    pub fn has_inode_of(&self, saved: &Saved) -> bool {
        saved.inode == self.identity.inode && self.may_be_born(saved)
    }

    /// Whether their births do not contradict that they are one file.
    fn may_be_born(&self, saved: &Saved) -> bool {
        saved.born.zip(self.identity.born).is_none_or(|(before, now)| before == now)
    }

    fn starts_with(&self, head: (usize, u64)) -> bool {
        if head == self.head || head.0 == 0 {
            return true;
        }
        match &self.bytes {
            Bytes::Plain(file) => first(file, head.0).is_ok_and(|bytes| hash(&bytes) == head),
            // A shorter head was taken before the file had grown and was compressed.
            Bytes::Gzip(_) | Bytes::Closed => {
                self.unpacked.get(..head.0).is_some_and(|bytes| hash(bytes) == head)
            }
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
            if let Bytes::Plain(file) = &self.bytes {
                let before = usize::try_from(offset).map_or(OVERLAP, |offset| offset.min(OVERLAP));
                self.kept = span(file, offset - before as u64, before)?;
                self.before = self.kept.len();
            }
        }
        Ok(reached)
    }

    /// Reads up to one chunk and gives each whole line, without its newline, with its place, until
    /// `each` says false: what comes after is read again.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn read(
        &mut self,
        scratch: &mut Scratch,
        each: &mut impl FnMut(&[u8], Place) -> bool,
    ) -> io::Result<Found> {
        if self.pending {
            let kept = std::mem::take(&mut self.kept);
            self.take_lines(&kept, each);
            return Ok(Found::Bytes(0));
        }
        let known = self.kept.len();
        let buffer = &mut scratch.0;
        buffer.resize(known + CHUNK_BYTES, 0);
        let mut repeated = 0;
        let read = match &mut self.bytes {
            Bytes::Plain(file) => {
                repeated = known.min(OVERLAP);
                if known == 0 {
                    // What it began with when it was opened may be gone.
                    self.head = (0, hash(b"").1);
                }
                let (kept, room) = buffer.split_at_mut(known - repeated);
                kept.copy_from_slice(self.kept.get(..known - repeated).unwrap_or_default());
                let end = self.offset + (known - self.before) as u64;
                file.read_at(room, end - repeated as u64)?
            }
            Bytes::Gzip(reader) => {
                let (kept, room) = buffer.split_at_mut(known);
                kept.copy_from_slice(&self.kept);
                reader.read(room)?
            }
            Bytes::Closed => return Ok(Found::End),
        };
        let again = known - repeated..known;
        if repeated > read || buffer.get(again.clone()) != self.kept.get(again.clone()) {
            return Ok(self.rewind());
        }
        if read == repeated {
            return Ok(Found::End);
        }
        buffer.truncate(again.start + read);
        let before = self.offset + (known - self.before) as u64;
        self.take_lines(buffer, each);
        self.refresh_head()?;
        let after = self.offset + (self.kept.len() - self.before) as u64;
        Ok(Found::Bytes(usize::try_from(after.saturating_sub(before)).unwrap_or(usize::MAX)))
    }

    fn take_lines(&mut self, buffer: &[u8], each: &mut impl FnMut(&[u8], Place) -> bool) {
        let start = self.before;
        let mut begin = start;
        let mut wanted = true;
        let (file, base) = (self.number, self.offset);
        let place = |at: usize| Place { file, offset: base + (at - start) as u64 };
        for newline in memchr::memchr_iter(b'\n', buffer.get(start..).unwrap_or_default()) {
            let end = start + newline;
            wanted = each(buffer.get(begin..end).unwrap_or_default(), place(begin));
            begin = end + 1;
            if !wanted {
                break;
            }
        }
        if wanted && buffer.len() - begin > MAX_FILE_LINE {
            each(buffer.get(begin..).unwrap_or_default(), place(begin));
            begin = buffer.len();
        }
        self.offset += (begin - start) as u64;
        self.before = begin.min(OVERLAP);
        // Of a plain file the rest is read again; a compressed one gives its bytes only once.
        let plain = matches!(self.bytes, Bytes::Plain(_));
        let end = if wanted || !plain { buffer.len() } else { begin };
        self.pending = !wanted && !plain;
        self.kept.clear();
        self.kept.extend_from_slice(buffer.get(begin - self.before..end).unwrap_or_default());
        // A file that is idle now must not hold what a long line once needed.
        self.kept.shrink_to(2 * self.kept.len());
    }

    /// Gives what stands after the last newline as a line: nothing more will come.
    pub fn finish(&mut self, each: &mut impl FnMut(&[u8], Place) -> bool) {
        let kept = std::mem::take(&mut self.kept);
        let tail = kept.get(self.before..).unwrap_or_default();
        if !tail.is_empty() {
            each(tail, Place { file: self.number, offset: self.offset });
            self.offset += tail.len() as u64;
        }
        self.before = 0;
        self.bytes = Bytes::Closed;
    }

    /// Whether nothing was written to it yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match &self.bytes {
            Bytes::Plain(file) => file.metadata().is_ok_and(|found| found.len() == 0),
            Bytes::Gzip(_) | Bytes::Closed => false,
        }
    }

    /// Whether it was read to its end and closed.
    #[must_use]
    pub fn finished(&self) -> bool {
        matches!(self.bytes, Bytes::Closed)
    }

    /// Begins at 0 again, after a truncation. Its bytes are new ones, so its number is too.
    fn rewind(&mut self) -> Found {
        let unfinished = self.kept.len() - self.before;
        self.number = 0;
        self.offset = 0;
        self.begun = 0;
        self.before = 0;
        self.kept = Vec::new();
        self.head = (0, hash(b"").1);
        Found::Rewritten(unfinished)
    }

    /// What a checkpoint remembers of it when everything before `place` is acknowledged.
    #[must_use]
    pub fn saved(&self, place: Place) -> Saved {
        let offset = match self.number.cmp(&place.file) {
            _ if self.number == 0 => self.begun,
            std::cmp::Ordering::Less => self.offset,
            std::cmp::Ordering::Equal => place.offset.max(self.begun),
            std::cmp::Ordering::Greater => self.begun,
        };
        let size = match &self.bytes {
            Bytes::Plain(file) => file.metadata().map_or(self.offset, |found| found.len()),
            Bytes::Gzip(_) | Bytes::Closed => self.offset,
        };
        Saved {
            inode: self.identity.inode,
            head: self.head,
            offset,
            size,
            born: self.identity.born,
            finished: self.finished(),
        }
    }

    /// Looks at its first bytes again, if it was short when they were looked at.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn refresh_head(&mut self) -> io::Result<()> {
        if let (Bytes::Plain(file), true) = (&self.bytes, self.head.0 < HEAD_BYTES) {
            self.head = hash(&first(file, HEAD_BYTES)?);
        }
        Ok(())
    }
}

fn first(file: &File, most: usize) -> io::Result<Vec<u8>> {
    span(file, 0, most)
}

/// Up to `most` bytes from `begin` on.
fn span(file: &File, begin: u64, most: usize) -> io::Result<Vec<u8>> {
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
fn hash(bytes: &[u8]) -> (usize, u64) {
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    (bytes.len(), hash)
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::path::PathBuf;

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
            let mut file = LogFile::open(&named()).unwrap();
            file.finish(&mut |_, _| true);
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
    fn inode_used_again_with_the_same_first_bytes_is_another_file_after_a_restart() {
        let path = directory("birth").join("0.log");
        write(&path, "a banner that every file begins with\n");
        let named = Named { restart: 0, current: true, stamp: String::new(), gzip: false, path };
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
