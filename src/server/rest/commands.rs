//! Application commands (rest.md section 6).

use mynah_wire::{ApplicationId, CommandId, GuildId};
use serde_json::{Map, Value, json};

use super::command_rules::{self, MAX_SLASH};
use super::{Call, Form, Rate, Refusal, Reply, Route};
use crate::store::{Command, Scope};

const WRITE_RATE: Rate = Rate::new(5, 20_000);

pub(super) const ROUTES: &[Route] = &[
    Route::new("GET", "/applications/{app_id}/commands", Rate::COMMON, list),
    Route::new(
        "PUT",
        "/applications/{app_id}/commands",
        WRITE_RATE,
        overwrite,
    ),
    Route::new(
        "POST",
        "/applications/{app_id}/commands",
        WRITE_RATE,
        create,
    ),
    Route::new(
        "GET",
        "/applications/{app_id}/commands/{command_id}",
        Rate::COMMON,
        show,
    ),
    Route::new(
        "PATCH",
        "/applications/{app_id}/commands/{command_id}",
        WRITE_RATE,
        change,
    ),
    Route::new(
        "DELETE",
        "/applications/{app_id}/commands/{command_id}",
        WRITE_RATE,
        remove,
    ),
    Route::new(
        "GET",
        "/applications/{app_id}/guilds/{guild_id}/commands",
        Rate::COMMON,
        list,
    ),
    Route::new(
        "PUT",
        "/applications/{app_id}/guilds/{guild_id}/commands",
        WRITE_RATE,
        overwrite,
    ),
    Route::new(
        "POST",
        "/applications/{app_id}/guilds/{guild_id}/commands",
        WRITE_RATE,
        create,
    ),
    Route::new(
        "GET",
        "/applications/{app_id}/guilds/{guild_id}/commands/permissions",
        Rate::COMMON,
        permissions,
    ),
    Route::new(
        "GET",
        "/applications/{app_id}/guilds/{guild_id}/commands/{command_id}",
        Rate::COMMON,
        show,
    ),
    Route::new(
        "PATCH",
        "/applications/{app_id}/guilds/{guild_id}/commands/{command_id}",
        WRITE_RATE,
        change,
    ),
    Route::new(
        "DELETE",
        "/applications/{app_id}/guilds/{guild_id}/commands/{command_id}",
        WRITE_RATE,
        remove,
    ),
];

const UNKNOWN: Refusal = Refusal::new(404, 10063, "Unknown application command");

/// The application and scope of the path; only the own application may be touched.
fn place(call: &Call<'_>) -> Result<(ApplicationId, Scope), Refusal> {
    let app: ApplicationId = call.id("app_id")?;
    if app.get() != call.bot()?.get() {
        return Err(Refusal::new(
            403,
            20012,
            "You are not authorized to perform this action on this application",
        ));
    }
    let scope = match call.param("guild_id") {
        "" => Scope::Global,
        _ => Scope::Guild(
            call.id::<GuildId>("guild_id")
                .and_then(|_| Ok(call.guild()?.id))?,
        ),
    };
    Ok((app, scope))
}

fn json_of(command: &Command) -> Value {
    let mut value = command.body.clone();
    if let Some(fields) = value.as_object_mut() {
        fields.insert("id".into(), json!(command.id));
        fields.insert("application_id".into(), json!(command.application_id));
        fields.insert("version".into(), json!(command.version.to_string()));
        if let Scope::Guild(guild_id) = command.scope {
            fields.insert("guild_id".into(), json!(guild_id));
        }
    }
    value
}

fn all(call: &Call<'_>, app: ApplicationId, scope: Scope) -> Value {
    Value::Array(
        call.realm
            .store
            .commands
            .of(app, scope)
            .map(json_of)
            .collect(),
    )
}

fn list(call: &mut Call<'_>) -> Result<Reply, Refusal> {
    let (app, scope) = place(call)?;
    Ok(Reply::ok(all(call, app, scope)))
}

fn permissions(call: &mut Call<'_>) -> Result<Reply, Refusal> {
    place(call)?;
    Ok(Reply::ok(json!([])))
}

fn find<'c>(call: &'c Call<'_>) -> Result<&'c Command, Refusal> {
    let (app, scope) = place(call)?;
    let id: CommandId = call.id("command_id")?;
    call.realm.store.commands.get(app, scope, id).ok_or(UNKNOWN)
}

fn show(call: &mut Call<'_>) -> Result<Reply, Refusal> {
    Ok(Reply::ok(json_of(find(call)?)))
}

/// Stores a checked definition. A command with the same name and type keeps its id.
fn store(
    call: &mut Call<'_>,
    app: ApplicationId,
    scope: Scope,
    body: Map<String, Value>,
) -> CommandId {
    let kind = body.get("type").and_then(Value::as_u64).unwrap_or(1);
    let kind = u8::try_from(kind).unwrap_or(1);
    let name = body
        .get("name")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned();
    let known = call
        .realm
        .store
        .commands
        .named(app, scope, kind, &name)
        .map(|c| c.id);
    let id = known.unwrap_or_else(|| CommandId::new(call.realm.next_id()));
    let version = call.realm.next_id();
    call.realm.store.commands.put(Command {
        id,
        application_id: app,
        scope,
        kind,
        name,
        version,
        body: Value::Object(body),
    });
    id
}

fn overwrite(call: &mut Call<'_>) -> Result<Reply, Refusal> {
    let (app, scope) = place(call)?;
    let mut form = Form::default();
    let list = form.list(Some(call.json()), "").unwrap_or_default();
    let mut bodies = Vec::with_capacity(list.len());
    for (index, item) in list.iter().enumerate() {
        bodies.extend(command_rules::check(&mut form, item, &index.to_string()));
    }
    command_rules::check_set(&mut form, &bodies);
    form.finish()?;
    let kept: Vec<CommandId> = bodies
        .into_iter()
        .map(|body| store(call, app, scope, body))
        .collect();
    call.realm.store.commands.retain(|command| {
        command.application_id != app || command.scope != scope || kept.contains(&command.id)
    });
    Ok(Reply::ok(all(call, app, scope)))
}

fn create(call: &mut Call<'_>) -> Result<Reply, Refusal> {
    let (app, scope) = place(call)?;
    let mut form = Form::default();
    let body = command_rules::check(&mut form, call.json(), "");
    form.finish()?;
    let Some(body) = body else {
        return Err(UNKNOWN);
    };
    let before = call.realm.store.commands.of(app, scope).count();
    let slash = call
        .realm
        .store
        .commands
        .of(app, scope)
        .filter(|c| c.kind == 1)
        .count();
    let id = store(call, app, scope, body);
    let after = call.realm.store.commands.of(app, scope).count();
    if after > before && slash >= MAX_SLASH {
        call.realm.store.commands.remove(id);
        let message = "Maximum number of application commands reached (100)";
        return Err(Refusal::new(400, 30032, message));
    }
    let command = call
        .realm
        .store
        .commands
        .get(app, scope, id)
        .ok_or(UNKNOWN)?;
    // 201 for a new one, 200 when one of that name was overwritten.
    let status = if after > before { 201 } else { 200 };
    Ok(Reply::json(status, json_of(command)))
}

fn change(call: &mut Call<'_>) -> Result<Reply, Refusal> {
    let (app, scope) = place(call)?;
    let command = find(call)?.clone();
    let mut merged = command.body.as_object().cloned().unwrap_or_default();
    for (key, value) in call.object()? {
        if key != "type" {
            merged.insert(key.clone(), value.clone());
        }
    }
    let mut form = Form::default();
    let body = command_rules::check(&mut form, &Value::Object(merged), "");
    form.finish()?;
    let body = body.ok_or(UNKNOWN)?;
    let name = body
        .get("name")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned();
    let taken = call
        .realm
        .store
        .commands
        .named(app, scope, command.kind, &name);
    if taken.is_some_and(|other| other.id != command.id) {
        return Err(Refusal::new(
            400,
            40041,
            "An application command with that name already exists",
        ));
    }
    let version = call.realm.next_id();
    let changed = Command {
        name,
        version,
        body: Value::Object(body),
        ..command
    };
    let shown = json_of(&changed);
    call.realm.store.commands.put(changed);
    Ok(Reply::ok(shown))
}

fn remove(call: &mut Call<'_>) -> Result<Reply, Refusal> {
    let id = find(call)?.id;
    call.realm.store.commands.remove(id);
    Ok(Reply::empty())
}
