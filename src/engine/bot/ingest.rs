//! What plugins fetch: sounds that are to be kept, made ready, and answers of services.

use std::sync::Arc;

use crate::fetch::{FetchError, Input, WebAnswer, WebRequest};
use crate::ingest::{self, IngestError, IngestHow, Made};
use crate::{Bot, PlayError, PlayWhat, Query, Target};

impl Bot {
    /// Asks a service on the web for a plugin. Checked like everything that is fetched; no redirect is
    /// followed.
    ///
    /// # Errors
    /// See [`FetchError`].
    pub async fn request(&self, request: &WebRequest) -> Result<WebAnswer, FetchError> {
        self.inner.fetcher.request(request).await
    }

    /// Makes a short sound ready to be kept; a download is thrown away afterwards. One at a time:
    /// others wait. `name` is what people call the file, for messages.
    ///
    /// # Errors
    /// See [`IngestError`].
    pub async fn ingest(
        &self,
        what: PlayWhat,
        name: Option<String>,
        how: IngestHow,
    ) -> Result<Made, IngestError> {
        let one = self.inner.ingests.acquire().await;
        let query = match &what {
            PlayWhat::Path(path) => Query::Path(path),
            PlayWhat::Url(url) => Query::Text(url),
            PlayWhat::Live(_) => return Err(IngestError::Endless),
        };
        let found = self.inner.resolvers.resolve(query).await;
        let (input, address) = match found.map_err(PlayError::from)?.target {
            Target::File(path) => (Input::File(Arc::new(path)), None),
            Target::Address(address) => {
                let fetched = self.inner.fetcher.open_at_most(&address, how.max_bytes);
                (fetched.await.map_err(fetch_error)?, Some(address))
            }
        };
        let made =
            tokio::task::spawn_blocking(move || ingest::make(&input, name.as_deref(), &how)).await;
        if let Some(address) = address {
            self.inner.fetcher.forget(&address);
        }
        drop(one);
        made.map_err(|_| IngestError::Play(PlayError::DecoderGone))?
    }
}

/// The limit is that of whoever asked, not the fetcher's.
fn fetch_error(error: FetchError) -> IngestError {
    match error {
        FetchError::TooLarge { limit, .. } => IngestError::TooLarge {
            bytes: None,
            most: limit,
        },
        other => IngestError::Play(other.into()),
    }
}
