//! A shard with its clock.

use serde_json::json;

use super::super::*;

pub const URL: &str = "wss://gateway.example";
pub const RESUME_URL: &str = "wss://resume.example";

pub fn config(seed: u64) -> Config {
    Config {
        token: Secret::new("the-token"),
        intents: 641,
        shard: (0, 1),
        gateway_url: URL.to_owned(),
        presence: None,
        resume: None,
        seed,
    }
}

/// A shard with its clock.
pub struct Rig {
    pub shard: Shard,
    pub now: Instant,
    pub start: Instant,
    pub wake: Option<Instant>,
}

impl Rig {
    pub fn new(config: Config) -> (Self, Vec<Output>) {
        let start = Instant::now();
        let mut rig = Self {
            shard: Shard::new(config, start),
            now: start,
            start,
            wake: None,
        };
        let out = rig.drain();
        (rig, out)
    }

    /// A shard that has just received READY.
    pub fn live(config: Config) -> Self {
        let (mut rig, _) = Self::new(config);
        rig.go_live();
        rig
    }

    pub fn go_live(&mut self) {
        self.hello();
        self.give(Input::IdentifyPermit);
        self.ready();
    }

    pub fn drain(&mut self) -> Vec<Output> {
        let mut out = Vec::new();
        loop {
            match self.shard.poll() {
                Output::Wait(wake) => {
                    self.wake = wake;
                    return out;
                }
                output => out.push(output),
            }
        }
    }

    pub fn give(&mut self, input: Input<'_>) -> Vec<Output> {
        self.shard.handle(self.now, input);
        self.drain()
    }

    pub fn text(&mut self, value: serde_json::Value) -> Vec<Output> {
        self.give(Input::WsText(&value.to_string()))
    }

    pub fn hello(&mut self) -> Vec<Output> {
        self.give(Input::WsOpened);
        self.text(json!({"op": 10, "d": {"heartbeat_interval": 41_250}}))
    }

    pub fn ready(&mut self) -> Vec<Output> {
        self.text(json!({"op": 0, "s": 1, "t": "READY",
            "d": {"v": 10, "session_id": "abc", "resume_gateway_url": RESUME_URL}}))
    }

    pub fn close(&mut self, code: u16) -> Vec<Output> {
        self.give(Input::WsClosed { code: Some(code) })
    }

    /// Jumps to the next wake-up.
    pub fn sleep(&mut self) -> Vec<Output> {
        self.now = self.wake.expect("something is due").max(self.now);
        self.give(Input::Tick)
    }

    pub fn pass(&mut self, time: Duration) -> Vec<Output> {
        let until = self.now + time;
        let mut out = Vec::new();
        while self.wake.is_some_and(|wake| wake <= until) {
            out.extend(self.sleep());
        }
        self.now = until;
        out.extend(self.give(Input::Tick));
        out
    }

    pub fn seconds(&self) -> f64 {
        self.now.duration_since(self.start).as_secs_f64()
    }
}

pub fn opened(out: &[Output]) -> Option<&str> {
    out.iter().find_map(|output| match output {
        Output::OpenWs { url } => Some(url.as_str()),
        _ => None,
    })
}

pub fn sent(out: &[Output], op: u8) -> Vec<serde_json::Value> {
    out.iter()
        .filter_map(|output| match output {
            Output::SendText(text) => serde_json::from_str::<serde_json::Value>(text).ok(),
            _ => None,
        })
        .filter(|value| value["op"] == op)
        .map(|value| value["d"].clone())
        .collect()
}

pub fn closed(out: &[Output]) -> Option<u16> {
    out.iter().find_map(|output| match output {
        Output::CloseWs { code } => Some(*code),
        _ => None,
    })
}

pub fn stopped(out: &[Output]) -> Option<StopReason> {
    out.iter().find_map(|output| match output {
        Output::Stopped(reason) => Some(*reason),
        _ => None,
    })
}

pub fn join(channel: Option<u64>) -> Command {
    Command::VoiceState {
        guild_id: GuildId::new(8),
        channel_id: channel.map(ChannelId::new),
        self_mute: false,
        self_deaf: true,
    }
}
