//! Rules that are read off the files: names in the README, lengths, headers, purity.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// No file that is not a test is longer.
const LONGEST: usize = 500;
/// Half of them are shorter.
const MEDIAN: usize = 200;

/// Words that a pure crate never uses: clocks, parts of `std` that reach the system, async.
const IMPURE: [&str; 11] =
    ["Instant", "SystemTime", "fs", "net", "env", "thread", "process", "io", "async", "tokio", "println"];

/// `crates/README.md` names every crate, and only crates.
pub(crate) fn readme(root: &Path) -> Vec<String> {
    let text = fs::read_to_string(root.join("crates/README.md")).expect("crates/README.md");
    let folders: Vec<String> = entries(&root.join("crates"))
        .into_iter()
        .filter(|path| path.is_dir())
        .filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()))
        .collect();
    let unnamed = folders
        .iter()
        .filter(|name| !text.contains(&format!("[`{name}`]({name})")))
        .map(|name| format!("readme: crates/{name}: not named in crates/README.md"));
    let gone = text
        .split("[`")
        .skip(1)
        .filter_map(|rest| rest.split_once("`]("))
        .filter(|(name, rest)| rest.starts_with(&format!("{name})")) && !folders.iter().any(|f| f == name))
        .map(|(name, _)| {
            format!("readme: crates/{name}: named in crates/README.md, but there is no such crate")
        });
    unnamed.chain(gone).collect()
}

/// Source files of every crate: short, their median shorter, each with a header.
pub(crate) fn sources(root: &Path) -> Vec<String> {
    let mut broken = Vec::new();
    let mut lengths = Vec::new();
    for krate in entries(&root.join("crates")) {
        for path in rust_files(&krate.join("src")) {
            let text = fs::read_to_string(&path).expect("a source file");
            let shown = path.strip_prefix(root).unwrap_or(&path).display();
            let length = lines_without_tests(&text);
            if length > LONGEST {
                broken.push(format!("length: {shown}: {length} lines without tests, {LONGEST} are allowed"));
            }
            if !text.starts_with("//!") {
                broken.push(format!("header: {shown}: does not begin with `//!` and what it owns"));
            }
            lengths.push(length);
        }
    }
    lengths.sort_unstable();
    match lengths.get(lengths.len() / 2) {
        Some(median) if *median >= MEDIAN => {
            broken.push(format!(
                "median: crates: half of the files have {median} lines or more, not under {MEDIAN}"
            ));
        }
        Some(_) => {}
        None => broken.push("length: crates: no source files found".to_owned()),
    }
    broken
}

/// The files of this folder name no clock and nothing of the system.
pub(crate) fn pure(folder: &Path) -> Vec<String> {
    let files = rust_files(folder);
    assert!(!files.is_empty(), "no source files in {}", folder.display());
    let mut broken = Vec::new();
    for path in files {
        let text = fs::read_to_string(&path).expect("a source file");
        for (at, line) in text.lines().enumerate().take(lines_without_tests(&text)) {
            let code = line.split("//").next().unwrap_or_default();
            let mut words = code.split(|c: char| !c.is_alphanumeric() && c != '_');
            if let Some(word) = words.find(|word| IMPURE.contains(word)) {
                broken.push(format!("pure: {}:{}: names {word}", path.display(), at + 1));
            }
        }
    }
    broken
}

/// Lines up to a closing `mod tests`.
fn lines_without_tests(text: &str) -> usize {
    let lines: Vec<&str> = text.lines().collect();
    let tests = |pair: &[&str]| pair[0] == "#[cfg(test)]" && pair[1].starts_with("mod tests {");
    lines.windows(2).position(tests).unwrap_or(lines.len())
}

/// Every `.rs` file below, except those that hold nothing but tests.
fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for path in entries(folder) {
        let name = path.file_stem().unwrap_or_default();
        if name == "tests" {
            continue;
        }
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
    files
}

/// What is in a folder, by name; nothing where there is no such folder.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    paths
}
