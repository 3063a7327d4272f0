//! From lines to records: parts that the runtime split are joined, and, where a pipeline asks for
//! it, lines of one stack trace.
//!
//! Each stream is joined on its own. A record keeps the place of its first byte, so that a
//! checkpoint never passes a record that is not finished.

use std::time::{Duration, Instant};

use crate::carried::Carried;
use crate::cri;
use crate::files::Place;
use crate::parsing::lines::{Grouping, State};
use crate::plan::{Multiline, Stream};

/// Files back that the lines of one stream may hold the checkpoint of the other: the kubelet keeps
/// no more of them.
pub(crate) const HELD_FILES: u64 = 5;

/// A finished record. Most are one line and borrow the bytes that were just read; only what waits
/// for more is copied. `batch` encodes it at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// Unix seconds of its first line.
    pub time: u32,
    /// Nanoseconds within the second.
    pub time_ns: u32,
    /// The time as it stands in the file.
    pub stamp: &'a [u8],
    /// Which output.
    pub stream: Stream,
    /// What the container wrote, without the last newline.
    pub content: &'a [u8],
}

#[derive(Debug)]
struct Unfinished {
    time: u32,
    time_ns: u32,
    stamp: Vec<u8>,
    stream: Stream,
    content: Vec<u8>,
    begin: Place,
    state: State,
    touched: Instant,
}

impl Unfinished {
    fn new(record: &Record<'_>, begin: Place, touched: Instant) -> Self {
        Self {
            time: record.time,
            time_ns: record.time_ns,
            stamp: record.stamp.to_vec(),
            stream: record.stream,
            content: record.content.to_vec(),
            begin,
            state: State::default(),
            touched,
        }
    }

    fn new_carried(carried: Carried, touched: Instant) -> Self {
        let Carried { stream, time, time_ns, stamp, content, state, .. } = carried;
        // Before the first file.
        let begin = Place::default();
        Self { time, time_ns, stamp, stream, content, begin, state: State(state), touched }
    }

    fn carried(&self, part: bool) -> Carried {
        Carried {
            part,
            stream: self.stream,
            time: self.time,
            time_ns: self.time_ns,
            stamp: self.stamp.clone(),
            content: self.content.clone(),
            state: self.state.0,
        }
    }

    fn record(&self) -> Record<'_> {
        Record {
            time: self.time,
            time_ns: self.time_ns,
            stamp: &self.stamp,
            stream: self.stream,
            content: &self.content,
        }
    }
}

/// The pattern and limits of multi-line records.
#[derive(Debug, Clone)]
pub struct Rule {
    groups: Grouping,
    flush: Duration,
    max_bytes: usize,
}

impl Rule {
    /// Compiles a rule; the error is a sentence for the report.
    ///
    /// # Errors
    /// The pattern is none, or needs too much memory.
    pub fn new(multiline: &Multiline) -> Result<Self, String> {
        let groups = Grouping::new(multiline)?;
        let flush = Duration::try_from_secs_f64(multiline.flush_seconds)
            .map_err(|fault| format!("multiline.flushAfter is no duration: {fault}"))?;
        Ok(Self { groups, flush, max_bytes: multiline.max_bytes })
    }
}

/// Joins the lines of one container.
#[derive(Debug)]
pub struct Joiner {
    rule: Option<Rule>,
    max_line: usize,
    parts: [Option<Unfinished>; 2],
    traces: [Option<Unfinished>; 2],
    cut: u64,
}

impl Joiner {
    /// A joiner of lines up to `max_line` bytes.
    #[must_use]
    pub fn new(rule: Option<Rule>, max_line: usize) -> Self {
        Self { rule, max_line, parts: [None, None], traces: [None, None], cut: 0 }
    }

    /// Joins by another rule from now on.
    pub fn change_rule(&mut self, rule: Option<Rule>) {
        self.rule = rule;
    }

    /// Bytes cut off over-long lines since the last call.
    pub fn take_cut(&mut self) -> u64 {
        std::mem::take(&mut self.cut)
    }

    /// The first byte of what is not finished yet.
    #[must_use]
    pub fn begin(&self) -> Option<Place> {
        self.parts.iter().chain(&self.traces).flatten().map(|each| each.begin).min()
    }

    /// What is not finished, for a checkpoint to carry.
    #[must_use]
    pub fn carried(&self) -> Vec<Carried> {
        let open = |part: bool, of: &[Option<Unfinished>; 2]| -> Vec<Carried> {
            of.iter().flatten().map(|each| each.carried(part)).collect()
        };
        let mut carried = open(true, &self.parts);
        carried.extend(open(false, &self.traces));
        carried
    }

    /// Goes on with what a checkpoint carried; `now` is when it was touched last.
    pub fn carry(&mut self, carried: Vec<Carried>, now: Instant) {
        for each in carried {
            let at = each.stream as usize;
            let part = each.part;
            let unfinished = Some(Unfinished::new_carried(each, now));
            if part {
                self.parts[at] = unfinished;
            } else {
                self.traces[at] = unfinished;
            }
        }
    }

    /// Lines are missing before what comes next: gives out what is whole. Bytes of lines that are not
    /// are lost; says how many.
    pub fn end_at_gap(&mut self, out: &mut impl FnMut(&Record<'_>)) -> u64 {
        let parts = self.parts.iter_mut().filter_map(Option::take);
        let lost = parts.map(|part| part.content.len() as u64).sum();
        self.flush_all(out);
        lost
    }

    /// Whether something is not finished whose beginning no file needs to have any more.
    #[must_use]
    pub fn has_carried(&self) -> bool {
        self.begin().is_some_and(|begin| begin == Place::default())
    }

    /// Takes one line that began at `begin` and was read at `now`; gives finished records to `out`.
    pub fn line(
        &mut self,
        line: &cri::Line<'_>,
        begin: Place,
        now: Instant,
        out: &mut impl FnMut(&Record<'_>),
    ) {
        let at = line.stream as usize;
        let room = self.max_line - self.parts[at].as_ref().map_or(0, |part| part.content.len());
        let kept = line.content.get(..room).unwrap_or(line.content);
        self.cut += (line.content.len() - kept.len()) as u64;
        if let Some(part) = &mut self.parts[at] {
            part.content.extend_from_slice(kept);
            part.touched = now;
            if !line.partial {
                if let Some(part) = self.parts[at].take() {
                    self.whole(&part.record(), part.begin, now, out);
                }
            }
            return;
        }
        let record = Record {
            time: line.time,
            time_ns: line.time_ns,
            stamp: line.stamp,
            stream: line.stream,
            content: kept,
        };
        if line.partial {
            let from = self.held_from(begin);
            self.parts[at] = Some(Unfinished::new(&record, from, now));
        } else {
            self.whole(&record, begin, now, out);
        }
    }

    /// Where to read again, to have a part at `begin` and what was unfinished besides: else the last
    /// part of the other stream's line would come once more, without its beginning. Lines of two
    /// streams that overlap without an end do not hold a checkpoint for ever ([`HELD_FILES`]).
    fn held_from(&self, begin: Place) -> Place {
        let open = self.parts.iter().flatten().map(|part| part.begin);
        open.filter(|open| open.file + HELD_FILES >= begin.file).min().unwrap_or(begin)
    }

    fn whole(
        &mut self,
        line: &Record<'_>,
        begin: Place,
        now: Instant,
        out: &mut impl FnMut(&Record<'_>),
    ) {
        let Some(rule) = &self.rule else {
            out(line);
            return;
        };
        let trace = &mut self.traces[line.stream as usize];
        let step = rule.groups.step(trace.as_ref().map(|open| open.state), line.content);
        match (trace.as_mut(), step.state) {
            (Some(open), state) if step.append && fits(open, line, rule.max_bytes) => {
                open.content.push(b'\n');
                open.content.extend_from_slice(line.content);
                open.state = state.unwrap_or_default();
                open.touched = now;
                if state.is_none() {
                    give(trace.take(), out);
                }
            }
            (_, Some(state)) => {
                let fresh = Unfinished { state, ..Unfinished::new(line, begin, now) };
                give(trace.replace(fresh), out);
            }
            (_, None) => {
                give(trace.take(), out);
                out(line);
            }
        }
    }

    /// Gives out records that nothing was added to for the rule's time.
    pub fn flush_old(&mut self, now: Instant, out: &mut impl FnMut(&Record<'_>)) {
        let Some(rule) = &self.rule else { return };
        for trace in &mut self.traces {
            if trace.as_ref().is_some_and(|open| now.duration_since(open.touched) >= rule.flush) {
                give(trace.take(), out);
            }
        }
    }

    /// When [`Joiner::flush_old`] has something to give, if nothing is added before.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        let flush = self.rule.as_ref()?.flush;
        self.traces.iter().flatten().filter_map(|open| open.touched.checked_add(flush)).min()
    }

    /// Gives out everything: nothing more will come.
    pub fn flush_all(&mut self, out: &mut impl FnMut(&Record<'_>)) {
        for at in 0..2 {
            if let Some(part) = self.parts[at].take() {
                self.whole(&part.record(), part.begin, part.touched, out);
            }
            give(self.traces[at].take(), out);
        }
    }
}

fn give(done: Option<Unfinished>, out: &mut impl FnMut(&Record<'_>)) {
    if let Some(done) = done {
        out(&done.record());
    }
}

fn fits(open: &Unfinished, line: &Record<'_>, most: usize) -> bool {
    open.content.len() + 1 + line.content.len() <= most
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(joiner: &mut Joiner, lines: &[&str]) -> Vec<String> {
        let mut out = Vec::new();
        for (number, text) in lines.iter().enumerate() {
            let full = format!("2024-01-01T00:00:00.5Z {text}");
            let place = Place { file: 1, offset: number as u64 };
            let line = cri::Parser::default().parse(full.as_bytes()).unwrap();
            joiner.line(&line, place, Instant::now(), &mut |each| out.push(text_of(each)));
        }
        out
    }

    fn text_of(record: &Record<'_>) -> String {
        String::from_utf8(record.content.to_vec()).unwrap()
    }

    fn start(pattern: &str, max_bytes: usize) -> Multiline {
        Multiline {
            preset: None,
            start: Some(pattern.into()),
            go_on: None,
            end: None,
            flush_seconds: 0.0,
            max_bytes,
        }
    }

    fn java(max_bytes: usize) -> Joiner {
        Joiner::new(Some(Rule::new(&start(r"^\d{4}-", max_bytes)).unwrap()), 1000)
    }

    #[test]
    fn parts_of_the_two_streams_do_not_mix() {
        let mut joiner = Joiner::new(None, 1000);
        let lines = ["stdout P a", "stderr P x", "stdout P b", "stderr F y", "stdout F c"];
        assert_eq!(feed(&mut joiner, &lines), ["xy", "abc"]);
        assert_eq!(joiner.begin(), None);
    }

    #[test]
    fn unfinished_part_holds_the_checkpoint_at_its_beginning() {
        let mut joiner = Joiner::new(None, 1000);
        assert_eq!(feed(&mut joiner, &["stderr F z", "stdout P a", "stdout P b"]), ["z"]);
        assert_eq!(joiner.begin(), Some(Place { file: 1, offset: 1 }));
    }

    #[test]
    fn part_holds_the_checkpoint_where_the_other_stream_was_unfinished() {
        let mut joiner = Joiner::new(None, 1000);
        assert_eq!(feed(&mut joiner, &["stderr P x", "stdout P a", "stderr F y"]), ["xy"]);
        assert_eq!(joiner.begin(), Some(Place { file: 1, offset: 0 }));
        assert_eq!(feed(&mut joiner, &["stdout F b"]), ["ab"]);
        assert_eq!(joiner.begin(), None);
    }

    #[test]
    fn over_long_line_is_cut_and_counted() {
        let mut joiner = Joiner::new(None, 4);
        assert_eq!(feed(&mut joiner, &["stdout P abc", "stdout P def", "stdout F gh"]), ["abcd"]);
        assert_eq!((joiner.take_cut(), joiner.take_cut()), (4, 0));
    }

    #[test]
    fn stack_trace_is_one_record_until_the_next_start() {
        let mut joiner = java(1000);
        let lines = ["stdout F 2024-01-01 failed", "stdout F \tat B", "stdout F 2024-01-02 next"];
        assert_eq!(feed(&mut joiner, &lines), ["2024-01-01 failed\n\tat B"]);
        let mut out = Vec::new();
        joiner.flush_old(Instant::now(), &mut |each| out.push(text_of(each)));
        assert_eq!(out, ["2024-01-02 next"]);
    }

    #[test]
    fn record_that_grows_too_large_is_given_out_in_pieces() {
        let mut joiner = java(12);
        let lines = ["stdout F 2024-a", "stdout F bcd", "stdout F efg"];
        assert_eq!(feed(&mut joiner, &lines), ["2024-a\nbcd"]);
    }

    #[test]
    fn pattern_that_would_need_too_much_memory_is_refused_with_a_sentence() {
        for pattern in ["([a-z", r"(\pL{1000}){1000}"] {
            let words = Rule::new(&start(pattern, 1000)).unwrap_err();
            assert!(words.starts_with("multiline.start"), "{words}");
        }
    }
}
