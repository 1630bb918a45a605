use std::time::Duration;

use pointsman_actors::{CallError, RestartSettings, Status};
use tokio::time::Instant;

use crate::counter::{CounterMsg, Fixture, fixture};

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

async fn simple(capacity: usize) -> Fixture {
    fixture(capacity, usize::MAX, RestartSettings::default()).await
}

#[tokio::test]
async fn asks_are_answered_in_order() {
    let f = simple(8).await;
    for expected in 1..=100 {
        assert_eq!(f.handle.ask(soon(), |r| CounterMsg::Add(1, Some(r))).await, Ok(expected));
    }
    assert_eq!(f.handle.stats().handled, 100);
}

#[tokio::test]
async fn overload_is_a_value_and_passes() {
    let f = simple(4).await;
    let waiting: Vec<_> = (0..4)
        .map(|_| {
            let handle = f.handle.clone();
            tokio::spawn(async move { handle.ask(soon(), CounterMsg::AtGate).await })
        })
        .collect();
    while f.handle.stats().depth < 4 {
        tokio::task::yield_now().await;
    }
    assert_eq!(f.handle.cast(CounterMsg::Add(1, None)), Err(CallError::Overloaded));
    assert_eq!(f.handle.ask(soon(), CounterMsg::AtGate).await, Err(CallError::Overloaded));
    assert_eq!(f.handle.stats().rejected, 2);
    f.gate.add_permits(4);
    for ask in waiting {
        assert_eq!(ask.await.unwrap(), Ok(0));
    }
    assert_eq!(f.handle.ask(soon(), |r| CounterMsg::Add(1, Some(r))).await, Ok(1));
    assert_eq!(f.handle.stats().depth, 0);
}

#[tokio::test(start_paused = true)]
async fn a_slow_actor_costs_the_asker_no_more_than_its_deadline() {
    let f = simple(4).await;
    let started = Instant::now();
    let deadline = started + Duration::from_millis(30);
    assert_eq!(f.handle.ask(deadline, CounterMsg::AtGate).await, Err(CallError::Deadline));
    assert!(started.elapsed() < Duration::from_millis(50), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_stop_handles_what_is_queued_and_refuses_the_rest() {
    let f = simple(64).await;
    for _ in 0..50 {
        f.handle.cast(CounterMsg::Add(1, None)).unwrap();
    }
    assert_eq!(f.supervisor.stop(soon()).await, Vec::<String>::new());
    assert_eq!(**f.total.load(), 50);
    assert_eq!(f.handle.status(), Status::Stopped);
    assert_eq!(f.handle.cast(CounterMsg::Add(1, None)), Err(CallError::Unavailable));
    assert_eq!(f.handle.ask(soon(), CounterMsg::AtGate).await, Err(CallError::Unavailable));
}

#[tokio::test(start_paused = true)]
async fn a_stop_does_not_wait_longer_than_its_deadline() {
    let f = simple(4).await;
    let handle = f.handle.clone();
    let stuck = tokio::spawn(async move { handle.ask(soon(), CounterMsg::AtGate).await });
    while f.handle.stats().depth == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(f.supervisor.stop(Instant::now() + Duration::from_millis(20)).await, ["counter"]);
    assert_eq!(stuck.await.unwrap(), Err(CallError::Dropped));
}
