//! The query string of a gateway address (gateway.md sections 1 and 3).

/// Transport compression.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// Text frames.
    #[default]
    None,
    /// One deflate stream, sync-flushed after each payload.
    Zlib,
    /// One zstd frame that never ends, flushed after each payload.
    Zstd,
}

/// What a client asked for when it connected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// `v`, 10 when missing; `None` is not a number.
    pub version: Option<u32>,
    /// `encoding=json`, or nothing said.
    pub json: bool,
    /// `compress`.
    pub compression: Compression,
}

impl Query {
    /// Reads the part after `?`, in any order.
    pub fn parse(query: &str) -> Self {
        let mut parsed = Self {
            version: Some(10),
            json: true,
            compression: Compression::None,
        };
        for (key, value) in url::form_urlencoded::parse(query.as_bytes()) {
            match (key.as_ref(), value.as_ref()) {
                ("v", version) => parsed.version = version.parse().ok(),
                ("encoding", encoding) => parsed.json = encoding == "json",
                ("compress", "zlib-stream") => parsed.compression = Compression::Zlib,
                ("compress", "zstd-stream") => parsed.compression = Compression::Zstd,
                _ => {}
            }
        }
        parsed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_version_and_encoding_mean_ten_and_json() {
        let query = Query::parse("");
        assert_eq!((query.version, query.json), (Some(10), true));
    }

    #[test]
    fn parameters_come_in_any_order() {
        let query = Query::parse("compress=zlib-stream&encoding=etf&v=9");
        assert_eq!(query.compression, Compression::Zlib);
        assert_eq!((query.version, query.json), (Some(9), false));
        assert_eq!(Query::parse("v=x").version, None);
    }
}
