//! The files of one source in the order of their lines: which are new, which are known by another
//! name, which are copies, which are gone; which is read now and when it is at its end.
//!
//! A container's directory lists itself (`listing`); of other files a `tree` says what there is.
//! The runtime writes to one file at a time. Other programs may write to one that was rotated for as
//! long as they like, so it is read on when it has grown; and who rotates may copy a file and
//! truncate it, so the copy goes on where the file was before.

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::counters::{self, Counters};
use crate::files::{LogFile, Place, Saved, ALL};
use crate::identity::Identity;
use crate::listing::{self, Log, Named};

/// A renamed file may get lines until the runtime has opened its successor; so its end is its end
/// when it was silent for that long.
const LINGER: Duration = Duration::from_millis(250);

/// The same when the successor has lines already: only what was on its way can still come.
const LINGER_REOPENED: Duration = Duration::from_millis(50);

/// The same of a container that was started anew: its former life had ended before, so that only what
/// was written between the last read and the first line of the new one can be there still.
const LINGER_RESTARTED: Duration = Duration::from_millis(5);

/// The same where several processes may write to one file and reopen it one by one. What comes later
/// still is read after what the successor has.
const LINGER_PROGRAMS: Duration = Duration::from_secs(1);

/// How often a directory is listed again while it changes.
const LISTINGS: usize = 4;

/// Truncated files remembered, to know their copies: some rotations between two looks.
const GHOSTS: usize = 8;

/// Finished files remembered, to know their compressed copies; the kubelet keeps far fewer.
const REMEMBERED: usize = 32;

/// Where the names of the files come from.
#[derive(Debug)]
pub enum Names {
    /// The log directory of a container.
    Directory(PathBuf),
    /// What was found by a tree; nothing more comes when there are none.
    Given(Arc<Log>),
}

/// The files of one source.
#[derive(Debug)]
pub struct Chain {
    names: Names,
    files: VecDeque<LogFile>,
    numbered: u64,
    restored: Vec<Saved>,
    /// A file that was not read to its end when the agent ended is gone.
    gap: bool,
    /// What files were that were truncated, for the copies that may have been made of them.
    ghosts: VecDeque<LogFile>,
    /// How much of a file that is there at the first listing is read; None is all.
    tail: Option<u64>,
    /// It was listed before: what a tree said at the start may have been old.
    listed: bool,
}

impl Chain {
    /// Files that begin where `restored` says; at the first listing, others end with `tail` bytes that
    /// are read, where that is given.
    #[must_use]
    pub fn new(names: Names, restored: Vec<Saved>, tail: Option<u64>) -> Self {
        Self {
            names,
            files: VecDeque::new(),
            numbered: 0,
            restored,
            gap: false,
            ghosts: VecDeque::new(),
            tail,
            listed: false,
        }
    }

    /// Takes what a tree found.
    pub fn give(&mut self, log: Arc<Log>) {
        self.names = Names::Given(log);
    }

    /// Whether the names come from a tree.
    #[must_use]
    pub fn is_given(&self) -> bool {
        matches!(self.names, Names::Given(_))
    }

    /// Whether a tree found that nothing is left of it.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        matches!(&self.names, Names::Given(log) if log.files.is_empty())
    }

    /// The log that a tree found.
    #[must_use]
    pub fn log(&self) -> Option<&Log> {
        match &self.names {
            Names::Given(log) => Some(log),
            Names::Directory(_) => None,
        }
    }

    /// Files it knows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Whether it knows none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Each of them, in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &LogFile> {
        self.files.iter()
    }

    /// The file at `at`.
    pub fn get_mut(&mut self, at: usize) -> Option<&mut LogFile> {
        self.files.get_mut(at)
    }

    /// The first file that is not at its end, which is the one that is read.
    #[must_use]
    pub fn reading(&self) -> Option<usize> {
        self.files.iter().position(|file| !file.finished())
    }

    /// Gives the file at `at` its number, if it is begun now.
    pub fn begin(&mut self, at: usize) {
        if let Some(file) = self.files.get_mut(at).filter(|file| file.number == 0) {
            self.numbered += 1;
            file.number = self.numbered;
        }
    }

    /// The file at `at` was truncated: a copy of what it was may appear.
    pub fn truncated(&mut self, at: usize) {
        let ghost = self.files.get_mut(at).and_then(LogFile::take_ghost);
        self.ghosts.extend(ghost.filter(|_| self.is_given()).map(|ghost| *ghost));
        while self.ghosts.len() > GHOSTS {
            self.ghosts.pop_front();
        }
    }

    /// Looks what there is; everything before `acknowledged` need not be remembered.
    ///
    /// # Errors
    /// A file or the directory cannot be read.
    pub fn list(&mut self, acknowledged: Place, counters: &Counters) -> io::Result<()> {
        let named = self.steady_listing()?;
        for file in &mut self.files {
            file.linked = false;
        }
        let mut fresh = Vec::new();
        let mut stale = named.is_empty();
        for each in &named {
            match each.look() {
                Ok(seen) if self.recognise(Identity::from(&seen), each) => {}
                Ok(seen) => fresh.push((Identity::from(&seen), each)),
                // It has another name now, of which a tree tells.
                Err(fault) if fault.kind() == io::ErrorKind::NotFound => stale |= self.is_given(),
                Err(fault) => return Err(fault),
            }
        }
        let mut opened = Vec::new();
        // When all names are up to date, which say where a fresh one belongs.
        for (identity, each) in fresh {
            if self.recognise(identity, each) {
                continue;
            }
            match LogFile::open(each) {
                Ok(file) => opened.push(file),
                // Removed since it was listed: the next listing knows what became of it.
                Err(fault) if fault.kind() == io::ErrorKind::NotFound => {}
                // No log, and no reason to leave the logs beside it unread.
                Err(fault) if is_no_log(&fault) => counters.error(&fault.to_string()),
                Err(fault) => return Err(fault),
            }
        }
        self.take_in(opened, acknowledged)?;
        self.tail = None;
        let first = !std::mem::replace(&mut self.listed, true);
        if !(stale || first && self.is_given()) {
            self.count_vanished(counters);
        }
        let done =
            |file: &LogFile| file.finished() && !file.linked && file.number < acknowledged.file;
        while self.files.len() > REMEMBERED && self.files.front().is_some_and(done) {
            self.files.pop_front();
        }
        Ok(())
    }

    /// Notes what a known file is called now; false when it is none.
    fn recognise(&mut self, identity: Identity, named: &Named) -> bool {
        let known = self.files.iter_mut().find(|file| file.is(identity));
        known.map(|file| (file.linked, file.named) = (true, named.clone())).is_some()
    }

    /// The files by name. A rotation in the midst of a listing may hide a renamed file and show
    /// its successor, which then would be read first: a listing counts when it is made twice.
    fn steady_listing(&self) -> io::Result<Vec<Named>> {
        let dir = match &self.names {
            Names::Directory(dir) => dir,
            Names::Given(log) => return Ok(log.files.clone()),
        };
        let mut listed = listing::list(dir)?;
        let known = |each: &Named| self.files.iter().any(|file| file.named == *each);
        for _ in 0..LISTINGS {
            if listed.iter().all(known) {
                break;
            }
            let again = listing::list(dir)?;
            if again == listed {
                break;
            }
            listed = again;
        }
        Ok(listed)
    }

    /// Takes fresh files in, each where it was left. A checkpoint's own inode wins over a file that
    /// only begins with the same bytes.
    fn take_in(&mut self, opened: Vec<LogFile>, acknowledged: Place) -> io::Result<()> {
        let mut found = Vec::new();
        for file in opened {
            let own = |saved: &Saved| file.has_inode_of(saved) && file.matches(saved);
            let saved = self.restored.iter().position(own).map(|at| self.restored.swap_remove(at));
            found.push((file, saved));
        }
        for (file, saved) in found {
            if saved.is_none() && self.is_copy(&file)? {
                continue;
            }
            let alike = || self.restored.iter().position(|saved| file.matches(saved));
            let saved = match saved {
                Some(saved) => Some(saved),
                None => alike().map(|at| self.restored.swap_remove(at)),
            };
            self.discover(file, saved, acknowledged)?;
        }
        Ok(())
    }

    /// Whether a fresh file's bytes are known already.
    fn is_copy(&mut self, file: &LogFile) -> io::Result<bool> {
        if file.named.gzip {
            for known in &mut self.files {
                known.refresh_head()?;
            }
            let given = self.is_given();
            let original = |known: &&LogFile| {
                let grew = given && known.finished() && known.was_copied_to(file);
                known.same_content(file) || grew
            };
            let Some(known) = self.files.iter().find(original) else { return Ok(false) };
            if !given || !known.finished() || file.unpacks_to(known.offset)? {
                return Ok(true);
            }
            // Somebody wrote to it after it was read, and it was compressed before the next look.
            self.ghosts.push_back(known.ghost());
            return Ok(false);
        }
        if !self.is_given() || file.named.current {
            return Ok(false);
        }
        let original = |known: &LogFile| {
            known.linked && known.named.current && !known.finished() && known.was_copied_to(file)
        };
        let Some(at) = self.files.iter().position(original) else { return Ok(false) };
        if let Some(known) = self.files.get_mut(at) {
            if !known.check()? {
                // Until the file is truncated it has all that its copy has, and more.
                return Ok(true);
            }
        }
        self.truncated(at);
        Ok(false)
    }

    fn discover(
        &mut self,
        mut file: LogFile,
        saved: Option<Saved>,
        acknowledged: Place,
    ) -> io::Result<()> {
        match saved {
            Some(saved) if saved.offset == ALL => file.skip(0)?,
            Some(saved) => drop(file.seek(saved.offset)?),
            None => match (self.tail, self.take_ghost_of(&file)) {
                (_, Some(ghost)) => file.follow(ghost, acknowledged)?,
                (Some(tail), None) => file.skip(if file.named.current { tail } else { 0 })?,
                (None, None) => {}
            },
        }
        // Before the first one written later and not begun; what has no name any more is older.
        // A program's log that is begun goes on after it.
        let given = self.is_given();
        let not_read = |each: &LogFile| each.number == 0 || (given && !each.finished());
        let later = |each: &LogFile| each.linked && not_read(each) && each.named > file.named;
        let at = self.files.iter().position(later).unwrap_or(self.files.len());
        self.files.insert(at, file);
        if given {
            self.interrupt(acknowledged);
        }
        Ok(())
    }

    /// What was truncated and has this copy.
    fn take_ghost_of(&mut self, copy: &LogFile) -> Option<LogFile> {
        let at = self.ghosts.iter().position(|ghost| ghost.was_copied_to(copy))?;
        self.ghosts.remove(at)
    }

    /// Files that a checkpoint remembers and no directory names any more.
    fn count_vanished(&mut self, counters: &Counters) {
        for saved in std::mem::take(&mut self.restored) {
            self.gap |= !saved.finished || saved.size > saved.offset;
            count_lost(&saved, counters);
        }
    }

    /// Opens what was read to its end and has grown since; true if there is such a file.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn reopen(&mut self, acknowledged: Place) -> io::Result<bool> {
        if !self.is_given() {
            return Ok(false);
        }
        let mut any = false;
        for file in &mut self.files {
            match file.reopen(acknowledged) {
                Ok(grown) => any |= grown,
                Err(fault) if fault.kind() == io::ErrorKind::NotFound => {}
                Err(fault) => return Err(fault),
            }
        }
        if any {
            self.interrupt(acknowledged);
        }
        Ok(any)
    }

    /// Whatever is begun goes on after what comes before it now.
    fn interrupt(&mut self, acknowledged: Place) {
        for file in self.files.iter_mut().filter(|file| !file.finished()) {
            file.interrupt(acknowledged);
        }
    }

    /// Closes files that are read to where they end until they have more.
    pub fn rest(&mut self) {
        self.files.iter_mut().for_each(LogFile::rest);
    }

    /// Lets go of every file that keeps a volume from being unmounted, read or not.
    pub fn release(&mut self, counters: &Counters) {
        for file in self.files.iter_mut().filter(|file| !file.finished()) {
            let named = &file.named;
            if named.ground.as_ref().is_some_and(|ground| ground.is_mounted(&named.path)) {
                let unread = file.abandon();
                counters.lose("volume_released", unread);
                counters::add(&counters.lost_files, u64::from(unread > 0));
            }
        }
    }

    /// Gives up the oldest file that no name leads to and that is not read to its end; false when
    /// there is none.
    pub fn give_up_deleted(&mut self, counters: &Counters) -> bool {
        let deleted = |file: &&mut LogFile| !file.linked && !file.finished();
        let Some(file) = self.files.iter_mut().find(deleted) else { return false };
        let unread = file.abandon();
        counters.lose("deleted_file", unread);
        counters::add(&counters.lost_files, u64::from(unread > 0));
        true
    }

    /// The file that is written after the one at `at`. A copy that somebody puts beside the current
    /// file is none: the runtime goes on with the current one.
    fn successor(&self, at: usize) -> Option<&LogFile> {
        let file = self.files.get(at)?;
        // What no name leads to any more may have been rotated since it was last seen by one.
        let follows = |next: &&LogFile| !file.linked || next.named > file.named;
        self.files.iter().skip(at + 1).find(follows)
    }

    /// How long the file at `at` must have been silent to be at its end; None while it goes on.
    #[must_use]
    pub fn linger(&self, at: usize, ended: bool) -> Option<Duration> {
        let file = self.files.get(at)?;
        let next = self.successor(at);
        if next.is_none() && !ended {
            return None;
        }
        if file.named.gzip {
            return Some(Duration::ZERO);
        }
        if self.is_given() && !ended {
            // Nobody has written to a later one: who writes, writes to this one.
            let goes_on = file.linked && self.files.iter().skip(at + 1).all(LogFile::is_empty);
            return (!goes_on).then_some(LINGER_PROGRAMS);
        }
        Some(match next {
            // It was rotated away before the last rotation: nobody has it open for writing.
            Some(next) if !next.named.current => Duration::ZERO,
            Some(next) if next.is_empty() => LINGER,
            Some(next) if next.named.restart > file.named.restart => LINGER_RESTARTED,
            Some(_) => LINGER_REOPENED,
            None => LINGER,
        })
    }

    /// Whether there is nothing behind the file that is read.
    #[must_use]
    pub fn is_last(&self) -> bool {
        let mut behind = self.files.iter().filter(|file| !file.finished()).skip(1);
        behind.all(|file| self.is_given() && file.is_empty())
    }

    /// Whether lines are missing since the last call: what comes now does not go on from before.
    pub fn take_gap(&mut self) -> bool {
        std::mem::take(&mut self.gap)
    }

    /// What a checkpoint says, for another chain of the same source.
    pub fn take_restored(&mut self) -> Vec<Saved> {
        std::mem::take(&mut self.restored)
    }

    /// Everything before it was given out.
    #[must_use]
    pub fn read_place(&self) -> Place {
        let last = || self.files.iter().max_by_key(|file| file.number);
        let reading = self.files.iter().find(|file| !file.finished()).or_else(last);
        reading.map_or_else(Place::default, |file| match file.number {
            // Not begun: all before it is, and so is its own beginning, wherever that is.
            0 => Place { file: self.numbered + 1, offset: 0 },
            file_number => Place { file: file_number, offset: file.offset },
        })
    }

    /// What to remember when everything before `place` is acknowledged.
    #[must_use]
    pub fn saved(&self, place: Place) -> Vec<Saved> {
        let known = self.files.iter().chain(&self.ghosts).map(|file| file.saved(place));
        known.chain(self.restored.iter().cloned()).collect()
    }
}

/// Counts what is lost of a file that a checkpoint remembers and that is no more.
pub fn count_lost(saved: &Saved, counters: &Counters) {
    let unread = saved.size.saturating_sub(saved.offset);
    counters.lose("file_gone", unread);
    if unread > 0 || !saved.finished {
        // How much was written to it after the last look nobody can say.
        counters::add(&counters.lost_files, 1);
    }
}

/// Whether the file itself is the reason, which will be the same tomorrow.
fn is_no_log(fault: &io::Error) -> bool {
    use io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};
    matches!(fault.kind(), InvalidInput | InvalidData | UnexpectedEof)
}
