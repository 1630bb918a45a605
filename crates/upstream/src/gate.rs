//! A limit on what is under way at once: a number of places, and two lines of those who wait for one.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use pointsman_types::Priority;
use thiserror::Error;
use tokio::{
    sync::oneshot,
    time::{Instant, timeout_at},
};

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Crowded {
    /// As many wait already as may wait.
    #[error("too many requests wait already")]
    Full,
    /// No place became free in time.
    #[error("no place became free in time")]
    Late,
}

/// Places, and who waits for them: interactive requests first, each line in order. Cheap to clone.
#[derive(Clone)]
pub struct Gate {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
}

struct State {
    places: usize,
    /// The most that may wait.
    room: usize,
    taken: usize,
    interactive: VecDeque<oneshot::Sender<Pass>>,
    batch: VecDeque<oneshot::Sender<Pass>>,
}

/// A place. Dropping it gives it to who waits longest.
pub struct Pass(Option<Arc<Shared>>);

impl Gate {
    /// A gate with so many places, before which at most `room` wait.
    pub fn new(places: usize, room: usize) -> Self {
        let (interactive, batch) = (VecDeque::new(), VecDeque::new());
        let state = State { places: places.max(1), room, taken: 0, interactive, batch };
        Self { shared: Arc::new(Shared { state: Mutex::new(state) }) }
    }

    /// The gate that was there `before`, with other limits: who is inside and who waits stay.
    pub fn after(before: Option<&Self>, places: usize, room: usize) -> Self {
        let Some(before) = before else { return Self::new(places, room) };
        let mut state = before.shared.lock();
        (state.places, state.room) = (places.max(1), room);
        while state.taken < state.places {
            let Some(give) = state.next() else { break };
            state.taken += 1;
            if let Err(mut unused) = give.send(Pass(Some(Arc::clone(&before.shared)))) {
                unused.0 = None;
                state.taken -= 1;
            }
        }
        drop(state);
        before.clone()
    }

    /// A place, if one is free and nobody waits for it.
    pub fn try_enter(&self) -> Option<Pass> {
        let mut state = self.shared.lock();
        (state.taken < state.places).then(|| {
            state.taken += 1;
            Pass(Some(Arc::clone(&self.shared)))
        })
    }

    /// A place, waited for in line until `deadline`.
    pub async fn enter(&self, priority: Priority, deadline: Instant) -> Result<Pass, Crowded> {
        let turn = {
            let mut state = self.shared.lock();
            if state.taken < state.places {
                state.taken += 1;
                return Ok(Pass(Some(Arc::clone(&self.shared))));
            }
            state.forget_who_left();
            if state.waiting() >= state.room {
                return Err(Crowded::Full);
            }
            let (give, turn) = oneshot::channel();
            match priority {
                Priority::Interactive => state.interactive.push_back(give),
                Priority::Batch => state.batch.push_back(give),
            }
            turn
        };
        match timeout_at(deadline, turn).await {
            Ok(Ok(pass)) => Ok(pass),
            // a gate never forgets who waits
            Ok(Err(_)) | Err(_) => Err(Crowded::Late),
        }
    }

    /// Places taken, and how many wait.
    pub fn load(&self) -> (usize, usize) {
        let state = self.shared.lock();
        (state.taken, state.waiting())
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn waiting(&self) -> usize {
        self.interactive.len() + self.batch.len()
    }

    /// Who is next in line.
    fn next(&mut self) -> Option<oneshot::Sender<Pass>> {
        self.interactive.pop_front().or_else(|| self.batch.pop_front())
    }

    /// Those whose deadline passed or whose client is gone hold no place in the line.
    fn forget_who_left(&mut self) {
        self.interactive.retain(|give| !give.is_closed());
        self.batch.retain(|give| !give.is_closed());
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let Some(shared) = self.0.take() else { return };
        let mut state = shared.lock();
        // after a limit was lowered there may be more inside than there are places
        while state.taken <= state.places {
            let Some(give) = state.next() else { break };
            match give.send(Self(Some(Arc::clone(&shared)))) {
                Ok(()) => return,
                // gone meanwhile: its place is not given back but handed on
                Err(mut unused) => unused.0 = None,
            }
        }
        state.taken = state.taken.saturating_sub(1);
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (taken, waiting) = self.load();
        f.debug_struct("Gate").field("taken", &taken).field("waiting", &waiting).finish()
    }
}

impl fmt::Debug for Pass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pass")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(5)
    }

    #[tokio::test(start_paused = true)]
    async fn interactive_goes_before_batch_and_each_in_order() {
        let gate = Gate::new(1, 8);
        let first = gate.try_enter().unwrap();
        assert!(gate.try_enter().is_none());
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = Vec::new();
        for (name, priority) in
            [("b1", Priority::Batch), ("i1", Priority::Interactive), ("i2", Priority::Interactive)]
        {
            let (gate, order) = (gate.clone(), Arc::clone(&order));
            tasks.push(tokio::spawn(async move {
                let _pass = gate.enter(priority, soon()).await.unwrap();
                order.lock().unwrap().push(name);
            }));
            tokio::task::yield_now().await;
        }
        drop(first);
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(*order.lock().unwrap(), ["i1", "i2", "b1"]);
        assert_eq!(gate.load(), (0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn other_limits_keep_who_is_inside_and_who_waits() {
        let gate = Gate::new(1, 8);
        let mut inside = vec![gate.try_enter().unwrap()];
        let waits: Vec<_> = (0..3)
            .map(|_| {
                let gate = gate.clone();
                tokio::spawn(async move { gate.enter(Priority::Interactive, soon()).await.unwrap() })
            })
            .collect();
        tokio::task::yield_now().await;
        assert_eq!(gate.load(), (1, 3));
        let wider = Gate::after(Some(&gate), 3, 8);
        assert_eq!(wider.load(), (3, 1));
        let narrow = Gate::after(Some(&gate), 1, 8);
        // two leave before the one that waits is let in: then there is one inside again
        inside.pop();
        assert_eq!(narrow.load(), (2, 1));
        let mut waits = waits.into_iter();
        drop(waits.next().unwrap().await.unwrap());
        assert_eq!(narrow.load(), (1, 1));
        drop(waits.next().unwrap().await.unwrap());
        drop(waits.next().unwrap().await.unwrap());
        assert_eq!((narrow.load(), gate.load()), ((0, 0), (0, 0)));
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_too_long_or_finds_the_line_full_is_told() {
        let gate = Gate::new(1, 1);
        let pass = gate.try_enter().unwrap();
        let late = gate.enter(Priority::Interactive, Instant::now() + Duration::from_millis(10));
        let (late, full) = tokio::join!(late, gate.enter(Priority::Interactive, soon()));
        assert_eq!((late.unwrap_err(), full.unwrap_err()), (Crowded::Late, Crowded::Full));
        // who left holds no place in the line, and gets none handed
        let next = tokio::spawn({
            let gate = gate.clone();
            async move { gate.enter(Priority::Batch, soon()).await.map(drop) }
        });
        tokio::task::yield_now().await;
        drop(pass);
        next.await.unwrap().unwrap();
        assert_eq!(gate.load(), (0, 0));
    }
}
