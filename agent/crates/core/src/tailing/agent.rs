//! One life of the agent, as the model starts and kills it: a reader, its lane and its checkpoints.

use std::sync::Arc;
use std::time::Instant;

use super::service::Service;
use super::{Node, NAME};
use crate::access::{Access, Keys, Trust};
use crate::checkpoints::{Checkpoints, Places};
use crate::counters::{Counters, Registry};
use crate::delivery::Lane;
use crate::files::Scratch;
use crate::lanes::Lanes;
use crate::plan::Compression;
use crate::progress::Progress;
use crate::source::{Reader, Surroundings};
use crate::terms::Terms;

/// One life of the agent.
#[derive(Debug)]
pub(super) struct Agent {
    checkpoints: Checkpoints,
    pub(super) reader: Reader,
    progress: Arc<Progress>,
    lanes: Lanes,
    pub(super) lane: Arc<Lane>,
    pub(super) counters: Arc<Counters>,
    terms: Arc<Terms>,
    scratch: Scratch,
}

impl Agent {
    pub(super) fn start(node: &Node) -> Self {
        let (checkpoints, mut places) = Checkpoints::open(&node.state).unwrap();
        let keys = Keys::default();
        let access = Access::new("i".to_owned(), "s".to_owned(), Trust::default());
        keys.write().unwrap().insert("key".to_owned(), access);
        let registry = Registry::default();
        let mut lanes =
            Lanes::restore(&node.state, &keys, &node.settings, &registry, &mut places).unwrap();
        let restored = places.remove(NAME).unwrap_or_default();
        let journal = Arc::clone(checkpoints.journal());
        let progress = Arc::new(Progress::new(NAME.to_owned(), journal, &restored));
        let longest = node.settings.max_line_bytes;
        let source = node.source(false);
        let reader = Reader::new(source, restored, Arc::clone(&progress), None, longest);
        let reader = match &node.log {
            Some(log) => reader.given(Arc::clone(log), None),
            None => reader,
        };
        Self {
            reader,
            lane: lanes.of(&node.route(), &keys, &node.settings, &registry).unwrap(),
            lanes,
            counters: registry.of("pipeline"),
            checkpoints,
            progress,
            terms: Arc::default(),
            scratch: Scratch::default(),
        }
    }

    pub(super) fn step(&mut self, node: &Node, look: bool, now: Instant) {
        let Self { reader, lane, counters, scratch, terms, .. } = self;
        let compression = Compression::None;
        let around = Surroundings { settings: &node.settings, lane, counters, compression, terms };
        reader.step(&around, scratch, look, now).unwrap();
    }

    pub(super) fn end(&mut self, node: &Node) {
        let Self { reader, lane, counters, terms, .. } = self;
        let compression = Compression::None;
        let around = Surroundings { settings: &node.settings, lane, counters, compression, terms };
        reader.update(node.source(true), &around);
    }

    /// Has the service take the next request, if there is one, and waits until the agent knows.
    pub(super) fn acknowledge(&mut self, service: &Service) -> Option<Vec<String>> {
        if self.lane.idle() {
            return None;
        }
        let mut request = service.receive();
        let records = std::mem::take(&mut request.records);
        let before = self.waits();
        if service.take(&request) {
            request.acknowledge();
            self.until_known(before);
            return Some(records);
        }
        request.refuse();
        self.until_known(before);
        Some(Vec::new())
    }

    /// What an acknowledgement ends.
    fn waits(&self) -> (Option<Instant>, Vec<u64>) {
        let spool = self.lane.spool();
        let orders = spool.map(|spool| spool.waiting().into_iter().map(|(order, _)| order));
        (self.progress.since().filter(|_| spool.is_none()), orders.into_iter().flatten().collect())
    }

    fn until_known(&self, (since, orders): (Option<Instant>, Vec<u64>)) {
        loop {
            let (now, left) = self.waits();
            let known = now != since || orders.iter().any(|order| !left.contains(order));
            let more = now.is_some() || !left.is_empty();
            if self.lane.idle() || (known && more) {
                return;
            }
            std::thread::yield_now();
        }
    }

    pub(super) fn checkpoint(&self) {
        let places = || Places::from([(NAME.to_owned(), self.reader.standing())]);
        let marks = self.lanes.marks();
        self.checkpoints.write(places).unwrap();
        Lanes::forget(&marks);
    }

    /// Ends it; gives what the service got and could not say so.
    pub(super) fn kill(self, service: &Service, received: bool) -> Option<Vec<String>> {
        let request = (!self.lane.idle()).then(|| service.receive());
        self.lane.close();
        // Dropped here: the lane waits for its answer.
        request.map(|mut request| {
            let taken = received && service.take(&request);
            if taken {
                std::mem::take(&mut request.records)
            } else {
                Vec::new()
            }
        })
    }
}
