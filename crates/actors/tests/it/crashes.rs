use std::{sync::Arc, time::Duration};

use pointsman_actors::{CallError, RestartSettings, Status};
use tokio::time::Instant;

use crate::counter::{CounterMsg, fixture};

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

/// Waits for what must come, ten seconds at the most.
async fn until(mut holds: impl FnMut() -> bool) {
    let deadline = soon();
    while !holds() {
        assert!(Instant::now() < deadline, "never happened");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn a_crash_returns_every_permit_and_the_cell_survives() {
    for crash in [|| CounterMsg::Panic, || CounterMsg::Fail] {
        let f = fixture(8, usize::MAX, RestartSettings::default()).await;
        f.handle.cast(CounterMsg::Add(7, None)).unwrap();
        f.handle.cast(crash()).unwrap();
        let lost: Vec<_> = (0..6).map(|_| f.handle.cast(CounterMsg::Add(1, None))).collect();
        assert!(lost.iter().all(Result::is_ok), "the crash has not been handled yet: {lost:?}");
        let total = f.handle.ask(soon(), |r| CounterMsg::Add(1, Some(r))).await;
        // it is either lost with the old actor's mailbox or answered by the new one
        assert!(matches!(total, Ok(8) | Err(CallError::Dropped | CallError::Overloaded)), "{total:?}");
        until(|| f.handle.stats().restarts == 1 && f.handle.status() == Status::Running).await;
        let total = f.handle.ask(soon(), |r| CounterMsg::Add(1, Some(r))).await.unwrap();
        assert!(total == 8 || total == 9, "{total}");
        until(|| f.handle.stats().depth == 0).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restarts_under_load_end_every_ask() {
    let settings = RestartSettings { restarts: 1000, ..RestartSettings::default() };
    let f = fixture(64, usize::MAX, settings).await;
    let askers: Vec<_> = (0..32)
        .map(|_| {
            let handle = f.handle.clone();
            tokio::spawn(async move {
                let mut answered = 0_u64;
                for _ in 0..200 {
                    match handle.ask(soon(), |r| CounterMsg::Add(1, Some(r))).await {
                        Ok(_) => answered += 1,
                        Err(CallError::Dropped | CallError::Overloaded) => {}
                        Err(other) => panic!("{other}"),
                    }
                }
                answered
            })
        })
        .collect();
    for _ in 0..5 {
        let running = f.handle.ask(soon(), |r| CounterMsg::Add(0, Some(r))).await;
        assert!(running.is_ok() || matches!(running, Err(CallError::Dropped)));
        let _ = f.handle.cast(CounterMsg::Panic);
    }
    let mut answered = 0;
    for asker in askers {
        answered += asker.await.unwrap();
    }
    assert!(f.handle.ask(soon(), |r| CounterMsg::Add(0, Some(r))).await.unwrap() >= answered);
    assert!(answered > 0 && f.handle.stats().restarts > 0);
    until(|| f.handle.stats().depth == 0).await;
}

#[tokio::test(start_paused = true)]
async fn an_ask_waits_for_a_restart_but_not_past_its_deadline() {
    let slow = RestartSettings { first_delay: Duration::from_secs(1), ..RestartSettings::default() };
    let f = fixture(8, usize::MAX, slow).await;
    f.handle.cast(CounterMsg::Panic).unwrap();
    until(|| f.handle.status() == Status::Restarting).await;
    assert_eq!(f.handle.cast(CounterMsg::Add(1, None)), Err(CallError::Unavailable));
    let short = Instant::now() + Duration::from_millis(100);
    assert_eq!(f.handle.ask(short, |r| CounterMsg::Add(1, Some(r))).await, Err(CallError::Deadline));
    assert_eq!(f.handle.ask(soon(), |r| CounterMsg::Add(1, Some(r))).await, Ok(1));
    until(|| f.handle.stats().depth == 0).await;
}

#[tokio::test(start_paused = true)]
async fn too_many_crashes_are_given_up() {
    let f = fixture(8, usize::MAX, RestartSettings { restarts: 3, ..RestartSettings::default() }).await;
    for _ in 0..4 {
        assert!(f.supervisor.failed().is_empty());
        while f.handle.cast(CounterMsg::Panic).is_err() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        until(|| f.handle.status() != Status::Running).await;
    }
    assert_eq!(f.handle.status(), Status::Failed);
    assert_eq!(f.supervisor.failed(), ["counter"]);
    assert_eq!(f.handle.ask(soon(), CounterMsg::AtGate).await, Err(CallError::Unavailable));
}

#[tokio::test(start_paused = true)]
async fn crashes_far_apart_are_not_counted_together_and_a_failing_start_is_a_crash() {
    let f = fixture(8, usize::MAX, RestartSettings { restarts: 1, ..RestartSettings::default() }).await;
    for _ in 0..5 {
        f.handle.cast(CounterMsg::Fail).unwrap();
        tokio::time::sleep(Duration::from_secs(31)).await;
        assert_eq!(f.handle.status(), Status::Running);
    }
    let f = fixture(8, 1, RestartSettings::default()).await;
    f.handle.cast(CounterMsg::Fail).unwrap();
    until(|| f.handle.status() == Status::Restarting).await;
    assert_eq!(f.handle.ask(soon(), CounterMsg::AtGate).await, Err(CallError::Unavailable));
    assert_eq!(f.supervisor.failed(), ["counter"]);
}

#[tokio::test]
async fn a_kill_loses_what_the_actor_held_and_nothing_else() {
    let f = fixture(8, usize::MAX, RestartSettings::default()).await;
    let stuck = f.handle.clone();
    let stuck = tokio::spawn(async move { stuck.ask(soon(), CounterMsg::AtGate).await });
    until(|| f.handle.stats().depth == 1).await;
    assert!(f.supervisor.kill("counter").await, "even one that is stuck");
    assert_eq!(stuck.await.unwrap(), Err(CallError::Dropped), "who was inside is told");
    assert_eq!(
        f.handle.ask(soon(), |r| CounterMsg::Add(1, Some(r))).await,
        Ok(1),
        "the next waits for the new one"
    );
    assert_eq!(f.handle.stats().restarts, 1);
    assert!(!f.supervisor.kill("nobody").await);
}

#[tokio::test]
async fn who_is_retired_ends_its_work_and_leaves_nothing_behind() {
    let f = fixture(8, usize::MAX, RestartSettings::default()).await;
    let made_from = Arc::downgrade(&f.gate);
    let other = f.supervisor.spawn("other", 8, {
        let (gate, total) = (Arc::clone(&f.gate), f.total.clone());
        move || crate::counter::Counter {
            total: total.clone(),
            gate: Arc::clone(&gate),
            starts: Arc::default(),
            max_starts: usize::MAX,
        }
    });
    let other = other.await.unwrap();
    let under_way = f.handle.clone();
    let under_way = tokio::spawn(async move { under_way.ask(soon(), CounterMsg::AtGate).await });
    until(|| f.handle.stats().depth == 1).await;
    f.supervisor.retire(vec![f.handle.id(), other.id()]);
    until(|| f.handle.status() == Status::Stopped).await;
    assert_eq!(f.handle.cast(CounterMsg::Add(1, None)), Err(CallError::Unavailable));
    f.gate.add_permits(1);
    assert_eq!(under_way.await.unwrap(), Ok(0), "what it had is handled");
    let (supervisor, gate) = (f.supervisor, f.gate);
    drop((other, f.handle, gate));
    until(|| made_from.strong_count() == 0).await;
    assert!(!supervisor.kill("counter").await && supervisor.failed().is_empty());
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_giving_up_is_told() {
    let f = fixture(8, usize::MAX, RestartSettings { restarts: 0, ..RestartSettings::default() }).await;
    let told = f.supervisor.clone();
    let told = tokio::spawn(async move { told.given_up().await });
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert!(!told.is_finished());
    f.handle.cast(CounterMsg::Fail).unwrap();
    told.await.unwrap();
    assert_eq!(f.supervisor.failed(), ["counter"]);
}
