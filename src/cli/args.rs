//! What can be said on the command line.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use mynah_server::voice::DavePolicy;

use super::plugin::PluginArgs;
use super::recording::ExportFormat;

/// A Discord voice bot: music over one honest voice connection.
#[derive(Debug, Parser)]
#[command(name = "mynah", version, about, args_conflicts_with_subcommands = true)]
#[command(
    after_help = "Without a command, mynah runs the bot. Exit codes: 0 fine, 1 failed, 2 wrong \
    usage, 78 configuration or credentials wrong."
)]
pub(super) struct Cli {
    #[command(flatten)]
    pub run: RunArgs,
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run the bot (what `mynah` alone does).
    Run(RunArgs),
    /// Run the embedded Discord-compatible server alone, for other bots and libraries.
    Serve(ServeArgs),
    /// Play a sound to a listener and report how well it was heard.
    Demo(DemoArgs),
    /// Show every mistake in the configuration at once.
    Check(CheckArgs),
    /// Measure how many voice sessions this machine carries, and what stops it there.
    Bench(BenchArgs),
    /// Plugins: list, look at, check, write, build, reload.
    Plugin(PluginArgs),
    /// The recordings on this machine: list, verify, repair, export, prune.
    Recording(RecordingArgs),
}

/// `mynah run`.
#[derive(Debug, Args)]
pub(super) struct RunArgs {
    /// The settings.
    #[arg(long, value_name = "FILE", default_value = "bot.toml")]
    pub config: PathBuf,
    /// Write addresses and ids to this file (JSON) once everything is up.
    #[arg(long, value_name = "FILE")]
    pub ready_file: Option<PathBuf>,
}

/// `mynah recording`.
#[derive(Debug, Args)]
pub(super) struct RecordingArgs {
    /// The settings; they say where recordings are.
    #[arg(long, value_name = "FILE", default_value = "bot.toml", global = true)]
    pub config: PathBuf,
    /// The folder with all recordings, instead of what the settings say.
    #[arg(long, value_name = "FOLDER", global = true)]
    pub folder: Option<PathBuf>,
    /// Print one JSON document.
    #[arg(long, global = true)]
    pub json: bool,
    #[command(subcommand)]
    pub command: RecordingCommand,
}

/// What to do with recordings.
#[derive(Debug, Subcommand)]
pub(super) enum RecordingCommand {
    /// All of them.
    List,
    /// Is every file whole? Exit code 1 when one is not.
    Verify {
        /// Only this one.
        id: Option<String>,
    },
    /// Make whole what a crash cut off. The bot must not run.
    Repair {
        /// Only this one.
        id: Option<String>,
    },
    /// Make a file of one: a single one for a mix or a lone track, else a zip.
    Export(ExportArgs),
    /// Throw away what is old and not kept. The bot must not run.
    Prune {
        /// Older than so many days; 7, if nothing is said.
        #[arg(long)]
        days: Option<u64>,
        /// Only show what would go.
        #[arg(long)]
        dry_run: bool,
    },
}

/// `mynah recording export`.
#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    /// Which recording, as `mynah recording list` shows it.
    pub id: String,
    /// What comes out.
    #[arg(long, value_enum, default_value_t = ExportFormat::Flac)]
    pub format: ExportFormat,
    /// Everybody in one file.
    #[arg(long)]
    pub mix: bool,
    /// Whose track: a name, a Discord id, or a number from 1 on; may be said again. Everybody's, if not.
    #[arg(long, value_name = "WHO")]
    pub track: Vec<String>,
    /// From this note to the next one, by its text or its number from 1 on.
    #[arg(long, value_name = "NOTE", conflicts_with_all = ["from", "to"])]
    pub chapter: Option<String>,
    /// Where to begin: 1:02:03, 2:30 or 90s.
    #[arg(long)]
    pub from: Option<String>,
    /// Where to end.
    #[arg(long)]
    pub to: Option<String>,
    /// The folder the file goes to; the recording's own `exports`, if nothing is said.
    #[arg(long, value_name = "FOLDER")]
    pub out: Option<PathBuf>,
}

/// `mynah serve`.
#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    /// Address to listen on. Anything but this machine needs MYNAH_CONTROL_TOKEN to be set.
    #[arg(long, default_value = "127.0.0.1")]
    pub bind: IpAddr,
    /// Port of REST, gateway and control API; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    pub http_port: u16,
    /// Port of the voice websocket; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    pub voice_port: u16,
    /// Speak TLS on the HTTP port too (https and wss), with a certificate of the ready file's ca_file.
    #[arg(long)]
    pub tls: bool,
    /// Decides the ids of the guild, its channels and the bot.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Policy for end-to-end encryption of voice channels that do not say anything.
    #[arg(long, value_enum, default_value_t = Dave::SHIPPED)]
    pub dave: Dave,
    /// Also offer the voice encryption modes that Discord has withdrawn.
    #[arg(long)]
    pub legacy_modes: bool,
    /// Where the certificate of the voice endpoint is kept.
    #[arg(long, value_name = "FOLDER", default_value = "data")]
    pub data: PathBuf,
    /// Write addresses and ids to this file (JSON) once everything is up.
    #[arg(long, value_name = "FILE")]
    pub ready_file: Option<PathBuf>,
}

/// Policies for end-to-end encryption (DAVE).
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Dave {
    /// Clients without DAVE are refused.
    Required,
    /// Encrypted as long as everybody in the channel can.
    Optional,
    /// Voice is encrypted between client and server only.
    Off,
}

impl Dave {
    const SHIPPED: Self = match DavePolicy::SHIPPED {
        DavePolicy::Required => Self::Required,
        DavePolicy::Optional => Self::Optional,
        DavePolicy::Off => Self::Off,
    };

    pub const fn policy(self) -> DavePolicy {
        match self {
            Self::Required => DavePolicy::Required,
            Self::Optional => DavePolicy::Optional,
            Self::Off => DavePolicy::Off,
        }
    }
}

/// `mynah demo`.
#[derive(Debug, Args)]
pub(super) struct DemoArgs {
    /// The sound to play; without one, a built-in tune.
    pub file: Option<PathBuf>,
    /// Play no more than this [default: 60; 20 for the built-in tune].
    #[arg(long, value_name = "N")]
    pub seconds: Option<f64>,
    /// Where to write what the listener heard: .ogg keeps the Opus packets, .wav is decoded.
    #[arg(long, value_name = "FILE", default_value = "heard.ogg")]
    pub out: PathBuf,
}

/// `mynah check`.
#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// The settings.
    #[arg(long, value_name = "FILE", default_value = "bot.toml")]
    pub config: PathBuf,
    /// Also log in for a moment, and say as whom.
    #[arg(long)]
    pub online: bool,
    /// Print one JSON document.
    #[arg(long)]
    pub json: bool,
}

/// `mynah bench`.
#[derive(Debug, Args)]
pub(super) struct BenchArgs {
    /// Listen to each load so long [default: 3].
    #[arg(long, value_name = "N")]
    pub seconds: Option<f64>,
    /// Measure this many sessions instead of looking for the most.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub sessions: Option<u16>,
    /// Effort of the Opus encoder, as [voice] complexity.
    #[arg(long, value_name = "0-10", default_value_t = 10, value_parser = clap::value_parser!(u8).range(0..=10))]
    pub complexity: u8,
    /// Play Opus files, which go out as they are.
    #[arg(long)]
    pub passthrough: bool,
    /// Sound threads, as [voice] threads.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub threads: u16,
    /// Do without real-time scheduling, as [voice] realtime = false.
    #[arg(long)]
    pub no_realtime: bool,
    /// Print one JSON document.
    #[arg(long)]
    pub json: bool,
}
