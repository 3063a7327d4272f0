//! Which lines are one record: by patterns, by a language's stack traces, or by JSON's brackets.
//!
//! `joining` asks [`Grouping::step`] for every line, with the [`State`] that the open record is in,
//! and does the rest: buffers, limits, time-outs.

use regex::bytes::Regex;

use super::pattern;
use crate::plan::Multiline;

/// Where an open record stands; its meaning is the grouping's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct State(pub(crate) u32);

/// What becomes of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// It belongs to the open record; else it begins another.
    pub append: bool,
    /// Of the record from now on; None where this line is its last.
    pub state: Option<State>,
}

/// A compiled rule.
#[derive(Debug, Clone)]
pub struct Grouping(Kind);

#[derive(Debug, Clone)]
enum Kind {
    Patterns { start: Option<Regex>, go_on: Option<Regex>, end: Option<Regex> },
    Preset(Vec<Row>),
    Json,
}

#[derive(Debug, Clone)]
struct Row {
    from: u32,
    pattern: Regex,
    to: u32,
    append: bool,
}

/// No record is open.
const NONE: u32 = 1;
/// The record is a line that is nothing special, perhaps what a logger writes above a trace.
const PLAIN: u32 = 2;
/// Stages of a trace; what they are differs by language.
const A: u32 = 4;
const B: u32 = 8;
const C: u32 = 16;
const D: u32 = 32;

const APPEND: bool = true;
const BEGIN: bool = false;

type Rows = &'static [(u32, &'static str, u32, bool)];

/// A: the exception's own line. B: its frames. C: a cause, whose frames always follow, so that lines
/// between are its message.
const JAVA: Rows = &[
    (PLAIN | A | B | C, r"^(?:Caused by: |\s+Suppressed: |Suppressed: )", C, APPEND),
    (PLAIN | A | B | C, r"^[ \t]+\S", B, APPEND),
    (
        C,
        r"^(?:\d{2,4}[-/:.]|[\[{]|[A-Z][a-z]{2} \d|(?:TRACE|DEBUG|INFO|WARN|ERROR)\b)",
        PLAIN,
        BEGIN,
    ),
    (NONE | PLAIN | A | B | C, "^Exception in thread \"", A, BEGIN),
    (C, r"", C, APPEND),
    (B, r"^\s*$", B, APPEND),
    (PLAIN, r"^(?:SEVERE|WARNING|INFO|CONFIG|FINE|FINER|FINEST): ", PLAIN, APPEND),
    (PLAIN, r"^(?:[\w$]+\.)+[\w$]*(?:Exception|Error|Throwable|Failure)\b", A, APPEND),
    (NONE | A | B, r"^(?:[\w$]+\.)+[\w$]*(?:Exception|Error|Throwable|Failure)\b", A, BEGIN),
];

/// A: frames. B: behind the line that names the exception. C: a blank line behind that. D: the
/// sentence that another traceback follows.
const PYTHON: Rows = &[
    (PLAIN | D, r"^(?:  \+ Exception Group )?Traceback \(most recent call last\):", A, APPEND),
    (
        NONE | A | B | C,
        r"^(?:  \+ Exception Group )?Traceback \(most recent call last\):",
        A,
        BEGIN,
    ),
    (A, r"^(?:[ \t]|$)", A, APPEND),
    (A, r"^\S", B, APPEND),
    (B, r"^[ \t]+\S", B, APPEND),
    (B, r"^$", C, APPEND),
    (
        C,
        "^(?:During handling of the above exception, another exception occurred:\
         |The above exception was the direct cause of the following exception:)$",
        D,
        APPEND,
    ),
    (D, r"^$", D, APPEND),
    (PLAIN, r"^[ \t]+\S", PLAIN, APPEND),
];

/// A: what the panic says. B: goroutines.
const GO: Rows = &[
    (A, r"^panic: ", A, APPEND),
    (
        NONE | PLAIN | B,
        r"^(?:panic: |fatal error: |SIG[A-Z]+: |unexpected fault address )",
        A,
        BEGIN,
    ),
    (PLAIN | A | B, r"^goroutine \d+ .*\[.*\]:$", B, APPEND),
    (A, r"^(?:\s*$|\[|[ \t])", A, APPEND),
    (
        B,
        r"^(?:\s*$|[ \t]+\S|created by |exit status \d+$|\.\.\.|\S+\(.*\)$|[a-z]\w*\s+0x[0-9a-f]+$)",
        B,
        APPEND,
    ),
    (PLAIN, r"^[ \t]+\S", PLAIN, APPEND),
];

/// A: an exception with its frames.
const DOTNET: Rows = &[
    (NONE | PLAIN | A, r"^Unhandled [Ee]xception", A, BEGIN),
    (PLAIN, r"^(?:[A-Za-z_]\w*\.)+\w*Exception\b", A, APPEND),
    (NONE | A, r"^(?:[A-Za-z_]\w*\.)+\w*Exception\b", A, BEGIN),
    (PLAIN | A, r"^(?:[ \t]+\S|--- End of )", A, APPEND),
];

/// A: an exception with its frames.
const RUBY: Rows = &[
    (PLAIN | A, r"^[^\s:]+:\d+:in [`'].*'$", A, APPEND),
    (
        NONE | PLAIN | A,
        r"^(?:[^\s:]+:\d+:in [`'].*: |Traceback \(most recent call last\):)",
        A,
        BEGIN,
    ),
    (PLAIN, r"^(?:[A-Z]\w*::)*[A-Z]\w*(?:Error|Exception|NotFound|Missing)\b", A, APPEND),
    (NONE | A, r"^(?:[A-Z]\w*::)*[A-Z]\w*(?:Error|Exception|NotFound|Missing)\b", A, BEGIN),
    (PLAIN | A, r"^[ \t]+\S", A, APPEND),
    (A, r"^\s*$", A, APPEND),
];

/// A: the excerpt of the source in front of an uncaught error. B: the error with its frames.
const NODEJS: Rows = &[
    (A, r"^(?:Uncaught )?[\w$.]*(?:Error|Exception)\b", B, APPEND),
    (A | B, r"^Node\.js v\d", B, APPEND),
    (A, r"", A, APPEND),
    (NONE | PLAIN | B, r"^(?:file://)?(?:/|[A-Z]:\\|node:)\S*:\d+$", A, BEGIN),
    (NONE | PLAIN | B, r"^(?:Uncaught )?[\w$.]*(?:Error|Exception)(?: \[\w+\])?(?::|$)", B, BEGIN),
    (B, r"^(?:[ \t]+\S|\s*$|[}\]])", B, APPEND),
    (PLAIN, r"^[ \t]+\S", B, APPEND),
];

fn preset(name: &str) -> Result<Kind, String> {
    let rows = match name {
        "Java" => JAVA,
        "Python" => PYTHON,
        "Go" => GO,
        "DotNet" => DOTNET,
        "Ruby" => RUBY,
        "NodeJS" => NODEJS,
        "JSON" => return Ok(Kind::Json),
        other => {
            return Err(format!(
                "multiline.preset {other:?} is not known; use Java, Python, Go, DotNet, Ruby, \
                 NodeJS or JSON"
            ))
        }
    };
    let compile = |(from, text, to, append): &(u32, &str, u32, bool)| {
        let pattern = pattern::search_bytes(text, "multiline.preset")?;
        Ok(Row { from: *from, pattern, to: *to, append: *append })
    };
    Ok(Kind::Preset(rows.iter().map(compile).collect::<Result<_, String>>()?))
}

impl Grouping {
    /// Compiles a rule.
    ///
    /// # Errors
    /// A sentence that names the field.
    pub fn new(rule: &Multiline) -> Result<Self, String> {
        if let Some(name) = &rule.preset {
            return Ok(Self(preset(name)?));
        }
        let compile = |text: &Option<String>, name: &str| {
            let what = format!("multiline.{name}");
            text.as_ref().map(|text| pattern::search_bytes(text, &what)).transpose()
        };
        let start = compile(&rule.start, "start")?;
        let go_on = compile(&rule.go_on, "continue")?;
        let end = compile(&rule.end, "end")?;
        if start.is_none() && go_on.is_none() && end.is_none() {
            return Err("multiline has neither a preset nor a pattern; give one".to_owned());
        }
        Ok(Self(Kind::Patterns { start, go_on, end }))
    }

    /// Says what becomes of a line, given the state of the open record.
    #[must_use]
    pub fn step(&self, open: Option<State>, line: &[u8]) -> Step {
        match &self.0 {
            Kind::Patterns { start, go_on, end } => {
                by_patterns(start.as_ref(), go_on.as_ref(), end.as_ref(), open.is_some(), line)
            }
            Kind::Preset(rows) => by_rows(rows, open, line),
            Kind::Json => by_brackets(open, line),
        }
    }
}

fn by_patterns(
    start: Option<&Regex>,
    go_on: Option<&Regex>,
    end: Option<&Regex>,
    open: bool,
    line: &[u8],
) -> Step {
    let is = |pattern: Option<&Regex>| pattern.is_some_and(|pattern| pattern.is_match(line));
    let begins = is(start);
    let ends = is(end);
    let goes_on = is(go_on) || (go_on.is_none() && (start.is_some() || end.is_some()));
    let append = open && !begins && (goes_on || ends);
    // A line outside of any record is one of its own where something says how records end.
    let alone = !append && !begins && start.is_some() && (go_on.is_some() || end.is_some());
    Step { append, state: (!ends && !alone).then_some(State::default()) }
}

fn by_rows(rows: &[Row], open: Option<State>, line: &[u8]) -> Step {
    let from = open.map_or(NONE, |state| state.0);
    let row = rows.iter().find(|row| row.from & from != 0 && row.pattern.is_match(line));
    row.map_or(Step { append: false, state: Some(State(PLAIN)) }, |row| Step {
        append: row.append && open.is_some(),
        state: Some(State(row.to)),
    })
}

/// The state is the number of brackets that are open.
fn by_brackets(open: Option<State>, line: &[u8]) -> Step {
    let first = line.iter().find(|byte| !byte.is_ascii_whitespace());
    if open.is_none() && !matches!(first, Some(b'{' | b'[')) {
        return Step { append: false, state: None };
    }
    let mut depth = open.unwrap_or_default().0;
    // No string goes on over the end of a line: a quote that is open here is a torn one.
    let (mut in_string, mut skip) = (false, false);
    for byte in line {
        match byte {
            _ if skip => skip = false,
            b'\\' if in_string => skip = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => depth += 1,
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Step { append: open.is_some(), state: (depth > 0).then_some(State(depth)) }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Case {
        preset: Option<String>,
        start: Option<String>,
        #[serde(rename = "continue")]
        go_on: Option<String>,
        end: Option<String>,
        records: Vec<String>,
    }

    fn grouping(case: &Case) -> Grouping {
        Grouping::new(&Multiline {
            preset: case.preset.clone(),
            start: case.start.clone(),
            go_on: case.go_on.clone(),
            end: case.end.clone(),
            flush_seconds: 1.0,
            max_bytes: 1000,
        })
        .unwrap()
    }

    fn grouped<'a>(groups: &Grouping, lines: impl Iterator<Item = &'a str>) -> Vec<String> {
        let mut records: Vec<String> = Vec::new();
        let mut open = None;
        for line in lines {
            let step = groups.step(open, line.as_bytes());
            match records.last_mut() {
                Some(record) if step.append => {
                    record.push('\n');
                    record.push_str(line);
                }
                _ => records.push(line.to_owned()),
            }
            open = step.state;
        }
        records
    }

    static CASES: LazyLock<Vec<(Grouping, Case)>> = LazyLock::new(|| {
        let text = include_str!("../../golden/records.json");
        let cases: Vec<Case> = serde_json::from_str(text).unwrap();
        cases.into_iter().map(|case| (grouping(&case), case)).collect()
    });

    #[test]
    fn lines_that_programs_really_print_become_their_records() {
        for (groups, case) in CASES.iter() {
            let text = case.records.join("\n");
            assert_eq!(grouped(groups, text.split('\n')), case.records);
        }
    }

    proptest! {
        #[test]
        fn no_line_is_lost_or_repeated_whatever_the_order(
            picks in proptest::collection::vec((any::<prop::sample::Index>(), "[ -~]{0,5}"), 0..40),
        ) {
            let known: Vec<String> = CASES
                .iter()
                .flat_map(|(_, case)| case.records.iter().flat_map(|each| each.split('\n')))
                .map(str::to_owned)
                .collect();
            let lines: Vec<String> = picks
                .iter()
                .map(|(index, tail)| format!("{}{tail}", index.get(&known)))
                .collect();
            for (groups, _) in CASES.iter() {
                let records = grouped(groups, lines.iter().map(String::as_str));
                prop_assert_eq!(records.join("\n"), lines.join("\n"));
            }
        }
    }
}
