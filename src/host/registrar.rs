//! Registers slash commands: the union of the host's and all plugins', by bulk overwrite
//! (protocol/rest.md section 6), and routes them by the same list.

use crate::{
    Call, commands,
    directory::{Directory, Owner},
    hub::Hub,
    link::Link,
};
use mynah_wire::GuildId;
use serde_json::Value;
use std::{sync::Arc, time::Duration};

/// Where commands are registered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// Everywhere the bot is.
    #[default]
    Global,
    /// In these guilds only.
    Guilds(Vec<GuildId>),
}

/// Registers the union of all commands, again whenever it changes.
pub(crate) struct Registrar {
    pub(crate) hub: Arc<Hub>,
    pub(crate) links: Arc<[Arc<Link>]>,
    pub(crate) scope: Scope,
    pub(crate) registered: Option<Vec<Value>>,
}

/// A registration that failed is tried again after this long.
const AGAIN: Duration = Duration::from_secs(60);

impl Registrar {
    pub(crate) async fn run(mut self) {
        loop {
            let failed = self.registered.is_none();
            tokio::select! {
                () = self.hub.commands_changed.notified() => {}
                () = tokio::time::sleep(AGAIN), if failed => {}
            }
            self.register().await;
        }
    }

    /// Rebuilds the directory; tells Discord if something changed.
    pub(crate) async fn register(&mut self) {
        let list = self.refresh();
        if self.registered.as_ref() == Some(&list) {
            return;
        }
        let application = self.hub.runner.application_id();
        let base = format!("/applications/{application}");
        let paths = match &self.scope {
            Scope::Global => vec![format!("{base}/commands")],
            Scope::Guilds(guilds) => guilds
                .iter()
                .map(|guild| format!("{base}/guilds/{guild}/commands"))
                .collect(),
        };
        let mut all = true;
        for path in paths {
            let call = Call::Rest {
                method: "PUT".into(),
                path,
                body: Some(Value::Array(list.clone())),
                files: Vec::new(),
            };
            if let Err(error) = self.hub.runner.run(call).await {
                tracing::error!("the slash commands could not be registered: {error}");
                all = false;
            }
        }
        if all {
            tracing::info!(commands = list.len(), "slash commands are registered");
        }
        self.registered = all.then_some(list);
    }

    fn refresh(&self) -> Vec<Value> {
        let lists: Vec<Vec<Value>> = self.links.iter().map(|link| link.commands()).collect();
        let directory = Directory::union(&commands::definitions(), &lists);
        let id = |plugin: usize| self.links.get(plugin).map_or("?", |link| &link.id);
        for (command, owner, loser) in &directory.conflicts {
            let owner = match owner {
                Owner::Host => "the bot itself".to_owned(),
                Owner::Plugin(plugin) => format!("plugin {}", id(*plugin)),
            };
            tracing::warn!(
                "/{command} belongs to {owner}; the one of plugin {} is left out",
                id(*loser)
            );
        }
        let list = directory.list.clone();
        *self.hub.directory() = directory;
        list
    }
}
