//! What the core says of itself: counters of pipelines and states of sources.

use std::collections::BTreeMap;
use std::io;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::{key, lock, trees, Core, Running, Shared};
use crate::counters::Snapshot;
use crate::schedule::Heard;
use crate::slot::{Change, State, Told};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Stats {
    pipelines: BTreeMap<String, Snapshot>,
    sources: BTreeMap<String, SourceStats>,
    open_deleted_files: usize,
    watches: usize,
    checkpoint_writes: u64,
    complaints: Vec<String>,
}

#[derive(Default, Serialize)]
struct SourceStats {
    state: State,
    lines: u64,
    files: usize,
}

impl Core {
    /// Counters and states as a JSON document.
    ///
    /// # Errors
    /// It cannot be written as JSON.
    pub fn stats(&self) -> io::Result<String> {
        let now = Instant::now();
        let mut complaints = self.shared.checkpoints.complaints();
        complaints.extend(self.shared.watching.complaint());
        let mut stats = Stats {
            pipelines: BTreeMap::new(),
            sources: BTreeMap::new(),
            open_deleted_files: 0,
            watches: self.shared.watching.watches(),
            checkpoint_writes: self.shared.checkpoints.writes(),
            complaints,
        };
        let inner = lock(&self.shared.inner);
        stats.complaints.extend(inner.lanes.complaints());
        for (name, running) in &inner.pipelines {
            let lag = stats.add(name, running, now);
            let snapshot = running.counters.snapshot(lag.as_secs_f64());
            stats.pipelines.insert(name.clone(), snapshot);
        }
        Ok(serde_json::to_string(&stats)?)
    }
}

impl Shared {
    /// Keeps the number of deleted files that are held open: each keeps its bytes on the disk.
    pub(super) fn bound_deleted(&self) {
        let (inner, now) = (lock(&self.inner), Instant::now());
        let slots = inner.pipelines.values().flat_map(|running| running.sources.values());
        let mut held: Vec<_> = slots.map(|(_, slot)| (slot.told(now).open_deleted, slot)).collect();
        let all: usize = held.iter().map(|(files, _)| files).sum();
        let mut over = all.saturating_sub(self.settings.max_deleted_files);
        // What was given up before may still count.
        if over == 0 || held.iter().any(|(files, slot)| *files > 0 && slot.is_changing()) {
            return;
        }
        held.sort_by_key(|(files, _)| std::cmp::Reverse(*files));
        for (files, slot) in held {
            let giving = files.min(over);
            if giving == 0 {
                break;
            }
            over -= giving;
            slot.change(Change::GiveUpDeleted(giving));
            self.schedule.poke([(slot.number, Heard::NAMES)], now);
        }
    }
}

impl Stats {
    /// Adds a pipeline's sources; gives the age of the oldest record not acknowledged.
    fn add(&mut self, name: &str, running: &Running, now: Instant) -> Duration {
        let mut lag = running.lane.age(&running.counters);
        // Of many logs the whole is told.
        let mut of_trees: BTreeMap<&str, Vec<State>> = BTreeMap::new();
        for (id, (_, slot)) in &running.sources {
            let Told { state, lines, files, open_deleted, lag: behind } = slot.told(now);
            lag = lag.max(behind);
            self.open_deleted_files += open_deleted;
            let tree = trees::tree_of(id);
            of_trees.entry(tree.unwrap_or_default()).or_default().push(state);
            let told = self.sources.entry(key(name, tree.unwrap_or(id))).or_default();
            *told = SourceStats { state, lines: told.lines + lines, files: told.files + files };
        }
        for (id, (_, stand)) in &running.trees {
            let logs = of_trees.get(id.as_str()).map_or(&[][..], Vec::as_slice);
            self.sources.entry(key(name, id)).or_default().state = stand.state(logs);
        }
        lag
    }
}
