//! A person clicks a button, chooses from a menu, or submits a form.

use std::sync::Arc;

use mynah_wire::{InteractionId, MessageId, UserId};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::commands::connected;
use super::find::{read, simulated};
use super::{Problem, answer, options};
use crate::realm::{Invocation, Realm};
use crate::server::Shared;
use crate::store::{Answer, InteractionKind, Message, MessageOrigin};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Click {
    user_id: UserId,
    message_id: MessageId,
    custom_id: String,
    values: Option<Vec<String>>,
    timeout_ms: Option<u64>,
}

pub(super) async fn click(shared: &Arc<Shared>, body: &Value) -> Result<Value, Problem> {
    let click: Click = read(body)?;
    let id = {
        let mut realm = shared.realm();
        simulated(&realm, click.user_id)?;
        let message = find(&realm, click.message_id, click.user_id)?;
        let component = component(&message.components, &click.custom_id).ok_or_else(|| {
            let mut known = Vec::new();
            custom_ids(&message.components, &mut known);
            let error = format!("the message has no component `{}`", click.custom_id);
            Problem::new(404, error, format!("it has: {}", known.join(", ")))
        })?;
        if component.get("disabled") == Some(&json!(true)) {
            return Err(Problem::bad(
                "the component is disabled",
                "wait until the bot enables it",
            ));
        }
        let data = data(&realm, message, component, &click)?;
        let (bot_id, channel_id) = (message.author_id, message.channel_id);
        connected(&realm, bot_id, channel_id)?;
        realm.invoke(Invocation {
            kind: InteractionKind::Component,
            bot_id,
            user_id: click.user_id,
            channel_id,
            data,
            command_name: None,
            source: Some(click.message_id),
        })
    };
    answer::wait(shared, id, answer::timeout(click.timeout_ms)).await
}

/// A message by its id alone; an ephemeral one only for the person it is for.
fn find(realm: &Realm, id: MessageId, user: UserId) -> Result<&Message, Problem> {
    let message = realm
        .store
        .messages
        .values()
        .find_map(|channel| channel.get(&id));
    message
        .filter(|message| match &message.origin {
            MessageOrigin::Interaction { user_id, .. } if message.is_ephemeral() => {
                *user_id == user
            }
            _ => true,
        })
        .ok_or_else(|| Problem::unknown("message", id))
}

fn data(
    realm: &Realm,
    message: &Message,
    component: &Map<String, Value>,
    click: &Click,
) -> Result<Value, Problem> {
    let kind = component.get("type").and_then(Value::as_u64).unwrap_or(2);
    let mut data = json!({"component_type": kind, "id": component.get("id"),
        "custom_id": click.custom_id});
    let Some(fields) = data.as_object_mut().filter(|_| kind != 2) else {
        return Ok(data);
    };
    let values = click.values.clone().unwrap_or_default();
    let bound = |key: &str| component.get(key).and_then(Value::as_u64).unwrap_or(1);
    if !(bound("min_values")..=bound("max_values")).contains(&(values.len() as u64)) {
        let hint = format!("choose {} to {}", bound("min_values"), bound("max_values"));
        return Err(Problem::bad("too few or too many values", hint));
    }
    if kind == 3 {
        let known: Vec<&str> = component
            .get("options")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|option| option.get("value")?.as_str())
            .collect();
        if let Some(wrong) = values.iter().find(|value| !known.contains(&value.as_str())) {
            let hint = format!("it has: {}", known.join(", "));
            return Err(Problem::bad(format!("the menu has no `{wrong}`"), hint));
        }
    } else {
        let mut resolved = Map::new();
        for id in values.iter().filter_map(|value| value.parse().ok()) {
            options::resolve_user(realm, message.channel_id, id, &mut resolved);
        }
        fields.insert("resolved".into(), Value::Object(resolved));
    }
    fields.insert("values".into(), json!(values));
    Ok(data)
}

/// A component with that custom id, however deep.
fn component<'m>(list: &'m [Value], custom_id: &str) -> Option<&'m Map<String, Value>> {
    list.iter().filter_map(Value::as_object).find_map(|item| {
        if item.get("custom_id").and_then(Value::as_str) == Some(custom_id) {
            return Some(item);
        }
        component(inner(item), custom_id)
            .or_else(|| component(std::slice::from_ref(item.get("accessory")?), custom_id))
    })
}

fn custom_ids<'m>(list: &'m [Value], found: &mut Vec<&'m str>) {
    for item in list.iter().filter_map(Value::as_object) {
        found.extend(item.get("custom_id").and_then(Value::as_str));
        custom_ids(inner(item), found);
        if let Some(accessory) = item.get("accessory") {
            custom_ids(std::slice::from_ref(accessory), found);
        }
    }
}

fn inner(item: &Map<String, Value>) -> &[Value] {
    item.get("components")
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Submit {
    user_id: UserId,
    /// The interaction that was answered with the form.
    interaction_id: InteractionId,
    /// What is filled in, by custom id.
    #[serde(default)]
    values: Map<String, Value>,
    timeout_ms: Option<u64>,
}

/// Submits the form a command or component was answered with.
pub(super) async fn submit(shared: &Arc<Shared>, body: &Value) -> Result<Value, Problem> {
    let submit: Submit = read(body)?;
    let id = {
        let mut realm = shared.realm();
        let before = realm.store.interactions.get(&submit.interaction_id);
        let before = before.filter(|interaction| interaction.user_id == submit.user_id);
        let shown = before.and_then(|interaction| match &interaction.answer {
            Answer::Modal(modal) => Some((interaction.clone(), modal.clone())),
            _ => None,
        });
        let Some((interaction, modal)) = shown else {
            let hint = "interaction_id is in the answer that brought the form";
            return Err(Problem::new(404, "this user has no such form open", hint));
        };
        let mut components = modal.get("components").cloned().unwrap_or(Value::Null);
        fill(&mut components, &submit.values);
        let custom_id = modal.get("custom_id").cloned();
        connected(&realm, interaction.bot_id, interaction.channel_id)?;
        realm.invoke(Invocation {
            kind: InteractionKind::Modal,
            bot_id: interaction.bot_id,
            user_id: submit.user_id,
            channel_id: interaction.channel_id,
            data: json!({"custom_id": custom_id, "components": components}),
            command_name: None,
            source: interaction.source,
        })
    };
    answer::wait(shared, id, answer::timeout(submit.timeout_ms)).await
}

/// Reduces a form's components to what a submission carries: type, id, custom id, value.
fn fill(components: &mut Value, values: &Map<String, Value>) {
    let Some(list) = components.as_array_mut() else {
        return;
    };
    for item in list.iter_mut().filter_map(Value::as_object_mut) {
        if let Some(custom_id) = item
            .get("custom_id")
            .and_then(Value::as_str)
            .map(str::to_owned)
        {
            let prefilled = item.get("value").cloned();
            item.retain(|key, _| matches!(key.as_str(), "type" | "id" | "custom_id"));
            let value = values
                .get(&custom_id)
                .cloned()
                .or(prefilled)
                .unwrap_or(json!(""));
            let key = if value.is_array() { "values" } else { "value" };
            item.insert(key.into(), value);
            continue;
        }
        if let Some(inner) = item.get_mut("components") {
            fill(inner, values);
        }
        if let Some(single) = item.remove("component") {
            let mut list = Value::Array(vec![single]);
            fill(&mut list, values);
            if let Some(single) = list.as_array_mut().and_then(Vec::pop) {
                item.insert("component".into(), single);
            }
            item.retain(|key, _| matches!(key.as_str(), "type" | "id" | "component"));
        }
    }
}
