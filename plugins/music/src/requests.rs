//! The core's requests in the words of the SDK.

use std::time::Duration;

use mynah_plugin::{Fade, Host, MediaInfo, PlayOptions, Playable, Result};

use crate::calls::{Call, Outcome};
use crate::library::Tags;
use crate::library::scan::{File, Listing};
use crate::queue::Origin;

/// Carries out a request; every failure becomes words for people.
pub(crate) async fn carry_out(host: Host, call: Call) -> Outcome {
    attempt(&host, call)
        .await
        .unwrap_or_else(|error| Outcome::Failed(error.to_string()))
}

async fn attempt(host: &Host, call: Call) -> Result<Outcome> {
    let voice = host.voice();
    let done = match call {
        Call::Join(guild, channel) => voice.join(guild, channel).await,
        Call::Leave(guild) => voice.leave(guild).await,
        Call::Pause(track) => voice.pause(track).await,
        Call::Resume(track) => voice.resume(track).await,
        Call::Stop(track) => voice.stop(track).await,
        Call::FadeOut(track, time) => voice.stop_with(track, Fade::over(time)).await,
        Call::Gain(track, gain) => voice.gain(track, gain).await,
        Call::Repeat(track, again) => voice.repeat(track, again).await,
        Call::Effect(track, effect) => voice.filters(track, &effect.filters()).await,
        Call::Cancel(track) => voice.cancel_next(track).await,
        Call::Next {
            after,
            origin,
            start,
        } => {
            return voice
                .play_next(after, playable(origin), start)
                .await
                .map(Outcome::Playing);
        }
        Call::Play {
            guild,
            origin,
            gain,
            start,
            paused,
            fade_in,
            repeat,
            effect,
        } => {
            let options = PlayOptions {
                gain,
                start,
                paused,
                fade_in: fade_in.map(Fade::over),
                repeat,
                filters: effect.filters(),
                ..PlayOptions::default()
            };
            return voice
                .play(guild, playable(origin), options)
                .await
                .map(Outcome::Playing);
        }
        Call::Position(track) => {
            let at = voice.position(track).await?;
            return Ok(at.map_or_else(
                || Outcome::Failed("the track is over".to_owned()),
                Outcome::Position,
            ));
        }
        Call::Probe(origin) => {
            let info = voice.probe(playable(origin)).await?;
            return Ok(Outcome::Tags(tags(info)));
        }
        Call::List(folder) => {
            let listing = host.files().list(folder.to_string_lossy()).await?;
            let file = |file: mynah_plugin::File| File {
                path: file.path.into(),
                stamp: (file.bytes, file.modified_s),
            };
            let files = listing.files.into_iter().map(file).collect();
            return Ok(Outcome::Listing(Listing {
                files,
                cut_short: listing.truncated,
            }));
        }
    };
    done.map(|()| Outcome::Done)
}

fn playable(origin: Origin) -> Playable {
    match origin {
        // Paths come from the host's own listings, which are text.
        Origin::File(path) => Playable::Path(path.to_string_lossy().into_owned()),
        Origin::Link(url) => Playable::Url(url),
    }
}

fn tags(info: MediaInfo) -> Tags {
    let length = info.duration().filter(|length| *length > Duration::ZERO);
    Tags {
        title: info.title,
        artist: info.artist,
        album: info.album,
        length,
    }
}
