//! The catalog actor: one writer, syncs in rounds.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use pointsman_actors::{ActorError, ActorHandle, CallError, Cell, Envelope, QueueStats, Reply, Supervisor};
use pointsman_types::{BackendState, Health};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use reqwest::Client;
use tokio::{
    task::{JoinHandle, JoinSet},
    time::Instant,
};

use crate::{
    CatalogBackend, CatalogSettings, CatalogSnapshot, ChangeCounts,
    known::Known,
    source::{self, ListError, Listing},
};

/// Messages that may wait: syncs on demand.
const MAILBOX: usize = 64;
/// A backend that failed is asked again after this, then after twice as long, up to the time between two syncs.
const FIRST_RETRY: Duration = Duration::from_secs(2);

pub(crate) enum CatalogMsg {
    /// Sync now; answered when a round that began after this is over.
    Sync(Option<Reply<()>>),
    /// A backend has answered, or not; the last is whether the round waits for it.
    Listed(usize, Result<Listing, ListError>, bool),
    /// Ask this one again: it failed.
    Retry(usize),
    /// Look whether backends live.
    Probe,
    /// One does, or not.
    Probed(usize, Result<(), ListError>),
}

/// Reads the catalog and asks for syncs. Cheap to clone.
#[derive(Debug, Clone)]
pub struct CatalogHandle {
    actor: ActorHandle<CatalogMsg>,
    snapshot: Cell<CatalogSnapshot>,
    changes: Arc<ChangeCounts>,
    settings: Arc<CatalogSettings>,
    known: Cell<Vec<Known>>,
}

impl CatalogHandle {
    /// Starts the actor. The models of the configuration are there at once; a first sync is under way.
    pub async fn start(supervisor: &Supervisor, settings: CatalogSettings) -> Result<Self, ActorError> {
        Self::start_after(supervisor, settings, None).await
    }

    /// As [`Self::start`]; what the one `before` has heard of backends that stay is known at once.
    pub async fn start_after(
        supervisor: &Supervisor,
        settings: CatalogSettings,
        before: Option<&Self>,
    ) -> Result<Self, ActorError> {
        let failed =
            |why: reqwest::Error| ActorError::Start { name: "catalog".to_owned(), why: why.to_string() };
        let client = || Client::builder().redirect(reqwest::redirect::Policy::none()).referer(false);
        let known = |backend: &CatalogBackend| {
            let heard = before.and_then(|before| before.heard_of(backend));
            let Some(mut known) = heard else { return Known::new(backend, &settings.facts) };
            known.merge(backend, &settings.facts);
            known
        };
        let known = Cell::new(settings.backends.iter().map(known).collect());
        let changes = before.map(|before| Arc::clone(&before.changes)).unwrap_or_default();
        let settings = Arc::new(settings);
        let actor = CatalogActor {
            proxied: client().build().map_err(failed)?,
            direct: client().no_proxy().build().map_err(failed)?,
            settings: Arc::clone(&settings),
            known: known.clone(),
            snapshot: Cell::default(),
            changes: Arc::clone(&changes),
        };
        actor.publish();
        let snapshot = actor.snapshot.clone();
        let actor = supervisor.spawn("catalog", MAILBOX, move || actor.clone()).await?;
        Ok(Self { actor, snapshot, changes, settings, known })
    }

    /// What was heard of a backend, if it is the same one.
    fn heard_of(&self, backend: &CatalogBackend) -> Option<Known> {
        let same = |(old, _): &(&CatalogBackend, &Known)| {
            let (old, new) = (&old.endpoint, &backend.endpoint);
            (&old.id, old.kind, &old.base_url) == (&new.id, new.kind, &new.base_url)
        };
        let known = self.known.load();
        let heard = self.settings.backends.iter().zip(known.iter()).find(same);
        heard.map(|(_, known)| known.clone()).filter(|_| backend.discover)
    }

    /// The number of its actor, for [`Supervisor::retire`].
    pub fn id(&self) -> u64 {
        self.actor.id()
    }

    /// The catalog of this moment.
    pub fn snapshot(&self) -> Arc<CatalogSnapshot> {
        self.snapshot.load_full()
    }

    /// Asks all backends now and waits, until `deadline`, for the last of them.
    pub async fn sync_now(&self, deadline: Instant) -> Result<(), CallError> {
        self.actor.ask(deadline, |reply| CatalogMsg::Sync(Some(reply))).await
    }

    /// How often models appeared, changed and left.
    pub fn changes(&self) -> &ChangeCounts {
        &self.changes
    }

    /// The counters of the mailbox.
    pub fn stats(&self) -> QueueStats {
        self.actor.stats()
    }
}

#[derive(Debug, Clone)]
pub(crate) struct CatalogActor {
    pub(crate) settings: Arc<CatalogSettings>,
    /// A proxy from the environment is for the world outside ...
    proxied: Client,
    /// ... not for own infrastructure.
    direct: Client,
    pub(crate) known: Cell<Vec<Known>>,
    snapshot: Cell<CatalogSnapshot>,
    changes: Arc<ChangeCounts>,
}

#[derive(Default)]
pub(crate) struct Round {
    /// Requests under way; dropped with the actor.
    pub(crate) asking: JoinSet<()>,
    outstanding: usize,
    /// Who waits for this round, and who for the next.
    waiting: Vec<Reply<()>>,
    waiting_next: Vec<Reply<()>>,
    timer: Option<Timer>,
}

type Timer = JoinHandle<Result<(), ractor::MessagingErr<Envelope<CatalogMsg>>>>;

impl Actor for CatalogActor {
    type Msg = Envelope<CatalogMsg>;
    type State = Round;
    type Arguments = ();

    async fn pre_start(&self, myself: ActorRef<Self::Msg>, (): ()) -> Result<Round, ActorProcessingErr> {
        let mut round = Round::default();
        self.begin(&myself, &mut round);
        self.probe_later(&myself);
        Ok(round)
    }

    async fn handle(
        &self,
        myself: ActorRef<Self::Msg>,
        envelope: Self::Msg,
        round: &mut Round,
    ) -> Result<(), ActorProcessingErr> {
        let (message, _permit) = envelope.open();
        match message {
            CatalogMsg::Sync(reply) if round.outstanding > 0 => round.waiting_next.extend(reply),
            CatalogMsg::Sync(reply) => {
                round.waiting.extend(reply);
                self.begin(&myself, round);
            }
            CatalogMsg::Listed(index, result, of_round) => {
                while round.asking.try_join_next().is_some() {}
                self.learn(&myself, index, result).await;
                if of_round {
                    round.outstanding = round.outstanding.saturating_sub(1);
                    if round.outstanding == 0 {
                        self.end(&myself, round);
                    }
                }
            }
            // a round under way asks it anyway
            CatalogMsg::Retry(index) if round.outstanding == 0 => self.ask(&myself, round, index, false),
            CatalogMsg::Retry(_) => {}
            CatalogMsg::Probe => {
                self.probe(&myself, round);
                self.probe_later(&myself);
            }
            CatalogMsg::Probed(index, result) => self.probed(index, result),
        }
        Ok(())
    }
}

impl CatalogActor {
    fn begin(&self, myself: &ActorRef<Envelope<CatalogMsg>>, round: &mut Round) {
        for index in self.discovered() {
            round.outstanding += 1;
            self.ask(myself, round, index, true);
        }
        if round.outstanding == 0 {
            self.end(myself, round);
        }
    }

    pub(crate) fn discovered(&self) -> Vec<usize> {
        let backends = self.settings.backends.iter().enumerate();
        backends.filter(|(_, backend)| backend.discover).map(|(index, _)| index).collect()
    }

    pub(crate) fn client(&self, backend: &CatalogBackend) -> Client {
        let own = backend.endpoint.local || backend.endpoint.simulated;
        if own { self.direct.clone() } else { self.proxied.clone() }
    }

    fn ask(&self, myself: &ActorRef<Envelope<CatalogMsg>>, round: &mut Round, index: usize, of_round: bool) {
        let (settings, myself) = (Arc::clone(&self.settings), myself.clone());
        let Some(client) = settings.backends.get(index).map(|backend| self.client(backend)) else { return };
        round.asking.spawn(async move {
            let backend = &settings.backends[index];
            let listed = source::list(&client, backend, settings.timeout, settings.max_list_bytes).await;
            // an actor that is gone needs no list
            let _ = myself.send_message(Envelope::to_self(CatalogMsg::Listed(index, listed, of_round)));
        });
    }

    fn end(&self, myself: &ActorRef<Envelope<CatalogMsg>>, round: &mut Round) {
        for reply in round.waiting.drain(..) {
            reply.send(());
        }
        if let Some(timer) = round.timer.take() {
            timer.abort();
        }
        if round.waiting_next.is_empty() {
            let wait = self.settings.refresh.mul_f64(jitter());
            round.timer = Some(myself.send_after(wait, || Envelope::to_self(CatalogMsg::Sync(None))));
        } else {
            round.waiting = std::mem::take(&mut round.waiting_next);
            self.begin(myself, round);
        }
    }

    /// Takes an answer in. The work is done off the runtime: requests do not wait for thousands of models.
    async fn learn(
        &self,
        myself: &ActorRef<Envelope<CatalogMsg>>,
        index: usize,
        result: Result<Listing, ListError>,
    ) {
        let actor = self.clone();
        let taken = tokio::task::spawn_blocking(move || actor.take_in(index, result)).await;
        if let Ok(Some(failures)) = taken {
            let doubled = FIRST_RETRY.saturating_mul(1 << failures.saturating_sub(1).min(16));
            let wait = doubled.mul_f64(jitter());
            if wait < self.settings.refresh {
                myself.send_after(wait, move || Envelope::to_self(CatalogMsg::Retry(index)));
            }
        }
    }

    /// Gives the failures in a row where it was one.
    fn take_in(&self, index: usize, result: Result<Listing, ListError>) -> Option<u32> {
        let mut known = Vec::clone(&self.known.load());
        let (entry, backend) = (known.get_mut(index)?, self.settings.backends.get(index)?);
        let before = entry.health.clone();
        let failed = result.is_err();
        match result {
            Ok(listing) => {
                let first = entry.answered_at.is_none();
                let changes = entry.heard(listing, unix_now(), self.settings.grace.as_secs());
                if first || !changes.is_empty() {
                    entry.merge(backend, &self.settings.facts);
                }
                self.changes.record(&backend.endpoint.id, &changes);
            }
            Err(error) => entry.missed(error),
        }
        if entry.health != before {
            tell(backend, entry);
        }
        let failures = failed.then_some(entry.failures);
        self.known.store(known);
        self.publish();
        failures
    }

    pub(crate) fn publish(&self) {
        let known = self.known.load();
        let generation = self.snapshot.load().generation() + 1;
        let states = self.settings.backends.iter().zip(known.iter()).map(|(backend, known)| BackendState {
            endpoint: backend.endpoint.clone(),
            health: known.health.clone(),
            models: known.models.len(),
            answered_at: known.answered_at,
            load: known.load,
        });
        let models = known.iter().flat_map(|known| known.models.iter().cloned()).collect();
        let (states, settings) = (states.collect(), &self.settings);
        self.snapshot.store(CatalogSnapshot::new(models, states, settings, generation));
    }
}

fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

pub(crate) fn tell(backend: &CatalogBackend, now: &Known) {
    let (id, health, models) = (&backend.endpoint.id, now.health.as_str(), now.models.len());
    match &now.health {
        Health::Unreachable { error } | Health::Degraded { error } => {
            tracing::warn!(backend = %id, health, %error, "catalog");
        }
        Health::Up | Health::Unknown => tracing::info!(backend = %id, health, models, "catalog"),
    }
}

/// Between 0.9 and 1.1: many routers in front of one backend should not ask it all at once.
pub(crate) fn jitter() -> f64 {
    use std::hash::{BuildHasher, RandomState};
    0.9 + 0.2 * (RandomState::new().hash_one(0) >> 11) as f64 / (1_u64 << 53) as f64
}
