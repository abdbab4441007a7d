//! /minutes listens to a meeting: `start`, `stop`. In the end there are two files in its folder, the
//! sound of everybody together (WAV) and how long each person spoke (text). People see it coming:
//! the answer is for everybody in the channel, and Discord shows that the bot is not deaf.
//!
//! Kept short on purpose. What a real recorder needs beside this (one track for each person, consent,
//! a disk that is full, a crash in the middle) is the built-in plugin `recorder`.

mod minutes;
mod wav;

use minutes::{Ear, Minutes};
use mynah_plugin::{
    About, ChannelId, Commands, Cx, Diagnostic, Error, Event, GuildId, Interaction, Listening,
    Need, Plugin, Reply, Result, Saved, Slash, UserId, VoiceKind, Want, Why,
};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::mpsc::Receiver;

/// Manage server: who may start a recording unless the server says otherwise (Discord, "Permissions").
const MANAGE_GUILD: u64 = 1 << 5;

/// A meeting for each server.
pub struct Meetings {
    folder: PathBuf,
    running: HashMap<GuildId, Meeting>,
}

struct Meeting {
    listening: Listening,
    channel: ChannelId,
    /// Comes when the ear is dropped: what was heard, and whether it was written.
    ended: Receiver<Minutes>,
}

/// `[plugins.meeting-recorder]`.
#[derive(Debug, serde::Deserialize)]
#[serde(default)]
pub struct Config {
    /// Where the files go; made if it is not there.
    pub folder: PathBuf,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            folder: "minutes".into(),
        }
    }
}

impl Plugin for Meetings {
    const ABOUT: About = About::new(
        "meeting-recorder",
        "Minutes",
        "1.0.0",
        "Writes down who spoke in a meeting, and what it sounded like.",
    )
    .needs(&[
        Need::required("commands", "to offer /minutes"),
        Need::required("voice.listen", "to hear the meeting"),
        Need::required("fs.write:*", "to write minutes into its folder"),
    ]);
    type Config = Config;

    fn check(config: &Config) -> Vec<Diagnostic> {
        if config.folder.as_os_str().is_empty() {
            return vec![Diagnostic::new("/folder", "the folder needs a name")];
        }
        Vec::new()
    }

    fn start(cx: &mut Cx<'_, Self>, config: Config, _: Option<Saved>) -> Result<Self> {
        let minutes = Slash::new("minutes", "Minutes of a meeting")
            .default_member_permissions(MANAGE_GUILD)
            .subcommand(Slash::new(
                "start",
                "Listens in your voice channel from now on",
            ))
            .subcommand(Slash::new("stop", "Ends it and shows who spoke"));
        cx.set_commands(&Commands::new().slash(minutes))?;
        Ok(Self {
            folder: config.folder,
            running: HashMap::new(),
        })
    }

    fn event(&mut self, cx: &mut Cx<'_, Self>, event: Event<'_>) -> Result<()> {
        match event {
            Event::Interaction(asked) => match (asked.guild_id(), asked.command()) {
                (Some(guild), "minutes start") => self.come(cx, &asked, guild),
                (Some(guild), "minutes stop") => self.end(cx, &asked, guild),
                _ => cx.detach("/minutes", asked.refuse("That works in servers only.")),
            },
            // Somebody took the bot out: the files are written already, only nobody was shown.
            Event::Voice(event) if matches!(event.kind, VoiceKind::Ended(_)) => {
                if let Some(meeting) = self.running.remove(&event.guild_id) {
                    cx.unlisten(meeting.listening);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn stop(self, cx: &mut Cx<'_, Self>, _: Why) {
        // The ears are dropped already: the files are whole.
        cx.debug(&format!("{} meetings ended with it", self.running.len()));
    }
}

impl Meetings {
    /// Goes to where the person is, then listens.
    fn come(&mut self, cx: &mut Cx<'_, Self>, asked: &Interaction, guild: GuildId) {
        if let Some(meeting) = self.running.get(&guild) {
            let words = format!(
                "I listen in <#{}> already; `/minutes stop` ends it.",
                meeting.channel
            );
            return cx.detach("start", asked.refuse(words));
        }
        let (voice, asked, user) = (cx.voice(), asked.clone(), asked.user_id());
        let coming = async move {
            asked.defer(false).await?;
            let state = voice.state(guild, user).await?;
            if let Some(channel) = state.channel_id
                && state.bot_channel_id != Some(channel)
            {
                voice.join(guild, channel).await?;
            }
            Ok::<_, Error>((asked, state.channel_id))
        };
        cx.spawn(coming, move |me: &mut Self, cx, came| match came {
            Ok((asked, channel)) => {
                let begun = match channel {
                    Some(channel) => me.begin(cx, guild, channel),
                    None => Err(Error::Invalid("Join a voice channel first.".into())),
                };
                let words = match begun {
                    Ok(words) => words,
                    Err(error) => error.to_string(),
                };
                cx.detach("start", asked.edit(words));
            }
            Err(error) => error.log(cx, "/minutes start"),
        });
    }

    fn begin(
        &mut self,
        cx: &mut Cx<'_, Self>,
        guild: GuildId,
        channel: ChannelId,
    ) -> Result<String> {
        // Somebody else may have been faster while the bot was on its way.
        if self.running.contains_key(&guild) {
            return Err(Error::Invalid("I listen already.".into()));
        }
        let (ear, ended) = Ear::open(&self.folder)
            .map_err(|error| Error::Failed(format!("I cannot write minutes: {error}")))?;
        let want = Want {
            pcm: true,
            mix: true,
            ..Want::default()
        };
        let listening = cx.listen(guild, want, ear)?;
        cx.metrics().counter("meetings").add(1);
        let meeting = Meeting {
            listening,
            channel,
            ended,
        };
        self.running.insert(guild, meeting);
        Ok(format!(
            "🔴 From now on <#{channel}> is recorded, with who speaks and for how long. `/minutes stop` ends it."
        ))
    }

    fn end(&mut self, cx: &mut Cx<'_, Self>, asked: &Interaction, guild: GuildId) {
        let Some(meeting) = self.running.remove(&guild) else {
            return cx.detach("stop", asked.refuse("There is no meeting I listen to."));
        };
        cx.unlisten(meeting.listening);
        let (asked, host) = (asked.clone(), cx.host());
        cx.detach("stop", async move {
            asked.defer(false).await?;
            // The sound thread drops the ear soon; a callback must not wait for it.
            for _ in 0..MAX_WAITS {
                if let Ok(minutes) = meeting.ended.try_recv() {
                    return asked.edit(Reply::text(minutes.words())).await;
                }
                host.sleep(std::time::Duration::from_millis(20)).await?;
            }
            asked.edit("The files are still being written.").await
        });
    }
}

/// Waits of 20 ms for the ear to be dropped: ten seconds.
const MAX_WAITS: u32 = 500;

/// A person, as a message shows them without calling them.
fn mention(user: UserId) -> String {
    format!("<@{user}>")
}

mynah_plugin::export!(Meetings);

#[cfg(test)]
mod tests;
