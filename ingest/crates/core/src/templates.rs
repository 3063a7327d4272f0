//! One field's values as a column: what they share once, what differs side by side.
//!
//! A value is cut into its template and its variables: the runs of letters and digits that hold a
//! digit. `took 31 ms` is the template `took _ ms` and the variable `31`. Variables that stand in
//! the same place of the same template follow each other, so that a compressor finds numbers
//! beside numbers and ids beside ids. [`crate::columns`] has one column for each field of a frame.
//!
//! A column begins with numbers (varints): how many templates there are; bytes of the ids, of the
//! plain lengths and of the plain values; for each template its length, its variables, and bytes
//! of each of them. Then follow the templates, ids, plain lengths, plain values and variables.
//! An id is 0 for a plain value, else the template's number plus 1; a variable ends with a line
//! feed. Where templates gain nothing there are none, no ids either, and all values are plain.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};

use crate::varints;

/// Stands for a variable in a template; a value that holds it is kept plain.
const HOLE: u8 = 0;
const END: u8 = b'\n';

/// Of one column; beyond, values are kept plain.
const MOST_TEMPLATES: usize = 4096;
/// Of one value; beyond, it is kept plain.
const MOST_VARIABLES: usize = 255;
/// Of one frame, all columns and templates together: each is held apart, in some hundred bytes.
pub(crate) const MOST_SLOTS: usize = 16_384;
/// Fewer values for each template than this are no pattern.
const LEAST_USE: usize = 4;

const LETTER: u8 = 1;
const DIGIT: u8 = 2;
const KINDS: [u8; 256] = kinds();

const fn kinds() -> [u8; 256] {
    let mut found = [0; 256];
    let mut byte = 0_u8;
    loop {
        if byte.is_ascii_digit() {
            found[byte as usize] = DIGIT;
        } else if byte.is_ascii_alphabetic() {
            found[byte as usize] = LETTER;
        }
        if byte == u8::MAX {
            return found;
        }
        byte += 1;
    }
}

/// A value cut: the template's text, and where the variables are.
#[derive(Default)]
struct Cut {
    template: Vec<u8>,
    variables: Vec<(usize, usize)>,
}

impl Cut {
    /// Cuts `value`; whether that can be undone.
    fn cut(&mut self, value: &[u8]) -> bool {
        self.template.clear();
        self.variables.clear();
        let (mut kept, mut begin, mut seen) = (0, 0, 0);
        for (at, &byte) in value.iter().enumerate() {
            let kind = KINDS[usize::from(byte)];
            if kind > 0 {
                seen |= kind;
                continue;
            }
            if seen & DIGIT != 0 {
                self.variable(&value[kept..begin], begin, at);
                kept = at;
            }
            begin = at + 1;
            seen = 0;
            if byte == HOLE {
                return false;
            }
        }
        if seen & DIGIT != 0 {
            self.variable(&value[kept..begin], begin, value.len());
            kept = value.len();
        }
        self.template.extend_from_slice(&value[kept..]);
        self.variables.len() <= MOST_VARIABLES
    }

    fn variable(&mut self, before: &[u8], begin: usize, end: usize) {
        self.template.extend_from_slice(before);
        self.template.push(HOLE);
        self.variables.push((begin, end));
    }
}

/// Hashes templates by eight bytes at a time from a seed that nobody outside knows; the standard
/// library's hash takes a tenth of all that packing takes.
struct Seeded(u64);

impl Hasher for Seeded {
    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 29)
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            let mixed = (self.0 ^ u64::from_le_bytes(word)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            self.0 = mixed ^ (mixed >> 32);
        }
    }
}

#[derive(Clone)]
struct Seed(u64);

impl BuildHasher for Seed {
    type Hasher = Seeded;

    fn build_hasher(&self) -> Seeded {
        Seeded(self.0)
    }
}

#[derive(Default)]
struct Template {
    text: Vec<u8>,
    slots: Vec<Vec<u8>>,
}

/// Values as they come, and the column that they make.
pub(crate) struct Encoder<'a> {
    values: Vec<&'a [u8]>,
    templates: Vec<Template>,
    known: HashMap<Vec<u8>, usize, Seed>,
    ids: Vec<u8>,
    plain: Vec<&'a [u8]>,
    cut: Cut,
}

impl<'a> Encoder<'a> {
    pub(crate) fn new() -> Self {
        Self {
            values: Vec::new(),
            templates: Vec::new(),
            known: HashMap::with_hasher(Seed(RandomState::new().hash_one(0))),
            ids: Vec::new(),
            plain: Vec::new(),
            cut: Cut::default(),
        }
    }

    /// Adds a value; `words` is told of it, `room` is how many slots the frame may still have.
    pub(crate) fn add(&mut self, value: &'a [u8], words: &mut impl Words, room: &mut usize) {
        self.values.push(value);
        let found = if self.cut.cut(value) { self.template(words, room) } else { None };
        let Some(at) = found else {
            words.text(value);
            self.plain.push(value);
            self.ids.push(0);
            return;
        };
        varints::put_len(&mut self.ids, at + 1);
        for (slot, &(begin, end)) in self.templates[at].slots.iter_mut().zip(&self.cut.variables) {
            words.word(&value[begin..end]);
            slot.extend_from_slice(&value[begin..end]);
            slot.push(END);
        }
    }

    fn template(&mut self, words: &mut impl Words, room: &mut usize) -> Option<usize> {
        if let Some(&at) = self.known.get(&self.cut.template) {
            return Some(at);
        }
        if self.templates.len() >= MOST_TEMPLATES {
            return None;
        }
        *room = room.checked_sub(self.cut.variables.len())?;
        let text = self.cut.template.clone();
        words.text(&text);
        self.known.insert(text.clone(), self.templates.len());
        let slots = vec![Vec::new(); self.cut.variables.len()];
        self.templates.push(Template { text, slots });
        Some(self.templates.len() - 1)
    }

    /// The column.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        if self.templates.len() * LEAST_USE > self.values.len() {
            self.templates.clear();
            self.ids.clear();
            self.plain = self.values;
        }
        let mut lengths = Vec::new();
        self.plain.iter().for_each(|value| varints::put_len(&mut lengths, value.len()));
        let mut out = Vec::new();
        varints::put_len(&mut out, self.templates.len());
        varints::put_len(&mut out, self.ids.len());
        varints::put_len(&mut out, lengths.len());
        varints::put_len(&mut out, self.plain.iter().map(|value| value.len()).sum());
        for each in &self.templates {
            varints::put_len(&mut out, each.text.len());
            varints::put_len(&mut out, each.slots.len());
            each.slots.iter().for_each(|slot| varints::put_len(&mut out, slot.len()));
        }
        self.templates.iter().for_each(|each| out.extend_from_slice(&each.text));
        out.extend_from_slice(&self.ids);
        out.extend_from_slice(&lengths);
        self.plain.iter().for_each(|value| out.extend_from_slice(value));
        self.templates.iter().flat_map(|each| &each.slots).for_each(|slot| out.extend(slot));
        out
    }
}

/// Is told what stands in the values of a column.
pub(crate) trait Words {
    /// A whole run of letters and digits.
    fn word(&mut self, run: &[u8]);
    /// A text with whole runs of letters and digits.
    fn text(&mut self, text: &[u8]);
}

/// The values of a column one after the other, and where each ends.
pub(crate) struct Values {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    next: usize,
}

impl Values {
    /// The next value, in order.
    pub(crate) fn next(&mut self) -> Option<&[u8]> {
        let begin = if self.next == 0 { 0 } else { self.ends[self.next - 1] };
        let end = *self.ends.get(self.next)?;
        self.next += 1;
        self.bytes.get(begin..end)
    }

    /// The length of the value after `skipped` more.
    pub(crate) fn length(&self, skipped: usize) -> Option<usize> {
        let at = self.next + skipped;
        let begin = if at == 0 { 0 } else { *self.ends.get(at - 1)? };
        Some(self.ends.get(at)? - begin)
    }
}

struct Known<'a> {
    /// The template's text between its variables.
    pieces: Vec<&'a [u8]>,
    slots: Vec<&'a [u8]>,
}

/// Decodes a column of `count` values, `most` bytes at the most; None where it is none.
pub(crate) fn decode(column: &[u8], count: usize, most: usize) -> Option<Values> {
    let mut rest = column;
    let templates = varints::take_len(&mut rest)?;
    let sizes = [(); 3].map(|()| varints::take_len(&mut rest));
    let [ids, lengths, plain] = [sizes[0]?, sizes[1]?, sizes[2]?];
    let mut shapes = Vec::new();
    for _ in 0..templates {
        let text = varints::take_len(&mut rest)?;
        let slots = varints::take_len(&mut rest)?;
        let slots: Option<Vec<usize>> = (0..slots).map(|_| varints::take_len(&mut rest)).collect();
        shapes.push((text, slots?));
    }
    let mut known = Vec::new();
    for (text, _) in &shapes {
        let pieces = varints::take_bytes(&mut rest, *text)?.split(|&byte| byte == HOLE).collect();
        known.push(Known { pieces, slots: Vec::new() });
    }
    let mut ids = varints::take_bytes(&mut rest, ids)?;
    let mut lengths = varints::take_bytes(&mut rest, lengths)?;
    let mut plain = varints::take_bytes(&mut rest, plain)?;
    for (each, (_, sizes)) in known.iter_mut().zip(&shapes) {
        let slots = sizes.iter().map(|&size| varints::take_bytes(&mut rest, size));
        each.slots = slots.collect::<Option<_>>()?;
        if each.pieces.len() != each.slots.len() + 1 {
            return None;
        }
    }
    let size = plain.len() + used(ids, &known).unwrap_or(0);
    let bytes = Vec::with_capacity(size.min(most));
    let mut values = Values { bytes, ends: Vec::new(), next: 0 };
    for _ in 0..count {
        let id = if templates == 0 { 0 } else { varints::take_len(&mut ids)? };
        match id.checked_sub(1) {
            None => {
                let size = varints::take_len(&mut lengths)?;
                values.bytes.extend_from_slice(varints::take_bytes(&mut plain, size)?);
            }
            Some(at) => fill(known.get_mut(at)?, &mut values.bytes)?,
        }
        if values.bytes.len() > most {
            return None;
        }
        values.ends.push(values.bytes.len());
    }
    Some(values)
}

/// Bytes of the values that templates make, or a little more: growing takes longer than counting.
fn used(mut ids: &[u8], known: &[Known<'_>]) -> Option<usize> {
    let texts: Vec<usize> = known.iter().map(|each| each.pieces.concat().len()).collect();
    let mut size = known.iter().flat_map(|each| &each.slots).map(|slot| slot.len()).sum();
    while !ids.is_empty() {
        if let Some(at) = varints::take_len(&mut ids)?.checked_sub(1) {
            size += texts.get(at)?;
        }
    }
    Some(size)
}

fn fill(template: &mut Known<'_>, out: &mut Vec<u8>) -> Option<()> {
    let (first, others) = template.pieces.split_first()?;
    out.extend_from_slice(first);
    for (slot, piece) in template.slots.iter_mut().zip(others) {
        // Variables are short: looking for a byte by vectors takes longer than going through them.
        let end = slot.iter().position(|&byte| byte == END)?;
        out.extend_from_slice(&slot[..end]);
        *slot = &slot[end + 1..];
        out.extend_from_slice(piece);
    }
    Some(())
}
