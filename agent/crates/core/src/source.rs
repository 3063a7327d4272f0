//! One container of one pipeline: its files in order, its lines joined, its records in batches.
//!
//! `slot` calls [`Reader::step`] when something was heard or a time has come; it reads a little, hands
//! full batches to the lane, and says when it wants to be called again.

mod standing;

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::batch::Batch;
use crate::checkpoints::Standing;
use crate::counters::{self, Counters};
use crate::delivery::{Lane, Package};
use crate::files::{Found, Identity, LogFile, Saved, Scratch};
use crate::joining::{Joiner, Rule};
use crate::lines::take;
use crate::listing;
use crate::parsing::Shaper;
use crate::plan::{Compression, Settings, Source};
use crate::progress::{Milestone, Progress};
use crate::schedule::Rest;
use crate::slot::State;
use crate::terms::Terms;

/// Chunks read from one source before others have their turn.
const CHUNKS: usize = 4;

/// A renamed file may get lines until the runtime has opened its successor; so its end is its end
/// when it was silent for that long.
const LINGER: Duration = Duration::from_millis(250);

/// The same when the successor has lines already: only what was on its way can still come.
const LINGER_REOPENED: Duration = Duration::from_millis(50);

/// Between two attempts to hand a package to a lane that is full.
const FULL_LANE: Duration = Duration::from_millis(20);

/// How often a directory is listed again while it changes.
const LISTINGS: usize = 4;

/// Finished files remembered, to know their compressed copies; the kubelet keeps far fewer.
const REMEMBERED: usize = 32;

/// What a step needs of the pipeline around the source.
#[derive(Debug)]
pub struct Surroundings<'a> {
    /// Of the whole core.
    pub settings: &'a Settings,
    /// The way to the destination.
    pub lane: &'a Lane,
    /// Of the pipeline.
    pub counters: &'a Arc<Counters>,
    /// Of request bodies.
    pub compression: Compression,
    /// What the pipeline agreed about its delivery.
    pub terms: &'a Arc<Terms>,
}

/// Reads one source.
#[derive(Debug)]
pub struct Reader {
    spec: Source,
    files: VecDeque<LogFile>,
    numbered: u64,
    restored: Vec<Saved>,
    joiner: Joiner,
    /// Whether its records are to arrive exactly once.
    once: bool,
    batch: Batch,
    waiting: Option<Package>,
    progress: Arc<Progress>,
    listed: bool,
    quiet_since: Option<Instant>,
    at_end: bool,
    /// Lines read.
    pub lines: u64,
}

impl Reader {
    /// A reader that begins where `restored` says, and at the beginning of any other file.
    #[must_use]
    pub fn new(
        spec: Source,
        restored: Standing,
        progress: Arc<Progress>,
        rule: Option<Rule>,
        max_line: usize,
    ) -> Self {
        let Standing { files: restored, carried, .. } = restored;
        let mut joiner = Joiner::new(rule, max_line);
        joiner.carry(carried, Instant::now());
        Self {
            spec,
            files: VecDeque::new(),
            numbered: 0,
            restored,
            joiner,
            once: false,
            batch: Batch::default(),
            waiting: None,
            progress,
            listed: false,
            quiet_since: None,
            at_end: false,
            lines: 0,
        }
    }

    /// Takes a changed description; records read before keep the old tags.
    pub fn update(&mut self, spec: Source, around: &Surroundings<'_>) {
        if self.spec != spec {
            self.seal(around);
            self.spec = spec;
        }
    }

    /// Reads and hands over a little at `now`, after a look at the directory where `look` says so;
    /// gives the time for the next step.
    ///
    /// # Errors
    /// A file or the directory cannot be read; the next step tries again.
    pub fn step(
        &mut self,
        around: &Surroundings<'_>,
        scratch: &mut Scratch,
        look: bool,
        now: Instant,
    ) -> io::Result<Rest> {
        self.once = around.lane.once();
        if look || !self.listed {
            self.listed = false;
            self.list(around)?;
            self.listed = true;
        }
        if !self.push_waiting(around) {
            return Ok(Rest { until: Some(now + FULL_LANE), fed: false });
        }
        let fed = self.read(around, scratch, now)?;
        let Self { joiner, batch, .. } = self;
        joiner.flush_old(now, &mut |record| batch.add(record, now));
        self.seal_full(around);
        let age = Duration::from_secs_f64(around.settings.batch_seconds.max(0.0));
        if self.batch.began.is_some_and(|began| now.duration_since(began) >= age) {
            self.seal(around);
        }
        Ok(Rest { until: self.until(fed, age, now), fed: fed && self.at_end })
    }

    /// When there is something to do though nothing is heard.
    fn until(&self, fed: bool, batch_age: Duration, now: Instant) -> Option<Instant> {
        if self.waiting.is_some() {
            return Some(now + FULL_LANE);
        }
        if fed && !self.at_end {
            return Some(now);
        }
        let unfinished = self.files.iter().position(|file| !file.finished());
        let silent = self.quiet_since.zip(unfinished).map(|(quiet, at)| quiet + self.linger(at));
        let full = self.batch.began.map(|began| began + batch_age);
        [silent, full, self.joiner.due()].into_iter().flatten().min()
    }

    /// Where something may happen to it: its own directory, and where links lead, as docker's do.
    #[must_use]
    pub fn directories(&self) -> Vec<PathBuf> {
        let mut found = vec![self.spec.dir.clone()];
        let open = self.files.iter().filter(|file| !file.finished());
        let targets = open.filter_map(|file| file.named.link_target());
        found.extend(targets.filter_map(|target| target.parent().map(Path::to_path_buf)));
        found
    }

    fn list(&mut self, around: &Surroundings<'_>) -> io::Result<()> {
        let named = self.steady_listing()?;
        for file in &mut self.files {
            file.linked = false;
        }
        let mut fresh = Vec::new();
        for each in &named {
            match Identity::of(&each.path) {
                Ok(identity) if self.recognise(identity, each) => {}
                Ok(identity) => fresh.push((identity, each)),
                Err(fault) if fault.kind() == io::ErrorKind::NotFound => {}
                Err(fault) => return Err(fault),
            }
        }
        // When all names are up to date, which say where a fresh one belongs.
        for (identity, each) in fresh {
            if self.recognise(identity, each) {
                continue;
            }
            match self.discover(each) {
                // Removed since it was listed: the next listing knows what became of it.
                Err(fault) if fault.kind() == io::ErrorKind::NotFound => {}
                // No log, and no reason to leave the logs beside it unread.
                Err(fault) if fault.kind() == io::ErrorKind::InvalidInput => {
                    around.counters.error(&fault.to_string());
                }
                outcome => outcome?,
            }
        }
        if !named.is_empty() {
            self.count_vanished(around);
        }
        let place = self.checkpoint_place();
        let done = |file: &LogFile| file.finished() && !file.linked && file.number < place.file;
        while self.files.len() > REMEMBERED && self.files.front().is_some_and(done) {
            self.files.pop_front();
        }
        Ok(())
    }

    /// Notes what a known file is called now; false when it is none.
    fn recognise(&mut self, identity: Identity, named: &listing::Named) -> bool {
        let known = self.files.iter_mut().find(|file| file.is(identity));
        known.map(|file| (file.linked, file.named) = (true, named.clone())).is_some()
    }

    /// The files by name. A rotation in the midst of a listing may hide a renamed file and show
    /// its successor, which then would be read first: a listing counts when it is made twice.
    fn steady_listing(&self) -> io::Result<Vec<listing::Named>> {
        let mut listed = listing::list(&self.spec.dir)?;
        let known = |each: &listing::Named| self.files.iter().any(|file| file.named == *each);
        for _ in 0..LISTINGS {
            if listed.iter().all(known) {
                break;
            }
            let again = listing::list(&self.spec.dir)?;
            if again == listed {
                break;
            }
            listed = again;
        }
        Ok(listed)
    }

    fn discover(&mut self, named: &listing::Named) -> io::Result<()> {
        let mut file = LogFile::open(named)?;
        if named.gzip {
            for known in &mut self.files {
                known.refresh_head()?;
            }
            if self.files.iter().any(|known| known.same_content(&file)) {
                return Ok(());
            }
        }
        let by_inode =
            self.restored.iter().position(|saved| file.has_inode_of(saved) && file.matches(saved));
        let found = by_inode.or_else(|| self.restored.iter().position(|saved| file.matches(saved)));
        if let Some(at) = found {
            let saved = self.restored.swap_remove(at);
            file.seek(saved.offset)?;
        }
        // Before the first one written later and not begun; what has no name any more is older.
        let later = |each: &LogFile| each.linked && each.number == 0 && each.named > file.named;
        let at = self.files.iter().position(later).unwrap_or(self.files.len());
        self.files.insert(at, file);
        Ok(())
    }

    /// Files that a checkpoint remembers and no directory names any more.
    fn count_vanished(&mut self, around: &Surroundings<'_>) {
        for saved in std::mem::take(&mut self.restored) {
            let unread = saved.size.saturating_sub(saved.offset);
            around.counters.lose("file_gone", unread);
            if unread > 0 || !saved.finished {
                // How much was written to it after the last look nobody can say.
                counters::add(&around.counters.lost_files, 1);
            }
        }
    }

    fn read(
        &mut self,
        around: &Surroundings<'_>,
        scratch: &mut Scratch,
        now: Instant,
    ) -> io::Result<bool> {
        let mut any = false;
        for _ in 0..CHUNKS {
            if self.waiting.is_some() {
                break;
            }
            let Some(at) = self.files.iter().position(|file| !file.finished()) else { break };
            let read = self.read_chunk(at, around, scratch, now)?;
            self.seal_full(around);
            if read != Found::End {
                self.quiet_since = None;
                self.at_end = false;
                any = true;
                continue;
            }
            self.at_end = true;
            if self.successor(at).is_none() && !self.spec.ended {
                self.quiet_since = None;
                break;
            }
            let quiet = *self.quiet_since.get_or_insert(now);
            if now.duration_since(quiet) < self.linger(at) {
                break;
            }
            self.finish(at, around, now);
            self.quiet_since = None;
            self.at_end = at + 1 == self.files.len();
            any = true;
        }
        Ok(any)
    }

    /// The file that is written after the one at `at`. A copy that somebody puts beside the current
    /// file is none: the runtime goes on with the current one.
    fn successor(&self, at: usize) -> Option<&LogFile> {
        let file = self.files.get(at)?;
        // What no name leads to any more may have been rotated since it was last seen by one.
        let follows = |next: &&LogFile| !file.linked || next.named > file.named;
        self.files.iter().skip(at + 1).find(follows)
    }

    /// How long the file at `at` must have been silent to be at its end.
    fn linger(&self, at: usize) -> Duration {
        match (self.files.get(at), self.successor(at)) {
            (Some(file), _) if file.named.gzip => Duration::ZERO,
            // It was rotated away before the last rotation: nobody has it open for writing.
            (_, Some(next)) if !next.named.current => Duration::ZERO,
            (_, Some(next)) if !next.is_empty() => LINGER_REOPENED,
            _ => LINGER,
        }
    }

    fn read_chunk(
        &mut self,
        at: usize,
        around: &Surroundings<'_>,
        scratch: &mut Scratch,
        now: Instant,
    ) -> io::Result<Found> {
        let Self { files, joiner, batch, spec, lines, numbered, .. } = self;
        let Some(file) = files.get_mut(at) else { return Ok(Found::End) };
        if file.number == 0 {
            *numbered += 1;
            file.number = *numbered;
        }
        let mut count = 0;
        let read = file.read(scratch, &mut |line, place| {
            count += 1;
            take(line, place, now, joiner, &spec.streams, batch);
            !batch.full(around.settings)
        })?;
        *lines += count;
        match read {
            Found::Bytes(bytes) => counters::add(&around.counters.read_bytes, bytes as u64),
            Found::Rewritten(bytes) => around.counters.lose("truncated", bytes as u64),
            Found::End => {}
        }
        counters::add(&around.counters.read_lines, count);
        around.counters.lose("line_too_long", joiner.take_cut());
        Ok(read)
    }

    fn finish(&mut self, at: usize, around: &Surroundings<'_>, now: Instant) {
        let last = at + 1 == self.files.len();
        let Self { files, joiner, batch, spec, .. } = self;
        if let Some(file) = files.get_mut(at) {
            file.finish(&mut |line, place| {
                take(line, place, now, joiner, &spec.streams, batch);
                true
            });
        }
        if last && spec.ended {
            joiner.flush_all(&mut |record| batch.add(record, now));
            self.seal(around);
        }
        self.seal_full(around);
    }

    /// Hands a full batch to the lane.
    fn seal_full(&mut self, around: &Surroundings<'_>) {
        if self.batch.full(around.settings) {
            self.seal(around);
        }
    }

    fn seal(&mut self, around: &Surroundings<'_>) {
        if self.batch.logs == 0 || !self.push_waiting(around) {
            return;
        }
        let end = self.read_place();
        let package = Package {
            sealed: self.batch.seal(&self.spec, around.compression),
            milestone: Milestone { end, files: self.saved_at(end), carried: self.carried() },
            source: Arc::clone(&self.progress),
            counters: Arc::clone(around.counters),
            terms: Arc::clone(around.terms),
            manner: around.terms.manner(&self.spec),
        };
        self.waiting = Some(package);
        self.push_waiting(around);
    }

    fn push_waiting(&mut self, around: &Surroundings<'_>) -> bool {
        if let Some(package) = self.waiting.take() {
            self.waiting = around.lane.push(package).err();
        }
        self.waiting.is_none()
    }

    /// What of it is acknowledged.
    #[must_use]
    pub fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.progress)
    }

    /// Joins by another rule from now on; what is unfinished is finished by the old one.
    pub fn change_rule(&mut self, rule: Option<Rule>) {
        let Self { joiner, batch, .. } = self;
        let now = Instant::now();
        joiner.flush_all(&mut |record| batch.add(record, now));
        joiner.change_rule(rule);
    }

    /// Takes records apart by another shaper from now on.
    pub fn change_shaper(&mut self, shaper: Option<Shaper>, counters: &Arc<Counters>) {
        self.batch.change_shaper(shaper, counters);
    }

    /// Files it knows.
    #[must_use]
    pub fn files(&self) -> usize {
        self.files.len()
    }

    /// Age of the oldest record not acknowledged.
    #[must_use]
    pub fn lag(&self, now: Instant) -> Duration {
        let oldest = self.progress.since().into_iter().chain(self.batch.began).min();
        oldest.map_or(Duration::ZERO, |since| now.duration_since(since))
    }

    /// What it is doing.
    #[must_use]
    pub fn state(&self) -> State {
        if self.spec.ended && self.idle() && self.files.iter().all(LogFile::finished) {
            return State::Drained;
        }
        if self.files.is_empty() {
            State::Waiting
        } else {
            State::Reading
        }
    }

    /// Whether everything read is acknowledged and every file is at its end.
    #[must_use]
    pub fn idle(&self) -> bool {
        let last_only = self.files.iter().filter(|file| !file.finished()).count() <= 1;
        let read = self.files.is_empty() || (self.at_end && last_only);
        let held = self.batch.logs > 0 || self.waiting.is_some() || self.joiner.begin().is_some();
        self.listed && read && !held && self.progress.place().1
    }

    /// Hands over what is read; unfinished records are read again.
    pub fn flush(&mut self, around: &Surroundings<'_>) {
        self.seal(around);
    }

    /// Whether it still holds a package that the lane had no room for.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.waiting.is_some() || self.batch.logs > 0
    }

    /// Deleted files that it still reads.
    #[must_use]
    pub fn open_deleted(&self) -> usize {
        self.files.iter().filter(|file| !file.linked && !file.finished()).count()
    }
}
