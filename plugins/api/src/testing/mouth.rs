//! What a plugin on stage makes of its own, pulled by the test.

use super::{Hall, Stage, ear::refuse, hall};
use crate::{Error, GuildId, Track, abi, audio::BLOCK_FLOATS};
use core::ffi::c_void;
use serde_json::Value;

/// Tracks of sources begin here: those that scripts answer with are smaller.
const FIRST: u64 = 1 << 32;

/// A source that plays.
pub(super) struct Open {
    track: u64,
    guild: u64,
    options: Value,
    source: abi::Source,
    frame: u64,
}

impl Open {
    fn close(self) {
        if let Some(close) = self.source.close {
            // SAFETY: header: the last call; it is in no list any more.
            unsafe { close(self.source.self_) };
        }
    }
}

#[derive(Default)]
pub(super) struct Mouths {
    made: u64,
    open: Vec<Open>,
}

impl Mouths {
    fn take(&mut self, track: u64) -> Option<Open> {
        let at = self.open.iter().position(|open| open.track == track)?;
        Some(self.open.remove(at))
    }
}

impl Stage {
    /// The sources that play: where, and with which options (those of `voice.play`).
    #[must_use]
    pub fn sources(&self) -> Vec<(Track, GuildId, Value)> {
        let state = self.host.state();
        let open = state.mouths.open.iter();
        open.map(|open| {
            let guild = GuildId::new(open.guild);
            (Track::new(open.track), guild, open.options.clone())
        })
        .collect()
    }

    /// The next 20 ms of a source. `None` after its end, or when there is none of that track; the
    /// track's events (`mynah.track`) are the test's business.
    pub fn pull(&mut self, track: Track) -> Option<Vec<f32>> {
        // Nothing of the hall is locked while the plugin runs.
        let mut open = self.host.state().mouths.take(track.get())?;
        let mut pcm = Box::new([0.0; BLOCK_FLOATS]);
        let mut block = abi::Block {
            size: size_of::<abi::Block>() as u32,
            layout: abi::STEREO_INTERLEAVED,
            pcm: pcm.as_mut_ptr(),
            opus: core::ptr::null_mut(),
            opus_cap: 0,
            opus_len: 0,
            frame: open.frame,
            flags: 0,
        };
        let status = match open.source.pull {
            // SAFETY: header: the block lives for the call.
            Some(pull) => unsafe { pull(open.source.self_, &raw mut block) },
            None => abi::E_UNSUPPORTED,
        };
        if status == abi::E_PANIC {
            self.host.state().failed = Some("it panicked while it made sound".to_owned());
        }
        if status <= 0 {
            open.close();
            self.run();
            return None;
        }
        open.frame += u64::from(abi::FRAMES);
        self.host.state().mouths.open.push(open);
        self.run();
        Some(pcm.to_vec())
    }

    /// The track was stopped, or the bot has left: its source is dropped.
    pub fn stop_source(&mut self, track: Track) {
        let gone = self.host.state().mouths.take(track.get());
        gone.into_iter().for_each(Open::close);
        self.run();
    }
}

/// The plugin is stopped or destroyed: no source may be left.
pub(super) fn close_all(hall: &Hall) {
    let all = core::mem::take(&mut hall.state().mouths.open);
    all.into_iter().for_each(Open::close);
}

pub(super) unsafe extern "C" fn play(
    host: *const abi::Host,
    guild: u64,
    source: *const abi::Source,
    options: abi::Bytes,
    track: *mut u64,
    err: abi::Put,
    err_sink: *mut c_void,
) -> abi::Status {
    // SAFETY: the plugin calls as the header says.
    let (hall, source, options) = unsafe { (hall(host), *source, options.read()) };
    let Ok(options) = serde_json::from_slice(options) else {
        let error = Error::invalid("the options are not JSON");
        return refuse(&error, err, err_sink);
    };
    let mut state = hall.state();
    let new = FIRST + state.mouths.made;
    state.mouths.made += 1;
    state.mouths.open.push(Open {
        track: new,
        guild,
        options,
        source,
        frame: 0,
    });
    // SAFETY: as above.
    unsafe { track.write(new) };
    abi::OK
}
