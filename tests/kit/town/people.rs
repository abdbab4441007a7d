//! What people do: commands, buttons, menus, forms, messages, voice.

use std::time::Duration;

use mynah_wire::{ChannelId, UserId};
use serde_json::{Map, Value, json};

use super::{Heard, Reply, Said, Town};

/// How long an answer is waited for that the bot has promised; of the town's time, which costs nothing.
const PATIENCE_MS: u64 = 30_000;

/// Somebody in town.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct User(UserId);

impl User {
    /// Their id at the server.
    #[must_use]
    pub fn id(self) -> u64 {
        self.0.get()
    }
}

impl Town {
    /// Somebody new, with the permissions of everybody.
    ///
    /// # Panics
    /// The server does not like the name: 1 to 32 characters.
    pub fn user(&mut self, name: &str) -> User {
        self.make(json!({ "name": name }))
    }

    /// Somebody new who has a role with these permission bits as well.
    ///
    /// # Panics
    /// As [`Town::user`].
    pub fn user_with(&mut self, name: &str, permissions: u64) -> User {
        let role =
            json!({ "name": format!("role of {name}"), "permissions": permissions.to_string() });
        self.make(json!({ "name": name, "roles": [role] }))
    }

    fn make(&mut self, body: Value) -> User {
        let made = self.control("POST", "/users", body);
        let made = made.unwrap_or_else(|problem| panic!("nobody new: {problem}"));
        let id = made.get("user_id").and_then(Value::as_str);
        let id = id.and_then(|id| id.parse().ok());
        User(UserId::new(id.unwrap_or_else(|| panic!("no id: {made}"))))
    }

    /// They use a slash command; a name with spaces is a subcommand. `options` is an object of values.
    /// Returns once the bot has answered, and what it promised has come.
    pub fn command(&mut self, user: User, command: &str, options: Value) -> Reply {
        let (_, channel, _) = self.places();
        let ask = json!({
            "user_id": user.0, "channel_id": channel, "command": command, "options": options,
            "timeout_ms": PATIENCE_MS,
        });
        Reply(self.control("POST", "/commands", ask))
    }

    /// As [`Town::command`], for a context menu on a user or a message.
    pub fn command_on(&mut self, user: User, command: &str, target: &str) -> Reply {
        let (_, channel, _) = self.places();
        let ask = json!({
            "user_id": user.0, "channel_id": channel, "command": command, "target_id": target,
            "timeout_ms": PATIENCE_MS,
        });
        Reply(self.control("POST", "/commands", ask))
    }

    /// They are typing the option `focused`; [`Reply::choices`] has what the bot offers.
    pub fn autocomplete(
        &mut self,
        user: User,
        command: &str,
        options: Value,
        focused: &str,
    ) -> Reply {
        let (_, channel, _) = self.places();
        let ask = json!({
            "user_id": user.0, "channel_id": channel, "command": command, "options": options,
            "focused": focused,
        });
        Reply(self.control("POST", "/autocomplete", ask))
    }

    /// They press the newest button they see whose custom id is `action`, or `PLUGIN:action`.
    ///
    /// # Panics
    /// They see no such button.
    pub fn press(&mut self, user: User, action: &str) -> Reply {
        self.click(user, action, None)
    }

    /// They choose from the newest menu they see whose custom id is `action`, or `PLUGIN:action`.
    ///
    /// # Panics
    /// They see no such menu.
    pub fn choose(&mut self, user: User, action: &str, values: &[&str]) -> Reply {
        self.click(user, action, Some(values))
    }

    fn click(&mut self, user: User, action: &str, values: Option<&[&str]>) -> Reply {
        let seen = self.seen_by(user);
        let found = seen.iter().rev().find_map(|message| {
            let id = message.get("id")?.as_str()?;
            Some((id.to_owned(), custom_id(message, action)?))
        });
        let Some((message, custom_id)) = found else {
            let mut known = Vec::new();
            seen.iter()
                .for_each(|message| custom_ids(message, &mut known));
            panic!("there is no button `{action}` to be seen; there are: {known:?}");
        };
        let mut ask = json!({
            "user_id": user.0, "message_id": message, "custom_id": custom_id,
            "timeout_ms": PATIENCE_MS,
        });
        if let (Some(ask), Some(values)) = (ask.as_object_mut(), values) {
            ask.insert("values".to_owned(), json!(values));
        }
        Reply(self.control("POST", "/components", ask))
    }

    /// They fill in the form that `form` was answered with: `values` by custom id.
    ///
    /// # Panics
    /// It was not answered with a form.
    pub fn submit(&mut self, user: User, form: &Reply, values: Value) -> Reply {
        let id = form.interaction_id();
        let id = id.unwrap_or_else(|| panic!("that was no form: {}", form.json()));
        let ask = json!({
            "user_id": user.0, "interaction_id": id, "values": values,
            "timeout_ms": PATIENCE_MS,
        });
        Reply(self.control("POST", "/modals", ask))
    }

    /// They write a message into the text channel; its id.
    ///
    /// # Panics
    /// They may not.
    pub fn says(&mut self, user: User, words: &str) -> String {
        let (_, channel, _) = self.places();
        let ask = json!({ "user_id": user.0, "channel_id": channel, "content": words });
        let said = self.control("POST", "/messages", ask);
        let said = said.unwrap_or_else(|problem| panic!("they may not: {problem}"));
        let id = said.get("message_id").or(said.get("id"));
        id.and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    /// Everything in the text channel that they see, what only they see included, oldest first.
    ///
    /// # Panics
    /// The server has lost the channel.
    pub fn seen_by(&mut self, user: User) -> Vec<Value> {
        let (_, channel, _) = self.places();
        let path = format!("/messages?channel_id={channel}&user_id={}", user.0);
        self.listed(&path)
    }

    /// They join a voice channel of the guild, counted from 0.
    ///
    /// # Panics
    /// There is no such channel, or they may not.
    pub fn joins(&mut self, user: User, channel: usize) {
        let to = self.voice_channel(channel);
        let ask = json!({ "user_id": user.0, "channel_id": ChannelId::new(to) });
        let joined = self.control("POST", "/voice/join", ask);
        joined.unwrap_or_else(|problem| panic!("they cannot join: {problem}"));
        self.run(Duration::from_millis(20));
    }

    /// They leave voice.
    ///
    /// # Panics
    /// They are not there.
    pub fn leaves(&mut self, user: User) {
        let left = self.control("POST", "/voice/leave", json!({ "user_id": user.0 }));
        left.unwrap_or_else(|problem| panic!("they cannot leave: {problem}"));
        self.run(Duration::from_millis(20));
    }

    /// A moderator takes the bot out of its voice channel.
    ///
    /// # Panics
    /// It is in none.
    pub fn kicks_the_bot(&mut self) {
        let bot = self.server.bot();
        let kicked = self.control("POST", "/voice/kick", json!({ "user_id": bot }));
        kicked.unwrap_or_else(|problem| panic!("it cannot be kicked: {problem}"));
        self.run(Duration::from_millis(40));
    }

    /// They speak for so long, in the channel they are in; time is [`Town::run`]'s business. Speaking
    /// again goes on after that.
    pub fn talks(&mut self, user: User, said: Said, time: Duration) {
        self.voice.talk(user.0, said, time);
    }

    /// Lets time pass and listens: what they hear of the bot. Silence unless both are in one channel.
    pub fn hear(&mut self, user: User, time: Duration) -> Heard {
        self.voice.record(Some(user.0));
        self.run(time);
        Heard::new(self.voice.record(None))
    }

    /// The bot's voice connection breaks: nothing is heard either way, tracks hold still.
    pub fn breaks_voice(&mut self) {
        self.voice.set_broken(true);
        self.run(Duration::from_millis(20));
    }

    /// It is back.
    pub fn mends_voice(&mut self) {
        self.voice.set_broken(false);
        self.run(Duration::from_millis(20));
    }

    /// The id of the guild, for what a plugin asks by id.
    #[must_use]
    pub fn guild(&self) -> u64 {
        self.places().0.get()
    }

    /// The id of the text channel.
    #[must_use]
    pub fn text_channel(&self) -> u64 {
        self.places().1.get()
    }

    /// The id of a voice channel, counted from 0.
    ///
    /// # Panics
    /// There are not so many.
    #[must_use]
    pub fn voice_channel(&self, channel: usize) -> u64 {
        let (_, _, channels) = self.places();
        let known = channels.len();
        let id = channels.get(channel).map(|id| id.get());
        id.unwrap_or_else(|| panic!("there are {known} voice channels"))
    }

    /// The bot is in this voice channel, by its id.
    #[must_use]
    pub fn bot_is_in(&self) -> Option<u64> {
        let (guild, ..) = self.places();
        let channel = self.server.voice_channel_of(guild, self.server.bot());
        channel.map(|channel| channel.get())
    }
}

/// The custom id in `value` that is `action`, with or without a plugin before it.
fn custom_id(value: &Value, action: &str) -> Option<String> {
    let mut known = Vec::new();
    custom_ids(value, &mut known);
    let fits =
        |id: &String| id == action || id.split_once(':').is_some_and(|(_, rest)| rest == action);
    known.into_iter().find(fits)
}

fn custom_ids(value: &Value, known: &mut Vec<String>) {
    if let Some(id) = value.get("custom_id").and_then(Value::as_str) {
        known.push(id.to_owned());
    }
    let empty = Map::new();
    let fields = value.as_object().unwrap_or(&empty);
    for key in ["components", "accessory", "component"] {
        match fields.get(key) {
            Some(Value::Array(parts)) => parts.iter().for_each(|part| custom_ids(part, known)),
            Some(part) => custom_ids(part, known),
            None => {}
        }
    }
}
