//! Sound a plugin makes itself, 20 ms at a time, written into the host's ring in place.
//!
//! ```
//! # use mynah_plugin::{*, audio::{Block, Pull}};
//! /// 440 Hz for a second.
//! struct Tone;
//!
//! impl Source for Tone {
//!     fn pull(&mut self, out: &mut Block<'_>) -> Result<Pull> {
//!         let first = out.frame();
//!         if first >= 48_000 {
//!             return Ok(Pull::End);
//!         }
//!         for (at, frame) in out.samples().chunks_exact_mut(2).enumerate() {
//!             let time_s = (first + at as u64) as f32 / 48_000.0;
//!             frame.fill(0.2 * (time_s * 440.0 * core::f32::consts::TAU).sin());
//!         }
//!         Ok(Pull::More)
//!     }
//! }
//! # fn sing<P: Plugin>(cx: &mut Cx<'_, P>) -> Result<Track> {
//! cx.play_source(GuildId::new(1), Tone, PlayOptions::default())
//! # }
//! ```

use crate::{Error, GuildId, Host, Result, Track, abi, host::put_vec, panics};
use core::ffi::c_void;

/// Floats in a block: 960 frames of left and right.
pub const BLOCK_FLOATS: usize = 1920;

/// 20 ms of room to fill: interleaved left and right, 48 kHz, nominal -1.0 to 1.0.
#[derive(Debug)]
pub struct Block<'a> {
    raw: &'a mut abi::Block,
    pcm: &'a mut [f32; BLOCK_FLOATS],
}

impl Block<'_> {
    /// The samples. What is not written is unspecified; fill all of it.
    pub fn samples(&mut self) -> &mut [f32; BLOCK_FLOATS] {
        self.pcm
    }

    /// Position of the first frame in the stream, in 1/48000 s.
    #[must_use]
    pub fn frame(&self) -> u64 {
        self.raw.frame
    }

    /// Fills the block with silence.
    pub fn silence(&mut self) {
        self.pcm.fill(0.0);
        self.raw.flags |= abi::SILENT;
    }
}

/// Whether more follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pull {
    /// The block is filled and more follows.
    More,
    /// The end; the block was not used.
    End,
}

/// Sound, pulled by the host on an `[audio]` thread of its own, some 500 ms before it is heard. It may
/// block a little; what is late is heard as a pause. A panic ends the instance, as one in
/// [`crate::Plugin`] does.
///
/// It is dropped, on the same thread, after its end, when its track was stopped, and before
/// [`crate::Plugin::stop`].
pub trait Source: Send + 'static {
    /// Fills exactly 20 ms.
    ///
    /// # Errors
    /// Ends the track as failed.
    fn pull(&mut self, out: &mut Block<'_>) -> Result<Pull>;

    /// Goes to a frame (1/48000 s). No host asks for that yet.
    ///
    /// # Errors
    /// [`Error::Unsupported`] unless overridden.
    fn seek(&mut self, frame: u64) -> Result<()> {
        let _ = frame;
        Err(Error::Unsupported("this source can not seek".into()))
    }
}

/// What the host holds of a source.
struct Mouth<S> {
    source: S,
    /// None in unit tests.
    host: Option<Host>,
}

impl<S> Mouth<S> {
    /// A panic of the source, named in the log.
    fn panicked(&self, words: &str) -> abi::Status {
        if let Some(host) = &self.host {
            let plugin = host.plugin();
            let text = format!("plugin {plugin} panicked while it made sound with {words}");
            host.log(abi::LOG_ERROR, &text);
        }
        abi::E_PANIC
    }
}

pub(crate) fn play<S: Source>(
    host: &Host,
    guild: GuildId,
    source: S,
    options: &serde_json::Value,
) -> Result<Track> {
    let audio: *const abi::Audio = host.extension(abi::EXT_AUDIO).cast();
    if audio.is_null() {
        return Err(Error::Unsupported(format!(
            "this host has no {}",
            abi::EXT_AUDIO
        )));
    }
    let options = serde_json::to_vec(options)?;
    let mouth = Mouth {
        source,
        host: Some(host.clone()),
    };
    let raw = abi::Source {
        size: size_of::<abi::Source>() as u32,
        self_: Box::into_raw(Box::new(mouth)).cast(),
        pull: Some(pull::<S>),
        seek: Some(seek::<S>),
        close: Some(close::<S>),
    };
    let (mut track, mut words) = (0, Vec::<u8>::new());
    // SAFETY: [control] (Cx exists there only); the table outlives the instance; `put_vec` gets its
    // Vec. The host copies `raw` and owns `self_` until it calls `close`, unless it refuses.
    let status = host.raw(|host| unsafe {
        let (options, words) = (abi::Bytes::of(&options), (&raw mut words).cast());
        let (raw, track) = (&raw const raw, &raw mut track);
        ((*audio).play)(host, guild.get(), raw, options, track, put_vec, words)
    });
    if status.is_some_and(|status| status >= 0) {
        return Ok(Track::new(track));
    }
    // SAFETY: refused, so the box is still ours.
    drop(unsafe { Box::from_raw(raw.self_.cast::<Mouth<S>>()) });
    Err(Error::refused(status, &words))
}

unsafe extern "C" fn pull<S: Source>(mouth: *mut c_void, block: *mut abi::Block) -> abi::Status {
    // SAFETY: header, mynah_source: serial per source, until `close`; `pcm` has 1920 floats.
    let (mouth, raw) = unsafe { (&mut *mouth.cast::<Mouth<S>>(), &mut *block) };
    if raw.pcm.is_null() || raw.layout != abi::STEREO_INTERLEAVED {
        return abi::E_UNSUPPORTED;
    }
    // SAFETY: as above; not NULL.
    let pcm = unsafe { &mut *raw.pcm.cast::<[f32; BLOCK_FLOATS]>() };
    match panics::guard(|| mouth.source.pull(&mut Block { raw, pcm })) {
        Ok(Ok(Pull::More)) => 1,
        Ok(Ok(Pull::End)) => 0,
        Ok(Err(error)) => {
            if let Some(host) = &mouth.host {
                host.log(abi::LOG_WARN, &format!("a source ends: {error}"));
            }
            error.status()
        }
        Err(words) => mouth.panicked(&words),
    }
}

unsafe extern "C" fn seek<S: Source>(mouth: *mut c_void, frame: u64) -> abi::Status {
    // SAFETY: header, mynah_source: serial per source, until `close`.
    let mouth = unsafe { &mut *mouth.cast::<Mouth<S>>() };
    match panics::guard(|| mouth.source.seek(frame)) {
        Ok(sought) => sought.map_or_else(|error| error.status(), |()| abi::OK),
        Err(words) => mouth.panicked(&words),
    }
}

unsafe extern "C" fn close<S: Source>(mouth: *mut c_void) {
    // SAFETY: header, mynah_source: the last call, the box comes back.
    let Mouth { source, host } = *unsafe { Box::from_raw(mouth.cast::<Mouth<S>>()) };
    if let (Err(words), Some(host)) = (panics::guard(|| drop(source)), host) {
        let plugin = host.plugin();
        let text = format!("plugin {plugin} panicked while a source was dropped: {words}");
        host.log(abi::LOG_ERROR, &text);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]
mod tests {
    use super::*;
    use std::sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    };

    /// A ramp of one block, then the end; panics where told.
    struct Ramp {
        panics_at: u64,
        closed: Arc<AtomicBool>,
    }

    impl Source for Ramp {
        fn pull(&mut self, out: &mut Block<'_>) -> Result<Pull> {
            assert_ne!(out.frame(), self.panics_at, "no further");
            if out.frame() > 0 {
                return Ok(Pull::End);
            }
            for (i, sample) in out.samples().iter_mut().enumerate() {
                *sample = i as f32;
            }
            Ok(Pull::More)
        }
    }

    impl Drop for Ramp {
        fn drop(&mut self) {
            self.closed.store(true, Ordering::SeqCst);
        }
    }

    fn block(pcm: &mut [f32; BLOCK_FLOATS], frame: u64) -> abi::Block {
        abi::Block {
            size: size_of::<abi::Block>() as u32,
            layout: abi::STEREO_INTERLEAVED,
            pcm: pcm.as_mut_ptr(),
            opus: core::ptr::null_mut(),
            opus_cap: 0,
            opus_len: 0,
            frame,
            flags: 0,
        }
    }

    fn ramp(panics_at: u64) -> (*mut c_void, Arc<AtomicBool>) {
        let closed = Arc::new(AtomicBool::new(false));
        let source = Ramp {
            panics_at,
            closed: closed.clone(),
        };
        let mouth = Mouth { source, host: None };
        (Box::into_raw(Box::new(mouth)).cast(), closed)
    }

    #[test]
    fn a_source_fills_the_hosts_block_in_place_until_its_end() {
        let (source, closed) = ramp(u64::MAX);
        let mut pcm = [0.0; BLOCK_FLOATS];
        // SAFETY: as a host would: one thread, a whole block, `close` last.
        unsafe {
            assert_eq!(pull::<Ramp>(source, &mut block(&mut pcm, 0)), 1);
            assert_eq!((pcm[0], pcm[1919]), (0.0, 1919.0));
            assert_eq!(pull::<Ramp>(source, &mut block(&mut pcm, 960)), 0);
            assert_eq!(seek::<Ramp>(source, 0), abi::E_UNSUPPORTED);
            close::<Ramp>(source);
        }
        assert!(closed.load(Ordering::SeqCst));
    }

    #[test]
    fn a_panic_in_a_source_is_a_status() {
        let (source, closed) = ramp(0);
        let mut pcm = [0.0; BLOCK_FLOATS];
        // SAFETY: as above.
        unsafe {
            assert_eq!(pull::<Ramp>(source, &mut block(&mut pcm, 0)), abi::E_PANIC);
            close::<Ramp>(source);
        }
        assert!(closed.load(Ordering::SeqCst));
    }

    #[test]
    fn a_block_of_another_layout_is_refused() {
        let (source, _) = ramp(u64::MAX);
        let mut pcm = [0.0; BLOCK_FLOATS];
        // SAFETY: as above.
        unsafe {
            let mut planar = block(&mut pcm, 0);
            planar.layout = abi::STEREO_PLANAR;
            assert_eq!(pull::<Ramp>(source, &mut planar), abi::E_UNSUPPORTED);
            close::<Ramp>(source);
        }
    }
}
