//! One supervisor, its children, and what happens when one of them fails.

use std::{
    collections::VecDeque,
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef, SupervisionEvent};
use thiserror::Error;
use tokio::{
    sync::{oneshot, watch},
    time::Instant,
};

use crate::{
    handle::{ActorHandle, Status},
    mailbox::Envelope,
};

/// Why an actor could not be started.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ActorError {
    /// Its own start failed.
    #[error("{name} did not start: {why}")]
    Start {
        /// Name of the actor.
        name: String,
        /// What it said.
        why: String,
    },
    /// The supervisor is gone.
    #[error("{name}: the supervisor has stopped")]
    NoSupervisor {
        /// Name of the actor.
        name: String,
    },
}

impl ActorError {
    /// The error as a metric label.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Start { .. } => "start",
            Self::NoSupervisor { .. } => "no_supervisor",
        }
    }
}

/// How a failed child is brought back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RestartSettings {
    /// This many restarts ...
    pub restarts: usize,
    /// ... in this time are too many.
    pub within: Duration,
    /// Delay before the first restart; doubled for each further one within the time.
    pub first_delay: Duration,
    /// The longest delay.
    pub max_delay: Duration,
}

impl Default for RestartSettings {
    fn default() -> Self {
        Self {
            restarts: 5,
            within: Duration::from_secs(30),
            first_delay: Duration::from_millis(10),
            max_delay: Duration::from_secs(5),
        }
    }
}

type Spawned<'a> = Pin<Box<dyn Future<Output = Result<ActorCell, String>> + Send + 'a>>;

/// A child, whatever its messages are.
trait Child: Send + Sync {
    fn name(&self) -> &str;
    fn id(&self) -> u64;
    /// Starts it anew under `supervisor` and tells its handle.
    fn spawn(&self, supervisor: ActorCell) -> Spawned<'_>;
    /// Tells its handle that it is not there.
    fn ended(&self, status: Status);
}

struct Factory<M, F> {
    name: String,
    handle: ActorHandle<M>,
    make: F,
}

impl<M, A, F> Child for Factory<M, F>
where
    M: Send + 'static,
    A: Actor<Msg = Envelope<M>, Arguments = ()>,
    F: Fn() -> A + Send + Sync + 'static,
{
    fn name(&self) -> &str {
        &self.name
    }

    fn id(&self) -> u64 {
        self.handle.id()
    }

    fn spawn(&self, supervisor: ActorCell) -> Spawned<'_> {
        Box::pin(async move {
            let spawned = Actor::spawn_linked(None, (self.make)(), (), supervisor).await;
            let (actor, _) = spawned.map_err(|error| error.to_string())?;
            let cell = actor.get_cell();
            self.handle.started(actor);
            Ok(cell)
        })
    }

    fn ended(&self, status: Status) {
        self.handle.ended(status);
    }
}

/// Names of children that failed too often, as readers see them.
type Failed = Arc<watch::Sender<Vec<String>>>;

/// Starts actors and restarts them. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Supervisor {
    actor: ActorRef<SupervisorMsg>,
    failed: Failed,
    spawned: Arc<AtomicU64>,
}

enum SupervisorMsg {
    Adopt(Arc<dyn Child>, oneshot::Sender<Result<(), String>>),
    Restart(u64),
    Kill(String, oneshot::Sender<bool>),
    Retire(Vec<u64>),
    Stop(Instant, oneshot::Sender<Vec<String>>),
}

struct SupervisorActor {
    settings: RestartSettings,
    failed: Failed,
}

struct Place {
    child: Arc<dyn Child>,
    cell: Option<ActorCell>,
    /// When it was restarted, as far back as it matters.
    restarts: VecDeque<Instant>,
    /// Told to end for good.
    retired: bool,
}

#[derive(Default)]
struct Places {
    places: Vec<Place>,
    stopping: bool,
}

impl Places {
    /// Drops those that were told to end and have ended, with all that they were made from.
    fn forget_retired(&mut self) {
        self.places.retain(|place| !place.retired || place.cell.is_some());
    }
}

impl Supervisor {
    /// A supervisor without children.
    pub async fn start(settings: RestartSettings) -> Result<Self, ActorError> {
        let failed = Failed::new(watch::Sender::new(Vec::new()));
        let actor = SupervisorActor { settings, failed: Arc::clone(&failed) };
        let started = Actor::spawn(None, actor, ()).await;
        let start =
            |why: ractor::SpawnErr| ActorError::Start { name: "supervisor".to_owned(), why: why.to_string() };
        Ok(Self { actor: started.map_err(start)?.0, failed, spawned: Arc::default() })
    }

    /// Starts the actor that `make` builds, with a mailbox of `capacity` places, and builds it anew whenever
    /// it fails. Children are stopped in reverse order of their start.
    pub async fn spawn<M, A, F>(
        &self,
        name: &str,
        capacity: usize,
        make: F,
    ) -> Result<ActorHandle<M>, ActorError>
    where
        M: Send + 'static,
        A: Actor<Msg = Envelope<M>, Arguments = ()>,
        F: Fn() -> A + Send + Sync + 'static,
    {
        let handle = ActorHandle::new(name, self.spawned.fetch_add(1, Ordering::Relaxed), capacity);
        let child = Arc::new(Factory { name: name.to_owned(), handle: handle.clone(), make });
        let (done, started) = oneshot::channel();
        let gone = || ActorError::NoSupervisor { name: name.to_owned() };
        self.actor.send_message(SupervisorMsg::Adopt(child, done)).map_err(|_| gone())?;
        match started.await {
            Ok(Ok(())) => Ok(handle),
            Ok(Err(why)) => Err(ActorError::Start { name: name.to_owned(), why }),
            Err(_) => Err(gone()),
        }
    }

    /// The children that failed too often and are not restarted any more.
    pub fn failed(&self) -> Vec<String> {
        self.failed.borrow().clone()
    }

    /// Waits until a child has failed too often. What is left is not whole: the process should be replaced.
    pub async fn given_up(&self) {
        let mut failed = self.failed.subscribe();
        // the sender is in `self`
        let _ = failed.wait_for(|names| !names.is_empty()).await;
    }

    /// Kills the child of this name wherever it is; it comes back as after any failure. False where there is none.
    pub async fn kill(&self, name: &str) -> bool {
        let (done, killed) = oneshot::channel();
        let asked = self.actor.send_message(SupervisorMsg::Kill(name.to_owned(), done));
        asked.is_ok() && killed.await.unwrap_or(false)
    }

    /// Lets these children, by [`ActorHandle::id`], handle what they have, and ends them for good.
    pub fn retire(&self, ids: Vec<u64>) {
        // a supervisor that is gone has no children
        let _ = self.actor.send_message(SupervisorMsg::Retire(ids));
    }

    /// Refuses new messages everywhere, lets each child handle what it has, last started first, and ends it.
    /// Returns the names of those that were still busy at the deadline and were killed.
    pub async fn stop(&self, deadline: Instant) -> Vec<String> {
        let (done, stopped) = oneshot::channel();
        if self.actor.send_message(SupervisorMsg::Stop(deadline, done)).is_err() {
            return Vec::new();
        }
        stopped.await.unwrap_or_default()
    }
}

impl Actor for SupervisorActor {
    type Msg = SupervisorMsg;
    type State = Places;
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<SupervisorMsg>, (): ()) -> Result<Places, ActorProcessingErr> {
        Ok(Places::default())
    }

    async fn handle(
        &self,
        myself: ActorRef<SupervisorMsg>,
        message: SupervisorMsg,
        state: &mut Places,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            SupervisorMsg::Adopt(child, done) => {
                let spawned = child.spawn(myself.get_cell()).await;
                let answer = spawned.map(|cell| {
                    state.places.push(Place {
                        child,
                        cell: Some(cell),
                        restarts: VecDeque::new(),
                        retired: false,
                    });
                });
                let _ = done.send(answer);
            }
            SupervisorMsg::Restart(id) => self.restart(&myself, id, state).await,
            SupervisorMsg::Kill(name, done) => {
                let mut places = state.places.iter();
                let cell =
                    places.find_map(|p| p.cell.as_ref().filter(|_| !p.retired && p.child.name() == name));
                if let Some(cell) = cell {
                    cell.kill();
                }
                let _ = done.send(cell.is_some());
            }
            SupervisorMsg::Retire(ids) => {
                for place in state.places.iter_mut().filter(|place| ids.contains(&place.child.id())) {
                    place.retired = true;
                    place.child.ended(Status::Stopped);
                    if let Some(cell) = &place.cell {
                        // it ends when it has handled what it has
                        let _ = cell.drain();
                    }
                }
                state.forget_retired();
            }
            SupervisorMsg::Stop(deadline, done) => {
                let _ = done.send(stop(state, deadline).await);
                myself.stop(None);
            }
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<SupervisorMsg>,
        event: SupervisionEvent,
        state: &mut Places,
    ) -> Result<(), ActorProcessingErr> {
        let (cell, why) = match event {
            SupervisionEvent::ActorFailed(cell, error) => (cell, error.to_string()),
            SupervisionEvent::ActorTerminated(cell, _, reason) => {
                (cell, reason.unwrap_or_else(|| "stopped".to_owned()))
            }
            _ => return Ok(()),
        };
        let is_it = |place: &&mut Place| place.cell.as_ref().is_some_and(|c| c.get_id() == cell.get_id());
        if !state.stopping
            && let Some(place) = state.places.iter_mut().find(is_it)
        {
            self.bring_back(&myself, place, &why);
            state.forget_retired();
        }
        Ok(())
    }
}

impl SupervisorActor {
    /// Plans a restart, or gives the child up.
    fn bring_back(&self, myself: &ActorRef<SupervisorMsg>, place: &mut Place, why: &str) {
        let now = Instant::now();
        place.cell = None;
        if place.retired {
            return;
        }
        place.restarts.retain(|at| now.duration_since(*at) < self.settings.within);
        let name = place.child.name();
        if place.restarts.len() >= self.settings.restarts {
            tracing::error!(actor = name, why, "failed too often: not restarted any more");
            self.failed.send_modify(|names| names.push(name.to_owned()));
            place.child.ended(Status::Failed);
            return;
        }
        let doubled = 1_u32 << place.restarts.len().min(16);
        let delay = self.settings.first_delay.saturating_mul(doubled).min(self.settings.max_delay);
        tracing::warn!(actor = name, why, ?delay, "failed: restarting");
        place.restarts.push_back(now);
        place.child.ended(Status::Restarting);
        let id = place.child.id();
        myself.send_after(delay, move || SupervisorMsg::Restart(id));
    }

    async fn restart(&self, myself: &ActorRef<SupervisorMsg>, id: u64, state: &mut Places) {
        if state.stopping {
            return;
        }
        let Some(place) = state.places.iter_mut().find(|place| place.child.id() == id) else { return };
        match place.child.spawn(myself.get_cell()).await {
            Ok(cell) => place.cell = Some(cell),
            Err(why) => self.bring_back(myself, place, &why),
        }
    }
}

async fn stop(state: &mut Places, deadline: Instant) -> Vec<String> {
    state.stopping = true;
    let mut killed = Vec::new();
    for place in state.places.iter_mut().rev() {
        place.child.ended(Status::Stopped);
        let Some(cell) = place.cell.take() else { continue };
        let left = deadline.saturating_duration_since(Instant::now());
        if cell.drain_and_wait(Some(left)).await.is_err() {
            cell.kill();
            killed.push(place.child.name().to_owned());
        }
    }
    killed
}
