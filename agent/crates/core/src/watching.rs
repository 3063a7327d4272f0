//! Hears of changed directories from the kernel, so that nobody has to look.
//!
//! `engine` says which directories a source has; each change in one pokes the source in the
//! `schedule`. A directory that is not there yet is waited for in the nearest one that is. Nothing
//! is lost for a missed event: sources list their directories themselves from time to time, at once
//! when the kernel's queue ran over, and often where no watch could be had.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::{OsStr, OsString};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{eventfd, poll, EventfdFlags, PollFd, PollFlags};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::io::Errno;

use crate::rotations;
use crate::schedule::{Heard, Schedule};

/// Bytes for events of one read: a few hundred of them.
const EVENT_BYTES: usize = 16 * 1024;

/// While events come in floods they are read that seldom: one look tells as much as a thousand.
const NAP: Duration = Duration::from_millis(5);

/// More awakenings than this within one [`NAP`] are a flood. The first lines of a new file are fewer.
const FLOOD: usize = 8;

/// Names that come, go and change, and bytes that are added.
const FOLLOWED: WatchFlags = WatchFlags::CREATE
    .union(WatchFlags::MOVED_FROM)
    .union(WatchFlags::MOVED_TO)
    .union(WatchFlags::DELETE)
    .union(WatchFlags::DELETE_SELF)
    .union(WatchFlags::MOVE_SELF)
    .union(WatchFlags::ATTRIB)
    .union(WatchFlags::MODIFY)
    .union(WatchFlags::ONLYDIR)
    .union(WatchFlags::MASK_ADD);

/// What may bring a directory that is waited for.
const AWAITED: WatchFlags = WatchFlags::CREATE
    .union(WatchFlags::MOVED_TO)
    .union(WatchFlags::DELETE_SELF)
    .union(WatchFlags::MOVE_SELF)
    .union(WatchFlags::ATTRIB)
    .union(WatchFlags::ONLYDIR)
    .union(WatchFlags::MASK_ADD);

/// What a source wants to hear of its directories.
#[derive(Debug, Clone, Copy)]
enum As<'a> {
    Everything,
    Names,
    Log(&'a OsStr),
}

/// How often a directory may appear or vanish under our eyes before it is left to the next look.
const TRIES: usize = 8;

/// The kernel's watches and who is interested in which.
#[derive(Debug)]
pub struct Watching {
    /// None where the kernel gives none; all is polled then.
    kernel: Option<OwnedFd>,
    stop: Option<OwnedFd>,
    table: Mutex<Table>,
}

/// Who wants to hear of a directory.
#[derive(Debug, Default)]
struct Interested {
    /// True for one to whom new bytes say nothing: it only waits there, or wants names.
    all: BTreeMap<u64, bool>,
    /// Of one log among many, by what it is called while it is written: its new bytes.
    logs: HashMap<OsString, BTreeSet<u64>>,
}

impl Interested {
    fn is_empty(&self) -> bool {
        self.all.is_empty() && self.logs.is_empty()
    }

    /// Those that want the new bytes of a file.
    fn of_bytes(&self, name: &OsStr) -> impl Iterator<Item = u64> + '_ {
        let rotated = || {
            let known = |log: &str| self.logs.contains_key(OsStr::new(log));
            let log = rotations::of(name.to_str()?, &known)?.log;
            self.logs.get(OsStr::new(&log))
        };
        let found = match self.logs.get(name) {
            None if !self.logs.is_empty() => rotated(),
            found => found,
        };
        found.into_iter().flatten().copied()
    }
}

#[derive(Debug, Default)]
struct Table {
    /// By the kernel's number of a watch.
    interested: HashMap<i32, Interested>,
    watches: HashMap<u64, Vec<i32>>,
    /// Sources that are one log among many: its directory and name.
    logs: HashMap<u64, (PathBuf, OsString)>,
    /// Why there is no queue of events at all.
    refusal: Option<String>,
    /// Sources that look by themselves, and why.
    deaf: BTreeMap<u64, String>,
}

impl Watching {
    /// Asks the kernel for a queue of events.
    #[must_use]
    pub fn start() -> Self {
        let asked = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)
            .and_then(|kernel| Ok((kernel, eventfd(0, EventfdFlags::CLOEXEC)?)));
        let mut table = Table::default();
        let (kernel, stop) = match asked {
            Ok((kernel, stop)) => (Some(kernel), Some(stop)),
            Err(fault) => {
                table.refusal = Some(sentence("no inotify instance", fault, "max_user_instances"));
                (None, None)
            }
        };
        Self { kernel, stop, table: Mutex::new(table) }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Watches exactly these directories for a source; false when it must look by itself.
    pub fn follow(&self, source: u64, directories: &[PathBuf]) -> bool {
        self.follow_as(source, directories, As::Everything)
    }

    /// The same for one that wants to hear of names only.
    pub fn follow_names(&self, source: u64, directories: &[PathBuf]) -> bool {
        self.follow_as(source, directories, As::Names)
    }

    /// Watches for new bytes of one log among many; another source hears of the names there.
    pub fn follow_log(&self, source: u64, directory: &Path, name: &OsStr) -> bool {
        let log = (directory.to_owned(), name.to_owned());
        let table = self.table();
        if table.logs.get(&source) == Some(&log)
            && table.watches.get(&source).is_some_and(|watches| !watches.is_empty())
        {
            return true;
        }
        drop(table);
        self.follow_as(source, &[log.0], As::Log(name))
    }

    fn follow_as(&self, source: u64, directories: &[PathBuf], wanted: As<'_>) -> bool {
        let Some(kernel) = &self.kernel else { return false };
        let mut table = self.table();
        let before = table.watches.remove(&source).unwrap_or_default();
        let log = table.logs.remove(&source).map(|(_, name)| name);
        for watch in &before {
            table.leave(*watch, source, log.as_deref());
        }
        table.deaf.remove(&source);
        if let (As::Log(name), [directory]) = (wanted, directories) {
            table.logs.insert(source, (directory.clone(), name.to_owned()));
        }
        for directory in directories {
            if let Err(fault) = table.enter(kernel, source, directory, wanted) {
                let what = format!("no watch of {}", directory.display());
                table.deaf.insert(source, sentence(&what, fault, "max_user_watches"));
            }
        }
        for watch in before {
            table.release(kernel, watch);
        }
        !table.deaf.contains_key(&source)
    }

    /// Ends the watches of a source.
    pub fn forget(&self, source: u64) {
        self.follow(source, &[]);
    }

    /// Directories watched.
    pub fn watches(&self) -> usize {
        self.table().interested.len()
    }

    /// Why sources look by themselves; None when none does.
    pub fn complaint(&self) -> Option<String> {
        let table = self.table();
        table.refusal.as_ref().or_else(|| table.deaf.values().next()).cloned()
    }

    /// Pokes sources until [`Watching::stop`]; the body of a thread.
    pub fn run(&self, schedule: &Schedule) {
        let (Some(kernel), Some(stop)) = (&self.kernel, &self.stop) else { return };
        let mut room = [MaybeUninit::uninit(); EVENT_BYTES];
        let (mut since, mut awakenings) = (Instant::now(), 0);
        loop {
            let mut waiting =
                [PollFd::new(kernel, PollFlags::IN), PollFd::new(stop, PollFlags::IN)];
            match poll(&mut waiting, None) {
                Err(Errno::INTR) => continue,
                // Nothing to wait on: the sources look by themselves, less often.
                Err(_) => return,
                Ok(_) if !waiting[1].revents().is_empty() => return,
                Ok(_) => {}
            }
            self.hear(kernel, &mut room, schedule);
            awakenings += 1;
            if since.elapsed() > NAP {
                (since, awakenings) = (Instant::now(), 0);
            } else if awakenings > FLOOD {
                std::thread::sleep(NAP);
                // Should the next event be there already, that is the flood going on.
                (since, awakenings) = (Instant::now(), FLOOD);
            }
        }
    }

    fn hear(&self, kernel: &OwnedFd, room: &mut [MaybeUninit<u8>], schedule: &Schedule) {
        let mut heard: HashMap<u64, Heard> = HashMap::new();
        let mut ran_over = false;
        let mut events = inotify::Reader::new(kernel, room);
        let mut table = self.table();
        while let Ok(event) = events.next() {
            let flags = event.events();
            ran_over |= flags.contains(ReadFlags::QUEUE_OVERFLOW);
            let what = Heard {
                bytes: flags.contains(ReadFlags::MODIFY),
                names: flags != ReadFlags::MODIFY,
            };
            if let Some(interested) = table.interested.get(&event.wd()) {
                for (source, waits) in &interested.all {
                    // Where one only waits, another's new bytes say nothing.
                    if !waits || what.names {
                        heard.entry(*source).or_default().add(what);
                    }
                }
                let name = event.file_name().map(|name| OsStr::from_bytes(name.to_bytes()));
                if let Some(name) = name.filter(|_| what.bytes) {
                    for source in interested.of_bytes(name) {
                        heard.entry(source).or_default().bytes = true;
                    }
                }
            }
            let gone = ReadFlags::IGNORED | ReadFlags::MOVE_SELF;
            if flags.intersects(gone) {
                table.lose(kernel, event.wd(), !flags.contains(ReadFlags::IGNORED));
            }
        }
        drop(table);
        if ran_over {
            schedule.poke_all(Instant::now());
        }
        schedule.poke(heard, Instant::now());
    }

    /// Ends [`Watching::run`].
    pub fn stop(&self) {
        if let Some(stop) = &self.stop {
            // It can only fail when it was told so 2^64 times before.
            let _told = rustix::io::write(stop, &1_u64.to_ne_bytes());
        }
    }
}

impl Table {
    fn enter(
        &mut self,
        kernel: &OwnedFd,
        source: u64,
        wanted: &Path,
        what: As<'_>,
    ) -> io::Result<()> {
        for _ in 0..TRIES {
            let (watch, at) = watch_nearest(kernel, wanted)?;
            let interested = self.interested.entry(watch).or_default();
            match what {
                As::Log(name) if at == wanted => {
                    interested.logs.entry(name.to_owned()).or_default().insert(source);
                }
                As::Everything if at == wanted => drop(interested.all.insert(source, false)),
                _ => drop(interested.all.insert(source, true)),
            }
            let watches = self.watches.entry(source).or_default();
            if !watches.contains(&watch) {
                watches.push(watch);
            }
            // What came between the refusal and the watch was told to nobody.
            let next = wanted.strip_prefix(at).ok().and_then(|rest| rest.components().next());
            if next.is_none_or(|next| !at.join(next).is_dir()) {
                return Ok(());
            }
        }
        Ok(())
    }

    fn leave(&mut self, watch: i32, source: u64, log: Option<&OsStr>) {
        let Some(interested) = self.interested.get_mut(&watch) else { return };
        interested.all.remove(&source);
        if let Some((name, sources)) =
            log.and_then(|name| Some((name, interested.logs.get_mut(name)?)))
        {
            sources.remove(&source);
            if sources.is_empty() {
                interested.logs.remove(name);
            }
        }
    }

    /// Gives a watch back that nobody is interested in.
    fn release(&mut self, kernel: &OwnedFd, watch: i32) {
        if self.interested.get(&watch).is_some_and(Interested::is_empty) {
            self.lose(kernel, watch, true);
        }
    }

    fn lose(&mut self, kernel: &OwnedFd, watch: i32, remove: bool) {
        let Interested { all, logs } = self.interested.remove(&watch).unwrap_or_default();
        for source in all.keys().chain(logs.values().flatten()) {
            if let Some(watches) = self.watches.get_mut(source) {
                watches.retain(|each| *each != watch);
            }
        }
        if remove {
            // That it is gone already is what is wanted.
            let _gone = inotify::remove_watch(kernel, watch);
        }
    }
}

/// Watches a directory, or the nearest above it that is there; gives which.
fn watch_nearest<'a>(kernel: &OwnedFd, wanted: &'a Path) -> io::Result<(i32, &'a Path)> {
    let mut at = wanted;
    let mut flags = FOLLOWED;
    loop {
        match inotify::add_watch(kernel, at, flags) {
            Ok(watch) => return Ok((watch, at)),
            Err(fault @ (Errno::NOENT | Errno::NOTDIR)) => {
                at = at.parent().ok_or(fault)?;
                flags = AWAITED;
            }
            Err(fault) => return Err(fault.into()),
        }
    }
}

fn sentence(what: &str, fault: impl Into<io::Error>, limit: &str) -> String {
    format!(
        "{what} ({}): it is looked at every scan-seconds instead, which costs CPU; the limit is \
         fs.inotify.{limit}",
        fault.into()
    )
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;
    use std::os::unix::fs::symlink;
    use std::sync::Arc;

    use super::*;
    use crate::schedule::Rest;

    const SOURCE: u64 = 7;

    fn write(path: impl AsRef<Path>) {
        fs::File::create(path).unwrap().write_all(b"a line\n").unwrap();
    }

    /// A watcher in its thread, and what it says of one source that rests.
    struct Scene {
        watching: Arc<Watching>,
        schedule: Arc<Schedule>,
        thread: Option<std::thread::JoinHandle<()>>,
    }

    impl Scene {
        fn new() -> Self {
            let (watching, schedule) = (Arc::new(Watching::start()), Arc::new(Schedule::default()));
            schedule.add(SOURCE);
            let (inside, told) = (Arc::clone(&watching), Arc::clone(&schedule));
            let thread = Some(std::thread::spawn(move || inside.run(&told)));
            let scene = Self { watching, schedule, thread };
            assert_eq!(scene.schedule.take(), Some((SOURCE, Heard::NAMES)));
            scene
        }

        /// Lets the source rest without a time, so that only an event ends the wait.
        fn after(&self, deed: impl FnOnce()) -> Heard {
            deed();
            self.schedule.done(SOURCE, Rest { until: None, fed: false }, Instant::now());
            self.schedule.take().unwrap().1
        }
    }

    impl Drop for Scene {
        fn drop(&mut self) {
            self.watching.stop();
            self.thread.take().map(std::thread::JoinHandle::join).unwrap().unwrap();
        }
    }

    #[test]
    fn new_name_new_bytes_and_a_rename_are_told() {
        let (scene, home) = (Scene::new(), tempfile::tempdir().unwrap());
        let file = home.path().join("0.log");
        assert!(scene.watching.follow(SOURCE, &[home.path().to_path_buf()]));
        assert!(scene.after(|| drop(fs::File::create(&file).unwrap())).names);
        let told = scene.after(|| write(&file));
        assert!(told.bytes, "{told:?}");
        assert!(scene.after(|| fs::rename(&file, home.path().join("0.log.1")).unwrap()).names);
    }

    #[test]
    fn directory_that_is_not_there_is_waited_for_step_by_step() {
        let (scene, home) = (Scene::new(), tempfile::tempdir().unwrap());
        let wanted = home.path().join("pod/container");
        let follow = || assert!(scene.watching.follow(SOURCE, std::slice::from_ref(&wanted)));
        follow();
        assert!(scene.after(|| fs::create_dir(home.path().join("pod")).unwrap()).names);
        follow();
        assert!(scene.after(|| fs::create_dir(&wanted).unwrap()).names);
        follow();
        assert!(scene.after(|| write(wanted.join("0.log"))).names);
        assert!(scene.after(|| fs::remove_dir_all(home.path().join("pod")).unwrap()).names);
        follow();
        assert!(scene.after(|| fs::create_dir_all(&wanted).unwrap()).names);
    }

    #[test]
    fn link_is_followed_to_the_directory_that_it_names() {
        let (scene, home) = (Scene::new(), tempfile::tempdir().unwrap());
        let real = home.path().join("real");
        fs::create_dir(&real).unwrap();
        symlink(&real, home.path().join("link")).unwrap();
        assert!(scene.watching.follow(SOURCE, &[home.path().join("link")]));
        assert!(scene.after(|| write(real.join("0.log"))).names);
    }

    #[test]
    fn log_among_many_hears_of_its_own_bytes_and_its_directory_of_names() {
        let (scene, home) = (Scene::new(), tempfile::tempdir().unwrap());
        let [own, rotated, other] =
            ["a.log", "a.log.1", "b.log"].map(|name| home.path().join(name));
        let dirs = [home.path().to_path_buf()];
        for path in [&own, &rotated, &other] {
            write(path);
        }
        assert!(scene.watching.follow_log(SOURCE, home.path(), OsStr::new("a.log")));
        for path in [&own, &rotated] {
            let told = scene.after(|| {
                write(home.path().join("c.log"));
                for path in [&other, path] {
                    let mut file = fs::File::options().append(true).open(path).unwrap();
                    file.write_all(b"more\n").unwrap();
                }
            });
            assert_eq!(told, Heard { bytes: true, names: false });
        }
        assert!(scene.watching.follow_names(SOURCE, &dirs));
        let told = scene.after(|| {
            fs::File::options().append(true).open(&own).unwrap().write_all(b"more\n").unwrap();
            fs::rename(&own, home.path().join("x")).unwrap();
        });
        assert_eq!(told, Heard::NAMES);
        scene.watching.forget(SOURCE);
        assert_eq!(scene.watching.watches(), 0);
    }

    #[test]
    fn directory_of_two_sources_is_watched_until_the_last_one_leaves() {
        let (watching, home) = (Watching::start(), tempfile::tempdir().unwrap());
        let directories = [home.path().to_path_buf()];
        assert!(watching.follow(1, &directories) && watching.follow(2, &directories));
        assert_eq!(watching.watches(), 1);
        watching.forget(1);
        assert_eq!(watching.watches(), 1);
        watching.forget(2);
        assert_eq!(watching.watches(), 0);
    }
}
