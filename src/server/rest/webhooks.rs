//! Follow-ups and the original response of an interaction (rest.md section 5). The webhook's id is
//! the application's, its token the interaction's.

use mynah_wire::{ApplicationId, InteractionId, MessageId};
use serde_json::Value;

use super::message_body::{self, Place};
use super::{Call, Form, Rate, Refusal, Reply, Route};
use crate::store::Message;

/// What clients observe for webhooks.
const WEBHOOK_RATE: Rate = Rate::new(5, 2000);

pub(super) const ROUTES: &[Route] = &[
    Route::new(
        "POST",
        "/webhooks/{app_id}/{token}",
        WEBHOOK_RATE,
        follow_up,
    )
    .open(),
    Route::new(
        "GET",
        "/webhooks/{app_id}/{token}/messages/{message_id}",
        WEBHOOK_RATE,
        show,
    )
    .open(),
    Route::new(
        "PATCH",
        "/webhooks/{app_id}/{token}/messages/{message_id}",
        WEBHOOK_RATE,
        edit,
    )
    .open(),
    Route::new(
        "DELETE",
        "/webhooks/{app_id}/{token}/messages/{message_id}",
        WEBHOOK_RATE,
        delete,
    )
    .open(),
];

/// The interaction of the path. An unused or expired token is an unknown webhook.
fn interaction(call: &Call<'_>) -> Result<InteractionId, Refusal> {
    let app: ApplicationId = call.id("app_id")?;
    let interaction = call.realm.interaction_by_token(app, call.param("token"));
    interaction
        .map(|interaction| interaction.id)
        .ok_or(Refusal::new(404, 10015, "Unknown Webhook"))
}

/// `@original` or the id of a follow-up of this interaction.
fn message<'c>(call: &'c Call<'_>, id: InteractionId) -> Result<&'c Message, Refusal> {
    let interaction = call.realm.store.interactions.get(&id);
    let interaction = interaction.ok_or_else(Refusal::unknown_message)?;
    let message_id = match call.param("message_id") {
        "@original" => interaction.response.ok_or_else(Refusal::unknown_message)?,
        _ => {
            let named: MessageId = call.id("message_id")?;
            let known =
                interaction.response == Some(named) || interaction.followups.contains(&named);
            known
                .then_some(named)
                .ok_or_else(Refusal::unknown_message)?
        }
    };
    let message = call.realm.store.message(interaction.channel_id, message_id);
    message.ok_or_else(Refusal::unknown_message)
}

fn shown(call: &Call<'_>, message: &Message) -> Value {
    call.realm
        .store
        .message_json(message, Some(message.author_id))
}

fn show(call: &mut Call<'_>) -> Result<Reply, Refusal> {
    let message = message(call, interaction(call)?)?;
    Ok(Reply::ok(shown(call, message)))
}

fn follow_up(call: &mut Call<'_>) -> Result<Reply, Refusal> {
    let id = interaction(call)?;
    let mut form = Form::default();
    let files = &call.request.body.files;
    let draft = message_body::draft(&mut form, call.object()?, files, Place::Interaction, "");
    form.finish()?;
    message_body::check(&draft)?;
    let channel_id = call.realm.store.interactions.get(&id).map(|i| i.channel_id);
    let message_id = call.realm.follow_up(id, draft);
    let message = channel_id.zip(message_id);
    let message = message.and_then(|(c, m)| call.realm.store.message(c, m));
    let message = message.ok_or_else(Refusal::unknown_message)?;
    Ok(Reply::ok(shown(call, message)))
}

fn edit(call: &mut Call<'_>) -> Result<Reply, Refusal> {
    let id = interaction(call)?;
    let before = message(call, id)?.clone();
    let mut form = Form::default();
    let files = &call.request.body.files;
    let patch = message_body::patch(&mut form, call.object()?, files, &before, "");
    form.finish()?;
    message_body::check_edit(&before, &patch)?;
    call.realm.edit_response(id, before.id, patch);
    let after = call.realm.store.message(before.channel_id, before.id);
    let after = after.ok_or_else(Refusal::unknown_message)?;
    Ok(Reply::ok(shown(call, after)))
}

fn delete(call: &mut Call<'_>) -> Result<Reply, Refusal> {
    let id = interaction(call)?;
    let message_id = message(call, id)?.id;
    call.realm.delete_response(id, message_id);
    Ok(Reply::empty())
}
