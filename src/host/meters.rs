//! Numbers that plugins keep about themselves: `metrics.*`, shown by `/bot plugins`.

use crate::{OpError, Outcome};
use serde::Deserialize;
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Numbers of one plugin, labels counted apart.
const MAX_SERIES: usize = 64;
/// Characters of a number's or a label's name.
const MAX_NAME: usize = 48;
/// Labels of one number.
const MAX_LABELS: usize = 4;
/// Characters of a label's value.
const MAX_LABEL: usize = 64;

/// One `metrics.*`, checked for form.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    series: String,
    change: Change,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Change {
    Add(u64),
    Set(f64),
    Record(f64),
}

#[derive(Deserialize)]
pub(crate) struct Args {
    name: String,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    value: Value,
}

/// One number as it stands.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Metric {
    /// Only grows.
    Counter(u64),
    /// Goes up and down.
    Gauge(f64),
    /// Many of one kind.
    Histogram {
        /// How many there were.
        count: u64,
        /// All together.
        sum: f64,
        /// The least.
        min: f64,
        /// The greatest.
        max: f64,
    },
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Counter(value) => write!(f, "{value}"),
            Self::Gauge(value) => write!(f, "{}", rounded(value)),
            Self::Histogram {
                count,
                sum,
                min,
                max,
            } => {
                let mean = rounded(sum / count.max(1) as f64);
                let (min, max) = (rounded(min), rounded(max));
                write!(f, "{count} × {mean} ({min} to {max})")
            }
        }
    }
}

/// For people: three digits after the point are enough.
fn rounded(value: f64) -> f64 {
    let rounded = (value * 1000.0).round() / 1000.0;
    // What is too great to have digits there overflows on the way.
    if rounded.is_finite() { rounded } else { value }
}

fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    (1..=MAX_NAME).contains(&name.len()) && name.chars().all(plain)
}

impl Measured {
    /// # Errors
    /// [`OpError::Invalid`] says what is too long, or no number.
    pub(crate) fn new(kind: &str, args: Args) -> Result<Self, OpError> {
        let invalid = |words: String| Err(OpError::Invalid(format!("{kind}: {words}")));
        let names = args.labels.keys().chain([&args.name]);
        if let Some(name) = names.into_iter().find(|name| !is_name(name)) {
            let name: String = name.chars().take(MAX_NAME).collect();
            return invalid(format!(
                "`{name}`: a name is 1 to {MAX_NAME} of a-z, 0-9 and _"
            ));
        }
        let long = |value: &String| value.chars().count() > MAX_LABEL || has_controls(value);
        if args.labels.len() > MAX_LABELS || args.labels.values().any(long) {
            return invalid(format!(
                "a number has up to {MAX_LABELS} labels of up to {MAX_LABEL} characters"
            ));
        }
        let number = args.value.as_f64().filter(|value| value.is_finite());
        let change = match (kind, args.value.as_u64(), number) {
            ("metrics.add", Some(more), _) => Change::Add(more),
            ("metrics.set", _, Some(value)) => Change::Set(value),
            ("metrics.record", _, Some(value)) => Change::Record(value),
            _ => return invalid("`value` is not such a number".into()),
        };
        let mut series = args.name;
        if !args.labels.is_empty() {
            let one = |(label, value): (&String, &String)| format!("{label}={value:?}");
            let labels: Vec<String> = args.labels.iter().map(one).collect();
            series += &format!("{{{}}}", labels.join(","));
        }
        Ok(Self { series, change })
    }
}

fn has_controls(text: &str) -> bool {
    text.chars().any(char::is_control)
}

/// The numbers of one plugin. Reloads and restarts of it leave them as they are.
#[derive(Default)]
pub(crate) struct Meters(Mutex<BTreeMap<String, Metric>>);

impl Meters {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Metric>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// # Errors
    /// [`OpError::Busy`] when there are too many, [`OpError::Invalid`] when it was of another kind.
    pub(crate) fn take(&self, measured: Measured) -> Outcome {
        let mut all = self.lock();
        if !all.contains_key(&measured.series) && all.len() >= MAX_SERIES {
            let words = format!("a plugin has up to {MAX_SERIES} numbers, labels counted apart");
            return Err(OpError::Busy(words));
        }
        let new = match measured.change {
            Change::Add(_) => Metric::Counter(0),
            Change::Set(value) => Metric::Gauge(value),
            Change::Record(value) => Metric::Histogram {
                count: 0,
                sum: 0.0,
                min: value,
                max: value,
            },
        };
        match (
            all.entry(measured.series.clone()).or_insert(new),
            measured.change,
        ) {
            (Metric::Counter(value), Change::Add(more)) => *value = value.saturating_add(more),
            (Metric::Gauge(value), Change::Set(new)) => *value = new,
            (
                Metric::Histogram {
                    count,
                    sum,
                    min,
                    max,
                },
                Change::Record(value),
            ) => {
                *count += 1;
                *sum += value;
                *min = min.min(value);
                *max = max.max(value);
            }
            _ => {
                let words = format!("`{}` is a number of another kind", measured.series);
                return Err(OpError::Invalid(words));
            }
        }
        Ok(Value::Null)
    }

    /// All of them, by name.
    pub(crate) fn all(&self) -> BTreeMap<String, Metric> {
        self.lock().clone()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    fn measured(kind: &str, args: Value) -> Result<Measured, OpError> {
        Measured::new(kind, serde_json::from_value(args).unwrap())
    }

    fn tell(meters: &Meters, kind: &str, args: Value) -> Outcome {
        meters.take(measured(kind, args)?)
    }

    #[test]
    fn counters_add_gauges_change_and_histograms_sum_up() {
        let meters = Meters::default();
        let labels = json!({ "from": "the \"radio\"" });
        for _ in 0..2 {
            let song = json!({ "name": "songs", "labels": labels, "value": 2 });
            tell(&meters, "metrics.add", song).unwrap();
        }
        for value in [0.5, 0.25, 1.0] {
            tell(
                &meters,
                "metrics.set",
                json!({ "name": "q", "value": value }),
            )
            .unwrap();
            tell(
                &meters,
                "metrics.record",
                json!({ "name": "s", "value": value }),
            )
            .unwrap();
        }
        let shown: Vec<String> = meters
            .all()
            .iter()
            .map(|(name, metric)| format!("{name} {metric}"))
            .collect();
        let songs = r#"songs{from="the \"radio\""} 4"#;
        assert_eq!(shown, ["q 1", "s 3 × 0.583 (0.25 to 1)", songs]);
    }

    #[test]
    fn what_is_too_long_or_no_number_or_of_another_kind_is_refused() {
        for (kind, args) in [
            ("metrics.add", json!({ "name": "", "value": 1 })),
            ("metrics.add", json!({ "name": "Songs", "value": 1 })),
            ("metrics.add", json!({ "name": "x".repeat(49), "value": 1 })),
            ("metrics.add", json!({ "name": "x", "value": -1 })),
            ("metrics.add", json!({ "name": "x", "value": 0.5 })),
            ("metrics.set", json!({ "name": "x", "value": null })),
            ("metrics.fly", json!({ "name": "x", "value": 1 })),
            (
                "metrics.add",
                json!({ "name": "x", "labels": { "a": "b".repeat(65) }, "value": 1 }),
            ),
            (
                "metrics.add",
                json!({ "name": "x", "labels": { "a": "b\nc" }, "value": 1 }),
            ),
        ] {
            assert!(measured(kind, args.clone()).is_err(), "{kind} {args}");
        }
        let meters = Meters::default();
        tell(&meters, "metrics.add", json!({ "name": "x", "value": 1 })).unwrap();
        let other = tell(&meters, "metrics.set", json!({ "name": "x", "value": 1 }));
        assert!(matches!(other, Err(OpError::Invalid(_))));
    }

    #[test]
    fn a_plugin_that_counts_everything_apart_is_stopped_at_64_and_goes_on_with_those() {
        let meters = Meters::default();
        let tell = |at: usize| {
            let labels = json!({ "song": at.to_string() });
            tell(
                &meters,
                "metrics.add",
                json!({ "name": "n", "labels": labels, "value": u64::MAX }),
            )
        };
        let refused = (0..1_000).filter(|at| tell(*at).is_err()).count();
        assert_eq!((meters.all().len(), refused), (64, 936));
        assert!(tell(0).is_ok(), "and nothing overflows");
    }
}
