//! From what somebody asks for to where it is: the seam for radio directories, streaming protocols and
//! downloaders.
//!
//! A resolver only says where a sound is. The address it gives is opened by the one fetcher of the bot,
//! with all its checks, so no resolver can lead into a private network or past a limit.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::future::BoxFuture;
use url::Url;

/// What somebody asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Query<'a> {
    /// A file on this machine, named by who may read files. Text never becomes one of these: an address
    /// from a chat must not open the bot's own files.
    Path(&'a Path),
    /// A web address, or whatever else a resolver understands.
    Text(&'a str),
}

impl fmt::Display for Query<'_> {
    /// Without the query of an address, which may hold a signature.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => match path.file_name() {
                Some(name) => f.write_str(&name.to_string_lossy()),
                None => write!(f, "{}", path.display()),
            },
            Self::Text(text) => {
                let text = text.split(['?', '#']).next().unwrap_or_default();
                f.write_str(&text.chars().take(120).collect::<String>())
            }
        }
    }
}

/// Where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A file on this machine.
    File(PathBuf),
    /// An http or https address, opened by the fetcher.
    Address(String),
}

/// What a resolver found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// Where the sound is.
    pub target: Target,
    /// What to call it, when its own tags do not say.
    pub title: Option<String>,
}

impl From<Target> for Resolved {
    fn from(target: Target) -> Self {
        Self {
            target,
            title: None,
        }
    }
}

/// Nothing was found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// No resolver knows what to do with it.
    #[error("nothing here can play `{query}`; give a web address (http or https) or a file")]
    Unclaimed {
        /// What was asked for.
        query: String,
    },
    /// The resolver that knows such queries found nothing.
    #[error("{resolver} cannot find `{query}`: {reason}; {remedy}")]
    Failed {
        /// The resolver.
        resolver: String,
        /// What was asked for.
        query: String,
        /// Why.
        reason: String,
        /// What to do.
        remedy: String,
    },
}

/// Finds sounds.
pub trait Resolver: Send + Sync {
    /// Its name in messages: one or two plain words.
    fn name(&self) -> &str;

    /// Whether such queries are its own. Quick, without looking anything up.
    fn claims(&self, query: Query<'_>) -> bool;

    /// Finds it. May ask others over the network and must bound how long that takes.
    ///
    /// # Errors
    /// See [`ResolveError`].
    fn resolve<'a>(&'a self, query: Query<'a>) -> BoxFuture<'a, Result<Resolved, ResolveError>>;
}

/// Resolvers in the order they are asked: the first that claims a query answers it.
#[derive(Clone, Default)]
pub struct Resolvers(Vec<Arc<dyn Resolver>>);

impl fmt::Debug for Resolvers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.0.iter().map(|one| one.name()))
            .finish()
    }
}

impl Resolvers {
    /// Adds one, asked after those that are there.
    pub fn add(&mut self, resolver: Arc<dyn Resolver>) {
        self.0.push(resolver);
    }

    /// These, and after them what is built in: files and web addresses as they are.
    #[must_use]
    pub fn with_built_in(&self) -> Self {
        let mut all = self.clone();
        all.add(Arc::new(Files));
        all.add(Arc::new(Web));
        all
    }

    /// Asks the first that claims the query.
    ///
    /// # Errors
    /// See [`ResolveError`].
    pub async fn resolve(&self, query: Query<'_>) -> Result<Resolved, ResolveError> {
        let Some(one) = self.0.iter().find(|one| one.claims(query)) else {
            let query = query.to_string();
            return Err(ResolveError::Unclaimed { query });
        };
        one.resolve(query).await
    }
}

/// Files of the library: the path is the place.
struct Files;

impl Resolver for Files {
    fn name(&self) -> &str {
        "the library"
    }

    fn claims(&self, query: Query<'_>) -> bool {
        matches!(query, Query::Path(_))
    }

    fn resolve<'a>(&'a self, query: Query<'a>) -> BoxFuture<'a, Result<Resolved, ResolveError>> {
        let found = match query {
            Query::Path(path) => Ok(Target::File(path.to_owned()).into()),
            Query::Text(_) => Err(unclaimed(query)),
        };
        Box::pin(std::future::ready(found))
    }
}

/// Attachments and every other sound that has a web address of its own.
struct Web;

impl Resolver for Web {
    fn name(&self) -> &str {
        "the web"
    }

    fn claims(&self, query: Query<'_>) -> bool {
        matches!(query, Query::Text(text) if is_web_address(text))
    }

    fn resolve<'a>(&'a self, query: Query<'a>) -> BoxFuture<'a, Result<Resolved, ResolveError>> {
        let found = match query {
            Query::Text(text) => Ok(Target::Address(text.to_owned()).into()),
            Query::Path(_) => Err(unclaimed(query)),
        };
        Box::pin(std::future::ready(found))
    }
}

fn unclaimed(query: Query<'_>) -> ResolveError {
    let query = query.to_string();
    ResolveError::Unclaimed { query }
}

fn is_web_address(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Knows `radio:` and gives a fixed address.
    struct Radio;

    impl Resolver for Radio {
        fn name(&self) -> &str {
            "radio"
        }

        fn claims(&self, query: Query<'_>) -> bool {
            matches!(query, Query::Text(text) if text.starts_with("radio:"))
        }

        fn resolve<'a>(
            &'a self,
            query: Query<'a>,
        ) -> BoxFuture<'a, Result<Resolved, ResolveError>> {
            Box::pin(async move {
                if query == Query::Text("radio:one") {
                    return Ok(Resolved {
                        target: Target::Address("http://radio.example/one".to_owned()),
                        title: Some("Radio One".to_owned()),
                    });
                }
                Err(ResolveError::Failed {
                    resolver: self.name().to_owned(),
                    query: query.to_string(),
                    reason: "there is no such station".to_owned(),
                    remedy: "look for another one".to_owned(),
                })
            })
        }
    }

    fn resolvers() -> Resolvers {
        let mut resolvers = Resolvers::default();
        resolvers.add(Arc::new(Radio));
        resolvers.with_built_in()
    }

    #[tokio::test]
    async fn addresses_and_paths_are_where_they_say() {
        let address = "https://example.org/a.mp3?sig=1";
        let found = resolvers().resolve(Query::Text(address)).await.unwrap();
        assert_eq!(found, Target::Address(address.to_owned()).into());
        let path = Path::new("/music/a.mp3");
        let found = resolvers().resolve(Query::Path(path)).await.unwrap();
        assert_eq!(found, Target::File(path.to_owned()).into());
    }

    #[tokio::test]
    async fn text_never_becomes_a_file_of_this_machine() {
        for text in [
            "/etc/passwd",
            "file:///etc/passwd",
            "C:\\x",
            "ftp://a/b",
            "",
        ] {
            let refused = resolvers().resolve(Query::Text(text)).await;
            assert!(
                matches!(refused, Err(ResolveError::Unclaimed { .. })),
                "{text}"
            );
        }
    }

    #[tokio::test]
    async fn a_resolver_of_ones_own_is_asked_first_and_says_why_it_fails() {
        let found = resolvers().resolve(Query::Text("radio:one")).await.unwrap();
        assert_eq!(found.title.as_deref(), Some("Radio One"));
        let failed = resolvers()
            .resolve(Query::Text("radio:two?key=secret"))
            .await;
        assert_eq!(
            failed.unwrap_err().to_string(),
            "radio cannot find `radio:two`: there is no such station; look for another one"
        );
    }
}
