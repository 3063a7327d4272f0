//! Paths as somebody else sees them: a container, or the users of a node's directory. Links lead
//! where they would lead there, and never out.
//!
//! A ground is a set of directories of this machine, each with the path at which it stands for the
//! one whose files are read: `/data` of a container is a directory of the kubelet's. A path is resolved component by
//! component, by handles and without following: a link is text that names another path of the
//! same ground. Whoever may write in such a directory can therefore make the agent, which may read
//! everything, read nothing that is not his. A handle made here is `O_PATH`: it opens no device and
//! waits for no pipe. `tree` walks on a ground, `listing` opens files on it.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{
    open, openat, openat2, readlinkat, statx, AtFlags, FileType, Mode, OFlags, ResolveFlags,
    StatxFlags,
};
use rustix::io::Errno;
use serde::Deserialize;

use crate::listing::READING;

/// Links followed of one path, as the kernel does.
const MAX_LINKS: usize = 40;

const HANDLE: OFlags = OFlags::PATH.union(OFlags::CLOEXEC);

/// A directory (or a file) of this machine, and where it stands in the ground.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mount {
    /// As the other sees it.
    pub at: PathBuf,
    /// Here; None where it is nothing that can be read, as a container's /proc.
    pub dir: Option<PathBuf>,
}

/// What paths are resolved in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ground {
    /// The longest path first: it covers what shorter ones have there.
    mounts: Vec<Mount>,
    /// Where links may lead.
    within: Vec<PathBuf>,
}

/// What a path leads to.
#[derive(Debug)]
pub struct Place {
    /// A handle that can be looked at and opened.
    pub handle: OwnedFd,
    /// The path without links.
    pub path: PathBuf,
    /// Where that is on this machine.
    pub here: PathBuf,
}

impl Place {
    /// Opens it for reading; what is no file or directory is refused before it is opened.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn read(&self) -> io::Result<File> {
        let kind = FileType::from_raw_mode(rustix::fs::fstat(&self.handle)?.st_mode);
        if !matches!(kind, FileType::RegularFile | FileType::Directory) {
            let sentence = format!("{} is no regular file and is not read", self.path.display());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, sentence));
        }
        Ok(File::from(open(self.proc_path(), READING, Mode::empty())?))
    }

    /// A path of this process that names it, whatever happens to its own.
    #[must_use]
    pub fn proc_path(&self) -> String {
        format!("/proc/self/fd/{}", self.handle.as_raw_fd())
    }
}

enum Step {
    Found(OwnedFd),
    Link(PathBuf),
}

impl Ground {
    /// A ground of these mounts; links lead to what is below one of `within`.
    #[must_use]
    pub fn new(mut mounts: Vec<Mount>, within: Vec<PathBuf>) -> Self {
        mounts.sort_by_key(|mount| std::cmp::Reverse(mount.at.components().count()));
        Self { mounts, within }
    }

    /// What an absolute path leads to.
    ///
    /// # Errors
    /// There is nothing, it may not be read, or a link leads out; the latter is `PermissionDenied`.
    pub fn find(&self, path: &Path) -> io::Result<Place> {
        let mut path = normal(path);
        for links in 0..MAX_LINKS {
            if links > 0 && !self.within.iter().any(|within| path.starts_with(within)) {
                let sentence =
                    format!("a link leads to {}, outside of what may be read", path.display());
                return Err(io::Error::new(io::ErrorKind::PermissionDenied, sentence));
            }
            let (dir, rest) = self.mount(&path)?;
            match step(dir, &path, rest)? {
                Step::Found(handle) => return Ok(Place { handle, here: dir.join(rest), path }),
                Step::Link(next) => path = next,
            }
        }
        Err(Errno::LOOP.into())
    }

    fn mount<'a>(&'a self, path: &'a Path) -> io::Result<(&'a Path, &'a Path)> {
        let found = self.mounts.iter().find_map(|mount| {
            path.strip_prefix(&mount.at).ok().map(|rest| (mount.dir.as_deref(), rest))
        });
        match found {
            Some((Some(dir), rest)) => Ok((dir, rest)),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// Whether a path lies in something that was mounted here and that somebody will want to unmount,
    /// which an open file prevents.
    #[must_use]
    pub fn is_mounted(&self, path: &Path) -> bool {
        let Ok((dir, _)) = self.mount(path) else { return false };
        let mount = |path: &Path| {
            let found = statx(rustix::fs::CWD, path, AtFlags::empty(), StatxFlags::MNT_ID).ok()?;
            Some(found.stx_mnt_id)
        };
        dir.parent().is_some_and(|parent| mount(parent) != mount(dir))
    }

    /// Where a path would be on this machine if there were no links; to wait for it there.
    #[must_use]
    pub fn here(&self, path: &Path) -> Option<PathBuf> {
        self.mount(path).ok().map(|(dir, rest)| dir.join(rest))
    }
}

/// `path` leads to `rest` in `dir`: to something, or over a link to another path.
fn step(dir: &Path, path: &Path, rest: &Path) -> io::Result<Step> {
    let root = open(dir, HANDLE, Mode::empty())?;
    if rest.as_os_str().is_empty() {
        return Ok(Step::Found(root));
    }
    // Most paths have no link: one call. Old kernels and sandboxes do not know it.
    let plain = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    match openat2(&root, rest, HANDLE, Mode::empty(), plain) {
        Ok(handle) => return Ok(Step::Found(handle)),
        Err(Errno::LOOP | Errno::NOSYS | Errno::PERM | Errno::AGAIN) => {}
        Err(fault) => return Err(fault.into()),
    }
    let mut at = root;
    let mut done = path.to_owned();
    for _ in rest.components() {
        done.pop();
    }
    let mut names = rest.components();
    while let Some(name) = names.next() {
        at = openat(&at, name.as_os_str(), HANDLE | OFlags::NOFOLLOW, Mode::empty())?;
        let kind = FileType::from_raw_mode(rustix::fs::fstat(&at)?.st_mode);
        if kind == FileType::Symlink {
            let target = readlinkat(&at, "", Vec::new())?;
            let target = Path::new(OsStr::from_bytes(target.as_bytes()));
            return Ok(Step::Link(normal(&done.join(target).join(names.as_path()))));
        }
        done.push(name);
    }
    Ok(Step::Found(at))
}

/// Without `.` and `..`; of a path that has no links before a `..`, which is what is passed here.
fn normal(path: &Path) -> PathBuf {
    let mut found = PathBuf::from("/");
    for part in path.components() {
        match part {
            Component::Normal(name) => found.push(name),
            Component::ParentDir => {
                found.pop();
            }
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::fs::symlink;

    use super::*;

    /// A container's root with a volume at /data, and a secret beside both.
    struct Scene {
        home: tempfile::TempDir,
        ground: Ground,
    }

    impl Scene {
        fn new() -> Self {
            let home = tempfile::tempdir().unwrap();
            for dir in ["root/var/log", "root/data", "volume/logs", "outside"] {
                std::fs::create_dir_all(home.path().join(dir)).unwrap();
            }
            for file in ["root/var/log/a", "root/data/hidden", "volume/logs/b", "outside/secret"] {
                let name = home.path().join(file);
                File::create(name).unwrap().write_all(file.as_bytes()).unwrap();
            }
            let mount = |at: &str, dir: Option<&str>| Mount {
                at: at.into(),
                dir: dir.map(|dir| home.path().join(dir)),
            };
            let mounts = vec![
                mount("/", Some("root")),
                mount("/data", Some("volume")),
                mount("/proc", None),
            ];
            let ground = Ground::new(mounts, vec!["/".into()]);
            Self { home, ground }
        }

        fn link(&self, at: &str, target: impl AsRef<Path>) {
            symlink(target, self.home.path().join(at)).unwrap();
        }

        fn text(&self, path: &str) -> io::Result<String> {
            let mut text = String::new();
            self.ground.find(Path::new(path))?.read()?.take(100).read_to_string(&mut text)?;
            Ok(text)
        }
    }

    #[test]
    fn volume_covers_what_the_root_has_there() {
        let scene = Scene::new();
        assert_eq!(scene.text("/var/log/a").unwrap(), "root/var/log/a");
        assert_eq!(scene.text("/data/logs/b").unwrap(), "volume/logs/b");
        assert_eq!(scene.text("/data/hidden").unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(scene.text("/proc/self/maps").unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn links_lead_where_they_lead_for_the_container_over_mounts_too() {
        let scene = Scene::new();
        scene.link("root/var/log/app", "/data/logs");
        scene.link("volume/logs/back", "../../var/log/a");
        scene.link("volume/logs/again", "/var/log/app/back");
        assert_eq!(scene.text("/var/log/app/b").unwrap(), "volume/logs/b");
        assert_eq!(scene.text("/data/logs/back").unwrap(), "root/var/log/a");
        let place = scene.ground.find(Path::new("/data/logs/again")).unwrap();
        assert_eq!(place.path, Path::new("/var/log/a"));
        assert_eq!(place.here, scene.home.path().join("root/var/log/a"));
    }

    #[test]
    fn no_link_leads_out() {
        let scene = Scene::new();
        let secret = scene.home.path().join("outside/secret");
        scene.link("volume/logs/absolute", &secret);
        scene.link("volume/logs/up", "../../outside/secret");
        scene.link("volume/logs/far", "../../../../../../../../../../etc/passwd");
        scene.link("volume/logs/magic", format!("/proc/self/root{}", secret.display()));
        scene.link("volume/logs/dir", "../../outside");
        scene.link("volume/logs/round", "round");
        for path in ["absolute", "up", "far", "magic", "dir/secret", "round"] {
            let found = scene.text(&format!("/data/logs/{path}"));
            assert!(found.is_err(), "{path}: {found:?}");
        }
        for path in ["/../outside/secret", "/data/../../outside/secret", "/data/logs/../../x"] {
            assert!(scene.text(path).is_err(), "{path}");
        }
    }

    #[test]
    fn link_of_a_node_leads_nowhere_but_into_the_declared_directory() {
        let scene = Scene::new();
        let root = Mount { at: "/".into(), dir: Some(scene.home.path().into()) };
        let ground = Ground::new(vec![root], vec!["/volume".into()]);
        scene.link("volume/current", "/volume/logs/b");
        scene.link("volume/escape", "/outside/secret");
        scene.link("volume/parent", "..");
        assert_eq!(
            ground.find(Path::new("/volume/current")).unwrap().path,
            Path::new("/volume/logs/b")
        );
        for path in ["/volume/escape", "/volume/parent/outside/secret"] {
            let fault = ground.find(Path::new(path)).unwrap_err();
            assert_eq!(fault.kind(), io::ErrorKind::PermissionDenied, "{path}: {fault}");
        }
    }

    #[test]
    fn link_that_is_exchanged_all_the_time_never_shows_what_is_outside() {
        let scene = Scene::new();
        let (inside, outside) =
            (scene.home.path().join("volume/logs"), scene.home.path().join("outside"));
        std::fs::rename(outside.join("secret"), outside.join("b")).unwrap();
        let (at, draft) = (scene.home.path().join("volume/x"), scene.home.path().join("draft"));
        let stop = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    // A directory, then a link to another one, by the same name.
                    std::fs::rename(&inside, &at).unwrap();
                    std::fs::rename(&at, &inside).unwrap();
                    symlink(&outside, &draft).unwrap();
                    std::fs::rename(&draft, &at).unwrap();
                    std::fs::remove_file(&at).unwrap();
                }
            });
            for _ in 0..20_000 {
                if let Ok(text) = scene.text("/data/x/b") {
                    assert_eq!(text, "volume/logs/b");
                }
            }
            stop.store(true, std::sync::atomic::Ordering::Relaxed);
        });
    }

    #[test]
    fn pipe_and_directory_are_no_text_and_hold_nobody_up() {
        let scene = Scene::new();
        let pipe = scene.home.path().join("volume/logs/pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, FileType::Fifo, Mode::RUSR, 0).unwrap();
        let fault = scene.text("/data/logs/pipe").unwrap_err();
        assert_eq!(fault.kind(), io::ErrorKind::InvalidInput);
        assert!(scene.text("/data/logs").is_err());
    }
}
