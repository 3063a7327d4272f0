//! What is acknowledged, kept on disk: one JSON document, replaced whole.
//!
//! A newer form gets a new version number; an unreadable document is set aside, never overwritten,
//! and the agent starts from the files' beginnings: twice is better than never.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::files::Saved;

const NAME: &str = "checkpoints.json";
const VERSION: u32 = 1;

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
    /// How often it was written.
    pub writes: u64,
}

impl Checkpoints {
    /// Opens the directory, making it if need be, and reads what is there.
    ///
    /// # Errors
    /// The directory cannot be made or the document cannot be read.
    pub fn open(directory: &Path) -> io::Result<(Self, Places)> {
        fs::create_dir_all(directory)?;
        let path = directory.join(NAME);
        let places = match read(&path) {
            Ok(places) => places,
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => Places::new(),
            Err(fault) if fault.kind() == io::ErrorKind::InvalidData => {
                fs::rename(&path, path.with_extension("damaged"))?;
                Places::new()
            }
            Err(fault) => return Err(fault),
        };
        Ok((Self { path, written: Vec::new(), writes: 0 }, places))
    }

    /// Makes `places` durable, when they differ from what was written last.
    ///
    /// # Errors
    /// The file system refuses; the last document is still there.
    pub fn write(&mut self, places: Places) -> io::Result<()> {
        let document = serde_json::to_vec(&Document { version: VERSION, sources: places })?;
        if document == self.written {
            return Ok(());
        }
        let fresh = self.path.with_extension("new");
        let mut file = File::create(&fresh)?;
        file.write_all(&document)?;
        file.sync_all()?;
        fs::rename(&fresh, &self.path)?;
        if let Some(directory) = self.path.parent() {
            File::open(directory)?.sync_all()?;
        }
        self.written = document;
        self.writes += 1;
        Ok(())
    }
}

fn read(path: &Path) -> io::Result<Places> {
    let mut text = Vec::new();
    File::open(path)?.take(LARGEST).read_to_end(&mut text)?;
    let invalid = |words: String| io::Error::new(io::ErrorKind::InvalidData, words);
    let document: Document =
        serde_json::from_slice(&text).map_err(|fault| invalid(fault.to_string()))?;
    if document.version != VERSION {
        return Err(invalid(format!("version {}", document.version)));
    }
    Ok(document.sources)
}
