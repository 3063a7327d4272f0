//! What is acknowledged, kept on disk: one checksummed document, replaced whole, and the one before.
//!
//! The first line is `loghub-checkpoints <version> <CRC-32 of the rest, hexadecimal>`, the rest is
//! JSON. A new document is written beside the old one, synced and renamed over it; the old one stays
//! under another name. A document that is torn, of another version or no document at all is set
//! aside, never overwritten, and said in `complaints`; the one before is used, or the files are read
//! from their beginnings: twice is better than never.
//!
//! `engine` has a thread of its own write documents: a slow disk delays them and not reading. What is
//! acknowledged between two of them stands in the [`journal`].

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::carried::Carried;
use crate::files::Saved;
use crate::journal::{self, Journal};

const NAME: &str = "checkpoints.json";
const MAGIC: &str = "loghub-checkpoints";
const VERSION: u32 = 2;

/// The first version had no first line.
const UNSIGNED_VERSION: u32 = 1;

/// Largest document read: a thousand containers need a few hundred KiB.
const LARGEST: u64 = 64 * 1024 * 1024;

/// How one source stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// The number of its first package that is not acknowledged; an older agent counted none.
    #[serde(default)]
    pub number: u64,
    /// Its files.
    pub files: Vec<Saved>,
    /// What was read of it and is not finished.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub carried: Vec<Carried>,
}

/// How each source stands, by `<pipeline>\0<source id>`.
pub type Places = BTreeMap<String, Standing>;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Document {
    version: u32,
    /// The first journal that goes on from it; an agent that keeps none names none.
    #[serde(default = "no_journal")]
    journal: u64,
    sources: BTreeMap<String, Vec<Saved>>,
    /// Of their packages; an older agent counted none.
    #[serde(default)]
    numbers: BTreeMap<String, u64>,
    /// What is not finished of those sources whose records arrive exactly once.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    carried: BTreeMap<String, Vec<Carried>>,
}

impl Document {
    fn new(journal: u64, places: Places) -> Self {
        let (mut sources, mut numbers) = (BTreeMap::new(), BTreeMap::new());
        let mut unfinished = BTreeMap::new();
        for (name, Standing { number, files, carried }) in places {
            numbers.insert(name.clone(), number);
            if !carried.is_empty() {
                unfinished.insert(name.clone(), carried);
            }
            sources.insert(name, files);
        }
        Self { version: VERSION, journal, sources, numbers, carried: unfinished }
    }

    fn places(mut self) -> Places {
        let mut places = Places::new();
        for (name, files) in self.sources {
            let number = self.numbers.get(&name).copied().unwrap_or(0);
            let carried = self.carried.remove(&name).unwrap_or_default();
            places.insert(name, Standing { number, files, carried });
        }
        places
    }
}

fn no_journal() -> u64 {
    u64::MAX
}

/// The checkpoints of a state directory.
#[derive(Debug)]
pub struct Checkpoints {
    journal: Arc<Journal>,
    kept: Kept,
}

/// Places at one moment.
#[derive(Debug)]
struct Collected {
    /// Counts the collections: an older one is never written over a newer one.
    order: u64,
    /// The journal that goes on from it.
    journal: u64,
    places: Places,
}

/// The document and what is said of it.
#[derive(Debug)]
struct Kept {
    collections: AtomicU64,
    writer: Mutex<Writer>,
    facts: Mutex<Facts>,
}

/// What is said of the checkpoints; never locked while a disk is waited for.
#[derive(Debug, Default)]
struct Facts {
    damage: Vec<String>,
    refusal: String,
    writes: u64,
}

#[derive(Debug)]
struct Writer {
    path: PathBuf,
    written: Vec<u8>,
    order: u64,
    /// The journal that the document named which is the previous one after the next write.
    journal: u64,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Checkpoints {
    /// Opens the directory, making it if need be, and reads what is there.
    ///
    /// # Errors
    /// The directory cannot be made or a document cannot be read.
    pub fn open(directory: &Path) -> io::Result<(Self, Places)> {
        fs::create_dir_all(directory)?;
        let path = directory.join(NAME);
        let mut facts = Facts::default();
        let (first, places) = match usable(&path, &mut facts.damage)? {
            Some(document) => (document.journal, document.places()),
            None => (0, Places::new()),
        };
        let places = resumed(directory, first, places, &mut facts.damage)?;
        let journal =
            Arc::new(Journal::open(directory, if first == no_journal() { 0 } else { first })?);
        let writer = Writer { path, written: Vec::new(), order: 0, journal: first };
        let kept = Kept {
            collections: AtomicU64::new(0),
            writer: Mutex::new(writer),
            facts: Mutex::new(facts),
        };
        let opened = Self { journal, kept };
        Ok((opened, places))
    }

    /// Where acknowledgements are noted as they come.
    #[must_use]
    pub fn journal(&self) -> &Arc<Journal> {
        &self.journal
    }

    /// Sentences about what was found damaged and about writing that fails.
    #[must_use]
    pub fn complaints(&self) -> Vec<String> {
        let facts = lock(&self.kept.facts);
        let refusal = Some(&facts.refusal).filter(|sentence| !sentence.is_empty());
        facts.damage.iter().chain(refusal).cloned().collect()
    }

    /// How often the document was written.
    #[must_use]
    pub fn writes(&self) -> u64 {
        lock(&self.kept.facts).writes
    }

    /// Makes what `collect` gives durable, when it differs from what was written last.
    ///
    /// # Errors
    /// The file system refuses; the last document is still there.
    pub fn write(&self, collect: impl FnOnce() -> Places) -> io::Result<()> {
        self.kept.write(self.collected(collect), &self.journal)
    }

    fn collected(&self, collect: impl FnOnce() -> Places) -> Collected {
        let order = self.kept.collections.fetch_add(1, Ordering::Relaxed) + 1;
        // Before collecting: what is acknowledged from here on is in the new journal.
        let journal = self.journal.turn();
        Collected { order, journal, places: collect() }
    }
}

impl Kept {
    fn write(&self, collected: Collected, journal: &Journal) -> io::Result<()> {
        let mut writer = lock(&self.writer);
        let outcome = writer.replace(collected);
        if let Ok(Some(first)) = outcome {
            journal.forget_before(first);
        }
        let mut facts = lock(&self.facts);
        facts.writes += u64::from(matches!(outcome, Ok(Some(_))));
        facts.refusal = outcome.as_ref().err().map_or_else(String::new, |fault| {
            format!(
                "checkpoints {} cannot be written ({fault}); collecting goes on, and lines sent \
                 meanwhile arrive twice after a crash",
                writer.path.display()
            )
        });
        outcome.map(|_| ())
    }
}

impl Writer {
    /// Writes a document; gives the first journal that is needed from now on, or None when there
    /// was nothing new to write.
    fn replace(&mut self, collected: Collected) -> io::Result<Option<u64>> {
        let Collected { order, journal, places } = collected;
        let document = serde_json::to_vec(&Document::new(journal, places))?;
        if order < self.order || document == self.written {
            return Ok(None);
        }
        let fresh = self.path.with_extension("new");
        let mut file = File::create(&fresh)?;
        writeln!(file, "{MAGIC} {VERSION} {:08x}", crc32fast::hash(&document))?;
        file.write_all(&document)?;
        file.sync_all()?;
        self.keep_previous()?;
        fs::rename(&fresh, &self.path)?;
        if let Some(directory) = self.path.parent() {
            File::open(directory)?.sync_all()?;
        }
        (self.written, self.order) = (document, order);
        // The one before is kept with the journals that go on from it.
        Ok(Some(std::mem::replace(&mut self.journal, journal).min(journal)))
    }

    /// Gives the current document its second name: at no moment is there none.
    fn keep_previous(&self) -> io::Result<()> {
        let previous = previous(&self.path);
        for outcome in [fs::remove_file(&previous), fs::hard_link(&self.path, &previous)] {
            match outcome {
                Err(fault) if fault.kind() != io::ErrorKind::NotFound => return Err(fault),
                _ => {}
            }
        }
        Ok(())
    }
}

fn previous(path: &Path) -> PathBuf {
    path.with_extension("previous")
}

fn invalid(words: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, words.into())
}

/// The newest document that is whole; damaged ones are set aside.
fn usable(path: &Path, damage: &mut Vec<String>) -> io::Result<Option<Document>> {
    for candidate in [path.to_owned(), previous(path)] {
        match read(&candidate) {
            Ok(found) => return Ok(Some(found)),
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => {}
            Err(fault) if fault.kind() == io::ErrorKind::InvalidData => {
                let aside = candidate.with_extension("damaged");
                fs::rename(&candidate, &aside)?;
                damage.push(format!(
                    "checkpoints {} are not usable ({fault}); set aside as {}, older ones are \
                     used, and lines may arrive twice",
                    candidate.display(),
                    aside.display()
                ));
            }
            Err(fault) => return Err(fault),
        }
    }
    Ok(None)
}

/// `places` with what the journals from `first` on add.
fn resumed(
    directory: &Path,
    first: u64,
    mut places: Places,
    damage: &mut Vec<String>,
) -> io::Result<Places> {
    let damaged = journal::replay(directory, first, &mut places)?;
    if damaged > 0 {
        damage.push(format!(
            "checkpoints in {}: {damaged} lines of the journal are damaged; they count as not \
             written, and lines of the log may arrive twice",
            directory.display()
        ));
    }
    Ok(places)
}

fn read(path: &Path) -> io::Result<Document> {
    let mut text = Vec::new();
    File::open(path)?.take(LARGEST).read_to_end(&mut text)?;
    let (body, version) = match text.first() {
        Some(b'{') => (text.as_slice(), UNSIGNED_VERSION),
        _ => (verified(&text)?, VERSION),
    };
    let document: Document =
        serde_json::from_slice(body).map_err(|fault| invalid(fault.to_string()))?;
    if document.version != version {
        return Err(invalid(format!("its version is {}", document.version)));
    }
    Ok(document)
}

fn verified(text: &[u8]) -> io::Result<&[u8]> {
    let end = memchr::memchr(b'\n', text).ok_or_else(|| invalid("it has no first line"))?;
    let (first, rest) = text.split_at(end);
    let body = rest.get(1..).unwrap_or_default();
    let expected = format!("{MAGIC} {VERSION} {:08x}", crc32fast::hash(body));
    if first != expected.as_bytes() {
        return Err(invalid("its first line does not fit the rest: torn, or not ours"));
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(offset: u64) -> Places {
        let saved =
            Saved { inode: (1, 2), head: (3, 4), offset, size: 9, born: None, finished: false };
        let standing = Standing { number: offset, files: vec![saved], carried: Vec::new() };
        Places::from([("pipeline\0source".to_owned(), standing)])
    }

    fn written(directory: &Path) -> Vec<u8> {
        for offset in [1, 2] {
            let (checkpoints, _) = Checkpoints::open(directory).unwrap();
            checkpoints.write(|| places(offset)).unwrap();
        }
        let mut text = Vec::new();
        File::open(directory.join(NAME)).unwrap().read_to_end(&mut text).unwrap();
        text
    }

    fn overwrite(directory: &Path, text: &[u8]) {
        File::create(directory.join(NAME)).unwrap().write_all(text).unwrap();
    }

    #[test]
    fn torn_document_at_any_length_gives_the_one_before_and_is_set_aside() {
        let directory = tempfile::tempdir().unwrap();
        let whole = written(directory.path());
        for length in 0..whole.len() {
            // The name that the previous one has is another link of the inode that is torn here.
            std::fs::remove_file(directory.path().join(NAME)).unwrap();
            overwrite(directory.path(), &whole[..length]);
            let (checkpoints, found) = Checkpoints::open(directory.path()).unwrap();
            assert_eq!(found, places(1), "{length}");
            assert!(checkpoints.complaints()[0].contains("not usable"));
            let aside = directory.path().join(NAME).with_extension("damaged");
            std::fs::rename(aside, directory.path().join(NAME)).unwrap();
        }
    }

    #[test]
    fn every_flipped_bit_is_seen() {
        let directory = tempfile::tempdir().unwrap();
        let whole = written(directory.path());
        for bit in 0..whole.len() * 8 {
            let mut text = whole.clone();
            text[bit / 8] ^= 1 << (bit % 8);
            let path = directory.path().join("flipped");
            File::create(&path).unwrap().write_all(&text).unwrap();
            assert!(read(&path).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn both_documents_damaged_gives_none_and_says_so_twice() {
        let directory = tempfile::tempdir().unwrap();
        written(directory.path());
        for name in [NAME.to_owned(), NAME.replace("json", "previous")] {
            std::fs::remove_file(directory.path().join(&name)).unwrap();
            File::create(directory.path().join(&name)).unwrap().write_all(b"rubbish").unwrap();
        }
        let (checkpoints, found) = Checkpoints::open(directory.path()).unwrap();
        assert_eq!((found, checkpoints.complaints().len()), (Places::new(), 2));
    }

    #[test]
    fn document_of_the_first_version_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let text = r#"{"version":1,"sources":{"p\u0000s":[{"inode":[1,2],"head":[3,4],"offset":5,"size":6}]}}"#;
        overwrite(directory.path(), text.as_bytes());
        let (_, found) = Checkpoints::open(directory.path()).unwrap();
        assert_eq!(found["p\0s"].files[0].offset, 5);
    }

    #[test]
    fn what_is_acknowledged_after_a_document_outlives_a_kill() {
        let directory = tempfile::tempdir().unwrap();
        for offset in [1, 3, 5] {
            let (checkpoints, found) = Checkpoints::open(directory.path()).unwrap();
            let before = if offset == 1 { Places::new() } else { places(offset - 1) };
            assert_eq!(found, before);
            checkpoints.write(|| places(offset)).unwrap();
            for (source, standing) in places(offset + 1) {
                checkpoints.journal().note(&source, &standing);
            }
        }
        // The document before the last one with both journals since says the same.
        overwrite(directory.path(), b"rubbish");
        let (_, found) = Checkpoints::open(directory.path()).unwrap();
        assert_eq!(found, places(6));
    }

    #[test]
    fn journals_that_no_document_needs_are_removed() {
        let directory = tempfile::tempdir().unwrap();
        let (checkpoints, _) = Checkpoints::open(directory.path()).unwrap();
        for offset in 1..10 {
            let standing = &places(offset)["pipeline\0source"];
            checkpoints.journal().note("source", standing);
            checkpoints.write(|| places(offset)).unwrap();
        }
        let journals = fs::read_dir(directory.path()).unwrap().filter(|entry| {
            entry.as_ref().unwrap().file_name().to_string_lossy().contains("journal")
        });
        assert_eq!(journals.count(), 1);
    }
}
