//! Application commands.

use std::collections::BTreeMap;

use mynah_wire::{ApplicationId, CommandId, GuildId};
use serde_json::Value;

/// Where a command is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Everywhere.
    Global,
    /// In one guild.
    Guild(GuildId),
}

/// One registered command.
#[derive(Clone, Debug)]
pub struct Command {
    /// Id.
    pub id: CommandId,
    /// Whose it is.
    pub application_id: ApplicationId,
    /// Where it is known.
    pub scope: Scope,
    /// 1 slash, 2 user, 3 message, 4 entry point.
    pub kind: u8,
    /// Name.
    pub name: String,
    /// A new number with every change.
    pub version: u64,
    /// The checked definition: description, options, permissions, …
    pub body: Value,
}

impl Command {
    /// Its option definitions.
    pub fn options(&self) -> &[Value] {
        self.body
            .get("options")
            .and_then(Value::as_array)
            .map_or(&[], Vec::as_slice)
    }
}

/// All commands.
#[derive(Debug, Default)]
pub struct CommandBook {
    by_id: BTreeMap<CommandId, Command>,
}

impl CommandBook {
    /// Commands of an application in one scope, oldest first.
    pub fn of(&self, app: ApplicationId, scope: Scope) -> impl Iterator<Item = &Command> {
        self.by_id
            .values()
            .filter(move |c| c.application_id == app && c.scope == scope)
    }

    /// Every command of an application, global ones and guild ones.
    pub fn everywhere(&self, app: ApplicationId) -> impl Iterator<Item = &Command> {
        self.by_id.values().filter(move |c| c.application_id == app)
    }

    /// Commands usable in a guild (or a direct message): its own ones and the global ones.
    pub fn usable_in(&self, guild_id: Option<GuildId>) -> impl Iterator<Item = &Command> {
        self.by_id.values().filter(move |c| match c.scope {
            Scope::Global => true,
            Scope::Guild(own) => Some(own) == guild_id,
        })
    }

    /// One command.
    pub fn get(&self, app: ApplicationId, scope: Scope, id: CommandId) -> Option<&Command> {
        self.by_id
            .get(&id)
            .filter(|c| c.application_id == app && c.scope == scope)
    }

    /// The command with that name and type.
    pub fn named(
        &self,
        app: ApplicationId,
        scope: Scope,
        kind: u8,
        name: &str,
    ) -> Option<&Command> {
        self.of(app, scope)
            .find(|c| c.kind == kind && c.name == name)
    }

    /// Adds or replaces.
    pub fn put(&mut self, command: Command) {
        self.by_id.insert(command.id, command);
    }

    /// Removes one.
    pub fn remove(&mut self, id: CommandId) -> Option<Command> {
        self.by_id.remove(&id)
    }

    /// Keeps only what `keep` says.
    pub fn retain(&mut self, mut keep: impl FnMut(&Command) -> bool) {
        self.by_id.retain(|_, command| keep(command));
    }
}
