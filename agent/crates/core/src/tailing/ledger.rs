//! What must arrive: every record that was written, and what happened to the bytes it stands in.

use std::collections::HashMap;

use crate::joining::HELD_FILES;

/// Names the bytes of a file; a file that is truncated has new ones. Later ones are read later.
pub(super) type Version = usize;

/// A line's place in the order of reading.
pub(super) type Place = (Version, u64);

/// What the container wrote, as the runtime split it, and where that stands.
pub(super) type Parts = Vec<(String, Place)>;

/// A record that is complete on the disk.
#[derive(Debug)]
pub(super) struct Record {
    parts: Parts,
    delivered: bool,
    acknowledged: bool,
}

/// What became of bytes that no name leads to any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// A reader has them, open or read; they end with it.
    Held,
    /// Nobody needs to deliver them.
    Lost,
}

/// All that was written, and all that came.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    records: HashMap<String, Record>,
    fates: HashMap<Version, Fate>,
    /// Where records begin that are not complete yet.
    open: Vec<Place>,
    /// Whether nothing may come twice.
    once: bool,
    /// What this life of the agent delivered last.
    last: Option<Place>,
}

impl Ledger {
    pub(super) fn new(once: bool) -> Self {
        Self { once, ..Self::default() }
    }

    pub(super) fn written(&mut self, id: &str, parts: Parts) {
        self.open.retain(|begin| *begin != parts[0].1);
        let record = Record { parts, delivered: false, acknowledged: false };
        assert!(self.records.insert(id.to_owned(), record).is_none(), "{id} was given twice");
    }

    /// The first part of a record was written.
    pub(super) fn begun(&mut self, at: Place) {
        self.open.push(at);
    }

    /// Bytes have no name any more; `held` says that the reader has them.
    pub(super) fn gone(&mut self, version: Version, held: bool) {
        self.fates.insert(version, if held { Fate::Held } else { Fate::Lost });
    }

    /// The agent's memory and open files are no more.
    pub(super) fn killed(&mut self) {
        self.fates.values_mut().for_each(|fate| *fate = Fate::Lost);
        self.last = None;
    }

    fn lost(&self, record: &Record) -> bool {
        record.parts.iter().any(|(_, at)| self.fates.get(&at.0) == Some(&Fate::Lost))
    }

    /// A record came.
    pub(super) fn delivered(&mut self, content: &str) -> Result<(), String> {
        let Some(record) = content.get(..6).and_then(|id| self.records.get(id)) else {
            return Err(format!("{content:?} was never written"));
        };
        let Some((_, place)) = record.parts.last() else { return Err("no parts".into()) };
        if self.last.is_some_and(|last| last >= *place) {
            return Err(format!("{content:?} comes again, or after what was written later"));
        }
        if self.once && record.delivered {
            return Err(format!("{content:?} comes twice"));
        }
        if record.acknowledged && !self.was_held_back(record) {
            return Err(format!("{content:?} was acknowledged before"));
        }
        let texts: Vec<_> = record.parts.iter().map(|(text, _)| text.as_str()).collect();
        // Lines of two streams that overlap over that many files are not held back for ever.
        let far = record.acknowledged && place.0 as u64 > HELD_FILES;
        let fewest = if far || self.lost(record) { 1 } else { texts.len() };
        let whole = (0..=texts.len() - fewest).any(|first| texts[first..].concat() == content);
        if !whole {
            return Err(format!("{content:?} is not what was written: {:?}", texts.concat()));
        }
        self.last = Some(*place);
        self.record(content).delivered = true;
        Ok(())
    }

    fn record(&mut self, content: &str) -> &mut Record {
        self.records.get_mut(content.get(..6).unwrap()).unwrap()
    }

    /// Whether it stands behind the beginning of a record that was completed later: until then a
    /// checkpoint may not pass that beginning.
    fn was_held_back(&self, record: &Record) -> bool {
        let [begun, ended] = span(record);
        self.open.iter().any(|first| *first < ended)
            || self
                .records
                .values()
                .map(span)
                .any(|[first, last]| first < ended && last > begun && first != begun)
    }

    /// The service's answer for it came.
    pub(super) fn acknowledged(&mut self, content: &str) {
        self.record(content).acknowledged = true;
    }

    /// What must have come and did not.
    pub(super) fn missing(&self) -> Vec<&Record> {
        self.records.values().filter(|each| !each.delivered && !self.lost(each)).collect()
    }
}

fn span(record: &Record) -> [Place; 2] {
    [record.parts[0].1, record.parts[record.parts.len() - 1].1]
}
