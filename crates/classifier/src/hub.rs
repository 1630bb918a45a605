//! Encoders from a model hub, through its cache: `$HF_ENDPOINT`, `$HF_HOME`, `$HF_TOKEN`, `$HF_HUB_OFFLINE`.
//!
//! All files of a pull come from one commit. Large files carry their sha256 as etag: it is computed again, and
//! a file that does not match is thrown away. hf-hub resumes downloads that broke.

use std::{
    env, fs,
    path::{Path, PathBuf},
    thread,
};

use hf_hub::{
    Cache, Repo, RepoType,
    api::{
        Progress,
        sync::{ApiBuilder, ApiError},
    },
};
use serde::Serialize;

use crate::{
    ClassifierError,
    artifact::{TOKENIZER, WEIGHTS, sha256},
};

const CONFIG: &str = "config.json";
/// What an encoder cannot do without.
const NEEDED: [&str; 3] = [CONFIG, TOKENIZER, WEIGHTS];
/// Says how the vectors of the tokens become one; many models have none.
const POOLING: &str = "1_Pooling/config.json";
const RETRIES: usize = 3;

/// A hub model in the cache.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HubModel {
    /// `org/name`.
    pub id: String,
    /// The commit.
    pub revision: String,
    /// Its folder in the cache.
    pub folder: PathBuf,
    /// Bytes of the weights.
    pub bytes: u64,
    /// sha256 of the weights.
    pub sha256: String,
    /// Whether the hub was asked; if not, these are the files of an earlier pull.
    pub from_hub: bool,
}

/// What is told of a download.
pub type Told<'a> = &'a (dyn Fn(&str, usize, usize) + Sync);

/// `org/name[@revision]`.
fn repo(id: &str) -> Result<Repo, ClassifierError> {
    let (name, revision) = id.split_once('@').unwrap_or((id, "main"));
    let plain = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
    };
    let parts: Vec<_> = name.split('/').collect();
    let sound = matches!(parts.len(), 1 | 2) && parts.into_iter().all(plain) && plain(revision);
    if !sound {
        return Err(hub(id, "not a hub id: expected org/name or org/name@revision"));
    }
    Ok(Repo::with_revision(name.to_owned(), RepoType::Model, revision.to_owned()))
}

fn hub(id: &str, why: impl Into<String>) -> ClassifierError {
    ClassifierError::Hub { id: id.to_owned(), why: why.into() }
}

/// Fetches a model, or with `offline` finds it in the cache. A hub that is down is no error where the cache has
/// the model. `expected` is the sha256 that the weights must have.
pub fn pull(
    id: &str,
    offline: bool,
    expected: Option<&str>,
    told: Told<'_>,
) -> Result<HubModel, ClassifierError> {
    let asked = repo(id)?;
    let offline = offline || env::var("HF_HUB_OFFLINE").is_ok_and(|v| matches!(v.as_str(), "1" | "true"));
    let found = if offline {
        cached(id)
    } else {
        // hf-hub asserts here and there: what it panics of is an error, too
        let fetched = thread::scope(|scope| scope.spawn(|| fetch(id, &asked, told)).join());
        match fetched.unwrap_or_else(|_| Err(hub(id, "the download gave up on what the hub answered"))) {
            Err(error) if unreachable_hub(&error) => match cached(id) {
                Ok(model) => {
                    tracing::warn!(%error, revision = model.revision, "using the cache");
                    Ok(model)
                }
                Err(_) => Err(error),
            },
            other => other,
        }
    }?;
    if let Some(expected) = expected.filter(|e| !e.eq_ignore_ascii_case(&found.sha256)) {
        return Err(ClassifierError::Hash {
            path: found.folder.join(WEIGHTS),
            expected: expected.to_owned(),
            found: found.sha256,
        });
    }
    Ok(found)
}

const UNREACHABLE: &str = "the hub cannot be reached";

fn unreachable_hub(error: &ClassifierError) -> bool {
    matches!(error, ClassifierError::Hub { why, .. } if why.starts_with(UNREACHABLE))
}

fn fetch(id: &str, asked: &Repo, told: Told<'_>) -> Result<HubModel, ClassifierError> {
    let mut builder = ApiBuilder::from_env().with_progress(false).with_retries(RETRIES);
    if let Ok(token) = env::var("HF_TOKEN") {
        // hf-hub itself reads only the token file
        builder = builder.with_token(Some(token).filter(|t| !t.is_empty()));
    }
    let api = builder.build().map_err(|e| hub(id, e.to_string()))?;
    let get = |repo: &Repo, file: &str| {
        let cache = Cache::from_env().repo(repo.clone());
        match cache.get(file) {
            // a name such as `main` moves on: only a commit is final
            Some(path) if is_commit(repo.revision()) => Ok(path),
            _ => api
                .repo(repo.clone())
                .download_with_progress(file, Bar { told, done: 0, of: 0, file: String::new() }),
        }
    };
    let failed = |file: &str, error: &ApiError| hub(id, format!("{file}: {}", explain(error)));
    let config = get(asked, CONFIG).map_err(|e| {
        if unreachable(&e) { hub(id, format!("{UNREACHABLE}: {e}")) } else { failed(CONFIG, &e) }
    })?;
    let folder = config.parent().unwrap_or(Path::new(".")).to_owned();
    let commit = folder.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    // the rest from the same commit, whatever is pushed meanwhile
    let name = id.split('@').next().unwrap_or(id).to_owned();
    let pinned = Repo::with_revision(name, RepoType::Model, commit.clone());
    for file in [TOKENIZER, WEIGHTS] {
        let path = get(&pinned, file).map_err(|e| failed(file, &e))?;
        check(&path)?;
    }
    match get(&pinned, POOLING) {
        Ok(_) => {}
        Err(error) if status(&error) == Some(404) => {}
        Err(error) => return Err(failed(POOLING, &error)),
    }
    let cache = Cache::from_env().repo(asked.clone());
    cache.create_ref(&commit).map_err(|e| hub(id, e.to_string()))?;
    Ok(HubModel { from_hub: true, ..in_folder(id, folder, commit)? })
}

/// The model as an earlier pull left it.
pub fn cached(id: &str) -> Result<HubModel, ClassifierError> {
    let asked = repo(id)?;
    let (cache, name) = (Cache::from_env(), id.split('@').next().unwrap_or(id));
    let folder = if is_commit(asked.revision()) {
        let path = cache.path().join(asked.folder_name()).join("snapshots").join(asked.revision());
        path.is_dir().then_some(path)
    } else {
        cache.repo(asked.clone()).get(CONFIG).and_then(|path| Some(path.parent()?.to_owned()))
    };
    let folder = folder.ok_or_else(|| hub(id, "not in the cache: pull it first"))?;
    let commit = folder.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    if let Some(missing) = NEEDED.into_iter().find(|file| !folder.join(file).exists()) {
        return Err(hub(id, format!("the cache has no {missing}: pull it again")));
    }
    check(&folder.join(WEIGHTS))?;
    in_folder(name, folder, commit)
}

/// All models in the cache that have every file of an encoder.
pub fn list() -> Vec<HubModel> {
    let entries = |path: PathBuf| fs::read_dir(path).into_iter().flatten().flatten().map(|e| e.path());
    let mut models = Vec::new();
    for repo in entries(Cache::from_env().path().clone()) {
        let name = repo.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let Some(id) = name.strip_prefix("models--").map(|id| id.replace("--", "/")) else { continue };
        for folder in entries(repo.join("snapshots")) {
            let commit = folder.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
            if NEEDED.iter().all(|file| folder.join(file).exists()) {
                models.extend(in_folder(&id, folder, commit));
            }
        }
    }
    models.sort_by(|a, b| (&a.id, &a.revision).cmp(&(&b.id, &b.revision)));
    models
}

fn in_folder(id: &str, folder: PathBuf, revision: String) -> Result<HubModel, ClassifierError> {
    let path = folder.join(WEIGHTS);
    let bytes =
        fs::read(&path).map_err(|e| ClassifierError::File { path: path.clone(), why: e.to_string() })?;
    let id = id.split('@').next().unwrap_or(id).to_owned();
    Ok(HubModel { id, revision, folder, bytes: bytes.len() as u64, sha256: sha256(&bytes), from_hub: false })
}

/// A large file's blob is named by its sha256.
fn check(path: &Path) -> Result<(), ClassifierError> {
    let file = |e: std::io::Error| ClassifierError::File { path: path.to_owned(), why: e.to_string() };
    let blob = fs::canonicalize(path).map_err(file)?;
    let name = blob.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    if name.len() != 64 || !name.chars().all(|c| c.is_ascii_hexdigit()) {
        return Ok(());
    }
    let found = sha256(&fs::read(&blob).map_err(file)?);
    if found == name {
        return Ok(());
    }
    // neither is of any use: the next pull starts anew
    let _ = (fs::remove_file(path), fs::remove_file(&blob));
    Err(ClassifierError::Hash { path: path.to_owned(), expected: name, found })
}

fn is_commit(revision: &str) -> bool {
    revision.len() == 40 && revision.chars().all(|c| c.is_ascii_hexdigit())
}

fn status(error: &ApiError) -> Option<u16> {
    let ApiError::RequestError(inner) = error else { return None };
    // the type is ureq's, which we do not depend on: its text is `http status: 404`
    inner.to_string().rsplit(' ').next()?.parse().ok()
}

fn unreachable(error: &ApiError) -> bool {
    matches!(error, ApiError::RequestError(_)) && status(error).is_none_or(|s| s >= 500)
}

fn explain(error: &ApiError) -> String {
    match status(error) {
        Some(401 | 403) => format!("{error}: the model is private, or HF_TOKEN is missing or wrong"),
        Some(404) => format!("{error}: there is no such model, revision or file"),
        _ => error.to_string(),
    }
}

/// hf-hub's view of [`Told`].
struct Bar<'a> {
    told: Told<'a>,
    file: String,
    done: usize,
    of: usize,
}

impl Progress for Bar<'_> {
    fn init(&mut self, size: usize, filename: &str) {
        (self.file, self.of, self.done) = (filename.to_owned(), size, 0);
    }

    fn update(&mut self, size: usize) {
        self.done += size;
        (self.told)(&self.file, self.done, self.of);
    }

    fn finish(&mut self) {
        (self.told)(&self.file, self.of, self.of);
    }
}
