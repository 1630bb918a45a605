//! The classifier actor: a bounded queue in front of a compute thread, batches as they pile up. Each tier has
//! one of its own, so that a deep pass never stands in the way of a fast one.
//!
//! While the thread computes, texts wait in the actor; when it reports done, all that wait, up to a limit,
//! go as one batch. An idle thread gets a text at once: there is no timer on the way.

use std::{collections::VecDeque, sync::Arc};

use arc_swap::ArcSwap;
use pointsman_actors::{ActorHandle, CallError, Envelope, QueueStats, Reply, Supervisor};
use pointsman_types::Classification;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::time::Instant;

use crate::{
    Cascade, ClassExamples, Classifier, ClassifierError, ClassifierSettings, EmbedderInfo,
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
    first: Tier,
    deep: Option<Tier>,
    /// What a new first tier has to learn.
    classes: Arc<[ClassExamples]>,
    keep_features: bool,
}

/// One tier: its actor, and what is live in it.
#[derive(Debug, Clone)]
struct Tier {
    actor: ActorHandle<ClassifierMsg>,
    live: Arc<ArcSwap<Classifier>>,
}

impl Tier {
    async fn start(
        supervisor: &Supervisor,
        name: &str,
        classifier: Arc<Classifier>,
        (queue, max_batch): (usize, usize),
    ) -> Result<Self, ClassifierError> {
        classifier.self_test()?;
        let live = Arc::new(ArcSwap::new(classifier));
        let actor = ClassifierActor { live: Arc::clone(&live), max_batch: max_batch.max(1) };
        let actor = supervisor.spawn(name, queue, move || actor.clone()).await?;
        Ok(Self { actor, live })
    }

    async fn ask(&self, text: String, deadline: Instant) -> Result<Arc<Classification>, CallError> {
        self.actor.ask(deadline, |reply| ClassifierMsg::Classify(text, reply)).await
    }
}

impl ClassifierHandle {
    /// Starts the actors around loaded tiers, warmed up: the first request pays for nothing.
    pub async fn start(
        supervisor: &Supervisor,
        cascade: Cascade,
        settings: &ClassifierSettings,
    ) -> Result<Self, ClassifierError> {
        let Cascade { first, deep } = cascade;
        let queue = (settings.queue, settings.max_batch);
        let first = Tier::start(supervisor, "classifier", first, queue).await?;
        let deep = match deep {
            // on a CPU one at a time: batches bring nothing there, and what waits behind a batch is late
            Some(deep) => {
                let batch = if deep.is_batched() { settings.max_batch } else { 1 };
                let queue = (settings.deep_queue, batch);
                Some(Tier::start(supervisor, "classifier-deep", deep, queue).await?)
            }
            None => None,
        };
        Ok(Self {
            first,
            deep,
            classes: settings.classes.clone().into(),
            keep_features: settings.keep_features,
        })
    }

    /// Classifies one text, or says by `deadline` why not. Where the deep tier is asked and does not answer,
    /// the fast tier's answer stands and says so.
    pub async fn classify(
        &self,
        text: &str,
        deadline: Instant,
    ) -> Result<Arc<Classification>, ClassifierError> {
        // only what will be read travels: a megabyte is cut here, not copied
        let text = reading::read(text);
        let first = self.first.ask(text.clone().into_owned(), deadline).await?;
        let Some(deep) = self.deep.as_ref().filter(|_| self.first.live.load().wants_deep(&first)) else {
            return Ok(first);
        };
        match deep.ask(text.into_owned(), deadline).await {
            Ok(own) => Ok(Arc::new(deep.live.load().with_fast(&first, &own))),
            Err(error) => {
                let mut first = Arc::unwrap_or_clone(first);
                first.deep_missed = Some(error.kind());
                Ok(Arc::new(first))
            }
        }
    }

    /// Puts a classifier in the place of the live one of its tier, under load and without losing a request:
    /// it is tested on known prompts first, and what fails there changes nothing. Long: call it off the runtime.
    pub fn swap(&self, mut classifier: Classifier) -> Result<EmbedderInfo, ClassifierError> {
        classifier.self_test()?;
        let info = classifier.info().clone();
        let tier = match &self.deep {
            Some(deep) if info.tier == pointsman_types::Tier::Deep => deep,
            _ => {
                classifier.learn(&self.classes);
                classifier.keep_features(self.keep_features);
                &self.first
            }
        };
        tier.live.store(Arc::new(classifier));
        Ok(info)
    }

    /// What is loaded, the tier that is asked first in front.
    pub fn info(&self) -> Vec<EmbedderInfo> {
        [Some(&self.first), self.deep.as_ref()]
            .into_iter()
            .flatten()
            .map(|tier| tier.live.load().info().clone())
            .collect()
    }

    /// The counters of the queues, the tier that is asked first in front.
    pub fn stats(&self) -> Vec<QueueStats> {
        [Some(&self.first), self.deep.as_ref()].into_iter().flatten().map(|tier| tier.actor.stats()).collect()
    }
}

#[derive(Debug, Clone)]
struct ClassifierActor {
    live: Arc<ArcSwap<Classifier>>,
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
        let thread = ComputeThread::start(Arc::clone(&self.live), report)?;
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use pointsman_actors::RestartSettings;

    use super::*;
    use crate::{ArtifactSource, Mode};

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_panicking_model_costs_its_batch_and_nothing_else() {
        let supervisor = Supervisor::start(RestartSettings::default()).await.unwrap();
        let settings = ClassifierSettings { mode: Mode::Fast, ..ClassifierSettings::default() };
        let cascade = Cascade::load(&settings).unwrap();
        let handle = ClassifierHandle::start(&supervisor, cascade, &settings).await.unwrap();
        let ask = async || handle.classify("write a poem", Instant::now() + Duration::from_secs(5)).await;
        let sound = handle.first.live.load_full();
        let mut broken = Classifier::load(&ArtifactSource::BuiltIn).unwrap();
        broken.break_table();
        handle.first.live.store(Arc::new(broken));
        let lost = ask().await;
        assert!(matches!(lost, Err(ClassifierError::Call(CallError::Dropped))), "{lost:?}");
        handle.first.live.store(sound);
        let deadline = Instant::now() + Duration::from_secs(5);
        let answer = loop {
            match ask().await {
                Ok(answer) => break answer,
                // reached the actor that is about to end
                Err(error) => assert!(Instant::now() < deadline, "{error}"),
            }
        };
        assert_eq!(answer.top_task().0, pointsman_types::Task::Creative);
        assert!(supervisor.failed().is_empty());
        supervisor.stop(Instant::now() + Duration::from_secs(5)).await;
    }
}
