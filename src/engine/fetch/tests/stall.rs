//! A stream that stalls while it plays, as its listener hears it: real media threads, and a tick in
//! virtual time.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{StreamExt, stream};
use mynah_audio::{CHANNELS, Decoder, FRAMES, SILENT_BLOCK, measure};
use mynah_pulse::{
    EventKind, Meter, MixConfig, Sender, Sent, TrackOptions, Transmit, Transport, by_hand,
};
use mynah_session::transport::{RtpOpener, RtpSealer};
use mynah_wire::{EncryptionMode, Ssrc};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::super::client::{Answer, Ask, Entity, Refused};
use super::super::pace::Times;
use super::super::stream::HttpSource;
use crate::decode::{Deck, How, Sound};
use crate::fetch::Input;
use crate::pool::Pool;
use crate::{FetchError, TrackId};

const MODE: EncryptionMode = EncryptionMode::XChaCha20Poly1305RtpSize;
const KEY: [u8; 32] = [5; 32];
/// Two seconds, of which one comes at first.
const WHOLE: usize = 96_500;
const AT_FIRST: usize = 48_000;

/// A glide: no two places of it are alike.
fn glide() -> Vec<i16> {
    let frame = |n: usize| {
        let t = n as f64 / 48_000.0;
        let turns = 220.0 * t + 90.0 * t * t;
        [(10_000.0 * (turns * std::f64::consts::TAU).sin()) as i16; CHANNELS]
    };
    (0..WHOLE).flat_map(frame).collect()
}

fn wav(samples: &[i16]) -> Vec<u8> {
    let data = u32::try_from(samples.len() * 2).unwrap();
    let mut out = b"RIFF".to_vec();
    out.extend((data + 36).to_le_bytes());
    out.extend(b"WAVEfmt \x10\0\0\0\x01\0\x02\0\x80\xBB\0\0\0\xEE\x02\0\x04\0\x10\0data");
    out.extend(data.to_le_bytes());
    out.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
    out
}

/// Nobody has to ask again.
struct Once;

impl Ask for Once {
    fn ask<'a>(
        &'a self,
        _from: u64,
        _known: Option<&'a Entity>,
    ) -> BoxFuture<'a, Result<Answer, Refused>> {
        let error = FetchError::BadUrl("asked twice".to_owned());
        let may_pass = false;
        Box::pin(std::future::ready(Err(Refused { error, may_pass })))
    }

    fn shown(&self) -> &str {
        "http://sound.test/a.wav"
    }
}

/// A stream of so many bytes that come when they are sent.
async fn source(len_bytes: usize, bytes: UnboundedReceiver<Bytes>) -> HttpSource {
    let body = stream::unfold(bytes, async |mut bytes| {
        let next = bytes.recv().await?;
        Some((Ok(next), bytes))
    });
    let entity = Entity {
        tag: Some("\"1\"".to_owned()),
        modified: None,
        len_bytes: Some(len_bytes as u64),
    };
    let first = Answer {
        entity,
        from: 0,
        ranges: false,
        body: body.boxed(),
    };
    HttpSource::start(Arc::new(Once), first, Times::default()).await
}

/// Clock and network of the tick, and the listener at its end.
struct Listener {
    now_ns: u64,
    datagrams: Vec<Vec<u8>>,
}

impl Transmit for Listener {
    type Link = ();

    fn now_ns(&mut self) -> u64 {
        self.now_ns
    }

    fn send(&mut self, _link: &(), datagram: &[u8]) -> Sent {
        self.datagrams.push(datagram.to_vec());
        Sent::Done
    }
}

impl Listener {
    /// What was heard, each packet at its time.
    fn heard(self) -> Vec<f32> {
        let opener = RtpOpener::new(MODE, &KEY);
        let mut decoder = Decoder::new().unwrap();
        let mut heard = Vec::new();
        for mut packet in self.datagrams {
            let opened = opener.open(&mut packet).unwrap();
            let at = opened.header.timestamp as usize * CHANNELS;
            let mut block = SILENT_BLOCK;
            decoder.decode(&packet[opened.payload], &mut block).unwrap();
            heard.resize(at.max(heard.len()), 0.0);
            heard.extend(block);
        }
        heard
    }
}

/// Waits until the ring holds a block, or so many frames were ever put into it.
async fn filled(meter: &Meter, or_ever: usize) {
    let waiting = async {
        while meter.frames_put() < meter.frames_taken() + FRAMES as u64
            && meter.frames_put() < or_ever as u64
        {
            tokio::task::yield_now().await;
        }
    };
    // Only so that a failing test ends.
    let waited = tokio::time::timeout(Duration::from_secs(20), waiting).await;
    assert!(waited.is_ok(), "{} frames came", meter.frames_put());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stalled_stream_fades_is_told_of_and_goes_on_with_the_very_next_sample() {
    let samples = glide();
    let file = Bytes::from(wav(&samples));
    let (sender, bytes) = unbounded_channel();
    let cut = 44 + AT_FIRST * CHANNELS * 2;
    sender.send(file.slice(..cut)).unwrap();
    let input = Input::Stream(Arc::new(source(file.len(), bytes).await));
    let pool = Pool::new(1);
    let (id, start) = (TrackId(7), Duration::ZERO);
    let opened = Deck::start(
        &pool,
        Sound {
            id,
            input,
            start,
            loudness: None,
        },
        How::default(),
    );
    let opened = opened.await.unwrap().unwrap();
    let meter = opened.reader.meter();

    let (mut wheel, handle, _janitor) = by_hand(0);
    let mut events = handle.events().unwrap();
    let mix = MixConfig {
        bitrate_bps: 128_000,
        complexity: 5,
    };
    let session = handle.open(mix).unwrap();
    let transport = Transport {
        socket: (),
        sealer: RtpSealer::new(MODE, &KEY, 0),
        sender: Sender::Plain,
        ssrc: Ssrc(1),
        first_sequence: 0,
        first_timestamp: 0,
    };
    handle.attach(session, transport);
    let track = mynah_pulse::TrackId(1);
    handle.play(session, track, opened.reader, TrackOptions::default());

    let mut listener = Listener {
        now_ns: 0,
        datagrams: Vec::new(),
    };
    let mut told = Vec::new();
    let mut sender = Some(sender);
    let began = crate::clock::now();
    // Only so that a failing test ends.
    while crate::clock::now() - began < Duration::from_secs(20) {
        if sender.is_some() {
            // What was sent is decoded up to some kilobytes that are kept in hand.
            filled(&meter, AT_FIRST - 10_000).await;
        } else {
            filled(&meter, WHOLE).await;
        }
        for _wake in 0..4 {
            listener.now_ns = wheel.step(&mut listener);
        }
        told.extend(std::iter::from_fn(|| events.poll()).map(|event| event.kind));
        if told.last() == Some(&EventKind::Stalled(track))
            && let Some(sender) = sender.take()
        {
            sender.send(file.slice(cut..)).unwrap();
        }
        if matches!(told.last(), Some(EventKind::Ended { .. })) {
            break;
        }
    }
    let Some(EventKind::Ended { frames_played, .. }) = told.last() else {
        panic!("{told:?}");
    };
    assert_eq!(*frames_played, WHOLE as u64);
    // That nothing comes after the last sample may be known a little late, which is not heard.
    let (started, stalled) = (EventKind::Started(track), EventKind::Stalled(track));
    let recovered = EventKind::Recovered(track);
    assert_eq!(told[..3], [started, stalled, recovered]);

    let truth: Vec<f32> = samples.iter().map(|s| f32::from(*s) / 32_768.0).collect();
    let heard = listener.heard();
    let click = measure::largest_step(&heard) / measure::largest_step(&truth);
    assert!(click < 1.3, "a step {click} times as high as in the sound");
    let quiet = measure::longest_quiet_frames(&heard, 1e-3);
    assert!(quiet > 2 * FRAMES, "silence of {quiet} frames");
    // Both ends stand where they should: whole packets later, and no sample is left out or doubled.
    let half = 30_000 * CHANNELS;
    let early = measure::align(&truth[..half], &heard, 9_600).unwrap();
    let end = &truth[truth.len() - half..];
    let late = measure::align(end, &heard, heard.len() / CHANNELS).unwrap();
    let late_by = late.offset_frames - (WHOLE - 30_000) as i64 - early.offset_frames;
    assert!(
        late_by >= 5 * FRAMES as i64 && late_by % FRAMES as i64 == 0,
        "{late_by}"
    );
    assert!(early.correlation > 0.98 && late.correlation > 0.98);
}
