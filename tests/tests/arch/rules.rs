//! Who may use whom: the floors of the workspace, and the libraries that have one home.

/// What the crates of ours are called in front of their own name.
const PREFIX: &str = "pointsman-";

/// One package of the workspace.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    /// The package's full name.
    pub(crate) name: String,
    /// What its manifest names.
    pub(crate) uses: Vec<Uses>,
}

/// One dependency in a manifest.
#[derive(Debug, Clone)]
pub(crate) struct Uses {
    /// The package's full name.
    pub(crate) name: String,
    /// For tests only.
    pub(crate) dev: bool,
}

/// Which crates of ours one may use.
enum May {
    /// These and no others.
    Only(&'static [&'static str]),
    /// Every crate of a lower floor.
    Below,
}

/// The floors. A crate that is not here may not be.
const FLOORS: [(&str, u8, May); 17] = [
    ("kernels", 0, May::Only(&[])),
    ("names", 0, May::Only(&[])),
    ("types", 0, May::Only(&[])),
    ("protocol", 0, May::Only(&["types"])),
    ("decide", 1, May::Only(&["types"])),
    ("outcomes", 1, May::Only(&["kernels"])),
    ("dialects", 1, May::Only(&["types", "protocol"])),
    ("actors", 1, May::Only(&["types"])),
    ("catalog", 2, May::Below),
    ("latency", 2, May::Below),
    ("classifier", 2, May::Below),
    ("upstream", 2, May::Below),
    ("demo", 2, May::Below),
    ("engine", 3, May::Below),
    ("config", 3, May::Below),
    ("server", 4, May::Only(&["engine", "dialects", "protocol", "types"])),
    ("cli", 5, May::Below),
];

/// For tests: used by others as a dev-dependency only, and itself low enough not to pull the house along.
const TESTKIT: &str = "testkit";
const TESTKIT_MAY: &[&str] = &["types", "protocol"];

/// Nobody builds on these.
const LEAVES: [&str; 2] = ["tests", "benches"];

/// Crates without I/O, clock or async, and all that they may build on: a list of what is allowed, because a
/// list of what is not never ends.
const PURE: [(&str, &[&str]); 2] = [("types", &["serde", "thiserror"]), ("decide", &["regex", "serde"])];

/// Libraries (with all whose names go on with a dash) that live in one crate.
const HOMES: [(&str, &[&str]); 4] = [
    ("axum", &["server"]),
    ("candle", &["classifier"]),
    ("anyhow", &["cli", "tests", "benches"]),
    ("clap", &["cli", "benches"]),
];

/// Every broken rule, as `rule: where: what`.
pub(crate) fn violations(members: &[Member]) -> Vec<String> {
    members.iter().flat_map(of_member).collect()
}

fn of_member(member: &Member) -> Vec<String> {
    let name = member.name.strip_prefix(PREFIX).unwrap_or(&member.name);
    let leaf = LEAVES.contains(&name);
    let folder = if leaf { name.to_owned() } else { format!("crates/{name}") };
    let place = format!("{folder}/Cargo.toml");
    if !leaf && name != TESTKIT && floor(name).is_none() {
        return vec![format!(
            "members: {place}: no crate of this name in the floors of tests/tests/arch/rules.rs"
        )];
    }
    let broken = |uses: &Uses| {
        let found = match uses.name.strip_prefix(PREFIX) {
            Some(ours) => inside(name, ours, uses.dev),
            None => outside(name, &uses.name, uses.dev),
        };
        found.map(|(rule, what)| format!("{rule}: {place}: {what}"))
    };
    member.uses.iter().filter_map(broken).collect()
}

/// The rules between crates of ours.
fn inside(name: &str, used: &str, dev: bool) -> Option<(&'static str, String)> {
    if LEAVES.contains(&used) {
        return Some(("leaves", format!("{name} uses {used}, on which nothing is built")));
    }
    if used == TESTKIT {
        let fine = dev || LEAVES.contains(&name);
        return (!fine).then(|| ("testkit", format!("{name} uses testkit outside its tests")));
    }
    let fine = match (floor(name), floor(used)) {
        _ if LEAVES.contains(&name) => true,
        _ if name == TESTKIT => TESTKIT_MAY.contains(&used),
        (Some((_, May::Only(list))), _) => list.contains(&used),
        (Some((own, May::Below)), Some((theirs, _))) => theirs < own,
        _ => false,
    };
    (!fine).then(|| {
        let on = |name| floor(name).map_or_else(String::new, |(floor, _)| format!(" (floor {floor})"));
        ("floors", format!("{name}{} must not use {used}{}", on(name), on(used)))
    })
}

/// The rules on libraries.
fn outside(name: &str, used: &str, dev: bool) -> Option<(&'static str, String)> {
    if let Some((_, list)) = PURE.iter().find(|(pure, _)| *pure == name)
        && !dev
        && !list.contains(&used)
    {
        return Some(("pure", format!("{name} uses {used}; it may use {}", list.join(", "))));
    }
    let of = |library: &str| {
        used == library || used.strip_prefix(library).is_some_and(|rest| rest.starts_with('-'))
    };
    let (_, homes) = HOMES.iter().find(|(library, _)| of(library))?;
    (!homes.contains(&name))
        .then(|| ("homes", format!("{used} is used by {name}; it belongs in {}", homes.join(", "))))
}

fn floor(name: &str) -> Option<(u8, &'static May)> {
    FLOORS.iter().find(|(crate_name, ..)| *crate_name == name).map(|(_, floor, may)| (*floor, may))
}
