use super::*;

const SETTINGS: BreakerSettings = BreakerSettings {
    enabled: true,
    consecutive: 3,
    error_rate: 0.5,
    least_attempts: 10,
    open: Duration::from_secs(1),
    longest_open: Duration::from_secs(4),
    slow_start: Duration::from_secs(10),
};

const NOTHING: LatencyView = LatencyView {
    ttft_p50: None,
    ttft_p95: None,
    tpot_p50: None,
    total_p50: None,
    total_p95: None,
    attempts: 0,
    failures: 0,
};

/// A breaker and its clock.
struct Bench {
    circuit: Circuit,
    now: Instant,
}

impl Bench {
    fn new() -> Self {
        Self { circuit: Circuit::default(), now: Instant::now() }
    }

    fn wait(&mut self, seconds: f64) {
        self.now += Duration::from_secs_f64(seconds);
    }

    fn end(&mut self, outcome: Outcome, passage: Passage) -> bool {
        self.circuit.ended(outcome, passage, &NOTHING, self.now, &SETTINGS)
    }

    fn admit(&mut self) -> Result<Passage, Standing> {
        self.circuit.admit(self.now, &SETTINGS)
    }

    fn open() -> Self {
        let mut bench = Self::new();
        for n in 0..3 {
            assert_eq!(bench.end(Outcome::ServerError, Passage::Usual), n == 2);
        }
        bench
    }
}

#[test]
fn opens_after_failures_in_a_row_and_only_those() {
    let mut bench = Bench::new();
    for outcome in [Outcome::ServerError, Outcome::Timeout, Outcome::Ok, Outcome::Connect, Outcome::Truncated]
    {
        assert!(!bench.end(outcome, Passage::Usual), "{outcome:?}");
    }
    for outcome in [Outcome::Cancelled, Outcome::ClientError, Outcome::ContextOverflow, Outcome::RateLimited]
    {
        assert!(!bench.end(outcome, Passage::Usual), "{outcome:?} says nothing");
    }
    assert!(bench.end(Outcome::Malformed, Passage::Usual));
    assert!(matches!(bench.admit(), Err(Standing::LastResort(_))));
}

#[test]
fn opens_at_the_error_rate_of_what_was_not_judged_before() {
    let mut circuit = Circuit::default();
    let now = Instant::now();
    let view = |attempts, failures| LatencyView { attempts, failures, ..NOTHING };
    let fail = |circuit: &mut Circuit, view, at| {
        circuit.succeeded(&NOTHING, at, &SETTINGS);
        circuit.ended(Outcome::Timeout, Passage::Usual, &view, at, &SETTINGS)
    };
    assert!(!fail(&mut circuit, view(9, 9), now), "too few");
    assert!(!fail(&mut circuit, view(20, 9), now), "too rare");
    assert!(fail(&mut circuit, view(20, 10), now));
    // back again after the probe and the slow start: the old failures are still in the windows
    let later = now + Duration::from_secs(2);
    assert_eq!(circuit.admit(later, &SETTINGS), Ok(Passage::Probe));
    circuit.ended(Outcome::Ok, Passage::Probe, &view(21, 10), later, &SETTINGS);
    let whole = later + Duration::from_secs(11);
    circuit.ended(Outcome::Ok, Passage::Usual, &view(22, 10), whole, &SETTINGS);
    assert!(!fail(&mut circuit, view(23, 11), whole));
}

#[test]
fn one_probe_at_a_time_and_each_failure_doubles_the_wait() {
    let mut bench = Bench::open();
    for wait in [1.0, 2.0, 4.0, 4.0] {
        bench.wait(wait - 0.01);
        assert!(bench.admit().is_err(), "{wait}");
        bench.wait(0.02);
        assert_eq!(bench.admit(), Ok(Passage::Probe));
        assert!(bench.admit().is_err(), "the second");
        assert!(bench.circuit.force(bench.now, &SETTINGS).is_err(), "not even for want of another");
        assert!(bench.end(Outcome::Connect, Passage::Probe));
    }
}

#[test]
fn a_probe_that_says_nothing_is_made_again() {
    let mut bench = Bench::open();
    bench.wait(1.1);
    assert_eq!(bench.admit(), Ok(Passage::Probe));
    bench.end(Outcome::Cancelled, Passage::Probe);
    assert_eq!(bench.admit(), Ok(Passage::Probe));
    bench.end(Outcome::Superseded, Passage::Probe);
    assert!(bench.admit().is_err(), "it had its time");
}

#[test]
fn a_backend_that_is_back_starts_slowly() {
    let mut bench = Bench::open();
    bench.wait(1.1);
    assert_eq!(bench.admit(), Ok(Passage::Probe));
    let wait = bench.circuit.begins(bench.now, None);
    bench.circuit.answers(bench.now, Passage::Probe, wait);
    let share = |bench: &mut Bench| (0..100).filter(|_| bench.admit().is_ok()).count();
    assert_eq!(share(&mut bench), 10);
    bench.wait(5.0);
    assert_eq!(share(&mut bench), 50);
    bench.wait(5.0);
    assert_eq!(share(&mut bench), 100);
    bench.end(Outcome::Ok, Passage::Usual);
    assert!(bench.circuit.is_whole(bench.now));
    bench.end(Outcome::ServerError, Passage::Usual);
    assert!(!bench.circuit.is_whole(bench.now), "a failure is remembered");
    bench.wait(3600.0);
    assert!(bench.circuit.is_whole(bench.now), "but not for ever");
}

#[test]
fn a_relapse_in_the_slow_start_opens_and_the_usual_failures_do_not() {
    let recovering = || {
        let mut bench = Bench::open();
        bench.wait(1.1);
        assert!(bench.admit().is_ok());
        let wait = bench.circuit.begins(bench.now, None);
        bench.circuit.answers(bench.now, Passage::Probe, wait);
        bench
    };
    assert!(recovering().end(Outcome::Truncated, Passage::Probe), "the probe itself breaks off");

    let mut bench = recovering();
    for opens in [false, false, true] {
        assert_eq!(bench.end(Outcome::ServerError, Passage::Usual), opens, "as many in a row as when closed");
    }
    let mut bench = recovering();
    for (outcome, opens) in
        [(Outcome::Ok, false), (Outcome::Timeout, false), (Outcome::Ok, false), (Outcome::Timeout, true)]
    {
        assert_eq!(bench.end(outcome, Passage::Usual), opens, "half of four");
    }
    // one failure in eight, as this backend always has it
    let mut bench = recovering();
    for n in 1..=200 {
        let outcome = if n % 8 == 0 { Outcome::ServerError } else { Outcome::Ok };
        assert!(!bench.end(outcome, Passage::Usual), "{n}");
        bench.wait(0.1);
    }
    assert_eq!(bench.circuit.level(), 0);
}

#[test]
fn when_all_are_open_one_probe_is_forced() {
    let mut bench = Bench::open();
    assert!(bench.admit().is_err());
    assert_eq!(bench.circuit.force(bench.now, &SETTINGS), Ok(Passage::Probe));
    assert!(bench.circuit.force(bench.now, &SETTINGS).is_err());
}

#[test]
fn a_stated_limit_holds_and_an_unstated_one_is_a_last_resort() {
    let mut bench = Bench::new();
    bench.circuit.limit(Some(Duration::from_secs(7)), bench.now);
    assert_eq!(bench.admit(), Err(Standing::Limited(Duration::from_secs(7))));
    assert!(bench.circuit.force(bench.now, &SETTINGS).is_err());
    bench.wait(7.1);
    assert!(bench.admit().is_ok());
    for wait in [1, 2, 4] {
        bench.circuit.limit(None, bench.now);
        assert_eq!(bench.admit(), Err(Standing::LastResort(Duration::from_secs(wait))));
        assert!(bench.circuit.force(bench.now, &SETTINGS).is_ok());
        bench.wait(wait as f64 + 0.1);
    }
}

#[test]
fn several_overdue_attempts_are_a_hanging_backend() {
    let mut bench = Bench::new();
    let due = Some(bench.now + Duration::from_secs(1));
    let waits: Vec<Wait> = (0..3).map(|_| bench.circuit.begins(bench.now, due)).collect();
    assert!(bench.admit().is_ok());
    bench.wait(1.5);
    assert!(matches!(bench.admit(), Err(Standing::LastResort(_))));
    assert!(bench.circuit.force(bench.now, &SETTINGS).is_ok());
    bench.circuit.answers(bench.now, Passage::Usual, waits[0]);
    assert!(bench.admit().is_ok(), "one of them came");
}

#[test]
fn switched_off_it_lets_everything_pass() {
    let off = BreakerSettings { enabled: false, ..SETTINGS };
    let mut circuit = Circuit::default();
    let now = Instant::now();
    for _ in 0..20 {
        assert!(!circuit.ended(Outcome::Connect, Passage::Usual, &NOTHING, now, &off));
        assert_eq!(circuit.admit(now, &off), Ok(Passage::Usual));
    }
}
