//! How many bytes each source may have on the state volume: as in `flows`, as much as is still free.
//! Pure.

use std::collections::HashMap;

/// Most records that wait: each costs memory, however small it is.
const MOST_RECORDS: usize = 128 * 1024;

/// The room of one spool.
#[derive(Debug)]
pub(super) struct Room {
    limit: usize,
    bytes: usize,
    records: usize,
    held: HashMap<usize, usize>,
}

impl Room {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, bytes: 0, records: 0, held: HashMap::new() }
    }

    /// Whether so many bytes of that source have room. One that is empty takes any.
    pub(super) fn fits(&self, owner: usize, size: usize) -> bool {
        let held = self.held.get(&owner).copied().unwrap_or(0);
        let free = self.limit.saturating_sub(self.bytes);
        self.bytes == 0 || (held + size <= free && self.records < MOST_RECORDS)
    }

    /// Whether something has to give way.
    pub(super) fn is_over(&self) -> bool {
        self.records > 1 && (self.bytes > self.limit || self.records > MOST_RECORDS)
    }

    pub(super) fn add(&mut self, owner: usize, size: usize) {
        self.bytes += size;
        self.records += 1;
        *self.held.entry(owner).or_default() += size;
    }

    pub(super) fn remove(&mut self, owner: usize, size: usize) {
        self.bytes = self.bytes.saturating_sub(size);
        self.records = self.records.saturating_sub(1);
        if let Some(held) = self.held.get_mut(&owner) {
            *held = held.saturating_sub(size);
            if *held == 0 {
                self.held.remove(&owner);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_source_gets_half_and_the_next_one_finds_room() {
        let mut room = Room::new(100);
        let mut taken = 0;
        while room.fits(1, 10) {
            room.add(1, 10);
            taken += 1;
        }
        assert_eq!(taken, 5);
        assert!(room.fits(2, 10) && !room.is_over());
        (0..taken).for_each(|_| room.remove(1, 10));
        assert!(room.fits(1, 1000), "one that is empty takes any");
        assert!(room.held.is_empty());
    }
}
