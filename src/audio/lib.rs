//! Pure signal: the 20 ms [`Block`], Opus, fades, ducking, a true-peak limiter, filters, loudness,
//! the jitter buffer and decoder of those who speak, and the measuring instruments that tell whether
//! a listener heard what was played.
//!
//! No threads, no files, no clock. Everything marked *Tick-safe* neither allocates nor locks nor
//! panics (design/architecture.md B7) and may run on the real-time thread.
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

pub mod codec;
pub mod duck;
pub mod filters;
pub mod jitter;
pub mod lane;
pub mod level;
pub mod limiter;
pub mod loudness;
pub mod measure;
pub mod policy;
pub mod ramp;
pub mod speaker;

pub use codec::{Decoder, Encoder, EncoderConfig, OpusError};
pub use duck::{DuckMatrix, Ducker, Triggers};
pub use jitter::{Jitter, JitterConfig, JitterPacket, JitterStats, Piece, Pulled, Pushed, Turn};
pub use lane::Lane;
pub use limiter::Limiter;
pub use policy::{EncoderPolicy, EncoderSettings};
pub use ramp::{Curve, Fade, Ramp};
pub use speaker::{Speaker, Spoken};

/// The one sample rate inside Mynah: Opus on Discord runs at 48 kHz (protocol/voice.md).
pub const SAMPLE_RATE_HZ: u32 = 48_000;

/// Left and right, interleaved.
pub const CHANNELS: usize = 2;

/// Sample frames in one block: 20 ms at 48 kHz, also the RTP timestamp step.
pub const FRAMES: usize = 960;

/// Samples in one block, both channels counted.
pub const SAMPLES: usize = FRAMES * CHANNELS;

/// 20 ms of sound: 48 kHz stereo, interleaved `L R L R …`, full scale is ±1.0.
pub type Block = [f32; SAMPLES];

/// A block of digital silence.
pub const SILENT_BLOCK: Block = [0.0; SAMPLES];

/// The Opus frame that means silence; five of them end every stretch of sound
/// (protocol/voice.md, "Voice data interpolation").
pub const SILENCE: [u8; 3] = [0xF8, 0xFF, 0xFE];
