//! The classifier actor: a bounded queue in front of the compute thread, batches as they pile up.
//!
//! While the thread computes, texts wait in the actor; when it reports done, all that wait, up to a limit,
//! go as one batch. An idle thread gets a text at once: there is no timer on the way.

use std::{collections::VecDeque, sync::Arc};

use pointsman_actors::{ActorHandle, Envelope, QueueStats, Reply, Supervisor};
use pointsman_types::Classification;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::time::Instant;

use crate::{
    Classifier, ClassifierError, ClassifierSettings, EmbedderInfo,
    compute::{ComputeThread, Done, Job},
    reading,
};

pub(crate) enum ClassifierMsg {
    Classify(String, Reply<Arc<Classification>>),
    Done(Done),
}

/// Asks the classifier. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ClassifierHandle {
    actor: ActorHandle<ClassifierMsg>,
    classifier: Arc<Classifier>,
}

impl ClassifierHandle {
    /// Starts the actor around a loaded classifier, warmed up: the first request pays for nothing.
    pub async fn start(
        supervisor: &Supervisor,
        classifier: Arc<Classifier>,
        settings: &ClassifierSettings,
    ) -> Result<Self, ClassifierError> {
        for text in ["warm up", "SELECT 1", "fn main() {}"] {
            classifier.classify(text);
        }
        let actor =
            ClassifierActor { classifier: Arc::clone(&classifier), max_batch: settings.max_batch.max(1) };
        let actor = supervisor.spawn("classifier", settings.queue, move || actor.clone()).await?;
        Ok(Self { actor, classifier })
    }

    /// Classifies one text, or says by `deadline` why not.
    pub async fn classify(
        &self,
        text: &str,
        deadline: Instant,
    ) -> Result<Arc<Classification>, ClassifierError> {
        // only what will be read travels: a megabyte is cut here, not copied
        let text = reading::read(text).into_owned();
        Ok(self.actor.ask(deadline, |reply| ClassifierMsg::Classify(text, reply)).await?)
    }

    /// What is loaded.
    pub fn info(&self) -> EmbedderInfo {
        self.classifier.info().clone()
    }

    /// The counters of the queue.
    pub fn stats(&self) -> QueueStats {
        self.actor.stats()
    }
}

#[derive(Debug, Clone)]
struct ClassifierActor {
    classifier: Arc<Classifier>,
    max_batch: usize,
}

struct Queue {
    waiting: VecDeque<Job>,
    thread: ComputeThread,
    busy: bool,
}

impl Actor for ClassifierActor {
    type Msg = Envelope<ClassifierMsg>;
    type State = Queue;
    type Arguments = ();

    async fn pre_start(&self, myself: ActorRef<Self::Msg>, (): ()) -> Result<Queue, ActorProcessingErr> {
        let report = move |done| {
            // a dead actor needs no report: its successor has a thread of its own
            let _ = myself.send_message(Envelope::to_self(ClassifierMsg::Done(done)));
        };
        let thread = ComputeThread::start(Arc::clone(&self.classifier), report)?;
        Ok(Queue { waiting: VecDeque::new(), thread, busy: false })
    }

    async fn handle(
        &self,
        _: ActorRef<Self::Msg>,
        envelope: Self::Msg,
        queue: &mut Queue,
    ) -> Result<(), ActorProcessingErr> {
        match envelope.open() {
            (ClassifierMsg::Classify(text, reply), permit) => {
                queue.waiting.push_back(Job { text, reply, permit });
            }
            (ClassifierMsg::Done(Done::Batch), _) => queue.busy = false,
            (ClassifierMsg::Done(Done::Panicked), _) => return Err("the model panicked".into()),
        }
        self.next_batch(queue);
        Ok(())
    }
}

impl ClassifierActor {
    fn next_batch(&self, queue: &mut Queue) {
        if queue.busy || queue.waiting.is_empty() {
            return;
        }
        let now = Instant::now();
        queue.waiting.retain(|job| !job.reply.is_stale(now));
        let batch: Vec<Job> = queue.waiting.drain(..queue.waiting.len().min(self.max_batch)).collect();
        if batch.is_empty() {
            return;
        }
        match queue.thread.send(batch) {
            Ok(()) => queue.busy = true,
            // gone: its report is on the way, and with it the restart
            Err(batch) => queue.waiting.extend(batch),
        }
    }
}
