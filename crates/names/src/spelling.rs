//! Off with what hosts put around a name: folders, vendors, regions, services, file endings.

/// Longer names are cut: no model has one.
const LONGEST: usize = 512;

/// Words behind a colon or at the end that name a service, not a model.
const SERVICES: [&str; 13] = [
    "free", "nitro", "beta", "extended", "floor", "online", "thinking", "latest", "cloud", "default",
    "exacto", "fast", "batch",
];

/// A name without its surroundings, in lower case.
#[derive(Debug, Default)]
pub(crate) struct Spelling {
    pub(crate) body: String,
    /// What stands behind a colon and is no service: Ollama's tag.
    pub(crate) tag: String,
    /// What a host writes behind `@`.
    pub(crate) snapshot: Option<String>,
    pub(crate) organisation: Option<String>,
    pub(crate) fine_tuned: bool,
    /// As in Ollama's library: no folder in front but its own.
    pub(crate) bare: bool,
}

pub(crate) fn spelling(name: &str) -> Spelling {
    let mut end = name.len().min(LONGEST);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    let name = name.get(..end).unwrap_or_default().trim().to_lowercase();
    let mut spelled = Spelling::default();
    let mut rest = name.as_str();
    if let Some((front, of)) =
        rest.split_once("ft:").filter(|(front, _)| front.is_empty() || front.ends_with('/'))
    {
        spelled.fine_tuned = true;
        spelled.organisation = front.strip_suffix('/').map(str::to_owned);
        rest = of.split(':').next().unwrap_or(of);
    }
    let mut folders: Vec<&str> = rest.split('/').filter(|part| !part.is_empty()).collect();
    let last = folders.pop().unwrap_or_default();
    spelled.organisation = folders.last().map(|f| (*f).to_owned()).or(spelled.organisation);
    spelled.bare = matches!(folders.as_slice(), [] | ["ollama" | "ollama_chat"]);
    let last = without_file_ending(last);
    let (last, at) = last.split_once('@').unwrap_or((last, ""));
    if at.starts_with(|c: char| c.is_ascii_digit()) {
        spelled.snapshot = at.split('-').next().map(str::to_owned);
    }
    let last = without_vendors(last);
    let last = without_revision(&last);
    let (body, tags) = last.split_once(':').unwrap_or((&last, ""));
    body.clone_into(&mut spelled.body);
    let tags: Vec<&str> = tags.split(':').filter(|tag| !SERVICES.contains(tag)).collect();
    spelled.tag = tags.join("-");
    if let Some(tag) = spelled.tag.strip_suffix("-cloud").map(str::len) {
        spelled.tag.truncate(tag);
    }
    spelled
}

/// `.gguf`, and the part number of a file in several.
fn without_file_ending(name: &str) -> &str {
    let stem = [".gguf", ".bin", ".safetensors", ".ggml"].iter().find_map(|end| name.strip_suffix(end));
    let stem = stem.unwrap_or(name);
    let part = stem.rsplit_once("-of-").and_then(|(front, count)| {
        let number = front.len().checked_sub(6)?;
        let digits = |text: &str| text.len() == 5 && text.bytes().all(|b| b.is_ascii_digit());
        let numbered =
            digits(count) && digits(front.get(number + 1..)?) && front.get(number..=number)? == "-";
        if numbered { front.get(..number) } else { None }
    });
    part.unwrap_or(stem)
}

/// Bedrock writes `us.anthropic.claude-...`: words without digits in front of a point and a letter.
fn without_vendors(mut name: &str) -> String {
    while let Some((vendor, rest)) = name.split_once('.') {
        let plain = !vendor.is_empty() && vendor.bytes().all(|b| b.is_ascii_alphabetic() || b == b'-')
            || vendor == "ai21";
        // what follows is a name, not how weights are stored
        let named = rest.starts_with(|c: char| c.is_ascii_alphabetic())
            && !crate::quantisation::is_quantisation(rest.split('-').next().unwrap_or(rest));
        // `deepseek.v3`, `deepseek.r1`: the vendor is the brand
        let numbered =
            crate::brands::is_brand(vendor) && rest.as_bytes().get(1).is_some_and(u8::is_ascii_digit);
        if !(plain && named) {
            break;
        }
        if numbered {
            return format!("{vendor}-{rest}");
        }
        name = rest;
    }
    name.to_owned()
}

/// Bedrock's revision, `-v1:0` or `-1:0`, comes off; where it is the version of the model itself, it stays.
fn without_revision(name: &str) -> String {
    let revision = name.rsplit_once('-').and_then(|(front, revision)| {
        let (major, minor) = revision.split_once(':')?;
        let major = major.strip_prefix('v').unwrap_or(major);
        let number = |n: &str| !n.is_empty() && n.len() <= 2 && n.bytes().all(|b| b.is_ascii_digit());
        (number(major) && number(minor)).then_some((front, major, minor))
    });
    let Some((front, major, minor)) = revision else { return name.to_owned() };
    // `rerank-v3-5:0`: the minor of a version, written apart
    let versioned = |w: &str| w.len() == 2 && w.starts_with('v');
    if !name.ends_with(&format!("v{major}:{minor}")) && front.rsplit('-').next().is_some_and(versioned) {
        return format!("{front}.{major}");
    }
    let counts_itself = front == "claude" || front == "claude-instant" || front.contains("embed");
    if front.starts_with("mistral-7b") || counts_itself && minor != "0" {
        format!("{front}-v{major}.{minor}")
    } else if counts_itself {
        format!("{front}-v{major}")
    } else {
        front.to_owned()
    }
}
