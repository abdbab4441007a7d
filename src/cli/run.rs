//! `mynah run`: the bot, and the embedded server below it if that is where it lives.

use std::path::Path;
use std::time::Duration;

use mynah_engine::{Bot, EventStream};
use mynah_wire::UserId;
use serde_json::json;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::config::Config;

use super::args::RunArgs;
use super::exit::Failure;
use super::login::{self, Place};
use super::plugin::door::Door;
use super::reload::Reloads;
use super::{lock, logging, out, plugins, ready, settings, signals, song, welcome};

/// A clean end takes this long at most: five silence frames, voice left, sockets closed. Whatever
/// still hangs then is left hanging.
const END_WITHIN: Duration = Duration::from_secs(10);
/// And blocking steps that are still under way after that get this long.
const LEFTOVERS_WITHIN: Duration = Duration::from_secs(1);

/// Runs the bot until it is told to end.
///
/// # Errors
/// Exit 78 for a wrong configuration or wrong credentials, 1 for anything else.
pub(super) fn run(args: &RunArgs) -> Result<(), Failure> {
    let config = settings::load(&args.config)?;
    logging::start(config.log);
    ready::prepare(args.ready_file.as_deref())?;
    let _lock = lock::take(&config.paths.data)?;
    make_folders(&config)?;
    block_on(async {
        let stop = signals::listen()?;
        let place = login::place(&config).await?;
        let ran = on_place(&config, &place, args, &stop).await;
        ending(place.close()).await;
        ran
    })
}

/// Does the work of a command on a runtime of two workers: the network needs no more (architecture
/// B5). Blocking steps that hang when it is over, on a dead disk say, are left behind: dropping the
/// runtime would wait for them for ever, deaf to a second Ctrl-C.
///
/// # Errors
/// Those of the work; when the system gives no threads.
pub(super) fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Failure::failed(format!("cannot start: {error}"), ""))?;
    let done = runtime.block_on(work);
    runtime.shutdown_timeout(LEFTOVERS_WITHIN);
    done
}

/// Folders inside the data folder are ours to make; all others exist, or the configuration would
/// have been refused.
fn make_folders(config: &Config) -> Result<(), Failure> {
    let paths = &config.paths;
    for folder in paths.library.iter().chain([&paths.cache]) {
        std::fs::create_dir_all(folder).map_err(|error| {
            Failure::failed(
                format!("cannot make the folder {}: {error}", folder.display()),
                "",
            )
        })?;
    }
    Ok(())
}

async fn on_place(
    config: &Config,
    place: &Place,
    args: &RunArgs,
    stop: &CancellationToken,
) -> Result<(), Failure> {
    let Some((bot, events)) = login::log_in(config, place, stop).await? else {
        return Ok(());
    };
    let ran = with_bot(config, place, &bot, events, args, stop).await;
    ending(bot.shutdown()).await;
    ran
}

async fn with_bot(
    config: &Config,
    place: &Place,
    bot: &Bot,
    events: EventStream,
    args: &RunArgs,
    stop: &CancellationToken,
) -> Result<(), Failure> {
    // Before the plugins start: they look at the library once.
    let song = match &place.server {
        Some(_) => find_song(config).await,
        None => None,
    };
    let (orders, mut given) = mpsc::channel(mynah_host::MAX_ORDERS);
    let host = plugins::start(config, bot, events, orders).await?;
    let door = Door::open(&config.paths.data);
    let reloads = Reloads {
        config: args.config.clone(),
        host: &host,
        bot,
    };
    if config.voice.realtime {
        let threads = bot.tick_stats().threads;
        let granted = threads.iter().filter(|thread| thread.fifo).count();
        if granted == threads.len() {
            tracing::info!(
                threads = granted,
                "real-time scheduling (SCHED_FIFO) granted"
            );
        } else {
            tracing::info!(
                asked = threads.len(),
                granted,
                "no right to real-time scheduling: sound may stutter on a busy machine \
                 (`ulimit -r 50` or CAP_SYS_NICE gives it)"
            );
        }
    }
    let ran = match announce(config, place, bot, song, args.ready_file.as_deref()).await {
        Ok(()) => tokio::select! {
            () = stop.cancelled() => Ok(()),
            () = door.serve(&reloads) => Ok(()),
            () = reloads.serve(&mut given) => Ok(()),
            reason = host.ended() => Err(login::ended(reason)),
        },
        failed => failed,
    };
    ending(host.stop()).await;
    ran
}

/// Waits for a step of the clean end, but not for ever.
async fn ending(step: impl Future<Output = ()>) {
    if tokio::time::timeout(END_WITHIN, step).await.is_err() {
        tracing::warn!("a part of the bot did not end in time");
    }
}

/// Says that everything is up: to the ready file, then to people.
async fn announce(
    config: &Config,
    place: &Place,
    bot: &Bot,
    song: Option<String>,
    ready_file: Option<&Path>,
) -> Result<(), Failure> {
    let Some(server) = &place.server else {
        let name = login::name(bot).await;
        let guilds: Vec<String> = bot.guilds().iter().map(ToString::to_string).collect();
        let document = json!({
            "pid": std::process::id(),
            "api": place.api,
            // No token: this one is not ours to write down.
            "bots": [{ "name": name, "application_id": bot.application_id(), "user_id": bot.user_id() }],
            "guild_id": guilds.first(),
        });
        ready::write(ready_file, &document)?;
        out::line(&welcome::elsewhere(&place.api, &name, guilds.len()));
        return Ok(());
    };
    let ready = server.ready();
    ready::write(
        ready_file,
        &serde_json::to_value(&ready).unwrap_or_default(),
    )?;
    let song = song.unwrap_or_else(|| "PART OF A TITLE".to_owned());
    let listener = listener(bot, &ready.guild_id.to_string()).await;
    out::line(&welcome::embedded(
        &ready,
        listener,
        &config.paths.library,
        &song,
    ));
    Ok(())
}

/// Something `/play` finds; made if there is nothing.
async fn find_song(config: &Config) -> Option<String> {
    let library = config.paths.library.clone();
    let found = tokio::task::spawn_blocking(move || song::find_or_make(&library)).await;
    found.ok().flatten()
}

/// A person of the embedded server for the lines to paste: the owner of its guild.
async fn listener(bot: &Bot, guild: &str) -> Option<UserId> {
    let guild = bot
        .rest("GET", &format!("/guilds/{guild}"), None, Vec::new())
        .await
        .ok()?;
    guild.get("owner_id")?.as_str()?.parse().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_step_that_hangs_on_a_dead_disk_does_not_keep_the_program_alive() {
        let (disk, answer) = std::sync::mpsc::channel::<()>();
        let (begun, hangs) = std::sync::mpsc::channel();
        let ended = block_on(async {
            tokio::task::spawn_blocking(move || {
                begun.send(()).unwrap();
                let _ = answer.recv();
            });
            tokio::task::block_in_place(|| hangs.recv()).unwrap();
            Ok("ended")
        });
        assert_eq!(ended.unwrap(), "ended");
        drop(disk);
    }
}
