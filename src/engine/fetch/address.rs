//! Which addresses may be reached: checked after DNS and on every redirect.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use futures_util::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

/// Redirects followed for one request, if nobody says otherwise.
pub const REDIRECTS: usize = 4;

/// Asks for the addresses of a name.
pub trait Lookup: Send + Sync {
    /// All addresses of `name`.
    fn lookup(&self, name: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>>;
}

/// The resolver of the operating system.
struct System;

impl Lookup for System {
    fn lookup(&self, name: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name, 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}

/// Why a request does not leave this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Barrier {
    /// The name, or where a redirect leads, is inside.
    #[error("it leads to a private address")]
    Private,
    /// A chain of redirects, or a circle.
    #[error("it is redirected more than {0} times")]
    Redirects(usize),
    /// A redirect to something else than http and https.
    #[error("it is redirected to something that is no web address")]
    NotWeb,
}

/// What may be reached: a resolver that answers with public addresses only. So a name cannot be
/// pointed inside after it was checked: the address that passed is the one connected to.
#[derive(Clone)]
pub struct Reach {
    lookup: Arc<dyn Lookup>,
    is_public: fn(IpAddr) -> bool,
    redirects: usize,
}

impl fmt::Debug for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reach")
    }
}

impl Default for Reach {
    fn default() -> Self {
        Self::new(Arc::new(System), is_public)
    }
}

impl Reach {
    /// Everything whose address `is_public`.
    pub fn new(lookup: Arc<dyn Lookup>, is_public: fn(IpAddr) -> bool) -> Self {
        Self {
            lookup,
            is_public,
            redirects: REDIRECTS,
        }
    }

    /// The same with so many redirects for one request.
    #[must_use]
    pub fn with_redirects(mut self, redirects: usize) -> Self {
        self.redirects = redirects;
        self
    }

    /// Checks what the HTTP client would not ask the resolver about: addresses written as numbers. The
    /// URL parser has made one spelling of them all (`0x7f.1`, `2130706433`, `[::ffff:7f00:1]`).
    ///
    /// # Errors
    /// What is in the way.
    pub fn check(&self, url: &Url) -> Result<(), Barrier> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Barrier::NotWeb);
        }
        let reachable = match url.host() {
            Some(Host::Ipv4(v4)) => (self.is_public)(IpAddr::V4(v4)),
            Some(Host::Ipv6(v6)) => (self.is_public)(IpAddr::V6(v6)),
            Some(Host::Domain(name)) => !is_this_machine(name),
            None => false,
        };
        if reachable {
            Ok(())
        } else {
            Err(Barrier::Private)
        }
    }

    /// Follows a few redirects, each of them checked.
    pub fn redirects(&self) -> reqwest::redirect::Policy {
        let reach = self.clone();
        reqwest::redirect::Policy::custom(move |attempt| {
            if attempt.previous().len() > reach.redirects {
                return attempt.error(Barrier::Redirects(reach.redirects));
            }
            match reach.check(attempt.url()) {
                Ok(()) => attempt.follow(),
                Err(barrier) => attempt.error(barrier),
            }
        })
    }
}

impl Resolve for Reach {
    fn resolve(&self, name: Name) -> Resolving {
        let (asked, is_public) = (self.lookup.lookup(name.as_str().to_owned()), self.is_public);
        Box::pin(async move {
            let found = asked.await?;
            let public: Vec<SocketAddr> = found
                .into_iter()
                .filter(|address| is_public(*address))
                .map(|address| SocketAddr::new(address, 0))
                .collect();
            if public.is_empty() {
                return Err(Barrier::Private.into());
            }
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}

fn is_this_machine(name: &str) -> bool {
    let name = name.trim_end_matches('.');
    name == "localhost" || name.ends_with(".localhost")
}

/// Whether an address is reachable for everybody: not private, loopback, link-local, multicast,
/// documentation, shared or reserved space (IANA special-purpose registries, RFC 6890).
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(v4: Ipv4Addr) -> bool {
    let [a, b, c, _] = v4.octets();
    !(v4.is_private()
        || v4.is_loopback()
        || v4.is_link_local()
        || v4.is_multicast()
        || v4.is_broadcast()
        || v4.is_documentation()
        || a == 0
        || a >= 240
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 198 && (18..20).contains(&b)))
}

fn is_public_v6(v6: Ipv6Addr) -> bool {
    // Mapped, compatible, 6to4 and NAT64 addresses are as public as the IPv4 inside them.
    let segments = v6.segments();
    let embedded = match segments {
        [0, 0, 0, 0, 0, 0 | 0xFFFF, high, low] | [0x64, 0xFF9B, 0, 0, 0, 0, high, low] => {
            Some((high, low))
        }
        [0x2002, high, low, ..] => Some((high, low)),
        _ => None,
    };
    if let Some((high, low)) = embedded {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        return is_public_v4(Ipv4Addr::new(a, b, c, d));
    }
    // Global unicast is 2000::/3; 2001:db8::/32 and 3fff::/20 (RFC 9637) are documentation, 2001::/23
    // are protocol assignments, Teredo among them.
    let [first, second, ..] = segments;
    (first & 0xE000) == 0x2000
        && !(first == 0x2001 && (second == 0x0DB8 || second < 0x0200))
        && !(first == 0x3FFF && second < 0x1000)
}
