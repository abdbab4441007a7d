//! Playing and stopping.

use std::path::PathBuf;

use mynah_plugin::{
    ChannelId, Cx, Error, GuildId, Interaction, Kind, Lane, PlayOptions, Playable, Reply, Result,
    Track, VoiceState,
};

use super::commands::MOST_TIMES;
use super::{Soundboard, words};
use crate::core::voices::Playing;
use crate::core::{Sound, Viewer, search};

/// What somebody wants to hear.
struct Wish {
    guild: GuildId,
    viewer: Viewer,
    sound: i64,
    /// Percent, instead of the sound's own.
    volume: Option<u16>,
    /// How often in all.
    times: u8,
}

/// A sound as the host is to play it.
struct Ready {
    path: PathBuf,
    volume: u16,
    /// What the answer says.
    says: String,
}

impl Soundboard {
    pub(super) fn play_command(
        &mut self,
        cx: &mut Cx<'_, Self>,
        asked: Interaction,
        guild: GuildId,
    ) {
        let viewer = self.viewer(&asked);
        let name = asked.text("name").unwrap_or_default();
        let found = self.library(guild).and_then(|all| all.find(name, viewer));
        let Some(sound) = found.map(|sound| sound.id) else {
            return cx.detach("an answer", asked.refuse(words::no_such(name)));
        };
        let times = asked.integer("repeat").unwrap_or(1).clamp(1, MOST_TIMES);
        let volume = asked.integer("volume");
        let volume = volume.map(|percent| percent.clamp(1, 200) as u16);
        let wish = Wish {
            guild,
            viewer,
            sound,
            volume,
            times: times as u8,
        };
        self.wish(cx, asked, wish);
    }

    pub(super) fn play_button(
        &mut self,
        cx: &mut Cx<'_, Self>,
        asked: Interaction,
        guild: GuildId,
        sound: i64,
    ) {
        let viewer = self.viewer(&asked);
        let wish = Wish {
            guild,
            viewer,
            sound,
            volume: None,
            times: 1,
        };
        self.wish(cx, asked, wish);
    }

    pub(super) fn random(
        &mut self,
        cx: &mut Cx<'_, Self>,
        asked: Interaction,
        guild: GuildId,
        tag: Option<&str>,
    ) {
        let (viewer, roll) = (self.viewer(&asked), self.roll(cx));
        let library = self.library(guild);
        let found = library.and_then(|all| search::random(all, tag, viewer, roll));
        let Some(sound) = found.map(|sound| sound.id) else {
            let none = match tag {
                Some(_) => words::NONE_WITH_TAG,
                None => words::EMPTY,
            };
            return cx.detach("an answer", asked.refuse(none));
        };
        self.play_button(cx, asked, guild, sound);
    }

    /// Finds out where everybody is, then plays.
    fn wish(&mut self, cx: &mut Cx<'_, Self>, asked: Interaction, wish: Wish) {
        let state = cx.voice().state(wish.guild, asked.user_id());
        cx.spawn(state, move |board: &mut Self, cx, state| match state {
            Ok(state) => board.place(cx, asked, wish, &state),
            Err(error) => {
                error.log(cx, "finding out who is in which voice channel");
                cx.detach("an answer", asked.refuse(broken(&error)));
            }
        });
    }

    /// Everybody is where they are: judges and begins.
    fn place(&mut self, cx: &mut Cx<'_, Self>, asked: Interaction, wish: Wish, state: &VoiceState) {
        let joining = self.rooms.get(&wish.guild).and_then(|room| room.joining);
        let is_there = state.bot_channel_id.is_some();
        let join = match (state.channel_id, state.bot_channel_id.or(joining)) {
            (None, _) => return cx.detach("an answer", asked.refuse(words::NO_CHANNEL)),
            (Some(yours), Some(mine)) if yours != mine => {
                let words = format!("I am in <#{mine}>. Come there to play sounds.");
                return cx.detach("an answer", asked.refuse(words));
            }
            (Some(_), Some(_)) if is_there => None,
            (Some(yours), _) => Some(yours),
        };
        let ready = match self.ready(cx, &wish) {
            Ok(ready) => ready,
            Err(words) => return cx.detach("an answer", asked.refuse(words)),
        };
        self.begin(cx, asked, wish, ready, join);
    }

    /// Whether it may be heard now; notes that it is.
    fn ready(&mut self, cx: &Cx<'_, Self>, wish: &Wish) -> Result<Ready, String> {
        let now_ms = cx.now_us() / 1_000;
        let gone = || words::GONE.to_owned();
        let room = self.rooms.get_mut(&wish.guild).ok_or_else(gone)?;
        let sound = room.library.get(wish.sound, wish.viewer).ok_or_else(gone)?;
        let rest_ms = u64::from(sound.rest_s) * 1_000;
        let asked = room.pace.ask(now_ms, wish.viewer.user, sound.id, rest_ms);
        asked.map_err(|wait| wait.words())?;
        Ok(Ready {
            path: self.shelf.file(wish.guild.get(), sound),
            volume: wish.volume.unwrap_or(sound.volume),
            says: said(sound, wish.times),
        })
    }

    fn begin(
        &mut self,
        cx: &mut Cx<'_, Self>,
        asked: Interaction,
        wish: Wish,
        ready: Ready,
        join: Option<ChannelId>,
    ) {
        let (voice, guild, line) = (cx.voice(), wish.guild, asked.clone());
        let (what, how) = track(&ready.path, ready.volume);
        let is_button = asked.kind() == Kind::Component;
        if let (Some(room), Some(_)) = (self.rooms.get_mut(&guild), join) {
            room.joining = join;
        }
        let work = async move {
            if let Some(channel) = join {
                // Joining may take longer than Discord waits for an answer.
                match is_button {
                    true => line.defer_update().await?,
                    false => line.defer(false).await?,
                }
                voice.join(guild, channel).await?;
            }
            voice.play(guild, what, how).await
        };
        cx.spawn(work, move |board: &mut Self, cx, track| {
            if let (Some(room), Some(_)) = (board.rooms.get_mut(&guild), join) {
                room.joining = None;
            }
            if let Ok(track) = &track {
                board.heard(cx, &wish, ready.volume, *track);
            }
            tell(cx, &asked, track.map(|_| ready.says), join.is_some());
        });
    }

    /// It sounds: the oldest makes room, and it counts.
    fn heard(&mut self, cx: &mut Cx<'_, Self>, wish: &Wish, volume: u16, track: Track) {
        let playing = Playing {
            track: track.get(),
            sound: wish.sound,
            user: wish.viewer.user,
            again: wish.times.saturating_sub(1),
            volume,
        };
        self.sounds(cx, wish.guild, playing);
        if let Some(room) = self.rooms.get_mut(&wish.guild) {
            room.library.played(wish.sound);
        }
        if let Err(error) = self.shelf.played(wish.sound) {
            cx.warn(&format!("{error}; {}", error.remedy()));
        }
    }

    fn sounds(&mut self, cx: &mut Cx<'_, Self>, guild: GuildId, playing: Playing) {
        let most = self.config.polyphony;
        let over = match self.rooms.get_mut(&guild) {
            Some(room) => room.voices.begin(playing, most),
            None => vec![playing],
        };
        hush(cx, &over);
    }

    /// A track is over. `whole`: it was heard to its end, and may be heard again.
    pub(super) fn ended(
        &mut self,
        cx: &mut Cx<'_, Self>,
        guild: GuildId,
        track: Track,
        whole: bool,
    ) {
        let room = self.rooms.get_mut(&guild);
        let over = room.and_then(|room| room.voices.ended(track.get()));
        let Some(again) = over.filter(|over| whole && over.again > 0) else {
            return;
        };
        let all = Viewer {
            user: again.user,
            manages: true,
        };
        let found = self
            .library(guild)
            .and_then(|library| library.get(again.sound, all));
        let Some(sound) = found else { return };
        let (what, how) = self::track(&self.shelf.file(guild.get(), sound), again.volume);
        let next = cx.voice().play(guild, what, how);
        cx.spawn(next, move |board: &mut Self, cx, next| match next {
            Ok(track) => {
                let (track, again) = (
                    track.get(),
                    Playing {
                        again: again.again - 1,
                        ..again
                    },
                );
                board.sounds(cx, guild, Playing { track, ..again });
            }
            Err(error) => error.log(cx, "playing a sound once more"),
        });
    }

    pub(super) fn stop(
        &mut self,
        cx: &mut Cx<'_, Self>,
        asked: Interaction,
        guild: GuildId,
        all: bool,
    ) {
        let viewer = self.viewer(&asked);
        if !all || viewer.manages {
            return self.stopped(cx, &asked, guild, (!all).then_some(viewer.user));
        }
        // Whoever listens alone disturbs nobody.
        let (voice, user) = (cx.voice(), asked.user_id());
        let alone = async move {
            let state = voice.state(guild, user).await?;
            let Some(channel) = state
                .bot_channel_id
                .filter(|mine| state.channel_id == Some(*mine))
            else {
                return Ok(false);
            };
            Ok(voice.others(guild, channel).await? == [user])
        };
        cx.spawn(
            alone,
            move |board: &mut Self, cx, alone: Result<bool>| match alone.unwrap_or(false) {
                true => board.stopped(cx, &asked, guild, None),
                false => cx.detach("an answer", asked.refuse(words::NOT_ALL)),
            },
        );
    }

    fn stopped(
        &mut self,
        cx: &mut Cx<'_, Self>,
        asked: &Interaction,
        guild: GuildId,
        whose: Option<u64>,
    ) {
        let room = self.rooms.get_mut(&guild);
        let over = room.map(|room| room.voices.take(whose)).unwrap_or_default();
        hush(cx, &over);
        let answer = match (over.len(), whose, asked.kind()) {
            (0, Some(_), _) => asked.refuse(words::NOTHING_PLAYS),
            (0, None, _) => asked.refuse(words::NOTHING_AT_ALL),
            (_, _, Kind::Component) => asked.defer_update(),
            (1, ..) => asked.refuse("Stopped."),
            (many, ..) => asked.refuse(format!("Stopped {many} sounds.")),
        };
        cx.detach("an answer", answer);
    }
}

/// Says that it sounds, or why not. `deferred`: "thinking" is shown, or the button was acknowledged.
fn tell(cx: &mut Cx<'_, Soundboard>, asked: &Interaction, played: Result<String>, deferred: bool) {
    let is_button = asked.kind() == Kind::Component;
    match (played, is_button, deferred) {
        // It is heard; the board stays as it is.
        (Ok(_), true, true) => {}
        (Ok(_), true, false) => cx.detach("an answer", asked.defer_update()),
        (Ok(says), false, true) => cx.detach("an answer", asked.edit(Reply::text(says))),
        (Ok(says), false, false) => cx.detach("an answer", asked.reply(Reply::text(says))),
        (Err(error), ..) => {
            error.log(cx, "playing a sound");
            let words = Reply::text(broken(&error)).ephemeral();
            match (is_button, deferred) {
                (true, true) => cx.detach("an answer", asked.followup(words)),
                (false, true) => cx.detach("an answer", asked.edit(words)),
                (_, false) => cx.detach("an answer", asked.reply(words)),
            }
        }
    }
}

/// Ends tracks; they are forgotten already.
pub(super) fn hush(cx: &mut Cx<'_, Soundboard>, over: &[Playing]) {
    for one in over {
        let stop = cx.voice().stop(Track::new(one.track));
        // It may just have ended by itself.
        cx.spawn(stop, |_, cx, stopped: Result<()>| {
            if let Err(error) = stopped {
                cx.debug(&format!("stopping a sound: {error}"));
            }
        });
    }
}

fn track(path: &std::path::Path, volume: u16) -> (Playable, PlayOptions) {
    let how = PlayOptions {
        gain: f32::from(volume) / 100.0,
        lane: Lane::Fx,
        ..PlayOptions::default()
    };
    (Playable::Path(path.display().to_string()), how)
}

fn said(sound: &Sound, times: u8) -> String {
    let emoji = sound.emoji.as_deref().unwrap_or("🔊");
    let times = match times {
        0 | 1 => String::new(),
        more => format!(" ×{more}"),
    };
    format!("{emoji} `{}`{times}", sound.name)
}

/// Why it cannot be heard.
fn broken(error: &Error) -> String {
    match error {
        // The path is the operator's business.
        Error::Invalid(_) => "Its file is missing. Whoever added it may add it again.".to_owned(),
        error => format!("It cannot be played right now: {error}."),
    }
}
