//! One table for another while the bot runs.

use crate::{About, Backend, Host, HostError, START, control::Fresh, entry::Loaded, lock, wanted};
use mynah_plugin::Diagnostic;
use serde_json::Value;
use tokio::{sync::oneshot, time::timeout};

impl Host {
    /// Exchanges a running plugin for another table of the same id, a newer file of it say, with the
    /// configuration of today. The old instance saves and stops with `Why::Reload`, the new one starts
    /// from that state; events wait meanwhile, and nothing of other plugins stops. Grants and intents
    /// stay as they were when the bot started. Waits for the outcome; a plugin that was switched off
    /// after faults runs again.
    ///
    /// # Errors
    /// [`HostError::Unknown`]; [`HostError::Reload`] in words, and then the old one goes on.
    pub async fn reload(&self, id: &str, entry: Backend, config: Value) -> Result<(), HostError> {
        let place = self.links.iter().position(|link| link.id == id);
        let place = place.ok_or_else(|| HostError::Unknown(id.to_owned()))?;
        let refuse = |reason: String| HostError::Reload {
            plugin: id.to_owned(),
            reason,
        };
        let (Some(link), Some(about), Some(granted)) = (
            self.links.get(place),
            self.abouts.get(place),
            self.granted.get(place),
        ) else {
            unreachable!("the three lists are made together");
        };
        let loaded = Loaded::new(entry)?;
        let new = loaded.about.clone();
        may_follow(&lock(about).clone(), &loaded, granted).map_err(refuse)?;
        let wrong = loaded.check(&config);
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
                *lock(about) = new;
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
