//! Speech: frames out at absolute 20 ms deadlines, sealed, with the silence that ends them.
//!
//! A frame is sealed at the moment it is sent, end to end first and for the transport around it, so
//! none leaves under a key that is no longer the right one. While keys are on their way speech stands
//! still: nobody loses the first words of somebody who has just joined. While nobody else is in the
//! call speech goes on and nothing is sent, as with a microphone in an empty room.

use std::time::{Duration, Instant};

use mynah_audio::{FRAMES, SILENCE};
use mynah_dave::BaseSecret;
use mynah_dave::frame::FrameSealer;
use mynah_session::transport::RtpSealer;
use mynah_session::voice::SenderKeys;
use mynah_wire::Ssrc;
use mynah_wire::rtp::{FIXED_HEADER_LEN, Header, MAX_PACKET_BYTES};
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::{mpsc, oneshot};

use crate::clock;
use crate::speech::Frame;

const TICK: Duration = Duration::from_millis(20);
/// Up to this late, frames follow quickly, as those of a microphone do that went on while the machine
/// stood still; later, the time is skipped rather than burst through.
const CATCH_UP: Duration = Duration::from_millis(400);
/// Before the first frame is there: ask again this soon.
const RETRY: Duration = Duration::from_millis(2);
/// Silence frames at the end of every talkspurt (voice.md section 4).
const TAIL: u8 = 5;

/// A user's mouth: what is being said, and where the stream stands.
#[derive(Debug)]
pub struct Mouth {
    line: Option<Line>,
    seal: Seal,
    speech: Option<Speech>,
    muted: bool,
    /// Silence frames still to send because of a mute.
    mute_tail: u8,
    sequence: u16,
    timestamp: u32,
    last: Option<Instant>,
    packet: Box<[u8; MAX_PACKET_BYTES]>,
}

#[derive(Debug)]
struct Line {
    sealer: RtpSealer,
    ssrc: Ssrc,
}

/// What happens to a frame before the transport gets it.
enum Seal {
    /// It goes as it is.
    Plain,
    /// It waits.
    Hold,
    /// Nobody could hear it.
    Unheard,
    /// It is sealed with what grew from this secret.
    Sealed(BaseSecret, Box<FrameSealer>),
}

#[derive(Debug)]
struct Speech {
    frames: mpsc::Receiver<Frame>,
    deadline: Instant,
    /// 20 ms by this person's clock.
    tick: Duration,
    /// What the clock was set forward by, because the machine stood still.
    skipped: Duration,
    /// Silence frames still to send once the sound is over.
    tail: Option<u8>,
    packets: u64,
    /// Taken by the first frame.
    started: Option<oneshot::Sender<u64>>,
    done: oneshot::Sender<Said>,
}

/// What was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Said {
    /// Packets sent.
    pub packets: u64,
    /// What the clock was set forward by, because the machine stood still.
    pub skipped: Duration,
}

/// What a deadline brings.
enum Step {
    /// Send this.
    Send(Frame),
    /// Nothing this time.
    Skip,
    /// Not due yet.
    Wait,
    /// The speech is over.
    End,
}

impl Mouth {
    /// A silent mouth; the stream starts at these numbers.
    pub fn new(first_sequence: u16, first_timestamp: u32) -> Self {
        Self {
            line: None,
            seal: Seal::Hold,
            speech: None,
            muted: false,
            mute_tail: 0,
            sequence: first_sequence,
            timestamp: first_timestamp,
            last: None,
            packet: Box::new([0; MAX_PACKET_BYTES]),
        }
    }

    /// A new connection: speech held back goes on, once there are [`keys`](Self::keys) too.
    pub fn plug(&mut self, now: Instant, sealer: RtpSealer, ssrc: Ssrc) {
        self.line = Some(Line { sealer, ssrc });
        self.go_on(now);
    }

    /// No connection: speech is held back, and the next connection brings its own keys.
    pub fn unplug(&mut self) {
        self.line = None;
        self.seal = Seal::Hold;
    }

    /// How to send from now on.
    pub fn keys(&mut self, now: Instant, keys: &SenderKeys) {
        let held = matches!(self.seal, Seal::Hold);
        self.seal = match keys {
            SenderKeys::Plain => Seal::Plain,
            SenderKeys::Hold => Seal::Hold,
            SenderKeys::Unheard => Seal::Unheard,
            // The same key again must go on counting: no nonce is used twice.
            SenderKeys::Sealed { base, .. } if self.is_sealed_with(base) => return,
            SenderKeys::Sealed { epoch, base } => {
                Seal::Sealed(base.clone(), Box::new(FrameSealer::new(base, *epoch)))
            }
        };
        if held {
            self.go_on(now);
        }
    }

    fn is_sealed_with(&self, secret: &BaseSecret) -> bool {
        matches!(&self.seal, Seal::Sealed(base, _) if base == secret)
    }

    fn go_on(&mut self, now: Instant) {
        if let Some(speech) = &mut self.speech {
            speech.deadline = speech.deadline.max(now);
        }
    }

    /// True while connected.
    pub const fn has_line(&self) -> bool {
        self.line.is_some()
    }

    /// True while speech waits for keys.
    pub const fn is_held(&self) -> bool {
        matches!(self.seal, Seal::Hold)
    }

    /// Begins to speak, instead of whatever was spoken before.
    pub fn say(
        &mut self,
        now: Instant,
        frames: mpsc::Receiver<Frame>,
        skew_ppm: f64,
        started: oneshot::Sender<u64>,
        done: oneshot::Sender<Said>,
    ) {
        let deadline = match self.speech.take() {
            Some(before) => {
                let next = before.deadline.max(now);
                before.end();
                next
            }
            None => now,
        };
        self.speech = Some(Speech {
            frames,
            deadline,
            tick: TICK.div_f64(1.0 + skew_ppm / 1e6),
            skipped: Duration::ZERO,
            tail: None,
            packets: 0,
            started: Some(started),
            done,
        });
    }

    /// A muted mouth goes on speaking unheard, as people do.
    pub fn set_mute(&mut self, muted: bool) {
        if muted && !self.muted && self.speech.as_ref().is_some_and(|s| s.packets > 0) {
            self.mute_tail = TAIL;
        }
        self.muted = muted;
    }

    /// When the next frame is due.
    pub fn wake(&self) -> Option<Instant> {
        if self.line.is_none() || self.is_held() {
            return None;
        }
        self.speech.as_ref().map(|speech| speech.deadline)
    }

    /// The next datagram that is due; call until `None`.
    pub fn due(&mut self, now: Instant) -> Option<&[u8]> {
        loop {
            if self.line.is_none() || self.is_held() {
                return None;
            }
            let speech = self.speech.as_mut()?;
            let at = speech.deadline;
            match speech.step(now) {
                Step::Wait => return None,
                Step::Skip => {}
                Step::End => {
                    if let Some(speech) = self.speech.take() {
                        speech.end();
                    }
                }
                Step::Send(frame) => {
                    if let Some(started) = speech.started.take() {
                        let _ = started.send(clock::unix_us());
                    }
                    let heard = match (self.muted, self.mute_tail) {
                        (false, _) => Some(frame),
                        (true, 0) => None,
                        (true, left) => {
                            self.mute_tail = left - 1;
                            Some(SILENCE.into())
                        }
                    };
                    if let Some(length) = heard.and_then(|frame| self.seal(at, &frame)) {
                        return self.packet.get(..length);
                    }
                }
            }
        }
    }

    fn seal(&mut self, at: Instant, frame: &[u8]) -> Option<usize> {
        let line = self.line.as_mut()?;
        if matches!(self.seal, Seal::Unheard) {
            return None;
        }
        // The media clock counts through pauses (voice.md section 9).
        if let Some(last) = self.last.replace(at) {
            let ticks = at.saturating_duration_since(last).as_secs_f64() / TICK.as_secs_f64();
            let ticks = (ticks.round() as u32).max(1);
            self.timestamp = self
                .timestamp
                .wrapping_add(ticks.wrapping_mul(FRAMES as u32));
        }
        let header = Header::opus(self.sequence, self.timestamp, line.ssrc).write();
        self.sequence = self.sequence.wrapping_add(1);
        let (head, body) = self.packet.split_at_mut(FIXED_HEADER_LEN);
        head.copy_from_slice(&header);
        body.get_mut(..frame.len())?.copy_from_slice(frame);
        let length = match &mut self.seal {
            Seal::Sealed(_, sealer) => sealer.seal(body, frame.len()).ok()?,
            _ => frame.len(),
        };
        let end = FIXED_HEADER_LEN + length;
        let length = line
            .sealer
            .seal(&mut self.packet[..], FIXED_HEADER_LEN, end)
            .ok()?;
        if let Some(speech) = &mut self.speech {
            speech.packets += 1;
        }
        Some(length)
    }
}

impl Speech {
    fn step(&mut self, now: Instant) -> Step {
        if self.deadline > now {
            return Step::Wait;
        }
        let late = now.saturating_duration_since(self.deadline);
        if late > CATCH_UP {
            if self.started.is_none() {
                self.skipped += late;
            }
            self.deadline = now;
        }
        let frame = match self.tail {
            Some(0) => return Step::End,
            Some(left) => {
                self.tail = Some(left - 1);
                SILENCE.into()
            }
            None => match self.frames.try_recv() {
                Ok(frame) => frame,
                Err(TryRecvError::Empty) => {
                    // Not started: soon. Started: the producer is late, this frame stays silent.
                    self.deadline = if self.started.is_some() {
                        now + RETRY
                    } else {
                        self.deadline + self.tick
                    };
                    return Step::Skip;
                }
                Err(TryRecvError::Disconnected) if self.started.is_some() => return Step::End,
                Err(TryRecvError::Disconnected) => {
                    self.tail = Some(TAIL);
                    return Step::Skip;
                }
            },
        };
        self.deadline += self.tick;
        Step::Send(frame)
    }

    fn end(self) {
        let _ = self.done.send(Said {
            packets: self.packets,
            skipped: self.skipped,
        });
    }
}

impl std::fmt::Debug for Seal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Plain => "Plain",
            Self::Hold => "Hold",
            Self::Unheard => "Unheard",
            Self::Sealed(..) => "Sealed",
        })
    }
}

#[cfg(test)]
mod tests;
