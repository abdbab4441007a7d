//! One sound: what is known of it, who may see and change it.

use super::name::fold;

/// The volume a sound may have, in percent of what is stored.
pub const VOLUMES: std::ops::RangeInclusive<u16> = 1..=200;
/// The longest cooldown of a sound, in seconds: a day.
pub const MAX_REST_S: u32 = 86_400;

/// One sound of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sound {
    /// Its number, unique in the whole index and never used again.
    pub id: i64,
    /// What people call it; see [`super::name::name`].
    pub name: String,
    /// What else they call it.
    pub aliases: Vec<String>,
    /// What it is about, in small letters.
    pub tags: Vec<String>,
    /// Shown on its button; see [`super::name::emoji`].
    pub emoji: Option<String>,
    /// Percent, [`VOLUMES`].
    pub volume: u16,
    /// Who added it.
    pub uploader: u64,
    /// Milliseconds.
    pub length_ms: u64,
    /// Bytes on the disk.
    pub bytes: u64,
    /// SHA-256 of the stored file, in hexadecimal digits; the file is named by it.
    pub sha256: String,
    /// How often it was played.
    pub plays: u64,
    /// Seconds it rests after it was played, for everybody; at most [`MAX_REST_S`].
    pub rest_s: u32,
    /// Only its uploader and managers see it.
    pub hidden: bool,
    /// When it came, in milliseconds since 1970.
    pub added_ms: u64,
}

impl Sound {
    /// True when people call it so.
    #[must_use]
    pub fn is_called(&self, folded: &str) -> bool {
        fold(&self.name) == folded || self.aliases.iter().any(|alias| fold(alias) == folded)
    }

    /// True when that person may see and play it.
    #[must_use]
    pub fn is_seen_by(&self, viewer: Viewer) -> bool {
        !self.hidden || self.is_changed_by(viewer)
    }

    /// True when that person may change and delete it.
    #[must_use]
    pub fn is_changed_by(&self, viewer: Viewer) -> bool {
        viewer.manages || viewer.user == self.uploader
    }
}

/// Who looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Viewer {
    /// Their id.
    pub user: u64,
    /// They manage the soundboard.
    pub manages: bool,
}

/// What shall be different; `None` leaves it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Edit {
    /// Another name.
    pub name: Option<String>,
    /// All its other names.
    pub aliases: Option<Vec<String>>,
    /// All its tags.
    pub tags: Option<Vec<String>>,
    /// Its emoji, or none.
    pub emoji: Option<Option<String>>,
    /// Percent.
    pub volume: Option<u16>,
    /// Seconds.
    pub rest_s: Option<u32>,
    /// Only its uploader and managers see it.
    pub hidden: Option<bool>,
}

impl Edit {
    /// The sound as it shall be.
    #[must_use]
    pub fn of(self, sound: &Sound) -> Sound {
        let was = sound.clone();
        Sound {
            name: self.name.unwrap_or(was.name),
            aliases: self.aliases.unwrap_or(was.aliases),
            tags: self.tags.unwrap_or(was.tags),
            emoji: self.emoji.unwrap_or(was.emoji),
            volume: self.volume.map_or(was.volume, |percent| {
                percent.clamp(*VOLUMES.start(), *VOLUMES.end())
            }),
            rest_s: self.rest_s.map_or(was.rest_s, |s| s.min(MAX_REST_S)),
            hidden: self.hidden.unwrap_or(was.hidden),
            ..was
        }
    }
}
