//! What a file says about itself.

use std::time::Duration;

use symphonia::core::formats::FormatReader;
use symphonia::core::meta::{MetadataContainer, RawValue, StandardTag};

/// What is known about an open file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Info {
    /// Title, from the tags.
    pub title: Option<String>,
    /// Artist, from the tags.
    pub artist: Option<String>,
    /// Album, from the tags.
    pub album: Option<String>,
    /// Playing time. `None` when neither the file says nor its size tells; an estimate for mp3
    /// and aac files without an index.
    pub duration: Option<Duration>,
    /// Codec, short: `mp3`, `opus`, `flac`, `pcm_s16le` …
    pub codec: String,
    /// Container, short: `ogg`, `isomp4`, `wave` …
    pub container: String,
    /// Sample rate inside the file. What is played is always 48 kHz.
    pub sample_rate_hz: u32,
    /// Channels inside the file. What is played is always stereo.
    pub channels: u16,
}

/// Longest tag shown: longer ones are nonsense or an attack on somebody's message limit.
const MAX_TAG_CHARS: usize = 300;

impl Info {
    /// Takes title, artist and album from the newest tags that have them.
    pub(crate) fn read_tags(&mut self, reader: &mut dyn FormatReader, track_id: u32) {
        let mut metadata = reader.metadata();
        while let Some(revision) = metadata.current() {
            self.take_tags(&revision.media);
            for per_track in &revision.per_track {
                if per_track.track_id == u64::from(track_id) {
                    self.take_tags(&per_track.metadata);
                }
            }
            if metadata.is_latest() {
                break;
            }
            metadata.pop();
        }
    }

    /// Takes a title found outside the tags, unless the tags have one.
    pub(crate) fn offer_title(&mut self, title: &str) {
        if self.title.is_none() {
            set(&mut self.title, title);
        }
    }

    fn take_tags(&mut self, tags: &MetadataContainer) {
        for tag in &tags.tags {
            match &tag.std {
                Some(StandardTag::TrackTitle(text)) => set(&mut self.title, text),
                Some(StandardTag::Artist(text)) => set(&mut self.artist, text),
                Some(StandardTag::Album(text)) => set(&mut self.album, text),
                // Matroska calls whatever is said of the whole file "of the album".
                Some(StandardTag::AlbumArtist(text)) if self.artist.is_none() => {
                    set(&mut self.artist, text);
                }
                // A name the tag reader has no meaning for, as `ALBUM@ALBUM` in Matroska.
                None => match tag.raw.key.rsplit('@').next().unwrap_or_default() {
                    "TITLE" if self.title.is_none() => set_raw(&mut self.title, &tag.raw.value),
                    "ARTIST" if self.artist.is_none() => set_raw(&mut self.artist, &tag.raw.value),
                    "ALBUM" if self.album.is_none() => set_raw(&mut self.album, &tag.raw.value),
                    _ => {}
                },
                _ => {}
            }
        }
    }
}

fn set_raw(field: &mut Option<String>, value: &RawValue) {
    if let RawValue::String(text) = value {
        set(field, text);
    }
}

fn set(field: &mut Option<String>, text: &str) {
    let clean: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(MAX_TAG_CHARS)
        .collect();
    let clean = clean.trim();
    if !clean.is_empty() {
        *field = Some(clean.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_lose_control_characters_and_excess_length() {
        let mut field = None;
        set(&mut field, " a\u{0}b\nc ");
        assert_eq!(field.as_deref(), Some("a b c"));
        set(&mut field, "   ");
        assert_eq!(
            field.as_deref(),
            Some("a b c"),
            "an empty tag does not erase a good one"
        );
        set(&mut field, &"x".repeat(10_000));
        assert_eq!(field.map(|f| f.len()), Some(MAX_TAG_CHARS));
    }
}
