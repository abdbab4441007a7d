//! /tune sounds a tuning fork: sound that the plugin makes itself, with a menu for the note and a
//! form for any other frequency, in English and German.

mod fork;
mod words;

use fork::{Fork, Pitch, Wave};
use mynah_plugin::{
    About, Commands, Component, Cx, Event, Form, GuildId, Interaction, Kind, Need, PlayOptions,
    Plugin, Reply, Result, Saved, Slash, Style, Tongue, Track, TrackKind,
};
use std::collections::HashMap;
use words::WORDS;

/// What can be heard and is no harm to a loudspeaker, Hz.
const RANGE_HZ: core::ops::RangeInclusive<f32> = 20.0..=10_000.0;
/// Open strings of a guitar and the note orchestras tune to: name and Hz.
const NOTES: [(&str, f32); 7] = [
    ("E2", 82.41),
    ("A2", 110.0),
    ("D3", 146.83),
    ("G3", 196.0),
    ("B3", 246.94),
    ("E4", 329.63),
    ("A4", 440.0),
];

/// A fork for each server.
pub struct Tuner {
    forks: HashMap<GuildId, Sounding>,
    start_hz: f32,
}

struct Sounding {
    track: Track,
    pitch: Pitch,
}

/// What the next instance has to know: where, which track, which pitch in Hz, and
/// where in its wave it stood.
type Kept = Vec<(GuildId, Track, f32, Wave)>;

/// `[plugins.own-source]`.
#[derive(Debug, serde::Deserialize)]
#[serde(default)]
pub struct Config {
    /// What a fork sounds at first, 20 to 10,000 Hz.
    pub start_hz: f32,
}

impl Default for Config {
    fn default() -> Self {
        Self { start_hz: 440.0 }
    }
}

impl Plugin for Tuner {
    const ABOUT: About = About::new(
        "own-source",
        "Tuning fork",
        "1.0.0",
        "Sounds a tuning fork.",
    )
    .needs(&[
        Need::required("commands", "to offer /tune"),
        Need::required("voice.speak", "to be heard"),
    ])
    // They sound on while this file is exchanged for a newer one.
    .keeps_tracks();
    type Config = Config;

    fn check(config: &Config) -> Vec<mynah_plugin::Diagnostic> {
        if RANGE_HZ.contains(&config.start_hz) {
            return Vec::new();
        }
        let words = "a fork sounds from 20 to 10,000 Hz";
        vec![mynah_plugin::Diagnostic::new("/start_hz", words)]
    }

    fn start(cx: &mut Cx<'_, Self>, config: Config, saved: Option<Saved>) -> Result<Self> {
        let described = WORDS.for_locale(None).text("about");
        let tune = Slash::new("tune", described).described(WORDS.others("about"));
        cx.set_commands(&Commands::new().slash(tune))?;
        let mut forks = HashMap::new();
        let kept = saved.and_then(|saved| saved.read::<Kept>().ok());
        for (guild, track, hz, wave) in kept.unwrap_or_default() {
            let pitch = Pitch::new(hz, wave);
            // After a restart of the bot the track is over, and there is nothing to take over.
            if cx.take_over(guild, track, Fork::new(pitch.clone())).is_ok() {
                forks.insert(guild, Sounding { track, pitch });
            }
        }
        Ok(Self {
            forks,
            start_hz: config.start_hz,
        })
    }

    fn save(&mut self) -> Result<Saved> {
        let forks = self.forks.iter();
        let kept: Kept = forks
            .map(|(guild, fork)| (*guild, fork.track, fork.pitch.hz(), fork.pitch.wave()))
            .collect();
        Saved::json(&kept)
    }

    fn event(&mut self, cx: &mut Cx<'_, Self>, event: Event<'_>) -> Result<()> {
        match event {
            Event::Interaction(asked) => self.asked(cx, &asked),
            Event::Track(event) => {
                let over = !matches!(
                    event.kind,
                    TrackKind::Started | TrackKind::Stalled | TrackKind::Recovered
                );
                if over {
                    self.forks.retain(|_, fork| fork.track != event.track);
                }
            }
            _ => {}
        }
        Ok(())
    }
}

impl Tuner {
    fn asked(&mut self, cx: &mut Cx<'_, Self>, asked: &Interaction) {
        let tongue = asked.tongue(&WORDS);
        let Some(guild) = asked.guild_id() else {
            return cx.detach("/tune", asked.refuse(tongue.text("nowhere")));
        };
        if asked.kind() == Kind::Command {
            return Self::begin(cx, asked, guild);
        }
        let Some(fork) = self.forks.get(&guild) else {
            return cx.detach("silent", asked.refuse(tongue.text("silent")));
        };
        match asked.action() {
            "note" => {
                let name = asked.values().first().map_or("", String::as_str);
                if let Some((_, hz)) = NOTES.iter().find(|(note, _)| *note == name) {
                    fork.pitch.set(*hz);
                }
                cx.detach("note", asked.update(card(&tongue, fork.pitch.hz())));
            }
            "other" => {
                let field = Component::line("hz")
                    .value(fork.pitch.hz().to_string())
                    .length(1, 10);
                let form = Form::new("own-source:hz", tongue.text("other"));
                cx.detach("other", asked.modal(form.field(tongue.text("hz"), field)));
            }
            "hz" => {
                let entered = asked.field("hz").and_then(number);
                let Some(hz) = entered.filter(|hz| RANGE_HZ.contains(hz)) else {
                    return cx.detach("hz", asked.refuse(tongue.text("range")));
                };
                fork.pitch.set(hz);
                cx.detach("hz", asked.update(card(&tongue, hz)));
            }
            _ => {
                let stop = cx.voice().stop(fork.track);
                self.forks.remove(&guild);
                let over = Reply::empty().blocks([Component::text(tongue.text("stopped"))]);
                let update = asked.update(over);
                cx.detach("stop", async move {
                    update.await?;
                    stop.await
                });
            }
        }
    }

    /// Comes to whoever asked, and sounds.
    fn begin(cx: &mut Cx<'_, Self>, asked: &Interaction, guild: GuildId) {
        let (voice, asked, user) = (cx.voice(), asked.clone(), asked.user_id());
        let coming = async move {
            // Coming can take longer than the three seconds that an answer may.
            asked.defer(false).await?;
            let state = voice.state(guild, user).await?;
            if let Some(channel) = state.channel_id
                && state.bot_channel_id != Some(channel)
            {
                voice.join(guild, channel).await?;
            }
            Ok::<_, mynah_plugin::Error>((asked, state.channel_id.is_some()))
        };
        cx.spawn(coming, move |me: &mut Self, cx, came| match came {
            Ok((asked, true)) => me.sound(cx, &asked, guild),
            Ok((asked, false)) => {
                let words = asked.tongue(&WORDS).text("alone");
                cx.detach("/tune", asked.edit(words));
            }
            Err(error) => error.log(cx, "/tune"),
        });
    }

    fn sound(&mut self, cx: &mut Cx<'_, Self>, asked: &Interaction, guild: GuildId) {
        let tongue = asked.tongue(&WORDS);
        let pitch = match self.forks.get(&guild) {
            Some(fork) => fork.pitch.clone(),
            None => {
                let pitch = Pitch::new(self.start_hz, Wave::default());
                match cx.play_source(guild, Fork::new(pitch.clone()), PlayOptions::default()) {
                    Ok(track) => {
                        let sounding = Sounding {
                            track,
                            pitch: pitch.clone(),
                        };
                        self.forks.insert(guild, sounding);
                        cx.metrics().counter("forks_struck").add(1);
                        pitch
                    }
                    Err(error) => {
                        let why = error.to_string();
                        let words = tongue.fill("refused", &[("why", &why)]);
                        return cx.detach("/tune", asked.edit(words));
                    }
                }
            }
        };
        cx.detach("/tune", asked.edit(card(&tongue, pitch.hz())));
    }
}

/// A number as people write it, with a point or a comma.
fn number(text: &str) -> Option<f32> {
    text.trim().replace(',', ".").parse().ok()
}

/// What is sounding, and how to change it.
fn card(tongue: &Tongue, hz: f32) -> Reply {
    let mut menu = Component::menu("own-source:note").placeholder(tongue.text("note"));
    for (name, note_hz) in NOTES {
        let label = format!("{name}, {note_hz} Hz");
        menu = match note_hz == hz {
            true => menu.chosen(label, name),
            false => menu.option(label, name),
        };
    }
    let now = tongue.fill("now", &[("hz", &hz.to_string())]);
    let buttons = [
        Component::button("own-source:other", tongue.text("other")),
        Component::button("own-source:stop", tongue.text("stop")).style(Style::Danger),
    ];
    let blocks = [
        Component::text(now),
        Component::row([menu]),
        Component::row(buttons),
    ];
    Reply::empty().blocks([Component::container(blocks).accent(0xD4_A0_17)])
}

mynah_plugin::export!(Tuner);

#[cfg(test)]
mod tests;
