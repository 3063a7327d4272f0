//! The log groups of a packed frame by field: the same bytes, in an order that compresses better.
//!
//! [`split`] takes log groups apart and [`join`] puts the very same bytes together again. Logs that
//! an ordinary encoder wrote (time, contents, nanoseconds; numbers as short as can be) become
//! times, shapes and one column of values for each key ([`crate::templates`]); everything else of
//! a group, and a log of another form, is kept as it is. The storage's frames are made by
//! [`crate::frames`].
//!
//! The layout is a run of varints and texts: how many keys there are, and of each its text and
//! bytes of its column; how many shapes, and of each twice its number of fields plus 1 if it has
//! nanoseconds, then the numbers of its keys; bytes of the five streams; the streams: for each
//! group its logs and the bytes that follow them; for each log its shape plus 1, or 0 and its
//! bytes; differences of times; of nanoseconds; what is kept as it is. The columns follow.

use std::collections::HashMap;

use crate::templates::{self, Encoder, Values, Words};
use crate::walk::{self, Pair};
use crate::{filters, varints};

const LOGS: u8 = 0x0a;
const TIME: u8 = 0x08;
const CONTENTS: u8 = 0x12;
const TIME_NS: u8 = 0x25;
const KEY: u8 = 0x0a;
const VALUE: u8 = 0x12;

/// Of one frame; a log with another key is kept as it is.
const MOST_KEYS: usize = 1024;
/// Of one frame; a log of another shape is kept as it is.
const MOST_SHAPES: usize = 1024;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Shape {
    keys: Vec<usize>,
    has_ns: bool,
}

/// A log of the ordinary form.
struct Plain {
    time: u64,
    ns: Option<u32>,
}

fn field<'a>(rest: &mut &'a [u8], tag: u8) -> Option<&'a [u8]> {
    let (&first, after) = rest.split_first()?;
    if first != tag {
        return None;
    }
    let mut inner = after;
    let size = usize::try_from(varints::take_short(&mut inner)?).ok()?;
    let found = varints::take_bytes(&mut inner, size)?;
    *rest = inner;
    Some(found)
}

/// Reads such a log; its fields go to `pairs`.
fn plain<'a>(mut log: &'a [u8], pairs: &mut Vec<Pair<'a>>) -> Option<Plain> {
    let (&first, after) = log.split_first()?;
    if first != TIME {
        return None;
    }
    log = after;
    let time = varints::take_short(&mut log)?;
    pairs.clear();
    while let Some(mut pair) = field(&mut log, CONTENTS) {
        pairs.push((field(&mut pair, KEY)?, field(&mut pair, VALUE)?));
        if !pair.is_empty() {
            return None;
        }
    }
    let ns = match log {
        [] => None,
        [TIME_NS, a, b, c, d] => Some(u32::from_le_bytes([*a, *b, *c, *d])),
        _ => return None,
    };
    Some(Plain { time, ns })
}

#[derive(Default)]
struct Splitter<'a> {
    keys: Vec<&'a [u8]>,
    numbers: HashMap<&'a [u8], usize>,
    columns: Vec<Encoder<'a>>,
    shapes: Vec<Shape>,
    known: HashMap<Shape, usize>,
    last: usize,
    room: usize,
    pairs: Vec<Pair<'a>>,
    groups: Vec<u8>,
    logs: Vec<u8>,
    times: Vec<u8>,
    parts: Vec<u8>,
    kept: Vec<u8>,
    before: (u64, u64),
}

impl<'a> Splitter<'a> {
    fn group(&mut self, raw: &'a [u8], words: &mut impl Words) {
        let (mut rest, mut count) = (raw, 0);
        while let Some(log) = field(&mut rest, LOGS) {
            count += 1;
            self.log(log, words);
        }
        varints::put_len(&mut self.groups, count);
        varints::put_len(&mut self.groups, rest.len());
        self.kept.extend_from_slice(rest);
        filters::tell(&walk::group(rest), words);
    }

    fn log(&mut self, log: &'a [u8], words: &mut impl Words) {
        let found = plain(log, &mut self.pairs);
        let found = found.and_then(|found| Some((self.shape(found.ns.is_some())?, found)));
        let Some((shape, found)) = found else {
            self.logs.push(0);
            varints::put_len(&mut self.logs, log.len());
            self.kept.extend_from_slice(log);
            walk::log(log).contents().for_each(|(_, value)| words.text(value));
            return;
        };
        varints::put_len(&mut self.logs, shape + 1);
        let difference = found.time.wrapping_sub(self.before.0);
        varints::put(&mut self.times, varints::zigzag(difference));
        self.before.0 = found.time;
        if let Some(ns) = found.ns {
            let difference = u64::from(ns).wrapping_sub(self.before.1);
            varints::put(&mut self.parts, varints::zigzag(difference));
            self.before.1 = u64::from(ns);
        }
        for (&key, (_, value)) in self.shapes[shape].keys.iter().zip(&self.pairs) {
            self.columns[key].add(value, words, &mut self.room);
        }
    }

    /// The shape of a log with `pairs`.
    fn shape(&mut self, has_ns: bool) -> Option<usize> {
        if let Some(last) = self.shapes.get(self.last) {
            let names = last.keys.iter().map(|&key| self.keys[key]);
            if last.has_ns == has_ns && names.eq(self.pairs.iter().map(|pair| pair.0)) {
                return Some(self.last);
            }
        }
        let mut keys = Vec::with_capacity(self.pairs.len());
        for at in 0..self.pairs.len() {
            keys.push(self.key(self.pairs[at].0)?);
        }
        let shape = Shape { keys, has_ns };
        self.last = match self.known.get(&shape) {
            Some(&at) => at,
            None if self.shapes.len() >= MOST_SHAPES => return None,
            None => {
                self.known.insert(shape.clone(), self.shapes.len());
                self.shapes.push(shape);
                self.shapes.len() - 1
            }
        };
        Some(self.last)
    }

    fn key(&mut self, key: &'a [u8]) -> Option<usize> {
        if let Some(&at) = self.numbers.get(key) {
            return Some(at);
        }
        if self.keys.len() >= MOST_KEYS {
            return None;
        }
        self.numbers.insert(key, self.keys.len());
        self.keys.push(key);
        self.columns.push(Encoder::new());
        Some(self.keys.len() - 1)
    }

    fn finish(self) -> Vec<u8> {
        let columns: Vec<_> = self.columns.into_iter().map(Encoder::finish).collect();
        let mut out = Vec::new();
        varints::put_len(&mut out, self.keys.len());
        for (key, column) in self.keys.iter().zip(&columns) {
            varints::put_len(&mut out, key.len());
            out.extend_from_slice(key);
            varints::put_len(&mut out, column.len());
        }
        varints::put_len(&mut out, self.shapes.len());
        for shape in &self.shapes {
            varints::put_len(&mut out, shape.keys.len() * 2 + usize::from(shape.has_ns));
            shape.keys.iter().for_each(|&key| varints::put_len(&mut out, key));
        }
        let streams = [self.groups, self.logs, self.times, self.parts, self.kept];
        for each in &streams {
            varints::put_len(&mut out, each.len());
        }
        streams.iter().chain(&columns).for_each(|each| out.extend_from_slice(each));
        out
    }
}

/// The log groups taken apart; `words` is told of the values.
pub(crate) fn split(raws: &[&[u8]], words: &mut impl Words) -> Vec<u8> {
    let mut splitter = Splitter { room: templates::MOST_SLOTS, ..Splitter::default() };
    for raw in raws {
        splitter.group(raw, words);
    }
    splitter.finish()
}

/// A field of a shape: its key, and how many fields before it have the same one.
type Field = (usize, usize);

struct Joiner<'a> {
    /// Each key as it stands in a log, up to the length of the value.
    keys: Vec<Vec<u8>>,
    shapes: Vec<(Vec<Field>, bool)>,
    columns: Vec<Values>,
    logs: &'a [u8],
    times: &'a [u8],
    parts: &'a [u8],
    kept: &'a [u8],
    before: (u64, u64),
}

impl Joiner<'_> {
    fn log(&mut self, out: &mut Vec<u8>) -> Option<()> {
        let Some(at) = varints::take_len(&mut self.logs)?.checked_sub(1) else {
            let size = varints::take_len(&mut self.logs)?;
            let log = varints::take_bytes(&mut self.kept, size)?;
            out.push(LOGS);
            varints::put_len(out, size);
            out.extend_from_slice(log);
            return Some(());
        };
        let difference = varints::unzigzag(varints::take(&mut self.times)?);
        self.before.0 = self.before.0.wrapping_add(difference);
        let time = self.before.0;
        let (fields, has_ns) = self.shapes.get(at)?;
        let mut size = 1 + varints::len(usize::try_from(time).ok()?);
        size += if *has_ns { 5 } else { 0 };
        for &(key, skipped) in fields {
            let value = self.columns[key].length(skipped)?;
            let pair = self.keys[key].len() + varints::len(value) + value;
            size += 1 + varints::len(pair) + pair;
        }
        out.push(LOGS);
        varints::put_len(out, size);
        out.push(TIME);
        varints::put(out, time);
        for &(key, _) in fields {
            let (name, value) = (&self.keys[key], self.columns[key].next()?);
            out.push(CONTENTS);
            varints::put_len(out, name.len() + varints::len(value.len()) + value.len());
            out.extend_from_slice(name);
            varints::put_len(out, value.len());
            out.extend_from_slice(value);
        }
        if *has_ns {
            let difference = varints::unzigzag(varints::take(&mut self.parts)?);
            self.before.1 = self.before.1.wrapping_add(difference);
            out.push(TIME_NS);
            out.extend_from_slice(&u32::try_from(self.before.1).ok()?.to_le_bytes());
        }
        Some(())
    }
}

/// What [`split`] took apart, `size` bytes; None where it is not that.
pub(crate) fn join(data: &[u8], size: usize) -> Option<Vec<u8>> {
    let mut rest = data;
    let (keys, sizes) = take_keys(&mut rest)?;
    let shapes = take_shapes(&mut rest, keys.len())?;
    let lengths = [(); 5].map(|()| varints::take_len(&mut rest));
    let mut streams: [&[u8]; 5] = [&[]; 5];
    for (stream, length) in streams.iter_mut().zip(lengths) {
        *stream = varints::take_bytes(&mut rest, length?)?;
    }
    let [mut groups, logs, times, parts, kept] = streams;
    let counts = counts(groups, logs, &shapes, keys.len())?;
    let keys = keys.iter().map(|key| named(key)).collect();
    let mut columns = Vec::new();
    for (bytes, count) in sizes.into_iter().zip(counts) {
        columns.push(templates::decode(varints::take_bytes(&mut rest, bytes)?, count, size)?);
    }
    let mut joiner = Joiner { keys, shapes, columns, logs, times, parts, kept, before: (0, 0) };
    let mut out = Vec::with_capacity(size);
    while !groups.is_empty() {
        for _ in 0..varints::take_len(&mut groups)? {
            joiner.log(&mut out)?;
            if out.len() > size {
                return None;
            }
        }
        let tail = varints::take_len(&mut groups)?;
        out.extend_from_slice(varints::take_bytes(&mut joiner.kept, tail)?);
    }
    (out.len() == size).then_some(out)
}

fn named(key: &[u8]) -> Vec<u8> {
    let mut out = vec![KEY];
    varints::put_len(&mut out, key.len());
    out.extend_from_slice(key);
    out.push(VALUE);
    out
}

fn take_keys<'a>(rest: &mut &'a [u8]) -> Option<(Vec<&'a [u8]>, Vec<usize>)> {
    let count = varints::take_len(rest)?;
    let (mut keys, mut sizes) = (Vec::new(), Vec::new());
    for _ in 0..count {
        let length = varints::take_len(rest)?;
        keys.push(varints::take_bytes(rest, length)?);
        sizes.push(varints::take_len(rest)?);
    }
    Some((keys, sizes))
}

fn take_shapes(rest: &mut &[u8], keys: usize) -> Option<Vec<(Vec<Field>, bool)>> {
    let count = varints::take_len(rest)?;
    let mut found = Vec::new();
    for _ in 0..count {
        let form = varints::take_len(rest)?;
        let (mut fields, mut seen) = (Vec::new(), HashMap::new());
        for _ in 0..form / 2 {
            let key = varints::take_len(rest).filter(|&key| key < keys)?;
            let before = seen.entry(key).or_insert(0);
            fields.push((key, *before));
            *before += 1;
        }
        found.push((fields, form % 2 == 1));
    }
    Some(found)
}

/// How many values each column has.
fn counts(
    mut groups: &[u8],
    mut logs: &[u8],
    shapes: &[(Vec<Field>, bool)],
    keys: usize,
) -> Option<Vec<usize>> {
    let mut of_shape = vec![0_usize; shapes.len()];
    while !groups.is_empty() {
        for _ in 0..varints::take_len(&mut groups)? {
            match varints::take_len(&mut logs)?.checked_sub(1) {
                None => varints::take_len(&mut logs).map(|_| ())?,
                Some(at) => *of_shape.get_mut(at)? += 1,
            }
        }
        varints::take_len(&mut groups)?;
    }
    let mut found = vec![0; keys];
    for ((fields, _), count) in shapes.iter().zip(of_shape) {
        for &(key, _) in fields {
            found[key] += count;
        }
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    struct Nothing;

    impl Words for Nothing {
        fn word(&mut self, _: &[u8]) {}
        fn text(&mut self, _: &[u8]) {}
    }

    fn there_and_back(raws: &[Vec<u8>]) {
        let raws: Vec<&[u8]> = raws.iter().map(Vec::as_slice).collect();
        let split = split(&raws, &mut Nothing);
        let whole = raws.concat();
        assert_eq!(join(&split, whole.len()).as_deref(), Some(&*whole));
        assert_eq!(join(&split, whole.len() + 1), None);
        assert!(whole.is_empty() || join(&split, whole.len() - 1).is_none());
    }

    prop_compose! {
        fn a_value()(words in vec("[a-z]{0,4}|[0-9]{1,9}|[0-9a-f]{8}|[ /:\\x00\\n\\r.é-]", 0..12)) -> String {
            words.concat()
        }
    }

    prop_compose! {
        fn a_group()(
            logs in vec((any::<u32>(), 0_u32..2_000_000_000, vec(("[ab]|level|content", a_value()), 0..5)), 0..40),
            topic in a_value(),
            times in 0..3,
        ) -> Vec<u8> {
            let mut raw = Vec::new();
            for (time, ns, pairs) in &logs {
                let pairs: Vec<_> = pairs.iter().map(|(k, v)| (k.as_bytes(), v.as_bytes())).collect();
                slswire::group::log(&mut raw, if times == 0 { *time } else { 1_700_000_000 }, *ns, &pairs);
            }
            slswire::group::text(&mut raw, &topic, "10.0.0.1");
            slswire::group::tag(&mut raw, "pod", &topic);
            raw
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(100))]

        #[test]
        fn groups_come_back_to_the_byte(raws in vec(a_group(), 0..4)) {
            there_and_back(&raws);
        }

        #[test]
        fn so_do_bytes_of_any_kind(raws in vec(vec(any::<u8>(), 0..200), 0..4)) {
            there_and_back(&raws);
        }

        #[test]
        fn so_do_groups_changed_anywhere(raw in a_group(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let mut raw = raw;
            let at = at.index(raw.len());
            raw[at] = byte;
            there_and_back(&[raw.clone(), raw[..at].to_vec()]);
        }

        #[test]
        fn damage_is_refused_or_gives_as_many_bytes(
            raws in vec(a_group(), 1..3),
            at in any::<prop::sample::Index>(),
            byte in any::<u8>(),
        ) {
            let raws: Vec<&[u8]> = raws.iter().map(Vec::as_slice).collect();
            let mut data = split(&raws, &mut Nothing);
            let size = raws.concat().len();
            let at = at.index(data.len());
            data[at] = byte;
            for data in [&data[..], &data[..at]] {
                prop_assert!(join(data, size).is_none_or(|found| found.len() == size));
            }
        }
    }

    #[test]
    fn more_keys_shapes_templates_and_variables_than_are_kept_apart_come_back() {
        let mut many = Vec::new();
        for n in 0..5000 {
            let (key, value) = (format!("key{n}"), format!("{}{n}", "x ".repeat(n % 97)));
            let letters: String = value.chars().map(|c| if c == 'x' { 'y' } else { 'z' }).collect();
            let own = format!("{letters} {}", "1 ".repeat(n % 300));
            let pairs = [(key.as_bytes(), &b"v"[..]), (b"content", own.as_bytes())];
            slswire::group::log(&mut many, 1, 0, &pairs[usize::from(n > 2000)..]);
            if n % 3 == 0 {
                slswire::group::log(
                    &mut many,
                    1,
                    0,
                    &vec![(&b"same"[..], value.as_bytes()); n % 9],
                );
            }
        }
        there_and_back(&[many]);
    }

    #[test]
    fn lines_of_a_few_kinds_take_a_third_less_than_zstd_alone() {
        let (mut raw, mut state) = (Vec::new(), 1_u64);
        for n in 0..4000_u32 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let (a, b) = (state >> 40, state >> 32 & 0xffff);
            let line = match n % 3 {
                0 => format!("10.0.{}.{} - GET /cart?id={n:09} HTTP/1.1 200 {b}", a & 255, b & 255),
                1 => format!(
                    "{{\"level\":\"info\",\"trace\":\"{state:016x}\",\"took\":{}}}",
                    b % 900
                ),
                _ => format!("2026-11-25 09:07:{:02} INFO worker-{} handled {n}", n % 60, b % 16),
            };
            slswire::group::log(
                &mut raw,
                1_700_000_000 + n / 50,
                n,
                &[(b"content", line.as_bytes())],
            );
        }
        let packed = |data: &[u8]| zstd::bulk::compress(data, 1).unwrap().len();
        let (whole, apart) = (packed(&raw), packed(&split(&[&raw], &mut Nothing)));
        assert!(apart * 3 < whole * 2, "{apart} {whole}");
    }
}
