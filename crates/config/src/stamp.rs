//! What a file looks like from outside: whether it has to be read again.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::SystemTime,
};

/// A file as it was at some time. Two stamps differ where the file was written, replaced, made or removed between them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    path: PathBuf,
    /// When it was written, how long it is, and which file of its volume it is; nothing where it cannot be seen.
    seen: Option<(SystemTime, u64, u64)>,
}

impl Stamp {
    /// How it is now. Taken before the file is read, it shows every change since.
    pub fn of(path: &Path) -> Self {
        let about = fs::metadata(path).ok();
        let seen = about.and_then(|about| Some((about.modified().ok()?, about.len(), about.ino())));
        Self { path: path.to_owned(), seen }
    }

    /// How the same file is now.
    #[must_use]
    pub fn again(&self) -> Self {
        Self::of(&self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_was_changed_replaced_or_removed_looks_different() {
        let folder = tempfile::tempdir().unwrap();
        let (file, other) = (folder.path().join("a"), folder.path().join("b"));
        let missing = Stamp::of(&file);
        assert_eq!(missing, missing.again());
        fs::write(&file, "one").unwrap();
        let one = missing.again();
        assert_ne!(one, missing);
        assert_eq!(one, one.again());
        fs::write(&file, "one two").unwrap();
        let two = one.again();
        assert_ne!(two, one);
        // of the same length and date
        fs::write(&other, "two one").unwrap();
        let date = fs::metadata(&file).unwrap().modified().unwrap();
        fs::File::options().append(true).open(&other).unwrap().set_modified(date).unwrap();
        fs::rename(&other, &file).unwrap();
        assert_ne!(two.again(), two);
        fs::remove_file(&file).unwrap();
        assert_eq!(two.again(), missing);
    }
}
