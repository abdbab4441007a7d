//! The encoders of one mix's lanes. Knows neither clock nor thread.

use std::sync::Arc;
use std::time::{Duration, Instant};

use mynah_audio::codec::MAX_FRAME_BYTES;
use mynah_audio::{
    Block, CHANNELS, Encoder, EncoderConfig, Lane, Limiter, SAMPLES, SILENT_BLOCK, level,
};
use mynah_pulse::{LaneReader, SentTick, Tapped};

use super::{LanePacket, LaneSink};

/// One tick.
const TICK: Duration = Duration::from_millis(20);
/// RTP timestamps in one tick.
const STEP: u64 = 960;
/// When nothing has left for so long, nothing is on the way: the lane has ended.
const IDLE: Duration = Duration::from_millis(200);
/// What a recording of music is worth; half of what the mix itself may cost.
const CONFIG: EncoderConfig = EncoderConfig {
    bitrate_bps: 128_000,
    complexity: 5,
    vbr: true,
    fec: false,
    expected_loss_percent: 0,
};

/// Packets after which what the encoder heard beside them is too old to go on from.
const WARM: u8 = 2;
/// Samples by which listeners hear a mix later than its lanes.
const DELAY: usize = Limiter::LATENCY_FRAMES * CHANNELS;

/// Where a lane stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stand {
    #[default]
    Quiet,
    /// The last tick was a packet that went out as it was.
    Passing,
    /// The last tick went through the encoder, which still holds its end.
    Encoding,
}

/// One lane.
#[derive(Default)]
struct Track {
    /// Made for the first block.
    encoder: Option<Box<Encoder>>,
    stand: Stand,
    sequence: u16,
    /// The end of the block before.
    tail: Vec<f32>,
    /// For so many packets more the encoder knows what came before.
    warm: u8,
    /// It sounded in the tick that is being read.
    sounds: bool,
}

/// What is read of one tick.
#[derive(Default)]
pub(super) struct Coder {
    tracks: [Track; Lane::COUNT],
    last: Option<(SentTick, Instant)>,
}

impl Coder {
    /// Reads all that has left; false when the sink wants no more.
    pub(super) fn read(
        &mut self,
        reader: &mut LaneReader,
        instant_of: impl Fn(u64) -> Instant,
        sink: &mut LaneSink,
    ) -> bool {
        loop {
            self.tracks
                .iter_mut()
                .for_each(|track| track.sounds = false);
            let mut frames: Vec<(Lane, Frame)> = Vec::new();
            let sent = reader.next(|lane, tapped| frames.push((lane, Frame::of(tapped))));
            let Some(sent) = sent else {
                return true;
            };
            let at = instant_of(sent.sent_ns);
            let gap = self.last.is_some_and(|(last, _)| last.tick + 1 < sent.tick);
            if gap && !self.end(|_| true, sink) {
                return false;
            }
            for (lane, frame) in frames {
                let track = self.tracks.get_mut(lane.index());
                let packet = track.and_then(|track| track.take(frame));
                if let Some(payload) = packet
                    && !self.hand(lane, sent.tick, at, payload, sink)
                {
                    return false;
                }
            }
            // A lane that sounded until now ends in this tick, which carries what its encoder holds.
            if !gap && !self.end(|track| !track.sounds, sink) {
                return false;
            }
            self.last = Some((sent, at));
        }
    }

    /// Nothing was read for a while, or the mix is gone: what has not ended ends.
    pub(super) fn idle(&mut self, now: Instant, over: bool, sink: &mut LaneSink) -> bool {
        let Some((_, at)) = self.last else {
            return true;
        };
        let quiet = over || now.saturating_duration_since(at) > IDLE;
        !quiet || self.end(|_| true, sink)
    }

    /// Ends the lanes of which `which` says so: their last 6.5 ms come with the tick after the last.
    fn end(&mut self, which: impl Fn(&Track) -> bool, sink: &mut LaneSink) -> bool {
        let Some((last, at)) = self.last else {
            return true;
        };
        for lane in Lane::ALL {
            let track = self.tracks.get_mut(lane.index()).filter(|t| which(t));
            let rest = track.and_then(Track::end);
            if let Some(payload) = rest
                && !self.hand(lane, last.tick + 1, at + TICK, payload, sink)
            {
                return false;
            }
        }
        true
    }

    fn hand(
        &mut self,
        lane: Lane,
        tick: u64,
        sent: Instant,
        payload: Arc<[u8]>,
        sink: &mut LaneSink,
    ) -> bool {
        let Some(track) = self.tracks.get_mut(lane.index()) else {
            return true;
        };
        let sequence = track.sequence;
        track.sequence = sequence.wrapping_add(1);
        sink(LanePacket {
            lane,
            sequence,
            timestamp: tick.wrapping_mul(STEP) as u32,
            sent,
            payload,
        })
    }
}

/// What was tapped, taken along.
enum Frame {
    Block(Box<Block>),
    Before(Box<Block>),
    Packet(Arc<[u8]>),
}

impl Frame {
    fn of(tapped: Tapped<'_>) -> Self {
        match tapped {
            Tapped::Block(block) => Self::Block(Box::new(*block)),
            Tapped::Before(block) => Self::Before(Box::new(*block)),
            Tapped::Packet(packet) => Self::Packet(packet.into()),
        }
    }
}

impl Track {
    /// The packet for what sounds in this tick, if it is to be heard.
    fn take(&mut self, frame: Frame) -> Option<Arc<[u8]>> {
        match frame {
            Frame::Packet(packet) => {
                self.sounds = true;
                self.stand = Stand::Passing;
                self.warm = self.warm.saturating_sub(1);
                Some(packet)
            }
            Frame::Before(block) => {
                // The encoder hears what the packets said, so that its first frame joins on.
                if self.warm == 0 {
                    self.begin();
                }
                let _unheard = self.encode(&block);
                if let Some(encoder) = &mut self.encoder {
                    encoder.begin();
                }
                self.warm = WARM;
                None
            }
            Frame::Block(block) => {
                if self.stand == Stand::Quiet && level::is_silent(&block[..]) {
                    return None;
                }
                if self.stand != Stand::Encoding && self.warm == 0 {
                    self.begin();
                }
                self.warm = 0;
                self.sounds = true;
                self.stand = Stand::Encoding;
                self.encode(&block)
            }
        }
    }

    /// What was said before has nothing to do with what comes.
    fn begin(&mut self) {
        self.tail.clear();
        self.tail.resize(DELAY, 0.0);
        if self.encoder.is_none() {
            self.encoder = Encoder::new(CONFIG).ok().map(Box::new);
        }
        if let Some(encoder) = &mut self.encoder {
            // Goes on where it stood if it fails, which is no worse than a soft attack.
            let _unlikely = encoder.reset();
        }
    }

    /// Nothing comes any more: what the encoder holds.
    fn end(&mut self) -> Option<Arc<[u8]>> {
        self.warm = 0;
        match std::mem::take(&mut self.stand) {
            Stand::Encoding => self.encode(&SILENT_BLOCK),
            Stand::Quiet | Stand::Passing => None,
        }
    }

    fn encode(&mut self, block: &Block) -> Option<Arc<[u8]>> {
        let mut late = SILENT_BLOCK;
        let (head, rest) = late.split_at_mut(DELAY);
        head.iter_mut()
            .zip(&self.tail)
            .for_each(|(to, from)| *to = *from);
        rest.iter_mut()
            .zip(&block[..])
            .for_each(|(to, from)| *to = *from);
        self.tail.clear();
        self.tail
            .extend(block.get(SAMPLES - DELAY..).unwrap_or_default());
        let mut room = [0; MAX_FRAME_BYTES];
        let encoder = self.encoder.as_mut()?;
        let length = encoder.encode(&late, &mut room).ok()?;
        room.get(..length).map(Arc::from)
    }
}
