//! Sound that somebody makes while it plays, 20 ms at a time: a pipe whose reading end is an
//! ordinary track.
//!
//! The pipe looks like a WAV stream without an end to the decoders, so a live track has everything
//! that others have: lanes, gain, fades, effects, pause. [`LIVE_BLOCKS`] lie between its maker and the
//! track's ring; a maker that is late is heard as a stall, like a slow server.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use mynah_audio::{Block, CHANNELS, SAMPLE_RATE_HZ};
use mynah_media::{Broken, ByteStream};

use crate::clock;

/// Blocks that wait to be read: 200 ms, more than is taken in one go.
pub const LIVE_BLOCKS: usize = 10;
/// Bytes kept after they were read: decoders step back a little when they look around.
const KEPT_BYTES: u64 = 64 << 10;
/// How long a read may wait; the first ones happen before there is a track that could stall.
const PATIENCE: Duration = Duration::from_secs(10);
const BYTES_PER_SAMPLE: usize = size_of::<f32>();

#[derive(Default)]
struct State {
    bytes: VecDeque<u8>,
    /// The place of the first byte kept.
    from: u64,
    /// Where the last read ended.
    read_to: u64,
    taken: u64,
    over: bool,
    failure: Option<String>,
    /// Nobody will read any more.
    abandoned: bool,
    patience: Option<Instant>,
}

impl State {
    fn end(&self) -> u64 {
        self.from + self.bytes.len() as u64
    }

    fn unread(&self) -> u64 {
        self.end().saturating_sub(self.read_to)
    }
}

#[derive(Default)]
struct Pipe {
    state: Mutex<State>,
    came: Condvar,
}

impl Pipe {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells the maker that the last reader is gone.
struct Reader(Arc<Pipe>);

impl Drop for Reader {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.abandoned = true;
        state.bytes = VecDeque::new();
    }
}

/// The reading end, for [`PlayWhat::Live`](crate::PlayWhat::Live); plays once.
#[derive(Clone)]
pub struct Live(Arc<Reader>);

impl PartialEq for Live {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Live {}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Live")
    }
}

/// The maker's end. Dropping it ends the sound.
pub struct LiveWriter(Arc<Pipe>);

impl fmt::Debug for LiveWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LiveWriter")
    }
}

/// A new pipe.
#[must_use]
pub fn live() -> (LiveWriter, Live) {
    let pipe = Arc::<Pipe>::default();
    pipe.state().bytes.extend(header());
    (LiveWriter(pipe.clone()), Live(Arc::new(Reader(pipe))))
}

/// RIFF with unknown lengths, as streams have them: 48 kHz, two channels of 32-bit floats.
fn header() -> Vec<u8> {
    const FLOAT: u16 = 3;
    let frame_bytes = (CHANNELS * BYTES_PER_SAMPLE) as u16;
    let mut header = Vec::with_capacity(44);
    header.extend(b"RIFF");
    header.extend(u32::MAX.to_le_bytes());
    header.extend(b"WAVEfmt ");
    header.extend(16_u32.to_le_bytes());
    header.extend(FLOAT.to_le_bytes());
    header.extend((CHANNELS as u16).to_le_bytes());
    header.extend(SAMPLE_RATE_HZ.to_le_bytes());
    header.extend((SAMPLE_RATE_HZ * u32::from(frame_bytes)).to_le_bytes());
    header.extend(frame_bytes.to_le_bytes());
    header.extend((8 * BYTES_PER_SAMPLE as u16).to_le_bytes());
    header.extend(b"data");
    header.extend(u32::MAX.to_le_bytes());
    header
}

impl LiveWriter {
    /// How many blocks there is room for.
    #[must_use]
    pub fn room(&self) -> usize {
        let block_bytes = size_of::<Block>() as u64;
        // What was begun to be read, and the header, count as nothing.
        let waiting = self.0.state().unread() / block_bytes;
        LIVE_BLOCKS.saturating_sub(usize::try_from(waiting).unwrap_or(usize::MAX))
    }

    /// Adds 20 ms. What is no number becomes silence.
    pub fn put(&mut self, block: &Block) {
        let mut state = self.0.state();
        if state.abandoned {
            return;
        }
        let clean = |sample: &f32| if sample.is_finite() { *sample } else { 0.0 };
        let samples = block.iter().map(clean);
        state.bytes.extend(samples.flat_map(f32::to_le_bytes));
        drop(state);
        self.0.came.notify_all();
    }

    /// Nothing follows, because of this.
    pub fn fail(self, why: String) {
        self.0.state().failure = Some(why);
    }

    /// Nobody will hear what is put: the track was stopped.
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        self.0.state().abandoned
    }
}

impl Drop for LiveWriter {
    fn drop(&mut self) {
        self.0.state().over = true;
        self.0.came.notify_all();
    }
}

impl Live {
    /// The bytes, as the decoders want them.
    pub(crate) fn stream(&self) -> Arc<dyn ByteStream> {
        Arc::new(Bytes(self.0.0.clone()))
    }
}

struct Bytes(Arc<Pipe>);

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("live sound")
    }
}

impl ByteStream for Bytes {
    fn name(&self) -> String {
        "live.wav".to_owned()
    }

    fn len_bytes(&self) -> Option<u64> {
        None
    }

    fn can_seek(&self) -> bool {
        false
    }

    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        let mut state = self.0.state();
        let patience = state.patience.unwrap_or_else(|| clock::now() + PATIENCE);
        while at >= state.end() {
            if state.over || state.abandoned {
                return match state.failure.clone() {
                    Some(why) => Err(Broken(why).into()),
                    None => Ok(0),
                };
            }
            let left = patience.saturating_duration_since(clock::now());
            if left.is_zero() {
                return Err(Broken("its source gives nothing".to_owned()).into());
            }
            let waited = self.0.came.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        let Some(skip) = at.checked_sub(state.from) else {
            return Err(io::Error::other("live sound cannot be read twice"));
        };
        let skip = usize::try_from(skip).unwrap_or(usize::MAX);
        let (first, second) = state.bytes.as_slices();
        let part = match first.get(skip..) {
            Some(part) if !part.is_empty() => part,
            _ => second.get(skip - first.len()..).unwrap_or_default(),
        };
        let count = part.len().min(buf.len());
        buf.iter_mut().zip(part).for_each(|(to, from)| *to = *from);
        state.taken += count as u64;
        state.read_to = state.read_to.max(at + count as u64);
        let old = state.read_to.saturating_sub(state.from + KEPT_BYTES);
        let old = usize::try_from(old).unwrap_or(0).min(state.bytes.len());
        state.bytes.drain(..old);
        state.from += old as u64;
        Ok(count)
    }

    fn renew_patience(&self) {
        self.0.state().patience = Some(clock::now() + PATIENCE);
    }

    fn ready_bytes(&self) -> u64 {
        let state = self.0.state();
        if state.over || state.abandoned {
            return u64::MAX;
        }
        state.unread()
    }

    fn taken_bytes(&self) -> u64 {
        self.0.state().taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mynah_media::{OpenOptions, Read, open_stream};

    /// A block that says which it is.
    fn block(n: usize) -> Block {
        core::array::from_fn(|at| ((n * 1920 + at) % 4801) as f32 / 4801.0 - 0.5)
    }

    #[test]
    fn what_is_put_is_read_sample_for_sample_with_hours_behind_it() {
        let (mut writer, live) = live();
        (0..4).for_each(|n| writer.put(&block(n)));
        let mut media = open_stream(live.stream(), &OpenOptions::default()).unwrap();
        let mut read = Box::new([0.0; 1920]);
        let mut put = 4;
        for n in 0..500 {
            while writer.room() > 0 {
                writer.put(&block(put));
                put += 1;
            }
            assert!(media.is_ready(), "{n}");
            assert!(matches!(media.read(&mut read), Ok(Read::Full)), "{n}");
            assert_eq!(*read, block(n), "{n}");
        }
        assert!(!writer.is_abandoned());
        let bytes = writer.0.state().bytes.len();
        assert!(bytes < 200_000, "{bytes} bytes are kept");
        drop((media, live));
        assert!(writer.is_abandoned());
    }

    #[test]
    fn a_late_maker_is_not_ready_and_the_end_is_an_end() {
        let (mut writer, live) = live();
        (0..3).for_each(|n| writer.put(&block(n)));
        let mut media = open_stream(live.stream(), &OpenOptions::default()).unwrap();
        let mut read = Box::new([0.0; 1920]);
        let mut blocks = 0;
        while media.is_ready() {
            media.read(&mut read).unwrap();
            blocks += 1;
        }
        assert!(blocks < 4, "{blocks}");
        drop(writer);
        assert!(media.is_ready());
        let ends = (0..5).any(|_| !matches!(media.read(&mut read), Ok(Read::Full)));
        assert!(ends);
    }
}
