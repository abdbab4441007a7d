//! How a plugin is doing, for people.

use crate::{Metric, PluginState, clock, link::Link, router::STUCK};
use std::{collections::BTreeMap, time::Duration};

/// What [`crate::Host::report`] says of one plugin.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PluginReport {
    /// Equals `[plugins.<id>]`.
    pub id: String,
    /// For people.
    pub name: String,
    /// Its own version.
    pub version: String,
    /// What it is doing.
    pub state: PluginState,
    /// How often it was started again.
    pub restarts: u32,
    /// Why it failed last.
    pub last_fault: Option<String>,
    /// How often its state was saved.
    pub saves: u64,
    /// Events it was too slow for.
    pub lost_events: u64,
    /// 20 ms of what people said that it was too slow for, in all guilds together.
    pub lost_ticks: u64,
    /// What it counts, by name and labels.
    pub metrics: BTreeMap<String, Metric>,
    /// What it has been inside of, and for how long, if that is long enough to worry.
    pub stuck: Option<(String, Duration)>,
}

impl PluginReport {
    pub(crate) fn of(link: &Link, about: &crate::About) -> Self {
        let status = link.status();
        let busy = link
            .busy()
            .map(|(since, what)| (what, clock::now().duration_since(since)));
        Self {
            id: about.id.clone(),
            name: about.name.clone(),
            version: about.version.clone(),
            state: status.state,
            restarts: status.restarts,
            last_fault: status.last_fault,
            saves: link.saves(),
            lost_events: link.mailbox.lost_ever(),
            lost_ticks: link.ears.lost_ever(),
            metrics: link.meters.all(),
            stuck: busy.filter(|(_, time)| *time > STUCK),
        }
    }
}
