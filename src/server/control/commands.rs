//! A person uses a command, or types into it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use mynah_wire::{ChannelId, UserId};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::find::{channel, read, simulated};
use super::options::{self, Filled, Typed};
use super::{Problem, answer, messages};
use crate::realm::{Invocation, NewFile, Realm};
use crate::server::Shared;
use crate::store::permissions::{ADMINISTRATOR, USE_APPLICATION_COMMANDS, VIEW_CHANNEL};
use crate::store::{Command, InteractionKind};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Use {
    user_id: UserId,
    channel_id: ChannelId,
    command: String,
    #[serde(default)]
    options: Map<String, Value>,
    #[serde(default)]
    attachments: BTreeMap<String, PathBuf>,
    bot_user_id: Option<UserId>,
    timeout_ms: Option<u64>,
    /// Autocomplete only: the option being typed.
    focused: Option<String>,
    /// User and message commands: whom or what it is used on.
    target_id: Option<String>,
}

pub(super) async fn run(shared: &Arc<Shared>, body: &Value) -> Result<Value, Problem> {
    let mut ask: Use = read(body)?;
    ask.focused = None;
    invoke(shared, ask, InteractionKind::Command).await
}

pub(super) async fn complete(shared: &Arc<Shared>, body: &Value) -> Result<Value, Problem> {
    let ask: Use = read(body)?;
    if ask.focused.is_none() {
        let hint = "`focused` names the option that is being typed";
        return Err(Problem::bad("focused is missing", hint));
    }
    invoke(shared, ask, InteractionKind::Autocomplete).await
}

async fn invoke(shared: &Arc<Shared>, ask: Use, kind: InteractionKind) -> Result<Value, Problem> {
    let mut files: BTreeMap<String, NewFile> = BTreeMap::new();
    for (option, path) in &ask.attachments {
        files.insert(option.clone(), messages::file(path, None).await?);
    }
    let timeout = answer::timeout(ask.timeout_ms);
    let id = {
        let mut realm = shared.realm();
        simulated(&realm, ask.user_id)?;
        channel(&realm, ask.channel_id)?;
        let needed = VIEW_CHANNEL | USE_APPLICATION_COMMANDS;
        if !realm.store.may(ask.user_id, ask.channel_id, needed) {
            let error = format!("user {} may not use commands there", ask.user_id);
            return Err(Problem::new(403, error, "check the channel's permissions"));
        }
        let words: Vec<&str> = ask
            .command
            .trim_start_matches('/')
            .split_whitespace()
            .collect();
        let (command, words) = find(&realm, &ask, &words)?;
        let command = command.clone();
        permitted(&realm, &ask, &command)?;
        let bot_id = UserId::new(command.application_id.get());
        connected(&realm, bot_id, ask.channel_id)?;
        let filled = Filled {
            options: ask.options.clone(),
            files,
            focused: ask.focused.clone(),
        };
        let data = data(&mut realm, &ask, &command, &words, filled)?;
        let full_name = [command.name.as_str()]
            .into_iter()
            .chain(words.iter().copied())
            .collect::<Vec<_>>()
            .join(" ");
        realm.invoke(Invocation {
            kind,
            bot_id,
            user_id: ask.user_id,
            channel_id: ask.channel_id,
            data,
            command_name: Some(full_name),
            source: None,
        })
    };
    answer::wait(shared, id, timeout).await
}

/// `default_member_permissions`: all of these bits, `0` for administrators only (rest.md section 6).
fn permitted(realm: &Realm, ask: &Use, command: &Command) -> Result<(), Problem> {
    let needed = command
        .body
        .get("default_member_permissions")
        .and_then(Value::as_str);
    let Some(needed) = needed.and_then(|bits| bits.parse::<u64>().ok()) else {
        return Ok(());
    };
    let needed = if needed == 0 { ADMINISTRATOR } else { needed };
    if realm.store.may(ask.user_id, ask.channel_id, needed) {
        return Ok(());
    }
    let error = format!("user {} may not use `{}`", ask.user_id, command.name);
    let hint = format!("it needs the permissions {needed}: give the user a role that has them");
    Err(Problem::new(403, error, hint))
}

/// The bot must have somebody at the gateway: otherwise nobody will ever answer.
pub(super) fn connected(realm: &Realm, bot: UserId, channel_id: ChannelId) -> Result<(), Problem> {
    let guild_id = realm
        .store
        .channels
        .get(&channel_id)
        .and_then(|c| c.guild_id);
    if realm.is_connected(bot, guild_id) {
        return Ok(());
    }
    let error = format!("bot {bot} is not connected to the gateway");
    Err(Problem::new(
        503,
        error,
        "start the bot and wait until it is ready",
    ))
}

/// The command a person means. Words after its name are subcommands; names of user and message
/// commands may contain spaces.
fn find<'r, 'w>(
    realm: &'r Realm,
    ask: &Use,
    words: &'w [&'w str],
) -> Result<(&'r Command, Vec<&'w str>), Problem> {
    let guild_id = realm
        .store
        .channels
        .get(&ask.channel_id)
        .and_then(|c| c.guild_id);
    let usable = || {
        realm.store.commands.usable_in(guild_id).filter(|command| {
            let bot = UserId::new(command.application_id.get());
            let here = match guild_id {
                Some(id) => realm
                    .store
                    .guilds
                    .get(&id)
                    .is_some_and(|g| g.members.contains_key(&bot)),
                None => true,
            };
            here && ask.bot_user_id.is_none_or(|wanted| wanted == bot)
        })
    };
    let whole = words.join(" ");
    let (first, rest) = words.split_first().map_or(("", &[][..]), |(f, r)| (*f, r));
    let mut found: Vec<(&Command, Vec<&str>)> = usable()
        .filter_map(|command| match command.kind {
            1 if command.name == first => Some((command, rest.to_vec())),
            2 | 3 if command.name == whole => Some((command, Vec::new())),
            _ => None,
        })
        .collect();
    // A connected bot before one that is not; a guild command before a global one.
    found.sort_by_key(|(command, _)| {
        let bot = UserId::new(command.application_id.get());
        (
            !realm.is_connected(bot, guild_id),
            std::cmp::Reverse(command.scope),
        )
    });
    if let Some(best) = found.into_iter().next() {
        return Ok(best);
    }
    let mut known: Vec<&str> = usable().map(|command| command.name.as_str()).collect();
    known.sort_unstable();
    known.dedup();
    let hint = if known.is_empty() {
        "no bot has registered commands here".to_owned()
    } else {
        format!("known commands: {}", known.join(", "))
    };
    let error = format!("there is no command `{}`", ask.command);
    Err(Problem::new(404, error, hint).with("commands", json!(known)))
}

/// `data` of the interaction.
fn data(
    realm: &mut Realm,
    ask: &Use,
    command: &Command,
    words: &[&str],
    filled: Filled,
) -> Result<Value, Problem> {
    let mut data = json!({"id": command.id, "name": command.name, "type": command.kind});
    let mut typed = if command.kind == 1 {
        let definitions = options::descend(command.options(), words)?;
        let typed = options::fill(realm, ask.channel_id, definitions, filled)?;
        Typed {
            options: options::wrap(command.options(), words, typed.options),
            ..typed
        }
    } else {
        target(realm, ask, command, &mut data)?
    };
    let Some(fields) = data.as_object_mut() else {
        return Ok(data);
    };
    if let crate::store::Scope::Guild(guild_id) = command.scope {
        fields.insert("guild_id".into(), json!(guild_id));
    }
    if !typed.options.is_empty() {
        fields.insert(
            "options".into(),
            Value::Array(std::mem::take(&mut typed.options)),
        );
    }
    if !typed.resolved.is_empty() {
        fields.insert("resolved".into(), Value::Object(typed.resolved));
    }
    Ok(data)
}

/// What a user or message command is used on.
fn target(realm: &Realm, ask: &Use, command: &Command, data: &mut Value) -> Result<Typed, Problem> {
    let id = ask
        .target_id
        .as_deref()
        .and_then(|text| text.parse::<u64>().ok());
    let Some(id) = id else {
        let hint = "give `target_id`: the id of a user or message";
        return Err(Problem::bad("this command is used on something", hint));
    };
    let mut resolved = Map::new();
    if command.kind == 2 {
        if !options::resolve_user(realm, ask.channel_id, id, &mut resolved) {
            return Err(Problem::unknown("user", id));
        }
    } else {
        let message = realm
            .store
            .message(ask.channel_id, mynah_wire::MessageId::new(id));
        let message = message.ok_or_else(|| Problem::unknown("message", id))?;
        let shown = realm.store.message_json(message, None);
        resolved.insert("messages".into(), json!({ id.to_string(): shown }));
    }
    if let Some(fields) = data.as_object_mut() {
        fields.insert("target_id".into(), json!(id.to_string()));
    }
    Ok(Typed {
        options: Vec::new(),
        resolved,
    })
}
