//! New settings for a bot that runs: by `mynah plugin reload`, by `/bot reload`, and by SIGHUP.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use mynah_engine::Bot;
use mynah_host::{Change, Host, HostError, Library, Order, Permissions};
use mynah_wire::UserId;
use serde_json::{Value, json};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use crate::config::{self, Config};

use super::exit::{Failure, chain};
use super::{plugins, settings};

/// A plugin's table, what it says about itself, and its settings.
type Found = (mynah_host::Backend, mynah_host::About, Value);

/// What is needed to read the settings again and hand them on.
pub(super) struct Reloads<'a> {
    pub config: PathBuf,
    pub host: &'a Host,
    pub bot: &'a Bot,
}

impl Reloads<'_> {
    /// One plugin, even if nothing of it has changed: what it is now.
    ///
    /// # Errors
    /// Everything that is wrong with the settings or with the plugin, which then goes on as it was.
    pub async fn one(&self, id: &str) -> Result<Value, Failure> {
        let config = self.read().await?;
        let (entry, about, settings) = known(&config, id).await?;
        let reloaded = self.host.reload(id, entry, settings).await;
        reloaded.map_err(failed)?;
        let file = entry.library();
        Ok(json!({
            "id": id, "version": about.version,
            "file": file.map(|file| file.file().display().to_string()),
            "sha256": file.map(Library::sha256),
        }))
    }

    /// Everything that has changed, as far as a running bot can take it: `{"changed": [{id, how}],
    /// "failed": [{id, error, help}]}`.
    ///
    /// # Errors
    /// The settings are wrong; then nothing has changed.
    pub async fn all(&self) -> Result<Value, Failure> {
        let config = self.read().await?;
        self.host
            .set_permissions(permissions(&config.permissions, self.bot).await);
        let (mut changed, mut wrong) = (Vec::new(), Vec::new());
        for id in self.host.ids() {
            let outcome = match known(&config, &id).await {
                Ok((entry, _, settings)) => self
                    .host
                    .configure(&id, entry, settings)
                    .await
                    .map_err(failed),
                Err(failure) => Err(failure),
            };
            match outcome {
                Ok(Change::None) => {}
                Ok(Change::Settings) => changed.push(json!({ "id": id, "how": "new settings" })),
                Ok(_) => changed.push(json!({ "id": id, "how": "started anew" })),
                Err(failure) => {
                    tracing::error!(plugin = %id, "not reloaded: {}", failure.message());
                    wrong.push(json!({
                        "id": id, "error": failure.message(), "help": failure.help(),
                    }));
                }
            }
        }
        Ok(json!({ "changed": changed, "failed": wrong }))
    }

    /// Carries out what comes by Discord and by signal; for ever.
    pub async fn serve(&self, orders: &mut mpsc::Receiver<Order>) {
        let mut hangups = hangups();
        loop {
            tokio::select! {
                Some(order) = orders.recv() => self.obey(order).await,
                () = hangup(&mut hangups) => tracing::info!("{}", words(&self.all().await)),
                else => return std::future::pending().await,
            }
        }
    }

    async fn obey(&self, order: Order) {
        let Order::Reload { plugin, answer } = order else {
            return;
        };
        let said = match plugin {
            Some(id) => match self.one(&id).await {
                Ok(_) => format!("`{id}` runs again."),
                Err(failure) => said(&failure),
            },
            None => words(&self.all().await),
        };
        // Whoever asked may have gone.
        let _ = answer.send(said);
    }

    async fn read(&self) -> Result<Arc<Config>, Failure> {
        let file = self.config.clone();
        let read = tokio::task::spawn_blocking(move || settings::read(&file));
        let read = read
            .await
            .map_err(|_| Failure::failed("the bot is stopping", ""))?;
        read.map(|loaded| Arc::new(loaded.config))
            .map_err(|report| Failure::config(report.to_string(), ""))
    }
}

/// A plugin as the settings have it now. Its file is read, hashed and loaded: that is no work for the
/// runtime's few workers.
async fn known(config: &Arc<Config>, id: &str) -> Result<Found, Failure> {
    let (config, id) = (config.clone(), id.to_owned());
    let found = tokio::task::spawn_blocking(move || find(&config, &id));
    let found = found.await;
    found.map_err(|_| Failure::failed("the bot is stopping", ""))?
}

fn find(config: &Config, id: &str) -> Result<Found, Failure> {
    let plugin = config
        .plugins
        .iter()
        .find(|plugin| plugin.id == id && plugin.enabled);
    let plugin = plugin.ok_or_else(|| {
        let words = format!("there is no plugin `{id}` in bot.toml, or it is switched off");
        Failure::failed(
            words,
            "`mynah plugin list` shows those that there are; one that runs stops with the bot",
        )
    })?;
    let all = plugins::known(plugin.file.as_slice());
    let found = all.into_iter().find(|known| known.id == id);
    let found = found.ok_or_else(|| Failure::failed(format!("there is no plugin `{id}`"), ""))?;
    let (entry, about) = found.found.map_err(failed)?;
    let spec = plugins::spec(config, plugin, entry);
    Ok((entry, about, spec.config))
}

fn failed(error: HostError) -> Failure {
    Failure::failed(chain(&error), error.remedy())
}

fn said(failure: &Failure) -> String {
    match failure.help() {
        "" => failure.message().to_owned(),
        help => format!("{} ({help})", failure.message()),
    }
}

/// What became of [`Reloads::all`], for people.
pub(super) fn words(outcome: &Result<Value, Failure>) -> String {
    let document = match outcome {
        Ok(document) => document,
        Err(failure) => return said(failure),
    };
    let list = |name: &str| document.get(name).and_then(Value::as_array);
    let text = |of: &Value, name: &str| {
        let text = of.get(name).and_then(Value::as_str);
        text.unwrap_or_default().to_owned()
    };
    let mut words = String::new();
    for one in list("changed").into_iter().flatten() {
        let _ = writeln!(words, "`{}`: {}.", text(one, "id"), text(one, "how"));
    }
    for one in list("failed").into_iter().flatten() {
        let _ = writeln!(words, "`{}`: {}", text(one, "id"), text(one, "error"));
    }
    if words.is_empty() {
        words.push_str("No plugin's settings or file have changed.");
    }
    words.trim_end().to_owned()
}

/// SIGHUP, the usual word for "read your settings again"; a system that does not let us listen is one
/// without it.
fn hangups() -> Option<Signal> {
    signal(SignalKind::hangup()).ok()
}

async fn hangup(signals: &mut Option<Signal>) {
    match signals {
        Some(signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}

/// Who may do what, with the owners that Discord names where bot.toml names none.
pub(super) async fn permissions(from: &config::Permissions, bot: &Bot) -> Permissions {
    let mut owners: HashSet<UserId> = from.owners.ids.iter().copied().collect();
    if owners.is_empty() || from.owners.team {
        match bot
            .rest("GET", "/oauth2/applications/@me", None, Vec::new())
            .await
        {
            Ok(application) => owners.extend(owners_of(&application, from.owners.team)),
            Err(error) => tracing::warn!(
                "who owns the bot is not known ({error}); `owners` in [discord] of bot.toml says it"
            ),
        }
    }
    let roles = |(id, roles): &(String, Vec<_>)| (id.clone(), roles.iter().copied().collect());
    Permissions {
        owners,
        dj_roles: from.dj_roles.iter().copied().collect(),
        manager_roles: from.manager_roles.iter().map(roles).collect(),
        blocked_users: from.blocked_users.iter().copied().collect(),
    }
}

/// rest.md section 3: `owner`, or for a team `team.owner_user_id` and `team.members`, of whom those with
/// `membership_state` 2 have accepted.
fn owners_of(application: &Value, all_of_team: bool) -> Vec<UserId> {
    let id = |value: Option<&Value>| value?.as_str()?.parse::<UserId>().ok();
    let Some(team) = application.get("team").filter(|team| team.is_object()) else {
        let owner = application.get("owner").and_then(|owner| owner.get("id"));
        return id(owner).into_iter().collect();
    };
    let mut owners: Vec<UserId> = id(team.get("owner_user_id")).into_iter().collect();
    if all_of_team {
        let members = team.get("members").and_then(Value::as_array);
        let accepted = |member: &&Value| {
            let state = member.get("membership_state").and_then(Value::as_u64);
            state == Some(2)
        };
        let members = members.into_iter().flatten().filter(accepted);
        owners.extend(members.filter_map(|member| id(member.get("user")?.get("id"))));
    }
    owners
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_team_owns_the_bot_by_its_owner_or_by_all_who_have_accepted() {
        let alone = json!({ "owner": { "id": "1" }, "team": null });
        assert_eq!(owners_of(&alone, false), [UserId::new(1)]);
        let team = json!({
            "owner": { "id": "99" },
            "team": { "owner_user_id": "2", "members": [
                { "membership_state": 2, "user": { "id": "3" } },
                { "membership_state": 1, "user": { "id": "4" } },
                { "membership_state": 2 },
            ] },
        });
        assert_eq!(owners_of(&team, false), [UserId::new(2)]);
        assert_eq!(owners_of(&team, true), [UserId::new(2), UserId::new(3)]);
        assert_eq!(owners_of(&json!([]), true), []);
    }

    #[test]
    fn what_has_changed_is_said_by_name() {
        let nothing = Ok(json!({ "changed": [], "failed": [] }));
        assert!(words(&nothing).contains("No plugin's settings"));
        let some = Ok(json!({
            "changed": [{ "id": "music", "how": "new settings" }],
            "failed": [{ "id": "tts", "error": "no engine", "help": "" }],
        }));
        assert_eq!(words(&some), "`music`: new settings.\n`tts`: no engine");
        let wrong = Err(Failure::failed("bot.toml is wrong", "mend it"));
        assert_eq!(words(&wrong), "bot.toml is wrong (mend it)");
    }
}
