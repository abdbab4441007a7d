//! After a crash: what was cut off is made whole, and goes on where people still are. And what is old
//! enough goes.

use std::time::Duration;

use mynah_plugin::{Cx, GuildId, UserId};

use super::exports::aside;
use super::start::Wish;
use super::{Interrupted, Recorder, post, wall_ms};
use crate::core::shelf;

/// A recording goes on in another part when it was cut off no longer ago than this.
const GOES_ON_MS: u64 = 10 * 60 * 1_000;
/// Old recordings are looked for this often.
const TIDY_EVERY: Duration = Duration::from_secs(3_600);

impl Recorder {
    /// Goes on with what a crash cut off, where people still are.
    pub(super) fn go_on(&mut self, cx: &mut Cx<'_, Self>) {
        for one in std::mem::take(&mut self.interrupted) {
            let present = cx.voice().people(one.guild, one.channel);
            cx.spawn(
                present,
                move |recorder: &mut Self, cx, present| match present {
                    Ok(present) => recorder.go_on_with(cx, one, &present),
                    Err(error) => error.log(cx, "looking who is still there"),
                },
            );
        }
    }

    fn go_on_with(&mut self, cx: &mut Cx<'_, Self>, one: Interrupted, present: &[UserId]) {
        let Interrupted {
            guild,
            channel,
            text,
            starter,
            id,
            title,
        } = one;
        let whom = match starter.get() {
            0 => String::new(),
            _ => format!("<@{starter}> "),
        };
        let words = format!(
            "{whom}Your recording `{id}` was cut off when I stopped. It has been made whole: at \
             most the last second is missing. `/record export` makes files of it."
        );
        let text = self.post_channel(guild).or(text).unwrap_or(channel);
        post(cx, text, words);
        let others = present.iter().filter(|user| Some(**user) != self.me);
        let is_recent = self
            .ended_ms(guild, &id)
            .is_some_and(|at| wall_ms() < at + GOES_ON_MS);
        if others.count() == 0 || !is_recent || self.rooms.contains_key(&guild) {
            return self.repair_nick(cx, guild);
        }
        let wish = Wish {
            guild,
            channel: Some(channel),
            text,
            starter,
            title,
            previous: Some(id),
        };
        if !self.starting.insert(guild) {
            return;
        }
        let ready = self.ready(cx, wish.clone());
        cx.spawn(ready, move |recorder, cx, ready| {
            let words = match recorder.begin(cx, &wish, ready) {
                Ok(()) => "The recording goes on in a new part.".to_owned(),
                Err(words) => format!("The recording does not go on: {words}"),
            };
            post(cx, wish.text, words);
        });
    }

    fn ended_ms(&self, guild: GuildId, id: &str) -> Option<u64> {
        let folder = self.folder.join(guild.to_string()).join(id);
        let manifest = crate::core::manifest::Manifest::read(&folder).ok()?;
        Some(manifest.started_ms + manifest.length_us / 1_000)
    }

    /// Throws away what is old enough, now and once an hour, on a thread of its own.
    pub(super) fn tidy(&mut self, cx: &mut Cx<'_, Self>) {
        let Some(days) = self.config.retention_days() else {
            return;
        };
        let folder = self.folder.clone();
        let gone = aside(move || shelf::prune(&folder, wall_ms(), days));
        cx.spawn(gone, |recorder: &mut Self, cx, gone| {
            match gone {
                Ok(gone) => {
                    for one in gone {
                        recorder.forget(cx, &one.folder);
                    }
                }
                Err(error) => cx.warn(&format!("old recordings cannot be removed: {error}")),
            }
            let sleep = cx.host().sleep(TIDY_EVERY);
            cx.spawn(sleep, |recorder: &mut Self, cx, _| recorder.tidy(cx));
        });
    }

    /// A recording is gone by its age.
    fn forget(&self, cx: &Cx<'_, Self>, folder: &std::path::Path) {
        let name = |path: Option<&std::path::Path>| {
            let name = path.and_then(std::path::Path::file_name);
            name.unwrap_or_default().to_string_lossy().into_owned()
        };
        let (guild, id) = (name(folder.parent()), name(Some(folder)));
        cx.info(&format!("the recording {id} was old enough and is gone"));
        if let Err(error) = self.index().remove(&guild, &id) {
            cx.warn(&format!("the index of recordings: {error}"));
        }
    }
}

/// Makes whole what a crash cut off, and says who is to go on.
pub(super) fn recover(cx: &Cx<'_, Recorder>, folder: &std::path::Path) -> Vec<Interrupted> {
    let recovered = match shelf::recover(folder, wall_ms(), &[]) {
        Ok(recovered) => recovered,
        Err(error) => {
            cx.error(&format!(
                "interrupted recordings cannot be looked for: {error}"
            ));
            return Vec::new();
        }
    };
    let mut interrupted = Vec::new();
    for one in recovered {
        let name = one.folder.display();
        match one.done {
            Ok(repair) => {
                cx.warn(&format!(
                    "the recording {name} was cut off and has been made whole"
                ));
                let manifest = repair.manifest;
                let ids = (manifest.guild.parse(), manifest.channel.parse());
                if let (Ok(guild), Ok(channel)) = ids {
                    interrupted.push(Interrupted {
                        guild,
                        channel,
                        text: None,
                        starter: manifest.starter.parse().unwrap_or(UserId::new(0)),
                        id: manifest.id,
                        title: manifest.title,
                    });
                }
            }
            Err(error) => {
                cx.error(&format!(
                    "{name} cannot be made whole: {error}; {}",
                    error.remedy()
                ));
            }
        }
    }
    interrupted
}
