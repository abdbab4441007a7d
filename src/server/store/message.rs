//! Messages, their attachments and the uploaded bytes.

use std::collections::BTreeMap;

use bytes::Bytes;
use mynah_wire::{
    ApplicationId, AttachmentId, ChannelId, GuildId, InteractionId, MessageId, UserId,
};
use serde_json::Value;

/// Uploaded bytes kept in memory; beyond this the oldest files go (links of real Discord expire
/// too, rest.md section 4).
pub const MAX_STORED_BYTES: usize = 512 << 20;

/// How a message came to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MessageOrigin {
    /// Written by its author.
    Plain,
    /// Response or follow-up of an interaction.
    Interaction {
        /// The interaction.
        id: InteractionId,
        /// Its type number.
        kind: u8,
        /// The command's full name, if it was one.
        name: Option<String>,
        /// Who invoked it.
        user_id: UserId,
        /// Whose application answers.
        application_id: ApplicationId,
        /// The response a follow-up belongs to.
        original_response: Option<MessageId>,
    },
}

/// A message.
#[derive(Clone, Debug)]
pub struct Message {
    /// Id.
    pub id: MessageId,
    /// Where it is.
    pub channel_id: ChannelId,
    /// Guild of that channel.
    pub guild_id: Option<GuildId>,
    /// Who wrote it.
    pub author_id: UserId,
    /// How it came to be.
    pub origin: MessageOrigin,
    /// Text.
    pub content: String,
    /// Unix milliseconds.
    pub created_ms: u64,
    /// Unix milliseconds of the last edit.
    pub edited_ms: Option<u64>,
    /// Read aloud.
    pub tts: bool,
    /// Mentions `@everyone` or `@here`.
    pub mention_everyone: bool,
    /// Users mentioned.
    pub mentions: Vec<UserId>,
    /// Roles mentioned, as ids.
    pub mention_roles: Vec<u64>,
    /// Files.
    pub attachments: Vec<Attachment>,
    /// Embeds as Discord objects.
    pub embeds: Vec<Value>,
    /// Components as Discord objects.
    pub components: Vec<Value>,
    /// Reactions in order of first use.
    pub reactions: Vec<Reaction>,
    /// Unix milliseconds since when it is pinned.
    pub pinned_ms: Option<u64>,
    /// Message flags.
    pub flags: u64,
    /// Message type: 0, 19 for a reply, 20 for a slash command answer.
    pub kind: u8,
    /// Echoed nonce.
    pub nonce: Option<Value>,
    /// What it replies to.
    pub reference: Option<Value>,
    /// Poll as given.
    pub poll: Option<Value>,
}

/// Flag of messages only the invoking user sees.
pub const EPHEMERAL: u64 = 1 << 6;
/// Flag of a deferred response that is still to come.
pub const LOADING: u64 = 1 << 7;

impl Message {
    /// Only the invoking user sees it.
    pub fn is_ephemeral(&self) -> bool {
        self.flags & EPHEMERAL != 0
    }

    /// A deferred response that has not been filled in.
    pub fn is_loading(&self) -> bool {
        self.flags & LOADING != 0
    }
}

/// One emoji under a message and who used it.
#[derive(Clone, Debug)]
pub struct Reaction {
    /// Unicode emoji, or `name:id`.
    pub emoji: String,
    /// Who used it.
    pub users: Vec<UserId>,
}

/// What a message says about one of its files.
#[derive(Clone, Debug)]
pub struct Attachment {
    /// Id.
    pub id: AttachmentId,
    /// File name.
    pub filename: String,
    /// Title.
    pub title: Option<String>,
    /// Alternative text.
    pub description: Option<String>,
    /// MIME type.
    pub content_type: Option<String>,
    /// Length.
    pub size_bytes: usize,
    /// Where it can be fetched.
    pub url: String,
    /// Seconds of a voice message.
    pub duration_secs: Option<f64>,
    /// Waveform of a voice message, base64.
    pub waveform: Option<String>,
    /// Belongs to an ephemeral message or an interaction.
    pub ephemeral: bool,
}

/// Uploaded bytes with what is needed to serve them.
#[derive(Clone, Debug)]
pub struct StoredFile {
    /// File name, as in the URL.
    pub filename: String,
    /// MIME type.
    pub content_type: String,
    /// The bytes.
    pub bytes: Bytes,
}

/// All uploaded files, bounded by [`MAX_STORED_BYTES`].
#[derive(Debug, Default)]
pub struct Files {
    by_id: BTreeMap<AttachmentId, StoredFile>,
    total_bytes: usize,
}

impl Files {
    /// Keeps a file, and drops the oldest ones beyond the limit.
    pub fn put(&mut self, id: AttachmentId, file: StoredFile) {
        self.total_bytes += file.bytes.len();
        self.by_id.insert(id, file);
        while self.total_bytes > MAX_STORED_BYTES && self.by_id.len() > 1 {
            if let Some((_, dropped)) = self.by_id.pop_first() {
                self.total_bytes -= dropped.bytes.len();
            }
        }
    }

    /// A file by its attachment id.
    pub fn get(&self, id: AttachmentId) -> Option<&StoredFile> {
        self.by_id.get(&id)
    }

    /// Drops the files of a message that is gone.
    pub fn forget(&mut self, attachments: &[Attachment]) {
        for attachment in attachments {
            if let Some(dropped) = self.by_id.remove(&attachment.id) {
                self.total_bytes -= dropped.bytes.len();
            }
        }
    }
}
