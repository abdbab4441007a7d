//! Where the bot lives, and getting it in.

use std::path::Path;
use std::time::Duration;

use mynah_engine::{
    Bitrate, Bot, BotConfig, DuckMatrix, EventStream, Lane, RestError, StartError, StopReason,
};
use mynah_server::{Server, ServerConfig};
use mynah_wire::Secret;
use mynah_wire::intents::MESSAGE_CONTENT;
use tokio_util::sync::CancellationToken;

use crate::config::{Api, Config, Mix};

use super::exit::{Failure, chain};
use super::settings::absolute;
use super::{plugins, serve};

/// The API the bot talks to, with what is needed to get in.
pub(super) struct Place {
    /// The embedded server, when the bot lives on it.
    pub server: Option<Server>,
    /// REST base without version.
    pub api: String,
    token: Secret,
    ca_pem: Option<Vec<u8>>,
    /// Origins with private addresses that attachments come from.
    fetch_origins: Vec<String>,
}

/// Finds the place, or makes it.
///
/// # Errors
/// When the embedded server does not start, or a file cannot be read.
pub(super) async fn place(config: &Config) -> Result<Place, Failure> {
    let outside = |api: &str| -> Result<Place, Failure> {
        let token = config.discord.token.clone();
        Ok(Place {
            server: None,
            api: api.to_owned(),
            // The configuration was refused if it is missing.
            token: token.unwrap_or_default(),
            ca_pem: config
                .discord
                .ca_file
                .as_deref()
                .map(read_pem)
                .transpose()?,
            fetch_origins: Vec::new(),
        })
    };
    match &config.discord.api {
        Api::Discord => outside("https://discord.com/api"),
        Api::Other(url) => {
            let mut place = outside(url)?;
            // Attachments of a server on this machine are on this machine, too.
            place.fetch_origins.extend(origin(url));
            Ok(place)
        }
        Api::Embedded => embedded(config).await,
    }
}

async fn embedded(config: &Config) -> Result<Place, Failure> {
    let settings = config.server;
    let server = serve::start(ServerConfig {
        http_port: settings.http_port,
        voice_port: settings.voice_port,
        seed: settings.seed,
        legacy_modes: settings.legacy_modes,
        ..ServerConfig::new(absolute(&config.paths.data))
    })
    .await
    .map_err(|failure| {
        failure.advise("[server] http_port and voice_port in bot.toml; 0 takes a free one")
    })?;
    let ready = server.ready();
    let token = ready
        .bots
        .first()
        .map(|bot| bot.token.clone())
        .unwrap_or_default();
    Ok(Place {
        api: ready.api.clone(),
        token,
        ca_pem: Some(server.voice().ca_pem().to_vec()),
        fetch_origins: origin(&ready.api).into_iter().collect(),
        server: Some(server),
    })
}

impl Place {
    /// Ends the embedded server, if there is one.
    pub async fn close(&self) {
        if let Some(server) = &self.server {
            server.stop().await;
        }
    }
}

/// Logs the bot in; `None` when it was told to stop meanwhile.
///
/// # Errors
/// Exit 78 when Discord refuses the bot, 1 when it cannot be reached.
pub(super) async fn log_in(
    config: &Config,
    place: &Place,
    stop: &CancellationToken,
) -> Result<Option<(Bot, EventStream)>, Failure> {
    let voice = config.voice;
    let mut bot = BotConfig::new(place.token.clone(), place.api.clone());
    bot.ca_pem = place.ca_pem.clone();
    bot.intents = mynah_host::intents(&plugins::specs(config));
    bot.shards = config.discord.shards;
    bot.dave = voice.dave;
    bot.allow_legacy_modes = voice.allow_legacy_modes;
    bot.bitrate = voice.bitrate_bps.map_or(Bitrate::Auto, Bitrate::Fixed);
    bot.complexity = voice.complexity;
    bot.duck = ducking(voice.mix);
    bot.fifo = voice.realtime;
    bot.tick_threads = voice.threads;
    bot.presence = Some(config.discord.status.presence());
    bot.reconnect_give_up = voice.reconnect_give_up;
    bot.cache_dir = config.paths.cache.clone();
    bot.max_fetch_bytes = config.net.max_body_bytes;
    bot.loudness_lufs = loudness(config);
    bot.fetch_timeout = config.net.timeout;
    bot.fetch_redirects = config.net.max_redirects;
    bot.fetch_origins = place.fetch_origins.clone();
    bot.request_origins = plugins::request_origins(config);
    let mut started = Bot::start_unless(bot.clone(), stop.cancelled()).await;
    if matches!(&started, Err(error) if asks_too_much(error)) && bot.intents & MESSAGE_CONTENT != 0
    {
        tracing::warn!(
            "Discord does not let this bot read messages: it goes on without (to change that: \
             https://discord.com/developers/applications, your application, Bot, Message Content \
             Intent; or set [plugins.tts] auto_read = false)"
        );
        bot.intents &= !MESSAGE_CONTENT;
        started = Bot::start_unless(bot, stop.cancelled()).await;
    }
    started.map_err(|error| refused(&error, place))
}

/// Close code 4014: an intent that the application has not been given.
fn asks_too_much(error: &StartError) -> bool {
    matches!(
        error,
        StartError::Gateway(StopReason::Fatal { code: 4014, .. })
    )
}

/// `[plugins.music] loudness_lufs`; it stands with the music, and the engine does it.
fn loudness(config: &Config) -> Option<f32> {
    let music = config.plugins.iter().find(|plugin| plugin.id == "music")?;
    let settings: mynah_music::Config = serde_json::from_value(music.settings.clone()).ok()?;
    settings.loudness_lufs.target().ok().flatten()
}

/// The rules of `[voice.mix]`; what a notice does, and how fast, is as in the house.
fn ducking(mix: Mix) -> DuckMatrix {
    let ms = |time: Duration| time.as_secs_f32() * 1000.0;
    let talk = mix.human;
    let rules = DuckMatrix::HOUSE
        .with(Lane::Speech, Lane::Bed, mix.duck_speech_db)
        .with(Lane::Fx, Lane::Bed, mix.duck_fx_db);
    match talk.enabled {
        true => rules
            .with_human(talk.db)
            .with_human_glide(ms(talk.attack), ms(talk.release)),
        false => rules,
    }
}

/// The bot's name, for people.
pub(super) async fn name(bot: &Bot) -> String {
    let me = bot.rest("GET", "/users/@me", None, Vec::new()).await;
    me.ok()
        .and_then(|me| me.get("username")?.as_str().map(str::to_owned))
        .unwrap_or_else(|| bot.user_id().to_string())
}

/// Discord ended it for good while the bot was running: on the gateway, or on a voice server that
/// demands other end-to-end encryption.
pub(super) fn ended(reason: Option<StopReason>) -> Failure {
    match reason {
        Some(StopReason::Fatal {
            code,
            meaning,
            remedy,
            ..
        }) => Failure::config(
            format!("Discord ended the connection: {meaning} (close {code})"),
            remedy,
        ),
        _ => Failure::failed("the connection to the gateway ended", ""),
    }
}

fn refused(error: &StartError, place: &Place) -> Failure {
    let message = chain(error);
    if error.is_credentials() {
        let help = "reset it at https://discord.com/developers/applications (your application, Bot, \
                    Reset Token)\nand put the new one where the old one was";
        return Failure::config(
            message,
            if message_is_about_token(error) {
                help
            } else {
                ""
            },
        );
    }
    let help = "is this machine online, is that server up, and is [discord] api its address?";
    Failure::failed(format!("cannot log in at {}: {message}", place.api), help)
}

fn message_is_about_token(error: &StartError) -> bool {
    match error {
        StartError::Rest(RestError::Unauthorized) => true,
        StartError::Gateway(StopReason::Fatal { code, .. }) => *code == 4004,
        _ => false,
    }
}

fn read_pem(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path)
        .map_err(|error| Failure::config(format!("cannot read {}: {error}", path.display()), ""))
}

/// `http://127.0.0.1:8080` of a URL, for URLs without encryption: those are on this machine, the
/// configuration takes no others.
fn origin(url: &str) -> Option<String> {
    let rest = url.strip_prefix("http://")?;
    Some(format!("http://{}", rest.split('/').next()?))
}
