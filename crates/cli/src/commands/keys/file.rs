//! The hash file on disk: one writer at a time, whole or not at all, and for its owner alone.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt, fchown},
    path::{Path, PathBuf},
};

use anyhow::Context;

/// For its owner alone: hashes of keys are no keys, but names and counts of them are nobody else's business.
const MODE: u32 = 0o600;

/// The file, which no other `pointsman keys` changes meanwhile.
pub(super) struct Locked {
    path: PathBuf,
    file: File,
}

impl Locked {
    /// Locks the file; it is made, empty, where it is not there.
    pub(super) fn made(path: &Path) -> anyhow::Result<Self> {
        let locked = Self::open(path, true).with_context(|| path.display().to_string())?;
        locked.with_context(|| format!("{} is not there", path.display()))
    }

    /// Locks the file where it is there.
    pub(super) fn existing(path: &Path) -> anyhow::Result<Option<Self>> {
        Self::open(path, false).with_context(|| path.display().to_string())
    }

    fn open(path: &Path, make: bool) -> io::Result<Option<Self>> {
        loop {
            let file = match File::open(path) {
                Err(why) if why.kind() == io::ErrorKind::NotFound => {
                    if !make {
                        return Ok(None);
                    }
                    OpenOptions::new().append(true).create(true).mode(MODE).open(path)?
                }
                file => file?,
            };
            // what a link leads to is replaced, not the link
            let path = fs::canonicalize(path)?;
            file.lock()?;
            // while we waited another writer may have put a file of its own in the place of this one
            let (ours, there) = (file.metadata()?, fs::metadata(&path));
            if there.is_ok_and(|there| (there.dev(), there.ino()) == (ours.dev(), ours.ino())) {
                return Ok(Some(Self { path, file }));
            }
        }
    }

    pub(super) fn read(&self) -> anyhow::Result<String> {
        read(&self.path)
    }

    /// Puts a file of this text in the place of this one, under its permissions: a server may be reading it.
    pub(super) fn replace(self, text: &str) -> anyhow::Result<()> {
        let mut name = self.path.file_name().unwrap_or_default().to_owned();
        name.push(".new");
        let new = self.path.with_file_name(name);
        self.put(&new, text).with_context(|| new.display().to_string())?;
        fs::rename(&new, &self.path).with_context(|| self.path.display().to_string())
    }

    fn put(&self, new: &Path, text: &str) -> io::Result<()> {
        // left by one that was killed: the lock says that nobody is at it
        match fs::remove_file(new) {
            Err(why) if why.kind() != io::ErrorKind::NotFound => return Err(why),
            _ => {}
        }
        let mut out = OpenOptions::new().write(true).create_new(true).mode(MODE).open(new)?;
        let about = self.file.metadata()?;
        // only root can give it to another owner; who is not root owns it or can do without
        let _ = fchown(&out, Some(about.uid()), Some(about.gid()));
        out.set_permissions(about.permissions())?;
        out.write_all(text.as_bytes())?;
        out.sync_all()
    }
}

/// A file that is not there has no keys.
pub(super) fn read(path: &Path) -> anyhow::Result<String> {
    match fs::read_to_string(path) {
        Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        read => read.with_context(|| path.display().to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::{os::unix::fs::PermissionsExt, thread};

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_new_file_is_for_its_owner_and_permissions_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.txt");
        assert!(Locked::existing(&path).unwrap().is_none());
        Locked::made(&path).unwrap().replace("a\n").unwrap();
        assert_eq!(mode(&path), 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        fs::write(folder.path().join("keys.txt.new"), "left behind").unwrap();
        Locked::existing(&path).unwrap().unwrap().replace("b\n").unwrap();
        assert_eq!((mode(&path), read(&path).unwrap().as_str()), (0o640, "b\n"));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn writers_wait_for_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.txt");
        thread::scope(|scope| {
            for n in 0..16 {
                let path = &path;
                scope.spawn(move || {
                    let locked = Locked::made(path).unwrap();
                    let text = locked.read().unwrap();
                    locked.replace(&format!("{text}{n}\n")).unwrap();
                });
            }
        });
        assert_eq!(read(&path).unwrap().lines().count(), 16);
    }
}
