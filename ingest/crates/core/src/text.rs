//! How a value is cut into words, and how a word of a query is compared with them.
//!
//! Case is folded for ASCII letters only, so that a folded copy has the same offsets. With `chn`
//! each CJK character is a word of its own: a phrase of them is then a substring, which needs no
//! dictionary and misses nothing.

use std::borrow::Cow;

use memchr::memmem;
use serde::Deserialize;

/// A longer word is compared up to here when the query has wildcards.
const MAX_GLOB_BYTES: usize = 16 * 1024;

/// Delimiters, case and Chinese of one index.
#[derive(Debug, Clone, Deserialize)]
#[serde(from = "Given")]
pub struct Rules {
    ascii: [bool; 128],
    wide: Vec<char>,
    /// Whether case counts.
    pub case: bool,
    chn: bool,
}

#[derive(Deserialize)]
struct Given {
    delimiters: String,
    case: bool,
    chn: bool,
}

impl From<Given> for Rules {
    fn from(given: Given) -> Self {
        let mut rules =
            Self { ascii: [false; 128], wide: vec![], case: given.case, chn: given.chn };
        for sign in given.delimiters.chars() {
            match rules.ascii.get_mut(sign as usize) {
                Some(flag) => *flag = true,
                None => rules.wide.push(sign),
            }
        }
        rules
    }
}

/// What a character is to the tokeniser.
#[derive(PartialEq, Eq)]
enum Kind {
    Letter,
    Delimiter,
    Alone,
}

fn is_cjk(sign: char) -> bool {
    matches!(u32::from(sign),
        0x3040..=0x30ff | 0x3400..=0x4dbf | 0x4e00..=0x9fff | 0xac00..=0xd7af | 0xf900..=0xfaff
        | 0x2_0000..=0x3_ffff)
}

impl Rules {
    fn kind(&self, sign: char) -> Kind {
        let delimiter = match self.ascii.get(sign as usize) {
            Some(&flag) => flag,
            None => self.wide.contains(&sign),
        };
        if delimiter {
            Kind::Delimiter
        } else if self.chn && is_cjk(sign) {
            Kind::Alone
        } else {
            Kind::Letter
        }
    }

    /// `text`, folded unless case counts.
    #[must_use]
    pub fn folded<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if self.case || !text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            Cow::Borrowed(text)
        } else {
            Cow::Owned(text.to_ascii_lowercase())
        }
    }

    /// The words of `text`, in order.
    pub fn words<'a>(&'a self, text: &'a str) -> impl Iterator<Item = &'a str> + use<'a> {
        let mut rest = text;
        std::iter::from_fn(move || loop {
            let first = rest.chars().next()?;
            let kind = self.kind(first);
            let size = match kind {
                Kind::Letter => {
                    let end = rest.char_indices().find(|&(_, s)| self.kind(s) != Kind::Letter);
                    end.map_or(rest.len(), |(at, _)| at)
                }
                _ => first.len_utf8(),
            };
            let (word, after) = rest.split_at(size);
            rest = after;
            if kind != Kind::Delimiter {
                return Some(word);
            }
        })
    }
}

/// One word of a query: the same word, or a pattern with `*` and `?`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Word {
    /// The word itself, folded as its rules say.
    Exact(String),
    /// Literal pieces between the `*`; a `?` in a piece is any one character.
    Glob(Vec<String>),
}

impl Word {
    fn is(&self, word: &str) -> bool {
        match self {
            Self::Exact(text) => text == word,
            Self::Glob(pieces) => glob(pieces, word),
        }
    }

    /// Text that a value must contain for the word to be in it.
    #[must_use]
    pub fn literal(&self) -> &str {
        match self {
            Self::Exact(text) => text,
            Self::Glob(pieces) => pieces
                .iter()
                .flat_map(|piece| piece.split('?'))
                .max_by_key(|part| part.len())
                .unwrap_or(""),
        }
    }
}

/// Whether `pattern` stands at the beginning of `text`: the bytes it took.
fn starts(pattern: &str, text: &str) -> Option<usize> {
    let mut left = text.chars();
    for wanted in pattern.chars() {
        let found = left.next()?;
        if wanted != '?' && wanted != found {
            return None;
        }
    }
    Some(text.len() - left.as_str().len())
}

fn find(pattern: &str, text: &str) -> Option<usize> {
    if !pattern.contains('?') {
        return memmem::find(text.as_bytes(), pattern.as_bytes()).map(|at| at + pattern.len());
    }
    let ends = text.char_indices().find_map(|(at, _)| {
        let (_, after) = text.split_at(at);
        starts(pattern, after).map(|size| at + size)
    });
    ends
}

/// The leftmost place of each piece is right: what it leaves to the others is the most.
fn glob(pieces: &[String], word: &str) -> bool {
    let Some((first, others)) = pieces.split_first() else { return false };
    let mut end = word.len().min(MAX_GLOB_BYTES);
    while !word.is_char_boundary(end) {
        end -= 1;
    }
    let (word, _) = word.split_at(end);
    let Some(size) = starts(first, word) else { return false };
    let (_, mut rest) = word.split_at(size);
    let Some((last, middle)) = others.split_last() else { return rest.is_empty() };
    for piece in middle {
        let Some(end) = find(piece, rest) else { return false };
        rest = rest.split_at(end).1;
    }
    let signs = last.chars().count();
    let left = rest.chars().count();
    left >= signs && {
        let from = rest.char_indices().nth(left - signs).map_or(rest.len(), |(at, _)| at);
        starts(last, rest.split_at(from).1).is_some()
    }
}

/// Whether `wanted` stand in `value` one after the other.
#[must_use]
pub fn contains(rules: &Rules, value: &str, wanted: &[Word]) -> bool {
    let [first, others @ ..] = wanted else { return true };
    let folded = rules.folded(value);
    let literal = wanted.iter().map(Word::literal).max_by_key(|text| text.len()).unwrap_or("");
    if memmem::find(folded.as_bytes(), literal.as_bytes()).is_none() {
        return false;
    }
    if others.is_empty() {
        let mut words = rules.words(&folded);
        return words.any(|word| first.is(word));
    }
    let words: Vec<&str> = rules.words(&folded).collect();
    words
        .windows(wanted.len())
        .any(|here| here.iter().zip(wanted).all(|(word, pattern)| pattern.is(word)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(delimiters: &str, case: bool, chn: bool) -> Rules {
        Rules::from(Given { delimiters: delimiters.to_owned(), case, chn })
    }

    fn globbed(pattern: &str, word: &str) -> bool {
        let pieces: Vec<String> = pattern.split('*').map(str::to_owned).collect();
        glob(&pieces, word)
    }

    #[test]
    fn words_end_at_delimiters_and_at_chinese_characters() {
        let cut = rules(" ,。", false, true);
        let words: Vec<&str> = cut.words("a, b,,中文x。y").collect();
        assert_eq!(words, ["a", "b", "中", "文", "x", "y"]);
        let whole = rules(" ", false, false);
        assert_eq!(whole.words("中文x y").collect::<Vec<_>>(), ["中文x", "y"]);
    }

    #[test]
    fn glob_is_anchored_at_both_ends() {
        for (pattern, word, expected) in [
            ("ab*", "abc", true),
            ("ab*", "xabc", false),
            ("a*c", "abc", true),
            ("a*c", "abcd", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b?d*", "axbcdz", true),
            ("aa*aa", "aaa", false),
            ("中?*", "中文字", true),
        ] {
            assert_eq!(globbed(pattern, word), expected, "{pattern} {word}");
        }
    }
}
