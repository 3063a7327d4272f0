//! What of one source is acknowledged, while several of its packages are on their way at once.
//!
//! Packages may be acknowledged in any order. The place that a checkpoint may name moves only over a
//! prefix of them without a gap, and each move is noted in the journal at once.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::files::{Place, Saved};
use crate::journal::Journal;

/// What acknowledging a package acknowledges.
#[derive(Debug, Clone)]
pub struct Milestone {
    /// Everything before it.
    pub end: Place,
    /// What a checkpoint then says of the source's files.
    pub files: Vec<Saved>,
}

/// The packages of one source.
#[derive(Debug)]
pub struct Progress {
    source: String,
    journal: Arc<Journal>,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    place: Place,
    /// What the journal was told last.
    files: Vec<Saved>,
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

impl Progress {
    /// Of the source that checkpoints know by that name.
    #[must_use]
    pub fn new(source: String, journal: Arc<Journal>) -> Self {
        Self { source, journal, inner: Mutex::default() }
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
            // Under the lock: a source's lines stand in the journal in their order.
            self.journal.note(&self.source, &milestone.files);
            inner.files = milestone.files;
        }
    }

    /// Everything before it is acknowledged; and whether nothing is on its way.
    #[must_use]
    pub fn place(&self) -> (Place, bool) {
        let inner = self.lock();
        (inner.place, inner.under_way.is_empty())
    }

    /// What a checkpoint says of the files, if more is acknowledged than everything before `place`.
    #[must_use]
    pub fn files_beyond(&self, place: Place) -> Option<Vec<Saved>> {
        let inner = self.lock();
        (inner.place > place).then(|| inner.files.clone())
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
        Milestone { end: Place { file: 1, offset }, files: vec![saved] }
    }

    proptest! {
        /// Whatever the order of answers: the place and the journal name the end of the longest
        /// prefix that is acknowledged, never more, and all at the end.
        #[test]
        fn place_never_passes_an_open_package(order in Just((0..8_usize).collect::<Vec<_>>()).prop_shuffle()) {
            let directory = tempfile::tempdir().unwrap();
            let journal = Arc::new(Journal::open(directory.path(), 0).unwrap());
            let progress = Progress::new("s".to_owned(), journal);
            let numbers: Vec<u64> = (1..=8).map(|offset| progress.begin(milestone(offset))).collect();
            let mut done = [false; 8];
            for at in order {
                progress.done(numbers[at]);
                done[at] = true;
                let prefix = done.iter().take_while(|done| **done).count() as u64;
                prop_assert_eq!(progress.place(), (Place { file: u64::from(prefix > 0), offset: prefix }, prefix == 8));
                let mut places = Places::new();
                journal::replay(directory.path(), 0, &mut places).unwrap();
                prop_assert_eq!(places.get("s").map_or(0, |files| files[0].offset), prefix);
            }
        }
    }
}
