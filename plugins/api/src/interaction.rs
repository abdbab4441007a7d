//! A person's use of a command, a button or a dialog (protocol/rest.md section 5): reading it.
//! Answering it is in `answer.rs`.

use crate::{Catalogue, ChannelId, GuildId, Host, MessageId, Result, RoleId, Tier, Tongue, UserId};
use serde::Deserialize;
use serde_json::Value;
use std::{fmt, sync::Arc};

/// What kind of interaction it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// A slash, user or message command.
    Command,
    /// A person is typing an option: answer with [`Interaction::choices`].
    Autocomplete,
    /// A button or a menu.
    Component,
    /// A dialog was sent.
    Modal,
    /// Something newer than this SDK.
    Other(u8),
}

/// One interaction. Cheap to clone; may go into async work.
#[derive(Clone, Debug)]
pub struct Interaction {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) host: Host,
    pub(crate) json: Json,
    /// `play`, or `record start` for a subcommand.
    path: String,
    pub(crate) tier: Option<Tier>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Json {
    #[serde(rename = "type")]
    kind: u8,
    pub(crate) id: Id,
    pub(crate) token: Token,
    pub(crate) application_id: Id,
    guild_id: Option<GuildId>,
    channel_id: Option<ChannelId>,
    member: Option<Member>,
    user: Option<User>,
    message: Option<MessageRef>,
    locale: Option<String>,
    #[serde(default)]
    data: Data,
}

/// Whoever has it answers in the bot's name for 15 minutes, so `Debug` does not show it.
#[derive(Deserialize)]
#[serde(transparent)]
pub(crate) struct Token(pub(crate) String);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// An id whose kind nobody outside needs.
pub(crate) type Id = MessageId;

#[derive(Debug, Deserialize)]
struct Member {
    user: User,
    nick: Option<String>,
    permissions: Option<String>,
    #[serde(default)]
    roles: Vec<RoleId>,
}

#[derive(Debug, Deserialize)]
struct User {
    id: UserId,
    username: String,
    global_name: Option<String>,
}

#[derive(Debug, Deserialize)]
struct MessageRef {
    id: MessageId,
}

#[derive(Debug, Default, Deserialize)]
struct Data {
    #[serde(default)]
    name: String,
    #[serde(default)]
    options: Vec<Opt>,
    #[serde(default)]
    resolved: Value,
    #[serde(default)]
    custom_id: String,
    #[serde(default)]
    values: Vec<String>,
    #[serde(default)]
    components: Value,
    target_id: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Opt {
    name: String,
    #[serde(default)]
    value: Value,
    #[serde(default)]
    options: Vec<Opt>,
    #[serde(default)]
    focused: bool,
}

/// A file a person attached to a command.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Attachment {
    /// As the person named it.
    pub filename: String,
    /// Where to fetch it.
    pub url: String,
    /// Bytes.
    #[serde(default)]
    pub size: u64,
    /// MIME type as Discord guessed it.
    pub content_type: Option<String>,
}

/// Reading.
impl Interaction {
    pub(crate) fn parse(json: &[u8], tier: Option<Tier>, host: Host) -> Result<Self> {
        let json: Json = serde_json::from_slice(json)?;
        let path = path(&json.data);
        Ok(Self {
            inner: Arc::new(Inner {
                host,
                json,
                path,
                tier,
            }),
        })
    }

    fn data(&self) -> &Data {
        &self.inner.json.data
    }

    /// What kind it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self.inner.json.kind {
            2 => Kind::Command,
            3 => Kind::Component,
            4 => Kind::Autocomplete,
            5 => Kind::Modal,
            other => Kind::Other(other),
        }
    }

    /// The command's name with its subcommands, for instance `play` or `record start`; empty for
    /// components and dialogs.
    #[must_use]
    pub fn command(&self) -> &str {
        &self.inner.path
    }

    /// A component's or dialog's `custom_id` without the `<plugin id>:` in front; empty for
    /// commands.
    #[must_use]
    pub fn action(&self) -> &str {
        let id = &self.data().custom_id;
        let rest = id.strip_prefix(self.inner.host.plugin());
        rest.and_then(|rest| rest.strip_prefix(':')).unwrap_or(id)
    }

    /// What was chosen in a menu.
    #[must_use]
    pub fn values(&self) -> &[String] {
        &self.data().values
    }

    /// The guild; `None` in a direct message.
    #[must_use]
    pub fn guild_id(&self) -> Option<GuildId> {
        self.inner.json.guild_id
    }

    /// The text channel.
    #[must_use]
    pub fn channel_id(&self) -> Option<ChannelId> {
        self.inner.json.channel_id
    }

    /// The message the button sits on.
    #[must_use]
    pub fn message_id(&self) -> Option<MessageId> {
        self.inner.json.message.as_ref().map(|message| message.id)
    }

    fn user(&self) -> Option<&User> {
        let json = &self.inner.json;
        json.member
            .as_ref()
            .map(|member| &member.user)
            .or(json.user.as_ref())
    }

    /// Who did it. Discord always says so; 0 if it ever did not.
    #[must_use]
    pub fn user_id(&self) -> UserId {
        self.user().map_or(UserId::new(0), |user| user.id)
    }

    /// How the person is called here: nickname, display name or user name.
    #[must_use]
    pub fn user_name(&self) -> &str {
        let nick = self
            .inner
            .json
            .member
            .as_ref()
            .and_then(|member| member.nick.as_deref());
        let user = self.user();
        nick.or_else(|| user.and_then(|user| user.global_name.as_deref()))
            .or_else(|| user.map(|user| user.username.as_str()))
            .unwrap_or("somebody")
    }

    /// The person's permission bits in the channel; 0 in direct messages.
    #[must_use]
    pub fn permissions(&self) -> u64 {
        let member = self.inner.json.member.as_ref();
        member
            .and_then(|member| member.permissions.as_deref())
            .and_then(|bits| bits.parse().ok())
            .unwrap_or(0)
    }

    /// The person's roles; empty in direct messages.
    #[must_use]
    pub fn roles(&self) -> &[RoleId] {
        self.inner
            .json
            .member
            .as_ref()
            .map_or(&[], |member| member.roles.as_slice())
    }

    /// The person's language, for instance `de`.
    #[must_use]
    pub fn locale(&self) -> Option<&str> {
        self.inner.json.locale.as_deref()
    }

    /// What a catalogue says in the person's language.
    #[must_use]
    pub fn tongue(&self, catalogue: &Catalogue) -> Tongue {
        catalogue.for_locale(self.locale())
    }

    /// The options given at the innermost subcommand.
    fn options(&self) -> &[Opt] {
        let mut options = self.data().options.as_slice();
        while let [
            Opt {
                options: inner,
                value: Value::Null,
                ..
            },
        ] = options
            && !inner.is_empty()
        {
            options = inner;
        }
        options
    }

    fn option(&self, name: &str) -> Option<&Value> {
        let found = self.options().iter().find(|option| option.name == name);
        found.map(|option| &option.value)
    }

    /// A text option.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.option(name)?.as_str()
    }

    /// An integer option.
    #[must_use]
    pub fn integer(&self, name: &str) -> Option<i64> {
        self.option(name)?.as_i64()
    }

    /// A number option.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<f64> {
        self.option(name)?.as_f64()
    }

    /// A yes-or-no option.
    #[must_use]
    pub fn boolean(&self, name: &str) -> Option<bool> {
        self.option(name)?.as_bool()
    }

    /// A user option.
    #[must_use]
    pub fn user_option(&self, name: &str) -> Option<UserId> {
        self.text(name)?.parse().ok()
    }

    /// A channel option.
    #[must_use]
    pub fn channel(&self, name: &str) -> Option<ChannelId> {
        self.text(name)?.parse().ok()
    }

    /// A role option.
    #[must_use]
    pub fn role(&self, name: &str) -> Option<RoleId> {
        self.text(name)?.parse().ok()
    }

    /// An attachment option.
    #[must_use]
    pub fn attachment(&self, name: &str) -> Option<Attachment> {
        let id = self.text(name)?;
        let found = self.data().resolved.get("attachments")?.get(id)?;
        Attachment::deserialize(found).ok()
    }

    /// The message a message command was used on, and the files attached to it.
    #[must_use]
    pub fn target_message(&self) -> Option<(MessageId, Vec<Attachment>)> {
        target_message(self.data())
    }

    /// The same message in Discord's JSON, for plugins that need more of it.
    #[must_use]
    pub fn target_json(&self) -> Option<&Value> {
        let id = self.data().target_id.as_deref()?;
        self.data().resolved.get("messages")?.get(id)
    }

    /// While autocompleting: the option being typed and its text so far.
    #[must_use]
    pub fn focused(&self) -> Option<(&str, &str)> {
        let option = self.options().iter().find(|option| option.focused)?;
        Some((&option.name, option.value.as_str().unwrap_or("")))
    }

    /// What was entered into a dialog's text field.
    #[must_use]
    pub fn field(&self, custom_id: &str) -> Option<&str> {
        field(&self.data().components, custom_id, MAX_NESTING)
    }
}

fn target_message(data: &Data) -> Option<(MessageId, Vec<Attachment>)> {
    let id = data.target_id.as_deref()?;
    let message = data.resolved.get("messages")?.get(id)?;
    let files = message.get("attachments").and_then(Value::as_array);
    let files = files.into_iter().flatten();
    let files = files.filter_map(|file| Attachment::deserialize(file).ok());
    Some((id.parse().ok()?, files.collect()))
}

/// Discord nests a row or label around a field; nothing goes deeper.
const MAX_NESTING: u8 = 4;

fn field<'a>(component: &'a Value, custom_id: &str, depth: u8) -> Option<&'a str> {
    let depth = depth.checked_sub(1)?;
    if let Some(list) = component.as_array() {
        return list.iter().find_map(|inner| field(inner, custom_id, depth));
    }
    if component.get("custom_id").and_then(Value::as_str) == Some(custom_id) {
        return component.get("value")?.as_str();
    }
    let inner = component
        .get("components")
        .or_else(|| component.get("component"))?;
    field(inner, custom_id, depth)
}

/// `name`, then the names of a subcommand group and a subcommand: the only options with a type of
/// 1 or 2 have no value but options, or nothing at all.
fn path(data: &Data) -> String {
    let mut path = data.name.clone();
    let mut options = data.options.as_slice();
    while let [
        Opt {
            name,
            value: Value::Null,
            options: inner,
            ..
        },
    ] = options
    {
        path.push(' ');
        path.push_str(name);
        options = inner;
    }
    path
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_message_command_knows_the_message_and_its_files() {
        let text = r#"{"type":2,"id":"1","token":"t","application_id":"9","data":{
            "name":"Save as sound","type":3,"target_id":"77","resolved":{"messages":{
            "77":{"attachments":[{"filename":"a.ogg","url":"https://cdn/a","size":5},{"broken":1}]},
            "78":{"attachments":[]}}}}}"#;
        let json: Json = serde_json::from_str(text).unwrap();
        let (id, files) = target_message(&json.data).unwrap();
        assert_eq!((id, files.len()), (MessageId::new(77), 1));
        assert_eq!((files[0].filename.as_str(), files[0].size), ("a.ogg", 5));
        let json: Json = serde_json::from_str(&text.replace("target_id", "x")).unwrap();
        assert_eq!(target_message(&json.data), None);
    }

    #[test]
    fn the_token_of_an_interaction_is_never_printed() {
        let text = r#"{"type":2,"id":"1","token":"hunter2","application_id":"9"}"#;
        let json: Json = serde_json::from_str(text).unwrap();
        assert_eq!(json.token.0, "hunter2");
        assert!(!format!("{json:?}").contains("hunter2"));
    }
}
