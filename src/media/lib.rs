//! Sound files to 20 ms blocks, and back.
//!
//! [`open`] takes any file Mynah can play and gives a [`Media`]: a source of 48 kHz stereo
//! [`mynah_audio::Block`]s that starts at the first sample the musician meant, ends at the last,
//! and can seek. [`ogg`] and [`wav`] write what a listener heard; [`tune`] makes sound from
//! nothing.
//!
//! File bytes are hostile until proven otherwise: every call into the demuxers and decoders that
//! touches them runs under `catch_unwind` with named limits ([`limits`]), and a damaged file plays
//! what it can and then ends.
//!
//! Blocking: call this from a media thread, never from the tick or an async task.
#![forbid(unsafe_code)]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::print_stdout,
        reason = "a test may panic, and say what it has measured"
    )
)]

mod aac;
mod comments;
mod decode;
mod demux;
mod disarm;
mod downmix;
mod error;
mod guard;
mod id3;
mod info;
pub mod limits;
mod matroska;
mod media;
mod mp3;
mod mp4;
pub mod ogg;
mod opus_head;
mod resample;
mod rooms;
mod source;
mod stream;
mod track;
pub mod tune;
mod vorbis;
pub mod wav;

use std::path::Path;

pub use error::MediaError;
pub use guard::install_panic_hook;
pub use info::{Chapter, Cover, Gain, Info};
pub use media::{Damage, Media, OpenOptions, Read, Slot};
pub use source::looks_like_no_sound;
pub use stream::{Broken, ByteStream};

/// Opens a sound file and decodes its first sound, so that what cannot play fails here.
///
/// # Errors
/// [`MediaError`] names the file, the reason and, by [`MediaError::remedy`], what to do.
pub fn open(path: &Path, options: &OpenOptions) -> Result<Media, MediaError> {
    Media::open(source::Origin::file(path)?, options)
}

/// Opens sound already in memory; `name` stands for the file name in errors and as format hint.
///
/// # Errors
/// As [`open`].
pub fn open_bytes(
    name: &str,
    bytes: impl Into<std::sync::Arc<[u8]>>,
    options: &OpenOptions,
) -> Result<Media, MediaError> {
    Media::open(source::Origin::bytes(name, bytes.into())?, options)
}

/// Opens sound that comes over a network. Waits for its first bytes as long as the stream does.
///
/// # Errors
/// As [`open`], and [`MediaError::Stream`] when the stream breaks.
pub fn open_stream(
    stream: std::sync::Arc<dyn ByteStream>,
    options: &OpenOptions,
) -> Result<Media, MediaError> {
    let tap = std::sync::Arc::new(stream::Tap::new(stream));
    Media::open(source::Origin::Stream(tap), options)
}

/// What a file is: title, length, codec. Opens it and decodes its first sound, as [`open`] does.
///
/// # Errors
/// As [`open`].
pub fn probe(path: &Path) -> Result<Info, MediaError> {
    Ok(open(path, &OpenOptions::default())?.info().clone())
}
