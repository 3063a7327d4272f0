//! What is acknowledged, kept on disk: one checksummed document, replaced whole, and the one before.
//!
//! The first line is `loghub-checkpoints <version> <CRC-32 of the rest, hexadecimal>`, the rest is
//! JSON. A new document is written beside the old one, synced and renamed over it; the old one stays
//! under another name. A document that is torn, of another version or no document at all is set
//! aside, never overwritten, and said in `complaints`; the one before is used, or the files are read
//! from their beginnings: twice is better than never.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::files::Saved;

const NAME: &str = "checkpoints.json";
const MAGIC: &str = "loghub-checkpoints";
const VERSION: u32 = 2;

/// The first version had no first line.
const UNSIGNED_VERSION: u32 = 1;

/// Largest document read: a thousand containers need a few hundred KiB.
const LARGEST: u64 = 64 * 1024 * 1024;

/// Files of each source, by `<pipeline>\0<source id>`.
pub type Places = BTreeMap<String, Vec<Saved>>;

#[derive(Serialize, Deserialize)]
struct Document {
    version: u32,
    sources: Places,
}

/// The checkpoint file of a state directory.
#[derive(Debug)]
pub struct Checkpoints {
    path: PathBuf,
    written: Vec<u8>,
    damage: Vec<String>,
    refusal: String,
    /// How often it was written.
    pub writes: u64,
}

impl Checkpoints {
    /// Opens the directory, making it if need be, and reads what is there.
    ///
    /// # Errors
    /// The directory cannot be made or a document cannot be read.
    pub fn open(directory: &Path) -> io::Result<(Self, Places)> {
        fs::create_dir_all(directory)?;
        let path = directory.join(NAME);
        let mut damage = Vec::new();
        let mut places = None;
        for candidate in [path.clone(), previous(&path)] {
            match read(&candidate) {
                Ok(found) => {
                    places = Some(found);
                    break;
                }
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
        let opened = Self { path, written: Vec::new(), damage, refusal: String::new(), writes: 0 };
        Ok((opened, places.unwrap_or_default()))
    }

    /// Sentences about what was found damaged and about writing that fails.
    pub fn complaints(&self) -> impl Iterator<Item = &String> {
        self.damage.iter().chain(Some(&self.refusal).filter(|sentence| !sentence.is_empty()))
    }

    /// Makes `places` durable, when they differ from what was written last.
    ///
    /// # Errors
    /// The file system refuses; the last document is still there.
    pub fn write(&mut self, places: Places) -> io::Result<()> {
        let outcome = self.replace(places);
        self.refusal = outcome.as_ref().err().map_or_else(String::new, |fault| {
            format!(
                "checkpoints {} cannot be written ({fault}); collecting goes on, and lines sent \
                 meanwhile arrive twice after a crash",
                self.path.display()
            )
        });
        outcome
    }

    fn replace(&mut self, places: Places) -> io::Result<()> {
        let document = serde_json::to_vec(&Document { version: VERSION, sources: places })?;
        if document == self.written {
            return Ok(());
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
        self.written = document;
        self.writes += 1;
        Ok(())
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

fn read(path: &Path) -> io::Result<Places> {
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
    Ok(document.sources)
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
        Places::from([("pipeline\0source".to_owned(), vec![saved])])
    }

    fn written(directory: &Path) -> Vec<u8> {
        for offset in [1, 2] {
            let (mut checkpoints, _) = Checkpoints::open(directory).unwrap();
            checkpoints.write(places(offset)).unwrap();
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
            assert!(checkpoints.complaints().next().unwrap().contains("not usable"));
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
        assert_eq!((found, checkpoints.complaints().count()), (Places::new(), 2));
    }

    #[test]
    fn document_of_the_first_version_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let text = r#"{"version":1,"sources":{"p\u0000s":[{"inode":[1,2],"head":[3,4],"offset":5,"size":6}]}}"#;
        overwrite(directory.path(), text.as_bytes());
        let (_, found) = Checkpoints::open(directory.path()).unwrap();
        assert_eq!(found["p\0s"][0].offset, 5);
    }
}
