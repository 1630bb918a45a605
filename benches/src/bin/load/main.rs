//! The load harness: the gateway beside the bare backend, in one run, on one machine.
//!
//! `scripts/load.sh` builds everything and runs this. Direct and gateway alternate within each measurement, so
//! that a noisy machine is noisy for both.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command line program")]

mod client;
mod measure;
mod process;

use std::path::PathBuf;

use clap::Parser;

use crate::{
    measure::{Bodies, Row},
    process::{Backend, Gateway},
};

/// Measures a release build of the gateway against the bare backend.
#[derive(Parser)]
struct Args {
    /// The release binary `pointsman`.
    #[arg(long)]
    gateway: PathBuf,
    /// The release binary `bare_backend`.
    #[arg(long)]
    backend: PathBuf,
    /// Seconds for each latency measurement.
    #[arg(long, default_value_t = 20)]
    seconds: u64,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let bodies = Bodies::new();
    let mut rows: Vec<Row> = Vec::new();
    rows.push(measure::start_to_ready(&args.gateway).await?);
    let backend = Backend::start(&args.backend).await?;
    let gateway = Gateway::start(&args.gateway, &backend.url).await?;
    let (direct, through) = (backend.address(), gateway.address());
    eprintln!("warming up");
    measure::warm_up(direct, through, &bodies).await?;
    eprintln!("latency at 50 requests per second");
    rows.push(
        measure::added_latency(
            "added latency, alias, 1 KB, 50 rps",
            200.0,
            direct,
            through,
            &bodies.small,
            &bodies.small,
            args.seconds,
        )
        .await?,
    );
    rows.push(
        measure::added_latency(
            "added latency, `auto`, 60-token prompt, 50 rps",
            400.0,
            direct,
            through,
            &bodies.small,
            &bodies.auto,
            args.seconds,
        )
        .await?,
    );
    rows.push(
        measure::added_latency(
            "added latency, `auto`, the deep tier asked, 50 rps",
            20_000.0,
            direct,
            through,
            &bodies.small,
            &bodies.unsure,
            args.seconds,
        )
        .await?,
    );
    eprintln!("throughput");
    rows.push(measure::throughput(direct, through, &bodies.tiny).await?);
    eprintln!("CPU");
    for (what, bar, body, n) in [
        ("CPU s per 1,000 requests, small JSON", 0.10, &bodies.tiny, 4000),
        ("CPU s per 1,000 requests, 100 KB body", 0.25, &bodies.large, 2000),
        ("CPU s per 1,000 requests, 50-chunk stream", 0.40, &bodies.stream, 2000),
    ] {
        rows.push(measure::cpu(what, bar, &gateway, through, body, n).await?);
    }
    eprintln!("memory");
    rows.extend(measure::memory(&gateway, through, &bodies.tiny).await?);
    eprintln!("1,000 streams");
    rows.push(measure::streams(&gateway, through, &bodies.slow).await?);
    println!("| what | direct | gateway | difference or ratio | bar |\n|---|---:|---:|---:|---:|");
    for row in rows {
        println!("{row}");
    }
    Ok(())
}
