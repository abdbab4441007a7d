//! What each stage of a session costs by itself, one after the other on one thread.

use std::hint::black_box;
use std::io::Cursor;
use std::net::UdpSocket;
use std::time::Duration;

use mynah_audio::codec::MAX_FRAME_BYTES;
use mynah_audio::{Block, Encoder, EncoderConfig, Limiter, Ramp, SAMPLES, SILENT_BLOCK};
use mynah_dave::BaseSecret;
use mynah_dave::frame::{FrameSealer, MAX_OVERHEAD_BYTES};
use mynah_media::wav::{Format, WavWriter};
use mynah_media::{Media, OpenOptions, Read};
use mynah_session::transport::RtpSealer;
use mynah_wire::EncryptionMode;
use mynah_wire::rtp::FIXED_HEADER_LEN;

use super::cpu::thread_cpu;
use super::sounds::music_mp3;

/// Frames of 20 ms that each stage is measured over.
const FRAMES: usize = 1500;
/// The same of what takes microseconds less.
const MANY: usize = 20_000;
/// The largest trailer of the transport's encryption.
const ROOM_BYTES: usize = 64;

/// CPU time of each stage for one frame of 20 ms, microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Stages {
    /// Demux and decode 44.1 kHz stereo mp3.
    pub decode_us: f64,
    /// 44.1 to 48 kHz.
    pub resample_us: f64,
    /// One track at its gain, and the limiter.
    pub mix_us: f64,
    /// Opus, at the complexity asked for.
    pub encode_us: f64,
    /// End-to-end encryption.
    pub dave_us: f64,
    /// Encryption of the transport (AES-256-GCM).
    pub rtp_us: f64,
    /// The kernel takes a packet.
    pub send_us: f64,
}

impl Stages {
    /// Measures them all; takes a second.
    ///
    /// # Errors
    /// In words: what could not be made.
    pub fn measure(complexity: u8, bitrate_bps: u32) -> Result<Self, String> {
        let mut mp3 = media("music.mp3", music_mp3())?;
        let song: Vec<Block> = (0..FRAMES).map(|_| next(&mut mp3)).collect();
        let mut again = media("music.mp3", music_mp3())?;
        let read = cost_us(FRAMES, |_| {
            black_box(next(&mut again));
        });
        let [slow, fast] = [44_100, 48_000].map(|rate_hz| reading_wav_us(&song, rate_hz));
        let resample_us = (slow? - fast?).max(0.0);
        let (mut packet, mut encoder) = ([0; MAX_FRAME_BYTES], encoder(complexity, bitrate_bps)?);
        let mut sizes = 0;
        let encode_us = cost_us(FRAMES, |n| {
            let block = song.get(n % song.len()).unwrap_or(&SILENT_BLOCK);
            sizes += encoder.encode(block, &mut packet).unwrap_or(0);
        });
        let (dave_us, rtp_us) = sealing_us(sizes / FRAMES)?;
        Ok(Self {
            decode_us: (read - resample_us).max(0.0),
            resample_us,
            mix_us: mixing_us(&song),
            encode_us,
            dave_us,
            rtp_us,
            send_us: sending_us(sizes / FRAMES).map_err(|error| error.to_string())?,
        })
    }

    /// What the media threads do of it.
    #[must_use]
    pub fn media_us(&self) -> f64 {
        self.decode_us + self.resample_us
    }

    /// What the tick threads do of it.
    #[must_use]
    pub fn tick_us(&self) -> f64 {
        self.mix_us + self.encode_us + self.passing_us()
    }

    /// What is left for the tick threads when packets go out as they are.
    #[must_use]
    pub fn passing_us(&self) -> f64 {
        self.dave_us + self.rtp_us + self.send_us
    }
}

fn media(name: &str, bytes: Vec<u8>) -> Result<Media, String> {
    mynah_media::open_bytes(name, bytes, &OpenOptions::default()).map_err(|error| error.to_string())
}

/// The next block; silence when there is none any more.
fn next(media: &mut Media) -> Block {
    let mut block = SILENT_BLOCK;
    if !matches!(media.read(&mut block), Ok(Read::Full)) {
        let _ = media.seek(Duration::ZERO);
    }
    block
}

fn encoder(complexity: u8, bitrate_bps: u32) -> Result<Encoder, String> {
    let config = EncoderConfig {
        bitrate_bps,
        complexity,
        ..EncoderConfig::default()
    };
    Encoder::new(config).map_err(|error| error.to_string())
}

/// Microseconds of CPU time for one turn; the first tenth only warms up.
fn cost_us(times: usize, mut turn: impl FnMut(usize)) -> f64 {
    (0..times / 10).for_each(&mut turn);
    let begin = thread_cpu();
    (0..times).for_each(&mut turn);
    thread_cpu().saturating_sub(begin).as_secs_f64() * 1e6 / times as f64
}

/// The resampler's cost is the difference between reading the same at two rates.
fn reading_wav_us(song: &[Block], rate_hz: u32) -> Result<f64, String> {
    let wav = || -> std::io::Result<Vec<u8>> {
        let shape = (Format::I16, rate_hz, 2);
        let mut wav = WavWriter::with_shape(Cursor::new(Vec::new()), shape.0, shape.1, shape.2)?;
        for block in song {
            wav.write(block)?;
        }
        Ok(wav.finish()?.into_inner())
    };
    let mut media = media("music.wav", wav().map_err(|error| error.to_string())?)?;
    Ok(cost_us(FRAMES * 3 / 4, |_| {
        black_box(next(&mut media));
    }))
}

fn mixing_us(song: &[Block]) -> f64 {
    let (mut ramp, mut limiter) = (Ramp::new(1.0), Limiter::new());
    cost_us(MANY, |n| {
        let mut mix = [0.0; SAMPLES];
        ramp.add(song.get(n % song.len()).unwrap_or(&SILENT_BLOCK), &mut mix);
        limiter.process(&mut mix, false);
        black_box(&mix);
    })
}

fn sealing_us(frame_bytes: usize) -> Result<(f64, f64), String> {
    let base = BaseSecret::new([1; BaseSecret::BYTES]);
    let mut frames = FrameSealer::new(&base, 1);
    let mut buf = vec![0x55; frame_bytes + MAX_OVERHEAD_BYTES];
    let mut sealed = Ok(0);
    let dave = cost_us(MANY, |_| {
        sealed = frames.seal(black_box(&mut buf), frame_bytes)
    });
    sealed.map_err(|error| error.to_string())?;
    let mut packets = RtpSealer::new(EncryptionMode::Aes256GcmRtpSize, &[7; 32], 0);
    let end = FIXED_HEADER_LEN + frame_bytes;
    let mut buf = vec![0x80; end + ROOM_BYTES];
    let mut sealed = Ok(0);
    let rtp = cost_us(MANY, |_| {
        sealed = packets.seal(black_box(&mut buf), FIXED_HEADER_LEN, end)
    });
    sealed.map_err(|error| error.to_string())?;
    Ok((dave, rtp))
}

fn sending_us(frame_bytes: usize) -> std::io::Result<f64> {
    let sink = UdpSocket::bind("127.0.0.1:0")?;
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.connect(sink.local_addr()?)?;
    let packet = vec![0; FIXED_HEADER_LEN + frame_bytes + ROOM_BYTES / 2];
    Ok(cost_us(MANY, |_| {
        let _full = socket.send(black_box(&packet));
    }))
}
