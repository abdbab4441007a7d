//! What a user says, as Opus frames: read, encoded and queued ahead on a blocking thread.

use std::f64::consts::TAU;

use mynah_audio::codec::MAX_FRAME_BYTES;
use mynah_audio::level::gain_from_db;
use mynah_audio::{Block, CHANNELS, Encoder, EncoderConfig, FRAMES, SAMPLE_RATE_HZ, SILENT_BLOCK};
use mynah_media::{Media, OpenOptions, Read};
use tokio::sync::mpsc;

use crate::Error;
use crate::types::{MAX_SAY_SECONDS, SayWhat};

/// Frames encoded ahead: 320 ms, so that a slow disk or a busy machine is not heard. The producer
/// waits when it is full.
const AHEAD: usize = 16;
/// A person's speech needs less, music a little more; complexity 5 costs half of 10
/// (design/crates.md 1.2), and fifty users may talk on one machine.
const BITRATE_BPS: u32 = 128_000;
const COMPLEXITY: u8 = 5;
/// A tone begins and ends over this long, so that it does not click.
const FADE_FRAMES: usize = SAMPLE_RATE_HZ as usize / 200;

/// One Opus frame of 20 ms.
pub type Frame = Box<[u8]>;

/// Opens the sound and starts encoding it. The frames end when the sound does; a looped one ends
/// when the receiver is dropped.
///
/// # Errors
/// The sound cannot be played: [`Error::Media`], [`Error::BadTone`]; [`Error::Opus`].
pub async fn start(what: SayWhat, looped: bool) -> Result<mpsc::Receiver<Frame>, Error> {
    let (frames, receiver) = mpsc::channel(AHEAD);
    let (opened, result) = tokio::sync::oneshot::channel();
    tokio::task::spawn_blocking(move || {
        let ready = Source::open(&what).and_then(|source| Ok((source, encoder()?)));
        match ready {
            Ok((source, encoder)) => {
                let _ = opened.send(Ok(()));
                produce(source, encoder, &what, looped, &frames);
            }
            Err(error) => {
                let _ = opened.send(Err(error));
            }
        }
    });
    match result.await {
        Ok(opened) => opened.map(|()| receiver),
        Err(_) => Err(std::io::Error::other("the sound could not be opened").into()),
    }
}

fn encoder() -> Result<Encoder, Error> {
    Ok(Encoder::new(EncoderConfig {
        bitrate_bps: BITRATE_BPS,
        complexity: COMPLEXITY,
        ..EncoderConfig::default()
    })?)
}

/// Encodes until the sound or the listener ends.
fn produce(
    mut source: Source,
    mut encoder: Encoder,
    what: &SayWhat,
    looped: bool,
    frames: &mpsc::Sender<Frame>,
) {
    let mut block = SILENT_BLOCK;
    let mut bytes = [0u8; MAX_FRAME_BYTES];
    let mut sounded = false;
    loop {
        match source.read(&mut block) {
            Ok(true) => sounded = true,
            // An empty sound must not spin.
            Ok(false) if looped && sounded => {
                match Source::open(what) {
                    Ok(again) => source = again,
                    Err(error) => {
                        tracing::warn!(%error, "the looped sound cannot be opened again");
                        return;
                    }
                }
                sounded = false;
                continue;
            }
            Ok(false) => return,
            Err(error) => {
                tracing::warn!(%error, "the sound ended early");
                return;
            }
        }
        let Ok(length) = encoder.encode(&block, &mut bytes) else {
            tracing::warn!("the Opus encoder refused a frame");
            return;
        };
        let frame = bytes.get(..length).unwrap_or_default();
        if frames.blocking_send(frame.into()).is_err() {
            return;
        }
    }
}

/// Where blocks come from.
enum Source {
    File(Box<Media>),
    Tone(Tone),
}

impl Source {
    fn open(what: &SayWhat) -> Result<Self, Error> {
        match *what {
            SayWhat::Path(ref path) => Ok(Self::File(Box::new(mynah_media::open(
                path,
                &OpenOptions::default(),
            )?))),
            SayWhat::Tone { hz, seconds, dbfs } => Tone::new(hz, seconds, dbfs).map(Self::Tone),
        }
    }

    /// Fills a block; false when the sound is over.
    fn read(&mut self, block: &mut Block) -> Result<bool, Error> {
        match self {
            Self::File(media) => Ok(!matches!(media.read(block)?, Read::End)),
            Self::Tone(tone) => Ok(tone.read(block)),
        }
    }
}

/// A sine on both channels, faded in and out.
#[derive(Debug)]
struct Tone {
    step: f64,
    gain: f64,
    frames: usize,
    at: usize,
}

impl Tone {
    fn new(hz: f64, seconds: f64, dbfs: f64) -> Result<Self, Error> {
        let sane = (1.0..=20_000.0).contains(&hz)
            && seconds > 0.0
            && seconds <= MAX_SAY_SECONDS
            && (-120.0..=0.0).contains(&dbfs);
        if !sane {
            return Err(Error::BadTone { hz, seconds, dbfs });
        }
        Ok(Self {
            step: TAU * hz / f64::from(SAMPLE_RATE_HZ),
            gain: f64::from(gain_from_db(dbfs as f32)),
            frames: (seconds * f64::from(SAMPLE_RATE_HZ)).round() as usize,
            at: 0,
        })
    }

    fn read(&mut self, block: &mut Block) -> bool {
        if self.at >= self.frames {
            return false;
        }
        for pair in block.chunks_exact_mut(CHANNELS) {
            pair.fill(self.sample());
            self.at += 1;
        }
        debug_assert_eq!(block.len(), FRAMES * CHANNELS);
        true
    }

    fn sample(&self) -> f32 {
        if self.at >= self.frames {
            return 0.0;
        }
        let fade_frames = FADE_FRAMES.min(self.frames / 2).max(1);
        let edge = self.at.min(self.frames - 1 - self.at);
        let fade = (edge as f64 / fade_frames as f64).min(1.0);
        let fade = 0.5 - 0.5 * (fade * TAU / 2.0).cos();
        (self.gain * fade * (self.step * self.at as f64).sin()) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(tone: &mut Tone) -> Vec<f32> {
        let mut block = SILENT_BLOCK;
        let mut all = Vec::new();
        while tone.read(&mut block) {
            all.extend(block.iter().step_by(2));
        }
        all
    }

    #[test]
    fn a_tone_has_its_level_length_and_soft_ends() {
        let mut tone = Tone::new(1000.0, 0.5, -6.0).unwrap();
        let sound = render(&mut tone);
        assert_eq!(sound.len(), 24_000);
        let peak = mynah_audio::level::peak(&sound);
        assert!((peak - 0.501).abs() < 0.002, "{peak}");
        assert!(sound[0].abs() < 1e-6 && sound[23_999].abs() < 1e-3);
        assert!(mynah_audio::measure::largest_step(&sound) < 0.14);
    }

    #[test]
    fn senseless_tones_are_refused() {
        for (hz, seconds, dbfs) in [
            (0.0, 1.0, 0.0),
            (30_000.0, 1.0, 0.0),
            (f64::NAN, 1.0, 0.0),
            (440.0, 0.0, 0.0),
            (440.0, f64::INFINITY, 0.0),
            (440.0, 1.0, 1.0),
            (440.0, 1.0, f64::NEG_INFINITY),
        ] {
            let error = Tone::new(hz, seconds, dbfs).unwrap_err();
            assert!(!error.remedy().is_empty());
        }
    }

    #[tokio::test]
    async fn a_tone_becomes_as_many_frames_as_it_is_long() {
        let what = SayWhat::Tone {
            hz: 440.0,
            seconds: 1.0,
            dbfs: -20.0,
        };
        let mut frames = start(what, false).await.unwrap();
        let mut count = 0;
        while let Some(frame) = frames.recv().await {
            assert_eq!(mynah_audio::codec::packet_frames(&frame).unwrap(), FRAMES);
            count += 1;
        }
        assert_eq!(count, 50);
    }

    #[tokio::test]
    async fn a_looped_sound_goes_on_after_its_end() {
        let what = SayWhat::Tone {
            hz: 440.0,
            seconds: 0.1,
            dbfs: -20.0,
        };
        let mut frames = start(what, true).await.unwrap();
        for _ in 0..40 {
            assert!(frames.recv().await.is_some());
        }
    }

    #[tokio::test]
    async fn a_missing_file_is_named_in_the_error() {
        let what = SayWhat::Path("no/such/file.mp3".into());
        let error = start(what, false).await.unwrap_err();
        assert!(error.to_string().contains("file.mp3"), "{error}");
    }
}
