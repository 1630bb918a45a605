//! Between two syncs: whether backends live, by the cheapest route that their kind has.

use std::sync::Arc;

use pointsman_actors::Envelope;
use pointsman_types::Health;
use ractor::ActorRef;

use crate::{
    actor::{CatalogActor, CatalogMsg, Round, jitter, tell},
    source::{self, ListError},
};

impl CatalogActor {
    pub(crate) fn probe_later(&self, myself: &ActorRef<Envelope<CatalogMsg>>) {
        if let Some(every) = self.settings.probe {
            myself.send_after(every.mul_f64(jitter()), || Envelope::to_self(CatalogMsg::Probe));
        }
    }

    pub(crate) fn probe(&self, myself: &ActorRef<Envelope<CatalogMsg>>, round: &mut Round) {
        while round.asking.try_join_next().is_some() {}
        for index in self.discovered() {
            let (settings, myself) = (Arc::clone(&self.settings), myself.clone());
            let client = self.client(&settings.backends[index]);
            round.asking.spawn(async move {
                let backend = &settings.backends[index];
                if let Some(result) = source::probe(&client, backend, settings.timeout).await {
                    let _ = myself.send_message(Envelope::to_self(CatalogMsg::Probed(index, result)));
                }
            });
        }
    }

    /// A probe only says whether a backend lives: what it serves, a list says.
    pub(crate) fn probed(&self, index: usize, result: Result<(), ListError>) {
        let mut known = Vec::clone(&self.known.load());
        let (Some(entry), Some(backend)) = (known.get_mut(index), self.settings.backends.get(index)) else {
            return;
        };
        let health = match (result, &entry.health) {
            (Ok(()), Health::Unreachable { .. }) if entry.answered_at.is_some() => Health::Up,
            (Err(ListError::Unreachable(error)), Health::Up) => Health::Unreachable { error },
            (Err(ListError::Bad(error)), Health::Up) => Health::Degraded { error },
            _ => return,
        };
        entry.health = health;
        tell(backend, entry);
        self.known.store(known);
        self.publish();
    }
}
