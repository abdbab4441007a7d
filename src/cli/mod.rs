//! The command line: what can be said, and what each command does.
//!
//! Results go to standard output, everything else to standard error. Exit codes are in [`exit`].

mod args;
mod bench;
mod check;
mod crowd;
mod demo;
pub mod exit;
mod lock;
mod logging;
mod login;
mod out;
mod plugin;
mod plugins;
mod ready;
mod recording;
mod reload;
mod run;
mod serve;
mod settings;
mod signals;
mod song;
mod welcome;

pub use crowd::CrowdOfUsers;

use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command};
use exit::Exit;

/// The whole program: reads the command line, does it, and gives the exit code.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are answers (standard output, 0); anything else is wrong usage.
            let _ = error.print();
            return if error.use_stderr() {
                Exit::Usage.into()
            } else {
                Exit::Fine.into()
            };
        }
    };
    // A damaged file is told in words; the panic of a decoder that it may cause, caught, is not news.
    mynah_media::install_panic_hook();
    let outcome = match cli.command {
        None => run::run(&cli.run),
        Some(Command::Run(args)) => run::run(&args),
        Some(Command::Serve(args)) => serve::serve(&args),
        Some(Command::Demo(args)) => demo::demo(&args),
        Some(Command::Check(args)) => check::check(&args),
        Some(Command::Bench(args)) => bench::bench(&args),
        Some(Command::Plugin(args)) => plugin::plugin(&args),
        Some(Command::Recording(args)) => recording::recording(&args),
    };
    match outcome {
        Ok(()) => Exit::Fine.into(),
        Err(failure) => failure.print(),
    }
}
