//! One table for another while the bot runs.

use crate::{
    About, Backend, Host, HostError, Permissions, PluginState, START, Seat,
    control::{Fresh, NewSettings},
    entry::Loaded,
    link::Link,
    lock, wanted,
};
use mynah_plugin::Diagnostic;
use serde_json::Value;
use std::sync::Mutex;
use tokio::{sync::oneshot, time::timeout};

/// What became of new settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// It runs with these already.
    None,
    /// It took them while it runs.
    Settings,
    /// It was started anew, from its saved state.
    Reloaded,
}

impl Host {
    /// Who may do what from now on.
    pub fn set_permissions(&self, permissions: Permissions) {
        self.hub.set_permissions(permissions);
    }

    /// The ids of the plugins, in the order given to [`Host::start`].
    #[must_use]
    pub fn ids(&self) -> Vec<String> {
        self.links.iter().map(|link| link.id.clone()).collect()
    }

    /// Gives a running plugin the settings of today: it takes them while it runs if it can
    /// (`mynah.settings/1`), and is started anew if not, or if its file is another one. Waits for the
    /// outcome. Grants and intents stay as they were when the bot started.
    ///
    /// # Errors
    /// As [`Host::reload`]; then it goes on with what it had.
    pub async fn configure(
        &self,
        id: &str,
        entry: Backend,
        config: Value,
    ) -> Result<Change, HostError> {
        let (link, seat, _) = self.place(id)?;
        let (is_same, has_same) = {
            let seat = lock(seat);
            (seat.entry.is(&entry), seat.config == config)
        };
        if is_same && has_same {
            return Ok(Change::None);
        }
        let takes = is_same && link.status().state == PluginState::Running;
        if takes && self.offer(link, seat, entry, &config).await? {
            return Ok(Change::Settings);
        }
        self.reload(id, entry, config).await?;
        Ok(Change::Reloaded)
    }

    /// False when the plugin has to be started anew for these.
    async fn offer(
        &self,
        link: &Link,
        seat: &Mutex<Seat>,
        entry: Backend,
        config: &Value,
    ) -> Result<bool, HostError> {
        let refuse = |reason| HostError::Settings {
            plugin: link.id.clone(),
            reason,
        };
        let wrong = checked(Loaded::new(entry)?, config).await;
        if !wrong.is_empty() {
            let words: Vec<String> = wrong.into_iter().map(said).collect();
            return Err(refuse(words.join("; ")));
        }
        let (answer, outcome) = oneshot::channel();
        link.mailbox.settings(NewSettings {
            config: config.to_string(),
            answer,
        });
        match timeout(START, outcome).await {
            Ok(Ok(Ok(true))) => {
                lock(seat).config = config.clone();
                Ok(true)
            }
            Ok(Ok(Ok(false))) => Ok(false),
            Ok(Ok(Err(why))) => Err(refuse(why)),
            Ok(Err(_)) => Err(refuse("it is stopping, or was given others already".into())),
            Err(_) => Err(refuse(format!(
                "it has not come to it within {} s, and will when it does",
                START.as_secs()
            ))),
        }
    }

    /// Where a plugin is, and what it was granted.
    fn place(&self, id: &str) -> Result<(&Link, &Mutex<Seat>, &[String]), HostError> {
        let all = self.links.iter().zip(&self.seats).zip(&self.granted);
        let mut all = all.map(|((link, seat), granted)| (&**link, seat, granted.as_slice()));
        let found = all.find(|(link, ..)| link.id == id);
        found.ok_or_else(|| HostError::Unknown(id.to_owned()))
    }

    /// Exchanges a running plugin for another table of the same id, a newer file of it say, with the
    /// configuration of today. The old instance saves and stops with `Why::Reload`, the new one starts
    /// from that state; events wait meanwhile, and nothing of other plugins stops. Grants and intents
    /// stay as they were when the bot started. Waits for the outcome; a plugin that was switched off
    /// after faults runs again.
    ///
    /// # Errors
    /// [`HostError::Unknown`]; [`HostError::Reload`] in words, and then the old one goes on.
    pub async fn reload(&self, id: &str, entry: Backend, config: Value) -> Result<(), HostError> {
        let (link, seat, granted) = self.place(id)?;
        let refuse = |reason: String| HostError::Reload {
            plugin: id.to_owned(),
            reason,
        };
        let loaded = Loaded::new(entry)?;
        let new = loaded.about.clone();
        let old = lock(seat).about.clone();
        may_follow(&old, &loaded, granted).map_err(refuse)?;
        let wrong = checked(loaded.clone(), &config).await;
        if !wrong.is_empty() {
            let words: Vec<String> = wrong.into_iter().map(said).collect();
            return Err(refuse(words.join("; ")));
        }
        let (answer, outcome) = oneshot::channel();
        link.mailbox.reload(Fresh {
            loaded,
            config: config.to_string(),
            events: wanted(&new, &link.grants),
            answer,
        });
        match timeout(START, outcome).await {
            Ok(Ok(Ok(()))) => {
                *lock(seat) = Seat {
                    about: new,
                    entry,
                    config,
                };
                Ok(())
            }
            Ok(Ok(Err(why))) => Err(refuse(why)),
            Ok(Err(_)) => Err(refuse("it is stopping, or reloaded again already".into())),
            Err(_) => Err(refuse(format!(
                "it has not come to it within {} s, and will when it does",
                START.as_secs()
            ))),
        }
    }
}

/// What is wrong with a configuration, without keeping a worker of the runtime waiting.
async fn checked(loaded: Loaded, config: &Value) -> Vec<Diagnostic> {
    let config = config.clone();
    let found = tokio::task::spawn_blocking(move || loaded.check(&config));
    let stopping = |_| vec![Diagnostic::new("", "the bot is stopping")];
    found.await.unwrap_or_else(stopping)
}

/// Whether a table may take over from another one while the bot is connected.
fn may_follow(old: &About, new: &Loaded, granted: &[String]) -> Result<(), String> {
    if new.about.id != old.id {
        return Err(format!("the new one is the plugin `{}`", new.about.id));
    }
    if new.about.intents & !old.intents != 0 {
        return Err(
            "it needs intents that the bot has not asked Discord for; restart the bot".into(),
        );
    }
    let missing: Vec<&str> = new
        .missing_grants(granted)
        .map(|need| need.cap.as_str())
        .collect();
    match missing.is_empty() {
        true => Ok(()),
        false => Err(format!(
            "it needs what is not granted: {}; grant it in bot.toml and restart the bot",
            missing.join(", ")
        )),
    }
}

/// A finding in one line.
fn said(found: Diagnostic) -> String {
    let place = found.pointer.trim_start_matches('/');
    let place = if place.is_empty() {
        String::new()
    } else {
        format!("{place}: ")
    };
    let meant = found
        .suggestion
        .map(|meant| format!("; did you mean `{meant}`?"));
    format!("{place}{}{}", found.message, meant.unwrap_or_default())
}
