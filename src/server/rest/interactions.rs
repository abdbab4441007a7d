//! First answers to interactions (rest.md section 5).

use mynah_wire::InteractionId;
use serde_json::{Map, Value, json};

use super::form::at;
use super::message_body::{self, Place};
use super::{Call, Form, Rate, Refusal, Reply, Route, components};
use crate::realm::{Callback, CallbackError};
use crate::store::{EPHEMERAL, Interaction};

/// Choices of an autocomplete answer.
const MAX_CHOICES: usize = 25;

pub(super) const ROUTES: &[Route] = &[Route::new(
    "POST",
    "/interactions/{interaction_id}/{token}/callback",
    Rate::COMMON,
    answer,
)
.open()];

fn answer(call: &mut Call<'_>) -> Result<Reply, Refusal> {
    let id: InteractionId = call.id("interaction_id")?;
    let token = call.param("token").to_owned();
    let interaction = call.realm.answerable(id, &token).map_err(refusal)?.clone();
    let body = call.object()?;
    let mut form = Form::default();
    let callback = read(call, &mut form, body, &interaction)?;
    form.finish()?;
    let Some(callback) = callback else {
        return Err(refusal(CallbackError::WrongType));
    };
    match &callback {
        Callback::Message(draft) => message_body::check(draft)?,
        Callback::Update(patch) => {
            if let Some(message) = source_message(call, &interaction) {
                message_body::check_edit(message, patch)?;
            }
        }
        _ => {}
    }
    call.realm.answer(id, &token, callback).map_err(refusal)?;
    if !call.request.flag("with_response") {
        return Ok(Reply::empty());
    }
    Ok(Reply::ok(result(call, id)))
}

fn source_message<'c>(
    call: &'c Call<'_>,
    interaction: &Interaction,
) -> Option<&'c crate::store::Message> {
    call.realm
        .store
        .message(interaction.channel_id, interaction.source?)
}

fn read(
    call: &Call<'_>,
    form: &mut Form,
    body: &Map<String, Value>,
    interaction: &Interaction,
) -> Result<Option<Callback>, Refusal> {
    let empty = Map::new();
    let data = body
        .get("data")
        .and_then(Value::as_object)
        .unwrap_or(&empty);
    let files = &call.request.body.files;
    let Some(kind) = form.integer(body.get("type"), "type", 1..=12) else {
        form.required("type");
        return Ok(None);
    };
    Ok(match kind {
        4 => {
            let draft = message_body::draft(form, data, files, Place::Interaction, "data");
            Some(Callback::Message(Box::new(draft)))
        }
        5 => {
            let flags = data.get("flags").and_then(Value::as_u64).unwrap_or(0);
            Some(Callback::Defer {
                ephemeral: flags & EPHEMERAL != 0,
            })
        }
        6 => Some(Callback::DeferUpdate),
        7 => source_message(call, interaction).map(|message| {
            let patch = message_body::patch(form, data, files, message, "data");
            Callback::Update(Box::new(patch))
        }),
        8 => Some(Callback::Choices(choices(form, data))),
        9 => Some(Callback::Modal(modal(form, data))),
        _ => None,
    })
}

fn choices(form: &mut Form, data: &Map<String, Value>) -> Vec<Value> {
    let path = "data.choices";
    let list = form.list(data.get("choices"), path).unwrap_or_default();
    form.length(list.len(), path, 0..=MAX_CHOICES);
    for (index, choice) in list.iter().enumerate() {
        let path = at(path, index);
        let Some(choice) = form.object(choice, &path) else {
            continue;
        };
        form.required_text(choice.get("name"), &at(&path, "name"), 1..=100);
        match choice.get("value") {
            Some(Value::Number(_)) => {}
            value => {
                form.required_text(value, &at(&path, "value"), 1..=100);
            }
        }
    }
    list.to_vec()
}

fn modal(form: &mut Form, data: &Map<String, Value>) -> Value {
    let custom_id = form.required_text(data.get("custom_id"), "data.custom_id", 1..=100);
    let title = form.required_text(data.get("title"), "data.title", 1..=45);
    let components = components::check_modal(form, data.get("components"), "data.components");
    json!({"custom_id": custom_id, "title": title, "components": components})
}

/// The body of `with_response=true`.
fn result(call: &Call<'_>, id: InteractionId) -> Value {
    let Some(interaction) = call.realm.store.interactions.get(&id) else {
        return Value::Null;
    };
    let mut about = json!({"id": id, "type": interaction.kind.number()});
    let mut resource = json!({"type": interaction.callback});
    let message = interaction
        .response
        .and_then(|message| call.realm.store.message(interaction.channel_id, message));
    if let (Some(message), Some(fields)) = (message, about.as_object_mut()) {
        fields.insert("response_message_id".into(), json!(message.id));
        fields.insert(
            "response_message_loading".into(),
            json!(message.is_loading()),
        );
        fields.insert(
            "response_message_ephemeral".into(),
            json!(message.is_ephemeral()),
        );
        if let Some(fields) = resource.as_object_mut() {
            let shown = call
                .realm
                .store
                .message_json(message, Some(interaction.bot_id));
            fields.insert("message".into(), shown);
        }
    }
    json!({"interaction": about, "resource": resource})
}

fn refusal(error: CallbackError) -> Refusal {
    match error {
        CallbackError::Unknown => Refusal::new(404, 10062, "Unknown interaction"),
        CallbackError::AlreadyAcknowledged => {
            Refusal::new(400, 40060, "Interaction has already been acknowledged.")
        }
        CallbackError::WrongType => {
            let mut form = Form::default();
            let message = "This response type cannot be used for this interaction.";
            form.error("type", "INTERACTION_RESPONSE_TYPE_INVALID", message);
            form.refusal()
        }
    }
}
