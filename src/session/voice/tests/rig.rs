//! A session with its clock, and a scripted voice server good enough to answer it.

use serde_json::{Value, json};

use super::super::*;

pub const SSRC: u32 = 12871;
pub const KEY: [u8; 32] = [3; 32];
pub const MODE: &str = "aead_aes256_gcm_rtpsize";

pub struct Rig {
    pub session: Session,
    pub now: Instant,
    pub wake: Option<Instant>,
    /// The server never answers discovery.
    pub refuse_udp: bool,
    /// The DAVE version that [`Rig::serve`] describes.
    pub dave_version: u16,
    start: Instant,
}

impl Rig {
    pub fn new(seed: u64) -> (Self, Vec<Output>) {
        Self::with(seed, |_| {})
    }

    pub fn with(seed: u64, change: impl FnOnce(&mut Config)) -> (Self, Vec<Output>) {
        let start = Instant::now();
        let mut config = Config {
            guild_id: GuildId::new(8),
            user_id: UserId::new(90),
            channel_id: ChannelId::new(70),
            allow_legacy_modes: false,
            max_dave_version: 0,
            identity: None,
            give_up_after: Duration::from_secs(600),
            seed,
        };
        change(&mut config);
        let mut rig = Self {
            session: Session::new(config, start),
            now: start,
            wake: None,
            refuse_udp: false,
            dave_version: 0,
            start,
        };
        let out = rig.drain();
        (rig, out)
    }

    /// A session that is connected since this moment.
    pub fn live(seed: u64) -> Self {
        let (mut rig, _) = Self::new(seed);
        rig.connect_to_ready();
        rig.finish_handshake();
        rig
    }

    /// Connected for so long that earlier troubles are forgotten.
    pub fn stable(seed: u64) -> Self {
        let mut rig = Self::live(seed);
        rig.pass(Duration::from_secs(12));
        rig
    }

    pub fn connect_to_ready(&mut self) {
        self.state(Some(70));
        self.server("token", "v.example:2048");
        self.give(Input::WsOpened);
        self.hello();
    }

    pub fn finish_handshake(&mut self) -> Vec<Output> {
        let mut out = self.ready(&[MODE, "aead_xchacha20_poly1305_rtpsize"]);
        out.extend(self.discovered());
        out.extend(self.describe(MODE));
        out
    }

    fn drain(&mut self) -> Vec<Output> {
        let mut out = Vec::new();
        loop {
            match self.session.poll() {
                Output::Wait(wake) => {
                    self.wake = wake;
                    return out;
                }
                output => out.push(output),
            }
        }
    }

    pub fn give(&mut self, input: Input<'_>) -> Vec<Output> {
        self.session.handle(self.now, input);
        self.drain()
    }

    pub fn text(&mut self, value: Value) -> Vec<Output> {
        self.give(Input::WsText(&value.to_string()))
    }

    pub fn state(&mut self, channel: Option<u64>) -> Vec<Output> {
        self.give(Input::StateUpdate {
            channel_id: channel.map(ChannelId::new),
            session_id: "main-session",
        })
    }

    pub fn server(&mut self, token: &str, endpoint: &str) -> Vec<Output> {
        let endpoint = Some(endpoint);
        self.give(Input::ServerUpdate { token, endpoint })
    }

    pub fn hello(&mut self) -> Vec<Output> {
        self.text(json!({"op": 8, "d": {"v": 8, "heartbeat_interval": 13750.0}}))
    }

    pub fn ready(&mut self, modes: &[&str]) -> Vec<Output> {
        self.text(
            json!({"op": 2, "d": {"ssrc": SSRC, "ip": "127.0.0.1", "port": 50004,
            "modes": modes, "experiments": [], "streams": []}, "seq": 1}),
        )
    }

    pub fn discovered(&mut self) -> Vec<Output> {
        let answer = mynah_wire::udp::Discovery::Response {
            ssrc: Ssrc(SSRC),
            address: "198.51.100.4".parse().unwrap(),
            port: 51000,
        };
        self.give(Input::Datagram(&answer.write()))
    }

    pub fn describe(&mut self, mode: &str) -> Vec<Output> {
        self.describe_dave(mode, 0)
    }

    pub fn describe_dave(&mut self, mode: &str, version: u16) -> Vec<Output> {
        self.text(
            json!({"op": 4, "d": {"mode": mode, "secret_key": KEY, "audio_codec": "opus",
            "dave_protocol_version": version}, "seq": 2}),
        )
    }

    pub fn ack(&mut self) -> Vec<Output> {
        self.text(json!({"op": 6, "d": {"t": 0}}))
    }

    pub fn close(&mut self, code: u16) -> Vec<Output> {
        self.give(Input::WsClosed { code: Some(code) })
    }

    /// Jumps to the next wake-up.
    pub fn sleep(&mut self) -> Vec<Output> {
        self.now = self.wake.expect("something is due").max(self.now);
        self.give(Input::Tick)
    }

    /// Lets time pass on a healthy connection: heartbeats are answered.
    pub fn pass(&mut self, time: Duration) -> Vec<Output> {
        let until = self.now + time;
        let mut out = Vec::new();
        while self.wake.is_some_and(|wake| wake <= until) {
            let new = self.sleep();
            if !sent(&new, 3).is_empty() {
                out.extend(self.ack());
            }
            out.extend(new);
        }
        self.now = until;
        out.extend(self.give(Input::Tick));
        out
    }

    pub fn seconds(&self) -> f64 {
        self.now.duration_since(self.start).as_secs_f64()
    }

    pub fn seconds_to_wake(&self) -> f64 {
        self.wake.unwrap().duration_since(self.now).as_secs_f64()
    }

    /// One round of a friendly server: answers what was sent.
    pub fn serve(&mut self, out: &[Output]) -> Vec<Output> {
        let mut next = Vec::new();
        for output in out {
            match output {
                Output::JoinMain {
                    channel_id: Some(channel_id),
                } => {
                    next.extend(self.state(Some(channel_id.get())));
                    let token = format!("token-{}", self.seconds());
                    next.extend(self.server(&token, "v.example:2048"));
                }
                Output::OpenWs { .. } => {
                    next.extend(self.give(Input::WsOpened));
                    next.extend(self.hello());
                }
                Output::SendDatagram(bytes) if bytes.len() == 74 && !self.refuse_udp => {
                    next.extend(self.discovered());
                }
                Output::SendText(text) => {
                    let value: Value = serde_json::from_str(text).unwrap();
                    next.extend(match value["op"].as_u64() {
                        Some(0) => self.ready(&[MODE]),
                        Some(1) => self.describe_dave(MODE, self.dave_version),
                        Some(3) => self.ack(),
                        Some(7) => self.text(json!({"op": 9, "d": null})),
                        _ => Vec::new(),
                    });
                }
                _ => {}
            }
        }
        next
    }

    /// Serves until everything is quiet, and returns all that was said.
    pub fn settle(&mut self, mut out: Vec<Output>) -> Vec<Output> {
        let mut all = Vec::new();
        while !out.is_empty() {
            let next = self.serve(&out);
            all.append(&mut out);
            out = next;
        }
        all
    }

    pub fn serve_until_ended(&mut self, limit: Duration) -> Option<EndReason> {
        let until = self.now + limit;
        let mut out = vec![Output::JoinMain {
            channel_id: Some(ChannelId::new(70)),
        }];
        while self.now < until {
            let all = self.settle(std::mem::take(&mut out));
            if let Some(reason) = ended(&all) {
                return Some(reason);
            }
            out = self.sleep();
        }
        None
    }
}

pub fn opened(out: &[Output]) -> Option<&str> {
    out.iter().find_map(|output| match output {
        Output::OpenWs { url } => Some(url.as_str()),
        _ => None,
    })
}

pub fn closed(out: &[Output]) -> Option<u16> {
    out.iter().find_map(|output| match output {
        Output::CloseWs { code } => Some(*code),
        _ => None,
    })
}

pub fn joins(out: &[Output]) -> Vec<Option<ChannelId>> {
    out.iter()
        .filter_map(|output| match output {
            Output::JoinMain { channel_id } => Some(*channel_id),
            _ => None,
        })
        .collect()
}

pub fn keys(out: &[Output]) -> Option<TransportKeys> {
    out.iter().find_map(|output| match output {
        Output::Keys(keys) => Some(keys.clone()),
        _ => None,
    })
}

pub fn events(out: &[Output]) -> Vec<Event> {
    out.iter()
        .filter_map(|output| match output {
            Output::Event(event) => Some(event.clone()),
            _ => None,
        })
        .collect()
}

pub fn ended(out: &[Output]) -> Option<EndReason> {
    events(out).into_iter().find_map(|event| match event {
        Event::Ended(reason) => Some(reason),
        _ => None,
    })
}

pub fn sent(out: &[Output], op: u8) -> Vec<Value> {
    out.iter()
        .filter_map(|output| match output {
            Output::SendText(text) => serde_json::from_str::<Value>(text).ok(),
            _ => None,
        })
        .filter(|value| value["op"] == op)
        .map(|value| value["d"].clone())
        .collect()
}
