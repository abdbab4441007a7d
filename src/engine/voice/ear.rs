//! The session's ear: open while anybody listens, with the socket while there is a line.
//!
//! An ear reads the media socket on a thread of its own, and alone: pings come back from it as news.
//! It outlives the line: through a reconnect, a rejoin or a move those who listen keep their taps.
//! Without listeners there is none, and this task reads the socket, for pings only.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use mynah_session::voice::{Input, MediaKeys};
use mynah_wire::{Ssrc, UserId};
use tokio::sync::{Notify, oneshot, watch};

use super::Shell;
use super::known::Known;
use super::line::Line;
use super::setup::Reasons;
use crate::clock;
use crate::ear::{Ear, EarHandle, EarNews, HearStats, Packet, Tap, Want};
use crate::lanes::{LanePacket, LaneRecording, LaneSink, Lanes};

/// How often the own tap is emptied, where music steps back for people.
const OVERHEAR: Duration = Duration::from_millis(20);
/// A silence frame has 3 bytes, comfort noise one or two; speech at the lowest bitrate has more.
const LEAST_SPEECH_BYTES: usize = 8;

/// What the shell has of its ear.
pub(super) struct Hearing {
    ears: EarHandle,
    lanes: Arc<Lanes>,
    /// The ear has news.
    wake: Arc<Notify>,
    known: Known,
    ear: Option<Arc<Ear>>,
    /// The bot's own lanes go to the ear.
    recording: Option<LaneRecording>,
    /// The ear has the socket.
    plugged: bool,
    /// An own tap: whether people talk can be known from it alone while the ear reads.
    overheard: Option<Tap>,
}

impl Hearing {
    pub(super) fn new(ears: EarHandle, lanes: Arc<Lanes>) -> Self {
        Self {
            ears,
            lanes,
            wake: Arc::new(Notify::new()),
            known: Known::default(),
            ear: None,
            recording: None,
            plugged: false,
            overheard: None,
        }
    }

    /// Waits for the ear to have news.
    pub(super) fn news(&self) -> impl Future<Output = ()> + Send + use<> {
        let wake = self.wake.clone();
        async move { wake.notified().await }
    }

    /// When to look again although nothing happened.
    pub(super) fn deadline(&self, now: Instant) -> Option<Instant> {
        self.overheard.as_ref().map(|_| now + OVERHEAR)
    }

    /// Anybody listens.
    pub(super) fn is_open(&self) -> bool {
        self.ear.is_some()
    }

    /// How the ear is doing; `None` while nobody listens.
    pub(super) fn stats(&self) -> Option<HearStats> {
        self.ear.as_ref().map(|ear| ear.stats())
    }

    /// The bot's own lanes are recorded.
    #[cfg(test)]
    pub(super) fn records_lanes(&self) -> bool {
        self.recording.is_some()
    }

    /// News of the end-to-end encryption.
    pub(super) fn media(&mut self, keys: &MediaKeys) {
        self.known.media(clock::now(), keys);
        if let (true, Some(ear)) = (self.plugged, &self.ear) {
            ear.keys(keys.clone());
        }
    }

    /// Op 5.
    pub(super) fn learn(&mut self, ssrc: Ssrc, user_id: UserId) {
        self.known.learn(ssrc, user_id);
        if let (true, Some(ear)) = (self.plugged, &self.ear) {
            ear.learn(ssrc, user_id);
        }
    }

    /// Op 13.
    pub(super) fn forget(&mut self, user_id: UserId) {
        self.known.forget(user_id);
        if let (true, Some(ear)) = (self.plugged, &self.ear) {
            ear.forget(user_id);
        }
    }

    /// The connection ends: what is known of it is void, and the socket goes.
    pub(super) fn hang_up(&mut self) {
        self.known.clear();
        if std::mem::take(&mut self.plugged)
            && let Some(ear) = &self.ear
        {
            ear.unplug();
        }
    }

    /// Keys of the transport are new, so the ear needs the line anew.
    pub(super) fn replug(&mut self, line: &mut Line, reasons: Reasons) {
        self.plugged = false;
        self.settle(line, reasons);
    }

    /// The ear is no good any more: another one takes its place. Those who listened find their taps
    /// closed and ask again.
    fn begin_anew(&mut self, line: &mut Line, reasons: Reasons) {
        (self.overheard, self.recording, self.plugged) = (None, None, false);
        if let Some(ear) = self.ear.take() {
            ear.unplug();
        }
        line.take_back();
        self.settle(line, reasons);
    }

    /// Gives the ear the line, or takes it away, as things are now.
    pub(super) fn settle(&mut self, line: &mut Line, reasons: Reasons) {
        if reasons.listeners == 0 {
            self.overheard = None;
            self.recording = None;
            self.plugged = false;
            if let Some(ear) = self.ear.take() {
                ear.unplug();
            }
            line.take_back();
            return;
        }
        if self.ear.is_none() {
            let wake = self.wake.clone();
            let ear = self.ears.open(Box::new(move || wake.notify_one()));
            self.ear = ear.map(Arc::new);
        }
        let Some(ear) = &self.ear else {
            return;
        };
        if !self.plugged
            && let Some(line) = line.hand_over()
        {
            ear.plug(line.socket, line.media, line.reports, line.own);
            self.plugged = true;
            // Keys first: what needs none is not believed without knowing that.
            self.known.again().for_each(|keys| ear.keys(keys));
            for (ssrc, user_id) in self.known.owners() {
                ear.learn(ssrc, user_id);
            }
        }
        if reasons.lanes == 0 {
            self.recording = None;
        } else if self.recording.is_none() {
            let sink = lane_sink(Arc::downgrade(ear));
            self.recording = Some(line.record(&self.lanes, sink));
        }
        if !reasons.talk {
            self.overheard = None;
        } else if self.overheard.is_none() {
            let packets = Want {
                packets: true,
                ..Want::default()
            };
            self.overheard = Some(ear.listen(packets));
        }
    }

    /// Somebody said something that lasts, as far as the own tap knows.
    fn overhears(&mut self) -> bool {
        let mut speech = false;
        while let Some(heard) = self.overheard.as_mut().and_then(Tap::next) {
            let packets = heard.packets.iter().filter(|packet| packet.lane.is_none());
            speech |= packets.map(|packet| packet.payload.len()).max() >= Some(LEAST_SPEECH_BYTES);
        }
        speech
    }
}

/// Hands the packets of the bot's own lanes to its ear, as long as there is one. Each lane is a stream
/// of its own, numbered as the lanes are.
fn lane_sink(ear: Weak<Ear>) -> LaneSink {
    Box::new(move |packet: LanePacket| {
        let Some(ear) = ear.upgrade() else {
            return false;
        };
        ear.lane(Packet {
            user: None,
            lane: Some(packet.lane),
            ssrc: Ssrc(packet.lane.index() as u32),
            sequence: packet.sequence,
            timestamp: packet.timestamp,
            arrival: packet.sent,
            payload: packet.payload,
            unopened: false,
        });
        true
    })
}

impl Shell {
    /// Somebody listens from now on, if they still want to.
    pub(super) async fn open_tap(&mut self, want: Want, tap: oneshot::Sender<Tap>) {
        // Whoever asks is counted already: the ear is open after this.
        self.listen().await;
        if let Some(ear) = &self.hearing.ear {
            let _ = tap.send(ear.listen(want));
        }
    }

    /// What the ear has to say.
    pub(super) fn ear_news(&mut self) {
        while let Some(news) = self.hearing.ear.as_ref().and_then(|ear| ear.news()) {
            match news {
                EarNews::Control(packet) => self.datagram(&packet),
                EarNews::Undecryptable(user_id) => {
                    let undecryptable = Input::Undecryptable { user_id };
                    self.machine.handle(clock::now(), undecryptable);
                }
                EarNews::Failed => {
                    tracing::error!(
                        "hearing this channel broke off by a fault of ours; it begins anew"
                    );
                    let reasons = self.reasons();
                    self.hearing.begin_anew(&mut self.line, reasons);
                }
                other => tracing::debug!(?other, "the ear"),
            }
        }
    }

    /// Speech that the ear's packets tell of.
    pub(super) fn overhear(&mut self) {
        if self.hearing.overhears() {
            self.talk.said(clock::now());
        }
    }

    /// Why this session hears, now.
    pub(super) fn reasons(&self) -> Reasons {
        *self.listens.borrow()
    }
}

/// A wish to hear, for as long as it lives.
pub struct Stay {
    reasons: Arc<watch::Sender<Reasons>>,
    lanes: bool,
}

impl Stay {
    /// One more who listens.
    pub fn new(reasons: Arc<watch::Sender<Reasons>>, lanes: bool) -> Self {
        reasons.send_modify(|reasons| {
            reasons.listeners += 1;
            reasons.lanes += u32::from(lanes);
        });
        Self { reasons, lanes }
    }
}

impl Drop for Stay {
    fn drop(&mut self) {
        self.reasons.send_modify(|reasons| {
            reasons.listeners -= 1;
            reasons.lanes -= u32::from(self.lanes);
        });
    }
}
