//! The town's voice channels: what the bot sends, mixed by its own code, and what people say.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mynah_audio::{Decoder, SAMPLES};
use mynah_engine::by_hand::Mix;
use mynah_engine::ear::{Heard, Packet, Voice};
use mynah_engine::{
    Event, Live, PlayOptions, Repeat, TrackEvent, TrackId, VoiceEvent, VoiceStatus, Want,
};
use mynah_host::{Call, Listens, OpError, Outcome};
use mynah_server::crowd::{self, BoxFuture, HearRequest, SayReport, SayRequest, VoiceTicket};
use mynah_server::indoors::Indoors;
use mynah_wire::{ChannelId, GuildId, Ssrc, UserId};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::speech::{Reader, Said, Speaker, Tap};

/// The pace of everything here.
const TICK: Duration = Duration::from_millis(20);
/// The bot in a channel.
struct Session {
    channel: ChannelId,
    mix: Mix,
    decoder: Decoder,
    taps: Vec<(Want, Arc<Tap>)>,
    tick: u64,
}

#[derive(Default)]
struct State {
    sessions: BTreeMap<GuildId, Session>,
    speakers: BTreeMap<UserId, Speaker>,
    tracks: u64,
    is_broken: bool,
    was_broken: bool,
    /// Who listens, and what they heard.
    recording: Option<(UserId, Vec<f32>)>,
}

/// Everything about voice, shared by the bot and the town.
#[derive(Clone, Default)]
pub(super) struct Shared(Arc<Mutex<State>>);

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn clear(&self) {
        let mut state = self.state();
        state.sessions.clear();
        state.is_broken = false;
        state.was_broken = false;
    }

    pub(super) fn is_in(&self, guild: GuildId) -> bool {
        self.state().sessions.contains_key(&guild)
    }

    pub(super) fn set_broken(&self, broken: bool) {
        self.state().is_broken = broken;
    }

    pub(super) fn talk(&self, user: UserId, said: Said, time: Duration) {
        let blocks = time.as_millis().div_ceil(TICK.as_millis());
        let blocks = usize::try_from(blocks).unwrap_or(usize::MAX);
        let mut state = self.state();
        let ssrc = Ssrc(1000 + u32::try_from(state.speakers.len()).unwrap_or(0));
        let speaker = state.speakers.entry(user);
        let speaker = speaker.or_insert_with(|| Speaker::new(ssrc));
        speaker.add(said, blocks);
    }

    /// Begins or ends listening; what was heard until now.
    pub(super) fn record(&self, user: Option<UserId>) -> Vec<f32> {
        let next = user.map(|user| (user, Vec::new()));
        let before = std::mem::replace(&mut self.state().recording, next);
        before.map(|(_, heard)| heard).unwrap_or_default()
    }

    fn new_track(state: &mut State) -> TrackId {
        state.tracks += 1;
        TrackId(state.tracks)
    }

    pub(super) fn play(
        &self,
        guild: GuildId,
        path: &str,
        how: PlayOptions,
    ) -> Result<u64, OpError> {
        let mut state = self.state();
        let id = Self::new_track(&mut state);
        let session = session(&mut state, guild)?;
        let played = session.mix.play(id, Path::new(path), &how);
        played.map_err(|error| OpError::Failed(error.to_string()))?;
        Ok(id.0)
    }

    pub(super) fn play_live(
        &self,
        guild: GuildId,
        live: Live,
        how: PlayOptions,
    ) -> Result<u64, OpError> {
        let mut state = self.state();
        let id = Self::new_track(&mut state);
        session(&mut state, guild)?.mix.play_live(id, live, how);
        Ok(id.0)
    }

    pub(super) fn play_next(
        &self,
        after: u64,
        path: &str,
        start: Duration,
    ) -> Result<u64, OpError> {
        let mut state = self.state();
        let id = Self::new_track(&mut state);
        for session in state.sessions.values_mut() {
            let taken = session
                .mix
                .play_next(TrackId(after), id, path.into(), start);
            if taken.map_err(|error| OpError::Failed(error.to_string()))? {
                return Ok(id.0);
            }
        }
        Err(over(after))
    }

    /// Every op that is about a track and nothing else.
    pub(super) fn track_call(&self, call: Call) -> Outcome {
        let mut state = self.state();
        let mut any = |order: &mut dyn FnMut(&mut Mix) -> bool| {
            let mut sessions = state.sessions.values_mut();
            sessions.any(|session| order(&mut session.mix))
        };
        let (track, done) = match call {
            Call::CancelNext(id) => (id, any(&mut |mix| mix.cancel_next(TrackId(id)))),
            Call::Pause(id) => (id, any(&mut |mix| mix.pause(TrackId(id)))),
            Call::Resume(id) => (id, any(&mut |mix| mix.resume(TrackId(id)))),
            Call::Stop(id) => (id, any(&mut |mix| mix.stop(TrackId(id)))),
            Call::StopWith(id, fade) => (id, any(&mut |mix| mix.stop_with(TrackId(id), fade))),
            Call::Gain(id, gain) => (id, any(&mut |mix| mix.gain(TrackId(id), gain, None))),
            Call::Fade(id, gain, fade) => {
                (id, any(&mut |mix| mix.gain(TrackId(id), gain, Some(fade))))
            }
            Call::Repeat(id, forever) => {
                let repeat = if forever {
                    Repeat::Forever
                } else {
                    Repeat::Off
                };
                (id, any(&mut |mix| mix.repeat(TrackId(id), repeat)))
            }
            Call::Filters(id, spec) => (id, any(&mut |mix| mix.filters(TrackId(id), &spec))),
            Call::Position(id) => {
                let mut sessions = state.sessions.values();
                let at = sessions.find_map(|session| session.mix.position(TrackId(id)));
                let ms = at.map(|at| u64::try_from(at.as_millis()).unwrap_or(u64::MAX));
                return Ok(json!({ "position_ms": ms }));
            }
            // Not shown: a web request holds secrets.
            _ => {
                let words = "a town has no web and makes no sounds ready; see mynah_testkit::town";
                return Err(OpError::Unsupported(words.into()));
            }
        };
        if done {
            Ok(Value::Null)
        } else {
            Err(over(track))
        }
    }

    pub(super) fn listen(&self, guild: GuildId, want: Want) -> Result<Box<dyn Listens>, OpError> {
        let mut state = self.state();
        let tap = Arc::<Tap>::default();
        session(&mut state, guild)?
            .taps
            .push((want, Arc::clone(&tap)));
        Ok(Box::new(Reader(tap)))
    }
}

fn session(state: &mut State, guild: GuildId) -> Result<&mut Session, OpError> {
    let session = state.sessions.get_mut(&guild);
    session.ok_or_else(|| OpError::Closed("the bot is in no voice channel there".into()))
}

fn over(track: u64) -> OpError {
    OpError::Closed(format!("track {track} is not playing"))
}

/// 20 ms after 20 ms, until the task is dropped.
pub(super) async fn run(server: &Indoors, voice: &Shared, events: &mpsc::Sender<Event>) {
    let mut ticks = tokio::time::interval(TICK);
    let (guild, ..) = server.places();
    loop {
        ticks.tick().await;
        let news = voice.state().tick(server, guild);
        for event in news {
            // The host is gone: so is whoever wanted to know.
            let _ = events.send(event).await;
        }
    }
}

impl State {
    fn tick(&mut self, server: &Indoors, guild: GuildId) -> Vec<Event> {
        let mut news = Vec::new();
        let told = |kind| Event::Voice {
            guild_id: guild,
            kind,
        };
        let listed = server.voice_channel_of(guild, server.bot());
        let Some(channel_id) = listed else {
            if let Some(session) = self.sessions.remove(&guild) {
                news.extend(tracks(guild, session.mix.close()));
                session.taps.iter().for_each(|(_, tap)| end(tap));
                let reason = "it is in the channel no more".to_owned();
                news.push(told(VoiceEvent::Ended { reason }));
            }
            self.note(server, guild, None, &[]);
            return news;
        };
        match self.sessions.get_mut(&guild) {
            None => {
                if let (Ok(mix), Ok(decoder)) = (Mix::new(), Decoder::new()) {
                    let session = Session {
                        channel: channel_id,
                        mix,
                        decoder,
                        taps: Vec::new(),
                        tick: 0,
                    };
                    self.sessions.insert(guild, session);
                    news.push(told(VoiceEvent::Connected { channel_id }));
                }
            }
            Some(session) if session.channel != channel_id => {
                session.channel = channel_id;
                news.push(told(VoiceEvent::Moved { channel_id }));
            }
            Some(_) => {}
        }
        if self.is_broken != self.was_broken {
            self.was_broken = self.is_broken;
            let reason = "the connection broke".to_owned();
            let session = self.sessions.get_mut(&guild);
            news.push(told(if self.is_broken {
                session.into_iter().for_each(|session| session.mix.detach());
                VoiceEvent::Lost { reason }
            } else {
                session.into_iter().for_each(|session| session.mix.attach());
                VoiceEvent::Resumed
            }));
        }
        let spoken = self.spoken(server, guild, channel_id, &mut news);
        let mut heard = Vec::new();
        if let Some(session) = self.sessions.get_mut(&guild) {
            let tick = session.mix.tick();
            news.extend(tracks(guild, tick.events));
            for packet in &tick.packets {
                let mut block = [0.0; SAMPLES];
                if session.decoder.decode(packet, &mut block).is_ok() {
                    heard.extend_from_slice(&block);
                }
            }
            session.tell(spoken);
        }
        self.note(server, guild, Some(channel_id), &heard);
        news
    }

    /// What the one who listens heard in these 20 ms.
    fn note(&mut self, server: &Indoors, guild: GuildId, bot: Option<ChannelId>, heard: &[f32]) {
        if let Some((user, samples)) = &mut self.recording {
            let is_there = bot.is_some() && server.voice_channel_of(guild, *user) == bot;
            let heard = if is_there { heard } else { &[] };
            samples.extend_from_slice(heard);
            samples.resize(samples.len() + SAMPLES.saturating_sub(heard.len()), 0.0);
        }
    }

    /// Everybody who speaks where the bot is, for 20 ms; elsewhere they are not heard, and time goes on.
    fn spoken(
        &mut self,
        server: &Indoors,
        guild: GuildId,
        channel: ChannelId,
        news: &mut Vec<Event>,
    ) -> Vec<(Voice, Packet)> {
        let listens = self
            .sessions
            .get(&guild)
            .is_some_and(|one| !one.taps.is_empty());
        let now = tokio::time::Instant::now().into_std();
        let mut spoken = Vec::new();
        for (user, speaker) in &mut self.speakers {
            let is_there = server.voice_channel_of(guild, *user) == Some(channel);
            let block = speaker.next();
            let speaks = block.is_some() && is_there && !self.is_broken;
            if speaks != std::mem::replace(&mut speaker.is_on, speaks) && listens {
                let kind = VoiceEvent::Speaking {
                    user_id: *user,
                    speaks,
                };
                news.push(Event::Voice {
                    guild_id: guild,
                    kind,
                });
            }
            if let Some(block) = block.filter(|_| speaks) {
                spoken.push(speaker.say(*user, &block, now));
            }
        }
        spoken
    }
}

impl Session {
    /// Whoever listens hears what was spoken.
    fn tell(&mut self, spoken: Vec<(Voice, Packet)>) {
        self.taps
            .retain(|(_, tap)| !tap.is_dropped.load(Ordering::Relaxed));
        if self.taps.is_empty() {
            return;
        }
        let mut sum = [0.0; SAMPLES];
        for (voice, _) in &spoken {
            let pcm = voice.pcm.iter().flat_map(|pcm| pcm.iter());
            sum.iter_mut().zip(pcm).for_each(|(to, from)| *to += from);
        }
        sum.iter_mut()
            .for_each(|sample| *sample = sample.clamp(-0.89, 0.89));
        let mix = (!spoken.is_empty()).then(|| Arc::new(sum));
        let (voices, packets): (Vec<_>, Vec<_>) = spoken.into_iter().unzip();
        let heard = Heard {
            tick: self.tick,
            at: tokio::time::Instant::now().into_std(),
            lost_before: 0,
            voices,
            packets,
            mix,
        };
        self.tick += 1;
        for (want, tap) in &self.taps {
            let mut heard = heard.clone();
            if !want.mix {
                heard.mix = None;
            }
            tap.put(heard);
        }
    }
}

fn end(tap: &Tap) {
    tap.is_over.store(true, Ordering::Relaxed);
}

fn tracks(guild_id: GuildId, events: Vec<(TrackId, TrackEvent)>) -> impl Iterator<Item = Event> {
    events.into_iter().map(move |(track, kind)| Event::Track {
        guild_id,
        track,
        kind,
    })
}

/// For `/voice status`: there is no connection to measure.
pub(super) fn status(channel_id: ChannelId, user_id: UserId) -> VoiceStatus {
    VoiceStatus {
        channel_id,
        user_id,
        ssrc: Ssrc(1),
        mode: "none: a town".to_owned(),
        latency: None,
        rtt: None,
        received: 0,
        lost: 0,
        jitter: None,
        dave_version: 0,
        epoch: None,
        privacy_code: None,
        members: Vec::new(),
        own_key: Vec::new(),
        unheard: None,
        packets_sent: 0,
        sealed_stale: 0,
    }
}

/// People need no voice clients here.
pub(super) struct Crowd;

impl crowd::Crowd for Crowd {
    fn join(&self, _: VoiceTicket) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async { Ok(()) })
    }

    fn leave(&self, _: UserId) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }

    fn say(&self, _: UserId, _: SayRequest) -> BoxFuture<'_, Result<SayReport, String>> {
        Box::pin(async { Err("use Town::talks".to_owned()) })
    }

    fn hear(&self, _: UserId, _: HearRequest) -> BoxFuture<'_, Result<crowd::Heard, String>> {
        Box::pin(async { Err("use Town::hear".to_owned()) })
    }

    fn set_flags(&self, _: UserId, _: bool, _: bool) {}
}
