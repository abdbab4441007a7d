//! The way into a running bot: a socket in its data folder, for `mynah plugin reload`.
//!
//! Whoever may write to the data folder may use it, nobody else. One line of JSON in, one out.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::timeout;

use crate::cli::exit::Failure;
use crate::cli::reload::Reloads;

/// Its name in the data folder.
const NAME: &str = "mynah.sock";
/// A longer line is no order of ours.
const MAX_LINE_BYTES: u64 = 4096;
/// Who has said nothing by then is not waited for.
const PATIENCE: Duration = Duration::from_secs(5);
/// A reload may take as long as a slow plugin takes to stop, and to start.
const ANSWER: Duration = Duration::from_secs(60);

/// The bot's side.
pub(in crate::cli) struct Door {
    listener: Option<UnixListener>,
    place: PathBuf,
}

impl Door {
    /// Opens it; a bot without a door runs all the same, which is logged. The data folder is locked, so
    /// what stands there is of a bot that is gone.
    pub(in crate::cli) fn open(data: &Path) -> Self {
        let place = data.join(NAME);
        let _ = std::fs::remove_file(&place);
        let opened = UnixListener::bind(&place).and_then(|listener| {
            let only_me = std::fs::Permissions::from_mode(0o600);
            std::fs::set_permissions(&place, only_me)?;
            Ok(listener)
        });
        let listener = opened
            .inspect_err(|error| {
                let place = place.display();
                tracing::warn!("no `mynah plugin reload`, as {place} cannot be made: {error}");
            })
            .ok();
        Self { listener, place }
    }

    /// Does what comes in, one after the other; for ever.
    pub(in crate::cli) async fn serve(&self, reloads: &Reloads<'_>) {
        let Some(listener) = &self.listener else {
            return std::future::pending().await;
        };
        loop {
            match listener.accept().await {
                Ok((stream, _)) => Self::meet(stream, reloads).await,
                // Out of files, say: that passes.
                Err(error) => {
                    tracing::debug!(%error, "nobody could be let in");
                    tokio::time::sleep(PATIENCE).await;
                }
            }
        }
    }

    async fn meet(stream: UnixStream, reloads: &Reloads<'_>) {
        let (reading, mut writing) = stream.into_split();
        let mut line = String::new();
        let mut reader = tokio::io::BufReader::new(reading.take(MAX_LINE_BYTES));
        let Ok(Ok(_)) = timeout(PATIENCE, reader.read_line(&mut line)).await else {
            return;
        };
        let asked: Value = serde_json::from_str(&line).unwrap_or_default();
        let answer = match asked.get("reload") {
            Some(Value::String(id)) => reloads.one(id).await,
            Some(Value::Null) => reloads.all().await,
            _ => Err(Failure::failed(
                "the bot does not understand that",
                "use the same version",
            )),
        };
        let answer = answer.unwrap_or_else(
            |failure| json!({ "error": failure.message(), "help": failure.help() }),
        );
        let _ = timeout(
            PATIENCE,
            writing.write_all(format!("{answer}\n").as_bytes()),
        )
        .await;
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        if self.listener.is_some() {
            let _ = std::fs::remove_file(&self.place);
        }
    }
}

/// The other side: asks the bot that runs on a data folder.
///
/// # Errors
/// None runs; its own words when it refuses.
pub(super) fn ask(data: &Path, order: &Value) -> Result<Value, Failure> {
    let place = data.join(NAME);
    let nobody = |error: std::io::Error| {
        Failure::failed(
            format!(
                "no bot answers on the data folder {}: {error}",
                data.display()
            ),
            "start it; what it loads then is what is there then",
        )
    };
    let mut stream = std::os::unix::net::UnixStream::connect(&place).map_err(nobody)?;
    stream.set_read_timeout(Some(ANSWER)).map_err(nobody)?;
    stream
        .write_all(format!("{order}\n").as_bytes())
        .map_err(nobody)?;
    let mut line = String::new();
    let mut reader = BufReader::new(stream.take(1 << 20));
    reader.read_line(&mut line).map_err(nobody)?;
    let answer: Value = serde_json::from_str(&line)
        .map_err(|_| Failure::failed("the bot ended before it answered", "see its log"))?;
    let text = |key: &str| answer.get(key).and_then(Value::as_str).map(str::to_owned);
    match text("error") {
        Some(words) => Err(Failure::failed(words, text("help").unwrap_or_default())),
        None => Ok(answer),
    }
}
