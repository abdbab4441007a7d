//! From the engine's events to the plugins' mailboxes. Never waits for a plugin.

use crate::{
    Call, clock,
    commands::{self, Question},
    directory::Owner,
    hub::Hub,
    idle::Idle,
    interactions::HOST,
    link::Link,
    mailbox::Event,
    tiers::Person,
};
use mynah_engine::{Event as Incoming, StopReason, TrackEvent, VoiceEvent};
use mynah_plugin::{Tier, abi};
use mynah_wire::{GuildId, RoleId};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, MissedTickBehavior, interval, sleep_until},
};

/// A callback this long means the plugin hangs (architecture C5.3).
pub(crate) const STUCK: Duration = Duration::from_secs(5);
/// Discord's interaction type of a command (protocol/rest.md section 5).
const COMMAND: u8 = 2;
/// What it is called in every plugin.
const OPT_OUT: &str = "optout";
/// How often that is looked at.
const LOOK: Duration = Duration::from_secs(1);

pub(crate) struct Router {
    pub(crate) hub: Arc<Hub>,
    pub(crate) links: Arc<[Arc<Link>]>,
    /// Set when the gateway is done for good.
    pub(crate) ended: watch::Sender<Option<StopReason>>,
    pub(crate) idle_leave: Option<Duration>,
}

/// The part of an interaction that decides whose it is.
#[derive(Deserialize)]
struct Asked {
    id: mynah_wire::InteractionId,
    token: String,
    #[serde(rename = "type")]
    kind: u8,
    guild_id: Option<GuildId>,
    member: Option<Member>,
    /// In a private chat.
    user: Option<Somebody>,
    #[serde(default)]
    data: Value,
}

/// Who asked, in a server.
#[derive(Deserialize)]
struct Member {
    user: Somebody,
    /// A decimal number.
    #[serde(default)]
    permissions: String,
    #[serde(default)]
    roles: Vec<RoleId>,
}

impl Member {
    fn permissions(&self) -> u64 {
        self.permissions.parse().unwrap_or(0)
    }
}

#[derive(Deserialize)]
struct Somebody {
    id: mynah_wire::UserId,
}

/// Whoever is blocked may still say that they do not want to be recorded or read aloud: a subcommand or
/// a button called `optout` reaches its plugin always.
fn opts_out(data: &Value) -> bool {
    let first = data.get("options").and_then(|options| options.get(0));
    let subcommand = first.and_then(|option| option.get("name")?.as_str());
    let button = data.get("custom_id").and_then(Value::as_str);
    let button = button
        .and_then(|id| id.split_once(':'))
        .map(|(_, rest)| rest);
    subcommand == Some(OPT_OUT) || button == Some(OPT_OUT)
}

impl Router {
    pub(crate) async fn run(self, mut events: mpsc::Receiver<Incoming>) {
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut said_stuck = vec![false; self.links.len()];
        let mut idle = Idle::new(self.idle_leave);
        loop {
            let deadline = self.hub.interactions().deadline();
            let overdue = async {
                match deadline {
                    Some(deadline) => sleep_until(Instant::from_std(deadline)).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                event = events.recv() => match event {
                    Some(event) => {
                        if let Incoming::Voice { guild_id, kind } = &event {
                            idle.voice(*guild_id, kind);
                        }
                        self.route(event);
                    }
                    None => return,
                },
                () = overdue => self.answer_overdue(),
                () = self.hub.interactions_changed.notified() => {}
                _ = look.tick() => {
                    self.look_for_stuck(&mut said_stuck);
                    self.look_for_empty(&mut idle).await;
                }
            }
        }
    }

    /// Goes from channels where nobody else has been for long, unless a plugin needs it there.
    async fn look_for_empty(&self, idle: &mut Idle) {
        for (guild, channel) in idle.places() {
            if self.hub.stays.has(guild) {
                continue;
            }
            let people = self.hub.runner.run(Call::People(guild, channel)).await;
            let Ok(people) = people else { continue };
            let bot = people.get("bot_id");
            let users = people.get("user_ids").and_then(Value::as_array);
            let Some(users) = users else { continue };
            let others = users.iter().filter(|user| Some(*user) != bot).count();
            let goes = idle.saw(clock::now(), guild, others);
            if goes && self.hub.pins().may_go(None, guild, None).is_ok() {
                tracing::info!(%guild, %channel, "nobody else is there any more: the bot leaves");
                self.hub
                    .begin("leaving an empty channel", Call::Leave(guild));
            }
        }
    }

    fn route(&self, event: Incoming) {
        match event {
            Incoming::Dispatch { name, data, .. } if name == "INTERACTION_CREATE" => {
                self.interaction(name.into(), data);
            }
            Incoming::Dispatch {
                name,
                guild_id,
                data,
            } => {
                let wanting: Vec<_> = self.links.iter().filter(|link| link.hears(&name)).collect();
                let name: Arc<str> = name.into();
                for link in wanting {
                    link.deliver(self.event(abi::EVENT_DISCORD, &name, data.clone(), guild_id));
                }
            }
            Incoming::Track {
                guild_id,
                track,
                kind,
            } => {
                let (kind, reason, last) = match kind {
                    TrackEvent::Started => ("started", None, false),
                    TrackEvent::Ended => ("ended", None, true),
                    TrackEvent::Stopped => ("stopped", None, true),
                    TrackEvent::Failed(reason) => ("failed", Some(reason), true),
                    TrackEvent::Stalled => ("stalled", None, false),
                    TrackEvent::Recovered => ("recovered", None, false),
                    _ => return,
                };
                let json = json!({
                    "guild_id": guild_id, "track": track.0, "kind": kind, "reason": reason.unwrap_or_default(),
                });
                let event = self.own("mynah.track", &json, guild_id);
                self.hub.track_event(&self.links, track.0, event, last);
            }
            Incoming::Voice { guild_id, kind } => self.voice(guild_id, kind),
            Incoming::Stopped(reason) => {
                let _ = self.ended.send(Some(reason));
            }
            _ => {}
        }
    }

    fn voice(&self, guild_id: GuildId, kind: VoiceEvent) {
        let (kind, channel_id, reason) = match kind {
            VoiceEvent::Connected { channel_id } => ("connected", Some(channel_id), None),
            VoiceEvent::Moved { channel_id } => ("moved", Some(channel_id), None),
            VoiceEvent::Lost { reason } => ("lost", None, Some(reason)),
            VoiceEvent::Resumed => ("resumed", None, None),
            VoiceEvent::Ended { reason } => ("ended", None, Some(reason)),
            VoiceEvent::Speaking { user_id, speaks } => {
                let json = json!({
                    "guild_id": guild_id, "kind": "speaking", "user_id": user_id, "speaks": speaks,
                });
                return self.tell_voice(guild_id, &json, &["voice.listen", "voice.opus"]);
            }
            VoiceEvent::Epoch { version, epoch } => {
                let json = json!({
                    "guild_id": guild_id, "kind": "epoch", "version": version, "epoch": epoch,
                });
                return self.tell_voice(guild_id, &json, &["voice.listen", "voice.opus"]);
            }
            _ => return,
        };
        let json = json!({
            "guild_id": guild_id, "kind": kind, "channel_id": channel_id,
            "reason": reason.unwrap_or_default(),
        });
        self.tell_voice(
            guild_id,
            &json,
            &["voice.speak", "voice.listen", "voice.opus"],
        );
    }

    /// To every plugin with one of these grants.
    fn tell_voice(&self, guild_id: GuildId, json: &Value, caps: &[&str]) {
        let hears = |link: &&Arc<Link>| caps.iter().any(|cap| link.grants.has_any(cap));
        for link in self.links.iter().filter(hears) {
            link.deliver(self.own("mynah.voice", json, guild_id));
        }
    }

    fn own(&self, name: &str, json: &Value, guild: GuildId) -> Event {
        self.event(
            abi::EVENT_MYNAH,
            &name.into(),
            json.to_string().into(),
            Some(guild),
        )
    }

    fn event(&self, kind: u32, name: &Arc<str>, json: Arc<str>, guild: Option<GuildId>) -> Event {
        Event {
            kind,
            name: name.clone(),
            json,
            session: guild.map_or(0, GuildId::get),
            at_us: clock::us_since(self.hub.origin),
            interaction: None,
            tier: abi::TIER_UNKNOWN,
        }
    }

    /// What the person of an interaction may do with the plugin that is meant; `None` when they are
    /// blocked. In private chats nobody but an owner is anything.
    fn tier(&self, plugin: &str, asked: &Asked) -> Option<u32> {
        let permissions = self.hub.permissions();
        let who = asked.member.as_ref();
        let Some(user) = who.map(|member| &member.user).or(asked.user.as_ref()) else {
            return Some(abi::TIER_UNKNOWN);
        };
        let person = Person {
            user: user.id,
            roles: who.map_or(&[], |member| &member.roles),
            permissions: who.map_or(0, Member::permissions),
        };
        permissions.tier(plugin, person).map(Tier::to_abi)
    }

    /// Commands and autocompletion by the command's name, components and dialogs by their prefix.
    fn interaction(&self, name: Arc<str>, json: Arc<str>) {
        let asked: Asked = match serde_json::from_str(&json) {
            Ok(asked) => asked,
            Err(error) => return tracing::warn!(%error, "an interaction could not be read"),
        };
        let owner = match asked.data.get("custom_id").and_then(Value::as_str) {
            Some(custom_id) => custom_id
                .split_once(':')
                .and_then(|(id, _)| self.links.iter().position(|link| link.id == id))
                .map(Owner::Plugin),
            None => self.hub.directory().owner(&asked.data),
        };
        let id = asked.id.get();
        // Somebody owes an answer from now on; without an owner, the host does.
        let link = match owner {
            Some(Owner::Plugin(plugin)) => self.links.get(plugin),
            Some(Owner::Host) | None => None,
        };
        let index = link.map_or(HOST, |link| link.index);
        self.hub
            .interactions()
            .begin(clock::now(), id, &asked.token, asked.kind, index);
        let tier = self.tier(link.map_or("", |link| &link.id), &asked);
        let tier = tier.or_else(|| opts_out(&asked.data).then_some(abi::TIER_MEMBER));
        let Some(tier) = tier else {
            let open = self.hub.interactions().take(id);
            if let Some(open) = open {
                self.hub
                    .answer(&open, "Those who run this bot do not let you use it.");
            }
            return;
        };
        if owner == Some(Owner::Host) {
            let member = asked.member.as_ref();
            let question = Question {
                id,
                guild: asked.guild_id,
                user: member.map(|member| member.user.id),
                permissions: member.map_or(0, Member::permissions),
                tier: Tier::from_abi(tier),
                data: asked.data,
            };
            return match asked.kind {
                COMMAND => commands::answer(&self.hub, &self.links, question),
                _ => commands::offer(&self.hub, &self.links, &question),
            };
        }
        let Some(link) = link else {
            let open = self.hub.interactions().take(id);
            if let Some(open) = open {
                let words = "This bot does not offer that any more, or is still starting. Try \
                             again in a moment.";
                self.hub.answer(&open, words);
            }
            return;
        };
        let mut event = self.event(abi::EVENT_DISCORD, &name, json, None);
        event.interaction = Some(id);
        event.tier = tier;
        link.deliver(event);
    }

    fn answer_overdue(&self) {
        let overdue = self.hub.interactions().overdue(clock::now());
        for open in overdue {
            let Some(link) = self.links.get(open.plugin) else {
                tracing::warn!("a command of the host was not answered in time");
                self.hub
                    .answer(&open, "This takes too long now. Try again in a moment.");
                continue;
            };
            tracing::warn!(plugin = %link.id, "it did not answer an interaction in time");
            self.hub.answer(
                &open,
                &format!("The `{}` plugin {}", link.id, link.absence()),
            );
        }
    }

    fn look_for_stuck(&self, said: &mut [bool]) {
        for (link, said) in self.links.iter().zip(said) {
            let busy = link
                .busy()
                .filter(|(since, _)| clock::now().duration_since(*since) > STUCK);
            if let Some((_, what)) = &busy
                && !*said
            {
                tracing::error!(
                    plugin = %link.id,
                    "it is stuck in {what} for more than {} s; everything else goes on. Restart the bot \
                     to be rid of it, or switch it off",
                    STUCK.as_secs()
                );
            }
            *said = busy.is_some();
        }
    }
}
