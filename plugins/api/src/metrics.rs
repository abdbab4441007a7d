//! Numbers for whoever runs the bot: counted by the plugin, kept by the host.

use crate::Host;
use serde_json::{Map, Value, json};

/// A plugin's numbers; from [`Cx::metrics`](crate::Cx::metrics). `/bot plugins` shows them. They
/// begin at nothing when the bot starts and outlive a reload of the plugin.
///
/// A plugin has up to 64 numbers, one with other labels is another. Names have 1 to 48 characters
/// `a` to `z`, `0` to `9` and `_`; a host that is told something else, or too much at once, leaves
/// it out: nothing a plugin does depends on its numbers.
///
/// ```
/// # use mynah_plugin::*;
/// # fn count<P: Plugin>(cx: &Cx<'_, P>) {
/// let metrics = cx.metrics();
/// metrics.counter("songs").with("from", "radio").add(1);
/// metrics.gauge("queue").set(3.0);
/// metrics.histogram("search_seconds").record(0.25);
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Metrics {
    host: Host,
}

impl Metrics {
    pub(crate) fn new(host: Host) -> Self {
        Self { host }
    }

    /// A number that only grows.
    #[must_use]
    pub fn counter(&self, name: &str) -> Counter {
        Counter(Series::new(&self.host, name))
    }

    /// A number that goes up and down.
    #[must_use]
    pub fn gauge(&self, name: &str) -> Gauge {
        Gauge(Series::new(&self.host, name))
    }

    /// Many numbers of one kind: how many there were, their sum, the least and the greatest.
    #[must_use]
    pub fn histogram(&self, name: &str) -> Histogram {
        Histogram(Series::new(&self.host, name))
    }
}

#[derive(Clone, Debug)]
struct Series {
    host: Host,
    name: String,
    labels: Map<String, Value>,
}

impl Series {
    fn new(host: &Host, name: &str) -> Self {
        Self {
            host: host.clone(),
            name: name.to_owned(),
            labels: Map::new(),
        }
    }

    fn with(mut self, label: &str, value: &str) -> Self {
        self.labels.insert(label.to_owned(), json!(value));
        self
    }

    fn tell(&self, kind: &'static str, value: Value) {
        let args = json!({ "name": self.name, "labels": self.labels, "value": value });
        self.host.tell(kind, &args);
    }
}

/// From [`Metrics::counter`].
#[derive(Clone, Debug)]
pub struct Counter(Series);

impl Counter {
    /// Counts apart from others, up to four labels: `label` as a name, `value` up to 64 characters.
    #[must_use]
    pub fn with(self, label: &str, value: &str) -> Self {
        Self(self.0.with(label, value))
    }

    /// So many more. On the control thread.
    pub fn add(&self, more: u64) {
        self.0.tell("metrics.add", json!(more));
    }
}

/// From [`Metrics::gauge`].
#[derive(Clone, Debug)]
pub struct Gauge(Series);

impl Gauge {
    /// As [`Counter::with`].
    #[must_use]
    pub fn with(self, label: &str, value: &str) -> Self {
        Self(self.0.with(label, value))
    }

    /// It is this now; what is no number is left out. On the control thread.
    pub fn set(&self, value: f64) {
        self.0.tell("metrics.set", json!(value));
    }
}

/// From [`Metrics::histogram`].
#[derive(Clone, Debug)]
pub struct Histogram(Series);

impl Histogram {
    /// As [`Counter::with`].
    #[must_use]
    pub fn with(self, label: &str, value: &str) -> Self {
        Self(self.0.with(label, value))
    }

    /// One more; what is no number is left out. On the control thread.
    pub fn record(&self, value: f64) {
        self.0.tell("metrics.record", json!(value));
    }
}
