//! Hearing: what people say in a voice channel, 20 ms at a time, as packets or as samples.
//!
//! ```
//! # use mynah_plugin::*;
//! struct Loudest(std::sync::mpsc::Sender<UserId>);
//!
//! impl Sink for Loudest {
//!     fn heard(&mut self, heard: &Heard<'_>) {
//!         let loudest = heard.voices().max_by(|a, b| a.level_dbfs.total_cmp(&b.level_dbfs));
//!         if let Some(voice) = loudest {
//!             let _ = self.0.send(voice.user);
//!         }
//!     }
//! }
//! # fn listen<P: Plugin>(cx: &mut Cx<'_, P>, to: std::sync::mpsc::Sender<UserId>) -> Result<()> {
//! let want = Want { pcm: true, ..Want::default() };
//! let listening = cx.listen(GuildId::new(1), want, Loudest(to))?;
//! # cx.unlisten(listening); Ok(()) }
//! ```

use crate::{
    Error, GuildId, Host, Lane, Result, UserId, abi, audio::BLOCK_FLOATS, host::put_vec, panics,
};
use core::{ffi::c_void, marker::PhantomData};
use serde::{Deserialize, Serialize};

/// What to hear. Nothing is decoded unless samples are wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Want {
    /// Everybody's Opus packets as they come ([`Heard::packets`]). Needs `voice.opus`.
    pub packets: bool,
    /// Everybody's samples ([`Voice::pcm`]), in time and without gaps. Needs `voice.listen`.
    pub pcm: bool,
    /// Everybody's samples together ([`Heard::mix`]). Needs `voice.listen`.
    pub mix: bool,
    /// Packets of what the bot itself plays, each lane by itself ([`Packet::lane`]). Needs `voice.opus`.
    pub lanes: bool,
}

/// A plugin's ear, on its `[audio]` thread. It may block a little (a second's worth of ticks is kept;
/// ten seconds' when only packets are wanted): hand over, do not write to disk here. A panic here ends
/// the instance, as one in [`crate::Plugin`] does.
///
/// It is dropped, on the same thread, when listening is over: after [`crate::Cx::unlisten`], when the
/// bot leaves the voice channel for good (a reconnect or a move is not that), and before
/// [`crate::Plugin::stop`]. What was said until then is heard first.
pub trait Sink: Send + 'static {
    /// 20 ms of one guild.
    fn heard(&mut self, heard: &Heard<'_>);
}

/// 20 ms of one guild.
#[derive(Clone, Copy, Debug)]
pub struct Heard<'a> {
    raw: &'a abi::Heard,
}

/// 20 ms of one speaker, decoded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Voice<'a> {
    /// Who.
    pub user: UserId,
    /// RTP source.
    pub ssrc: u32,
    /// Interleaved left and right, 48 kHz, nominal -1.0 to 1.0; `None` unless [`Want::pcm`].
    pub pcm: Option<&'a [f32; BLOCK_FLOATS]>,
    /// Level in dB of full scale, -100 to 0.
    pub level_dbfs: f32,
    /// Somebody speaks, by the detector's judgement.
    pub is_speech: bool,
    /// Some of it was made up in the place of a packet that is missing.
    pub conceals: bool,
    /// Position in the speaker's own sound, in 1/48000 s.
    pub position: u64,
    /// Packets of this speaker that never came, since listening began.
    pub lost: u32,
}

/// One Opus packet as it came, in the order of arrival: it may be late, doubled or out of order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// Who; `None` while that is not known yet, and for the bot's own lanes.
    pub user: Option<UserId>,
    /// The bot's own lane it is of; `None` for people.
    pub lane: Option<Lane>,
    /// RTP source.
    pub ssrc: u32,
    /// RTP sequence number; wraps.
    pub sequence: u16,
    /// RTP timestamp, 48 kHz; wraps.
    pub timestamp: u32,
    /// When it came, on the clock of [`Host::now_us`].
    pub arrival_us: u64,
    /// The Opus packet; empty when [`Packet::unopened`].
    pub opus: &'a [u8],
    /// It came, but could not be decrypted within two seconds; it comes when that is certain.
    pub unopened: bool,
}

impl<'a> Heard<'a> {
    /// Where.
    #[must_use]
    pub fn guild(&self) -> GuildId {
        GuildId::new(self.raw.session)
    }

    /// Counts up by one every 20 ms, those in [`Heard::lost_before`] included.
    #[must_use]
    pub fn tick(&self) -> u64 {
        self.raw.tick
    }

    /// When the 20 ms ended, on the clock of [`Host::now_us`].
    #[must_use]
    pub fn at_us(&self) -> u64 {
        self.raw.at_us
    }

    /// Ticks that never came right before this one: the sink was too slow, or the host stood still (then
    /// what they would have brought comes now).
    #[must_use]
    pub fn lost_before(&self) -> u32 {
        self.raw.lost_before
    }

    /// Who speaks, one voice a person. Empty unless [`Want::pcm`] or [`Want::mix`].
    pub fn voices(&self) -> impl Iterator<Item = Voice<'a>> + use<'a> {
        let raw: &'a abi::Heard = self.raw;
        let voices = Strides::new(raw.voices, raw.n_voices, raw.voice_stride);
        voices.map(|raw: &'a abi::Voice| Voice {
            user: UserId::new(raw.user),
            ssrc: raw.ssrc,
            // SAFETY: header, mynah_voice.pcm: NULL or 1920 floats, for the call.
            pcm: unsafe { raw.pcm.cast::<[f32; BLOCK_FLOATS]>().as_ref() },
            level_dbfs: raw.level_dbfs,
            is_speech: raw.flags & abi::SPEECH != 0,
            conceals: raw.flags & abi::CONCEALS != 0,
            position: raw.position,
            lost: raw.lost,
        })
    }

    /// What came, in the order it came. Empty unless [`Want::packets`] or [`Want::lanes`].
    pub fn packets(&self) -> impl Iterator<Item = Packet<'a>> + use<'a> {
        let raw: &'a abi::Heard = self.raw;
        let packets = Strides::new(raw.packets, raw.n_packets, raw.packet_stride);
        packets.map(|raw: &'a abi::Packet| Packet {
            user: (raw.user != 0).then(|| UserId::new(raw.user)),
            lane: lane_of(raw.lane),
            ssrc: raw.ssrc,
            sequence: raw.sequence,
            timestamp: raw.timestamp,
            arrival_us: raw.arrival_us,
            // SAFETY: header, mynah_packet.opus: readable for the call.
            opus: unsafe { raw.opus.read() },
            unopened: raw.flags & abi::UNOPENED != 0,
        })
    }

    /// Everybody together; `None` unless [`Want::mix`].
    #[must_use]
    pub fn mix(&self) -> Option<&'a [f32; BLOCK_FLOATS]> {
        // SAFETY: header, mynah_heard.mix: NULL or 1920 floats, for the call.
        unsafe { self.raw.mix.cast::<[f32; BLOCK_FLOATS]>().as_ref() }
    }
}

/// Elements that the host may have made longer than we know them.
struct Strides<'a, T> {
    next: *const u8,
    left: u32,
    stride: usize,
    of: PhantomData<&'a T>,
}

impl<T> Strides<'_, T> {
    fn new(first: *const T, count: u32, stride: u32) -> Self {
        // Shorter elements than ours were never made; reading them would go astray.
        let readable = !first.is_null() && stride as usize >= size_of::<T>();
        Self {
            next: first.cast(),
            left: if readable { count } else { 0 },
            stride: stride as usize,
            of: PhantomData,
        }
    }
}

impl<'a, T> Iterator for Strides<'a, T> {
    type Item = &'a T;

    fn next(&mut self) -> Option<&'a T> {
        self.left = self.left.checked_sub(1)?;
        let this = self.next;
        // The address after the last element is never read.
        self.next = this.wrapping_add(self.stride);
        // SAFETY: header, mynah_heard: `left` elements are readable for the call, `stride` apart.
        unsafe { this.cast::<T>().as_ref() }
    }
}

fn lane_of(raw: u16) -> Option<Lane> {
    match raw {
        abi::LANE_BED => Some(Lane::Bed),
        abi::LANE_SPEECH => Some(Lane::Speech),
        abi::LANE_FX => Some(Lane::Fx),
        abi::LANE_NOTICE => Some(Lane::Notice),
        _ => None,
    }
}

/// A guild the plugin listens in, until [`crate::Cx::unlisten`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Listening(u64);

/// What the host holds of a sink.
struct Ear<S> {
    sink: S,
    host: Host,
}

pub(crate) fn listen<S: Sink>(
    host: &Host,
    guild: GuildId,
    want: Want,
    sink: S,
) -> Result<Listening> {
    let audio: *const abi::Audio = host.extension(abi::EXT_AUDIO).cast();
    if audio.is_null() {
        let words = format!("this host has no {}", abi::EXT_AUDIO);
        return Err(Error::Unsupported(words));
    }
    let options = serde_json::to_vec(&want)?;
    let host_too = host.clone();
    let ear = Ear {
        sink,
        host: host_too,
    };
    let raw = abi::Sink {
        size: size_of::<abi::Sink>() as u32,
        self_: Box::into_raw(Box::new(ear)).cast(),
        heard: Some(heard::<S>),
        close: Some(close::<S>),
    };
    let (mut id, mut words) = (0, Vec::<u8>::new());
    // SAFETY: [control] (Cx exists there only); the table outlives the instance; `put_vec` gets its
    // Vec. The host copies `raw` and owns `self_` until it calls `close`, unless it refuses.
    let status = host.raw(|host| unsafe {
        let (options, words) = (abi::Bytes::of(&options), (&raw mut words).cast());
        ((*audio).listen)(
            host,
            guild.get(),
            &raw const raw,
            options,
            &raw mut id,
            put_vec,
            words,
        )
    });
    if status.is_some_and(|status| status >= 0) {
        return Ok(Listening(id));
    }
    // SAFETY: refused, so the box is still ours.
    drop(unsafe { Box::from_raw(raw.self_.cast::<Ear<S>>()) });
    Err(Error::refused(status, &words))
}

pub(crate) fn unlisten(host: &Host, listening: Listening) {
    let audio: *const abi::Audio = host.extension(abi::EXT_AUDIO).cast();
    if !audio.is_null() {
        // SAFETY: [control] (Cx exists there only); the table outlives the instance. One that is over
        // already is not known any more, which is as good.
        host.raw(|host| unsafe { ((*audio).close)(host, listening.0) });
    }
}

unsafe extern "C" fn heard<S: Sink>(ear: *mut c_void, raw: *const abi::Heard) -> abi::Status {
    // SAFETY: header, mynah_sink: serial per sink, until `close`; the block is readable for the call.
    let (ear, raw) = unsafe { (&mut *ear.cast::<Ear<S>>(), &*raw) };
    if (raw.size as usize) < size_of::<abi::Heard>() {
        return abi::E_UNSUPPORTED;
    }
    match panics::guard(|| ear.sink.heard(&Heard { raw })) {
        Ok(()) => abi::OK,
        Err(words) => {
            let plugin = ear.host.plugin();
            let text = format!("plugin {plugin} panicked while it listened with {words}");
            ear.host.log(abi::LOG_ERROR, &text);
            abi::E_PANIC
        }
    }
}

unsafe extern "C" fn close<S: Sink>(ear: *mut c_void) {
    // SAFETY: header, mynah_sink: the last call, the box comes back.
    let Ear { sink, host } = *unsafe { Box::from_raw(ear.cast::<Ear<S>>()) };
    if let Err(words) = panics::guard(|| drop(sink)) {
        let plugin = host.plugin();
        let text = format!("plugin {plugin} panicked while its ear was dropped: {words}");
        host.log(abi::LOG_ERROR, &text);
    }
}
