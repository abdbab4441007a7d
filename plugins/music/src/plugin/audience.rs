//! Who listens: asked for when somebody comes or goes, and every few seconds while something plays.

use mynah_plugin::{ChannelId, Cx, GuildId};

use super::Music;
use crate::calls::Input;

impl Music {
    /// Looks for people where something plays: in one server, or in all.
    pub(super) fn look_around(&mut self, cx: &mut Cx<'_, Self>, guild: Option<GuildId>) {
        for (there, channel) in self.core.stages() {
            if guild.is_none_or(|guild| guild == there) {
                self.look_for_people(cx, there, channel);
            }
        }
    }

    /// One question at a time for each channel; whatever happens meanwhile is asked for once more.
    fn look_for_people(&mut self, cx: &mut Cx<'_, Self>, guild: GuildId, channel: ChannelId) {
        let place = (guild, channel);
        if let Some(again) = self.looking.get_mut(&place) {
            *again = true;
            return;
        }
        self.looking.insert(place, false);
        let others = cx.voice().others(guild, channel);
        cx.spawn(others, move |music: &mut Self, cx, others| {
            let again = music.looking.remove(&place).unwrap_or(false);
            if let Ok(others) = others {
                music.input(cx, Input::Audience(guild, channel, others.len()));
            }
            if again {
                music.look_around(cx, Some(guild));
            }
        });
    }
}
