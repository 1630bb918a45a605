//! The binary `pointsman`: one command a file in `commands`.

mod args;
mod commands;
mod log;
mod reload;
mod setup;
mod table;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Args, Command};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let args = Args::parse();
    let run = match args.command {
        Command::Serve(serve) => commands::serve::run(serve),
        Command::Route(route) => commands::route::run(&route),
        Command::Classify(classify) => commands::classify::run(&classify),
        Command::Models(models) => commands::models::run(&models),
        Command::Catalog(catalog) => commands::catalog::run(&catalog),
        Command::Train(train) => commands::train::run(*train),
        Command::Bench(bench) => commands::bench::run(&bench),
        Command::Embedder(embedder) => commands::embedder::run(&embedder),
        Command::Check(check) => commands::check::run(&check),
        Command::Keys(keys) => commands::keys::run(&keys),
    };
    match run {
        Ok(code) => code,
        Err(error) => {
            setup::complain(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
