//! An actor that adds numbers, waits at a gate, and crashes when told.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use pointsman_actors::{ActorHandle, Cell, Envelope, Reply, RestartSettings, Supervisor};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::sync::Semaphore;

pub(crate) enum CounterMsg {
    Add(u64, Option<Reply<u64>>),
    /// Takes one permit of the gate before it answers.
    AtGate(Reply<u64>),
    Panic,
    Fail,
}

pub(crate) struct Counter {
    pub(crate) total: Cell<u64>,
    pub(crate) gate: Arc<Semaphore>,
    pub(crate) starts: Arc<AtomicUsize>,
    /// Starts after this many fail.
    pub(crate) max_starts: usize,
}

impl Actor for Counter {
    type Msg = Envelope<CounterMsg>;
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Self::Msg>, (): ()) -> Result<(), ActorProcessingErr> {
        if self.starts.fetch_add(1, Ordering::SeqCst) >= self.max_starts {
            return Err("no more starts".into());
        }
        Ok(())
    }

    async fn handle(
        &self,
        _: ActorRef<Self::Msg>,
        envelope: Self::Msg,
        (): &mut (),
    ) -> Result<(), ActorProcessingErr> {
        let (message, _permit) = envelope.open();
        match message {
            CounterMsg::Add(n, reply) => {
                let total = **self.total.load() + n;
                self.total.store(total);
                if let Some(reply) = reply {
                    reply.send(total);
                }
            }
            CounterMsg::AtGate(reply) => {
                self.gate.acquire().await?.forget();
                reply.send(**self.total.load());
            }
            CounterMsg::Panic => panic!("told to"),
            CounterMsg::Fail => return Err("told to".into()),
        }
        Ok(())
    }
}

/// A counter under a supervisor of its own.
pub(crate) struct Fixture {
    pub(crate) supervisor: Supervisor,
    pub(crate) handle: ActorHandle<CounterMsg>,
    pub(crate) gate: Arc<Semaphore>,
    pub(crate) total: Cell<u64>,
}

pub(crate) async fn fixture(capacity: usize, max_starts: usize, settings: RestartSettings) -> Fixture {
    let supervisor = Supervisor::start(settings).await.unwrap();
    let (gate, total, starts) = (Arc::new(Semaphore::new(0)), Cell::new(0), Arc::new(AtomicUsize::new(0)));
    let (for_gate, for_total) = (Arc::clone(&gate), total.clone());
    let make = move || Counter {
        total: for_total.clone(),
        gate: Arc::clone(&for_gate),
        starts: Arc::clone(&starts),
        max_starts,
    };
    let handle = supervisor.spawn("counter", capacity, make).await.unwrap();
    Fixture { supervisor, handle, gate, total }
}
