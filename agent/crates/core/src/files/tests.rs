//! Files on a real disk.

use std::io::Write;
use std::path::{Path, PathBuf};

use super::*;

fn identity(path: &Path) -> Identity {
    Identity::from(&std::fs::metadata(path).unwrap())
}

fn write(path: &Path, text: &str) {
    File::create(path).unwrap().write_all(text.as_bytes()).unwrap();
}

/// A directory on the disk that the build is on: in memory no inode is used twice.
fn directory(name: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../target/tests").join(name);
    let _absent = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).unwrap();
    dir
}

#[test]
fn next_file_on_the_inode_of_a_finished_one_is_another_file() {
    let dir = directory("inode");
    let path = dir.join("0.log");
    let named = || Named::current(path.clone());
    for round in 0..100 {
        write(&path, &format!("{round} first\n"));
        let mut file = LogFile::open(&named()).unwrap();
        file.finish(&mut |_, _| true);
        let known = identity(&path);
        assert!(file.is(known));
        std::fs::remove_file(&path).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(15));
        write(&path, &format!("{round} second\n"));
        let next = identity(&path);
        assert!(!file.is(next), "round {round}");
        if known.inode() == next.inode() {
            return;
        }
        std::fs::remove_file(&path).unwrap();
    }
    // A file system that uses no inode twice cannot show it, and does not need it.
}
