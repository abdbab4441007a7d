//! Where the gateway is (gateway.md section 1).

use serde_json::json;

use super::{Call, Rate, Refusal, Reply, Route};

/// Milliseconds until the daily Identify count starts anew. The server counts but never resets it
/// while it runs, so this is the whole period.
const IDENTIFY_PERIOD_MS: u64 = 24 * 3600 * 1000;

pub(super) const ROUTES: &[Route] = &[
    Route::new("GET", "/gateway", Rate::COMMON, plain).open(),
    Route::new("GET", "/gateway/bot", Rate::new(2, 5000), for_bots),
];

fn plain(call: &mut Call<'_>) -> Result<Reply, Refusal> {
    Ok(Reply::ok(json!({"url": call.realm.gateway_url()})))
}

fn for_bots(call: &mut Call<'_>) -> Result<Reply, Refusal> {
    let id = call.bot()?;
    let bot = call
        .realm
        .store
        .bots
        .get(&id)
        .ok_or_else(Refusal::unauthorized)?;
    let reset_after = if bot.identifies_left < 1000 {
        IDENTIFY_PERIOD_MS
    } else {
        0
    };
    Ok(Reply::ok(json!({
        "url": call.realm.gateway_url(), "shards": 1,
        "session_start_limit": {"total": 1000, "remaining": bot.identifies_left,
            "reset_after": reset_after, "max_concurrency": call.realm.limits.max_concurrency},
    })))
}
