//! One file of a source: reading its lines. `listing` and `tree` name it, [`identity`] knows it again.
//!
//! A file that is truncated in place may have grown past the old offset before anyone looks, so a
//! size says nothing. Each read begins some bytes early and compares: what was read before must
//! still stand there.

mod resting;

use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::unix::fs::FileExt;

use flate2::read::MultiGzDecoder;

pub use crate::identity::Saved;
use crate::identity::{first, hash, span, Identity, HEAD_BYTES};
use crate::listing::Named;
pub use resting::open_files;
use resting::Open;

/// Bytes of one read: larger ones are hardly faster, and this much stays in a core's cache.
const CHUNK_BYTES: usize = 128 * 1024;

/// Bytes read a second time, to see that the file goes on where reading stopped: with its
/// nanoseconds one line's end and the next one's beginning are like no other's.
const OVERLAP: usize = 96;

/// Longest line of a file: the runtime splits at 16 KiB, so this is no container's.
const MAX_FILE_LINE: usize = 1 << 20;

/// Where a compressed file ends that is not read: nobody counted its bytes.
pub const ALL: u64 = u64::MAX;

/// A byte of a container's output: which of its files, in the order they are read, and where.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Counts the files of one source from 1.
    pub file: u64,
    /// Bytes from the file's beginning, uncompressed.
    pub offset: u64,
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
    Plain(Open),
    /// Read to where it ended, closed, and opened again when it has more ([`resting`]).
    Resting,
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
    /// Number and beginning of former turns, after which another file was read.
    turns: Vec<(u64, u64)>,
    /// What it was before it was truncated.
    ghost: Option<Box<Self>>,
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
            (Bytes::Plain(Open::new(file)), hash(&head))
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
            turns: Vec::new(),
            ghost: None,
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
        let known = saved.head.0 > 0 || self.identity.may_be(saved);
        known && !self.identity.is_told_apart(saved) && self.starts_with(saved.head)
    }

    /// Whether it also has the inode that the checkpoint names: it wins over a file that only
    /// begins with the same bytes.
    #[must_use]
    pub fn has_inode_of(&self, saved: &Saved) -> bool {
        self.identity.may_be(saved)
    }

    /// Whether `other`, a fresh opening, begins as this file did: a copy, made in order to truncate it.
    #[must_use]
    pub fn was_copied_to(&self, other: &Self) -> bool {
        self.head.0 > 0 && other.starts_with(self.head)
    }

    fn starts_with(&self, head: (usize, u64)) -> bool {
        if head == self.head || head.0 == 0 {
            return true;
        }
        match &self.bytes {
            Bytes::Plain(file) => first(file, head.0).is_ok_and(|bytes| hash(&bytes) == head),
            // A shorter head was taken before the file had grown and was compressed.
            Bytes::Gzip(_) | Bytes::Resting | Bytes::Closed => {
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
            Bytes::Resting | Bytes::Closed => true,
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
        self.wake()?;
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
            Bytes::Resting | Bytes::Closed => return Ok(Found::End),
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

    /// Closes it before its end; gives the bytes that nobody will read.
    pub fn abandon(&mut self) -> u64 {
        let size = self.size();
        (self.bytes, self.kept, self.before) = (Bytes::Closed, Vec::new(), 0);
        size.saturating_sub(std::mem::replace(&mut self.offset, size))
    }

    /// Whether nothing was written to it yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match &self.bytes {
            Bytes::Plain(file) => file.metadata().is_ok_and(|found| found.len() == 0),
            Bytes::Resting => self.offset == 0,
            Bytes::Gzip(_) | Bytes::Closed => false,
        }
    }

    /// What it was before it was truncated since the last call, to know a copy of that again.
    pub fn take_ghost(&mut self) -> Option<Box<Self>> {
        self.ghost.take()
    }

    /// What it is, without its bytes.
    #[must_use]
    pub fn ghost(&self) -> Self {
        Self {
            named: self.named.clone(),
            unpacked: Vec::new(),
            bytes: Bytes::Closed,
            turns: self.turns.clone(),
            kept: Vec::new(),
            ghost: None,
            ..*self
        }
    }

    /// Whether a compressed file unpacks to as many bytes as were read of another, as its end says.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn unpacks_to(&self, bytes: u64) -> io::Result<bool> {
        let Bytes::Gzip(reader) = &self.bytes else { return Ok(false) };
        let file = reader.get_ref();
        let end = span(file, file.metadata()?.len().saturating_sub(4), 4)?;
        Ok(end == bytes.to_le_bytes().get(..4).unwrap_or_default())
    }

    /// Goes on where `ghost` ended, of which it is the copy.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn follow(&mut self, mut ghost: Self, acknowledged: Place) -> io::Result<()> {
        if self.seek(ghost.offset)? {
            ghost.interrupt(acknowledged);
            self.turns = ghost.turns;
        }
        Ok(())
    }

    /// Whether it was read to its end and closed.
    #[must_use]
    pub fn finished(&self) -> bool {
        matches!(self.bytes, Bytes::Closed)
    }

    /// Begins at 0 again, after a truncation. Its bytes are new ones, so its number is too.
    fn rewind(&mut self) -> Found {
        let unfinished = self.kept.len() - self.before;
        self.ghost = Some(Box::new(self.ghost()));
        self.turns.clear();
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
        let saved = self.identity.saved(self.head, self.acknowledged(place), self.size());
        Saved { finished: self.finished(), ..saved }
    }

    fn size(&self) -> u64 {
        match &self.bytes {
            Bytes::Plain(file) => file.metadata().map_or(self.offset, |found| found.len()),
            Bytes::Gzip(_) | Bytes::Resting | Bytes::Closed => self.offset,
        }
    }

    /// Its first byte that is not acknowledged when everything before `place` is.
    fn acknowledged(&self, place: Place) -> u64 {
        let mut end = self.offset;
        let now = Some((self.number, self.begun)).filter(|(number, _)| *number > 0);
        if now.is_none() {
            end = self.begun;
        }
        for (number, begun) in now.into_iter().chain(self.turns.iter().rev().copied()) {
            match number.cmp(&place.file) {
                std::cmp::Ordering::Less => return end,
                std::cmp::Ordering::Equal => return place.offset.max(begun),
                std::cmp::Ordering::Greater => end = begun,
            }
        }
        end
    }

    /// What comes of it from here on is read after another file: it has its number then.
    pub fn interrupt(&mut self, acknowledged: Place) {
        self.turns.retain(|(number, _)| *number >= acknowledged.file);
        if self.number > 0 {
            self.turns.push((self.number, self.begun));
            self.number = 0;
            self.begun = self.offset;
        }
    }

    /// Opens it again, if it was read to its end, closed, and has grown since; false otherwise.
    ///
    /// # Errors
    /// It cannot be looked at, opened or read.
    pub fn reopen(&mut self, acknowledged: Place) -> io::Result<bool> {
        if !self.finished() || !self.linked || self.named.gzip {
            return Ok(false);
        }
        let seen = self.named.look()?;
        if Identity::from(&seen) != self.identity || seen.len() <= self.offset {
            return Ok(false);
        }
        let file = self.named.open()?;
        if Identity::from(&file.metadata()?) != self.identity {
            return Ok(false);
        }
        self.interrupt(acknowledged);
        self.bytes = Bytes::Plain(Open::new(file));
        self.seek(self.offset)
    }

    /// Whether it was truncated since the last look; then it is read from its beginning.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn check(&mut self) -> io::Result<bool> {
        let Bytes::Plain(file) = &self.bytes else { return Ok(false) };
        let same = hash(&first(file, self.head.0)?) == self.head;
        Ok(!same && self.rewind() != Found::End)
    }

    /// Leaves out all but what follows the last `tail` bytes, from the beginning of a line on.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn skip(&mut self, tail: u64) -> io::Result<()> {
        let Bytes::Plain(file) = &self.bytes else {
            self.bytes = Bytes::Closed;
            return self.seek(ALL).map(|_| ());
        };
        let end = file.metadata()?.len().saturating_sub(tail);
        let before = usize::try_from(end).map_or(MAX_FILE_LINE, |end| end.min(MAX_FILE_LINE));
        let bytes = span(file, end - before as u64, before)?;
        let rest = memchr::memrchr(b'\n', &bytes).map_or(bytes.len(), |at| bytes.len() - at - 1);
        self.seek(end - rest as u64).map(|_| ())
    }

    /// Looks at its first bytes again, if it was short; of other ones the next read takes notice.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn refresh_head(&mut self) -> io::Result<()> {
        if let (Bytes::Plain(file), true) = (&self.bytes, self.head.0 < HEAD_BYTES) {
            let bytes = first(file, HEAD_BYTES)?;
            if bytes.get(..self.head.0).is_some_and(|same| hash(same) == self.head) {
                self.head = hash(&bytes);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
