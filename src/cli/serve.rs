//! `mynah serve`: the embedded server alone.

use std::sync::Arc;

use mynah_server::{Server, ServerConfig, ServerError};
use mynah_wire::Secret;
use tokio_util::sync::CancellationToken;

use crate::config::{Log, LogFormat, LogLevel};

use super::args::ServeArgs;
use super::crowd::CrowdOfUsers;
use super::exit::{Failure, chain};
use super::settings::absolute;
use super::{logging, out, ready, run, signals};

/// The variable with the token that guards the control API beyond this machine. No command line
/// option: those can be read by every user of the machine.
const CONTROL_TOKEN: &str = "MYNAH_CONTROL_TOKEN";

/// Serves until it is told to end.
///
/// # Errors
/// When a port is taken, the data folder cannot be written, or the control API would be open.
pub(super) fn serve(args: &ServeArgs) -> Result<(), Failure> {
    logging::start(Log {
        level: LogLevel::Info,
        format: LogFormat::Pretty,
    });
    let config = ServerConfig {
        bind: args.bind,
        http_port: args.http_port,
        voice_port: args.voice_port,
        seed: args.seed,
        legacy_modes: args.legacy_modes,
        tls: args.tls,
        dave: args.dave.policy(),
        control_token: std::env::var(CONTROL_TOKEN)
            .ok()
            .filter(|token| !token.is_empty())
            .map(Secret::from),
        ..ServerConfig::new(absolute(&args.data))
    };
    ready::prepare(args.ready_file.as_deref())?;
    run::block_on(async {
        let stop = signals::listen()?;
        let advice = "--http-port and --voice-port choose the ports; 0 takes a free one";
        let server = start(config)
            .await
            .map_err(|failure| failure.advise(advice))?;
        let served = serve_until(&server, args, &stop).await;
        server.stop().await;
        served
    })
}

async fn serve_until(
    server: &Server,
    args: &ServeArgs,
    stop: &CancellationToken,
) -> Result<(), Failure> {
    let ready = server.ready();
    ready::write(
        args.ready_file.as_deref(),
        &serde_json::to_value(&ready).unwrap_or_default(),
    )?;
    out::line(&format!(
        "The embedded server is up.\n\n  \
         api      {}\n  \
         gateway  {}\n  \
         control  {}\n  \
         voice    {}, certificate signed by {}\n",
        ready.api,
        ready.gateway,
        ready.control,
        ready.voice_endpoint,
        ready.ca_file.display(),
    ));
    if args.ready_file.is_none() {
        out::line(&format!(
            "A token for a bot of yours:\n\n  \
             curl -s --json '{{\"name\":\"mybot\"}}' {}/bots\n",
            ready.control
        ));
    }
    stop.cancelled().await;
    Ok(())
}

/// Starts a server with people on it.
///
/// # Errors
/// As [`serve`].
pub(super) async fn start(config: ServerConfig) -> Result<Server, Failure> {
    let server = Server::start(config).await.map_err(failure)?;
    let crowd = CrowdOfUsers::of(&server)
        .map_err(|error| Failure::failed(chain(&error), error.remedy()))?;
    server.set_crowd(Arc::new(crowd));
    Ok(server)
}

fn failure(error: ServerError) -> Failure {
    let help = error.remedy();
    match error {
        ServerError::OpenControl { .. } => Failure::usage(
            error.to_string(),
            format!("set the environment variable {CONTROL_TOKEN}, or leave out --bind"),
        ),
        error => Failure::failed(chain(&error), help),
    }
}
