//! What a decision allocates: a number of blocks that does not grow with the catalog, and bytes that grow with it evenly.

#![expect(clippy::print_stdout, reason = "a bench is there to print")]

mod decisions;

use std::hint::black_box;

use pointsman_decide::{Policy, Question, Signals, decide};

use decisions::{pool, request};

fn main() {
    // called by `cargo bench` and, with `--test`, by `cargo test --benches`: either way all of it is quick
    let (signals, policy) = (Signals::default(), Policy::default());
    println!(
        "{:<16} {:>10} {:>12} {:>12} {:>16}",
        "form", "candidates", "allocations", "bytes", "bytes each"
    );
    for form in ["auto", "strategy:cost", "strategy:local"] {
        let request = request(form);
        for n in [1, 10, 50, 1000] {
            let pool = pool(n);
            let question = Question {
                request: &request,
                signals: &signals,
                pool: &pool,
                policy: &policy,
                session: None,
                now: 0,
                seed: 0,
            };
            let info = allocation_counter::measure(|| drop(black_box(decide(&question))));
            let each = info.bytes_total / n as u64;
            println!("{form:<16} {n:>10} {:>12} {:>12} {each:>16}", info.count_total, info.bytes_total);
            assert!(info.count_total < 40, "{form}: {} allocations for {n} candidates", info.count_total);
        }
    }
}
