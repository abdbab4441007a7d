//! Listening through the C table: what a sink sees, and when it is dropped.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

use mynah_plugin::{
    About, Cx, Error, Event, GuildId, Heard, Lane, Listening, Packet, Plugin, Result, Saved, Sink,
    UserId, Want, Why, abi, ear::Voice, testing::Stage,
};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

type Diary = Arc<Mutex<Vec<String>>>;

/// Listens in guild 1 on `/listen`, ends it on `/unlisten`.
struct Ears {
    listening: Option<Listening>,
    diary: Diary,
}

thread_local! {
    static DIARY: Diary = Diary::default();
}

struct Ear(Diary);

impl Sink for Ear {
    fn heard(&mut self, heard: &Heard<'_>) {
        assert_ne!(heard.tick(), 13, "13 brings bad luck");
        let mut lines = self.0.lock().unwrap();
        let (guild, tick, at) = (heard.guild(), heard.tick(), heard.at_us());
        lines.push(format!(
            "{guild} #{tick} at {at}, {} lost",
            heard.lost_before()
        ));
        lines.extend(heard.packets().map(|packet| format!("{packet:?}")));
        let voices = heard.voices();
        lines.extend(voices.map(|voice| {
            let first = voice.pcm.map(|pcm| pcm[0]);
            format!(
                "{} {first:?} {} {}",
                voice.user, voice.is_speech, voice.lost
            )
        }));
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        self.0.lock().unwrap().push("dropped".into());
    }
}

impl Plugin for Ears {
    const ABOUT: About = About::new("ears", "Ears", "1.0.0", "Listens.");
    type Config = Want;

    fn start(cx: &mut Cx<'_, Self>, want: Want, _: Option<Saved>) -> Result<Self> {
        let diary = DIARY.with(Diary::clone);
        let mut this = Self {
            listening: None,
            diary,
        };
        this.listening = Some(cx.listen(GuildId::new(1), want, Ear(this.diary.clone()))?);
        Ok(this)
    }

    fn event(&mut self, cx: &mut Cx<'_, Self>, event: Event<'_>) -> Result<()> {
        if let (Event::Interaction(_), Some(listening)) = (event, self.listening) {
            cx.unlisten(listening);
            cx.unlisten(listening);
        }
        Ok(())
    }
}

static ENTRY: abi::Entry = mynah_plugin::entry!(Ears);
const GUILD: GuildId = GuildId::new(1);

fn stage(want: Value) -> (Stage, Diary) {
    let stage = Stage::start(&ENTRY, &want).unwrap();
    (stage, DIARY.with(Diary::clone))
}

fn packet(lane: Option<Lane>, opus: &[u8]) -> Packet<'_> {
    Packet {
        user: lane.is_none().then(|| UserId::new(5)),
        lane,
        ssrc: 7,
        sequence: 65_535,
        timestamp: u32::MAX,
        arrival_us: 20_001,
        opus,
        unopened: opus.is_empty(),
    }
}

fn voice(pcm: &[f32; 1920]) -> Voice<'_> {
    Voice {
        user: UserId::new(5),
        ssrc: 7,
        pcm: Some(pcm),
        level_dbfs: -20.0,
        is_speech: true,
        conceals: false,
        position: 960,
        lost: 2,
    }
}

#[test]
fn a_sink_sees_packets_as_they_were_given_and_only_what_it_wants() {
    let (mut stage, diary) = stage(json!({ "packets": true }));
    assert_eq!(
        stage.listenings(),
        [(
            GUILD,
            Want {
                packets: true,
                ..Want::default()
            }
        )]
    );
    stage.advance(20_000);
    stage.lose_ticks(GUILD, 3);
    let (a, b) = (packet(None, &[1, 2, 3]), packet(None, &[]));
    let own = packet(Some(Lane::Fx), &[4]);
    stage.hear(GUILD, 4, &[a, own, b], &[voice(&[0.5; 1920])]);
    stage.hear(GuildId::new(2), 5, &[a], &[]);
    let lines = core::mem::take(&mut *diary.lock().unwrap());
    let expected = [
        "1 #4 at 20000, 3 lost".to_owned(),
        format!("{a:?}"),
        format!("{b:?}"),
    ];
    assert_eq!(lines, expected);
}

#[test]
fn samples_and_lanes_come_where_they_are_wanted() {
    let (mut stage, diary) = stage(json!({ "pcm": true, "lanes": true }));
    let own = packet(Some(Lane::Notice), &[4]);
    stage.hear(GUILD, 1, &[packet(None, &[1]), own], &[voice(&[0.5; 1920])]);
    let lines = core::mem::take(&mut *diary.lock().unwrap());
    let expected = [
        "1 #1 at 0, 0 lost".to_owned(),
        format!("{own:?}"),
        "5 Some(0.5) true 2".to_owned(),
    ];
    assert_eq!(lines, expected);
}

#[test]
fn a_sink_is_dropped_once_when_the_plugin_is_done_with_it_or_is_stopped() {
    let (mut first, diary) = stage(json!({ "packets": true }));
    first.command("unlisten", json!({}));
    assert_eq!(*diary.lock().unwrap(), ["dropped"]);
    assert!(first.listenings().is_empty());
    drop(first);
    let (mut second, _) = stage(json!({ "packets": true }));
    second.stop(Why::Shutdown);
    drop(second);
    assert_eq!(*diary.lock().unwrap(), ["dropped", "dropped"]);
}

#[test]
fn a_panic_in_a_sink_ends_the_instance_and_is_named() {
    let (mut stage, diary) = stage(json!({ "packets": true }));
    stage.hear(GUILD, 13, &[], &[]);
    assert!(stage.failed().is_some());
    let log = stage.log().join("\n");
    assert!(
        log.contains("plugin ears panicked") && log.contains("bad luck"),
        "{log}"
    );
    assert_eq!(*diary.lock().unwrap(), ["dropped"]);
}

#[test]
fn wanting_nothing_is_refused_and_the_sink_comes_back() {
    let refused = Stage::start(&ENTRY, &json!({})).err();
    assert!(matches!(refused, Some(Error::Invalid(_))), "{refused:?}");
    assert_eq!(*DIARY.with(Diary::clone).lock().unwrap(), ["dropped"]);
}
