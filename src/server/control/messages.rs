//! People write and read messages.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use mynah_wire::{ChannelId, MessageId, UserId};
use serde::Deserialize;
use serde_json::Value;

use super::find::{channel, id, read, simulated};
use super::{Ask, Problem, one};
use crate::realm::{ATTACHMENT_LIMIT_BYTES, AllowedMentions, Draft, MentionRule, NewFile};
use crate::server::Shared;
use crate::store::permissions::{SEND_MESSAGES, VIEW_CHANNEL};
use crate::store::{Message, MessageOrigin};

/// Characters of a message (rest.md section 4).
const MAX_CONTENT: usize = 2000;
/// Messages of one answer.
const PAGE: usize = 500;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewMessage {
    user_id: UserId,
    channel_id: ChannelId,
    #[serde(default)]
    content: String,
    #[serde(default)]
    attachments: Vec<NewAttachment>,
    reply_to: Option<MessageId>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewAttachment {
    name: Option<String>,
    path: PathBuf,
}

pub(super) async fn post(shared: &Arc<Shared>, body: &Value) -> Result<Value, Problem> {
    let new: NewMessage = read(body)?;
    let mut files = Vec::with_capacity(new.attachments.len());
    for attachment in &new.attachments {
        files.push(file(&attachment.path, attachment.name.as_deref()).await?);
    }
    if new.content.is_empty() && files.is_empty() {
        return Err(Problem::bad(
            "the message is empty",
            "give `content` or `attachments`",
        ));
    }
    if new.content.chars().count() > MAX_CONTENT || files.len() > 10 {
        return Err(Problem::bad(
            "the message is too long",
            "2000 characters, 10 files",
        ));
    }
    let mut realm = shared.realm();
    simulated(&realm, new.user_id)?;
    let place = channel(&realm, new.channel_id)?;
    if !place.kind.has_messages() {
        return Err(Problem::bad(
            "nobody can write in this channel",
            "choose a text channel",
        ));
    }
    if !realm
        .store
        .may(new.user_id, new.channel_id, VIEW_CHANNEL | SEND_MESSAGES)
    {
        let error = format!("user {} may not write there", new.user_id);
        return Err(Problem::new(403, error, "check the channel's permissions"));
    }
    let draft = Draft {
        content: new.content,
        files,
        reply_to: new.reply_to,
        allowed: AllowedMentions {
            users: MentionRule::All,
            roles: MentionRule::All,
            everyone: true,
            replied_user: true,
        },
        ..Draft::default()
    };
    let message = realm.post(new.user_id, new.channel_id, draft, MessageOrigin::Plain);
    Ok(one("message_id", message))
}

/// Messages of a channel, oldest first. A person sees its own ephemeral ones: `user_id` says who
/// looks.
pub(super) fn list(shared: &Arc<Shared>, ask: &Ask) -> Result<Value, Problem> {
    let realm = shared.realm();
    let Some(text) = ask.query("channel_id") else {
        let hint = "GET /control/messages?channel_id=…&after=…";
        return Err(Problem::bad("channel_id is missing", hint));
    };
    let channel_id: ChannelId = id(text, "channel_id")?;
    channel(&realm, channel_id)?;
    let after: Option<MessageId> = ask
        .query("after")
        .map(|text| id(text, "after"))
        .transpose()?;
    let viewer: Option<UserId> = ask
        .query("user_id")
        .map(|text| id(text, "user_id"))
        .transpose()?;
    let shown = realm
        .store
        .messages
        .get(&channel_id)
        .into_iter()
        .flat_map(|messages| messages.values())
        .filter(|message| after.is_none_or(|after| message.id > after))
        .filter(|message| !message.is_ephemeral() || is_for(message, viewer))
        .take(PAGE)
        .map(|message| realm.store.message_json(message, viewer));
    Ok(Value::Array(shown.collect()))
}

/// An ephemeral message is for the person who invoked the interaction.
fn is_for(message: &Message, viewer: Option<UserId>) -> bool {
    match &message.origin {
        MessageOrigin::Interaction { user_id, .. } => Some(*user_id) == viewer,
        MessageOrigin::Plain => false,
    }
}

/// Reads a file of this machine as an upload.
pub(super) async fn file(path: &Path, name: Option<&str>) -> Result<NewFile, Problem> {
    let problem = |error: String| Problem::bad(error, "give the path of a file of this machine");
    let shown = path.display();
    let about = tokio::fs::metadata(path).await;
    let about = about.map_err(|error| problem(format!("cannot read {shown}: {error}")))?;
    if !about.is_file() {
        return Err(problem(format!("{shown} is not a file")));
    }
    if about.len() > ATTACHMENT_LIMIT_BYTES as u64 {
        let error = format!(
            "{shown} is larger than {} MiB",
            ATTACHMENT_LIMIT_BYTES >> 20
        );
        return Err(Problem::new(
            413,
            error,
            "Discord refuses such attachments, too",
        ));
    }
    let bytes = tokio::fs::read(path).await;
    let bytes = bytes.map_err(|error| problem(format!("cannot read {shown}: {error}")))?;
    let filename = name.map(str::to_owned).or_else(|| {
        let name = path.file_name()?;
        Some(name.to_string_lossy().into_owned())
    });
    let filename = filename.unwrap_or_else(|| "file".to_owned());
    Ok(NewFile {
        content_type: mime(&filename).to_owned(),
        filename,
        bytes: Bytes::from(bytes),
        title: None,
        description: None,
        duration_secs: None,
        waveform: None,
    })
}

/// MIME type by extension, as Discord guesses it.
fn mime(filename: &str) -> &'static str {
    let extension = filename.rsplit('.').next().unwrap_or_default();
    match extension.to_ascii_lowercase().as_str() {
        "mp3" => "audio/mpeg",
        "ogg" | "opus" | "oga" => "audio/ogg",
        "flac" => "audio/flac",
        "wav" => "audio/wav",
        "m4a" => "audio/mp4",
        "aac" => "audio/aac",
        "aif" | "aiff" => "audio/aiff",
        "webm" => "video/webm",
        "mkv" => "video/x-matroska",
        "mp4" => "video/mp4",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "txt" | "log" => "text/plain",
        "json" => "application/json",
        _ => "application/octet-stream",
    }
}
