//! What outcomes teach: one actor keeps decayed counts per model and task, readers load them without waiting.
//!
//! Off by default. Feedback counts in full; what an answer shows by itself (it failed, it was refused, it was cut off,
//! the same prompt was asked again) counts a quarter. An answer that simply finished counts as the catalog expects of
//! its model: it makes that belief surer and leaves it where it is, so that a bad share shows and mere use does not.

use std::{
    collections::BTreeMap,
    fs, io,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use dashmap::DashMap;
use lru::LruCache;
use pointsman_actors::{ActorError, ActorHandle, CallError, Envelope, QueueStats, Reply, Supervisor};
use pointsman_decide::Evidence;
use pointsman_types::{Decision, ModelSpec, Outcome, RequestId, Task};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

/// The weight of what an answer shows by itself.
const IMPLICIT: f32 = 0.25;
/// Answers that feedback can still be given to.
const RECENT: NonZeroUsize = NonZeroUsize::new(10_000).unwrap();
/// The most models that are learned about.
const MAX_MODELS: usize = 4096;
const SAVE_EVERY: Duration = Duration::from_secs(30);
const MAILBOX: usize = 8192;

/// Settings of learning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LearningSettings {
    /// The one switch.
    pub enabled: bool,
    /// Where what was learned is kept; without a file it is gone with the process.
    pub file: Option<PathBuf>,
    /// After this time an outcome counts half.
    pub half_life: Duration,
}

impl Default for LearningSettings {
    fn default() -> Self {
        Self { enabled: false, file: None, half_life: Duration::from_hours(24 * 14) }
    }
}

/// Why feedback was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FeedbackError {
    /// Learning is switched off.
    Off,
    /// No recent answer has this id.
    Unknown,
}

/// How an answer ended, as far as it teaches something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lesson {
    /// As it should.
    Finished,
    /// Cut off, refused, failed, or asked again: it was of no use.
    Bad,
}

impl Lesson {
    /// What an attempt teaches; nothing where the client went away, the backend was merely full, or the request
    /// itself was at fault.
    pub(crate) fn of(outcome: Outcome, finish: Option<pointsman_protocol::Finish>) -> Option<Self> {
        use pointsman_protocol::Finish;
        match (outcome, finish) {
            (
                Outcome::Cancelled
                | Outcome::Superseded
                | Outcome::RateLimited
                | Outcome::ClientError
                | Outcome::ContextOverflow
                | Outcome::Untranslatable,
                _,
            ) => None,
            (Outcome::Ok, Some(Finish::Length | Finish::Refused)) => Some(Self::Bad),
            (Outcome::Ok, _) => Some(Self::Finished),
            _ => Some(Self::Bad),
        }
    }
}

/// An answer that may be learned from.
#[derive(Debug, Clone)]
pub(crate) struct Pupil {
    request: RequestId,
    model: Arc<str>,
    /// The catalog's belief of it for this mix of tasks.
    expected: f32,
    tasks: [f32; Task::COUNT],
}

impl Pupil {
    pub(crate) fn new(request: &RequestId, spec: &ModelSpec, decision: &Decision) -> Self {
        let uniform = [1.0 / Task::COUNT as f32; Task::COUNT];
        let tasks = decision.classification.as_ref().map_or(uniform, |c| c.task.0);
        let expected = tasks.iter().zip(&spec.quality.mu).map(|(p, mu)| p * mu).sum();
        Self { request: request.clone(), model: key_of(spec), expected, tasks }
    }
}

fn key_of(spec: &ModelSpec) -> Arc<str> {
    spec.about.canonical.clone().unwrap_or_else(|| spec.id.as_str().into())
}

/// Counts of one model, as of a moment.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Counted {
    #[serde(flatten)]
    evidence: Evidence,
    /// Unix time.
    at: u64,
}

impl Counted {
    fn now(&self, half_life: Duration, now: u64) -> Evidence {
        self.evidence.decayed(now.saturating_sub(self.at) as f32 / half_life.as_secs_f32().max(1.0))
    }
}

type Counts = Arc<DashMap<Arc<str>, Counted>>;

/// What was learned, and who teaches. Cheap to clone; does nothing where learning is off.
#[derive(Debug, Clone, Default)]
pub(crate) struct Learned(Option<Arc<On>>);

#[derive(Debug)]
struct On {
    counts: Counts,
    half_life: Duration,
    actor: ActorHandle<LearnMsg>,
}

impl Learned {
    pub(crate) async fn start(
        supervisor: &Supervisor,
        settings: LearningSettings,
    ) -> Result<Self, ActorError> {
        if !settings.enabled {
            return Ok(Self(None));
        }
        let counts = Counts::default();
        if let Some(file) = &settings.file {
            load(file, &counts);
        }
        let half_life = settings.half_life;
        let actor = LearnActor { counts: Arc::clone(&counts), settings };
        let actor = supervisor.spawn("learning", MAILBOX, move || actor.clone()).await?;
        Ok(Self(Some(Arc::new(On { counts, half_life, actor }))))
    }

    /// What is known of a model beyond the catalog.
    pub(crate) fn of(&self, spec: &ModelSpec) -> Option<Arc<Evidence>> {
        let on = self.0.as_ref()?;
        let counted = *on.counts.get(&key_of(spec))?;
        Some(Arc::new(counted.now(on.half_life, unix_now())))
    }

    pub(crate) const fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// An answer ended. Lost where the actor is overloaded: one outcome more or less is nothing.
    pub(crate) fn ended(&self, pupil: Pupil, lesson: Lesson) {
        if let Some(on) = &self.0 {
            let _ = on.actor.cast(LearnMsg::Ended(pupil, lesson));
        }
    }

    /// The answer of `model` was of no use: its prompt was asked again.
    pub(crate) fn asked_again(&self, spec: &ModelSpec, decision: &Decision) {
        if let Some(on) = &self.0 {
            let pupil = Pupil::new(&RequestId::new(String::new()), spec, decision);
            let _ = on.actor.cast(LearnMsg::AskedAgain(pupil));
        }
    }

    /// A person's or a program's word on an answer, 0..1.
    pub(crate) async fn feedback(
        &self,
        request: RequestId,
        score: f32,
        deadline: Instant,
    ) -> Result<Result<(), FeedbackError>, CallError> {
        let Some(on) = &self.0 else { return Ok(Err(FeedbackError::Off)) };
        on.actor.ask(deadline, |reply| LearnMsg::Feedback(request, score, reply)).await
    }

    pub(crate) fn stats(&self) -> Option<QueueStats> {
        self.0.as_ref().map(|on| on.actor.stats())
    }
}

pub(crate) enum LearnMsg {
    Ended(Pupil, Lesson),
    AskedAgain(Pupil),
    Feedback(RequestId, f32, Reply<Result<(), FeedbackError>>),
    Save,
}

#[derive(Debug, Clone)]
struct LearnActor {
    counts: Counts,
    settings: LearningSettings,
}

struct State {
    recent: LruCache<RequestId, Pupil>,
    news: bool,
}

impl Actor for LearnActor {
    type Msg = Envelope<LearnMsg>;
    type State = State;
    type Arguments = ();

    async fn pre_start(&self, myself: ActorRef<Self::Msg>, (): ()) -> Result<State, ActorProcessingErr> {
        myself.send_interval(SAVE_EVERY, || Envelope::to_self(LearnMsg::Save));
        Ok(State { recent: LruCache::new(RECENT), news: false })
    }

    async fn handle(
        &self,
        _: ActorRef<Self::Msg>,
        envelope: Self::Msg,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        let (message, _permit) = envelope.open();
        match message {
            LearnMsg::Ended(pupil, lesson) => {
                let score = if lesson == Lesson::Bad { 0.0 } else { pupil.expected };
                self.add(&pupil, score, IMPLICIT, state);
                state.recent.put(pupil.request.clone(), pupil);
            }
            LearnMsg::AskedAgain(pupil) => self.add(&pupil, 0.0, IMPLICIT, state),
            LearnMsg::Feedback(request, score, reply) => {
                let pupil = state.recent.get(&request).cloned();
                if let Some(pupil) = &pupil {
                    self.add(pupil, score, 1.0, state);
                }
                reply.send(pupil.map(drop).ok_or(FeedbackError::Unknown));
            }
            LearnMsg::Save => self.save(state).await,
        }
        Ok(())
    }

    async fn post_stop(&self, _: ActorRef<Self::Msg>, state: &mut State) -> Result<(), ActorProcessingErr> {
        self.save(state).await;
        Ok(())
    }
}

impl LearnActor {
    fn add(&self, pupil: &Pupil, score: f32, weight: f32, state: &mut State) {
        let now = unix_now();
        if self.counts.len() >= MAX_MODELS && !self.counts.contains_key(&pupil.model) {
            return;
        }
        let mut counted = self
            .counts
            .entry(Arc::clone(&pupil.model))
            .or_insert(Counted { evidence: Evidence::default(), at: now });
        let mut evidence = counted.now(self.settings.half_life, now);
        evidence.add(&pupil.tasks, score, weight);
        *counted = Counted { evidence, at: now };
        state.news = true;
    }

    async fn save(&self, state: &mut State) {
        let Some(file) = self.settings.file.clone() else { return };
        if !std::mem::take(&mut state.news) {
            return;
        }
        let counts: BTreeMap<Arc<str>, Counted> =
            self.counts.iter().map(|entry| (Arc::clone(entry.key()), *entry.value())).collect();
        let written = tokio::task::spawn_blocking(move || write(&file, &counts).map_err(|e| (file, e))).await;
        if let Ok(Err((file, error))) = written {
            state.news = true;
            tracing::warn!(file = %file.display(), %error, "what was learned could not be saved");
        }
    }
}

/// Whole or not at all.
fn write(file: &Path, counts: &BTreeMap<Arc<str>, Counted>) -> io::Result<()> {
    let new = file.with_extension("new");
    fs::write(&new, serde_json::to_vec_pretty(counts)?)?;
    fs::rename(&new, file)
}

/// A file that cannot be read is told and left alone: routing works without it.
fn load(file: &Path, counts: &Counts) {
    let read = || -> io::Result<BTreeMap<Arc<str>, Counted>> {
        match fs::read(file) {
            Ok(bytes) => Ok(serde_json::from_slice(&bytes)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(BTreeMap::new()),
            Err(error) => Err(error),
        }
    };
    match read() {
        Ok(stored) => {
            for (model, counted) in stored {
                counts.insert(model, counted);
            }
        }
        Err(error) => {
            let aside = file.with_extension("unreadable");
            let kept = fs::rename(file, &aside).is_ok();
            tracing::warn!(file = %file.display(), %error, kept, "what was learned could not be read: starting anew");
        }
    }
}

fn unix_now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_secs())
}
