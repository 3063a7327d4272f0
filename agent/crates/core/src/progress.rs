//! What of one source is acknowledged, while several of its packages are on their way at once.
//!
//! Packages may be acknowledged in any order. The place that a checkpoint may name moves only over a
//! prefix of them without a gap, and each move is noted in the journal at once.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::carried::Carried;
use crate::checkpoints::Standing;
use crate::files::{Place, Saved};
use crate::journal::Journal;
use crate::spool;

/// What acknowledging a package acknowledges.
#[derive(Debug, Clone)]
pub struct Milestone {
    /// Everything before it.
    pub end: Place,
    /// What a checkpoint then says of the source's files.
    pub files: Vec<Saved>,
    /// And what of it then is not finished.
    pub carried: Vec<Carried>,
}

/// The packages of one source.
#[derive(Debug)]
pub struct Progress {
    source: String,
    owner: usize,
    journal: Arc<Journal>,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    place: Place,
    /// What the journal was told last.
    files: Vec<Saved>,
    carried: Vec<Carried>,
    /// The number of the first in `under_way`.
    first: u64,
    under_way: VecDeque<UnderWay>,
}

#[derive(Debug)]
struct UnderWay {
    milestone: Milestone,
    since: Instant,
    done: bool,
}

impl Inner {
    fn standing(&self) -> Standing {
        let (files, carried) = (self.files.clone(), self.carried.clone());
        Standing { number: self.first, files, carried }
    }
}

impl Progress {
    /// Of the source that checkpoints know by that name, and that stands so at the start.
    #[must_use]
    pub fn new(source: String, journal: Arc<Journal>, restored: &Standing) -> Self {
        // What is carried stays so until something is acknowledged that no longer carries it.
        let (first, carried) = (restored.number, restored.carried.clone());
        let inner = Mutex::new(Inner { carried, first, ..Inner::default() });
        Self { owner: spool::owner(&source), source, journal, inner }
    }

    /// What checkpoints know it by.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Names it among the sources of a lane.
    #[must_use]
    pub fn owner(&self) -> usize {
        self.owner
    }

    /// The number of the first package that is not acknowledged.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.lock().first
    }

    /// What a checkpoint says of the source once that package is acknowledged.
    #[must_use]
    pub fn after(&self, number: u64) -> Standing {
        let inner = self.lock();
        let at = usize::try_from(number.saturating_sub(inner.first)).unwrap_or(usize::MAX);
        let milestone = inner.under_way.get(at).map(|package| package.milestone.clone());
        let (files, carried) = milestone.map(|each| (each.files, each.carried)).unwrap_or_default();
        Standing { number: number + 1, files, carried }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next package is on its way; gives its number.
    pub fn begin(&self, milestone: Milestone) -> u64 {
        let mut inner = self.lock();
        inner.under_way.push_back(UnderWay { milestone, since: Instant::now(), done: false });
        inner.first + inner.under_way.len() as u64 - 1
    }

    /// The package of that number is acknowledged, or given up for good.
    pub fn done(&self, number: u64) {
        let mut inner = self.lock();
        let at = usize::try_from(number.saturating_sub(inner.first)).unwrap_or(usize::MAX);
        if let Some(package) = inner.under_way.get_mut(at) {
            package.done = true;
        }
        let mut reached = None;
        while inner.under_way.front().is_some_and(|package| package.done) {
            reached = inner.under_way.pop_front();
            inner.first += 1;
        }
        if let Some(UnderWay { milestone, .. }) = reached {
            inner.place = inner.place.max(milestone.end);
            let Milestone { files, carried, .. } = milestone;
            (inner.files, inner.carried) = (files, carried);
            // Under the lock: a source's lines stand in the journal in their order.
            self.journal.note(&self.source, &inner.standing());
        }
    }

    /// Everything before it is acknowledged; and whether nothing is on its way.
    #[must_use]
    pub fn place(&self) -> (Place, bool) {
        let inner = self.lock();
        (inner.place, inner.under_way.is_empty())
    }

    /// Everything before the place is acknowledged, and what was not finished there.
    #[must_use]
    pub fn reached(&self) -> (Place, Vec<Carried>) {
        let inner = self.lock();
        (inner.place, inner.carried.clone())
    }

    /// What a checkpoint says of the source, if more is acknowledged than the packages before `number`.
    #[must_use]
    pub fn beyond(&self, number: u64) -> Option<Standing> {
        let inner = self.lock();
        (inner.first > number).then(|| inner.standing())
    }

    /// Since when the oldest package is on its way.
    #[must_use]
    pub fn since(&self) -> Option<Instant> {
        self.lock().under_way.front().map(|package| package.since)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::checkpoints::Places;
    use crate::journal;

    fn milestone(offset: u64) -> Milestone {
        let saved =
            Saved { inode: (1, 2), born: None, head: (3, 4), offset, size: 9, finished: false };
        let place = Place { file: 1, offset };
        Milestone { end: place, files: vec![saved], carried: Vec::new() }
    }

    proptest! {
        /// Whatever the order of answers: the place and the journal name the end of the longest
        /// prefix that is acknowledged, never more, and all at the end.
        #[test]
        fn place_never_passes_an_open_package(order in Just((0..8_usize).collect::<Vec<_>>()).prop_shuffle()) {
            let directory = tempfile::tempdir().unwrap();
            let journal = Arc::new(Journal::open(directory.path(), 0).unwrap());
            let progress = Progress::new("s".to_owned(), journal, &Standing::default());
            let numbers: Vec<u64> = (1..=8).map(|offset| progress.begin(milestone(offset))).collect();
            let mut done = [false; 8];
            for at in order {
                progress.done(numbers[at]);
                done[at] = true;
                let prefix = done.iter().take_while(|done| **done).count() as u64;
                let place = Place { file: u64::from(prefix > 0), offset: prefix };
                prop_assert_eq!(progress.place(), (place, prefix == 8));
                prop_assert_eq!(progress.number(), prefix);
                let mut places = Places::new();
                journal::replay(directory.path(), 0, &mut places).unwrap();
                prop_assert_eq!(places.get("s").map_or(0, |known| known.files[0].offset), prefix);
            }
        }
    }
}
