//! Acknowledgements since the last checkpoint document, appended as they come: a killed agent repeats
//! what was in flight, not what was sent since the document.
//!
//! One line for each: `<CRC-32 of the rest, hexadecimal> <JSON>`. Lines are written and not synced: a
//! killed process loses none, and after a power cut the document counts, which is synced. Journals
//! are numbered; a document names the one that was begun just before it was collected, so what is
//! older is in the document. A later line of a source stands for all its earlier ones, and a line
//! that is damaged counts as not written.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::checkpoints::{Places, Standing};

const PREFIX: &str = "checkpoints.journal-";

/// Largest journal read, and written: a document begins a new one every second.
const LARGEST: u64 = 64 * 1024 * 1024;

#[derive(Serialize)]
struct Line<'a> {
    source: &'a str,
    #[serde(flatten)]
    standing: &'a Standing,
}

#[derive(Deserialize)]
struct OwnedLine {
    source: String,
    #[serde(flatten)]
    standing: Standing,
}

/// Where acknowledgements are noted.
#[derive(Debug)]
pub struct Journal {
    directory: PathBuf,
    current: Mutex<Current>,
}

#[derive(Debug)]
struct Current {
    number: u64,
    file: Option<File>,
    bytes: u64,
    /// A write ended in the midst of a line.
    torn: bool,
}

impl Journal {
    /// The journals of a state directory; new lines go to one after all that are there, and to none
    /// before `first`, with which the document goes on: what it holds is removed.
    ///
    /// # Errors
    /// The directory cannot be listed.
    pub fn open(directory: &Path, first: u64) -> io::Result<Self> {
        let number = numbers(directory)?.last().map_or(1, |last| last + 1).max(first);
        let current = Mutex::new(Current { number, file: None, bytes: 0, torn: false });
        Ok(Self { directory: directory.to_owned(), current })
    }

    fn lock(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what of a source is acknowledged, and how it stands then. A volume that refuses is said by the document, which
    /// cannot be written either.
    pub fn note(&self, source: &str, standing: &Standing) {
        let mut current = self.lock();
        if current.append(&self.directory, &Line { source, standing }).is_err() {
            current.torn = true;
        }
    }

    /// Begins a new journal, unless nothing was noted in the present one; gives its number. What a
    /// document collects from now on is at least what the journals before this one say.
    pub fn turn(&self) -> u64 {
        let mut current = self.lock();
        if current.file.is_some() {
            let number = current.number + 1;
            *current = Current { number, file: None, bytes: 0, torn: false };
        }
        current.number
    }

    /// Removes the journals before `number`; one that cannot be removed is so the next time.
    pub fn forget_before(&self, number: u64) {
        for old in numbers(&self.directory).unwrap_or_default() {
            if old < number {
                drop(fs::remove_file(path(&self.directory, old)));
            }
        }
    }
}

impl Current {
    fn append(&mut self, directory: &Path, line: &Line<'_>) -> io::Result<()> {
        if self.bytes > LARGEST / 2 {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let body = serde_json::to_string(line)?;
        let begin = if self.torn { "\n" } else { "" };
        let line = format!("{begin}{:08x} {body}\n", crc32fast::hash(body.as_bytes()));
        if self.file.is_none() {
            self.file = Some(File::create(path(directory, self.number))?);
        }
        if let Some(file) = &mut self.file {
            file.write_all(line.as_bytes())?;
        }
        self.torn = false;
        self.bytes += line.len() as u64;
        Ok(())
    }
}

fn path(directory: &Path, number: u64) -> PathBuf {
    directory.join(format!("{PREFIX}{number}"))
}

/// The journals that are there, oldest first.
fn numbers(directory: &Path) -> io::Result<Vec<u64>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.parse::<u64>().ok());
        found.extend(number);
    }
    found.sort_unstable();
    Ok(found)
}

/// Takes what the journals from `first` on say into `places`; gives how many of their lines were
/// damaged. The end of a journal may be torn: that is how a power cut leaves it, and no damage.
///
/// # Errors
/// A journal cannot be read.
pub fn replay(directory: &Path, first: u64, places: &mut Places) -> io::Result<usize> {
    let mut damaged = 0;
    for number in numbers(directory)?.into_iter().filter(|number| *number >= first) {
        let mut text = Vec::new();
        File::open(path(directory, number))?.take(LARGEST).read_to_end(&mut text)?;
        let whole = memchr::memrchr(b'\n', &text).unwrap_or(0);
        for line in text.get(..whole).unwrap_or_default().split(|byte| *byte == b'\n') {
            match parse(line) {
                Some(OwnedLine { source, standing }) => {
                    places.insert(source, standing);
                }
                None if line.is_empty() => {}
                None => damaged += 1,
            }
        }
    }
    Ok(damaged)
}

fn parse(line: &[u8]) -> Option<OwnedLine> {
    let (sum, body) = line.split_at_checked(9)?;
    let expected = format!("{:08x} ", crc32fast::hash(body));
    if sum != expected.as_bytes() {
        return None;
    }
    serde_json::from_slice(body).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::Saved;

    fn standing(offset: u64) -> Standing {
        let (inode, head) = ((1, 2), (3, 4));
        let saved = Saved { inode, born: None, head, offset, size: 9, finished: false };
        Standing { number: offset, files: vec![saved], carried: Vec::new() }
    }

    fn replayed(directory: &Path, first: u64) -> (Places, usize) {
        let mut places = Places::new();
        let damaged = replay(directory, first, &mut places).unwrap();
        (places, damaged)
    }

    #[test]
    fn last_line_of_each_source_counts_over_all_journals() {
        let directory = tempfile::tempdir().unwrap();
        let journal = Journal::open(directory.path(), 0).unwrap();
        journal.note("a", &standing(1));
        journal.note("b", &standing(2));
        assert_eq!(journal.turn(), 2);
        journal.note("a", &standing(3));
        let expected = Places::from([("a".to_owned(), standing(3)), ("b".to_owned(), standing(2))]);
        assert_eq!(replayed(directory.path(), 0), (expected, 0));
        assert_eq!(replayed(directory.path(), 2).0.len(), 1);
        assert_eq!(Journal::open(directory.path(), 0).unwrap().turn(), 3);
    }

    #[test]
    fn journal_without_a_line_is_not_turned() {
        let directory = tempfile::tempdir().unwrap();
        let journal = Journal::open(directory.path(), 0).unwrap();
        assert_eq!((journal.turn(), journal.turn()), (1, 1));
        journal.note("a", &standing(1));
        assert_eq!((journal.turn(), journal.turn()), (2, 2));
        journal.forget_before(2);
        assert_eq!(replayed(directory.path(), 0).0, Places::new());
    }

    #[test]
    fn torn_end_at_any_length_gives_the_lines_before_it() {
        let directory = tempfile::tempdir().unwrap();
        let journal = Journal::open(directory.path(), 0).unwrap();
        journal.note("a", &standing(1));
        let first = fs::metadata(path(directory.path(), 1)).unwrap().len();
        journal.note("a", &standing(2));
        let whole = fs::metadata(path(directory.path(), 1)).unwrap().len();
        for length in (first..whole).rev() {
            File::options()
                .write(true)
                .open(path(directory.path(), 1))
                .unwrap()
                .set_len(length)
                .unwrap();
            let expected = Places::from([("a".to_owned(), standing(1))]);
            assert_eq!(replayed(directory.path(), 0), (expected, 0), "{length}");
        }
    }

    #[test]
    fn every_flipped_bit_of_a_line_is_seen_and_the_others_count() {
        let directory = tempfile::tempdir().unwrap();
        let journal = Journal::open(directory.path(), 0).unwrap();
        journal.note("a", &standing(1));
        journal.note("b", &standing(2));
        let mut text = Vec::new();
        File::open(path(directory.path(), 1)).unwrap().read_to_end(&mut text).unwrap();
        let first = memchr::memchr(b'\n', &text).unwrap();
        for bit in 0..first * 8 {
            let mut flipped = text.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            File::create(path(directory.path(), 1)).unwrap().write_all(&flipped).unwrap();
            let (places, damaged) = replayed(directory.path(), 0);
            assert_eq!(places, Places::from([("b".to_owned(), standing(2))]), "bit {bit}");
            assert!(damaged >= 1);
        }
    }
}
