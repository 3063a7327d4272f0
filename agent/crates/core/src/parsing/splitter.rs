//! A pattern that can be matched without going back, as a walk over the line: several times faster
//! than an automaton that has to remember where twelve groups began.
//!
//! What users write for access logs is a row of literals and of runs of one class (`(\S+) "([^"]*)"`).
//! Where what follows a run says where it ends, there is one way to match, so that the walk finds
//! what the automaton would find. [`Splitter::new`] takes a pattern only if that is proven for each of
//! its runs; [`pattern`](super::pattern) keeps the automaton for all others, and for lines that are not
//! ASCII.

use regex_syntax::hir::{Class, Hir, HirKind, Look, Repetition};
use regex_syntax::ParserBuilder;

/// Items of a pattern at most: longer ones are machine-made, and stay with the automaton.
const MAX_ITEMS: usize = 500;

/// Groups within groups; the same.
const MAX_NESTING: usize = 50;

/// Bytes by their value.
type Set = [bool; 256];

/// Where the maximal run of a class ends.
#[derive(Debug, Clone)]
enum Stop {
    /// At the first of these bytes, the only ones in ASCII that are not of the class.
    One(u8),
    Two(u8, u8),
    Three(u8, u8, u8),
    /// At the first byte that is not in the set.
    Outside(Box<Set>),
}

/// How the end of a run is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// It has so many bytes.
    Fixed,
    /// So many bytes before the maximal run ends, with which the literal behind it begins.
    Before(usize),
    /// Nothing has to follow it.
    Free,
}

#[derive(Debug, Clone)]
enum Item {
    Literal(Vec<u8>),
    Run { set: Box<Set>, stop: Stop, least: usize, most: usize, end: End },
    Open(usize),
    Close(usize),
}

/// A pattern, proven to match in one way at most.
#[derive(Debug, Clone)]
pub struct Splitter {
    items: Vec<Item>,
    groups: usize,
    /// Whether the match must reach the end of the line.
    whole: bool,
}

impl Splitter {
    /// Takes a pattern that begins at the beginning of the line and can be walked.
    #[must_use]
    pub fn new(pattern: &str) -> Option<Self> {
        let hir = ParserBuilder::new().unicode(false).utf8(false).build().parse(pattern).ok()?;
        let mut reading = Reading { items: Vec::new(), groups: 0, begun: false, ended: false };
        reading.take(&hir, 0)?;
        let Reading { mut items, groups, begun, ended } = reading;
        for at in 0..items.len() {
            let end = match items.get(at) {
                Some(Item::Run { set, least, most, .. }) => {
                    prove(set, (*least, *most), items.get(at + 1..)?, ended)?
                }
                _ => continue,
            };
            if let Some(Item::Run { end: known, .. }) = items.get_mut(at) {
                *known = end;
            }
        }
        begun.then_some(Self { items, groups, whole: ended })
    }

    /// Groups of the pattern.
    #[must_use]
    pub fn groups(&self) -> usize {
        self.groups
    }

    /// Where each group stands in an ASCII line, from the first one on; false if there is no match.
    pub fn split(&self, line: &[u8], places: &mut Vec<(usize, usize)>) -> bool {
        places.clear();
        places.resize(self.groups, (0, 0));
        let mut at = 0;
        for item in &self.items {
            match item {
                Item::Literal(text) => {
                    if !line.get(at..).is_some_and(|rest| rest.starts_with(text)) {
                        return false;
                    }
                    at += text.len();
                }
                Item::Run { set, stop, least, most, end } => {
                    let found = match end {
                        End::Fixed => fixed(line, at, *least, set),
                        End::Before(back) => stop.after(line, at).checked_sub(*back),
                        End::Free => Some(stop.after(line, at).min(at.saturating_add(*most))),
                    };
                    let Some(length) = found.and_then(|end| end.checked_sub(at)) else {
                        return false;
                    };
                    if length < *least || length > *most {
                        return false;
                    }
                    at += length;
                }
                Item::Open(group) => {
                    if let Some(place) = places.get_mut(*group) {
                        place.0 = at;
                    }
                }
                Item::Close(group) => {
                    if let Some(place) = places.get_mut(*group) {
                        place.1 = at;
                    }
                }
            }
        }
        !self.whole || at == line.len()
    }
}

fn fixed(line: &[u8], at: usize, length: usize, set: &Set) -> Option<usize> {
    let end = at.checked_add(length)?;
    let of_set = |byte: &u8| set.get(usize::from(*byte)).copied().unwrap_or_default();
    line.get(at..end)?.iter().all(of_set).then_some(end)
}

impl Stop {
    fn of(set: &Set) -> Self {
        let mut outside = (0_u8..128).filter(|byte| !contains(set, *byte));
        match (outside.next(), outside.next(), outside.next(), outside.next()) {
            (Some(one), None, ..) => Self::One(one),
            (Some(one), Some(two), None, _) => Self::Two(one, two),
            (Some(one), Some(two), Some(three), None) => Self::Three(one, two, three),
            _ => Self::Outside(Box::new(*set)),
        }
    }

    /// The end of the maximal run that begins at `at`.
    fn after(&self, line: &[u8], at: usize) -> usize {
        let rest = line.get(at..).unwrap_or_default();
        let found = match self {
            Self::One(one) => memchr::memchr(*one, rest),
            Self::Two(one, two) => memchr::memchr2(*one, *two, rest),
            Self::Three(one, two, three) => memchr::memchr3(*one, *two, *three, rest),
            Self::Outside(set) => rest.iter().position(|byte| !contains(set, *byte)),
        };
        at + found.unwrap_or(rest.len())
    }
}

fn contains(set: &Set, byte: u8) -> bool {
    set.get(usize::from(byte)).copied().unwrap_or_default()
}

fn disjoint(one: &Set, other: &Set) -> bool {
    one.iter().zip(other).all(|(one, other)| !(*one && *other))
}

/// How the end of a run of `set` is known, given what follows; None if more than one end may do.
fn prove(set: &Set, (least, most): (usize, usize), behind: &[Item], whole: bool) -> Option<End> {
    if least == most {
        return Some(End::Fixed);
    }
    let mut consuming =
        behind.iter().filter(|item| matches!(item, Item::Literal(_) | Item::Run { .. })).peekable();
    let mut passed = false;
    while let Some(item) = consuming.next() {
        match item {
            Item::Run { set: next, least, .. } => {
                // Whatever it takes begins where this run cannot go on.
                if !disjoint(set, next) {
                    return None;
                }
                if *least > 0 {
                    return Some(End::Before(0));
                }
                passed = true;
            }
            Item::Literal(first) => {
                let mut text = first.clone();
                while let Some(Item::Literal(more)) = consuming.peek() {
                    text.extend_from_slice(more);
                    consuming.next();
                }
                // Its bytes before the first one outside belong to the maximal run.
                let inside = text.iter().position(|byte| !contains(set, *byte))?;
                return (inside == 0 || !passed).then_some(End::Before(inside));
            }
            Item::Open(_) | Item::Close(_) => {}
        }
    }
    // The line's end ends the run, or nothing does: then it takes all it may.
    match (whole, passed) {
        (true, _) => Some(End::Before(0)),
        (false, false) => Some(End::Free),
        (false, true) => None,
    }
}

struct Reading {
    items: Vec<Item>,
    groups: usize,
    begun: bool,
    ended: bool,
}

impl Reading {
    fn take(&mut self, hir: &Hir, nesting: usize) -> Option<()> {
        if nesting > MAX_NESTING || self.items.len() > MAX_ITEMS {
            return None;
        }
        if let HirKind::Look(look) = hir.kind() {
            return self.look(*look);
        }
        if let HirKind::Concat(all) = hir.kind() {
            return all.iter().try_for_each(|each| self.take(each, nesting + 1));
        }
        // Whatever takes bytes, or could, stands between the two ends.
        if !self.begun || self.ended {
            return None;
        }
        match hir.kind() {
            HirKind::Empty => {}
            HirKind::Literal(literal) => self.items.push(Item::Literal(literal.0.to_vec())),
            HirKind::Class(_) => self.run(hir, 1, 1)?,
            HirKind::Repetition(Repetition { min, max, greedy, sub }) => {
                let most = max.map_or(usize::MAX, |most| most as usize);
                // A lazy run that nothing has to follow would take the least.
                if !greedy {
                    return None;
                }
                self.run(sub, *min as usize, most)?;
            }
            HirKind::Capture(capture) => {
                let group = (capture.index as usize).checked_sub(1)?;
                self.groups = self.groups.max(group + 1);
                self.items.push(Item::Open(group));
                self.take(&capture.sub, nesting + 1)?;
                self.items.push(Item::Close(group));
            }
            HirKind::Look(_) | HirKind::Concat(_) | HirKind::Alternation(_) => return None,
        }
        Some(())
    }

    fn look(&mut self, look: Look) -> Option<()> {
        match look {
            Look::Start if self.items.is_empty() => self.begun = true,
            Look::End if self.begun => self.ended = true,
            _ => return None,
        }
        Some(())
    }

    fn run(&mut self, of: &Hir, least: usize, most: usize) -> Option<()> {
        let set = Box::new(set(of)?);
        let stop = Stop::of(&set);
        self.items.push(Item::Run { set, stop, least, most, end: End::Fixed });
        Some(())
    }
}

/// The bytes that a class, or a literal of one byte, stands for.
fn set(hir: &Hir) -> Option<Set> {
    let mut set = [false; 256];
    match hir.kind() {
        HirKind::Class(Class::Bytes(class)) => {
            for range in class.ranges() {
                set.get_mut(usize::from(range.start())..=usize::from(range.end()))?.fill(true);
            }
        }
        HirKind::Literal(literal) => match &*literal.0 {
            [byte] => *set.get_mut(usize::from(*byte))? = true,
            _ => return None,
        },
        _ => return None,
    }
    Some(set)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use regex::bytes;

    use super::*;

    const NGINX: &str = r#"\A(?:(\S+) - (\S+) \[([^\]]+)\] "(\S+) (\S+) (\S+)" (\d+) (\d+) "([^"]*)" "([^"]*)" (\S+) "([^"]*)")\z"#;

    /// What the automaton finds.
    fn reference(pattern: &str) -> impl Fn(&str) -> Option<Vec<(usize, usize)>> {
        let compiled = bytes::RegexBuilder::new(pattern).unicode(false).build().unwrap();
        move |line| {
            let found = compiled.captures(line.as_bytes())?;
            let places = (1..found.len()).map(|group| found.get(group).unwrap());
            Some(places.map(|place| (place.start(), place.end())).collect())
        }
    }

    /// Which of the lines match; the two must agree on each.
    fn agrees(pattern: &str, lines: &[&str]) -> Option<Vec<bool>> {
        let splitter = Splitter::new(pattern)?;
        let (reference, mut places) = (reference(pattern), Vec::new());
        let mut matched = Vec::new();
        for line in lines {
            let found = splitter.split(line.as_bytes(), &mut places).then(|| places.clone());
            assert_eq!(found, reference(line), "{pattern:?} on {line:?}");
            matched.push(found.is_some());
        }
        Some(matched)
    }

    #[test]
    fn access_log_is_walked_and_found_as_by_the_automaton() {
        let line = r#"10.0.0.1 - - [01/Mar/2024:16:12:07 +0800] "GET /a?b="c" HTTP/1.1" 200 12 "-" "Mozilla/5.0 (X11)" 0.123 "-""#;
        assert_eq!(agrees(NGINX, &[line]), Some(vec![true]));
        let cut: Vec<_> = (0..line.len()).map(|cut| line.get(..cut).unwrap()).collect();
        assert!(!agrees(NGINX, &cut).unwrap().contains(&true));
    }

    #[test]
    fn pattern_that_may_match_in_two_ways_stays_with_the_automaton() {
        for pattern in [
            r"(\S+) ",        // not anchored
            r"\A(.*) (.*)\z", // which blank?
            r"\A(a*)(a+)\z",
            r"\A(a+)(b*)a\z",
            r"\A(a|b)\z",
            r"\A(a)?b\z",
            r"\A(a+?)\z",
            r"\A\b(a+)\z",
            r"\A(?:(a)b)+\z",
            r"\A(\w+)_x_\z",
            r"(?m)^(a+)$",
            r"\A(a+)(b*)",
        ] {
            assert!(Splitter::new(pattern).is_none(), "{pattern}");
        }
    }

    #[test]
    fn literal_that_begins_within_the_class_ends_the_run_before_it() {
        let pattern = r#"\A"(\S+)" (\d{2,3})x?y\z"#;
        let lines = [r#""a"b" 12y"#, r#""" 12y"#, r#""a" 1234xy"#, r#""a" 123xy"#, r#""a"  12y"#];
        assert_eq!(agrees(pattern, &lines), Some(vec![true, false, false, true, false]));
    }

    fn class() -> impl Strategy<Value = &'static str> {
        prop::sample::select(vec![
            r"\S", r"\d", r"\w", "[^ ]", "[^a]", "[ab]", "[^ab]", ".", "a", r"[^\]]", "[^-]",
            r"\s", "(?i:b)",
        ])
    }

    fn piece() -> impl Strategy<Value = String> {
        let times =
            prop::sample::select(vec!["+", "*", "", "{2}", "{1,3}", "?", "{2,}", "+?", "*?"]);
        let run = (class(), times).prop_map(|(class, times)| format!("{class}{times}"));
        let literal = prop::sample::select(vec![" ", "a", "b", "-", "a ", " a", "1-", "b]", "ba"]);
        let literal = literal.prop_map(str::to_owned);
        prop_oneof![3 => run, 3 => literal, 1 => Just("(?:a|b)".to_owned())]
    }

    fn pattern() -> impl Strategy<Value = String> {
        let grouped =
            (prop::collection::vec(piece(), 1..3), any::<bool>()).prop_map(|(all, group)| {
                if group {
                    format!("({})", all.concat())
                } else {
                    all.concat()
                }
            });
        let end = prop::sample::select(vec![r"\z", "$", ""]);
        (prop::collection::vec(grouped, 1..6), end)
            .prop_map(|(all, end)| format!(r"\A{}{end}", all.concat()))
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4000, ..ProptestConfig::default() })]

        /// Whatever is taken is found as by the automaton, on lines that nearly match.
        #[test]
        fn walk_finds_what_the_automaton_finds(
            pattern in pattern(), lines in prop::collection::vec("[ab1 \\-\\]\n]{0,14}", 8),
        ) {
            let lines: Vec<_> = lines.iter().map(String::as_str).collect();
            agrees(&pattern, &lines);
        }
    }
}
