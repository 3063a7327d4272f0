//! What a tree finds in real directories.

use std::fs;
use std::os::unix::fs::symlink;

use super::*;
use crate::ground::Mount;

struct Scene {
    home: tempfile::TempDir,
    tree: Tree,
}

impl Scene {
    fn new(paths: &[&str], exclude: &[&str]) -> Self {
        Self::of(paths, exclude, false)
    }

    fn of(paths: &[&str], exclude: &[&str], links_anywhere: bool) -> Self {
        let home = tempfile::tempdir().unwrap();
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let files = Files {
            mounts: vec![Mount { at: "/".into(), dir: Some(home.path().to_owned()) }],
            paths: texts(paths),
            exclude: texts(exclude),
            max_depth: 3,
            tail_bytes: None,
            encoding: crate::plan::Encoding::Utf8,
            links_anywhere,
        };
        Self { tree: Tree::new(&files).unwrap(), home }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn make(&self, names: &[&str]) {
        for name in names {
            let path = self.path(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            drop(fs::File::create(path).unwrap());
        }
    }

    fn walk(&mut self) -> Walk {
        self.tree.walk(SystemTime::now(), &|_| false)
    }

    /// Logs and their files, as they differ from the last walk.
    fn changed(&mut self) -> Vec<String> {
        let walk = self.walk();
        let name = |path: &Path| path.to_str().unwrap().trim_start_matches('/').to_owned();
        let log = |log: &Arc<Log>| {
            let files: Vec<_> = log.files.iter().map(|named| name(&named.path)).collect();
            format!("{}: {}", name(&log.path), files.join(" "))
        };
        walk.changed.iter().map(log).collect()
    }
}

#[test]
fn patterns_go_as_deep_as_they_may_and_leave_out_what_they_shall() {
    let mut scene = Scene::new(&["/srv/**/*.log", "/srv/app?/out"], &["/srv/b", "/srv/**/*.x.log"]);
    scene.make(&[
        "srv/0.log",
        "srv/a/1.log",
        "srv/a/b/2.log",
        "srv/a/b/c/3.log",
        "srv/a/b/c/d/4.log",
        "srv/b/no.log",
        "srv/a/no.x.log",
        "srv/.hidden.log",
        "srv/a.txt",
        "other/no.log",
        "srv/app1/out",
        "srv/app12/out",
        "srv/app2/out/file",
    ]);
    let found = ["srv/0.log", "srv/a/1.log", "srv/a/b/2.log", "srv/a/b/c/3.log", "srv/app1/out"];
    assert_eq!(scene.changed(), found.map(|name| format!("{name}: {name}")));
    assert_eq!(scene.changed(), Vec::<String>::new());
    scene.make(&["srv/a/5.log"]);
    assert_eq!(scene.changed(), ["srv/a/5.log: srv/a/5.log"]);
    fs::remove_dir_all(scene.path("srv/a/b")).unwrap();
    assert_eq!(scene.changed(), ["srv/a/b/2.log: ", "srv/a/b/c/3.log: "]);
}

#[test]
fn log_and_its_rotated_files_are_one_and_are_found_by_any_name() {
    let mut scene = Scene::new(&["/srv/*.log"], &[]);
    scene.make(&["srv/a.log", "srv/a.log.1", "srv/a.log.2.gz", "srv/c.txt-20261125", "srv/c"]);
    assert_eq!(scene.changed(), ["srv/a.log: srv/a.log.2.gz srv/a.log.1 srv/a.log"]);
    // A date before the ending, and the log itself is away for a moment.
    fs::rename(scene.path("srv/a.log"), scene.path("srv/a-2026-11-25.log")).unwrap();
    let [changed] = &scene.changed()[..] else { panic!() };
    assert!(changed.starts_with("srv/a.log: ") && changed.contains("srv/a-2026-11-25.log"));
    // While it is compressed there are both.
    scene.make(&["srv/a.log", "srv/a.log.1.gz"]);
    assert!(!scene.changed()[0].contains("a.log.1.gz"));
}

#[test]
fn log_whose_name_is_away_for_a_moment_stays() {
    let mut scene = Scene::new(&["/srv/app.log"], &[]);
    scene.make(&["srv/app.log.1", "srv/other.log.1", "srv/app.log.2"]);
    assert_eq!(scene.changed(), ["srv/app.log: srv/app.log.2 srv/app.log.1"]);
    scene.make(&["srv/app.log"]);
    assert_eq!(scene.changed(), ["srv/app.log: srv/app.log.2 srv/app.log.1 srv/app.log"]);
    // One that is dated from the beginning is not meant.
    scene.make(&["srv/app-2026-11-25.log"]);
    fs::remove_file(scene.path("srv/app.log")).unwrap();
    assert_eq!(scene.changed().len(), 1);
    assert_eq!(scene.tree.logs().len(), 1);
}

#[test]
fn logs_that_are_dated_from_the_beginning_are_each_their_own() {
    let mut scene = Scene::new(&["/srv/*.log"], &[]);
    scene.make(&["srv/a-2026-11-24.log", "srv/a-2026-11-25.log", "srv/w-1.log"]);
    assert_eq!(scene.changed().len(), 3);
    // A link to the newest one, as rotatelogs makes it, is the log and they are its files.
    symlink("a-2026-11-25.log", scene.path("srv/a.log")).unwrap();
    let changed = scene.changed();
    assert!(changed.contains(&"srv/a-2026-11-24.log: ".to_owned()));
    let all = "srv/a.log: srv/a-2026-11-24.log srv/a-2026-11-25.log srv/a.log";
    assert!(changed.contains(&all.to_owned()), "{changed:?}");
}

#[test]
fn file_behind_links_is_one_log_and_what_is_outside_is_none() {
    let mut scene = Scene::new(&["/srv/*/*.log"], &[]);
    scene.make(&["srv/a/real.log", "outside/secret.log"]);
    for (at, target) in [
        ("srv/a/again.log", "real.log"),
        ("srv/b", "a"),
        ("srv/a/steal.log", "../../outside/secret.log"),
        ("srv/c", "../outside"),
        ("srv/a/nothing.log", "nothing"),
    ] {
        symlink(target, scene.path(at)).unwrap();
    }
    assert_eq!(scene.changed(), ["srv/a/real.log: srv/a/real.log"]);
}

#[test]
fn directory_that_is_a_link_to_its_parent_is_walked_once() {
    let mut scene = Scene::of(&["/srv/**/*.log", "/srv/*/*/*/*.log"], &[], true);
    scene.make(&["srv/a.log", "srv/d/b.log"]);
    symlink("..", scene.path("srv/d/up")).unwrap();
    let mut found = scene.changed();
    found.sort();
    assert_eq!(found, ["srv/a.log: srv/a.log", "srv/d/b.log: srv/d/b.log"]);
}

#[test]
fn directory_that_is_not_there_is_waited_for() {
    let mut scene = Scene::new(&["/srv/app/*.log"], &[]);
    let walk = scene.walk();
    assert_eq!(walk.directories, [scene.path("srv/app")]);
    assert!(walk.complaint.is_none());
    scene.make(&["srv/app/a.log"]);
    assert_eq!(scene.changed(), ["srv/app/a.log: srv/app/a.log"]);
}

#[test]
fn more_names_than_the_bound_are_said_and_the_known_logs_stay() {
    let mut scene = Scene::new(&["/srv/**/*.log"], &[]);
    scene.make(&["srv/z/a.log"]);
    assert_eq!(scene.changed().len(), 1);
    for number in 0..MAX_LOGS + 100 {
        // One file by many names is many names and one log.
        let dir = scene.path(&format!("srv/d{}", number / 1000));
        fs::create_dir_all(&dir).unwrap();
        drop(fs::File::create(dir.join(format!("{number}.log"))).unwrap());
    }
    let walk = scene.walk();
    assert!(walk.complaint.unwrap().contains("narrow input.paths"));
    assert_eq!(scene.tree.logs().len(), MAX_LOGS);
    assert!(scene.tree.logs().contains_key(Path::new("/srv/z/a.log")));
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 40, ..Default::default() })]

    /// Whatever happens between two walks: what the second one finds is what a new tree finds, and
    /// what it tells is the difference.
    #[test]
    fn walk_after_changes_finds_what_a_first_walk_finds(
        ops in proptest::collection::vec((0..6_u8, 0..5_usize, 0..5_usize), 1..40),
    ) {
        let names = ["srv/a.log", "srv/a.log.1", "srv/d/a.log", "srv/d/e/b.log", "srv/b-20261125.log"];
        let mut scene = Scene::of(&["/srv/**/*.log"], &["/srv/d/e/**"], true);
        let mut told: BTreeMap<PathBuf, Arc<Log>> = BTreeMap::new();
        for (op, one, other) in ops {
            let (one, other) = (scene.path(names[one]), scene.path(names[other]));
            let _may_fail = match op {
                0 => fs::create_dir_all(one.parent().unwrap())
                    .and_then(|()| fs::File::create(&one).map(drop)),
                1 => fs::rename(&one, &other),
                2 => fs::remove_file(&one),
                3 => symlink(&other, &one),
                4 => fs::remove_dir_all(one.parent().unwrap()),
                _ => {
                    for log in scene.walk().changed {
                        if log.files.is_empty() {
                            told.remove(&log.path);
                        } else {
                            told.insert(log.path.clone(), log);
                        }
                    }
                    proptest::prop_assert_eq!(&told, scene.tree.logs());
                    Ok(())
                }
            };
        }
        scene.walk();
        let known: BTreeSet<PathBuf> = scene.tree.logs().keys().cloned().collect();
        let files = Files {
            mounts: vec![Mount { at: "/".into(), dir: Some(scene.home.path().to_owned()) }],
            paths: vec!["/srv/**/*.log".to_owned()],
            exclude: vec!["/srv/d/e/**".to_owned()],
            max_depth: 3,
            tail_bytes: None,
            encoding: crate::plan::Encoding::Utf8,
            links_anywhere: true,
        };
        let mut fresh = Tree::new(&files).unwrap();
        fresh.walk(SystemTime::now(), &|path| known.contains(path));
        proptest::prop_assert_eq!(fresh.logs(), scene.tree.logs());
    }
}
