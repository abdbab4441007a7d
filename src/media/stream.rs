//! Sound that comes over a network: bytes that arrive when they arrive, may be without an end, and
//! may be of the kind that cannot be read twice.

use std::fmt;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

/// Bytes from elsewhere, read by place. Whoever implements it keeps a window of them in memory and
/// bounds every wait.
pub trait ByteStream: fmt::Debug + Send + Sync {
    /// What to call it in messages; its ending is a hint to the prober, never trusted.
    fn name(&self) -> String;

    /// Its length in bytes, if it has one and says so.
    fn len_bytes(&self) -> Option<u64>;

    /// Whether any place can be read at any time. If not, only what comes next can be read, and a
    /// little of what came last.
    fn can_seek(&self) -> bool;

    /// Reads from place `at`, at least one byte; 0 is the end. Waits for the bytes, so it belongs on
    /// media threads; gives up for good when it has waited too long since
    /// [`ByteStream::renew_patience`].
    ///
    /// # Errors
    /// An error that holds [`Broken`] when no more will come; any other when this place cannot be
    /// read.
    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize>;

    /// A new task begins: opening, one block, one jump. The time that reads may wait counts anew.
    fn renew_patience(&self);

    /// How many bytes after those read last are there without waiting; `u64::MAX` when nothing more
    /// will come, so that waiting would be in vain.
    fn ready_bytes(&self) -> u64;

    /// How many bytes were read so far, in all.
    fn taken_bytes(&self) -> u64;
}

/// Why no more bytes will come; travels inside an [`io::Error`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Broken(pub String);

impl From<Broken> for io::Error {
    fn from(broken: Broken) -> Self {
        Self::other(broken)
    }
}

impl Broken {
    /// The reason inside an error, if it is one of these.
    pub(crate) fn inside(error: &io::Error) -> Option<&str> {
        let broken = error.get_ref()?.downcast_ref::<Self>()?;
        Some(&broken.0)
    }
}

/// A stream, and how much of it the present task may still read.
#[derive(Debug)]
pub struct Tap {
    stream: Arc<dyn ByteStream>,
    /// Of [`ByteStream::taken_bytes`].
    read_until: AtomicU64,
    /// Bytes at the beginning that are to be passed over, once somebody has looked: each look may
    /// be some requests over a network.
    pub passed_over: OnceLock<u64>,
}

impl Tap {
    /// Nothing is read yet.
    pub fn new(stream: Arc<dyn ByteStream>) -> Self {
        let read_until = AtomicU64::new(u64::MAX);
        Self {
            stream,
            read_until,
            passed_over: OnceLock::new(),
        }
    }

    /// The stream itself.
    pub fn stream(&self) -> &dyn ByteStream {
        self.stream.as_ref()
    }

    /// A new task begins, which may read so many bytes.
    pub fn begin_task(&self, most_bytes: u64) {
        self.stream.renew_patience();
        let until = self.stream.taken_bytes().saturating_add(most_bytes);
        self.read_until.store(until, Ordering::Relaxed);
    }

    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        if self.stream.taken_bytes() >= self.read_until.load(Ordering::Relaxed) {
            let why = "it goes on and on without any sound";
            return Err(Broken(why.to_owned()).into());
        }
        self.stream.read_at(at, buf)
    }
}

/// Bytes given at once. Small, so that no more is taken ahead of the decoder than it needs: what
/// [`crate::Media::is_ready`] asks for would grow with it, and so would the delay of a live sound.
const READ_BYTES: usize = 4 << 10;

/// A step as large as this is a new request over the network, a smaller one is not.
const JUMP_BYTES: u64 = 16 << 10;

/// What a look around for facts may cost.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    /// Large steps, each of them a request over the network.
    pub jumps: u32,
    /// Bytes read in all.
    pub bytes: u64,
}

/// A place in a stream; every reader has its own.
#[derive(Debug)]
pub struct Place {
    tap: Arc<Tap>,
    at: u64,
    /// Where the last read ended.
    read_to: u64,
    /// Once it is used up, this reader sees an end.
    budget: Option<Budget>,
}

impl Place {
    /// At the beginning.
    pub fn new(tap: Arc<Tap>, budget: Option<Budget>) -> Self {
        Self {
            tap,
            at: 0,
            read_to: 0,
            budget,
        }
    }

    /// How many of `wanted` bytes may be read here.
    fn allowed(&mut self, wanted: usize) -> usize {
        let is_jump = self.at.abs_diff(self.read_to) > JUMP_BYTES;
        let Some(budget) = &mut self.budget else {
            return wanted;
        };
        if is_jump {
            let Some(left) = budget.jumps.checked_sub(1) else {
                return 0;
            };
            budget.jumps = left;
        }
        wanted.min(usize::try_from(budget.bytes).unwrap_or(usize::MAX))
    }
}

impl Read for Place {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let room = self.allowed(buf.len().min(READ_BYTES));
        let Some(buf) = buf.get_mut(..room).filter(|buf| !buf.is_empty()) else {
            return Ok(0);
        };
        let count = self.tap.read_at(self.at, buf)?;
        self.at += count as u64;
        self.read_to = self.at;
        if let Some(budget) = &mut self.budget {
            budget.bytes = budget.bytes.saturating_sub(count as u64);
        }
        Ok(count)
    }
}

impl Seek for Place {
    fn seek(&mut self, pos: SeekFrom) -> io::Result<u64> {
        let to = match pos {
            SeekFrom::Start(to) => Some(to),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(by) => self
                .tap
                .stream
                .len_bytes()
                .and_then(|end| end.checked_add_signed(by)),
        };
        // Nothing moves until something is read there.
        self.at = to.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.at)
    }
}
