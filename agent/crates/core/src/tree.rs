//! Finds the logs that a pipeline asks for by their paths, in directories that come and go.
//!
//! A [`Tree`] walks from each pattern's root, reads what has changed since the last walk, and says which
//! logs are new, have other files now, or are gone. It reads no line: each log is a source of its own.
//! A walk has bounds on directories, names and logs, and says when it meets one: hostile
//! directories cost what these bounds cost and no more.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::fs::FileType;
use std::io;
use std::os::unix::fs::{DirEntryExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::ground::Ground;
use crate::listing::{Log, Named};
use crate::patterns::{Part, Pattern, Patterns};
use crate::plan::Files;
use crate::rotations::{self, Rotated};

/// Logs of one tree: each costs a descriptor and some kilobytes.
const MAX_LOGS: usize = 20_000;

/// Directories of one tree: each costs a watch of the kernel's.
const MAX_DIRECTORIES: usize = 10_000;

/// Names of all its directories together: what a walk has in memory.
const MAX_NAMES: usize = 200_000;

/// A directory that changed later than that before a look is read again at the next: it may change
/// twice within one tick of the file system's clock, of which FAT's is the coarsest with two seconds.
const SETTLED: Duration = Duration::from_secs(2);

/// How often a directory is read again while it changes.
const LISTINGS: usize = 4;

/// A name in a directory.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    name: OsString,
    kind: Kind,
    inode: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Directory,
    File,
    Link,
}

impl Kind {
    fn of(found: FileType) -> Option<Self> {
        // Of the rest, devices, pipes and sockets, nothing is read.
        [
            (found.is_dir(), Self::Directory),
            (found.is_file(), Self::File),
            (found.is_symlink(), Self::Link),
        ]
        .into_iter()
        .find_map(|(is, kind)| is.then_some(kind))
    }
}

/// What was in a directory, and what it was.
#[derive(Debug, Clone)]
struct Listed {
    device: u64,
    inode: u64,
    changed: SystemTime,
    /// Nothing can have changed without a trace since it was read.
    settled: bool,
    here: PathBuf,
    entries: Arc<Vec<Entry>>,
}

impl Listed {
    fn identity(&self) -> (u64, u64, SystemTime) {
        (self.device, self.inode, self.changed)
    }
}

/// A file of a log, and how it was reached.
struct Reached {
    named: Named,
    inode: (u64, u64),
    by_link: bool,
}

/// Logs by what they are called while they are written.
pub type Logs = BTreeMap<PathBuf, Arc<Log>>;

/// What a walk found.
#[derive(Debug, Default)]
pub struct Walk {
    /// Logs that are new or have other files than before; one without any is gone.
    pub changed: Vec<Arc<Log>>,
    /// Where something may happen, on this machine.
    pub directories: Vec<PathBuf>,
    /// What could not be looked at, in words; all of the rest was.
    pub complaint: Option<String>,
}

/// The logs of one source.
#[derive(Debug)]
pub struct Tree {
    patterns: Patterns,
    ground: Arc<Ground>,
    listed: HashMap<PathBuf, Listed>,
    logs: Logs,
    /// Directories that were not there.
    absent: BTreeSet<PathBuf>,
    /// Nothing was unclear at the last walk: if no directory has changed, nothing has.
    clear: bool,
    directories: Vec<PathBuf>,
}

/// One walk in progress.
struct Walking<'a> {
    tree: &'a Tree,
    now: SystemTime,
    listed: HashMap<PathBuf, Option<Listed>>,
    /// Where something is waited for.
    absent: BTreeSet<PathBuf>,
    seen: HashSet<(usize, usize, PathBuf)>,
    found: BTreeSet<(PathBuf, OsString)>,
    names: usize,
    complaint: Option<String>,
}

impl Tree {
    /// Of what a plan asks for; the error is a sentence for the report.
    ///
    /// # Errors
    /// A path is no pattern.
    pub fn new(files: &Files) -> Result<Self, String> {
        let patterns = Patterns::new(files)?;
        let within = if files.links_anywhere { vec!["/".into()] } else { patterns.roots() };
        let ground = Arc::new(Ground::new(files.mounts.clone(), within));
        Ok(Self {
            patterns,
            ground,
            listed: HashMap::new(),
            logs: Logs::new(),
            absent: BTreeSet::new(),
            clear: false,
            directories: Vec::new(),
        })
    }

    /// The logs that the last walk found.
    #[must_use]
    pub fn logs(&self) -> &Logs {
        &self.logs
    }

    /// Whether the last walk looked into a directory.
    #[must_use]
    pub fn has_listed(&self, dir: &Path) -> bool {
        self.listed.contains_key(dir)
    }

    /// Looks what there is at `now`. `was_known` says whether a log was read in a former life.
    pub fn walk(&mut self, now: SystemTime, was_known: &dyn Fn(&Path) -> bool) -> Walk {
        if self.clear && self.is_unchanged() {
            return Walk { directories: self.directories.clone(), ..Walk::default() };
        }
        let mut walking = Walking {
            tree: self,
            now,
            listed: HashMap::new(),
            absent: BTreeSet::new(),
            seen: HashSet::new(),
            found: BTreeSet::new(),
            names: 0,
            complaint: None,
        };
        for (number, pattern) in self.patterns.wanted.iter().enumerate() {
            walking.visit(number, pattern, 0, &pattern.root, 0);
        }
        let mut logs = walking.logs(was_known);
        let Walking { listed, absent, mut complaint, .. } = walking;
        self.bound(&mut logs, &mut complaint);
        self.listed = listed.into_iter().filter_map(|(dir, read)| Some((dir, read?))).collect();
        let here = self.listed.values().map(|listed| listed.here.clone());
        let awaited = absent.iter().filter_map(|dir| self.ground.here(dir));
        self.directories = here.chain(awaited).collect();
        // What a link leads to changes elsewhere.
        let still = |listed: &Listed| {
            listed.settled && listed.entries.iter().all(|entry| entry.kind != Kind::Link)
        };
        self.clear = complaint.is_none() && self.listed.values().all(still);
        self.absent = absent;
        Walk { changed: self.take(logs), directories: self.directories.clone(), complaint }
    }

    /// Whether every directory is as it was at the last walk.
    fn is_unchanged(&self) -> bool {
        let same = |(dir, listed): (&PathBuf, &Listed)| {
            let place = self.ground.find(dir).ok()?;
            let found = std::fs::File::from(place.handle).metadata().ok()?;
            Some((found.dev(), found.ino(), found.modified().ok()?) == listed.identity())
        };
        let absent = |dir: &PathBuf| self.ground.find(dir).is_err_and(|fault| is_absent(&fault));
        self.listed.iter().all(|each| same(each) == Some(true)) && self.absent.iter().all(absent)
    }

    /// Keeps to the bound, and of more logs to those that are followed already.
    fn bound(&self, logs: &mut Logs, complaint: &mut Option<String>) {
        let mut excess = logs.len().saturating_sub(MAX_LOGS);
        if excess > 0 {
            complaint.get_or_insert(format!(
                "there are over {MAX_LOGS} logs; {excess} are not read, so narrow input.paths or \
                 split the pipeline"
            ));
            logs.retain(|path, _| {
                let keep = excess == 0 || self.logs.contains_key(path);
                excess -= usize::from(!keep);
                keep
            });
        }
    }

    /// Notes what there is now; gives what differs from before.
    fn take(&mut self, logs: Logs) -> Vec<Arc<Log>> {
        let before = std::mem::replace(&mut self.logs, logs);
        let gone = before.keys().filter(|path| !self.logs.contains_key(*path)).map(|path| {
            let (path, ground) = (path.clone(), Arc::clone(&self.ground));
            Arc::new(Log { path, ground, files: Vec::new() })
        });
        let fresh = self.logs.iter().filter(|(path, log)| before.get(*path) != Some(*log));
        gone.chain(fresh.map(|(_, log)| Arc::clone(log))).collect()
    }
}

impl Walking<'_> {
    /// Goes on with the pattern's part `at` in `dir`; `deep` directories were gone through for `**`.
    fn visit(&mut self, number: usize, pattern: &Pattern, at: usize, dir: &Path, deep: usize) {
        if !self.seen.insert((number, at, dir.to_owned())) {
            return;
        }
        let (part, last) = match pattern.parts.get(at) {
            Some(part) => (part, at + 1 == pattern.parts.len()),
            None => return,
        };
        if let (Part::Name(name), false) = (part, last) {
            self.enter(number, pattern, at + 1, &dir.join(name), deep);
            return;
        }
        let Some(entries) = self.list(dir) else { return };
        if matches!(part, Part::AnyDepth) {
            self.visit(number, pattern, at + 1, dir, deep);
        }
        for Entry { name, kind, .. } in entries.iter() {
            match part {
                // Links to directories are entered by their names only: else a walk may go round.
                Part::AnyDepth if *kind == Kind::Directory && deep < self.tree.patterns.depth => {
                    self.enter(number, pattern, at, &dir.join(name), deep + 1);
                }
                part if last && *kind != Kind::Directory => {
                    // Between a rotation and the next line there may be no other name than a rotated one.
                    let meant = |name: &OsStr| part.takes(name).then(|| name.to_owned());
                    let name = meant(name).or_else(|| meant(&log_of(name)?));
                    self.found.extend(name.map(|name| (dir.to_owned(), name)));
                }
                part if !last && *kind != Kind::File && part.takes(name) => {
                    self.enter(number, pattern, at + 1, &dir.join(name), deep);
                }
                _ => {}
            }
        }
    }

    fn enter(&mut self, number: usize, pattern: &Pattern, at: usize, dir: &Path, deep: usize) {
        if !self.tree.patterns.excludes(dir) {
            self.visit(number, pattern, at, dir, deep);
        }
    }

    fn complain(&mut self, sentence: String) {
        self.complaint.get_or_insert(sentence);
    }

    /// What is in a directory.
    fn list(&mut self, dir: &Path) -> Option<Arc<Vec<Entry>>> {
        if let Some(read) = self.listed.get(dir) {
            return read.as_ref().map(|listed| Arc::clone(&listed.entries));
        }
        if self.listed.len() >= MAX_DIRECTORIES || self.names >= MAX_NAMES {
            self.complain(format!(
                "there are over {MAX_DIRECTORIES} directories or {MAX_NAMES} names; {} and others \
                 are not looked into, so narrow input.paths or exclude some",
                dir.display()
            ));
            return None;
        }
        let before = self.tree.listed.get(dir);
        let read = match read(&self.tree.ground, dir, before, self.now, MAX_NAMES - self.names) {
            Ok(listed) => Some(listed),
            Err(fault) if is_absent(&fault) => {
                self.absent.insert(dir.to_owned());
                None
            }
            Err(fault) => {
                self.complain(format!("{} cannot be listed: {fault}", dir.display()));
                // What it held may still be there.
                self.absent.insert(dir.to_owned());
                before.map(|before| Listed { settled: false, ..before.clone() })
            }
        };
        self.names += read.as_ref().map_or(0, |listed| listed.entries.len());
        let entries = read.as_ref().map(|listed| Arc::clone(&listed.entries));
        self.listed.insert(dir.to_owned(), read);
        entries
    }

    /// The logs whose files were found, each with its rotated files.
    fn logs(&self, was_known: &dyn Fn(&Path) -> bool) -> Logs {
        let mut all = Vec::new();
        let mut found = self.found.iter().peekable();
        while let Some((dir, _)) = found.peek() {
            let mut names = BTreeSet::new();
            while let Some((_, name)) = found.next_if(|(other, _)| other == dir) {
                names.insert(name.as_os_str());
            }
            let Some(Some(listed)) = self.listed.get(dir) else { continue };
            for (log, files) in self.logs_of(dir, listed, &names, was_known) {
                all.push((files.iter().all(|file| file.by_link), dir.join(log), files));
            }
        }
        // A file that is reached by its name and by links is one log: that of its name.
        all.sort_by_key(|(by_link, ..)| *by_link);
        let mut reached: HashSet<(u64, u64)> = HashSet::new();
        let mut logs = Logs::new();
        for (_, path, files) in all {
            if files.iter().any(|file| !reached.contains(&file.inode)) {
                reached.extend(files.iter().map(|file| file.inode));
                let files = files.into_iter().map(|file| file.named).collect();
                let ground = Arc::clone(&self.tree.ground);
                logs.insert(path.clone(), Arc::new(Log { path, ground, files }));
            }
        }
        logs
    }

    /// The logs of a directory of which a file is in `wanted`, and their files by age.
    fn logs_of(
        &self,
        dir: &Path,
        listed: &Listed,
        wanted: &BTreeSet<&OsStr>,
        was_known: &dyn Fn(&Path) -> bool,
    ) -> BTreeMap<OsString, Vec<Reached>> {
        let there: HashSet<&OsStr> = listed.entries.iter().map(|entry| &*entry.name).collect();
        let known = |log: &str| {
            let path = || dir.join(log);
            there.contains(OsStr::new(log))
                || self.tree.logs.contains_key(&path())
                || was_known(&path())
        };
        let mut logs: BTreeMap<OsString, Vec<Reached>> = BTreeMap::new();
        let mut asked = HashSet::new();
        // Files first: a link to one of them is left out.
        let files = |wanted: Kind| listed.entries.iter().filter(move |entry| entry.kind == wanted);
        for entry in files(Kind::File).chain(files(Kind::Link)) {
            let path = dir.join(&entry.name);
            let Some((log, mut named)) = named(&path, entry, &known) else { continue };
            if wanted.contains(&*entry.name) || wanted.contains(&*log) {
                asked.insert(log.clone());
            }
            named.ground = Some(Arc::clone(&self.tree.ground));
            let by_link = entry.kind == Kind::Link;
            let inode =
                if by_link { self.target(&path) } else { Some((listed.device, entry.inode)) };
            if let Some(inode) = inode.filter(|_| !self.tree.patterns.excludes(&path)) {
                logs.entry(log).or_default().push(Reached { named, inode, by_link });
            }
        }
        logs.retain(|log, files| {
            files.sort_by(|one, other| one.named.cmp(&other.named));
            // While it is compressed, the original is still there.
            let plain = files.iter().filter(|file| !file.named.gzip);
            let plain: HashSet<_> = plain.map(|file| file.named.stamp.clone()).collect();
            files.retain(|Reached { named, .. }| !named.gzip || !plain.contains(&named.stamp));
            asked.contains(log) && !files.is_empty()
        });
        logs
    }

    /// Device and inode that a link leads to, if they are a file's.
    fn target(&self, path: &Path) -> Option<(u64, u64)> {
        let place = self.tree.ground.find(path).ok()?;
        let found = std::fs::File::from(place.handle).metadata().ok()?;
        found.is_file().then_some((found.dev(), found.ino()))
    }
}

/// The log that a file belongs to, and how.
fn named(path: &Path, entry: &Entry, known: &dyn Fn(&str) -> bool) -> Option<(OsString, Named)> {
    let named = Named::current(path.to_owned());
    let Some(name) = entry.name.to_str() else { return Some((entry.name.clone(), named)) };
    let Rotated { log, stamp, gzip } = rotations::of(name, known)?;
    Some((log.into(), Named { current: stamp.is_empty(), stamp, gzip, ..named }))
}

/// The log that a file may be a rotated one of.
fn log_of(name: &OsStr) -> Option<OsString> {
    rotations::of(name.to_str()?, &|_| true).map(|rotated| rotated.log.into())
}

fn is_absent(fault: &io::Error) -> bool {
    use io::ErrorKind::{NotADirectory, NotFound};
    matches!(fault.kind(), NotFound | NotADirectory)
}

/// Reads a directory, unless it is as it was `before`.
fn read(
    ground: &Ground,
    dir: &Path,
    before: Option<&Listed>,
    now: SystemTime,
    most: usize,
) -> io::Result<Listed> {
    let place = ground.find(dir)?;
    let look = || std::fs::metadata(place.proc_path());
    let found = look()?;
    if !found.is_dir() {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    let (device, inode, changed) = (found.dev(), found.ino(), found.modified()?);
    let same = |before: &&Listed| before.settled && before.identity() == (device, inode, changed);
    if let Some(before) = before.filter(same) {
        return Ok(before.clone());
    }
    let mut entries = entries(&place.proc_path(), most)?;
    // A rotation in the midst of a listing may hide a renamed file and show its successor: a
    // listing counts when it is made twice.
    for _ in 0..LISTINGS {
        if before.is_some_and(|before| *before.entries == entries) {
            break;
        }
        let again = self::entries(&place.proc_path(), most)?;
        let steady = again == entries;
        entries = again;
        if steady {
            break;
        }
    }
    let settled = changed + SETTLED < now && look()?.modified()? == changed;
    let entries = Arc::new(entries);
    Ok(Listed { device, inode, changed, settled, here: place.here, entries })
}

/// The names in a directory, at most so many, in order.
fn entries(dir: &str, most: usize) -> io::Result<Vec<Entry>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir)?.take(most) {
        let entry = entry?;
        if let Some(kind) = entry.file_type().ok().and_then(Kind::of) {
            found.push(Entry { name: entry.file_name(), kind, inode: entry.ino() });
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests;
