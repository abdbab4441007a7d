//! What the engine heard, as the C table has it.

use mynah_engine::{Lane, Want, ear};
use mynah_plugin::{abi, audio::BLOCK_FLOATS};
use std::time::Instant;

/// Room for the arrays of a block, kept from one to the next.
pub(super) struct Blocks {
    /// Zero of the plugins' clock.
    origin: Instant,
    voices: Vec<abi::Voice>,
    packets: Vec<abi::Packet>,
}

impl Blocks {
    pub(super) const fn new(origin: Instant) -> Self {
        Self {
            origin,
            voices: Vec::new(),
            packets: Vec::new(),
        }
    }

    /// Shows `call` what was heard, as far as it is wanted. Pointers are good for the call only.
    pub(super) fn lend<T>(
        &mut self,
        guild: u64,
        want: Want,
        heard: &ear::Heard,
        call: impl FnOnce(&abi::Heard) -> T,
    ) -> T {
        let origin = self.origin;
        self.voices.clear();
        if want.pcm || want.mix {
            let voices = heard.voices.iter();
            self.voices.extend(voices.map(|one| voice(one, want.pcm)));
        }
        self.packets.clear();
        let wanted = |packet: &&ear::Packet| match packet.lane {
            None => want.packets,
            Some(_) => want.lanes,
        };
        let packets = heard.packets.iter().filter(wanted);
        self.packets.extend(packets.map(|one| packet(one, origin)));
        let mix = heard.mix.as_deref().filter(|_| want.mix);
        let block = abi::Heard {
            size: size_of::<abi::Heard>() as u32,
            lost_before: heard.lost_before,
            session: guild,
            tick: heard.tick,
            at_us: us(origin, heard.at),
            voices: self.voices.as_ptr(),
            n_voices: count(self.voices.len()),
            voice_stride: size_of::<abi::Voice>() as u32,
            packets: self.packets.as_ptr(),
            n_packets: count(self.packets.len()),
            packet_stride: size_of::<abi::Packet>() as u32,
            mix: samples(mix),
        };
        let result = call(&block);
        // No pointer into what was heard outlives it.
        self.voices.clear();
        self.packets.clear();
        result
    }
}

fn voice(voice: &ear::Voice, with_samples: bool) -> abi::Voice {
    let pcm = voice.pcm.as_deref().filter(|_| with_samples);
    let speech = if voice.is_speech { abi::SPEECH } else { 0 };
    let conceals = if voice.conceals { abi::CONCEALS } else { 0 };
    abi::Voice {
        user: voice.user.get(),
        ssrc: voice.ssrc.0,
        flags: speech | conceals,
        pcm: samples(pcm),
        level_dbfs: voice.level_dbfs,
        lost: voice.lost,
        position: voice.position,
    }
}

fn packet(packet: &ear::Packet, origin: Instant) -> abi::Packet {
    abi::Packet {
        user: packet.user.map_or(0, |user| user.get()),
        ssrc: packet.ssrc.0,
        timestamp: packet.timestamp,
        arrival_us: us(origin, packet.arrival),
        opus: abi::Bytes::of(&packet.payload),
        sequence: packet.sequence,
        lane: match packet.lane {
            None => abi::LANE_NONE,
            Some(Lane::Bed) => abi::LANE_BED,
            Some(Lane::Speech) => abi::LANE_SPEECH,
            Some(Lane::Fx) => abi::LANE_FX,
            Some(Lane::Notice) => abi::LANE_NOTICE,
        },
        flags: if packet.unopened { abi::UNOPENED } else { 0 },
    }
}

/// As many as the header promises: the type says so.
fn samples(pcm: Option<&[f32; BLOCK_FLOATS]>) -> *const f32 {
    pcm.map_or(core::ptr::null(), |pcm| pcm.as_ptr())
}

fn us(origin: Instant, at: Instant) -> u64 {
    u64::try_from(at.saturating_duration_since(origin).as_micros()).unwrap_or(u64::MAX)
}

fn count(elements: usize) -> u32 {
    u32::try_from(elements).unwrap_or(0)
}
