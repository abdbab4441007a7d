//! Bodies of messages, wherever they are written: channels, interaction responses, follow-ups
//! (rest.md section 4).

use mynah_wire::AttachmentId;
use serde_json::{Map, Value};

use super::form::at;
use super::{Form, Refusal, Upload, components, embeds};
use crate::realm::{ATTACHMENT_LIMIT_BYTES, AllowedMentions, Draft, MentionRule, NewFile, Patch};
use crate::store::{EPHEMERAL, Message};

const SUPPRESS_EMBEDS: u64 = 1 << 2;
const SUPPRESS_NOTIFICATIONS: u64 = 1 << 12;
const VOICE_MESSAGE: u64 = 1 << 13;
const COMPONENTS_V2: u64 = 1 << 15;
/// Files of one message.
const MAX_ATTACHMENTS: usize = 10;

/// Where a message is written: decides which flags may be set and who is mentioned by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// `POST /channels/…/messages`.
    Channel,
    /// Interaction responses and follow-ups.
    Interaction,
}

/// Reads the body of a new message.
pub(super) fn draft(
    form: &mut Form,
    body: &Map<String, Value>,
    uploads: &[Upload],
    place: Place,
    path: &str,
) -> Draft {
    let get = |key: &str| (body.get(key), at(path, key));
    let (value, where_) = get("flags");
    let asked = form.integer(value, &where_, 0..=i64::MAX).unwrap_or(0);
    let mut settable = SUPPRESS_EMBEDS | SUPPRESS_NOTIFICATIONS | VOICE_MESSAGE | COMPONENTS_V2;
    if place == Place::Interaction {
        settable |= EPHEMERAL;
    }
    let flags = u64::try_from(asked).unwrap_or(0) & settable;
    let (value, where_) = get("content");
    let content = form.text(value, &where_, 0..=2000).unwrap_or_default();
    let (value, where_) = get("nonce");
    form.text(value, &where_, 0..=25);
    let (value, where_) = get("tts");
    let tts = form.boolean(value, &where_).unwrap_or(false);
    let (value, where_) = get("embeds");
    let embeds = embeds::check(form, value, &where_).unwrap_or_default();
    let (value, where_) = get("components");
    let v2 = flags & COMPONENTS_V2 != 0;
    let components = components::check_message(form, value, &where_, v2).unwrap_or_default();
    if v2 {
        for key in ["content", "embeds", "poll", "sticker_ids"] {
            let used = body.get(key).is_some_and(|value| !is_nothing(value));
            if used {
                let message =
                    "The 'content' field cannot be used when using MessageFlags.IS_COMPONENTS_V2"
                        .replace("content", key);
                form.error(
                    &at(path, key),
                    "MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2",
                    message,
                );
            }
        }
    }
    let poll = body.get("poll").filter(|poll| poll.is_object()).cloned();
    Draft {
        content: content.trim().to_owned(),
        tts,
        embeds,
        components,
        flags,
        files: files(
            form,
            body.get("attachments"),
            uploads,
            &at(path, "attachments"),
        ),
        allowed: allowed_mentions(form, body.get("allowed_mentions"), place, path),
        nonce: body.get("nonce").filter(|nonce| !nonce.is_null()).cloned(),
        reply_to: None,
        kind: None,
        poll,
    }
}

/// Rules over the whole message.
///
/// # Errors
/// Empty, too large, or a malformed voice message.
pub(super) fn check(draft: &Draft) -> Result<(), Refusal> {
    if draft.flags & VOICE_MESSAGE != 0 {
        return check_voice_message(draft);
    }
    check_sizes(&draft.files)?;
    let empty = draft.content.is_empty()
        && draft.embeds.is_empty()
        && draft.components.is_empty()
        && draft.files.is_empty()
        && draft.poll.is_none();
    if empty {
        return Err(Refusal::new(400, 50006, "Cannot send an empty message"));
    }
    Ok(())
}

fn check_sizes(files: &[NewFile]) -> Result<(), Refusal> {
    if files
        .iter()
        .any(|file| file.bytes.len() > ATTACHMENT_LIMIT_BYTES)
    {
        return Err(Refusal::new(413, 40005, "Request entity too large"));
    }
    Ok(())
}

/// Codes 50159 to 50161 (rest.md sections 1 and 4).
fn check_voice_message(draft: &Draft) -> Result<(), Refusal> {
    let extra =
        !draft.content.is_empty() || !draft.embeds.is_empty() || !draft.components.is_empty();
    if extra {
        let message = "Voice messages do not support additional content.";
        return Err(Refusal::new(400, 50159, message));
    }
    let [file] = draft.files.as_slice() else {
        let message = "Voice messages must have a single audio attachment.";
        return Err(Refusal::new(400, 50160, message));
    };
    if !file.content_type.starts_with("audio/") {
        let message = "Voice messages must have a single audio attachment.";
        return Err(Refusal::new(400, 50160, message));
    }
    if file.duration_secs.is_none() || file.waveform.is_none() {
        let message = "Voice messages must have supporting metadata.";
        return Err(Refusal::new(400, 50161, message));
    }
    check_sizes(&draft.files)
}

/// Reads the body of an edit. `null` clears a field; a missing key leaves it.
pub(super) fn patch(
    form: &mut Form,
    body: &Map<String, Value>,
    uploads: &[Upload],
    message: &Message,
    path: &str,
) -> Patch {
    let present = |key: &str| body.contains_key(key).then(|| at(path, key));
    let content = present("content").map(|where_| {
        let text = form.text(body.get("content"), &where_, 0..=2000);
        text.unwrap_or_default().trim().to_owned()
    });
    let asked = form.integer(body.get("flags"), &at(path, "flags"), 0..=i64::MAX);
    let asked = asked.and_then(|flags| u64::try_from(flags).ok());
    let v2 = message.flags & COMPONENTS_V2 != 0 || asked.unwrap_or(0) & COMPONENTS_V2 != 0;
    let embeds = present("embeds")
        .map(|where_| embeds::check(form, body.get("embeds"), &where_).unwrap_or_default());
    let components = present("components").map(|where_| {
        components::check_message(form, body.get("components"), &where_, v2).unwrap_or_default()
    });
    if v2 && content.as_ref().is_some_and(|text| !text.is_empty()) {
        form.error(
            &at(path, "content"),
            "MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2",
            "The 'content' field cannot be used when using MessageFlags.IS_COMPONENTS_V2",
        );
    }
    let keep = form
        .list(body.get("attachments"), &at(path, "attachments"))
        .map(|list| {
            list.iter()
                .filter_map(|item| item.get("id"))
                .filter_map(|id| serde_json::from_value(id.clone()).ok())
                .collect::<Vec<AttachmentId>>()
        });
    let files = files(
        form,
        body.get("attachments"),
        uploads,
        &at(path, "attachments"),
    );
    let kept = keep.as_ref().map_or(message.attachments.len(), |keep| {
        message
            .attachments
            .iter()
            .filter(|a| keep.contains(&a.id))
            .count()
    });
    form.length(
        kept + files.len(),
        &at(path, "attachments"),
        0..=MAX_ATTACHMENTS,
    );
    Patch {
        content,
        embeds,
        components,
        // Only SUPPRESS_EMBEDS can be switched both ways; V2 can be set once (rest.md section 4).
        flags: asked.map(|asked| {
            (
                asked & (SUPPRESS_EMBEDS | COMPONENTS_V2),
                !asked & SUPPRESS_EMBEDS,
            )
        }),
        keep,
        files,
        allowed: allowed_mentions(form, body.get("allowed_mentions"), Place::Channel, path),
    }
}

/// Rules over the message an edit would leave.
///
/// # Errors
/// Nothing left, too large, or a voice message.
pub(super) fn check_edit(message: &Message, patch: &Patch) -> Result<(), Refusal> {
    if message.flags & VOICE_MESSAGE != 0 {
        return Err(Refusal::new(400, 50162, "Voice messages cannot be edited."));
    }
    check_sizes(&patch.files)?;
    let has_content = match &patch.content {
        Some(content) => !content.is_empty(),
        None => !message.content.is_empty(),
    };
    let left = |new: &Option<Vec<Value>>, old: &[Value]| match new {
        Some(new) => !new.is_empty(),
        None => !old.is_empty(),
    };
    let has_files = !patch.files.is_empty()
        || message
            .attachments
            .iter()
            .any(|a| patch.keep.as_ref().is_none_or(|keep| keep.contains(&a.id)));
    let something = has_content
        || has_files
        || left(&patch.embeds, &message.embeds)
        || left(&patch.components, &message.components)
        || message.poll.is_some();
    if something {
        Ok(())
    } else {
        Err(Refusal::new(400, 50006, "Cannot send an empty message"))
    }
}

/// Uploads with the metadata that `attachments[]` has for them (`id` is the `n` of `files[n]`).
fn files(
    form: &mut Form,
    metadata: Option<&Value>,
    uploads: &[Upload],
    path: &str,
) -> Vec<NewFile> {
    let metadata = form.list(metadata, path).unwrap_or_default();
    form.length(uploads.len(), path, 0..=MAX_ATTACHMENTS);
    let mut files = Vec::with_capacity(uploads.len());
    for upload in uploads {
        let described = metadata.iter().enumerate().find(|(_, item)| {
            let id = item.get("id");
            let id = id.and_then(|id| id.as_u64().or_else(|| id.as_str()?.parse().ok()));
            id.is_some() && id == upload.index
        });
        let path = described.map_or_else(|| path.to_owned(), |(index, _)| at(path, index));
        let field = |key: &str| described.and_then(|(_, item)| item.get(key));
        let description = form.text(field("description"), &at(&path, "description"), 0..=1024);
        let title = form.text(field("title"), &at(&path, "title"), 0..=1024);
        let filename = form.text(field("filename"), &at(&path, "filename"), 1..=1024);
        // One amplitude byte per sample, at most 256 of them: 344 characters of base64.
        let waveform = form.text(field("waveform"), &at(&path, "waveform"), 0..=400);
        files.push(NewFile {
            filename: filename.unwrap_or_else(|| upload.filename.clone()),
            content_type: upload.content_type.clone(),
            bytes: upload.bytes.clone(),
            title,
            description,
            duration_secs: field("duration_secs").and_then(Value::as_f64),
            waveform,
        });
    }
    files
}

/// Without `allowed_mentions` a message mentions everybody it names, an interaction answer only
/// users (rest.md section 4).
fn allowed_mentions(
    form: &mut Form,
    value: Option<&Value>,
    place: Place,
    path: &str,
) -> AllowedMentions {
    let Some(value) = value.filter(|value| value.is_object()) else {
        return AllowedMentions {
            users: MentionRule::All,
            roles: if place == Place::Channel {
                MentionRule::All
            } else {
                MentionRule::default()
            },
            everyone: place == Place::Channel,
            replied_user: true,
        };
    };
    let path = at(path, "allowed_mentions");
    let parse = form
        .list(value.get("parse"), &at(&path, "parse"))
        .unwrap_or_default();
    let parses = |kind: &str| parse.iter().any(|item| item == kind);
    let mut rule = |kind: &str| {
        let path = at(&path, kind);
        let ids = form.list(value.get(kind), &path).unwrap_or_default();
        form.length(ids.len(), &path, 0..=100);
        if parses(kind) {
            if !ids.is_empty() {
                let message =
                    format!("parse:[\"{kind}\"] and {kind}: [ids...] are mutually exclusive.");
                form.error(&path, "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE", message);
            }
            return MentionRule::All;
        }
        MentionRule::Only(
            ids.iter()
                .filter_map(|id| form.snowflake(id, &path))
                .collect(),
        )
    };
    AllowedMentions {
        users: rule("users"),
        roles: rule("roles"),
        everyone: parses("everyone"),
        replied_user: value
            .get("replied_user")
            .and_then(Value::as_bool)
            .unwrap_or(false),
    }
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}
