//! Uploaded files: kept, named safely, linked.

use bytes::Bytes;
use mynah_wire::{AttachmentId, ChannelId};
use serde_json::Value;

use super::Realm;
use crate::store::{Attachment, Message, StoredFile};

/// A file on its way into a message.
#[derive(Clone, Debug)]
pub(crate) struct NewFile {
    pub filename: String,
    pub content_type: String,
    pub bytes: Bytes,
    pub title: Option<String>,
    pub description: Option<String>,
    pub duration_secs: Option<f64>,
    pub waveform: Option<String>,
}

impl Realm {
    /// Stores uploads and returns what a message says about them.
    pub(crate) fn keep_files(
        &mut self,
        channel_id: ChannelId,
        files: Vec<NewFile>,
        ephemeral: bool,
    ) -> Vec<Attachment> {
        let mut kept = Vec::with_capacity(files.len());
        for file in files {
            let id = AttachmentId::new(self.next_id());
            let filename = safe_filename(&file.filename);
            kept.push(Attachment {
                id,
                url: self.attachment_url(channel_id, id, &filename),
                filename: filename.clone(),
                title: file.title,
                description: file.description,
                content_type: Some(file.content_type.clone()),
                size_bytes: file.bytes.len(),
                duration_secs: file.duration_secs,
                waveform: file.waveform,
                ephemeral,
            });
            let stored = StoredFile {
                filename,
                content_type: file.content_type,
                bytes: file.bytes,
            };
            self.store.files.put(id, stored);
        }
        kept
    }

    /// A link in the form of Discord's signed ones (rest.md section 4: `ex`, `is`, `hm`), which
    /// last a day there; here as long as the file is kept.
    fn attachment_url(&self, channel_id: ChannelId, id: AttachmentId, filename: &str) -> String {
        let issued = self.unix_ms() / 1000;
        let expires = issued + 24 * 3600;
        format!(
            "{}/attachments/{channel_id}/{id}/{filename}?ex={expires:x}&is={issued:x}&hm={:x}",
            self.base_url,
            id.get()
        )
    }
}

/// Discord keeps letters, digits, `_`, `.`, `-` of a file name and turns spaces into `_`. A path
/// never survives.
fn safe_filename(name: &str) -> String {
    let name = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let kept: String = name
        .chars()
        .map(|c| if c == ' ' { '_' } else { c })
        .filter(|c| c.is_ascii_alphanumeric() || "_.-".contains(*c))
        .take(260)
        .collect();
    match kept.trim_start_matches('.') {
        "" => "unknown".to_owned(),
        kept => kept.to_owned(),
    }
}

/// Replaces `attachment://name` in embeds and components by the file's URL (rest.md section 4).
pub(super) fn resolve_attachment_urls(message: &mut Message) {
    let Message {
        embeds,
        components,
        attachments,
        ..
    } = message;
    for value in embeds.iter_mut().chain(components.iter_mut()) {
        resolve_in(value, attachments);
    }
}

fn resolve_in(value: &mut Value, attachments: &[Attachment]) {
    match value {
        Value::String(text) => {
            let named = text.strip_prefix("attachment://").map(safe_filename);
            let file = named.and_then(|name| attachments.iter().find(|a| a.filename == name));
            if let Some(file) = file {
                *text = file.url.clone();
            }
        }
        Value::Array(items) => items
            .iter_mut()
            .for_each(|item| resolve_in(item, attachments)),
        Value::Object(fields) => {
            fields
                .values_mut()
                .for_each(|item| resolve_in(item, attachments));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_lose_paths_and_odd_characters() {
        assert_eq!(safe_filename("../../etc/pass wd"), "pass_wd");
        assert_eq!(safe_filename("a?b#c.ogg"), "abc.ogg");
        assert_eq!(safe_filename(".."), "unknown");
    }
}
