//! The segments of a spool's directory and what waits in them; `Spool` locks it and syncs.

use std::collections::{BTreeMap, VecDeque};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::record::{self, Frame, Head, Opening, Ticket};
use super::{now, owner, Entry, Item, Milestone, Written};
use crate::counters::Registry;

const SUFFIX: &str = "segment";

/// A segment is followed by the next one beyond that.
const SEGMENT_BYTES: u64 = 4 * 1024 * 1024;

/// Largest segment read: the records that were written at once may exceed the other bound.
const LARGEST: u64 = 256 * 1024 * 1024;

#[derive(Debug)]
pub(super) struct Segment {
    pub(super) number: u64,
    pub(super) bytes: u64,
    /// Records in it that wait.
    pub(super) waiting: usize,
}

#[derive(Debug, Default)]
pub(super) struct Inner {
    /// Oldest first.
    pub(super) segments: VecDeque<Segment>,
    /// The last one, when it is being written.
    pub(super) file: Option<Arc<File>>,
    pub(super) opening: Opening,
    pub(super) waiting: BTreeMap<u64, Entry>,
    pub(super) complaints: Vec<String>,
    /// Bytes of what waits.
    pub(super) held: u64,
    /// Records that were perhaps written and do not count.
    pub(super) void: Vec<u64>,
}

impl Inner {
    /// Takes a record into what waits.
    pub(super) fn take_up(&mut self, order: u64, entry: Entry) {
        if let Some(at) = self.segments.iter_mut().find(|each| each.number == entry.segment) {
            at.waiting += 1;
        }
        self.held += entry.length as u64;
        self.waiting.insert(order, entry);
    }

    /// A record waits no more.
    pub(super) fn put_off(&mut self, order: u64) -> Option<Entry> {
        let entry = self.waiting.remove(&order)?;
        self.held = self.held.saturating_sub(entry.length as u64);
        if let Some(at) = self.segments.iter_mut().find(|each| each.number == entry.segment) {
            at.waiting = at.waiting.saturating_sub(1);
        }
        Some(entry)
    }

    /// Writes records, not synced yet.
    pub(super) fn write_all(
        &mut self,
        directory: &Path,
        items: &[Item<'_>],
        exactly_once: bool,
    ) -> io::Result<Vec<(Written, Entry)>> {
        let mut done = Vec::with_capacity(items.len());
        while let Some(order) = self.void.last().copied() {
            self.note(directory, order)?;
            self.void.pop();
        }
        for item in items {
            let ticket = if exactly_once { self.ticket(item.owner) } else { None };
            let order = self.opening.order;
            self.opening.order += 1;
            let head = Head {
                order,
                source: item.source.clone(),
                standing: item.standing.clone(),
                manner: item.manner.clone(),
                ticket: ticket.clone(),
                written: now(),
                compression: item.sealed.compression,
                raw_size: item.sealed.raw_size,
                logs: item.sealed.logs,
                bytes: item.sealed.bytes,
            };
            let bytes = record::record(&head, &item.sealed.body)?;
            let (segment, at) = self.write(directory, &bytes)?;
            let entry = Entry {
                segment,
                at,
                length: bytes.len(),
                owner: item.owner,
                counters: Arc::clone(&item.counters),
                size: item.sealed.body.len(),
                bytes: item.sealed.bytes,
                written: head.written,
            };
            done.push((Written { order, ticket }, entry));
        }
        Ok(done)
    }

    fn ticket(&mut self, owner: usize) -> Option<Ticket> {
        let count = self.opening.slots.len().max(1);
        let slot = owner % count;
        let at = self.opening.slots.get_mut(slot)?;
        let ticket = Ticket { slot, key: at.key.clone(), seqid: at.next };
        at.next += 1;
        Some(ticket)
    }

    pub(super) fn note(&mut self, directory: &Path, order: u64) -> io::Result<()> {
        let bytes = record::settled(order)?;
        self.write(directory, &bytes).map(|_| ())
    }

    /// Appends a frame; gives where it stands.
    pub(super) fn write(&mut self, directory: &Path, frame: &[u8]) -> io::Result<(u64, u64)> {
        let full = self.segments.back().is_some_and(|last| last.bytes >= SEGMENT_BYTES);
        let file = match &self.file {
            Some(file) if !full => Arc::clone(file),
            before => {
                if let Some(before) = before {
                    // What is synced next is the new file only.
                    before.sync_data()?;
                }
                self.begin(directory)?
            }
        };
        let Some(last) = self.segments.back_mut() else {
            return Err(io::ErrorKind::NotFound.into());
        };
        if let Err(fault) = (&*file).write_all(frame) {
            // What comes after a torn frame would not be read.
            self.file = None;
            return Err(fault);
        }
        let at = last.bytes;
        last.bytes += frame.len() as u64;
        Ok((last.number, at))
    }

    /// Begins the next segment.
    fn begin(&mut self, directory: &Path) -> io::Result<Arc<File>> {
        let number = self.segments.back().map_or(1, |last| last.number + 1);
        let file = File::create(path(directory, number))?;
        let opening = record::opening(&self.opening)?;
        (&file).write_all(&opening)?;
        file.sync_data()?;
        File::open(directory)?.sync_all()?;
        let file = Arc::new(file);
        self.file = Some(Arc::clone(&file));
        self.segments.push_back(Segment { number, bytes: opening.len() as u64, waiting: 0 });
        Ok(file)
    }

    /// Reads a segment at the start.
    pub(super) fn read(
        &mut self,
        directory: &Path,
        number: u64,
        registry: &Registry,
        milestones: &mut Vec<Milestone>,
    ) -> io::Result<()> {
        let mut bytes = Vec::new();
        File::open(path(directory, number))?.take(LARGEST).read_to_end(&mut bytes)?;
        self.segments.push_back(Segment { number, bytes: bytes.len() as u64, waiting: 0 });
        let mut at = 0;
        while let Some((frame, length)) = bytes.get(at..).and_then(record::decode) {
            match frame {
                Frame::Opening(opening) => self.go_on(opening),
                Frame::Settled(orders) => {
                    for order in orders {
                        self.put_off(order);
                    }
                }
                Frame::Record(head, body) => {
                    self.found(&head);
                    let entry = Entry {
                        segment: number,
                        at: at as u64,
                        length,
                        owner: owner(&head.source),
                        counters: registry.of(pipeline(&head.source)),
                        size: body.len(),
                        bytes: head.bytes,
                        written: head.written,
                    };
                    // A copy stands for what was copied.
                    self.put_off(head.order);
                    self.take_up(head.order, entry);
                    let Head { source, standing, .. } = *head;
                    milestones.push(Milestone { source, standing });
                }
            }
            at += length;
        }
        if at < bytes.len() {
            self.complaints.push(format!(
                "spool {}: the last {} bytes are torn or damaged and count as not written",
                path(directory, number).display(),
                bytes.len() - at
            ));
        }
        Ok(())
    }

    fn go_on(&mut self, opening: Opening) {
        let order = self.opening.order.max(opening.order);
        self.opening = Opening { order, ..opening };
    }

    /// Numbers that a record used are not used again.
    fn found(&mut self, head: &Head) {
        self.opening.order = self.opening.order.max(head.order + 1);
        if let Some(ticket) = &head.ticket {
            if let Some(slot) = self.opening.slots.get_mut(ticket.slot) {
                if slot.key == ticket.key {
                    slot.next = slot.next.max(ticket.seqid + 1);
                }
            }
        }
    }
}

fn pipeline(source: &str) -> &str {
    source.split_once('\0').map_or(source, |(pipeline, _)| pipeline)
}

pub(super) fn path(directory: &Path, number: u64) -> PathBuf {
    directory.join(format!("{number:012}.{SUFFIX}"))
}

/// The segments that are there, oldest first.
pub(super) fn numbers(directory: &Path) -> io::Result<Vec<u64>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let name = entry?.file_name();
        let stem = name.to_str().and_then(|name| name.split_once('.'));
        found.extend(
            stem.filter(|(_, end)| *end == SUFFIX).and_then(|(stem, _)| stem.parse::<u64>().ok()),
        );
    }
    found.sort_unstable();
    Ok(found)
}
