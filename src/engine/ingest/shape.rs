//! What is done to the samples: interleaved stereo at 48 kHz, ±1.0.

use mynah_audio::codec::MAX_FRAME_BYTES;
use mynah_audio::loudness::{Loudness, Meter};
use mynah_audio::{CHANNELS, Encoder, EncoderConfig, FRAMES, Limiter, SAMPLES, SILENT_BLOCK};
use mynah_media::ogg::{Head, OpusWriter, Tags};
use mynah_media::{OpenOptions, Read};

use super::IngestError;

/// Kept of the silence before the first sound, 5 ms: its attack may begin below what counts as sound.
const BEFORE_FRAMES: usize = 240;
/// Kept of the silence after the last sound, 50 ms: it may still ring.
const AFTER_FRAMES: usize = 2_400;
/// Where a sound was cut in its middle it rises and falls this fast, 5 and 30 ms: no click is heard.
const RISE_FRAMES: usize = 240;
const FALL_FRAMES: usize = 1_440;
/// Half a minute of stereo in 480 kB.
const BITRATE_BPS: u32 = 128_000;
/// Nothing is raised further than this: whoever is quieter recorded nothing but noise.
const MOST_GAIN_DB: f64 = 30.0;
/// Near enough, in LU.
const NEAR_LU: f64 = 0.3;
/// What the limiter takes away is given back so often.
const PASSES: usize = 4;
/// A shorter sound is measured as if it went on for so long: the measure needs 400 ms.
const LEAST_MEASURED: usize = 48_000 * CHANNELS;

/// The part of a block from just before its first sound on; nothing if there is none.
pub fn from_first_sound(block: &[f32], silent: f32) -> &[f32] {
    let first = block.iter().position(|sample| sample.abs() > silent);
    let Some(first) = first else { return &[] };
    let frame = (first / CHANNELS).saturating_sub(BEFORE_FRAMES);
    block.get(frame * CHANNELS..).unwrap_or_default()
}

/// Takes the silence at the end away.
pub fn drop_last_silence(samples: &mut Vec<f32>, silent: f32) {
    let last = samples.iter().rposition(|sample| sample.abs() > silent);
    let frames = last.map_or(0, |last| last / CHANNELS + 1 + AFTER_FRAMES);
    samples.truncate(frames * CHANNELS);
}

/// Sound in one channel alone goes to both: it was recorded through half a plug.
pub fn even_channels(samples: &mut [f32]) {
    let mut tops = [0.0f32; CHANNELS];
    for frame in samples.chunks_exact(CHANNELS) {
        for (top, sample) in tops.iter_mut().zip(frame) {
            *top = top.max(sample.abs());
        }
    }
    let loudest = tops.iter().copied().fold(0.0, f32::max);
    // 40 dB below the other one is what a bad plug lets through.
    let silent = tops.map(|top| top < loudest * 0.01);
    if silent.iter().all(|silent| !silent) {
        return;
    }
    for frame in samples.chunks_exact_mut(CHANNELS) {
        let sound = frame.iter().zip(&silent).find(|(_, silent)| !**silent);
        if let Some(sound) = sound.map(|(sample, _)| *sample) {
            frame.fill(sound);
        }
    }
}

/// Fades the ends that are cuts.
pub fn soften(samples: &mut [f32], at_start: bool, at_end: bool) {
    let fade = |index: usize, frames: usize, frame: &mut [f32]| {
        let gain = (index as f32 + 0.5) / frames as f32;
        frame.iter_mut().for_each(|sample| *sample *= gain);
    };
    let all = samples.len() / CHANNELS;
    if at_start {
        let rise = RISE_FRAMES.min(all / 2);
        let frames = samples.chunks_exact_mut(CHANNELS).take(rise);
        frames
            .enumerate()
            .for_each(|(n, frame)| fade(n, rise, frame));
    }
    if at_end {
        let fall = FALL_FRAMES.min(all / 2);
        let frames = samples.chunks_exact_mut(CHANNELS).rev().take(fall);
        frames
            .enumerate()
            .for_each(|(n, frame)| fade(n, fall, frame));
    }
}

/// Encodes it as loud as asked, with no true peak above the ceiling: both are measured on what comes
/// out of the file again, as encoding moves peaks.
pub fn level(
    samples: &[f32],
    lufs: f32,
    ceiling_dbtp: f32,
) -> Result<(Vec<u8>, Loudness), IngestError> {
    let encode = |text: String| IngestError::Encode(text);
    let heard = measure(samples).ok_or_else(|| encode("no memory".to_owned()))?;
    let missing = |is: f64| match is.is_finite() {
        true => f64::from(lufs) - is,
        false => 0.0,
    };
    let mut gain_db = missing(heard.lufs).min(MOST_GAIN_DB);
    let mut ceiling = f64::from(ceiling_dbtp);
    let (mut best, mut last): (Option<(Vec<u8>, Loudness)>, _) = (None, None);
    for _ in 0..PASSES {
        let ogg = write(&turned(samples, gain_db, ceiling)).map_err(encode)?;
        let is = reread(&ogg)?;
        let over = is.true_peak_db - f64::from(ceiling_dbtp);
        if over > 0.0 {
            ceiling -= over + 0.05;
            last = Some((ogg, is));
            continue;
        }
        let quiet = missing(is.lufs);
        let before = best.replace((ogg, is));
        // The limiter takes away what is given: more would only make a square wave of it.
        let in_vain = before.is_some_and(|(_, was)| is.lufs - was.lufs < NEAR_LU);
        if quiet <= NEAR_LU || in_vain || gain_db >= MOST_GAIN_DB {
            break;
        }
        gain_db = (gain_db + quiet.min(6.0)).min(MOST_GAIN_DB);
    }
    best.or(last)
        .ok_or_else(|| encode("no pass was made".to_owned()))
}

/// After a gain, with its peaks held.
fn turned(samples: &[f32], gain_db: f64, ceiling_dbtp: f64) -> Vec<f32> {
    let gain = 10f64.powf(gain_db / 20.0) as f32;
    let mut limiter = Limiter::with_ceiling_dbtp(ceiling_dbtp as f32);
    let late = Limiter::LATENCY_FRAMES * CHANNELS;
    let mut out = Vec::with_capacity(samples.len() + SAMPLES + late);
    let mut rest = samples;
    while out.len() < samples.len() + late {
        let (now, later) = rest.split_at(rest.len().min(SAMPLES));
        rest = later;
        let mut block = SILENT_BLOCK;
        for (to, from) in block.iter_mut().zip(now) {
            *to = from * gain;
        }
        limiter.process(&mut block, true);
        out.extend_from_slice(&block);
    }
    out.drain(..late);
    out.truncate(samples.len());
    out
}

/// As an Ogg Opus file. The same samples make the same bytes.
fn write(samples: &[f32]) -> Result<Vec<u8>, String> {
    let words = |error: &dyn std::fmt::Display| error.to_string();
    let config = EncoderConfig {
        bitrate_bps: BITRATE_BPS,
        complexity: 10,
        ..EncoderConfig::default()
    };
    let mut encoder = Encoder::new(config).map_err(|error| words(&error))?;
    let skip = encoder.lookahead_frames().map_err(|error| words(&error))?;
    let head = Head {
        pre_skip: skip,
        ..Head::default()
    };
    let mut writer =
        OpusWriter::new(Vec::new(), 1, head, &Tags::default()).map_err(|error| words(&error))?;
    let frames = samples.len() / CHANNELS;
    // The encoder is late by its look-ahead: so much more has to go in before all is out.
    let blocks = (frames + usize::from(skip)).div_ceil(FRAMES);
    let mut packet = [0; MAX_FRAME_BYTES];
    for block in 0..blocks {
        let mut sound = SILENT_BLOCK;
        let now = samples.get(block * SAMPLES..).unwrap_or_default();
        for (to, from) in sound.iter_mut().zip(now) {
            *to = *from;
        }
        let len = encoder.encode(&sound, &mut packet);
        let len = len.map_err(|error| words(&error))?;
        let packet = packet.get(..len).unwrap_or_default();
        writer.packet(packet).map_err(|error| words(&error))?;
    }
    writer
        .finish_at(frames as u64)
        .map_err(|error| words(&error))
}

/// What somebody hears of the file.
fn reread(ogg: &[u8]) -> Result<Loudness, IngestError> {
    let mut media = mynah_media::open_bytes("sound.opus", ogg.to_vec(), &OpenOptions::default())?;
    let (mut all, mut block) = (Vec::new(), SILENT_BLOCK);
    loop {
        let frames = match media.read(&mut block)? {
            Read::Full => FRAMES,
            Read::Last(frames) => frames,
            Read::End => 0,
        };
        all.extend_from_slice(block.get(..frames * CHANNELS).unwrap_or_default());
        if frames < FRAMES {
            break;
        }
    }
    measure(&all).ok_or_else(|| IngestError::Encode("no memory".to_owned()))
}

fn measure(samples: &[f32]) -> Option<Loudness> {
    let mut meter = Meter::new()?;
    let mut heard = 0;
    while heard < LEAST_MEASURED.max(samples.len()) && !samples.is_empty() {
        meter.add(samples);
        heard += samples.len();
    }
    Some(meter.loudness())
}
