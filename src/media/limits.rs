//! The limits on what a file may ask for. Real music stays far below all of them.

/// Sample frames one packet may decode to. FLAC allows 65,535 (RFC 9639 section 9.1.6), ALAC and
/// PCM use 4,096 and less. A header asking for more makes the decoder allocate gigabytes
/// (design/crates.md section 3).
pub const MAX_FRAMES_PER_PACKET: u64 = 1 << 16;

/// Channels: 7.1.4 has twelve, WAVE's speaker mask ends at 18.
pub const MAX_CHANNELS: usize = 18;

/// Lowest and highest sample rate. 768 kHz is the highest any recorder offers.
pub const SAMPLE_RATES_HZ: std::ops::RangeInclusive<u32> = 1_000..=768_000;

/// Damaged packets in a row after which the rest of the file is given up.
pub const MAX_BAD_PACKETS_IN_A_ROW: u32 = 200;

/// Demuxer errors in a row after which the rest of the file is given up: some demuxers find the
/// next packet after garbage, others report the same error for ever.
pub const MAX_DEMUX_ERRORS_IN_A_ROW: u32 = 16;

/// Packets without any sound in a row (other tracks, empty packets) before the file is given up.
pub const MAX_SILENT_PACKETS_IN_A_ROW: u32 = 200_000;

/// Sound a seek decodes and throws away to arrive exactly, in seconds, before it gives up: a seek
/// that cannot jump plays on from the start of the file.
pub const MAX_SEEK_DISCARD_SECONDS: u64 = 6 * 3600;

/// Boxes (MP4) or elements (Matroska) read while looking for the trimming.
pub const MAX_BOXES: usize = 200_000;

/// Bytes of a cover. A larger picture is left out: no chat would show it.
pub const MAX_PICTURE_BYTES: usize = 8 << 20;

/// Chapters of a file; an audio book has a hundred or two.
pub const MAX_CHAPTERS: usize = 1_000;

/// Bytes of one tag.
pub const MAX_TAG_BYTES: usize = 1 << 20;

/// Bytes of an ID3 tag at the beginning of a file; a larger one is passed over. Covers are the largest
/// part of honest ones, with a few megabytes.
pub const MAX_ID3_BYTES: u64 = 16 << 20;

/// The same in a stream that cannot jump over it.
pub const MAX_ID3_BYTES_IN_PASSING: u64 = 4 << 20;

/// Frames of such a tag: each costs some hundred bytes of memory, whatever it costs in the file.
pub const MAX_ID3_FRAMES: u32 = 1024;

/// Frames of chapters in ID3 tags. A demuxer takes one call within another for each that lies in
/// another.
pub const MAX_CHAPTER_FRAMES: u32 = 1_000;

/// Bytes of them in all, each counted with what lies in it. Some hold a picture.
pub const MAX_CHAPTER_FRAMES_BYTES: u64 = 32 << 20;

/// ID3 tags one after the other.
pub const MAX_ID3_TAGS: u32 = 16;

/// Vorbis comments of a file; most have ten, those of audio books a few hundred.
pub const MAX_COMMENTS: u64 = 10_000;

/// Metadata blocks of a FLAC file.
pub const MAX_FLAC_BLOCKS: u32 = 1_000;

/// Bytes of a stream that go by while it is opened, or while one block is made.
pub const MAX_STREAM_BYTES_WITHOUT_SOUND: u64 = 48 << 20;

/// The same for one that cannot jump, whose tags cannot be looked at before they are read.
pub const MAX_BYTES_IN_PASSING: u64 = 6 << 20;

/// Bytes of a stream that go by while it jumps.
pub const MAX_SEEK_STREAM_BYTES: u64 = 1 << 30;
