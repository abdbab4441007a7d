//! The codecs alone: symphonia, rubato and libopus, called in a loop and nothing else.

use std::hint::black_box;
use std::io::Cursor;
use std::time::Duration;

use audioadapter_buffers::direct::InterleavedSlice;
use mynah_engine::bench::{music_mp3, thread_cpu};
use rubato::{Fft, FixedSync, Resampler, WindowFunction};
use symphonia::core::codecs::audio::{AudioDecoder, AudioDecoderOptions};
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatReader, TrackType};
use symphonia::core::io::MediaSourceStream;

/// 44.1 kHz in, 48 kHz out: 10 ms each, as the media threads do it.
const IN_FRAMES: usize = 441;
const OUT_SAMPLES: usize = 960 * 2;

/// One song on its way through the three.
pub struct Raw {
    reader: Box<dyn FormatReader>,
    decoder: Box<dyn AudioDecoder>,
    resampler: Fft<f32>,
    encoder: opus::Encoder,
    decoded: Vec<f32>,
    waiting: Vec<f32>,
    block: Vec<f32>,
    ready: Vec<f32>,
}

impl Raw {
    /// At the beginning of the song.
    pub fn new(complexity: u8, bitrate_bps: u32) -> Self {
        let stream = Box::new(Cursor::new(music_mp3()));
        let stream = MediaSourceStream::new(stream, Default::default());
        let mut hint = Hint::new();
        hint.with_extension("mp3");
        let probe = symphonia::default::get_probe();
        let reader = probe
            .probe(&hint, stream, Default::default(), Default::default())
            .unwrap();
        let track = reader.default_track(TrackType::Audio).unwrap();
        let params = track.codec_params.as_ref().unwrap().audio().unwrap();
        let codecs = symphonia::default::get_codecs();
        let options = AudioDecoderOptions::default().gapless(false);
        let decoder = codecs.make_audio_decoder(params, &options).unwrap();
        let resampler = Fft::new_custom(
            44_100,
            48_000,
            2 * IN_FRAMES,
            1,
            2,
            WindowFunction::BlackmanHarris2,
            FixedSync::Both,
        )
        .unwrap();
        let kind = (opus::Channels::Stereo, opus::Application::Audio);
        let mut encoder = opus::Encoder::new(48_000, kind.0, kind.1).unwrap();
        let bitrate = opus::Bitrate::Bits(i32::try_from(bitrate_bps).unwrap());
        encoder.set_bitrate(bitrate).unwrap();
        encoder.set_complexity(i32::from(complexity)).unwrap();
        encoder.set_vbr(true).unwrap();
        encoder.set_vbr_constraint(false).unwrap();
        let block = vec![0.0; resampler.output_frames_max() * 2];
        Self {
            reader,
            decoder,
            resampler,
            encoder,
            decoded: vec![],
            waiting: vec![],
            block,
            ready: vec![],
        }
    }

    /// 20 ms: from mp3 to Opus.
    pub fn frame(&mut self) {
        while self.ready.len() < OUT_SAMPLES {
            let packet = self.reader.next_packet().unwrap().expect("a longer song");
            let sound = self.decoder.decode(&packet).unwrap();
            sound.copy_to_vec_interleaved(&mut self.decoded);
            self.waiting.extend_from_slice(&self.decoded);
            let mut used = 0;
            loop {
                let need = self.resampler.input_frames_next() * 2;
                let Some(input) = self.waiting.get(used..used + need) else {
                    break;
                };
                let from = InterleavedSlice::new(input, 2, need / 2).unwrap();
                let frames = self.block.len() / 2;
                let mut to = InterleavedSlice::new_mut(&mut self.block, 2, frames).unwrap();
                let (_, made) = self
                    .resampler
                    .process_into_buffer(&from, &mut to, None)
                    .unwrap();
                self.ready.extend_from_slice(&self.block[..made * 2]);
                used += need;
            }
            self.waiting.drain(..used);
        }
        let mut packet = [0; 1275];
        let block = &self.ready[..OUT_SAMPLES];
        black_box(self.encoder.encode_float(block, &mut packet).unwrap());
        self.ready.drain(..OUT_SAMPLES);
    }
}

/// Microseconds of CPU time for one frame of one of `songs`, played in turn for about `time`.
pub fn cost_us(songs: &mut [Raw], time: Duration) -> f64 {
    let begin = thread_cpu();
    let mut frames = 0u32;
    while thread_cpu() - begin < time {
        for song in &mut *songs {
            song.frame();
            frames += 1;
        }
    }
    (thread_cpu() - begin).as_secs_f64() * 1e6 / f64::from(frames)
}
