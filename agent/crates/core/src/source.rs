//! One container of one pipeline, or one log: its files in order ([`chain`](crate::chain)), its lines
//! joined, its records in batches.
//!
//! `slot` calls [`Reader::step`] when something was heard or a time has come; it reads a little, hands
//! full batches to the lane, and says when it wants to be called again.

mod glance;
mod standing;

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::batch::Batch;
use crate::carried::Carried;
use crate::chain::{Chain, Names};
use crate::checkpoints::Standing;
use crate::counters::{self, Counters};
use crate::delivery::{Lane, Package};
use crate::files::{Found, LogFile, Place, Scratch};
use crate::joining::{Joiner, Rule};
use crate::lines::Form;
use crate::listing::Log;
use crate::parsing::Shaper;
use crate::plan::{Compression, Settings, Source};
use crate::progress::{Milestone, Progress};
use crate::schedule::Rest;
use crate::slot::State;
use crate::terms::{Manner, Terms};

pub use glance::Glance;

/// Chunks read from one source before others have their turn.
const CHUNKS: usize = 4;

/// Between two attempts to hand a package to a lane that is full.
const FULL_LANE: Duration = Duration::from_millis(20);

/// Files of an ended container that lie in a mounted volume are read for that long, which is the time
/// to the end of all but a backlog. A pod's end waits for its volumes, and half a minute is its usual
/// grace.
const RELEASE: Duration = Duration::from_secs(5);

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

/// What a source wants to hear of.
#[derive(Debug, PartialEq, Eq)]
pub enum Wanted {
    /// All that happens in these directories.
    Directories(Vec<PathBuf>),
    /// New bytes of one log in a directory.
    Log(PathBuf, OsString),
}

/// Reads one source.
#[derive(Debug)]
pub struct Reader {
    spec: Source,
    chain: Chain,
    form: Form,
    joiner: Joiner,
    /// Whether its records are to arrive exactly once.
    once: bool,
    batch: Batch,
    waiting: VecDeque<Package>,
    /// By what terms its records are told apart.
    terms: Option<Arc<Terms>>,
    /// Everything before it was sealed, and what was not finished there.
    sealed: Option<(Place, Vec<Carried>)>,
    progress: Arc<Progress>,
    listed: bool,
    quiet_since: Option<Instant>,
    ended_since: Option<Instant>,
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
        let names = Names::Directory(spec.dir.clone());
        Self {
            form: Form::of(&spec),
            chain: Chain::new(names, restored, None),
            joiner,
            once: false,
            batch: Batch::new(spec.files.is_some()),
            spec,
            waiting: VecDeque::new(),
            terms: None,
            sealed: None,
            progress,
            listed: false,
            quiet_since: None,
            ended_since: None,
            at_end: false,
            lines: 0,
        }
    }

    /// Reads what a tree found instead; of files that are there already the last `tail` bytes, where
    /// that is given.
    #[must_use]
    pub fn given(mut self, log: Arc<Log>, tail: Option<u64>) -> Self {
        let restored = self.chain.take_restored();
        self.chain = Chain::new(Names::Given(log), restored, tail);
        self
    }

    /// Takes what a tree found now.
    pub fn give(&mut self, log: Arc<Log>) {
        self.chain.give(log);
        self.listed = false;
    }

    /// Whether nothing more will be written.
    fn ended(&self) -> bool {
        self.spec.ended || self.chain.is_gone()
    }

    /// Takes a changed description; records read before keep the old tags.
    pub fn update(&mut self, spec: Source, around: &Surroundings<'_>) {
        if self.spec != spec {
            self.seal(around);
            self.form = Form::of(&spec);
            self.spec = spec;
            self.terms = None;
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
        self.release(around.counters, now);
        if look || !self.listed {
            self.listed = false;
            self.chain.list(self.checkpoint_place(), around.counters)?;
            self.listed = true;
            if self.chain.take_gap() && self.joiner.has_carried() {
                // The rest of what a checkpoint carried went away with its file.
                let Self { joiner, batch, .. } = self;
                let lost = joiner.end_at_gap(&mut |record| batch.add(record, now));
                around.counters.lose("file_gone", lost);
            }
        }
        if !self.push_waiting(around) {
            return Ok(Rest { until: Some(now + FULL_LANE), fed: false });
        }
        self.agree(around);
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

    /// Tells records apart as the pipeline wants it, once those that were not are sealed.
    fn agree(&mut self, around: &Surroundings<'_>) {
        if self.terms.as_ref().is_some_and(|terms| Arc::ptr_eq(terms, around.terms)) {
            return;
        }
        self.seal(around);
        if self.batch.logs == 0 {
            self.terms = Some(Arc::clone(around.terms));
            self.batch.shard(around.terms.sharding(&self.spec).filter(|_| !self.once));
        }
    }

    /// Of a container that has ended nothing is held that its pod's end may wait for.
    fn release(&mut self, counters: &Counters, now: Instant) {
        if self.spec.ended && self.chain.is_given() {
            let since = *self.ended_since.get_or_insert(now);
            if now.duration_since(since) >= RELEASE {
                self.chain.release(counters);
            }
        } else {
            self.ended_since = None;
        }
    }

    /// When there is something to do though nothing is heard.
    fn until(&self, fed: bool, batch_age: Duration, now: Instant) -> Option<Instant> {
        if !self.waiting.is_empty() {
            return Some(now + FULL_LANE);
        }
        if fed && !self.at_end {
            return Some(now);
        }
        let linger = self.chain.reading().and_then(|at| self.chain.linger(at, self.ended()));
        let silent = self.quiet_since.zip(linger).map(|(quiet, linger)| quiet + linger);
        let full = self.batch.began.map(|began| began + batch_age);
        [silent, full, self.joiner.due()].into_iter().flatten().min()
    }

    /// Where something may happen to it: its own directory, and where links lead, as docker's do.
    #[must_use]
    pub fn wanted(&self) -> Wanted {
        if let Some((directory, name)) = self.chain.log().and_then(Log::here) {
            return Wanted::Log(directory, name);
        }
        let mut found = vec![self.spec.dir.clone()];
        let open = self.chain.iter().filter(|file| !file.finished());
        let targets = open.filter_map(|file| file.named.link_target());
        found.extend(targets.filter_map(|target| target.parent().map(Path::to_path_buf)));
        Wanted::Directories(found)
    }

    fn read(
        &mut self,
        around: &Surroundings<'_>,
        scratch: &mut Scratch,
        now: Instant,
    ) -> io::Result<bool> {
        let mut any = false;
        for _ in 0..CHUNKS {
            if !self.waiting.is_empty() {
                break;
            }
            let Some(at) = self.chain.reading() else { break };
            let read = self.read_chunk(at, around, scratch, now)?;
            let sealed = self.seal_full(around);
            if read != Found::End {
                self.quiet_since = None;
                self.at_end = false;
                any = true;
                if matches!(read, Found::Rewritten(_)) && self.chain.is_given() {
                    // A copy of what was truncated has what was not read, and comes first.
                    self.listed = false;
                    break;
                }
                if sealed {
                    // Of many that lag none holds a half-full batch while others have their turn.
                    break;
                }
                continue;
            }
            self.at_end = true;
            let Some(linger) = self.chain.linger(at, self.ended()) else {
                self.quiet_since = None;
                break;
            };
            let quiet = *self.quiet_since.get_or_insert(now);
            if now.duration_since(quiet) < linger {
                break;
            }
            self.finish(at, around, now);
            self.quiet_since = None;
            self.at_end = self.chain.reading().is_none();
            any = true;
        }
        if !any && self.waiting.is_empty() && self.chain.reopen(self.checkpoint_place())? {
            self.at_end = false;
            return Ok(true);
        }
        Ok(any)
    }

    fn read_chunk(
        &mut self,
        at: usize,
        around: &Surroundings<'_>,
        scratch: &mut Scratch,
        now: Instant,
    ) -> io::Result<Found> {
        let Self { chain, form, joiner, batch, lines, .. } = self;
        chain.begin(at);
        let Some(file) = chain.get_mut(at) else { return Ok(Found::End) };
        let mut count = 0;
        form.tick();
        let read = file.read(scratch, &mut |line, place| {
            count += 1;
            form.take(line, place, now, joiner, batch);
            !batch.full(around.settings)
        })?;
        *lines += count;
        chain.truncated(at);
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
        let Self { chain, form, joiner, batch, .. } = self;
        if let Some(file) = chain.get_mut(at) {
            form.tick();
            file.finish(&mut |line, place| {
                form.take(line, place, now, joiner, batch);
                true
            });
        }
        if self.chain.reading().is_none() && self.ended() {
            let Self { joiner, batch, .. } = self;
            joiner.flush_all(&mut |record| batch.add(record, now));
            self.seal(around);
        }
        self.seal_full(around);
    }

    /// Hands a full batch to the lane; says whether it did.
    fn seal_full(&mut self, around: &Surroundings<'_>) -> bool {
        let full = self.batch.full(around.settings);
        if full {
            self.seal(around);
        }
        full && self.batch.logs == 0
    }

    fn seal(&mut self, around: &Surroundings<'_>) {
        if self.batch.logs == 0 || !self.push_waiting(around) {
            return;
        }
        let end = self.read_place();
        let manner = around.terms.manner(&self.spec);
        let mut parts = self.batch.seal(&self.spec, around.compression).into_iter().peekable();
        while let Some(mut sealed) = parts.next() {
            let key = sealed.key.take().or_else(|| manner.key.clone());
            let package = Package {
                sealed,
                milestone: self.milestone(end, parts.peek().is_none()),
                source: Arc::clone(&self.progress),
                counters: Arc::clone(around.counters),
                terms: Arc::clone(around.terms),
                manner: Manner { key, ..manner.clone() },
            };
            self.waiting.push_back(package);
        }
        self.push_waiting(around);
    }

    /// What a package that was sealed at `end` acknowledges. Of several only the last one does: the
    /// others hold records of the same stretch.
    fn milestone(&mut self, end: Place, last: bool) -> Milestone {
        if last {
            let carried = self.carried();
            self.sealed = Some((end, carried.clone()));
            return Milestone { end, files: self.chain.saved(end), carried };
        }
        let (end, carried) = self.sealed.clone().unwrap_or_else(|| self.progress.reached());
        Milestone { end, files: self.chain.saved(end), carried }
    }

    fn push_waiting(&mut self, around: &Surroundings<'_>) -> bool {
        while let Some(package) = self.waiting.pop_front() {
            if let Err(package) = around.lane.push(package) {
                self.waiting.push_front(package);
                return false;
            }
        }
        true
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
        self.chain.len()
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
        if self.ended() && self.idle() && self.chain.iter().all(LogFile::finished) {
            return State::Drained;
        }
        if self.chain.is_empty() {
            State::Waiting
        } else {
            State::Reading
        }
    }

    /// Whether everything read is acknowledged and every file is at its end.
    #[must_use]
    pub fn idle(&self) -> bool {
        let read = self.chain.is_empty() || (self.at_end && self.chain.is_last());
        let held = self.batch.logs > 0 || !self.waiting.is_empty() || self.joiner.begin().is_some();
        self.listed && read && !held && self.progress.place().1
    }

    /// Hands over what is read; unfinished records are read again.
    pub fn flush(&mut self, around: &Surroundings<'_>) {
        self.seal(around);
    }

    /// Whether it still holds a package that the lane had no room for.
    #[must_use]
    pub fn holds(&self) -> bool {
        !self.waiting.is_empty() || self.batch.logs > 0
    }

    /// Gives up so many deleted files that it still reads, the oldest first.
    pub fn give_up_deleted(&mut self, files: usize, counters: &Counters) {
        for _ in 0..files {
            if !self.chain.give_up_deleted(counters) {
                return;
            }
        }
    }

    /// Deleted files that it still reads.
    #[must_use]
    pub fn open_deleted(&self) -> usize {
        self.chain.iter().filter(|file| !file.linked && !file.finished()).count()
    }
}
