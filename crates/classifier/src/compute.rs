//! The thread that runs the model: one, named, off the runtime, inside its own rayon pool.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, mpsc},
};

use arc_swap::ArcSwap;
use pointsman_actors::{Permit, Reply};
use pointsman_types::Classification;
use tokio::time::Instant;

use crate::{Classifier, embedder::Scratch};

/// One text that waits for its classification. The permit keeps its place in the actor's mailbox.
pub(crate) struct Job {
    pub(crate) text: String,
    pub(crate) reply: Reply<Arc<Classification>>,
    pub(crate) permit: Permit,
}

/// What a batch is.
pub(crate) type Batch = Vec<Job>;

/// The sending side of a compute thread. The thread ends when this is dropped.
#[derive(Debug)]
pub(crate) struct ComputeThread {
    batches: mpsc::SyncSender<Batch>,
}

/// What the thread reports after each batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Done {
    /// Ready for the next batch.
    Batch,
    /// The model panicked; the thread is gone.
    Panicked,
}

impl ComputeThread {
    /// Starts the thread; `done` is called on it after each batch.
    pub(crate) fn start(
        live: Arc<ArcSwap<Classifier>>,
        done: impl Fn(Done) + Send + 'static,
    ) -> std::io::Result<Self> {
        // the actor sends a batch only to an idle thread; what waits, waits there, where it can go stale
        let (batches, inbox) = mpsc::sync_channel::<Batch>(1);
        // a pool of one, whose thread is the compute thread: whatever candle or tokenizers spread over rayon
        // runs right here, and no batch waits for another thread to wake
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).thread_name(|_| "classifier".to_owned());
        let pool = pool.build().map_err(std::io::Error::other)?;
        pool.spawn(move || {
            let mut scratch = Scratch::default();
            while let Ok(batch) = inbox.recv() {
                let ran = catch_unwind(AssertUnwindSafe(|| run(&live.load(), batch, &mut scratch)));
                if ran.is_err() {
                    done(Done::Panicked);
                    return;
                }
                done(Done::Batch);
            }
        });
        Ok(Self { batches })
    }

    /// Hands a batch over. It comes back where the thread is busy or gone.
    pub(crate) fn send(&self, batch: Batch) -> Result<(), Batch> {
        self.batches.try_send(batch).map_err(|error| match error {
            mpsc::TrySendError::Full(batch) | mpsc::TrySendError::Disconnected(batch) => batch,
        })
    }
}

/// Answers what still waits; what went stale is not computed.
fn run(classifier: &Classifier, batch: Batch, scratch: &mut Scratch) {
    if !classifier.is_batched() {
        for Job { text, reply, permit } in batch {
            if !reply.is_stale(Instant::now()) {
                reply.send(Arc::new(classifier.classify_with(&text, scratch)));
            }
            drop(permit);
        }
        return;
    }
    let now = Instant::now();
    let batch: Vec<Job> = batch.into_iter().filter(|job| !job.reply.is_stale(now)).collect();
    let texts: Vec<&str> = batch.iter().map(|job| job.text.as_str()).collect();
    let answers = classifier.classify_batch_with(&texts, scratch);
    for (Job { reply, permit, .. }, answer) in batch.into_iter().zip(answers) {
        reply.send(Arc::new(answer));
        drop(permit);
    }
}
