//! What a file says about itself.

pub mod chapters;
mod cover;
mod gain;

use std::time::Duration;

use symphonia::core::formats::{Attachment, FormatReader};
use symphonia::core::meta::{MetadataContainer, RawValue, StandardTag, Tag};

pub use chapters::Chapter;
pub use cover::Cover;
pub use gain::Gain;

/// What is known about an open file.
#[derive(Debug, Clone, PartialEq, Default)]
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
    /// How to bring it to the loudness of others, from the tags. What is played is as loud as the
    /// file itself.
    pub replay_gain: Option<Gain>,
    /// Its chapters, in order; at most [`MAX_CHAPTERS`](crate::limits::MAX_CHAPTERS).
    pub chapters: Vec<Chapter>,
    /// Its picture.
    pub cover: Option<Cover>,
}

/// Longest tag shown: longer ones are nonsense or an attack on somebody's message limit.
const MAX_TAG_CHARS: usize = 300;

impl Info {
    /// Takes what the newest tags that have it say, the chapters and the picture.
    pub(crate) fn read_tags(&mut self, reader: &mut dyn FormatReader, track_id: u32) {
        let (mut gain, mut cover) = (gain::Found::default(), cover::Found::default());
        let mut metadata = reader.metadata();
        while let Some(revision) = metadata.current() {
            let per_track = revision.per_track.iter();
            let ours = per_track.filter(|tags| tags.track_id == u64::from(track_id));
            for tags in std::iter::once(&revision.media).chain(ours.map(|tags| &tags.metadata)) {
                self.take_tags(tags);
                tags.tags.iter().for_each(|tag| take_gain(&mut gain, tag));
                tags.visuals.iter().for_each(|visual| cover.take(visual));
            }
            if metadata.is_latest() {
                break;
            }
            metadata.pop();
        }
        for attachment in reader.attachments() {
            if let Attachment::File(file) = attachment {
                cover.take_file(&file.name, &file.data);
            }
        }
        self.replay_gain = gain.gain();
        self.cover = cover.cover();
        // What symphonia calls chapters in FLAC is the cue sheet of a CD: indexes without names.
        let group = reader.chapters().filter(|_| self.container != "flac");
        self.chapters = group.map(chapters::of_group).unwrap_or_default();
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

/// What symphonia has no meaning for goes by its name, which is the same in every format but for what
/// stands before it: `ALBUM@` in Matroska, `com.apple.iTunes:` in MP4.
fn take_gain(gain: &mut gain::Found, tag: &Tag) {
    match (&tag.std, &tag.raw.value) {
        (Some(StandardTag::ReplayGainTrackGain(value)), _) => gain.take(gain::TRACK_GAIN, value),
        (Some(StandardTag::ReplayGainTrackPeak(value)), _) => gain.take(gain::TRACK_PEAK, value),
        (_, RawValue::String(value)) => {
            let name = tag.raw.key.rsplit(['@', ':']).next().unwrap_or_default();
            gain.take(name, value);
        }
        _ => {}
    }
}

fn set(field: &mut Option<String>, text: &str) {
    if let Some(text) = clean(text) {
        *field = Some(text);
    }
}

/// A text that can be shown; `None` when there is nothing to show.
fn clean(text: &str) -> Option<String> {
    let clean: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(MAX_TAG_CHARS)
        .collect();
    let clean = clean.trim();
    (!clean.is_empty()).then(|| clean.to_owned())
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
