//! Forwarding, without I/O: datagrams in, datagrams out (voice.md sections 7 to 9, "SFU rules").

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mynah_wire::Ssrc;
use mynah_wire::rtp::{self, Header, ONE_BYTE_PROFILE};
use mynah_wire::udp::{self, Datagram, Discovery, Ping};

use super::held::{Held, Onward};
use super::path::Path;
use super::report;
use super::slot::Slot;
use super::table::Table;

/// A datagram longer than this was not made by a voice client.
pub const MAX_DATAGRAM: usize = 2048;
/// Room for our extension and the widest seal around the largest frame.
const BUFFER: usize = MAX_DATAGRAM + 128;
/// Extension preamble and elements of every forwarded packet.
const EXTENSION_WORDS: u16 = 2;
/// Header extension ids that Discord uses (voice.md section 9).
const AUDIO_LEVEL: u8 = 1;
const SPEAKER: u8 = 9;
/// Level of a sender that gives none: voice, 30 dB below full scale.
const USUAL_LEVEL: u8 = 0x80 | 30;

/// How a frame under end-to-end encryption ends (dave.md section 7).
const SEALED_END: [u8; 2] = [0xFA, 0xFA];

/// Discord is milliseconds away. discord.py and py-cord listen for the answer only after the request
/// has left, and one that comes within microseconds is lost to them when they are moved.
const DISCOVERY_DELAY: Duration = Duration::from_millis(2);

/// Where datagrams go. The thread gives its socket, tests and benches give a list.
pub trait Outlet {
    /// Sends, or drops: a full socket buffer loses packets like any network.
    fn send(&mut self, to: SocketAddr, datagram: &[u8]);
}

/// The media path of all rooms.
pub struct Forwarder {
    seed: u64,
    table: Arc<Table>,
    slots: Vec<Slot>,
    by_ssrc: HashMap<u32, usize>,
    held: Held,
    next_reports: Option<Instant>,
    clear: Box<[u8; BUFFER]>,
    sealed: Box<[u8; BUFFER]>,
}

impl Forwarder {
    /// A path without members. The seed decides faults.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            table: Arc::new(Table::default()),
            slots: Vec::new(),
            by_ssrc: HashMap::new(),
            held: Held::default(),
            next_reports: None,
            clear: Box::new([0; BUFFER]),
            sealed: Box::new([0; BUFFER]),
        }
    }

    /// The generation of the table in use.
    pub fn generation(&self) -> u64 {
        self.table.generation
    }

    /// Takes over a new table. What the path learned about sessions that stay is kept; audio that
    /// was waiting for its op 5 goes out.
    pub fn adopt(&mut self, now: Instant, table: Arc<Table>, outlet: &mut impl Outlet) {
        let mut known: HashMap<u64, Slot> = self
            .slots
            .drain(..)
            .map(|slot| (slot.member.session, slot))
            .collect();
        for member in &table.members {
            let mut slot = match known.remove(&member.session) {
                Some(mut slot) => {
                    slot.update(member.clone(), self.seed);
                    slot
                }
                None => Slot::new(member.clone(), self.seed),
            };
            slot.set_faults(&table.faults);
            self.slots.push(slot);
        }
        self.by_ssrc = self
            .slots
            .iter()
            .enumerate()
            .map(|(index, slot)| (slot.member.ssrc.get(), index))
            .collect();
        self.table = table;
        self.find_listeners();
        self.next_reports = match self.next_reports {
            _ if self.slots.is_empty() => None,
            running => Some(running.unwrap_or(now + report::EVERY)),
        };
        for index in 0..self.slots.len() {
            if self.slots.get(index).is_some_and(|slot| slot.is_unreported) {
                self.report(index, outlet);
            }
            let early = self.slots.get_mut(index).map(|slot| slot.take_early(now));
            for packet in early.unwrap_or_default() {
                if let Some(header) = Header::parse(&packet) {
                    self.load_frame(index, header, packet.get(rtp::FIXED_HEADER_LEN..), None);
                    self.fan_out(now, index, packet.len() - rtp::FIXED_HEADER_LEN, outlet);
                }
            }
        }
    }

    /// One datagram arrived.
    pub fn receive(
        &mut self,
        now: Instant,
        from: SocketAddr,
        datagram: &mut [u8],
        outlet: &mut impl Outlet,
    ) {
        let sender = self.sender_of(from, datagram);
        let path = sender.and_then(|index| self.slots.get_mut(index));
        if let Some(slot) = path
            && !slot.up.is_clear()
        {
            let fate = slot.up.draw();
            fate.damage(datagram);
            for _ in 0..fate.copies {
                if fate.delay.is_zero() {
                    // A duplicate needs its own bytes: opening works in place.
                    let mut copy = datagram.to_vec();
                    self.arrive(now, from, &mut copy, outlet);
                } else {
                    let onward = Onward::Arrive(from);
                    self.held.put(now + fate.delay, onward, datagram);
                }
            }
            return;
        }
        self.arrive(now, from, datagram, outlet);
    }

    /// Lets delayed packets go whose time has come, and sends the reports that are due.
    pub fn tick(&mut self, now: Instant, outlet: &mut impl Outlet) {
        while let Some((onward, mut packet)) = self.held.take(now) {
            match onward {
                Onward::Arrive(from) => self.arrive(now, from, &mut packet, outlet),
                Onward::Leave(to) => outlet.send(to, &packet),
            }
        }
        if self.next_reports.is_some_and(|due| due <= now) {
            self.next_reports = Some(now + report::EVERY);
            for index in 0..self.slots.len() {
                self.report(index, outlet);
            }
        }
    }

    /// When [`tick`](Self::tick) has something to do.
    pub fn next_due(&self) -> Option<Instant> {
        [self.held.next_due(), self.next_reports]
            .into_iter()
            .flatten()
            .min()
    }

    /// Tells a member how its stream arrives. A path with faults carries no reports: drawing their
    /// fate would shift that of the voice packets, which a seed makes repeatable.
    fn report(&mut self, index: usize, outlet: &mut impl Outlet) {
        let Some(slot) = self.slots.get_mut(index) else {
            return;
        };
        let (Some(transport), Some(to)) = (&mut slot.transport, slot.address) else {
            return;
        };
        slot.is_unreported = false;
        if !slot.down.is_clear() {
            return;
        }
        let (report, length) = slot.reception.report(slot.member.ssrc);
        let Some(room) = self.sealed.get_mut(..report.len()) else {
            return;
        };
        room.copy_from_slice(&report);
        if let Ok(total) = transport.seal_report(self.sealed.as_mut_slice(), length)
            && let Some(packet) = self.sealed.get(..total)
        {
            outlet.send(to, packet);
        }
    }

    fn arrive(
        &mut self,
        now: Instant,
        from: SocketAddr,
        datagram: &mut [u8],
        outlet: &mut impl Outlet,
    ) {
        match udp::classify(datagram) {
            Datagram::Rtp => self.voice(now, from, datagram, outlet),
            Datagram::Discovery => self.discovery(now, from, datagram),
            Datagram::Ping => {
                if let Some(Ping {
                    is_answer: false,
                    sequence,
                }) = Ping::parse(datagram)
                {
                    let answer = Ping {
                        is_answer: true,
                        sequence,
                    };
                    let index = self.slot_at(from);
                    let path = index.and_then(|index| self.slots.get_mut(index));
                    let path = path.map(|slot| &mut slot.down);
                    pass(path, &mut self.held, now, from, &mut answer.write(), outlet);
                }
            }
            // Clients' reports need no answer: nothing here adapts to them. Keepalives only keep NATs open.
            Datagram::Rtcp | Datagram::Keepalive => {}
        }
    }

    /// Tells a client its own address. Only known streams are answered, so the port cannot be
    /// used to find out about strangers.
    fn discovery(&mut self, now: Instant, from: SocketAddr, datagram: &[u8]) {
        let Some(Discovery::Request { ssrc }) = Discovery::parse(datagram) else {
            return;
        };
        let Some(index) = self.by_ssrc.get(&ssrc.get()) else {
            return;
        };
        let mut answer = Discovery::Response {
            ssrc,
            address: from.ip(),
            port: from.port(),
        }
        .write();
        let fate = self.slots.get_mut(*index).map(|slot| slot.down.draw());
        let fate = fate.unwrap_or_default();
        fate.damage(&mut answer);
        for _ in 0..fate.copies {
            let due = now + DISCOVERY_DELAY + fate.delay;
            self.held.put(due, Onward::Leave(from), &answer);
        }
    }

    fn voice(
        &mut self,
        now: Instant,
        from: SocketAddr,
        datagram: &mut [u8],
        outlet: &mut impl Outlet,
    ) {
        let Some(index) = ssrc_of(datagram).and_then(|ssrc| self.by_ssrc.get(&ssrc.get())) else {
            return;
        };
        let index = *index;
        let Some(slot) = self.slots.get_mut(index) else {
            return;
        };
        let Some(transport) = &slot.transport else {
            return;
        };
        let Ok(opened) = transport.open(datagram) else {
            return;
        };
        if opened.header.payload_type != rtp::PAYLOAD_TYPE_OPUS {
            return;
        }
        slot.address = Some(from);
        slot.count(opened.header.sequence, datagram.len());
        slot.reception.count(now, &opened.header);
        if !slot.member.may_speak || opened.payload.is_empty() {
            return;
        }
        if !slot.member.has_spoken {
            let mut early = opened.header.write().to_vec();
            early.extend(datagram.get(opened.payload).unwrap_or_default());
            slot.keep_early(now, &early);
            return;
        }
        let level = rtp::elements(datagram.get(opened.extension).unwrap_or_default())
            .find(|element| element.id == AUDIO_LEVEL)
            .and_then(|element| element.data.first().copied());
        let frame_len = opened.payload.len();
        self.load_frame(index, opened.header, datagram.get(opened.payload), level);
        self.fan_out(now, index, frame_len, outlet);
    }

    /// Writes the clear packet every listener gets: same stream, sequence and time as the sender's,
    /// our own extension, the frame untouched (it may be DAVE ciphertext).
    fn load_frame(
        &mut self,
        sender: usize,
        header: Header,
        frame: Option<&[u8]>,
        level: Option<u8>,
    ) {
        let speaking = self
            .slots
            .get(sender)
            .map_or(0, |slot| slot.member.speaking);
        let header = Header {
            extension: true,
            ..Header::opus(header.sequence, header.timestamp, header.ssrc)
        };
        let parts: [&[u8]; 5] = [
            &header.write(),
            &ONE_BYTE_PROFILE.to_be_bytes(),
            &EXTENSION_WORDS.to_be_bytes(),
            &extension(level, speaking),
            frame.unwrap_or_default(),
        ];
        let mut rest = self.clear.as_mut_slice();
        for part in parts {
            let Some((slot, after)) = rest.split_at_mut_checked(part.len()) else {
                return;
            };
            slot.copy_from_slice(part);
            rest = after;
        }
    }

    /// Seals the loaded packet for every listener and sends it.
    fn fan_out(&mut self, now: Instant, sender: usize, frame_len: usize, outlet: &mut impl Outlet) {
        let end = rtp::FIXED_HEADER_LEN + 4 + 4 * usize::from(EXTENSION_WORDS) + frame_len;
        let Some(clear) = self.clear.get(..end) else {
            return;
        };
        let listeners = self
            .slots
            .get_mut(sender)
            .map(|slot| std::mem::take(&mut slot.listeners))
            .unwrap_or_default();
        for listener in &listeners {
            let Some(slot) = self.slots.get_mut(*listener) else {
                continue;
            };
            if slot.member.is_deaf_to_sealed && clear.ends_with(&SEALED_END) {
                continue;
            }
            let (Some(transport), Some(to)) = (&mut slot.transport, slot.address) else {
                continue;
            };
            let Some(room) = self.sealed.get_mut(..end) else {
                continue;
            };
            room.copy_from_slice(clear);
            let Ok(total) = transport.seal(self.sealed.as_mut_slice(), end) else {
                continue;
            };
            slot.member.counters.forwarded();
            if let Some(packet) = self.sealed.get_mut(..total) {
                pass(
                    Some(&mut slot.down),
                    &mut self.held,
                    now,
                    to,
                    packet,
                    outlet,
                );
            }
        }
        if let Some(slot) = self.slots.get_mut(sender) {
            slot.listeners = listeners;
        }
    }

    /// Everybody in the sender's room who can and may hear, except the sender.
    fn find_listeners(&mut self) {
        let mut rooms: HashMap<_, Vec<usize>> = HashMap::new();
        for (index, slot) in self.slots.iter().enumerate() {
            if slot.member.may_hear && slot.transport.is_some() {
                rooms.entry(slot.member.channel_id).or_default().push(index);
            }
        }
        for (index, slot) in self.slots.iter_mut().enumerate() {
            slot.listeners.clear();
            let room = rooms.get(&slot.member.channel_id);
            slot.listeners.extend(
                room.into_iter()
                    .flatten()
                    .filter(|listener| **listener != index),
            );
        }
    }

    /// Whose up-path a datagram travels, before anything about it is believed.
    fn sender_of(&self, from: SocketAddr, datagram: &[u8]) -> Option<usize> {
        if self.table.faults.is_empty() {
            return None;
        }
        let ssrc = match udp::classify(datagram) {
            Datagram::Rtp => ssrc_of(datagram),
            Datagram::Discovery => match Discovery::parse(datagram) {
                Some(Discovery::Request { ssrc }) => Some(ssrc),
                _ => None,
            },
            _ => None,
        };
        match ssrc {
            Some(ssrc) => self.by_ssrc.get(&ssrc.get()).copied(),
            None => self.slot_at(from),
        }
    }

    /// The member at an address. Only faults need to know, and finding out takes a search.
    fn slot_at(&self, address: SocketAddr) -> Option<usize> {
        if self.table.faults.is_empty() {
            return None;
        }
        self.slots
            .iter()
            .position(|slot| slot.address == Some(address))
    }
}

fn ssrc_of(datagram: &[u8]) -> Option<Ssrc> {
    Header::parse(datagram).map(|header| header.ssrc)
}

/// The two extension words of a forwarded packet. pycord cuts exactly eight bytes off every packet
/// it records (voice.md section 9).
fn extension(level: Option<u8>, speaking: u32) -> [u8; 8] {
    let flags = (speaking & 0b111) as u8;
    // The bit order differs from op 5: 1 priority, 2 voice, 4 soundshare.
    let speaker = ((flags & 3) << 1) | ((flags & 4) >> 2);
    let level = level.unwrap_or(USUAL_LEVEL);
    [AUDIO_LEVEL << 4, level, SPEAKER << 4, speaker, 0, 0, 0, 0]
}

/// Sends a packet down a path that may have faults.
fn pass(
    path: Option<&mut Path>,
    held: &mut Held,
    now: Instant,
    to: SocketAddr,
    packet: &mut [u8],
    outlet: &mut impl Outlet,
) {
    let Some(path) = path.filter(|path| !path.is_clear()) else {
        return outlet.send(to, packet);
    };
    let fate = path.draw();
    fate.damage(packet);
    for _ in 0..fate.copies {
        if fate.delay.is_zero() {
            outlet.send(to, packet);
        } else {
            held.put(now + fate.delay, Onward::Leave(to), packet);
        }
    }
}

#[cfg(test)]
mod tests;
