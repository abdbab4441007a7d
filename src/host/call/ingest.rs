//! `media.ingest`: a short sound that a plugin keeps.

use std::time::Duration;

use mynah_engine::IngestHow;
use serde::Deserialize;

use super::What;
use crate::OpError;

/// A sound to be kept in a folder of the plugin's.
#[derive(Clone, Debug, PartialEq)]
pub struct Ingest {
    /// Where it comes from.
    pub what: What,
    /// What people call the file, for messages.
    pub name: Option<String>,
    /// The folder, granted for writing.
    pub dir: String,
    /// What of it is kept, and how.
    pub how: IngestHow,
}

/// Checks every number for its range.
pub(super) fn ingest(args: IngestArgs) -> Result<Ingest, OpError> {
    let within = |what: &str, value: f32, range: std::ops::RangeInclusive<f32>| {
        let (least, most) = (range.start(), range.end());
        let words = format!("media.ingest: {what} is {least} to {most}, not {value}");
        range
            .contains(&value)
            .then_some(value)
            .ok_or(OpError::Invalid(words))
    };
    let how = IngestHow {
        max_bytes: args.max_bytes,
        start: Duration::from_millis(args.start_ms),
        end: args.end_ms.map(Duration::from_millis),
        longest: Duration::from_millis(args.max_ms),
        lufs: within("lufs", args.lufs, -40.0..=-5.0)?,
        ceiling_dbtp: within("ceiling_dbtp", args.ceiling_dbtp, -20.0..=0.0)?,
    };
    Ok(Ingest {
        what: super::what(args.path, args.url)?,
        name: args.name,
        dir: args.dir,
        how,
    })
}

#[derive(Deserialize)]
pub(super) struct IngestArgs {
    path: Option<String>,
    url: Option<String>,
    name: Option<String>,
    dir: String,
    #[serde(default)]
    start_ms: u64,
    end_ms: Option<u64>,
    max_ms: u64,
    max_bytes: u64,
    #[serde(default = "loud")]
    lufs: f32,
    #[serde(default = "ceiling")]
    ceiling_dbtp: f32,
}

/// What `[voice] loudness` ships with.
fn loud() -> f32 {
    -16.0
}

/// What the mix itself keeps below.
fn ceiling() -> f32 {
    -1.0
}
