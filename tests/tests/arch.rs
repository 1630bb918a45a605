//! The shape of the repository, kept by a test: who may use whom, which library lives where, how long a file
//! may be. The rules are data in `arch/rules.rs`; ARCHITECTURE.md says why they are as they are.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that meets an error has failed"
)]

#[path = "arch/files.rs"]
mod files;
#[path = "arch/rules.rs"]
mod rules;

use std::path::{Path, PathBuf};

use cargo_metadata::{DependencyKind, MetadataCommand};
use rules::{Member, Uses, violations};

/// Asked at run time: clones that share a build folder share this binary too.
fn root() -> PathBuf {
    let tests = std::env::var("CARGO_MANIFEST_DIR").expect("run by cargo");
    Path::new(&tests).parent().expect("tests/ is a folder of the repository").to_owned()
}

/// The workspace as cargo sees it, without what lies below it.
fn members() -> Vec<Member> {
    let metadata = MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .no_deps()
        .other_options(["--offline".to_owned()])
        .exec()
        .expect("cargo metadata");
    let uses = |dependency: &cargo_metadata::Dependency| Uses {
        name: dependency.name.clone(),
        dev: dependency.kind == DependencyKind::Development,
    };
    let member = |package: &cargo_metadata::Package| Member {
        name: package.name.to_string(),
        uses: package.dependencies.iter().map(uses).collect(),
    };
    metadata.workspace_packages().into_iter().map(member).collect()
}

fn assert_none(found: &[String]) {
    assert!(found.is_empty(), "{} rule(s) broken:\n{}", found.len(), found.join("\n"));
}

#[test]
fn crates_use_only_what_their_floor_allows() {
    let members = members();
    assert!(members.len() > 10, "cargo metadata shows the whole workspace: {members:?}");
    assert_none(&violations(&members));
}

#[test]
fn every_crate_is_named_in_the_readme_and_every_name_there_is_a_crate() {
    assert_none(&files::readme(&root()));
}

#[test]
fn files_are_short_and_say_what_they_own() {
    assert_none(&files::sources(&root()));
}

#[test]
fn decide_touches_no_clock_and_no_system() {
    assert_none(&files::pure(&root().join("crates/decide/src")));
}

/// The rules must be able to fail: each graph here breaks exactly the rule that is named.
#[test]
fn bad_graphs_are_refused_with_the_rule_and_the_place() {
    let normal = |name: &str| Uses { name: name.to_owned(), dev: false };
    let dev = |name: &str| Uses { name: name.to_owned(), dev: true };
    for (name, uses, expected) in [
        ("pointsman-types", normal("pointsman-protocol"), "floors: crates/types/Cargo.toml: types"),
        ("pointsman-catalog", normal("pointsman-latency"), "floors: crates/catalog/Cargo.toml: catalog"),
        ("pointsman-engine", normal("pointsman-server"), "floors: crates/engine/Cargo.toml: engine"),
        ("pointsman-config", normal("pointsman-engine"), "floors: crates/config/Cargo.toml: config"),
        ("pointsman-server", normal("pointsman-catalog"), "floors: crates/server/Cargo.toml: server"),
        ("pointsman-latency", dev("pointsman-engine"), "floors: crates/latency/Cargo.toml: latency"),
        ("pointsman-engine", normal("pointsman-testkit"), "testkit: crates/engine/Cargo.toml"),
        ("pointsman-decide", normal("tokio"), "pure: crates/decide/Cargo.toml: decide uses tokio"),
        ("pointsman-decide", normal("rand"), "pure: crates/decide/Cargo.toml: decide uses rand"),
        ("pointsman-types", normal("tokio"), "pure: crates/types/Cargo.toml: types uses tokio"),
        ("pointsman-engine", normal("axum"), "homes: crates/engine/Cargo.toml: axum"),
        ("pointsman-engine", normal("axum-extra"), "homes: crates/engine/Cargo.toml: axum-extra"),
        ("pointsman-demo", dev("axum"), "homes: crates/demo/Cargo.toml: axum"),
        ("pointsman-upstream", normal("candle-core"), "homes: crates/upstream/Cargo.toml: candle-core"),
        ("pointsman-server", normal("anyhow"), "homes: crates/server/Cargo.toml: anyhow"),
        ("pointsman-cli", normal("pointsman-tests"), "leaves: crates/cli/Cargo.toml"),
        ("pointsman-helpers", normal("serde"), "members: crates/helpers/Cargo.toml: no crate of this name"),
    ] {
        let graph = [Member { name: name.to_owned(), uses: vec![uses] }];
        let found = violations(&graph);
        assert!(
            found.len() == 1 && found[0].starts_with(expected),
            "{name}: expected {expected}, got {found:?}"
        );
    }
    let fine = |name: &str, uses: &[Uses]| {
        let graph = [Member { name: name.to_owned(), uses: uses.to_vec() }];
        assert_none(&violations(&graph));
    };
    fine(
        "pointsman-engine",
        &[normal("pointsman-types"), normal("pointsman-upstream"), dev("pointsman-testkit")],
    );
    fine("pointsman-protocol", &[normal("pointsman-types"), dev("proptest")]);
    fine("pointsman-decide", &[normal("pointsman-types"), dev("proptest"), dev("insta")]);
    fine("pointsman-server", &[normal("axum"), normal("pointsman-engine")]);
    fine("pointsman-tests", &[dev("pointsman-cli"), dev("pointsman-testkit")]);
}

#[test]
fn bad_files_are_refused_with_the_rule_and_the_place() {
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("crates/README.md", "[`named`](named) [`gone`](gone)\n");
    write("crates/named/src/lib.rs", "//! Fine.\n");
    write("crates/left_out/src/lib.rs", &format!("//! Long.\n{}", "// line\n".repeat(500)));
    write("crates/named/src/bare.rs", "fn f() {}\n");
    write(
        "crates/named/src/tested.rs",
        &format!("//! Tests do not count.\n#[cfg(test)]\nmod tests {{\n{}}}\n", "\n".repeat(900)),
    );
    write("crates/named/tests/it/main.rs", &"\n".repeat(900));
    write(
        "crates/clock/src/lib.rs",
        "//! Impure.\nuse std::{fmt, time::Instant};\n// std::fs in a comment is fine\n",
    );

    let readme = files::readme(folder.path()).join("\n");
    for expected in ["readme: crates/left_out:", "readme: crates/clock:", "readme: crates/gone:"] {
        assert!(readme.contains(expected), "{expected} in {readme}");
    }
    assert!(!readme.contains("crates/named"), "{readme}");

    let sources = files::sources(folder.path()).join("\n");
    assert!(sources.contains("length: crates/left_out/src/lib.rs: 501 lines"), "{sources}");
    assert!(sources.contains("header: crates/named/src/bare.rs"), "{sources}");
    assert_eq!(sources.lines().count(), 2, "{sources}");

    let pure = files::pure(&folder.path().join("crates/clock/src"));
    assert!(pure.len() == 1 && pure[0].contains("lib.rs:2") && pure[0].contains("Instant"), "{pure:?}");

    let long = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(long.path().join("crates/a/src")).unwrap();
    std::fs::write(long.path().join("crates/a/src/lib.rs"), format!("//! .\n{}", "\n".repeat(250))).unwrap();
    assert!(files::sources(long.path())[0].starts_with("median: "), "{:?}", files::sources(long.path()));
}
