//! Answering an interaction (protocol/rest.md section 5).

use crate::{Call, Component, Interaction, Kind, MessageId, Op};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// Only the person sees it.
const EPHEMERAL: u64 = 1 << 6;
/// The message is made of components alone (rest.md section 7, "V2").
const COMPONENTS_V2: u64 = 1 << 15;
/// Discord takes no more choices.
const MAX_CHOICES: usize = 25;
/// Discord takes no more characters in a message.
const MAX_CONTENT_CHARS: usize = 2000;

/// A message to send. Mentions in it ping nobody.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    content: Option<String>,
    flags: u64,
    embeds: Vec<Value>,
    components: Option<Vec<Value>>,
}

impl Reply {
    /// Plain text; what is longer than Discord takes ends in an ellipsis.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        let mut text = text.into();
        if let Some((cut, _)) = text.char_indices().nth(MAX_CONTENT_CHARS) {
            text.truncate(cut);
            text.pop();
            text.push('…');
        }
        Self {
            content: Some(text),
            ..Self::empty()
        }
    }

    /// No text; add embeds or components.
    #[must_use]
    pub const fn empty() -> Self {
        Self {
            content: None,
            flags: 0,
            embeds: Vec::new(),
            components: None,
        }
    }

    /// Only the person who asked sees it.
    #[must_use]
    pub const fn ephemeral(mut self) -> Self {
        self.flags |= EPHEMERAL;
        self
    }

    /// Adds one of up to ten embeds: an [`crate::Embed`], or Discord's JSON of one.
    #[must_use]
    pub fn embed(mut self, embed: impl Into<Value>) -> Self {
        self.embeds.push(embed.into());
        self
    }

    /// Sets the components in Discord's JSON. A `custom_id` must begin with `<plugin id>:`, else
    /// its use does not come back to this plugin. An empty list removes what was there.
    #[must_use]
    pub fn components(mut self, components: Vec<Value>) -> Self {
        self.components = Some(components);
        self
    }

    /// Sets up to five [`Component::row`]s below an ordinary message.
    #[must_use]
    pub fn rows(self, rows: impl IntoIterator<Item = Component>) -> Self {
        self.components(rows.into_iter().map(Value::from).collect())
    }

    /// Makes the message of blocks alone (Components V2): no text and embeds beside them, up to 40
    /// components, nested ones counted. Once a message is made of blocks it stays so.
    #[must_use]
    pub fn blocks(self, blocks: impl IntoIterator<Item = Component>) -> Self {
        self.components_v2(blocks.into_iter().map(Value::from).collect())
    }

    /// Components V2: no text and embeds beside them.
    #[must_use]
    pub fn components_v2(mut self, components: Vec<Value>) -> Self {
        self.flags |= COMPONENTS_V2;
        self.components(components)
    }

    /// Discord's JSON of the message, for [`crate::Host::rest`].
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut json = Map::new();
        if let Some(content) = &self.content {
            json.insert("content".into(), json!(content));
        }
        if self.flags != 0 {
            json.insert("flags".into(), json!(self.flags));
        }
        if !self.embeds.is_empty() {
            json.insert("embeds".into(), json!(self.embeds));
        }
        if let Some(components) = &self.components {
            json.insert("components".into(), json!(components));
        }
        // Names in titles and file names must not ping people.
        json.insert("allowed_mentions".into(), json!({ "parse": [] }));
        Value::Object(json)
    }
}

impl From<&str> for Reply {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl From<String> for Reply {
    fn from(text: String) -> Self {
        Self::text(text)
    }
}

/// One line offered while a person types.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    name: String,
    value: Value,
}

impl Choice {
    /// What the person reads (cut at 100 characters) and what the command gets (a text of at most
    /// 100 characters, an integer or a number).
    #[must_use]
    pub fn new(name: impl Into<String>, value: impl Into<Value>) -> Self {
        let mut name = name.into();
        if let Some((cut, _)) = name.char_indices().nth(100) {
            name.truncate(cut);
            name.pop();
            name.push('…');
        }
        Self {
            name,
            value: value.into(),
        }
    }

    pub(crate) fn to_json(&self) -> Value {
        json!({ "name": self.name, "value": self.value })
    }
}

/// A message Discord accepted.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Message {
    /// Its id.
    pub id: MessageId,
    /// Where it is.
    pub channel_id: crate::ChannelId,
}

/// Answering. The first answer must come within three seconds and be one of [`reply`], [`defer`],
/// [`choices`], [`update`], [`defer_update`], [`modal`]; the token then lives 15 minutes.
///
/// [`reply`]: Interaction::reply
/// [`defer`]: Interaction::defer
/// [`choices`]: Interaction::choices
/// [`update`]: Interaction::update
/// [`defer_update`]: Interaction::defer_update
/// [`modal`]: Interaction::modal
impl Interaction {
    fn callback(&self, kind: u8, data: Option<Value>) -> Op {
        let json = &self.inner.json;
        let path = format!("/interactions/{}/{}/callback", json.id, json.token.0);
        let mut body = json!({ "type": kind });
        if let (Some(data), Some(body)) = (data, body.as_object_mut()) {
            body.insert("data".into(), data);
        }
        self.inner.host.rest("POST", &path, body)
    }

    fn webhook(&self, method: &str, rest: &str, body: Value) -> Op {
        let json = &self.inner.json;
        let path = format!("/webhooks/{}/{}{rest}", json.application_id, json.token.0);
        self.inner.host.rest(method, &path, body)
    }

    /// Answers with a message.
    pub fn reply(&self, reply: impl Into<Reply>) -> Call<()> {
        self.callback(4, Some(reply.into().to_json())).unit()
    }

    /// Answers with "thinking…"; [`Interaction::edit`] completes it. Whether the answer is
    /// `ephemeral` (only the person sees it) is decided here.
    pub fn defer(&self, ephemeral: bool) -> Call<()> {
        let data = ephemeral.then(|| json!({ "flags": EPHEMERAL }));
        self.callback(5, data).unit()
    }

    /// Completes a deferred answer, or changes the first one.
    pub fn edit(&self, reply: impl Into<Reply>) -> Call<Message> {
        self.webhook("PATCH", "/messages/@original", reply.into().to_json())
            .read()
    }

    /// The first answer as Discord has it: its id, to change it for longer than the quarter of an hour
    /// an interaction lasts.
    pub fn original(&self) -> Call<Message> {
        self.webhook("GET", "/messages/@original", Value::Null)
            .read()
    }

    /// Takes the first answer away.
    pub fn delete(&self) -> Call<()> {
        self.webhook("DELETE", "/messages/@original", Value::Null)
            .unit()
    }

    /// One more message after the first answer.
    pub fn followup(&self, reply: impl Into<Reply>) -> Call<Message> {
        self.webhook("POST", "", reply.into().to_json()).read()
    }

    /// Changes one of the follow-ups.
    pub fn edit_followup(&self, message: MessageId, reply: impl Into<Reply>) -> Call<Message> {
        self.webhook(
            "PATCH",
            &format!("/messages/{message}"),
            reply.into().to_json(),
        )
        .read()
    }

    /// Offers choices for the option being typed; Discord shows the first 25.
    pub fn choices(&self, choices: impl IntoIterator<Item = Choice>) -> Call<()> {
        let choices: Vec<Value> = choices
            .into_iter()
            .take(MAX_CHOICES)
            .map(|choice| choice.to_json())
            .collect();
        self.callback(8, Some(json!({ "choices": choices }))).unit()
    }

    /// For components: changes the message the component sits on.
    pub fn update(&self, reply: impl Into<Reply>) -> Call<()> {
        self.callback(7, Some(reply.into().to_json())).unit()
    }

    /// For components: acknowledges; the message stays for now, [`Interaction::edit`] changes it.
    pub fn defer_update(&self) -> Call<()> {
        self.callback(6, None).unit()
    }

    /// Opens a dialog: a [`crate::Form`], or Discord's JSON of one (`custom_id` begins with
    /// `<plugin id>:`).
    pub fn modal(&self, modal: impl Into<Value>) -> Call<()> {
        self.callback(9, Some(modal.into())).unit()
    }

    /// Says something only the person sees, in whatever way fits the kind: for a half-typed option
    /// an empty list of choices.
    pub fn refuse(&self, why: impl Into<String>) -> Call<()> {
        match self.kind() {
            Kind::Autocomplete => self.choices([]),
            _ => self.reply(Reply::text(why).ephemeral()),
        }
    }
}
