//! What waits for one destination, shared fairly among the sources that fill it. Pure; `delivery`
//! empties it.
//!
//! Sources take turns by bytes (deficit round robin), so a noisy one delays a quiet one by a request
//! and not by its backlog. Of one source one item is on its way at a time: its lines arrive in order. Room is shared as in a switch with a dynamic threshold: a source may hold
//! as much as is still free, so one alone gets half, and there is always room for the next.

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

use crate::terms::Priority;

/// Bytes that a source is given at its turn: about one compressed request.
const QUANTUM: usize = 128 * 1024;

/// How much more than a normal source one of high priority is given, and how much less one of low.
const WEIGHT: usize = 4;

/// Names a source.
pub type FlowId = usize;

/// What may be sent next.
#[derive(Debug, PartialEq, Eq)]
pub enum Next<T> {
    /// This.
    Item(T),
    /// Something, but not before that.
    At(Instant),
    /// Nothing waits.
    Nothing,
}

/// What waits.
#[derive(Debug)]
pub struct Flows<T> {
    limit: usize,
    /// Waiting and on their way.
    bytes: usize,
    sources: HashMap<FlowId, Flow<T>>,
    /// Those with something waiting; the first one's turn it is.
    turns: VecDeque<FlowId>,
}

#[derive(Debug)]
struct Flow<T> {
    waiting: VecDeque<(usize, T)>,
    on_its_way: bool,
    bytes: usize,
    credit: usize,
    quantum: usize,
    not_before: Option<Instant>,
}

impl<T> Default for Flow<T> {
    fn default() -> Self {
        Self {
            waiting: VecDeque::new(),
            on_its_way: false,
            bytes: 0,
            credit: 0,
            quantum: QUANTUM,
            not_before: None,
        }
    }
}

impl<T> Flows<T> {
    /// Holds up to `limit` bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { limit, bytes: 0, sources: HashMap::new(), turns: VecDeque::new() }
    }

    /// Whether nothing waits and nothing is on its way.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sources.is_empty()
    }

    /// How many items could be on their way at once: one of each source.
    #[must_use]
    pub fn sendable(&self) -> usize {
        self.sources.values().filter(|flow| !flow.waiting.is_empty() && !flow.on_its_way).count()
    }

    /// Whether so many bytes of that source have room. One that is empty takes any.
    #[must_use]
    pub fn has_room(&self, id: FlowId, size: usize) -> bool {
        let held = self.sources.get(&id).map_or(0, |flow| flow.bytes);
        self.bytes == 0 || held + size <= self.limit.saturating_sub(self.bytes)
    }

    /// Takes an item, room or not.
    pub fn push(&mut self, id: FlowId, size: usize, item: T) {
        let flow = self.sources.entry(id).or_default();
        if flow.waiting.is_empty() {
            self.turns.push_back(id);
        }
        flow.waiting.push_back((size, item));
        flow.bytes += size;
        self.bytes += size;
    }

    /// From now on a source has its turns so.
    pub fn weigh(&mut self, id: FlowId, priority: Priority) {
        self.sources.entry(id).or_default().quantum = match priority {
            Priority::High => QUANTUM * WEIGHT,
            Priority::Normal => QUANTUM,
            Priority::Low => QUANTUM / WEIGHT,
        };
    }

    /// Takes an item that comes before all that wait of its source.
    pub fn push_first(&mut self, id: FlowId, size: usize, item: T) {
        let flow = self.sources.entry(id).or_default();
        if flow.waiting.is_empty() {
            self.turns.push_back(id);
        }
        flow.waiting.push_front((size, item));
        flow.bytes += size;
        self.bytes += size;
    }

    /// Whether so many bytes more keep the limit.
    #[must_use]
    pub fn fits(&self, size: usize) -> bool {
        self.bytes + size <= self.limit
    }

    /// The next item; it counts as held until it is settled or put back.
    pub fn next(&mut self, now: Instant) -> Next<T> {
        let mut earliest: Option<Instant> = None;
        let mut resting = 0;
        while let Some(id) = self.turns.front().copied().filter(|_| resting < self.turns.len()) {
            let Some(flow) = self.sources.get_mut(&id) else { break };
            let later = flow.not_before.filter(|at| *at > now);
            if later.is_some() || flow.on_its_way {
                earliest = earliest.into_iter().chain(later).min();
                resting += 1;
                self.turns.rotate_left(1);
                continue;
            }
            resting = 0;
            let size = flow.waiting.front().map_or(0, |(size, _)| *size);
            if size > flow.credit {
                flow.credit += flow.quantum;
                self.turns.rotate_left(1);
                continue;
            }
            flow.credit -= size;
            let item = flow.waiting.pop_front();
            if flow.waiting.is_empty() {
                flow.credit = 0;
                self.turns.pop_front();
            }
            if let Some((_, item)) = item {
                flow.on_its_way = true;
                return Next::Item(item);
            }
        }
        earliest.map_or(Next::Nothing, Next::At)
    }

    /// An item that `next` gave is no longer held.
    pub fn settle(&mut self, id: FlowId, size: usize) {
        if let Some(flow) = self.sources.get_mut(&id) {
            flow.on_its_way = false;
        }
        self.release(id, size);
    }

    fn release(&mut self, id: FlowId, size: usize) {
        self.bytes = self.bytes.saturating_sub(size);
        if let Some(flow) = self.sources.get_mut(&id) {
            flow.bytes = flow.bytes.saturating_sub(size);
            if flow.bytes == 0 && flow.waiting.is_empty() {
                self.sources.remove(&id);
            }
        }
    }

    /// An item that `next` gave is the first of its source again, not before a moment.
    pub fn put_back(&mut self, id: FlowId, size: usize, item: T, not_before: Option<Instant>) {
        let flow = self.sources.entry(id).or_default();
        if flow.waiting.is_empty() {
            self.turns.push_back(id);
        }
        flow.on_its_way = false;
        flow.waiting.push_front((size, item));
        flow.not_before = not_before;
    }

    /// Whether all that waits is so.
    pub fn all(&self, so: impl Fn(&T) -> bool) -> bool {
        self.sources.values().flat_map(|flow| &flow.waiting).all(|(_, item)| so(item))
    }

    /// Takes out what waits and is `wanted`, each source's in its order.
    pub fn take(&mut self, wanted: impl Fn(&T) -> bool) -> Vec<(FlowId, usize, T)> {
        let mut taken = Vec::new();
        for (id, flow) in &mut self.sources {
            for (size, item) in std::mem::take(&mut flow.waiting) {
                if wanted(&item) {
                    taken.push((*id, size, item));
                } else {
                    flow.waiting.push_back((size, item));
                }
            }
        }
        let Self { turns, sources, .. } = self;
        turns.retain(|id| sources.get(id).is_some_and(|flow| !flow.waiting.is_empty()));
        for (id, size, _) in &taken {
            self.release(*id, *size);
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    const REQUEST: usize = 100_000;

    /// What comes out when each item is settled before the next one is asked for.
    fn drained(
        flows: &mut Flows<(FlowId, usize)>,
        size_of: impl Fn(usize) -> usize,
    ) -> Vec<(FlowId, usize)> {
        let mut order = Vec::new();
        while let Next::Item((id, number)) = flows.next(Instant::now()) {
            flows.settle(id, size_of(number));
            order.push((id, number));
        }
        order
    }

    #[test]
    fn of_one_source_one_item_is_on_its_way_at_a_time() {
        let (mut flows, now) = (Flows::new(8 << 20), Instant::now());
        for item in [(1, 0), (1, 1), (2, 2)] {
            flows.push(item.0, REQUEST, item);
        }
        assert_eq!(flows.sendable(), 2);
        assert_eq!(flows.next(now), Next::Item((1, 0)));
        assert_eq!(flows.next(now), Next::Item((2, 2)));
        assert_eq!(flows.sendable(), 0);
        assert_eq!(flows.next(now), Next::Nothing);
        flows.put_back(1, REQUEST, (1, 0), None);
        assert_eq!(flows.next(now), Next::Item((1, 0)));
        flows.settle(1, REQUEST);
        assert_eq!(flows.next(now), Next::Item((1, 1)));
    }

    #[test]
    fn quiet_source_waits_for_a_request_of_a_noisy_one_and_not_for_its_backlog() {
        let mut flows = Flows::new(8 << 20);
        let mut pushed = 0;
        while flows.has_room(1, REQUEST) {
            flows.push(1, REQUEST, (1, pushed));
            pushed += 1;
        }
        assert!(pushed > 30, "alone it gets half of the room: {pushed}");
        assert!(flows.has_room(2, REQUEST), "and the next one finds room");
        flows.push(2, REQUEST, (2, 0));
        let order = drained(&mut flows, |_| REQUEST);
        let at = order.iter().position(|(id, _)| *id == 2).unwrap();
        assert!(at <= 2, "{at} requests before the quiet one's");
    }

    #[test]
    fn higher_priority_has_more_turns_and_a_lower_one_has_some() {
        let mut flows = Flows::new(1 << 30);
        let priorities = [Priority::Low, Priority::Normal, Priority::High];
        for (id, priority) in priorities.into_iter().enumerate() {
            flows.weigh(id, priority);
            (0..100).for_each(|number| flows.push(id, REQUEST, (id, number)));
        }
        let order = drained(&mut flows, |_| REQUEST);
        let count = |id| order.iter().take(100).filter(|(each, _)| *each == id).count();
        let counts = [count(0), count(1), count(2)];
        assert!(
            counts[2] > 3 * counts[1] && counts[1] > 3 * counts[0] && counts[0] > 2,
            "{counts:?}"
        );
    }

    #[test]
    fn source_that_has_to_wait_holds_up_no_other() {
        let (mut flows, now) = (Flows::new(8 << 20), Instant::now());
        let later = now + Duration::from_secs(5);
        flows.push(1, REQUEST, (1, 0));
        assert_eq!(flows.next(now), Next::Item((1, 0)));
        flows.put_back(1, REQUEST, (1, 0), Some(later));
        flows.push(2, REQUEST, (2, 0));
        assert_eq!(flows.next(now), Next::Item((2, 0)));
        assert_eq!(flows.next(now), Next::At(later));
        assert_eq!(flows.next(later), Next::Item((1, 0)));
        flows.settle(1, REQUEST);
        assert!(!flows.is_empty());
        flows.settle(2, REQUEST);
        assert!(flows.is_empty());
    }

    proptest! {
        /// Each source's items keep their order, all come out, held bytes keep the limit, and while
        /// two sources wait neither gets more than two turns ahead of the other.
        #[test]
        fn turns_are_fair_and_nothing_is_lost(items in prop::collection::vec((0..5_usize, 1..200_000_usize), 1..200)) {
            let mut flows = Flows::new(4 << 20);
            let sizes: Vec<usize> = items.iter().map(|(_, size)| *size).collect();
            let mut left: HashMap<FlowId, VecDeque<(usize, usize)>> = HashMap::new();
            for (number, (id, size)) in items.into_iter().enumerate() {
                if flows.has_room(id, size) {
                    flows.push(id, size, (id, number));
                    left.entry(id).or_default().push_back((number, size));
                    prop_assert!(flows.bytes <= 4 << 20);
                }
            }
            let mut given: HashMap<FlowId, usize> = HashMap::new();
            let size_of = |number: usize| *sizes.get(number).unwrap();
            for (id, number) in drained(&mut flows, size_of) {
                let (expected, size) = left.get_mut(&id).unwrap().pop_front().unwrap();
                prop_assert_eq!(number, expected);
                *given.entry(id).or_default() += size;
                let waiting = left.iter().filter(|(_, items)| !items.is_empty());
                let shares: Vec<usize> = waiting.map(|(id, _)| *given.get(id).unwrap_or(&0)).collect();
                let (most, least) = (shares.iter().max(), shares.iter().min());
                prop_assert!(most.unwrap_or(&0) - least.unwrap_or(&0) <= 2 * QUANTUM + 200_000);
            }
            prop_assert!(left.values().all(VecDeque::is_empty));
            prop_assert!(flows.is_empty());
        }
    }
}
