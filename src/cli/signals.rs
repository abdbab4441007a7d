//! Ctrl-C and SIGTERM: the first one ends cleanly, the second one at once.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::exit::Failure;
use super::out;

/// Cancelled by the first signal; the second ends the process.
///
/// # Errors
/// When the system does not let us listen to signals.
pub(super) fn listen() -> Result<CancellationToken, Failure> {
    let fail = |error| Failure::failed(format!("cannot listen to signals: {error}"), "");
    let mut interrupt = signal(SignalKind::interrupt()).map_err(fail)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(fail)?;
    let stop = CancellationToken::new();
    let cancel = stop.clone();
    tokio::spawn(async move {
        for signals in 0.. {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if signals > 0 {
                out::error("ended at once");
                std::process::exit(1);
            }
            out::error("ending; press Ctrl-C again to end at once");
            cancel.cancel();
        }
    });
    Ok(stop)
}
