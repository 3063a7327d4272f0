//! Which files a pipeline asks for: paths with `*`, `?`, `[..]` and `**`, and what is left out.
//!
//! A path is matched name by name while `tree` walks, so that no directory is entered in which nothing
//! can match. `**` goes through directories, at most `maxDepth` of them. Patterns become automata
//! of linear time.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Component, Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher};

use crate::plan::Files;

/// Patterns of one pipeline; the control has smaller bounds.
const MAX_PATTERNS: usize = 1000;

/// Bytes of one pattern.
const MAX_BYTES: usize = 4096;

/// One name of a pattern.
#[derive(Debug)]
pub enum Part {
    /// As it is.
    Name(OsString),
    /// With wildcards.
    Glob(GlobMatcher),
    /// `**`: any number of directories.
    AnyDepth,
}

impl Part {
    /// Whether a name is meant; no single one is by `**`.
    #[must_use]
    pub fn takes(&self, name: &OsStr) -> bool {
        match self {
            Self::Name(wanted) => wanted == name,
            // As in a shell, what is hidden is asked for by its dot.
            Self::Glob(glob) => {
                let hidden = name.as_encoded_bytes().starts_with(b".");
                (!hidden || glob.glob().glob().starts_with(['.', '['])) && glob.is_match(name)
            }
            Self::AnyDepth => false,
        }
    }
}

/// A path with wildcards.
#[derive(Debug)]
pub struct Pattern {
    /// The directory before the first wildcard, at least the one that the file is in: links lead to
    /// nothing outside of it.
    pub root: PathBuf,
    /// What follows it; the last one is the file's name.
    pub parts: Vec<Part>,
}

/// What is asked for.
#[derive(Debug)]
pub struct Patterns {
    /// Each of them.
    pub wanted: Vec<Pattern>,
    unwanted: Vec<GlobMatcher>,
    /// Directories that one `**` goes through at most.
    pub depth: usize,
}

impl Patterns {
    /// Compiles what a plan asks for; the error is a sentence for the report.
    ///
    /// # Errors
    /// A path is no pattern.
    pub fn new(files: &Files) -> Result<Self, String> {
        if files.paths.len() + files.exclude.len() > MAX_PATTERNS {
            return Err(format!("input has over {MAX_PATTERNS} paths; split the pipeline"));
        }
        let wanted = files.paths.iter().map(|path| pattern(path));
        let unwanted = files.exclude.iter().map(|path| {
            checked(path, "exclude")?;
            glob(path, "exclude")
        });
        Ok(Self {
            wanted: wanted.collect::<Result<_, _>>()?,
            unwanted: unwanted.collect::<Result<_, _>>()?,
            depth: files.max_depth,
        })
    }

    /// Whether a file or a directory is left out.
    #[must_use]
    pub fn excludes(&self, path: &Path) -> bool {
        self.unwanted.iter().any(|glob| glob.is_match(path))
    }

    /// Why a file at that path is none that is asked for; None when it is one. Its log's other files
    /// are read with it (`rotations`).
    #[must_use]
    pub fn why_not(&self, path: &Path) -> Option<String> {
        let above = || path.ancestors().find(|above| self.excludes(above));
        if !self.wanted.iter().any(|pattern| self.takes(pattern, path)) {
            return Some("no path of input.paths means it".to_owned());
        }
        above().map(|above| format!("input.exclude leaves out {}", above.display()))
    }

    fn takes(&self, pattern: &Pattern, path: &Path) -> bool {
        let Ok(rest) = path.strip_prefix(&pattern.root) else { return false };
        let names: Vec<&OsStr> = rest.iter().collect();
        // By part: how many names may stand before it, and how many directories of `**` among them.
        let mut reached = BTreeMap::from([(0, 0)]);
        for part in &pattern.parts {
            let mut next = BTreeMap::new();
            for (at, deep) in reached {
                if matches!(part, Part::AnyDepth) {
                    let most = (names.len() - at).min(self.depth - deep.min(self.depth));
                    for more in 0..=most {
                        let deep = deep + more;
                        next.entry(at + more)
                            .and_modify(|least: &mut usize| *least = deep.min(*least))
                            .or_insert(deep);
                    }
                } else if names.get(at).is_some_and(|name| part.takes(name)) {
                    next.entry(at + 1)
                        .and_modify(|least: &mut usize| *least = deep.min(*least))
                        .or_insert(deep);
                }
            }
            reached = next;
        }
        reached.contains_key(&names.len())
    }

    /// Where links may lead.
    #[must_use]
    pub fn roots(&self) -> Vec<PathBuf> {
        self.wanted.iter().map(|pattern| pattern.root.clone()).collect()
    }
}

fn checked(path: &str, field: &str) -> Result<(), String> {
    let plain = |part: Component<'_>| matches!(part, Component::RootDir | Component::Normal(_));
    if path.len() > MAX_BYTES || !path.starts_with('/') || !Path::new(path).components().all(plain)
    {
        let shown: String = path.chars().take(80).collect();
        return Err(format!(
            "input.{field} has {shown:?}, which is no absolute path without '..' of up to \
             {MAX_BYTES} bytes; correct it"
        ));
    }
    Ok(())
}

fn glob(text: &str, field: &str) -> Result<GlobMatcher, String> {
    let built = GlobBuilder::new(text).literal_separator(true).backslash_escape(true).build();
    built.map(|glob| glob.compile_matcher()).map_err(|fault| {
        format!("input.{field} has {text:?}, which is no pattern: {}; correct it", fault.kind())
    })
}

fn pattern(path: &str) -> Result<Pattern, String> {
    checked(path, "paths")?;
    let mut parts = Vec::new();
    for name in path.split('/').filter(|name| !name.is_empty() && *name != ".") {
        parts.push(match name {
            "**" if matches!(parts.last(), Some(Part::AnyDepth)) => continue,
            "**" => Part::AnyDepth,
            _ if name.contains(['*', '?', '[', '{', '\\']) => Part::Glob(glob(name, "paths")?),
            _ => Part::Name(name.into()),
        });
    }
    if matches!(parts.last(), Some(Part::AnyDepth)) {
        parts.push(Part::Glob(glob("*", "paths")?));
    }
    if parts.is_empty() {
        return Err(format!("input.paths has {path:?}, which names no file; correct it"));
    }
    let mut root = PathBuf::from("/");
    let before = parts.iter().take_while(|part| matches!(part, Part::Name(_))).count();
    for part in parts.drain(..before.min(parts.len() - 1)) {
        if let Part::Name(name) = part {
            root.push(name);
        }
    }
    Ok(Pattern { root, parts })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_is_what_stands_before_the_first_wildcard() {
        for (path, root, rest) in [
            ("/var/log/app/*.log", "/var/log/app", 1),
            ("/var/log/app.log", "/var/log", 1),
            ("/srv/**/logs/**/*.log", "/srv", 4),
            ("/srv/**/**", "/srv", 2),
            ("/*", "/", 1),
            ("/srv/a[12]/x", "/srv", 2),
        ] {
            let pattern = pattern(path).unwrap();
            assert_eq!((pattern.root.to_str(), pattern.parts.len()), (Some(root), rest), "{path}");
        }
    }

    #[test]
    fn names_are_taken_as_a_shell_takes_them() {
        let part = |text: &str| Part::Glob(glob(text, "paths").unwrap());
        for (text, yes, no) in [
            ("*.log", "a.log", ".a.log"),
            ("app?", "app1", "app12"),
            ("[a-c]*", "b.log", "d.log"),
            ("[!a]", "b", "a"),
            (".*", ".a", "a"),
            ("a\\*", "a*", "ab"),
            ("*.{log,txt}", "a.txt", "a.gz"),
        ] {
            assert!(part(text).takes(OsStr::new(yes)), "{text} {yes}");
            assert!(!part(text).takes(OsStr::new(no)), "{text} {no}");
        }
    }

    #[test]
    fn what_is_no_path_is_refused_with_the_field_and_the_way_out() {
        for path in ["", "var/log/*", "/var/../etc/*", "/", "/a[", "/a/[z-a]"] {
            let sentence = pattern(path).unwrap_err();
            assert!(sentence.starts_with("input.paths has ") && sentence.contains("correct"));
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_judged_without_a_panic(text in "/\\PC{0,60}", name in "\\PC{0,60}") {
            if let Ok(pattern) = pattern(&text) {
                for part in &pattern.parts {
                    proptest::prop_assert!(!part.takes(OsStr::new(&name)) || !name.contains('/'));
                }
            }
        }
    }

    #[test]
    fn path_is_taken_or_the_reason_is_said() {
        let files = Files {
            mounts: Vec::new(),
            paths: vec!["/srv/**/*.log".into(), "/var/log/a.log".into()],
            exclude: vec!["/srv/no".into()],
            max_depth: 2,
            tail_bytes: None,
            encoding: crate::plan::Encoding::Utf8,
            links_anywhere: false,
        };
        let patterns = Patterns::new(&files).unwrap();
        for path in ["/srv/a.log", "/srv/b/a.log", "/srv/b/c/a.log", "/var/log/a.log"] {
            assert_eq!(patterns.why_not(Path::new(path)), None, "{path}");
        }
        for path in ["/srv/b/c/d/a.log", "/srv/a.txt", "/var/log/b.log", "/srv"] {
            assert!(patterns.why_not(Path::new(path)).unwrap().contains("input.paths"), "{path}");
        }
        let excluded = patterns.why_not(Path::new("/srv/no/a.log")).unwrap();
        assert_eq!(excluded, "input.exclude leaves out /srv/no");
    }

    #[test]
    fn hostile_pattern_takes_linear_time() {
        let part = Part::Glob(glob(&"*a".repeat(500), "paths").unwrap());
        assert!(!part.takes(OsStr::new(&"a".repeat(255))));
    }
}
