//! The lanes of an agent by their routes, and the directories of their spools: `spool/<name>` in the
//! state directory, with the route in `lane.json`, so that what waits there is delivered though no
//! plan names the route any more.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use crate::access::Keys;
use crate::checkpoints::{Places, Standing};
use crate::counters::{Counters, Registry};
use crate::delivery::Lane;
use crate::plan::{Route, Settings};
use crate::spool::{Milestone, Spool};

const DIRECTORY: &str = "spool";
const ROUTE: &str = "lane.json";

/// Largest description of a route that is read.
const LARGEST_ROUTE: u64 = 64 * 1024;

/// Bytes of a digest that name a route's directory.
const NAME_BYTES: usize = 8;

/// The ways to all destinations.
#[derive(Debug)]
pub struct Lanes {
    home: PathBuf,
    known: HashMap<Route, Arc<Lane>>,
    complaints: Vec<String>,
}

impl Lanes {
    /// Starts the lanes whose spools hold something, and takes what these say of sources into
    /// `places`: what is in a spool is not read again.
    ///
    /// # Errors
    /// The state directory cannot be used, or a thread cannot be started.
    pub fn restore(
        state: &Path,
        keys: &Keys,
        settings: &Settings,
        registry: &Registry,
        places: &mut Places,
    ) -> io::Result<Self> {
        let home = state.join(DIRECTORY);
        let mut lanes = Self { home, known: HashMap::new(), complaints: Vec::new() };
        let mut milestones = Vec::new();
        for directory in lanes.directories()? {
            let Some(route) = route_of(&directory) else {
                lanes.complaints.push(format!(
                    "spool {}: {ROUTE} does not say where it leads, so nothing of it is sent",
                    directory.display()
                ));
                continue;
            };
            let (spool, found) = Spool::open(&directory, route.once(), registry)?;
            milestones.extend(found);
            if !spool.is_empty() || !spool.complaints().is_empty() {
                let lane = Lane::start(&route, Arc::clone(keys), settings, Some(Arc::new(spool)))?;
                lanes.known.insert(route, Arc::new(lane));
            }
        }
        go_on(places, milestones);
        Ok(lanes)
    }

    fn directories(&self) -> io::Result<Vec<PathBuf>> {
        match fs::read_dir(&self.home) {
            Ok(entries) => entries.map(|entry| entry.map(|entry| entry.path())).collect(),
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(fault) => Err(fault),
        }
    }

    /// The lane of a route, started if need be.
    ///
    /// # Errors
    /// Its spool cannot be opened, or its thread not be started.
    pub fn of(
        &mut self,
        route: &Route,
        keys: &Keys,
        settings: &Settings,
        registry: &Registry,
    ) -> io::Result<Arc<Lane>> {
        if let Some(lane) = self.known.get(route) {
            return Ok(Arc::clone(lane));
        }
        let spool = match route.bound() {
            Some(_) => Some(Arc::new(self.open(route, registry)?)),
            None => None,
        };
        let lane = Arc::new(Lane::start(route, Arc::clone(keys), settings, spool)?);
        self.known.insert(route.clone(), Arc::clone(&lane));
        Ok(lane)
    }

    fn open(&self, route: &Route, registry: &Registry) -> io::Result<Spool> {
        let text = serde_json::to_vec(route)?;
        let digest = Sha256::digest(&text);
        let bytes = digest.iter().take(NAME_BYTES);
        let name = bytes.fold(0_u64, |name, byte| name << 8 | u64::from(*byte));
        let directory = self.home.join(format!("{name:016x}"));
        fs::create_dir_all(&directory)?;
        if !directory.join(ROUTE).exists() {
            let draft = directory.join("draft");
            let mut file = File::create(&draft)?;
            file.write_all(&text)?;
            file.sync_all()?;
            fs::rename(draft, directory.join(ROUTE))?;
            for parent in [&directory, &self.home] {
                File::open(parent)?.sync_all()?;
            }
        }
        Spool::open(&directory, route.once(), registry).map(|(spool, _)| spool)
    }

    /// Every lane.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Lane>> {
        self.known.values()
    }

    /// Whether nothing is on its way.
    #[must_use]
    pub fn idle(&self) -> bool {
        self.all().all(|lane| lane.idle())
    }

    /// Whether nothing is on its way but what is durable and cannot be delivered now.
    #[must_use]
    pub fn rest(&self) -> bool {
        self.all().all(|lane| lane.idle() || lane.rests())
    }

    /// Forgets the lanes that nobody uses; one that still delivers is kept until it is empty.
    pub fn forget_unused(&mut self) {
        // One that a source still holds is the only one that may write to its spool.
        self.known.retain(|_, lane| !lane.idle() || Arc::strong_count(lane) > 1);
    }

    /// What waits anywhere else for a pipeline goes through `lane` now.
    pub fn gather(&self, pipeline: &Arc<Counters>, lane: &Lane) {
        let holds = |lane: &&Arc<Lane>| lane.spool().is_some_and(|spool| spool.holds(pipeline));
        for other in self.all().filter(holds) {
            other.hand_over(pipeline, lane);
        }
    }

    /// What spools may forget once what a checkpoint knows now is durable.
    #[must_use]
    pub fn marks(&self) -> Vec<(Arc<Lane>, u64)> {
        let mark = |lane: &Arc<Lane>| Some((Arc::clone(lane), lane.spool()?.mark()));
        self.all().filter_map(mark).collect()
    }

    /// Forgets what the marks say.
    pub fn forget(marks: &[(Arc<Lane>, u64)]) {
        for (lane, mark) in marks {
            if let Some(spool) = lane.spool() {
                spool.forget(*mark);
            }
        }
    }

    /// Sentences about spools.
    #[must_use]
    pub fn complaints(&self) -> Vec<String> {
        let known = self.all().flat_map(|lane| lane.complaints());
        self.complaints.iter().cloned().chain(known).collect()
    }

    /// Ends all of them.
    pub fn close(&mut self) {
        for lane in self.all() {
            lane.close();
        }
        self.known.clear();
    }
}

fn route_of(directory: &Path) -> Option<Route> {
    let mut text = Vec::new();
    File::open(directory.join(ROUTE)).ok()?.take(LARGEST_ROUTE).read_to_end(&mut text).ok()?;
    serde_json::from_slice(&text).ok()
}

/// Moves `places` on over what stands in spools. A package counts when all before it of its source
/// are acknowledged or in a spool as well: else what is between would never be read again. Numbers
/// that a spool holds are not given to other packages.
fn go_on(places: &mut Places, milestones: Vec<Milestone>) {
    let mut found: BTreeMap<String, BTreeMap<u64, Standing>> = BTreeMap::new();
    for milestone in milestones {
        let Milestone { source, standing } = milestone;
        found.entry(source).or_default().insert(standing.number.saturating_sub(1), standing);
    }
    for (source, mut packages) in found {
        let highest = packages.keys().next_back().map_or(0, |number| number + 1);
        let standing = places.entry(source).or_default();
        while let Some(after) = packages.remove(&standing.number) {
            *standing = after;
        }
        standing.number = standing.number.max(highest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::Saved;

    fn stands(number: u64, offset: u64) -> Standing {
        let (inode, head) = ((1, 2), (3, 4));
        let saved = Saved { inode, born: None, head, offset, size: 9, finished: false };
        Standing { number, files: vec![saved], carried: Vec::new() }
    }

    fn after(standing: u64, spooled: &[u64]) -> Standing {
        let known = stands(standing, standing);
        let mut places = Places::from([("s".to_owned(), known)]);
        let milestone = |number: &u64| Milestone {
            source: "s".to_owned(),
            standing: stands(number + 1, number + 1),
        };
        go_on(&mut places, spooled.iter().map(milestone).collect());
        places.remove("s").unwrap()
    }

    #[test]
    fn place_goes_on_over_packages_without_a_gap() {
        assert_eq!(after(3, &[1, 2]), stands(3, 3));
        assert_eq!(after(3, &[2, 3, 4]), stands(5, 5));
        assert_eq!(after(3, &[3, 5]), stands(6, 4));
    }
}
