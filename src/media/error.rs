//! What can be wrong with a sound file, said so that its owner can do something about it.

use std::io;

use crate::stream::Broken;

/// Why a file cannot be played, or can no longer. Every variant names the file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MediaError {
    /// There is no such file.
    #[error("there is no file \"{file}\"")]
    NotFound {
        /// The file as it was named.
        file: String,
    },
    /// The file exists and may not be read.
    #[error("\"{file}\" may not be read: permission denied")]
    NoPermission {
        /// The file as it was named.
        file: String,
    },
    /// The path is a folder.
    #[error("\"{file}\" is a folder, not a sound file")]
    Directory {
        /// The path as it was named.
        file: String,
    },
    /// The path is a device, a pipe or a socket.
    #[error("\"{file}\" is not a regular file")]
    NotAFile {
        /// The path as it was named.
        file: String,
    },
    /// The file has no bytes.
    #[error("\"{file}\" is empty (0 bytes)")]
    Empty {
        /// The file as it was named.
        file: String,
    },
    /// The bytes are no sound format known here.
    #[error("\"{file}\" is not audio Mynah can play: {looks}")]
    NotAudio {
        /// The file as it was named.
        file: String,
        /// What the bytes look like.
        looks: String,
    },
    /// A known container without any sound in it.
    #[error("\"{file}\" ({container}) has no audio track")]
    NoAudioTrack {
        /// The file as it was named.
        file: String,
        /// The container format.
        container: String,
    },
    /// Sound in a codec this build does not decode.
    #[error("\"{file}\" holds {codec}, which Mynah does not decode")]
    UnsupportedCodec {
        /// The file as it was named.
        file: String,
        /// The codec or the feature of it.
        codec: String,
    },
    /// The header asks for more than any real music needs.
    #[error("\"{file}\" asks for {what}, beyond the limit of {limit}")]
    BeyondLimit {
        /// The file as it was named.
        file: String,
        /// What the file asks for.
        what: String,
        /// The limit, with its unit.
        limit: String,
    },
    /// A sound file, but too damaged to get a single sound out of it.
    #[error("\"{file}\" is damaged: {reason}")]
    Damaged {
        /// The file as it was named.
        file: String,
        /// What the decoder stumbled over.
        reason: String,
    },
    /// The stream broke for good; what it says is in the reason.
    #[error("\"{file}\" cannot be read on: {reason}")]
    Stream {
        /// The address as it may be shown.
        file: String,
        /// What happened.
        reason: String,
    },
    /// The stream can only be heard as it comes.
    #[error("\"{file}\" cannot jump: its server sends it only as a whole or live")]
    NoJump {
        /// The address as it may be shown.
        file: String,
    },
    /// The operating system failed to read.
    #[error("reading \"{file}\" failed: {source}")]
    Io {
        /// The file as it was named.
        file: String,
        /// What the operating system said.
        source: io::Error,
    },
}

impl MediaError {
    /// What the owner of the file can do about it.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => "check the spelling and the folder",
            Self::NoPermission { .. } => "allow the bot's user to read it (chmod a+r)",
            Self::Directory { .. } => "name a file inside it",
            Self::NotAFile { .. } => "save the sound to a file and play that",
            Self::Empty { .. } => "copy or download it again; the first attempt left nothing",
            Self::NotAudio { .. } => {
                "use mp3, flac, ogg, opus, wav, m4a, aac, webm, mkv or aiff; a file is known by \
                 its contents, renaming does not help"
            }
            Self::NoAudioTrack { .. } => "choose a file with sound",
            Self::UnsupportedCodec { .. } => {
                "convert it once, for example: ffmpeg -i FILE -c:a flac FILE.flac"
            }
            Self::BeyondLimit { .. } => {
                "the header is probably damaged; convert the file again from its original"
            }
            Self::Damaged { .. } => "copy or download it again",
            Self::Stream { .. } => "try again; if it stays so, ask whoever runs that server",
            Self::NoJump { .. } => "play it from its beginning, or download it and play the file",
            Self::Io { .. } => "check the disk, or the network share it is on",
        }
    }

    /// Sorts an error of the operating system by what can be done about it.
    pub(crate) fn from_io(file: &str, source: io::Error) -> Self {
        let file = file.to_owned();
        if let Some(reason) = Broken::inside(&source) {
            let reason = reason.to_owned();
            return Self::Stream { file, reason };
        }
        match source.kind() {
            io::ErrorKind::NotFound => Self::NotFound { file },
            io::ErrorKind::PermissionDenied => Self::NoPermission { file },
            io::ErrorKind::IsADirectory => Self::Directory { file },
            _ => Self::Io { file, source },
        }
    }
}
