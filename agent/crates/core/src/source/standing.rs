//! How a source stands: what of it was read and what of that is acknowledged. A checkpoint says so.

use super::Reader;
use crate::carried::Carried;
use crate::checkpoints::Standing;
use crate::files::Place;

impl Reader {
    /// Everything before it is in a batch, was not wanted, or is carried.
    pub(super) fn read_place(&self) -> Place {
        let read = self.chain.read_place();
        if self.carries() {
            return read;
        }
        self.joiner.begin().map_or(read, |begin| begin.min(read))
    }

    /// Whether checkpoints carry what is unfinished, instead of naming the place where it begins.
    fn carries(&self) -> bool {
        self.once || self.joiner.has_carried()
    }

    pub(super) fn carried(&self) -> Vec<Carried> {
        if self.carries() {
            self.joiner.carried()
        } else {
            Vec::new()
        }
    }

    /// Everything before it is acknowledged or was not wanted.
    #[must_use]
    pub fn checkpoint_place(&self) -> Place {
        if self.holds_nothing() {
            self.read_place()
        } else {
            self.progress.place().0
        }
    }

    fn holds_nothing(&self) -> bool {
        self.batch.logs == 0 && self.waiting.is_empty() && self.progress.place().1
    }

    /// What to remember of it. The number comes first: what is acknowledged meanwhile may be in the
    /// files already, and is told by the spool again.
    #[must_use]
    pub fn standing(&self) -> Standing {
        let number = self.progress.number();
        if self.holds_nothing() {
            let files = self.chain.saved(self.read_place());
            return Standing { number, files, carried: self.carried() };
        }
        let (place, carried) = self.progress.reached();
        Standing { number, files: self.chain.saved(place), carried }
    }
}
