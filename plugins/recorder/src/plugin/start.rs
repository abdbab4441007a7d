//! From `/record start` to the first packet: join, let people know, listen, write. In that order, so
//! that nothing is written of anybody who could not know.

use std::collections::BTreeMap;
use std::sync::Arc;

use mynah_plugin::{
    ChannelId, Cx, Error, Fade, GuildId, Host, Interaction, Lane, PlayOptions, Playable, Reply,
    Result, UserId, VoiceState, Want,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::room::Room;
use super::scribe::{Job, Scribe};
use super::sink::Ear;
use super::{Indicator, Recorder, wall_ms, words};
use crate::core::disk::{Room as Space, free_bytes};
use crate::core::recording::Plan;
use crate::core::shelf;

/// Before the bot's name while it records.
pub(super) const PREFIX: &str = "🔴 ";
/// The setting that names the channel for panels.
const POST: &str = "post";
/// Discord takes no longer nickname.
const LONGEST_NICK: usize = 32;

/// What is to be recorded.
#[derive(Clone)]
pub(super) struct Wish {
    pub guild: GuildId,
    /// `None`: where the starter is.
    pub channel: Option<ChannelId>,
    pub text: ChannelId,
    pub starter: UserId,
    pub title: String,
    pub previous: Option<String>,
}

/// What is ready for it.
pub(super) struct Ready {
    channel: ChannelId,
    /// Who is there.
    present: Vec<UserId>,
    /// The bot came for this.
    came: bool,
    nick_before: Option<Option<String>>,
}

#[derive(Deserialize)]
struct Myself {
    id: UserId,
}

#[derive(Deserialize)]
struct Member {
    nick: Option<String>,
    user: Names,
}

#[derive(Deserialize)]
struct Names {
    username: String,
    global_name: Option<String>,
}

impl Recorder {
    pub(super) fn start_command(
        &mut self,
        cx: &mut Cx<'_, Self>,
        asked: Interaction,
        guild: GuildId,
    ) {
        let refusal = match self.rooms.get(&guild) {
            Some(room) if room.ending => Some(words::ENDS.to_owned()),
            Some(_) => Some(words::RUNS_ALREADY.to_owned()),
            None if self.starting.contains(&guild) => Some(words::STARTS_ALREADY.to_owned()),
            None => self.no_room(guild),
        };
        if let Some(refusal) = refusal {
            return cx.detach("an answer", asked.refuse(refusal));
        }
        if let Some(post) = asked.channel("post") {
            let post = post.to_string();
            if let Err(error) = self.index().set(&guild.to_string(), POST, Some(&post)) {
                cx.warn(&format!("where to post cannot be remembered: {error}"));
            }
        }
        let here = asked.channel_id().unwrap_or(ChannelId::new(0)); // Discord always names it
        let wish = Wish {
            guild,
            channel: asked.channel("channel"),
            text: asked
                .channel("post")
                .or(self.post_channel(guild))
                .unwrap_or(here),
            starter: asked.user_id(),
            title: asked
                .text("title")
                .unwrap_or_default()
                .chars()
                .take(100)
                .collect(),
            previous: None,
        };
        self.starting.insert(guild);
        let (ready, deferred) = (self.ready(cx, wish.clone()), asked.defer(false));
        let work = async move {
            let deferred = deferred.await;
            (deferred, ready.await)
        };
        cx.spawn(work, move |recorder, cx, (deferred, ready)| {
            if let Err(error) = deferred {
                error.log(cx, "saying that it takes a moment");
            }
            let outcome = recorder.begin(cx, &wish, ready);
            let text = match outcome {
                Ok(()) => recorder.begun(guild),
                Err(words) => words,
            };
            cx.detach("an answer", asked.edit(Reply::text(text)));
        });
    }

    /// Where this server wants to see how its recordings go.
    pub(super) fn post_channel(&self, guild: GuildId) -> Option<ChannelId> {
        let setting = self.index().setting(&guild.to_string(), POST).ok()??;
        setting.parse().ok()
    }

    /// Why nothing can be written, if that is so.
    fn no_room(&self, guild: GuildId) -> Option<String> {
        let free = match free_bytes(&self.folder) {
            Ok(free) => free,
            Err(error) => return Some(format!("I cannot write: {error}; {}.", error.remedy())),
        };
        if self.config.limits().room.judge(free) == Space::Out {
            return Some(format!(
                "The disk is nearly full: {} are left. The operator has to make room.",
                super::room::size(free)
            ));
        }
        let sums = self.index().sums(&guild.to_string());
        let taken = sums.map_or(0, |(_, bytes)| bytes);
        (taken >= self.config.guild_bytes()).then(|| {
            format!(
                "This server's recordings take {} already, which is all they may. `/record delete` \
                 makes room.",
                super::room::size(taken)
            )
        })
    }

    /// Joins and lets people know.
    pub(super) fn ready(
        &self,
        cx: &Cx<'_, Self>,
        wish: Wish,
    ) -> impl Future<Output = std::result::Result<Ready, String>> + use<> {
        let host = cx.host();
        let nickname = self.config.tells_by(Indicator::Nickname);
        let clip = self.config.tells_by(Indicator::Clip);
        let begin = self.tones.begin.display().to_string();
        async move {
            let state = host.voice().state(wish.guild, wish.starter).await;
            let VoiceState {
                channel_id,
                bot_channel_id,
            } = state.map_err(|error| error.to_string())?;
            let channel = wish.channel.or(channel_id).ok_or(words::NO_CHANNEL)?;
            if bot_channel_id != Some(channel) {
                let joined = host.voice().join(wish.guild, channel).await;
                joined.map_err(|error| format!("I cannot join <#{channel}>: {error}"))?;
            }
            let present = host.voice().people(wish.guild, channel).await;
            let mut ready = Ready {
                channel,
                present: present.unwrap_or_default(),
                came: bot_channel_id.is_none(),
                nick_before: None,
            };
            if nickname {
                ready.nick_before = put_dot(&host, wish.guild).await.ok();
            }
            let mut heard = false;
            if clip {
                heard = play(&host, wish.guild, begin).await.is_ok();
            }
            if ready.nick_before.is_none() && !heard {
                undo(&host, wish.guild, &ready).await;
                return Err(words::NO_INDICATOR.to_owned());
            }
            Ok(ready)
        }
    }

    /// Listens and writes.
    pub(super) fn begin(
        &mut self,
        cx: &mut Cx<'_, Self>,
        wish: &Wish,
        ready: std::result::Result<Ready, String>,
    ) -> std::result::Result<(), String> {
        self.starting.remove(&wish.guild);
        let ready = ready?;
        for user in &ready.present {
            self.people.there(wish.guild, ready.channel, *user);
        }
        match self.record(cx, wish, &ready) {
            Ok(()) => {
                pin(cx, wish.guild, ready.channel);
                self.name_all(cx, wish.guild, &ready.present);
                self.introduce(cx, wish.guild);
                Ok(())
            }
            Err(words) => {
                let (host, guild) = (cx.host(), wish.guild);
                cx.spawn(
                    async move { undo(&host, guild, &ready).await },
                    |_, _, ()| {},
                );
                Err(words)
            }
        }
    }

    fn record(
        &mut self,
        cx: &mut Cx<'_, Self>,
        wish: &Wish,
        ready: &Ready,
    ) -> std::result::Result<(), String> {
        let guild = wish.guild;
        let mut excluded = self
            .privacy
            .of(guild.get())
            .map_err(|error| {
                format!(
                    "I cannot read who does not want to be recorded, so I record nobody: {error}"
                )
            })?
            .clone();
        let (started_us, started_ms) = (cx.now_us(), wall_ms());
        let id = free_id(&self.folder.join(guild.to_string()), started_ms);
        let plan = Plan {
            id: id.clone(),
            guild: guild.get(),
            channel: ready.channel.get(),
            // Who opted out is named nowhere, as nobody's number.
            starter: match excluded.contains(wish.starter.get()) {
                true => 0,
                false => wish.starter.get(),
            },
            title: wish.title.clone(),
            consent: "notice".into(),
            previous: wish.previous.clone(),
            started_ms,
            limits: self.config.limits(),
        };
        let scribe = Scribe::begin(&self.folder, plan, excluded, Arc::clone(&self.library))
            .map_err(|error| {
                cx.error(&format!("a recording cannot be begun: {error}"));
                format!("I cannot write the recording: {error}; {}.", error.remedy())
            })?;
        let want = Want {
            packets: true,
            lanes: self.config.record_bot_lanes,
            ..Want::default()
        };
        let ear = Ear::new(scribe.pen(), started_us);
        let listening = match cx.listen(guild, want, ear) {
            Ok(listening) => listening,
            Err(error) => {
                let folder = scribe.folder.clone();
                // The ear was dropped with the refusal, so the thread ends.
                scribe.join();
                let _ = shelf::delete(&folder);
                let _ = self.index().remove(&guild.to_string(), &id);
                return Err(format!("I cannot listen: {error}"));
            }
        };
        let room = Room {
            guild,
            id,
            channel: ready.channel,
            text: wish.text,
            title: wish.title.clone(),
            starter: wish.starter,
            said_us: BTreeMap::new(),
            scribe,
            listening,
            started_us,
            paused: false,
            empty_us: None,
            lost_us: None,
            nick_before: ready.nick_before.clone(),
            me: self.me,
            came: ready.came,
            panel: None,
            editing: false,
            stale: false,
            shown: String::new(),
            ending: false,
            waiting: Vec::new(),
            kept: false,
            told_overrun: 0,
        };
        self.rooms.insert(guild, room);
        self.remember_sign(cx, guild);
        Ok(())
    }

    /// Writes down who is there, and shows the panel.
    fn introduce(&mut self, cx: &mut Cx<'_, Self>, guild: GuildId) {
        let Some(room) = self.rooms.get(&guild) else {
            return;
        };
        for (user, person) in self.people.of(guild, room.channel) {
            if Some(user) == self.me || room.is_excluded(user.get()) {
                continue;
            }
            room.scribe
                .order(Job::Name(user.get(), person.name.clone()));
            let (user, name) = (user.to_string(), person.name.clone());
            let came = crate::core::events::Event::Join {
                user: user.clone(),
                name,
            };
            let told = crate::core::events::Event::Consent {
                user,
                what: "told".into(),
            };
            room.scribe.order(Job::Event(0, came));
            room.scribe.order(Job::Event(0, told));
        }
        if self.config.tells_by(Indicator::Panel) {
            self.post_panel(cx, guild);
        }
        self.keep_looking(cx);
    }

    /// Asks for the names that the gateway has not told.
    fn name_all(&self, cx: &mut Cx<'_, Self>, guild: GuildId, present: &[UserId]) {
        for user in present {
            let known = self.people.name(guild, *user);
            if known.is_some_and(|name| name != user.to_string()) || Some(*user) == self.me {
                continue;
            }
            let (user, path) = (*user, format!("/guilds/{guild}/members/{user}"));
            let asked = cx.host().rest("GET", &path, Value::Null);
            cx.spawn(
                asked.read(),
                move |recorder: &mut Self, cx, member| match member {
                    Ok(member) => {
                        recorder.people.member(guild, &member);
                        let name = recorder.people.name(guild, user).unwrap_or_default();
                        if let Some(room) = recorder.rooms.get(&guild) {
                            room.scribe.order(Job::Name(user.get(), name.to_owned()));
                        }
                        recorder.show(cx, guild);
                    }
                    Err(error) => error.log(cx, "asking what somebody is called"),
                },
            );
        }
    }

    fn begun(&self, guild: GuildId) -> String {
        let Some(room) = self.rooms.get(&guild) else {
            return words::ENDS.to_owned();
        };
        format!(
            "🔴 Recording <#{}>. `/record stop` ends it; whoever does not want to be recorded says \
             `/record optout`. (`{}`)",
            room.channel, room.id
        )
    }

    /// One note for somebody who came later.
    pub(super) fn chime(&self, cx: &mut Cx<'_, Self>, guild: GuildId) {
        if self.config.tells_by(Indicator::Clip) {
            let (host, chime) = (cx.host(), self.tones.chime.display().to_string());
            cx.detach("the note for somebody who came", async move {
                play(&host, guild, chime).await
            });
        }
    }

    /// A crash may have left the dot before the name.
    pub(super) fn repair_nick(&self, cx: &mut Cx<'_, Self>, guild: GuildId) {
        let host = cx.host();
        cx.detach("the name I had before", async move {
            let before = own_nick(&host, guild).await?.0;
            set_nick(&host, guild, before.as_deref()).await
        });
    }
}

/// An id after the clock; the second of a second gets another one.
fn free_id(folder: &std::path::Path, now_ms: u64) -> String {
    let id = crate::core::stamp(now_ms);
    let mut ids = (2..).map(|number| format!("{id}-{number}"));
    let mut free = id.clone();
    while folder.join(&free).exists() {
        free = ids.next().unwrap_or_else(|| id.clone());
    }
    free
}

async fn play(host: &Host, guild: GuildId, path: String) -> Result<()> {
    let options = PlayOptions {
        lane: Lane::Notice,
        fade_in: Some(Fade::over(std::time::Duration::from_millis(5))),
        ..PlayOptions::default()
    };
    let played = host
        .voice()
        .play(guild, Playable::Path(path), options)
        .await;
    played.map(|_| ())
}

/// The nickname without the dot, and the name that people see.
async fn own_nick(host: &Host, guild: GuildId) -> Result<(Option<String>, String)> {
    let me: Myself = host.rest("GET", "/users/@me", Value::Null).read().await?;
    let path = format!("/guilds/{guild}/members/{}", me.id);
    let member: Member = host.rest("GET", &path, Value::Null).read().await?;
    let Names {
        username,
        global_name,
    } = member.user;
    let plain = |nick: String| nick.strip_prefix(PREFIX).map(str::to_owned).unwrap_or(nick);
    let shown = global_name.unwrap_or(username);
    let nick = member.nick.map(plain).filter(|nick| *nick != shown);
    let name = nick.clone().unwrap_or(shown);
    Ok((nick, name))
}

/// Puts the dot before the name; the nickname there was.
async fn put_dot(host: &Host, guild: GuildId) -> Result<Option<String>> {
    let (before, name) = own_nick(host, guild).await?;
    let dotted: String = format!("{PREFIX}{name}")
        .chars()
        .take(LONGEST_NICK)
        .collect();
    set_nick(host, guild, Some(&dotted)).await?;
    Ok(before)
}

pub(super) async fn set_nick(host: &Host, guild: GuildId, nick: Option<&str>) -> Result<()> {
    let path = format!("/guilds/{guild}/members/@me");
    host.rest("PATCH", &path, json!({ "nick": nick }))
        .unit()
        .await
}

/// Takes back what was done for a recording that does not begin.
async fn undo(host: &Host, guild: GuildId, ready: &Ready) {
    if let Some(before) = &ready.nick_before {
        let _: Result<(), Error> = set_nick(host, guild, before.as_deref()).await;
    }
    if ready.came {
        let _ = host.voice().leave(guild).await;
    }
}

/// Others may play there meanwhile, and leave the bot where it is.
pub(super) fn pin(cx: &mut Cx<'_, Recorder>, guild: GuildId, channel: ChannelId) {
    let why = "a recording runs here. `/record stop` ends it.";
    let pinned = cx.voice().pin(guild, channel, why);
    cx.detach("staying where people are recorded", pinned);
}
