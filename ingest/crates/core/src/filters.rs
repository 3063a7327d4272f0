//! A filter of the words of log groups: which groups need not be looked into.
//!
//! It knows no index document: words here are runs of ASCII letters and digits, folded. A word of a
//! query stands between delimiters, so each run inside it is a whole run of the text too, unless a
//! letter or digit is a delimiter; then the filter says nothing.
//!
//! The first byte says of which kind it is: a binary fuse filter (20 bytes of its descriptor, then
//! its fingerprints), or a Bloom filter, as packs of the first version have it.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};

use xorf::{BinaryFuse8, BinaryFuse8Ref, DmaSerializable, Filter, FilterRef};

use crate::program::{Node, Program};
use crate::templates;
use crate::text::Word;
use crate::walk::{self, Group};

/// A Bloom filter of four hashes.
const BLOOM: u8 = 0;
/// One group in 250 is looked into for nothing.
const FUSE: u8 = 1;

const HASHES: u64 = 4;

/// Hashes are hashed already.
#[derive(Default)]
struct Same(u64);

impl Hasher for Same {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {}

    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }
}

/// Distinct words of an ordinary frame, some ten thousand: growing a set costs as much as filling it.
const EXPECTED: usize = 14_000;

/// The words of some log groups.
pub(crate) struct Collector {
    hashes: HashSet<u64, BuildHasherDefault<Same>>,
}

impl Default for Collector {
    fn default() -> Self {
        Self { hashes: HashSet::with_capacity_and_hasher(EXPECTED, BuildHasherDefault::default()) }
    }
}

impl templates::Words for Collector {
    fn word(&mut self, run: &[u8]) {
        self.hashes.insert(hash(run));
    }

    fn text(&mut self, text: &[u8]) {
        runs(text).for_each(|run| self.word(run));
    }
}

fn runs(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| !byte.is_ascii_alphanumeric()).filter(|run| !run.is_empty())
}

fn hash(run: &[u8]) -> u64 {
    // FNV-1a, then one round of mixing so that all bits depend on all bytes.
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in run {
        hash = (hash ^ u64::from(byte.to_ascii_lowercase())).wrapping_mul(0x0100_0000_01b3);
    }
    hash ^= hash >> 32;
    hash.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

fn bits(hash: u64, size: usize) -> impl Iterator<Item = usize> {
    // The high bits decide; the step's are the low ones, which are independent of them.
    let step = hash.rotate_left(32) | 1;
    (0..HASHES).map(move |number| {
        let spread = u128::from(hash.wrapping_add(number.wrapping_mul(step)));
        // The high half of the product is below `size`, which is a usize.
        usize::try_from((spread * size as u128) >> 64).unwrap_or(0)
    })
}

/// Tells the words of a group.
pub(crate) fn tell(group: &Group<'_>, words: &mut impl templates::Words) {
    words.text(group.topic);
    words.text(group.source);
    group.tags.iter().for_each(|(_, value)| words.text(value));
    for encoded in &group.logs {
        walk::log(encoded).contents().for_each(|(_, value)| words.text(value));
    }
}

/// The filter of all groups in `raws`.
#[must_use]
pub fn of(raws: &[&[u8]]) -> Vec<u8> {
    let mut words = Collector::default();
    for raw in raws {
        tell(&walk::group(raw), &mut words);
    }
    build(words)
}

/// The filter of these words; empty, which decides nothing, where none can be made.
pub(crate) fn build(words: Collector) -> Vec<u8> {
    let hashes: Vec<u64> = words.hashes.into_iter().collect();
    let Ok(made) = BinaryFuse8::try_from(&hashes) else {
        return Vec::new();
    };
    let mut filter = vec![FUSE; 1 + BinaryFuse8::DESCRIPTOR_LEN];
    made.dma_copy_descriptor_to(&mut filter[1..]);
    filter.extend_from_slice(made.dma_fingerprints());
    filter
}

/// A filter that can be asked.
enum Asked<'a> {
    Bloom(&'a [u8]),
    Fuse(BinaryFuse8Ref<'a>),
    /// It says nothing.
    Mute,
}

impl<'a> Asked<'a> {
    fn new(filter: &'a [u8]) -> Self {
        match filter.split_first() {
            Some((&BLOOM, bits)) if !bits.is_empty() => Self::Bloom(bits),
            Some((&FUSE, rest)) => fuse(rest).map_or(Self::Mute, Self::Fuse),
            _ => Self::Mute,
        }
    }

    fn has(&self, text: &str) -> bool {
        runs(text.as_bytes()).map(hash).all(|hash| match self {
            Self::Bloom(filter) => {
                bits(hash, filter.len() * 8).all(|bit| filter[bit / 8] & (1 << (bit % 8)) != 0)
            }
            Self::Fuse(filter) => filter.contains(&hash),
            Self::Mute => true,
        })
    }

    fn has_all(&self, words: &[Word]) -> bool {
        words.iter().all(|word| match word {
            Word::Exact(text) => self.has(text),
            Word::Glob(_) => true,
        })
    }
}

fn fuse(filter: &[u8]) -> Option<BinaryFuse8Ref<'_>> {
    let (descriptor, fingerprints) = filter.split_at_checked(BinaryFuse8::DESCRIPTOR_LEN)?;
    let number = |at: usize| -> Option<usize> {
        let bytes = descriptor.get(at..at + 4)?.try_into().ok()?;
        usize::try_from(u32::from_le_bytes(bytes)).ok()
    };
    // After the seed: the length of a segment, its mask, the length of all but two segments. The
    // library trusts them.
    let (length, mask, covered) = (number(8)?, number(12)?, number(16)?);
    let inside = length.is_power_of_two()
        && mask == length - 1
        && covered % length == 0
        && covered.checked_add(2 * length)? <= fingerprints.len();
    inside.then(|| BinaryFuse8Ref::from_dma(descriptor, fingerprints))
}

impl Program {
    /// Whether a group with this `filter` can hold a match.
    #[must_use]
    pub fn may_match(&self, filter: &[u8]) -> bool {
        self.may(&self.node, &Asked::new(filter))
    }

    /// Whether a filter can ever say no.
    #[must_use]
    pub fn is_selective(&self) -> bool {
        !self.may(&self.node, &Asked::Bloom(&[0; 8]))
    }

    fn may(&self, node: &Node, filter: &Asked<'_>) -> bool {
        match node {
            Node::And { of } => of.iter().all(|each| self.may(each, filter)),
            Node::Or { of } => of.iter().any(|each| self.may(each, filter)),
            Node::Field { field, rules, words, .. } => {
                // JSON may write a character as an escape.
                !field.path.is_empty() || !self.rules[*rules].is_plain() || filter.has_all(words)
            }
            Node::Full { words, .. } => {
                let mut by_rules = self.rules.iter().zip(words);
                by_rules.any(|(rules, words)| !rules.is_plain() || filter.has_all(words))
            }
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups() -> (Vec<u8>, Vec<u8>, Vec<String>) {
        let mut raw = Vec::new();
        let mut words: Vec<String> = (0..5000).map(|n| format!("Word{n}")).collect();
        slswire::group::log(&mut raw, 1, 0, &[(b"content", words.join("/").as_bytes())]);
        slswire::group::text(&mut raw, "topic-1", "10.0.0.1");
        slswire::group::tag(&mut raw, "pod", "web-x7");
        let mut other = Vec::new();
        slswire::group::log(&mut other, 1, 0, &[(b"content", b"elsewhere")]);
        words.extend(["TOPIC-1", "10.0.0.1", "web-x7", "elsewhere"].map(str::to_owned));
        (raw, other, words)
    }

    fn wrong(filter: &[u8]) -> usize {
        (0..5000).filter(|n| Asked::new(filter).has(&format!("absent{n}"))).count()
    }

    #[test]
    fn what_is_there_is_never_denied_and_most_of_the_rest_is() {
        let (raw, other, words) = groups();
        let packed = crate::frames::pack(&[&raw, &other]).unwrap().1;
        for filter in [of(&[&raw, &other]), packed] {
            assert!(words.iter().all(|word| Asked::new(&filter).has(word)));
            assert!(wrong(&filter) < 60, "{}", wrong(&filter));
            assert!(filter.len() < 5000 * 11 / 8, "{}", filter.len());
        }
    }

    #[test]
    fn filters_of_the_first_version_are_asked_as_before() {
        let (_, _, words) = groups();
        let mut filter = vec![0_u8; 1 + words.len() * 12 / 8];
        let size = (filter.len() - 1) * 8;
        for word in words.iter().flat_map(|word| runs(word.as_bytes())) {
            bits(hash(word), size).for_each(|bit| filter[1 + bit / 8] |= 1 << (bit % 8));
        }
        assert!(words.iter().all(|word| Asked::new(&filter).has(word)));
        assert!(wrong(&filter) < 100, "{}", wrong(&filter));
    }

    #[test]
    fn any_bytes_can_be_asked() {
        let (raw, _, words) = groups();
        let filter = of(&[&raw]);
        for at in 0..40 {
            for value in [0, 1, 0x7f, 0xff] {
                let mut damaged = filter.clone();
                damaged[at] = value;
                words.iter().take(50).for_each(|word| {
                    Asked::new(&damaged).has(word);
                });
            }
            let cut = Asked::new(&filter[..at]);
            assert!(words.iter().take(50).all(|word| cut.has(word)));
        }
        assert!(Asked::new(&of(&[])).has("") && Asked::new(&[]).has("anything"));
    }
}
