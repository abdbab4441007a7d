//! Sound a plugin makes itself, 20 ms at a time, written into the host's ring in place.
//!
//! The table is frozen and these shims are complete, but no host offers `mynah.audio/1` yet; until
//! then [`crate::Cx::play_source`] answers [`Error::Unsupported`].

use crate::{Error, GuildId, Host, Result, Track, abi, panics};
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

/// Sound, pulled by the host on an `[audio]` thread: may block a little, must not panic.
pub trait Source: Send + 'static {
    /// Fills exactly 20 ms.
    ///
    /// # Errors
    /// Ends the track as failed.
    fn pull(&mut self, out: &mut Block<'_>) -> Result<Pull>;

    /// Goes to a frame (1/48000 s).
    ///
    /// # Errors
    /// [`Error::Unsupported`] unless overridden.
    fn seek(&mut self, frame: u64) -> Result<()> {
        let _ = frame;
        Err(Error::Unsupported("this source can not seek".into()))
    }
}

pub(crate) fn play<S: Source>(host: &Host, guild: GuildId, source: S) -> Result<Track> {
    let audio: *const abi::Audio = host.extension(abi::EXT_AUDIO).cast();
    if audio.is_null() {
        return Err(Error::Unsupported(format!(
            "this host has no {}",
            abi::EXT_AUDIO
        )));
    }
    let raw = abi::Source {
        size: size_of::<abi::Source>() as u32,
        self_: Box::into_raw(Box::new(source)).cast(),
        pull: Some(pull::<S>),
        seek: Some(seek::<S>),
        close: Some(close::<S>),
    };
    // SAFETY: [control] (Cx exists there only); the table outlives the instance. The host copies
    // `raw` and owns `self_` until it calls `close`, or refuses with 0 and never looks at it.
    let track = host.raw(|host| unsafe { ((*audio).play)(host, guild.get(), &raw, EMPTY) });
    match track {
        Some(track) if track != 0 => Ok(Track::new(track)),
        _ => {
            // SAFETY: refused, so the box is still ours.
            drop(unsafe { Box::from_raw(raw.self_.cast::<S>()) });
            Err(Error::failed("the host refused to play it"))
        }
    }
}

const EMPTY: abi::Bytes = abi::Bytes {
    ptr: core::ptr::null(),
    len: 0,
};

unsafe extern "C" fn pull<S: Source>(source: *mut c_void, block: *mut abi::Block) -> abi::Status {
    panics::guard(|| {
        // SAFETY: header, mynah_source: serial per source; `pcm` has 1920 floats.
        let (source, raw) = unsafe { (&mut *source.cast::<S>(), &mut *block) };
        if raw.pcm.is_null() || raw.layout != abi::STEREO_INTERLEAVED {
            return abi::E_UNSUPPORTED;
        }
        // SAFETY: as above; not NULL.
        let pcm = unsafe { &mut *raw.pcm.cast::<[f32; BLOCK_FLOATS]>() };
        match source.pull(&mut Block { raw, pcm }) {
            Ok(Pull::More) => 1,
            Ok(Pull::End) => 0,
            Err(error) => error.status(),
        }
    })
    .unwrap_or(abi::E_PANIC)
}

unsafe extern "C" fn seek<S: Source>(source: *mut c_void, frame: u64) -> abi::Status {
    panics::guard(|| {
        // SAFETY: header, mynah_source: serial per source.
        let source = unsafe { &mut *source.cast::<S>() };
        source
            .seek(frame)
            .map_or_else(|error| error.status(), |()| abi::OK)
    })
    .unwrap_or(abi::E_PANIC)
}

unsafe extern "C" fn close<S: Source>(source: *mut c_void) {
    // SAFETY: header, mynah_source: the last call, the box comes back.
    let _ = panics::guard(|| drop(unsafe { Box::from_raw(source.cast::<S>()) }));
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
        (Box::into_raw(Box::new(source)).cast(), closed)
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
