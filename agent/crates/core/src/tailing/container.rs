//! A container's log directory as the runtime writes it and the kubelet keeps it, on a real disk.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use flate2::{write::GzEncoder, Compression};

use super::ledger::{Ledger, Parts, Place, Version};

/// The runtime writes to a renamed file for a moment after it has opened the next one; less than
/// what the reader grants.
const LATE: Duration = Duration::from_millis(50);

/// A file that a name leads to.
#[derive(Debug)]
struct Entry {
    path: PathBuf,
    version: Version,
    /// Its compressed copy stands beside it.
    copied: bool,
}

/// What the runtime has open.
#[derive(Debug)]
struct Output {
    file: File,
    version: Version,
}

/// The rest of a line of which the beginning is on the disk.
#[derive(Debug)]
struct Torn {
    id: String,
    written: String,
    rest: String,
    place: Place,
}

/// The container.
#[derive(Debug)]
pub(super) struct Container {
    dir: PathBuf,
    restart: u32,
    stamps: u32,
    versions: Version,
    lines: u64,
    ids: u32,
    output: Output,
    renamed: bool,
    late: Option<(Output, Instant)>,
    /// In the order of writing; the last one is the current one.
    entries: Vec<Entry>,
    /// Records of which parts are written, by stream.
    open: [Option<(String, Parts)>; 2],
    torn: Option<Torn>,
    /// Identities that were used, and files kept open because theirs would be used again.
    used: HashSet<(u64, Option<SystemTime>)>,
    kept: Vec<File>,
    /// Versions of which the reader has the file open or read.
    held: HashSet<Version>,
    /// Versions with further parts of a record.
    continued: HashSet<Version>,
    /// A part was written that the reader may not have seen.
    pub(super) parts_unread: bool,
}

impl Container {
    pub(super) fn start(dir: &Path) -> Self {
        let path = dir.join("0.log");
        let file = File::options().append(true).create_new(true).open(&path).unwrap();
        let used = HashSet::from([identity(&file)]);
        Self {
            dir: dir.to_owned(),
            restart: 0,
            stamps: 0,
            versions: 0,
            lines: 0,
            ids: 0,
            output: Output { file, version: 0 },
            renamed: false,
            late: None,
            entries: vec![Entry { path, version: 0, copied: false }],
            open: [None, None],
            torn: None,
            used,
            kept: Vec::new(),
            held: HashSet::new(),
            continued: HashSet::new(),
            parts_unread: false,
        }
    }

    /// A file unlike any before: within one tick of the clock the inode of a removed file comes again
    /// with the same birth, which no kubelet is fast enough to meet.
    fn create(&mut self, path: &Path) -> File {
        loop {
            let file = File::options().append(true).create_new(true).open(path).unwrap();
            if self.used.insert(identity(&file)) {
                return file;
            }
            self.kept.push(file);
            fs::remove_file(path).unwrap();
        }
    }

    fn next_place(&mut self, version: Version) -> Place {
        self.lines += 1;
        (version, self.lines)
    }

    fn next_id(&mut self) -> String {
        self.ids += 1;
        format!("{:06}", self.ids)
    }

    fn stamp(&self) -> String {
        format!("2026-01-01T00:00:00.{:09}Z", self.lines)
    }

    /// Writes a line or, where `more` says so, a part of one that the runtime split.
    pub(super) fn line(&mut self, stream: usize, pad: usize, more: bool, ledger: &mut Ledger) {
        self.complete(ledger);
        let place = self.next_place(self.output.version);
        let (id, mut parts) = match self.open[stream].take() {
            Some(open) => open,
            None => (self.next_id(), Vec::new()),
        };
        if more && parts.is_empty() {
            ledger.begun(place);
        }
        if !parts.is_empty() {
            self.continued.insert(place.0);
        }
        let text = format!("{id}.{} {}", parts.len(), "x".repeat(pad));
        self.write(&format!("{}\n", self.in_format(stream, more, &text)));
        parts.push((text, place));
        if more {
            self.open[stream] = Some((id, parts));
            self.parts_unread = true;
        } else {
            self.parts_unread |= parts.len() > 1;
            ledger.written(&id, parts);
        }
    }

    fn in_format(&self, stream: usize, more: bool, text: &str) -> String {
        let name = ["stdout", "stderr"][stream];
        let flag = if more { 'P' } else { 'F' };
        format!("{} {name} {flag} {text}", self.stamp())
    }

    fn write(&mut self, text: &str) {
        self.output.file.write_all(text.as_bytes()).unwrap();
    }

    /// Writes the beginning of a line; what is next written begins with its rest.
    pub(super) fn tear(&mut self, stream: usize, pad: usize, ledger: &mut Ledger) {
        if self.open[stream].is_some() {
            return;
        }
        self.complete(ledger);
        let place = self.next_place(self.output.version);
        let id = self.next_id();
        let written = format!("{id}.0 ");
        self.write(&self.in_format(stream, false, &written));
        self.torn = Some(Torn { id, written, rest: "y".repeat(pad), place });
    }

    /// Writes the rest of a torn line.
    pub(super) fn complete(&mut self, ledger: &mut Ledger) {
        if let Some(Torn { id, written, rest, place }) = self.torn.take() {
            self.write(&format!("{rest}\n"));
            ledger.written(&id, vec![(written + &rest, place)]);
        }
    }

    /// Writes every rest that is outstanding.
    pub(super) fn complete_all(&mut self, ledger: &mut Ledger) {
        self.complete(ledger);
        for stream in 0..2 {
            if self.open[stream].is_some() {
                self.line(stream, 1, false, ledger);
            }
        }
    }

    /// The kubelet's rename; until [`Container::reopen`] the runtime goes on writing there.
    pub(super) fn rename(&mut self) {
        let Some(current) = self.entries.last_mut() else { return };
        if self.renamed || self.output.file.metadata().unwrap().len() == 0 {
            return;
        }
        self.stamps += 1;
        let stamped = format!("{}.log.20260101-{:06}", self.restart, self.stamps);
        let to = self.dir.join(stamped);
        fs::rename(&current.path, &to).unwrap();
        current.path = to;
        self.renamed = true;
        self.late = None;
    }

    /// The runtime opens the next file.
    pub(super) fn reopen(&mut self, now: Instant, ledger: &mut Ledger) {
        if self.renamed {
            let before = self.next_file(ledger);
            // Not in the midst of a record: what is late comes before what the new file has.
            self.late = before.filter(|_| !self.has_open_parts()).map(|output| (output, now));
        }
    }

    /// The container starts anew: what it had not finished is finished, the next file has a number.
    pub(super) fn restart(&mut self, ledger: &mut Ledger) {
        self.complete_all(ledger);
        self.restart += 1;
        self.next_file(ledger);
        self.late = None;
    }

    /// Gives the file before it, if its last line is whole.
    fn next_file(&mut self, ledger: &mut Ledger) -> Option<Output> {
        let path = self.dir.join(format!("{}.log", self.restart));
        let file = self.create(&path);
        self.versions += 1;
        let version = self.versions;
        self.entries.push(Entry { path, version, copied: false });
        self.renamed = false;
        let before = std::mem::replace(&mut self.output, Output { file, version });
        match self.torn.take() {
            // Its rest never comes.
            Some(Torn { id, written, place, .. }) => {
                ledger.written(&id, vec![(written, place)]);
                None
            }
            None => Some(before),
        }
    }

    /// A line that was on its way when the runtime opened the next file.
    pub(super) fn write_late(&mut self, pad: usize, now: Instant, ledger: &mut Ledger) {
        let Some((output, since)) = &mut self.late else { return };
        if now >= *since + LATE {
            return;
        }
        let version = output.version;
        let place = self.next_place(version);
        let id = self.next_id();
        let text = format!("{id}.0 {}", "z".repeat(pad));
        let line = format!("{}\n", self.in_format(0, false, &text));
        if let Some((output, _)) = &mut self.late {
            output.file.write_all(line.as_bytes()).unwrap();
        }
        ledger.written(&id, vec![(text, place)]);
    }

    /// The kubelet's compression of what was rotated before the last rotation; where `leave` says
    /// so, the original is still there for a while.
    pub(super) fn compress(&mut self, leave: bool) {
        self.remove_originals();
        let busy = if self.renamed { 1 } else { 2 };
        let end = self.entries.len().saturating_sub(busy);
        let plain = |entry: &Entry| entry.path.extension().is_none_or(|end| end != "gz");
        let rotated = |entry: &Entry| entry.path.extension().is_none_or(|end| end != "log");
        let at = (0..end).find(|at| plain(&self.entries[*at]) && rotated(&self.entries[*at]));
        let Some(at) = at else { return };
        // The kubelet rotates what is large; an emptied file is nothing to compress.
        if fs::metadata(&self.entries[at].path).unwrap().len() == 0 {
            return;
        }
        let original = self.entries[at].path.clone();
        let draft = PathBuf::from(format!("{}.tmp", original.display()));
        let mut encoder = GzEncoder::new(self.create(&draft), Compression::fast());
        let mut text = Vec::new();
        File::open(&original).unwrap().read_to_end(&mut text).unwrap();
        encoder.write_all(&text).unwrap();
        encoder.finish().unwrap();
        fs::rename(&draft, compressed(&original)).unwrap();
        self.entries[at].copied = true;
        if !leave {
            self.remove_originals();
        }
    }

    fn remove_originals(&mut self) {
        for entry in self.entries.iter_mut().filter(|entry| entry.copied) {
            fs::remove_file(&entry.path).unwrap();
            entry.path = compressed(&entry.path);
            entry.copied = false;
        }
    }

    /// The kubelet's removal of the oldest file that nobody writes.
    pub(super) fn delete_oldest(&mut self, ledger: &mut Ledger) {
        self.remove_originals();
        let late = self.late.as_ref().map(|(output, _)| output.version);
        let oldest = self.entries[0].version;
        // The rest of a line, gone before anybody looked, nobody can know to be missing: its
        // beginning would be joined to the next line.
        let unseen = self.continued.contains(&oldest) && !self.held.contains(&oldest);
        if self.entries.len() == 1 || late == Some(oldest) || unseen {
            return;
        }
        fs::remove_file(self.entries.remove(0).path).unwrap();
        ledger.gone(oldest, self.held.contains(&oldest));
    }

    /// Somebody empties the current file; `read` says that the reader has all of it.
    pub(super) fn truncate(&mut self, read: bool, ledger: &mut Ledger) {
        self.torn = None;
        let before = self.output.version;
        self.output.file.set_len(0).unwrap();
        self.versions += 1;
        self.output.version = self.versions;
        if let Some(current) = self.entries.last_mut() {
            current.version = self.versions;
        }
        ledger.gone(before, read);
        if self.held.contains(&before) {
            self.held.insert(self.versions);
        }
    }

    /// Whether a record's parts are being written.
    pub(super) fn has_open_parts(&self) -> bool {
        self.open.iter().any(Option::is_some)
    }

    /// The reader has listed the directory: it has every file open.
    pub(super) fn listed(&mut self) {
        self.held.extend(self.entries.iter().map(|entry| entry.version));
    }

    /// The reader is no more.
    pub(super) fn killed(&mut self) {
        self.held.clear();
        self.parts_unread = true;
    }
}

fn compressed(original: &Path) -> PathBuf {
    PathBuf::from(format!("{}.gz", original.display()))
}

fn identity(file: &File) -> (u64, Option<SystemTime>) {
    let found = file.metadata().unwrap();
    (found.ino(), found.created().ok())
}
