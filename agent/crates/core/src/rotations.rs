//! How programs and logrotate call a log that they have put aside: `app.log.1`, `app.log.2.gz`,
//! `app.log-20261125`, `app.log.2026-11-25_10`, `app-2026-11-25.0.log.gz`; and so which files of a
//! directory are one log. `tree` asks.
//!
//! A number or date at the end of a name belongs to a rotation where the name before it is that of a
//! log, with an ending or beside it; a date before the ending only where the log is beside it:
//! `worker.1` and `worker.2` are two logs, and so may `a-20261124.log` and `a-20261125.log` be.

use std::sync::LazyLock;

use regex::Regex;

/// Larger numbers of rotated files are stamps of time.
const MOST_ROTATIONS: u64 = 99_999;

/// Compressed in ways that are not read here; their contents were read before.
const UNREADABLE: [&str; 5] = [".bz2", ".xz", ".zst", ".zip", ".Z"];

#[allow(clippy::unwrap_used, reason = "a constant, which every test compiles")]
static NUMBER: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"^(.+)\.([0-9]{1,19})$").unwrap());

#[allow(clippy::unwrap_used, reason = "a constant, which every test compiles")]
static DATE: LazyLock<Regex> = LazyLock::new(|| {
    let day = "(?:19|20)[0-9]{2}[-_.]?[01][0-9][-_.]?[0-3][0-9]";
    Regex::new(&format!(r"^(.+?)[-_.]({day})((?:[-_.T]?[0-9][0-9:]*)*)(\.[A-Za-z][A-Za-z0-9]*)?$"))
        .unwrap()
});

/// A name, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotated {
    /// What the log is called while it is written.
    pub log: String,
    /// Orders the files of one log by age, the oldest first; empty for the log itself.
    pub stamp: String,
    /// Whether it is compressed.
    pub gzip: bool,
}

/// Takes a name apart; None for one that is not read. `known` says whether there is a log of a name.
pub fn of(name: &str, known: &dyn Fn(&str) -> bool) -> Option<Rotated> {
    if let Some(original) = UNREADABLE.iter().find_map(|end| name.strip_suffix(end)) {
        if of(original, known).is_some_and(|rotated| !rotated.stamp.is_empty()) {
            return None;
        }
    }
    let (plain, gzip) = name.strip_suffix(".gz").map_or((name, false), |plain| (plain, true));
    let (log, stamp) = numbered(plain, known)
        .or_else(|| dated(plain, known))
        .or_else(|| (gzip && is_log(plain, known)).then(|| (plain.to_owned(), "Z".to_owned())))
        .unwrap_or_else(|| (name.to_owned(), String::new()));
    let gzip = gzip && !stamp.is_empty();
    Some(Rotated { log, stamp, gzip })
}

/// Whether there is such a log, or it has an ending as logs have.
fn is_log(name: &str, known: &dyn Fn(&str) -> bool) -> bool {
    let ending = name.rsplit_once('.').filter(|(stem, _)| !stem.is_empty()).map(|(_, end)| end);
    known(name) || ending.is_some_and(|end| end.starts_with(|first: char| first.is_alphabetic()))
}

fn numbered(name: &str, known: &dyn Fn(&str) -> bool) -> Option<(String, String)> {
    let parts = NUMBER.captures(name)?;
    let (before, number) = (parts.get(1)?.as_str(), parts.get(2)?.as_str().parse::<u64>().ok()?);
    if is_log(before, known) && DATE.captures(before).is_none_or(|date| date.get(4).is_some()) {
        let stamp = if number > MOST_ROTATIONS {
            format!("D{number:020}")
        } else {
            // The oldest has the largest number.
            format!("I{:05}", MOST_ROTATIONS - number)
        };
        return Some((before.to_owned(), stamp));
    }
    // Of one day there may be several, counted upwards.
    let (log, day) = dated(before, known)?;
    Some((log, format!("{day}.{number:020}")))
}

fn dated(name: &str, known: &dyn Fn(&str) -> bool) -> Option<(String, String)> {
    let parts = DATE.captures(name)?;
    let digits = parts.get(2)?.as_str().chars().filter(char::is_ascii_digit);
    let mut stamp = format!("D{}", digits.collect::<String>());
    // An hour, a time, or a number counted upwards.
    for more in parts.get(3)?.as_str().split(['-', '_', '.', 'T']).filter(|more| !more.is_empty()) {
        let digits: String = more.chars().filter(char::is_ascii_digit).collect();
        stamp = format!("{stamp}.{digits:0>20}");
    }
    let before = parts.get(1)?.as_str();
    match parts.get(4) {
        None => is_log(before, known).then(|| (before.to_owned(), stamp)),
        Some(ending) => {
            let log = format!("{before}{}", ending.as_str());
            known(&log).then_some((log, stamp))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log_of(name: &str, beside: &[&str]) -> String {
        of(name, &|log| beside.contains(&log)).map_or_else(|| "-".to_owned(), |found| found.log)
    }

    #[test]
    fn rotated_names_belong_to_their_log() {
        for name in [
            "app.log",
            "app.log.1",
            "app.log.2.gz",
            "app.log-20261125",
            "app.log-20261125.gz",
            "app.log.2026-11-25",
            "app.log.2026-11-25_10",
            "app.log.20261125T101112",
            "app.log.gz",
            "app.log-20261125-1732523523.gz",
            "app.log.2026-11-25.3.gz",
            "app.log-20261125.1",
        ] {
            assert_eq!(log_of(name, &[]), "app.log", "{name}");
        }
        for name in [
            "app-2026-11-25.log",
            "app.2026-11-25.log.gz",
            "app-20261125.0.log",
            "app_20261125.log",
            "app-2026-11-25-3.log.gz",
        ] {
            assert_eq!(log_of(name, &["app.log"]), "app.log", "{name}");
        }
        for name in ["messages-20261125", "messages.1", "messages.4.gz"] {
            assert_eq!(log_of(name, &["messages"]), "messages", "{name}");
        }
    }

    #[test]
    fn names_of_logs_of_their_own_stay_as_they_are() {
        for name in [
            "worker.1",
            "worker-2.log",
            "app-2026-11-25.log",
            "2026-11-25.log",
            "app",
            ".1",
            "messages-20261125",
            "app.log.old",
            "app.log.tmp",
            "archive.gz",
            "app-v1.2.3",
        ] {
            assert_eq!(log_of(name, &[]), name, "{name}");
        }
        assert_eq!(log_of("app.log.3.xz", &[]), "-");
    }

    #[test]
    fn files_of_a_log_stand_in_the_order_of_writing() {
        for names in [
            ["app.log.10.gz", "app.log.9", "app.log.1", "app.log"],
            ["app.log-20261124", "app.log-20261125.1", "app.log-20261125.2", "app.log-20261126"],
            ["app.log.2026-11-24", "app.log.2026-11-25_09", "app.log.2026-11-25_10", "app.log"],
            ["app-2026-11-25.9.log", "app-2026-11-25.10.log.gz", "app-2026-11-26.log", "app.log"],
        ] {
            let mut found: Vec<_> = names
                .iter()
                .map(|name| {
                    let stamp = of(name, &|log| log == "app.log").unwrap().stamp;
                    (stamp.is_empty(), stamp, *name)
                })
                .collect();
            found.sort();
            assert_eq!(found.iter().map(|each| each.2).collect::<Vec<_>>(), names);
        }
    }

    proptest::proptest! {
        #[test]
        fn any_name_is_judged_without_a_panic(name in "\\PC{0,40}", known: bool) {
            drop(of(&name, &|_| known));
        }
    }
}
