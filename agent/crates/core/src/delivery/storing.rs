//! The thread of a lane with a spool: it makes durable what is to wait, gives way where the spool
//! is full, and brings back what is to be sent, oldest first.

use std::sync::{Arc, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use super::{Debt, Shared, State, Waiting};
use crate::counters::Counters;
use crate::flows::FlowId;
use crate::http::Routing;
use crate::plan::{SpoolRule, WhenFull};
use crate::spool::record::Ticket;
use crate::spool::{Entry, Item, Loaded, Milestone, Spool, Written};
use crate::terms::Manner;

/// The thread is told of whatever there is to do.
const LONG: Duration = Duration::from_secs(3600);

/// Between two looks whether another lane has room for what goes there.
const ELSEWHERE: Duration = Duration::from_secs(1);

/// Between two attempts to write to a volume that refuses.
const REFUSED: Duration = Duration::from_secs(1);

/// The spool of a lane and what is agreed about it.
#[derive(Debug)]
pub(super) struct Storing {
    pub(super) spool: Arc<Spool>,
    pub(super) rule: SpoolRule,
    /// Whether everything goes through it, under a number of its own.
    pub(super) once: bool,
}

impl Shared {
    /// Starts the thread; what the spool holds from before is the first to be sent.
    pub(super) fn storing_thread(self: &Arc<Self>) -> std::io::Result<Option<JoinHandle<()>>> {
        let Some(storing) = &self.storing else { return Ok(None) };
        let mut state = self.lock();
        for (order, entry) in storing.spool.waiting() {
            state.room.add(entry.owner, entry.size);
            state.stored.insert(order);
        }
        drop(state);
        let inner = Arc::clone(self);
        let named = std::thread::Builder::new().name("spool".into());
        named.spawn(move || inner.store()).map(Some)
    }

    fn store(self: &Arc<Self>) {
        let Some(storing) = &self.storing else { return };
        loop {
            let mut state = self.lock();
            while state.incoming.is_empty() && !state.may_feed(storing) && !state.closing {
                let rest = if state.leaving.is_empty() { LONG } else { ELSEWHERE };
                let waited = self.spooling.wait_timeout(state, rest);
                state = waited.unwrap_or_else(PoisonError::into_inner).0;
                if !state.leaving.is_empty() {
                    break;
                }
            }
            if state.closing {
                return;
            }
            let batch = state.take_incoming();
            drop(state);
            if !batch.is_empty() {
                self.write(storing, batch);
            }
            self.give_way(storing);
            self.send_away(storing);
            self.feed(storing);
        }
    }

    fn write(self: &Arc<Self>, storing: &Storing, batch: Vec<Waiting>) {
        let outcome = {
            let items: Vec<_> = batch.iter().map(item).collect();
            storing.spool.append(&items)
        };
        match outcome {
            Ok(written) => self.written(storing, batch, written),
            Err(fault) => self.not_written(storing, batch, &fault),
        }
        // Copying is tried again with the next records.
        drop(storing.spool.compact());
    }

    fn written(self: &Arc<Self>, storing: &Storing, batch: Vec<Waiting>, written: Vec<Written>) {
        let mut done = Vec::with_capacity(batch.len());
        for (mut waiting, Written { order, ticket }) in batch.into_iter().zip(written) {
            let debt = self.debt(storing, order);
            std::mem::replace(&mut waiting.debt, debt).settle();
            waiting.once(ticket);
            done.push((order, waiting));
        }
        let mut state = self.lock();
        state.writing = 0;
        state.refusal.clear();
        for (order, waiting) in done {
            let size = waiting.size();
            if state.stored.is_empty() && state.may_take(size) {
                state.push(waiting);
            } else {
                state.stored.insert(order);
            }
        }
        self.more_threads(&mut state);
        drop(state);
        self.changed.notify_all();
    }

    fn not_written(&self, storing: &Storing, batch: Vec<Waiting>, fault: &std::io::Error) {
        let sentence = format!(
            "the spool on the state volume cannot be written ({fault}); lines wait in their files"
        );
        for waiting in &batch {
            waiting.counters.error(&sentence);
        }
        let mut state = self.lock();
        state.writing = 0;
        state.refusal = sentence;
        let direct = !storing.once && !state.stuck() && state.stored.is_empty();
        for waiting in batch.into_iter().rev() {
            if direct {
                state.room.remove(waiting.owner, waiting.size());
                state.flows.push_first(waiting.flow(), waiting.size(), waiting);
            } else {
                state.incoming.push_front(waiting);
            }
        }
        if !state.closing {
            let waited = self.spooling.wait_timeout(state, REFUSED);
            drop(waited.unwrap_or_else(PoisonError::into_inner));
        }
        self.changed.notify_all();
    }

    /// Drops what has waited longest while there is more than may be.
    fn give_way(&self, storing: &Storing) {
        if storing.rule.when_full != WhenFull::DropOldest {
            return;
        }
        let mut state = self.lock();
        if !state.room.is_over() {
            return;
        }
        // What is in memory is older than the rest, unless it was tried and so may be there already.
        let untried = |each: &Waiting| each.tries == 0 && matches!(each.debt, Debt::Stored(..));
        for (_, _, waiting) in state.flows.take(untried) {
            if let Debt::Stored(_, _, order) = waiting.debt {
                state.stored.insert(order);
            }
        }
        while state.room.is_over() {
            let Some(order) = state.stored.pop_first() else { break };
            if let Some(entry) = storing.spool.settle(order) {
                state.room.remove(entry.owner, entry.size);
                entry.give_up("spool_full");
            }
        }
    }

    /// Brings back what may be sent.
    fn feed(self: &Arc<Self>, storing: &Storing) {
        loop {
            let mut state = self.lock();
            if state.closing || !state.may_feed(storing) {
                return;
            }
            let Some(order) = state.stored.pop_first() else { return };
            drop(state);
            let Some(waiting) = self.load(storing, order) else { continue };
            let mut state = self.lock();
            state.push(waiting);
            self.more_threads(&mut state);
            drop(state);
            self.changed.notify_one();
        }
    }

    fn load(self: &Arc<Self>, storing: &Storing, order: u64) -> Option<Waiting> {
        let entry = storing.spool.entry(order)?;
        match storing.spool.load(order) {
            Ok(Loaded { sealed, manner, ticket, .. }) => {
                let mut waiting = Waiting {
                    sealed,
                    debt: self.debt(storing, order),
                    owner: entry.owner,
                    counters: entry.counters,
                    routing: Routing::of(&manner),
                    priority: manner.priority,
                    unwanted: 0,
                    tries: 0,
                    fresh: storing.spool.is_of_this_life(order),
                };
                waiting.once(ticket);
                Some(waiting)
            }
            Err(fault) => {
                entry.counters.error(&format!("the spool cannot be read: {fault}"));
                entry.give_up("spool_damaged");
                self.delivered(&storing.spool, order);
                None
            }
        }
    }

    /// What lies in the spool of a pipeline goes to the lane that it uses now.
    pub(super) fn leave(&self, state: &mut State, pipeline: &Arc<Counters>) {
        let Some(storing) = &self.storing else { return };
        for (order, entry) in storing.spool.waiting() {
            if Arc::ptr_eq(&entry.counters, pipeline) && state.stored.contains(&order) {
                state.leaving.insert(order);
            }
        }
        self.spooling.notify_all();
    }

    /// Gives other lanes what is theirs, as far as they have room.
    fn send_away(self: &Arc<Self>, storing: &Storing) {
        loop {
            let mut state = self.lock();
            let Some(order) = state.leaving.first().copied() else { return };
            let entry = storing.spool.entry(order).filter(|_| state.stored.contains(&order));
            let target = entry.as_ref().and_then(|entry| state.target(&entry.counters));
            let (Some(entry), Some(target)) = (entry, target) else {
                // It was sent meanwhile, or its pipeline came back.
                state.leaving.pop_first();
                continue;
            };
            drop(state);
            if target.place(&target.lock(), entry.owner, entry.size).is_none() {
                return;
            }
            let mut state = self.lock();
            state.leaving.pop_first();
            let there = state.stored.remove(&order);
            drop(state);
            if let Some(waiting) = self.load(storing, order).filter(|_| there) {
                target.adopt(waiting);
            }
        }
    }

    fn debt(self: &Arc<Self>, storing: &Storing, order: u64) -> Debt {
        Debt::Stored(Arc::downgrade(self), Arc::clone(&storing.spool), order)
    }

    /// A record of this lane's spool waits no more.
    pub(super) fn delivered(&self, spool: &Spool, order: u64) {
        if let Some(Entry { owner, size, .. }) = spool.settle(order) {
            self.lock().room.remove(owner, size);
        }
        self.spooling.notify_all();
    }
}

impl Debt {
    /// Tells that it is paid: acknowledged, given up for good, or durable elsewhere.
    pub(super) fn settle(self) {
        match self {
            Self::Source(source, number) => source.done(number),
            Self::Stored(home, spool, order) => match Weak::upgrade(&home) {
                Some(home) => home.delivered(&spool, order),
                None => drop(spool.settle(order)),
            },
        }
    }
}

impl Waiting {
    /// Sent under that ticket from now on.
    fn once(&mut self, ticket: Option<Ticket>) {
        if let Some(ticket) = ticket {
            self.routing = Routing::Once(ticket);
        }
    }

    fn manner(&self) -> Manner {
        let key = match &self.routing {
            Routing::Key(key) => Some(key.clone()),
            Routing::Balanced | Routing::Once(_) => None,
        };
        Manner { key, priority: self.priority }
    }

    /// Which others it must not overtake.
    pub(super) fn flow(&self) -> FlowId {
        match &self.routing {
            Routing::Once(ticket) => ticket.slot,
            _ => self.owner,
        }
    }
}

impl State {
    /// Whether the next record of the spool has room in memory.
    fn may_feed(&self, storing: &Storing) -> bool {
        let first = self.stored.first();
        // One that is not known any more is only taken off the list.
        let size = first.map(|order| storing.spool.entry(*order).map_or(0, |entry| entry.size));
        size.is_some_and(|size| self.may_take(size))
    }

    /// What is to be made durable now.
    fn take_incoming(&mut self) -> Vec<Waiting> {
        let batch: Vec<_> = self.incoming.drain(..).collect();
        self.writing = batch.len();
        batch
    }
}

fn item(waiting: &Waiting) -> Item<'_> {
    let Milestone { source, standing } = match &waiting.debt {
        Debt::Source(source, number) => {
            Milestone { source: source.source().to_owned(), standing: source.after(*number) }
        }
        // Should it be unreadable there, it stands here without a source.
        Debt::Stored(_, spool, order) => {
            spool.load(*order).map(|loaded| loaded.milestone).unwrap_or_default()
        }
    };
    let Waiting { owner, counters, sealed, .. } = waiting;
    let (counters, manner) = (Arc::clone(counters), waiting.manner());
    Item { source, standing, owner: *owner, counters, sealed, manner }
}
