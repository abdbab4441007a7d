//! Plugins that make sound, each on its own thread.

use super::bench::{Bench, bench, until};
use crate::{Options, PluginSpec, PluginState};
use mynah_engine::{LIVE_BLOCKS, Lane, Live, PlayOptions as How};
use mynah_plugin::{
    About, Cx, GuildId, PlayOptions, Plugin, Result, Saved, Source, Track, Voice, abi,
    audio::{Block, Pull},
};
use serde_json::json;
use std::sync::{
    Arc, Mutex,
    mpsc::{Receiver, Sender, channel},
};
use std::time::Duration;

/// What plugins play of their own, in order.
#[derive(Clone, Default)]
pub(super) struct Lives(Arc<Mutex<Vec<(Live, How)>>>);

impl Lives {
    /// Its track.
    pub(super) fn play(&self, live: Live, how: How) -> u64 {
        let mut lives = self.0.lock().unwrap();
        lives.push((live, how));
        lives.len() as u64
    }

    pub(super) fn stop_all(&self) -> Vec<How> {
        let lives = core::mem::take(&mut *self.0.lock().unwrap());
        lives.into_iter().map(|(_, how)| how).collect()
    }
}

/// Plays a source from its start on.
struct Singer {
    song: Track,
    voice: Voice,
}

#[derive(serde::Deserialize)]
struct Config {
    lane: mynah_plugin::Lane,
    panics: bool,
}

struct Song {
    panics: bool,
    log: Sender<String>,
}

static LOG: Mutex<Option<Sender<String>>> = Mutex::new(None);

impl Source for Song {
    fn pull(&mut self, out: &mut Block<'_>) -> Result<Pull> {
        assert!(!self.panics || out.frame() < 2 * 960, "no further");
        out.samples().fill(0.25);
        let thread = std::thread::current();
        let _ = self
            .log
            .send(format!("{} {}", thread.name().unwrap(), out.frame()));
        Ok(Pull::More)
    }
}

impl Drop for Song {
    fn drop(&mut self) {
        let _ = self.log.send("closed".into());
    }
}

impl Plugin for Singer {
    const ABOUT: About = About::new("singer", "Singer", "0.1.0", "Sings.");
    type Config = Config;

    fn start(cx: &mut Cx<'_, Self>, config: Config, _: Option<Saved>) -> Result<Self> {
        let log = LOG.lock().unwrap().clone().unwrap();
        let song = Song {
            panics: config.panics,
            log,
        };
        let options = PlayOptions {
            gain: 0.5,
            lane: config.lane,
            ..PlayOptions::default()
        };
        let song = cx.play_source(GuildId::new(1), song, options)?;
        let voice = cx.voice();
        cx.detach("pause", voice.pause(song));
        Ok(Self { song, voice })
    }

    fn stop(self, cx: &mut Cx<'_, Self>, _: mynah_plugin::Why) {
        cx.detach("stop", self.voice.stop(self.song));
    }
}

static SINGER: abi::Entry = mynah_plugin::entry!(Singer);
/// The singers of a process share a log.
static ONE_AT_A_TIME: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

async fn singer(lane: &str, panics: bool, grant: &str) -> (Bench, Receiver<String>) {
    let (sender, lines) = channel();
    *LOG.lock().unwrap() = Some(sender);
    let config = json!({ "lane": lane, "panics": panics });
    let plugin = PluginSpec::new(&SINGER, config, vec![grant.to_owned()]);
    (bench(vec![plugin], Options::default(), false).await, lines)
}

fn next(lines: &Receiver<String>) -> String {
    lines.recv_timeout(Duration::from_secs(20)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_is_pulled_on_its_own_thread_no_further_than_there_is_room_until_it_is_stopped() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let (bench, lines) = singer("speech", false, "voice.speak:speech").await;
    for block in 0..LIVE_BLOCKS {
        assert_eq!(next(&lines), format!("p:singer/src {}", block * 960));
    }
    // It is the plugin's own track: it may steer it.
    assert!(bench.host.links[0].hub.owns(0, 1));
    let played = bench.lives.stop_all();
    assert_eq!((played[0].lane, played[0].gain), (Lane::Speech, 0.5));
    assert_eq!(next(&lines), "closed", "and nothing was pulled in between");
    bench.host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_without_the_grant_of_its_lane_is_refused_and_comes_back() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let (bench, lines) = singer("notice", false, "voice.speak").await;
    assert_eq!(next(&lines), "closed");
    let fault = bench.host.report()[0].last_fault.clone().unwrap();
    assert!(fault.contains("`voice.speak:notice`"), "{fault}");
    bench.host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_in_a_source_starts_the_plugin_again() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let (bench, lines) = singer("bed", true, "voice.speak").await;
    until(&bench, PluginState::Restarting).await;
    let fault = bench.host.report()[0].last_fault.clone().unwrap();
    assert!(fault.contains("made sound"), "{fault}");
    let all: Vec<String> = std::iter::from_fn(|| Some(next(&lines)))
        .take_while(|line| line != "closed")
        .collect();
    assert_eq!(all.len(), 2);
    bench.host.stop().await;
}
