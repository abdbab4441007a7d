//! What a plugin on stage hears: as a host would, on the test's own thread.

use super::{Hall, Stage, hall, mouth};
use crate::{
    Error, GuildId, Lane, Result, UserId, abi,
    ear::{Packet, Voice, Want},
};
use core::ffi::c_void;

/// A plugin's ear that is open.
pub(super) struct Open {
    id: u64,
    guild: u64,
    want: Want,
    sink: abi::Sink,
    lost_before: u32,
}

impl Open {
    fn close(self) {
        if let Some(close) = self.sink.close {
            // SAFETY: header: the last call; it is in no list any more.
            unsafe { close(self.sink.self_) };
        }
    }
}

#[derive(Default)]
pub(super) struct Ears {
    last: u64,
    open: Vec<Open>,
    refusal: Option<Error>,
}

impl Ears {
    fn take(&mut self, mut which: impl FnMut(&Open) -> bool) -> Vec<Open> {
        let (gone, kept) = core::mem::take(&mut self.open)
            .into_iter()
            .partition(|open| which(open));
        self.open = kept;
        gone
    }
}

impl Stage {
    /// 20 ms pass in a guild: every sink that listens there hears what it wants of it. The clock is
    /// not moved ([`Stage::advance`]).
    pub fn hear(
        &mut self,
        guild: GuildId,
        tick: u64,
        packets: &[Packet<'_>],
        voices: &[Voice<'_>],
    ) {
        let now_us = self.host.state().now_us;
        // Nothing of the hall is locked while the plugin runs.
        let open = self
            .host
            .state()
            .ears
            .take(|open| open.guild == guild.get());
        let mut failed = Vec::new();
        for mut open in open {
            let status = one(&mut open, tick, now_us, packets, voices);
            if status >= 0 {
                self.host.state().ears.open.push(open);
                continue;
            }
            failed.push(status);
            open.close();
        }
        if failed.contains(&abi::E_PANIC) {
            self.host.state().failed = Some("it panicked while it listened".to_owned());
        }
        self.host.state().ears.open.sort_by_key(|open| open.id);
        self.run();
    }

    /// The next [`Stage::hear`] of that guild says that so many ticks were dropped before it.
    pub fn lose_ticks(&mut self, guild: GuildId, ticks: u32) {
        for open in &mut self.host.state().ears.open {
            if open.guild == guild.get() {
                open.lost_before += ticks;
            }
        }
    }

    /// The bot has left voice in that guild: its sinks are dropped. The event (`mynah.voice`) is the
    /// test's business.
    pub fn stop_hearing(&mut self, guild: GuildId) {
        let gone = self
            .host
            .state()
            .ears
            .take(|open| open.guild == guild.get());
        gone.into_iter().for_each(Open::close);
        self.run();
    }

    /// Where the plugin listens and for what, in the order it began.
    #[must_use]
    pub fn listenings(&self) -> Vec<(GuildId, Want)> {
        let state = self.host.state();
        let open = state.ears.open.iter();
        open.map(|open| (GuildId::new(open.guild), open.want))
            .collect()
    }

    /// From now on [`crate::Cx::listen`] is refused with this; `None` allows it again.
    pub fn refuse_listening(&mut self, with: Option<Error>) {
        self.host.state().ears.refusal = with;
    }

    /// Moves the plugin's clock on.
    pub fn advance(&mut self, us: u64) {
        self.host.state().now_us += us;
    }
}

fn one(
    open: &mut Open,
    tick: u64,
    now_us: u64,
    packets: &[Packet<'_>],
    voices: &[Voice<'_>],
) -> abi::Status {
    let Some(heard) = open.sink.heard else {
        return abi::E_UNSUPPORTED;
    };
    let want = open.want;
    let wanted = |packet: &&Packet<'_>| match packet.lane {
        None => want.packets,
        Some(_) => want.lanes,
    };
    let packets: Vec<abi::Packet> = packets.iter().filter(wanted).map(packet).collect();
    let voices: Vec<abi::Voice> = voices
        .iter()
        .filter(|_| want.pcm || want.mix)
        .map(|speaker| voice(speaker, want.pcm))
        .collect();
    let raw = abi::Heard {
        size: size_of::<abi::Heard>() as u32,
        lost_before: core::mem::take(&mut open.lost_before),
        session: open.guild,
        tick,
        at_us: now_us,
        voices: voices.as_ptr(),
        n_voices: voices.len() as u32,
        voice_stride: size_of::<abi::Voice>() as u32,
        packets: packets.as_ptr(),
        n_packets: packets.len() as u32,
        packet_stride: size_of::<abi::Packet>() as u32,
        mix: core::ptr::null(),
    };
    // SAFETY: header: the block and all it points to live for the call.
    unsafe { heard(open.sink.self_, &raw const raw) }
}

fn packet(packet: &Packet<'_>) -> abi::Packet {
    abi::Packet {
        user: packet.user.map_or(0, UserId::get),
        ssrc: packet.ssrc,
        timestamp: packet.timestamp,
        arrival_us: packet.arrival_us,
        opus: abi::Bytes::of(packet.opus),
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

fn voice(voice: &Voice<'_>, with_samples: bool) -> abi::Voice {
    let pcm = voice.pcm.filter(|_| with_samples);
    let speech = if voice.is_speech { abi::SPEECH } else { 0 };
    let conceals = if voice.conceals { abi::CONCEALS } else { 0 };
    abi::Voice {
        user: voice.user.get(),
        ssrc: voice.ssrc,
        flags: speech | conceals,
        pcm: pcm.map_or(core::ptr::null(), |pcm| pcm.as_ptr()),
        level_dbfs: voice.level_dbfs,
        lost: voice.lost,
        position: voice.position,
    }
}

/// The plugin is destroyed: no sink may be left.
pub(super) fn close_all(hall: &Hall) {
    let all = hall.state().ears.take(|_| true);
    all.into_iter().for_each(Open::close);
}

pub(super) static AUDIO: abi::Audio = abi::Audio {
    size: size_of::<abi::Audio>() as u32,
    play: mouth::play,
    listen,
    close,
    acquire,
    commit,
};

pub(super) fn refuse(error: &Error, err: abi::Put, sink: *mut c_void) -> abi::Status {
    // The words alone: the status says the rest.
    let words = match error {
        Error::Denied(words) | Error::Busy(words) | Error::Closed(words) => words.clone(),
        Error::Panicked(words) | Error::Unsupported(words) => words.clone(),
        other => other.to_string(),
    };
    // SAFETY: header, mynah_put: `sink` belongs to `err`.
    unsafe { err(sink, abi::Bytes::of(words.as_bytes())) };
    error.status()
}

unsafe extern "C" fn listen(
    host: *const abi::Host,
    guild: u64,
    sink: *const abi::Sink,
    options: abi::Bytes,
    id: *mut u64,
    err: abi::Put,
    err_sink: *mut c_void,
) -> abi::Status {
    // SAFETY: the plugin calls as the header says.
    let (hall, sink, options) = unsafe { (hall(host), *sink, options.read()) };
    let mut state = hall.state();
    match begin(&mut state.ears, guild, sink, options) {
        Ok(new) => {
            // SAFETY: as above.
            unsafe { id.write(new) };
            abi::OK
        }
        Err(error) => {
            drop(state);
            refuse(&error, err, err_sink)
        }
    }
}

fn begin(ears: &mut Ears, guild: u64, sink: abi::Sink, options: &[u8]) -> Result<u64> {
    if let Some(refusal) = ears.refusal.clone() {
        return Err(refusal);
    }
    let want: Want = serde_json::from_slice(options)?;
    if want == Want::default() {
        return Err(Error::invalid("nothing is wanted"));
    }
    ears.last += 1;
    ears.open.push(Open {
        id: ears.last,
        guild,
        want,
        sink,
        lost_before: 0,
    });
    Ok(ears.last)
}

unsafe extern "C" fn close(host: *const abi::Host, id: u64) -> abi::Status {
    // SAFETY: the plugin calls as the header says.
    let gone = unsafe { hall(host) }
        .state()
        .ears
        .take(|open| open.id == id);
    if gone.is_empty() {
        return abi::E_CLOSED;
    }
    gone.into_iter().for_each(Open::close);
    abi::OK
}

unsafe extern "C" fn acquire(_: *const abi::Host, _: u64, _: *mut abi::Block) -> abi::Status {
    abi::E_UNSUPPORTED
}

unsafe extern "C" fn commit(_: *const abi::Host, _: u64, _: *const abi::Block) -> abi::Status {
    abi::E_UNSUPPORTED
}
