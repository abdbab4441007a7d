//! [`Runner`] for the real bot: ops become calls of the engine.

use crate::{BoxFuture, Call, Ingest, Listens, OpError, Outcome, Runner, What, sound};
use mynah_engine::{
    Bot, File, Info, IngestError, Listening, Live, PlayError, PlayOptions, PlayWhat, RestError,
    TrackId, VoiceError, VoiceStatus, Want, ear::Heard,
};
use mynah_wire::GuildId;
use serde_json::{Value, json};
use std::io::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

impl Runner for Bot {
    fn application_id(&self) -> u64 {
        Self::application_id(self).get()
    }

    fn run(&self, call: Call) -> BoxFuture<Outcome> {
        let bot = self.clone();
        Box::pin(async move { run(&bot, call).await })
    }

    fn voice_status(&self, guild: GuildId) -> BoxFuture<Option<VoiceStatus>> {
        let bot = self.clone();
        Box::pin(async move { Self::voice_status(&bot, guild).await })
    }

    fn listen(&self, guild: GuildId, want: Want) -> Result<Box<dyn Listens>, OpError> {
        let listening = Self::listen(self, guild, want).map_err(voice_error)?;
        Ok(Box::new(listening))
    }

    fn play_live(&self, guild: GuildId, live: Live, how: PlayOptions) -> Result<u64, OpError> {
        let track = Self::play_live(self, guild, live, how).map_err(voice_error)?;
        Ok(track.0)
    }
}

impl Listens for Listening {
    fn next(&mut self) -> Option<Heard> {
        Self::next(self)
    }

    fn is_over(&self) -> bool {
        Self::is_over(self)
    }
}

async fn run(bot: &Bot, call: Call) -> Outcome {
    match call {
        Call::Rest {
            method,
            path,
            body,
            files,
        } => {
            let files = files
                .into_iter()
                .map(|file| File {
                    name: file.name,
                    content_type: file.content_type,
                    bytes: file.bytes,
                })
                .collect();
            bot.rest(&method, &path, body, files)
                .await
                .map_err(rest_error)
        }
        Call::Join(guild, channel) => {
            bot.join(guild, channel).await.map_err(voice_error)?;
            Ok(json!({ "unheard": bot.speak_up(guild).await }))
        }
        Call::Leave(guild) => {
            bot.leave(guild).await;
            Ok(Value::Null)
        }
        Call::State(guild, user) => Ok(json!({
            "channel_id": bot.voice_channel_of(guild, user),
            "bot_channel_id": bot.connected_channel(guild),
        })),
        Call::People(guild, channel) => Ok(json!({
            "user_ids": bot.users_in(guild, channel),
            "bot_id": bot.user_id(),
        })),
        Call::Play(play) => {
            let what = play_what(play.what);
            track(bot.play(play.guild, what, play.options).await)
        }
        Call::Next(after, what, start) => {
            let what = play_what(what);
            track(bot.play_next(TrackId(after), what, start).await)
        }
        Call::CancelNext(track) => done(bot.cancel_next(TrackId(track)).await),
        Call::Pause(track) => done(bot.pause(TrackId(track))),
        Call::Resume(track) => done(bot.resume(TrackId(track))),
        Call::Stop(track) => done(bot.stop(TrackId(track))),
        Call::StopWith(track, fade) => done(bot.stop_with(TrackId(track), fade)),
        Call::Gain(track, gain) => done(bot.set_gain(TrackId(track), gain)),
        Call::Fade(track, gain, fade) => done(bot.fade(TrackId(track), gain, fade)),
        Call::Repeat(track, forever) => {
            done(bot.set_repeat(TrackId(track), sound::repeat(forever)))
        }
        Call::Filters(track, filters) => done(bot.set_filters(TrackId(track), *filters)),
        Call::Position(track) => {
            let position = bot.position(TrackId(track));
            Ok(json!({ "position_ms": position.map(ms) }))
        }
        Call::Probe(what) => Ok(info(bot.probe(play_what(what)).await.map_err(play_error)?)),
        Call::Ingest(ingest) => keep(bot, *ingest).await,
        Call::Ask(request) => match bot.request(&request).await {
            Ok(answer) => Ok(crate::call::web_answer(answer)),
            Err(error) => Err(OpError::Failed(error.to_string())),
        },
        Call::List(_)
        | Call::Pin(..)
        | Call::Unpin(_)
        | Call::Timer(_)
        | Call::Measure(_)
        | Call::StoreGet(_)
        | Call::StoreSet(..)
        | Call::StoreList(..) => Err(OpError::Unsupported("the host answers this itself".into())),
    }
}

/// Makes a sound ready and writes it into a folder, under its hash.
async fn keep(bot: &Bot, ingest: Ingest) -> Outcome {
    let made = bot.ingest(play_what(ingest.what), ingest.name, ingest.how);
    let made = made.await;
    let made = made.map_err(ingest_error)?;
    let path = Path::new(&ingest.dir).join(format!("{}.opus", made.sha256));
    let shown = path.display().to_string();
    let answer = json!({
        "path": shown, "sha256": made.sha256, "bytes": made.ogg.len(), "frames": made.frames,
        "lufs": finite(made.loudness.lufs), "true_peak_db": finite(made.loudness.true_peak_db),
        "is_cut": made.is_cut, "is_damaged": made.is_damaged,
    });
    let written = tokio::task::spawn_blocking(move || whole(&path, &made.ogg)).await;
    let written = written.map_err(|_| OpError::Closed("the bot is stopping".into()))?;
    written.map_err(|error| {
        // Where it lies is the operator's business alone: plugins show these words to people.
        tracing::error!(%error, path = %shown, "a sound cannot be written");
        OpError::Failed(format!("it could not be written: {error}"))
    })?;
    Ok(answer)
}

/// Under another name first: a file is there whole or not at all.
fn whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    /// Two may keep the same sound at once.
    static PARTS: AtomicU64 = AtomicU64::new(0);
    let number = PARTS.fetch_add(1, Ordering::Relaxed);
    let unfinished = path.with_extension(format!("part{number}"));
    let written = (|| {
        let mut file = std::fs::File::create(&unfinished)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&unfinished, path)
    })();
    if written.is_err() {
        // A full disk shall not fill with beginnings.
        let _ = std::fs::remove_file(&unfinished);
    }
    written
}

fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

fn ingest_error(error: IngestError) -> OpError {
    match error {
        // Words that say what to do already.
        IngestError::Play(error) if !matches!(error, PlayError::Media(_)) => play_error(error),
        other => OpError::Failed(format!("{other}; {}", other.remedy())),
    }
}

fn play_what(what: What) -> PlayWhat {
    match what {
        What::Path(path) => PlayWhat::Path(path.into()),
        What::Url(url) => PlayWhat::Url(url),
    }
}

fn track(played: Result<TrackId, PlayError>) -> Outcome {
    let track = played.map_err(play_error)?;
    Ok(json!({ "track": track.0 }))
}

fn done(result: Result<(), PlayError>) -> Outcome {
    result.map_err(play_error)?;
    Ok(Value::Null)
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn info(info: Info) -> Value {
    json!({
        "title": info.title, "artist": info.artist, "album": info.album,
        "duration_ms": info.duration.map(ms), "codec": info.codec, "container": info.container,
        "sample_rate_hz": info.sample_rate_hz, "channels": info.channels,
    })
}

fn rest_error(error: RestError) -> OpError {
    match error {
        RestError::Api {
            status,
            code,
            message,
            ..
        } => OpError::Discord {
            http: status,
            code,
            message,
        },
        RestError::RateLimited { .. } => OpError::Busy(error.to_string()),
        RestError::BadCall(_) => OpError::Invalid(error.to_string()),
        _ => OpError::Failed(error.to_string()),
    }
}

fn voice_error(error: VoiceError) -> OpError {
    match error {
        VoiceError::UnknownGuild(_) => OpError::Invalid(error.to_string()),
        VoiceError::NotConnected(_) | VoiceError::Closing => OpError::Closed(error.to_string()),
        VoiceError::Busy(_) => OpError::Busy(error.to_string()),
        _ => OpError::Failed(error.to_string()),
    }
}

fn play_error(error: PlayError) -> OpError {
    match error {
        PlayError::Voice(error) => voice_error(error),
        PlayError::Busy => OpError::Busy(error.to_string()),
        PlayError::UnknownTrack(_) => OpError::Closed(error.to_string()),
        other => OpError::Failed(other.to_string()),
    }
}
