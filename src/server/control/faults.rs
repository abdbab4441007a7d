//! Scripted trouble: UDP, voice gateway, main gateway, REST.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use mynah_wire::{ChannelId, GuildId, UserId};
use serde::Deserialize;
use serde_json::{Value, json};

use super::find::{channel, person, read};
use super::{Problem, one};
use crate::gateway::Order;
use crate::realm::Realm;
use crate::rest::{Refusal, Reply};
use crate::server::Shared;
use crate::voice::{DaveFault, Scope, UdpFault};

/// Faults active at once; the oldest has to be ended before a further one.
const MAX_ACTIVE: usize = 256;

/// Longest delay of a voice transition.
const MAX_DELAY_MS: u64 = 60_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Script {
    scope: ScopeBody,
    udp: Option<Value>,
    /// Beside `udp` or inside of it.
    direction: Option<Value>,
    voice: Option<VoiceFault>,
    gateway: Option<GatewayFault>,
    rest: Option<RestFault>,
    seed: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ScopeBody {
    user_id: Option<UserId>,
    channel_id: Option<ChannelId>,
    #[serde(default)]
    all: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct VoiceFault {
    close: Option<u16>,
    #[serde(default)]
    crash: bool,
    #[serde(default)]
    migrate: bool,
    #[serde(default)]
    forget_session: bool,
    #[serde(default)]
    hang: bool,
    #[serde(default)]
    invalid_commit: bool,
    #[serde(default)]
    withhold_welcome: bool,
    #[serde(default)]
    delay_execute_ms: u64,
    #[serde(default)]
    downgrade: bool,
    #[serde(default)]
    duplicate_external_sender: bool,
}

impl VoiceFault {
    /// The part of it that concerns end-to-end encryption.
    fn dave(&self) -> Option<DaveFault> {
        let fault = DaveFault {
            invalid_commit: self.invalid_commit,
            withhold_welcome: self.withhold_welcome,
            delay_execute_ms: self.delay_execute_ms,
            downgrade: self.downgrade,
            duplicate_external_sender: self.duplicate_external_sender,
        };
        (fault != DaveFault::default()).then_some(fault)
    }

    /// Does it go on until it is ended?
    fn lasts(&self) -> bool {
        self.hang || self.dave().is_some()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GatewayFault {
    close: Option<u16>,
    invalid_session: Option<bool>,
    #[serde(default)]
    reconnect: bool,
    #[serde(default)]
    drop_acks: bool,
    freeze_s: Option<f64>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RestFault {
    /// `POST /channels/ID/messages`; `ID`, `*` and `{…}` stand for any one segment.
    route: String,
    status: u16,
    retry_after: Option<f64>,
    /// How often; until it is ended when absent.
    times: Option<u32>,
}

/// What is going on.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    made: u64,
    active: BTreeMap<u64, Active>,
}

#[derive(Debug)]
struct Active {
    script: Value,
    rest: Option<RestFault>,
    /// The voice server has to be told its end.
    voice: bool,
    /// Bots whose heartbeats stay unanswered.
    drops_acks_of: Vec<UserId>,
}

impl Faults {
    /// For `GET /control/state`.
    pub fn list(&self) -> Vec<Value> {
        let show = |(id, active): (&u64, &Active)| json!({"fault_id": id.to_string(), "script": active.script});
        self.active.iter().map(show).collect()
    }

    /// The scripted answer to a REST request, if there is one. It is used up by that.
    pub fn rest(&mut self, method: &str, path: &str) -> Option<Reply> {
        let (id, fault) = self.active.iter_mut().find_map(|(id, active)| {
            let fault = active.rest.as_mut()?;
            let left = fault.times.is_none_or(|times| times > 0);
            (left && fault.matches(method, path)).then_some((*id, fault))
        })?;
        if let Some(times) = &mut fault.times {
            *times -= 1;
        }
        let reply = fault.reply();
        if fault.times == Some(0)
            && let Some(active) = self.active.get_mut(&id)
        {
            active.rest = None;
        }
        Some(reply)
    }
}

impl RestFault {
    fn matches(&self, method: &str, path: &str) -> bool {
        let Some((wanted_method, wanted_path)) = self.route.split_once(' ') else {
            return false;
        };
        let any = |segment: &str| segment == "ID" || segment == "*" || segment.starts_with('{');
        let mut given = path.trim_matches('/').split('/');
        wanted_method.eq_ignore_ascii_case(method)
            && wanted_path
                .trim_matches('/')
                .split('/')
                .all(|wanted| given.next().is_some_and(|g| any(wanted) || wanted == g))
            && given.next().is_none()
    }

    fn reply(&self) -> Reply {
        if self.status == 429 {
            let retry_after = self.retry_after.unwrap_or(1.0);
            return Reply::json(
                429,
                json!({"message": "You are being rate limited.", "retry_after": retry_after,
                    "global": false, "code": 0}),
            );
        }
        let message = match self.status {
            400 => "400: Bad Request",
            401 => "401: Unauthorized",
            403 => "Missing Permissions",
            404 => "404: Not Found",
            500 => "500: Internal Server Error",
            502 => "502: Bad Gateway",
            503 => "503: Service Unavailable",
            _ => "scripted fault",
        };
        Refusal::new(self.status, 0, message).into()
    }
}

pub(super) fn start(shared: &Arc<Shared>, body: &Value) -> Result<Value, Problem> {
    let script: Script = read(body)?;
    let udp = script
        .udp
        .as_ref()
        .map(|udp| udp_fault(udp, &script))
        .transpose()?;
    if let Some(rest) = &script.rest {
        check_rest(rest)?;
    }
    let closes = [
        script.voice.as_ref().and_then(|fault| fault.close),
        script.gateway.as_ref().and_then(|fault| fault.close),
    ];
    if closes
        .into_iter()
        .flatten()
        .any(|code| !(1000..5000).contains(&code))
    {
        return Err(Problem::bad(
            "close is not a close code",
            "1000 to 4999, for example 4000",
        ));
    }
    let delay_ms = script.voice.as_ref().map(|fault| fault.delay_execute_ms);
    if delay_ms.is_some_and(|ms| ms > MAX_DELAY_MS) {
        let hint = format!("0 to {MAX_DELAY_MS} ms");
        return Err(Problem::bad("delay_execute_ms is out of range", hint));
    }
    let freeze_s = script.gateway.as_ref().and_then(|fault| fault.freeze_s);
    if freeze_s.is_some_and(|s| !(0.0..=3600.0).contains(&s)) {
        return Err(Problem::bad(
            "freeze_s is out of range",
            "0 to 3600 seconds",
        ));
    }
    let mut realm = shared.realm();
    let scope = scope(&realm, &script.scope)?;
    if udp.is_none() && script.voice.is_none() && script.gateway.is_none() && script.rest.is_none()
    {
        let hint = "give udp, voice, gateway or rest";
        return Err(Problem::bad("the script has no trouble in it", hint));
    }
    if realm.faults.active.len() >= MAX_ACTIVE {
        let hint = "DELETE /control/faults ends them all";
        return Err(Problem::new(409, "too many faults are active", hint));
    }
    realm.faults.made += 1;
    let id = realm.faults.made;
    if let Some(fault) = udp {
        realm.voice.set_udp_fault(id, scope, fault);
    }
    if let Some(fault) = &script.voice {
        voice(&mut realm, id, scope, fault);
    }
    let drops_acks_of = match &script.gateway {
        Some(fault) => gateway(&mut realm, scope, fault),
        None => Vec::new(),
    };
    let active = Active {
        script: body.clone(),
        rest: script.rest,
        voice: udp.is_some() || script.voice.as_ref().is_some_and(VoiceFault::lasts),
        drops_acks_of,
    };
    realm.faults.active.insert(id, active);
    Ok(one("fault_id", id.to_string()))
}

pub(super) fn end(shared: &Arc<Shared>, id: Option<&str>) -> Result<Value, Problem> {
    let mut realm = shared.realm();
    let ended = match id {
        None => std::mem::take(&mut realm.faults.active),
        Some(text) => {
            let id = text.parse().ok();
            let active = id.and_then(|id| Some((id, realm.faults.active.remove(&id)?)));
            let hint = "GET /control/state lists the active ones";
            let found = active
                .ok_or_else(|| Problem::new(404, format!("there is no fault {text}"), hint))?;
            BTreeMap::from([found])
        }
    };
    let count = ended.len();
    for (id, active) in ended {
        if active.voice {
            realm.voice.clear_fault(id);
        }
        for link in realm.links.values_mut() {
            if link
                .user_id
                .is_some_and(|user| active.drops_acks_of.contains(&user))
            {
                link.drop_acks = false;
            }
        }
    }
    Ok(one("ended", count))
}

fn scope(realm: &Realm, body: &ScopeBody) -> Result<Scope, Problem> {
    if body.all == (body.user_id.is_some() || body.channel_id.is_some()) {
        let hint = "give user_id and/or channel_id, or all: true";
        return Err(Problem::bad("the scope is not clear", hint));
    }
    if let Some(user_id) = body.user_id {
        person(realm, user_id)?;
    }
    if let Some(channel_id) = body.channel_id {
        channel(realm, channel_id)?;
    }
    Ok(Scope {
        user_id: body.user_id,
        channel_id: body.channel_id,
    })
}

fn udp_fault(udp: &Value, script: &Script) -> Result<UdpFault, Problem> {
    const KNOWN: [&str; 9] = [
        "loss",
        "duplicate",
        "reorder",
        "corrupt",
        "delay_ms",
        "jitter_ms",
        "blackhole",
        "direction",
        "seed",
    ];
    let mut udp = udp.clone();
    if let Some(fields) = udp.as_object_mut() {
        if let Some(wrong) = fields.keys().find(|key| !KNOWN.contains(&key.as_str())) {
            let hint = format!("known: {}", KNOWN.join(", "));
            return Err(Problem::bad(
                format!("there is no UDP fault `{wrong}`"),
                hint,
            ));
        }
        if let Some(direction) = &script.direction {
            fields.insert("direction".into(), direction.clone());
        }
        if let Some(seed) = script.seed {
            fields.insert("seed".into(), json!(seed));
        }
    }
    let fault: UdpFault = read(&udp)?;
    let chances = [fault.loss, fault.duplicate, fault.reorder, fault.corrupt];
    let delays = [fault.delay_ms, fault.jitter_ms];
    let fine = chances.iter().all(|p| (0.0..=1.0).contains(p))
        && delays.iter().all(|ms| (0.0..=60_000.0).contains(ms));
    if !fine {
        let hint = "probabilities are 0 to 1, delays 0 to 60000 ms";
        return Err(Problem::bad("a UDP fault is out of range", hint));
    }
    Ok(fault)
}

fn check_rest(rest: &RestFault) -> Result<(), Problem> {
    if !(400..600).contains(&rest.status) {
        return Err(Problem::bad("status is not an error", "400 to 599"));
    }
    if rest
        .retry_after
        .is_some_and(|s| !(0.0..=3600.0).contains(&s))
    {
        return Err(Problem::bad(
            "retry_after is out of range",
            "0 to 3600 seconds",
        ));
    }
    if !rest.route.contains(" /") {
        let hint = "for example `POST /channels/ID/messages`";
        return Err(Problem::bad("route is not a method and a path", hint));
    }
    Ok(())
}

fn voice(realm: &mut Realm, id: u64, scope: Scope, fault: &VoiceFault) {
    if let Some(dave) = fault.dave() {
        realm.voice.set_dave_fault(id, scope, dave);
    }
    if fault.hang {
        realm.voice.set_hang(id, scope);
    }
    let code = fault.close.or(fault.crash.then_some(4015)); // 4015: voice server crashed
    if let Some(code) = code.or(fault.forget_session.then_some(4006)) {
        realm.voice.close_sockets(scope, code, fault.forget_session);
    }
    if fault.migrate {
        let places: Vec<(GuildId, UserId)> = realm
            .store
            .voice
            .values()
            .filter(|state| scope.covers(state.user_id, state.channel_id))
            .map(|state| (state.guild_id, state.user_id))
            .collect();
        for (guild_id, user_id) in places {
            realm.migrate_voice(guild_id, user_id);
        }
    }
}

/// Gives orders to the connections in scope; returns the bots whose heartbeats are dropped.
fn gateway(realm: &mut Realm, scope: Scope, fault: &GatewayFault) -> Vec<UserId> {
    let freeze = fault.freeze_s.map(Duration::from_secs_f64);
    let Realm { links, store, .. } = realm;
    let in_channel = |user: UserId| match scope.channel_id {
        None => true,
        Some(id) => store
            .voice
            .values()
            .any(|s| s.user_id == user && s.channel_id == id),
    };
    let mut dropped = Vec::new();
    for link in links.values_mut() {
        let Some(user) = link.user_id else { continue };
        if scope.user_id.is_some_and(|wanted| wanted != user) || !in_channel(user) {
            continue;
        }
        if fault.drop_acks {
            link.drop_acks = true;
            dropped.push(user);
        }
        let orders = [
            freeze.map(Order::Freeze),
            fault
                .invalid_session
                .map(|resumable| Order::InvalidSession { resumable }),
            fault.reconnect.then_some(Order::Reconnect),
            fault.close.map(Order::Close),
        ];
        for order in orders.into_iter().flatten() {
            link.order(order);
        }
    }
    dropped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rest_fault_matches_its_route_and_is_used_up() {
        let mut faults = Faults::default();
        let rest = RestFault {
            route: "POST /channels/ID/messages".to_owned(),
            status: 429,
            retry_after: Some(0.5),
            times: Some(2),
        };
        let active = Active {
            script: Value::Null,
            rest: Some(rest),
            voice: false,
            drops_acks_of: Vec::new(),
        };
        faults.active.insert(1, active);
        assert!(faults.rest("GET", "/channels/5/messages").is_none());
        assert!(faults.rest("POST", "/channels/5/messages/6").is_none());
        let reply = faults.rest("POST", "/channels/5/messages").unwrap();
        assert_eq!(
            (reply.status, reply.body.unwrap()["retry_after"].as_f64()),
            (429, Some(0.5))
        );
        assert!(faults.rest("POST", "/channels/7/messages").is_some());
        assert!(faults.rest("POST", "/channels/7/messages").is_none());
    }
}
