//! The REST API (rest.md): a table of routes over the realm.
//!
//! The shell ([`crate::http`]) collects a request completely; [`handle`] answers it without
//! waiting. Each resource has one file with its part of the table.

mod application;
mod channels;
mod command_rules;
mod commands;
mod components;
mod embeds;
mod form;
mod gateway;
mod guilds;
mod interactions;
mod limits;
mod members;
mod message_body;
mod messages;
mod pins;
mod reactions;
mod refusal;
mod request;
mod soundboard;
mod users;
mod voice;
mod webhooks;

use std::time::Instant;

use mynah_wire::UserId;
use serde_json::json;

use crate::realm::Realm;
pub(crate) use form::Form;
pub use limits::Buckets;
use limits::Verdict;
pub(crate) use refusal::Refusal;
pub(crate) use request::{Body, Call, Reply, Request, Upload};

type Handler = fn(&mut Call<'_>) -> Result<Reply, Refusal>;

/// How often a route may be used by one bot (rest.md section 2). Discord does not publish its
/// numbers; these are the ones clients observe.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rate {
    limit: u32,
    per_ms: u64,
}

impl Rate {
    /// Routes without a famous limit of their own.
    const COMMON: Self = Self::new(50, 1000);

    const fn new(limit: u32, per_ms: u64) -> Self {
        Self { limit, per_ms }
    }
}

/// One row of the table.
pub(crate) struct Route {
    method: &'static str,
    path: &'static str,
    rate: Rate,
    /// A bot token is needed; otherwise the path authenticates, or nothing does. Such routes are
    /// not under the global limit either (rest.md section 2).
    by_bot: bool,
    run: Handler,
}

impl Route {
    const fn new(method: &'static str, path: &'static str, rate: Rate, run: Handler) -> Self {
        Self {
            method,
            path,
            rate,
            by_bot: true,
            run,
        }
    }

    const fn open(mut self) -> Self {
        self.by_bot = false;
        self
    }
}

const TABLES: &[&[Route]] = &[
    gateway::ROUTES,
    application::ROUTES,
    users::ROUTES,
    channels::ROUTES,
    // Before messages, which would take `pins` for an id.
    pins::ROUTES,
    messages::ROUTES,
    reactions::ROUTES,
    guilds::ROUTES,
    members::ROUTES,
    voice::ROUTES,
    soundboard::ROUTES,
    commands::ROUTES,
    interactions::ROUTES,
    webhooks::ROUTES,
];

/// Answers one request.
pub(crate) fn handle(now: Instant, realm: &mut Realm, request: &Request) -> Reply {
    realm.advance(now);
    let path = match versionless(&request.path) {
        Ok(path) => path,
        Err(refusal) => return refusal.into(),
    };
    let mut known_path = false;
    for route in TABLES.iter().copied().flatten() {
        let Some(params) = matches(route.path, path) else {
            continue;
        };
        known_path = true;
        if route.method == request.method {
            return run(realm, request, route, params, path);
        }
    }
    let refusal = if known_path {
        Refusal::new(405, 0, "405: Method Not Allowed")
    } else {
        Refusal::new(404, 0, "404: Not Found")
    };
    refusal.into()
}

fn run(
    realm: &mut Realm,
    request: &Request,
    route: &'static Route,
    params: Vec<(&'static str, String)>,
    path: &str,
) -> Reply {
    let bot = request
        .bot_token()
        .and_then(|token| realm.store.bot_by_token(token));
    let bot = bot.map(|bot| bot.user_id);
    if route.by_bot && bot.is_none() {
        return Refusal::unauthorized().into();
    }
    let caller = bot.map_or(0, UserId::get);
    let major = params
        .iter()
        .find(|(name, _)| ["channel_id", "guild_id", "token"].contains(name))
        .map_or("", |(_, value)| value.as_str());
    let verdict = realm.rate(route, caller, major);
    let mut reply = if let Some(reply) = realm.faults.rest(&request.method, path) {
        reply
    } else if verdict.is_refusal() {
        limited(&verdict)
    } else {
        let mut call = Call {
            realm,
            request,
            bot,
            params,
        };
        (route.run)(&mut call).unwrap_or_else(Reply::from)
    };
    verdict.write_headers(&mut reply);
    reply
}

/// An honest 429 (rest.md section 2).
fn limited(verdict: &Verdict) -> Reply {
    Reply::json(
        429,
        json!({"message": "You are being rate limited.", "retry_after": verdict.retry_after_s(),
            "global": verdict.is_global(), "code": 0}),
    )
}

/// Takes `/api`, `/v10` or `/api/v10` away (rest.md section 10).
fn versionless(path: &str) -> Result<&str, Refusal> {
    let rest = match path.strip_prefix("/api") {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => rest,
        _ => path,
    };
    let (first, after) = match rest.get(1..).and_then(|rest| rest.split_once('/')) {
        Some((first, _)) => (first, rest.get(first.len() + 1..).unwrap_or_default()),
        None => (rest.get(1..).unwrap_or_default(), ""),
    };
    let Some(version) = first
        .strip_prefix('v')
        .filter(|v| v.bytes().all(|b| b.is_ascii_digit()))
    else {
        return Ok(rest);
    };
    match version.parse() {
        Ok(6u32..=10) => Ok(after),
        _ => Err(Refusal::new(400, 50041, "Invalid API version")),
    }
}

/// Values of the `{…}` segments, if the path fits.
fn matches(template: &'static str, path: &str) -> Option<Vec<(&'static str, String)>> {
    let mut params = Vec::new();
    let mut given = path.trim_end_matches('/').split('/');
    for wanted in template.split('/') {
        let given = given.next()?;
        match wanted
            .strip_prefix('{')
            .and_then(|name| name.strip_suffix('}'))
        {
            Some(name) if !given.is_empty() => params.push((name, request::percent_decode(given))),
            None if wanted == given => {}
            _ => return None,
        }
    }
    given.next().is_none().then_some(params)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_three_ways_to_write_the_base_are_the_same() {
        for path in [
            "/api/v10/users/@me",
            "/api/users/@me",
            "/v10/users/@me",
            "/users/@me",
        ] {
            assert_eq!(versionless(path).ok(), Some("/users/@me"));
        }
        assert!(versionless("/api/v99/users/@me").is_err());
        assert_eq!(versionless("/voice/regions").ok(), Some("/voice/regions"));
    }

    #[test]
    fn templates_take_whole_segments_and_decode_them() {
        let params = matches("/channels/{channel_id}/messages", "/channels/5/messages/");
        assert_eq!(params, Some(vec![("channel_id", "5".to_owned())]));
        assert_eq!(matches("/a/{x}", "/a/%F0%9F%A6%86").unwrap()[0].1, "🦆");
        assert!(matches("/a/{x}", "/a").is_none() && matches("/a/{x}", "/a/b/c").is_none());
    }

    #[test]
    fn no_two_rows_answer_the_same_request() {
        let mut rows: Vec<_> = TABLES
            .iter()
            .copied()
            .flatten()
            .map(|route| (route.method, route.path))
            .collect();
        let count = rows.len();
        rows.sort_unstable();
        rows.dedup();
        assert_eq!(rows.len(), count);
    }
}
