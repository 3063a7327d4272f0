//! A Bloom filter of the words of log groups: which groups need not be looked into.
//!
//! It knows no index document: words here are runs of ASCII letters and digits, folded. A word of a
//! query stands between delimiters, so each run inside it is a whole run of the text too, unless a
//! letter or digit is a delimiter; then the filter says nothing.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};

use crate::program::{Node, Program};
use crate::text::Word;
use crate::walk;

/// With [`HASHES`] hashes, one group in 200 is looked into for nothing.
const BITS_PER_WORD: usize = 12;
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

type Words = HashSet<u64, BuildHasherDefault<Same>>;

fn each(text: &[u8], mut seen: impl FnMut(u64)) {
    for run in text.split(|byte| !byte.is_ascii_alphanumeric()).filter(|run| !run.is_empty()) {
        // FNV-1a, then one round of mixing so that all bits depend on all bytes.
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for byte in run {
            hash = (hash ^ u64::from(byte.to_ascii_lowercase())).wrapping_mul(0x0100_0000_01b3);
        }
        hash ^= hash >> 32;
        seen(hash.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    }
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

/// The filter of all groups in `raws`.
#[must_use]
pub fn build(raws: &[&[u8]]) -> Vec<u8> {
    let mut words = Words::default();
    let mut add = |text: &[u8]| {
        each(text, |hash| {
            words.insert(hash);
        });
    };
    for raw in raws {
        let group = walk::group(raw);
        add(group.topic);
        add(group.source);
        group.tags.iter().for_each(|(_, value)| add(value));
        for encoded in &group.logs {
            walk::log(encoded).contents().for_each(|(_, value)| add(value));
        }
    }
    let mut filter = vec![0_u8; (words.len() * BITS_PER_WORD).div_ceil(8).max(8)];
    let size = filter.len() * 8;
    for hash in words {
        for bit in bits(hash, size) {
            filter[bit / 8] |= 1 << (bit % 8);
        }
    }
    filter
}

fn has(filter: &[u8], text: &str) -> bool {
    let size = filter.len() * 8;
    let mut all = true;
    each(text.as_bytes(), |hash| {
        all &= bits(hash, size).all(|bit| filter[bit / 8] & (1 << (bit % 8)) != 0);
    });
    all
}

fn has_all(filter: &[u8], words: &[Word]) -> bool {
    words.iter().all(|word| match word {
        Word::Exact(text) => has(filter, text),
        Word::Glob(_) => true,
    })
}

impl Program {
    /// Whether a group with this `filter` can hold a match.
    #[must_use]
    pub fn may_match(&self, filter: &[u8]) -> bool {
        filter.is_empty() || self.may(&self.node, filter)
    }

    /// Whether a filter can ever say no.
    #[must_use]
    pub fn is_selective(&self) -> bool {
        !self.may(&self.node, &[0; 8])
    }

    fn may(&self, node: &Node, filter: &[u8]) -> bool {
        match node {
            Node::And { of } => of.iter().all(|each| self.may(each, filter)),
            Node::Or { of } => of.iter().any(|each| self.may(each, filter)),
            Node::Field { field, rules, words, .. } => {
                // JSON may write a character as an escape.
                !field.path.is_empty() || !self.rules[*rules].is_plain() || has_all(filter, words)
            }
            Node::Full { words, .. } => {
                let mut by_rules = self.rules.iter().zip(words);
                by_rules.any(|(rules, words)| !rules.is_plain() || has_all(filter, words))
            }
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_never_denied_and_most_of_the_rest_is() {
        let mut raw = Vec::new();
        let words: Vec<String> = (0..5000).map(|n| format!("Word{n}")).collect();
        slswire::group::log(&mut raw, 1, 0, &[(b"content", words.join("/").as_bytes())]);
        slswire::group::text(&mut raw, "topic-1", "10.0.0.1");
        slswire::group::tag(&mut raw, "pod", "web-x7");
        let mut other = Vec::new();
        slswire::group::log(&mut other, 1, 0, &[(b"content", b"elsewhere")]);
        let filter = build(&[&raw, &other]);
        for word in
            words.iter().map(String::as_str).chain(["TOPIC-1", "10.0.0.1", "web-x7", "elsewhere"])
        {
            assert!(has(&filter, word), "{word}");
        }
        let wrong = (0..5000).filter(|n| has(&filter, &format!("absent{n}"))).count();
        assert!(wrong < 100, "{wrong}");
    }
}
