//! Reads the tables into typed settings: all of them before anything is given up, so that every
//! problem is in the report.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::diagnostic::Severity;
use super::discord::discord;
use super::document::Node;
use super::mix::mix;
use super::parse::{self, Folders, Parsed, Problem};
use super::permissions::permissions;
use super::plugins::Plugin;
use super::reader::Reader;
use super::typed::{Config, Log, LogFormat, LogLevel, Net, Paths, Server, Voice};

/// Reads everything; `None` when anything is wrong (and then it is in the report).
pub(super) fn read(
    reader: &mut Reader<'_>,
    file: &Path,
    variables: &[(String, String)],
    plugins: Vec<Plugin>,
) -> Option<Config> {
    reader.read("", "schema", schema);
    let home = variables
        .iter()
        .find(|(name, _)| name == "HOME")
        .map(|(_, home)| PathBuf::from(home));
    let base = file.parent().unwrap_or(Path::new(""));
    let without_data = Folders {
        base,
        data: None,
        home: home.as_deref(),
    };
    let data = reader.read("paths", "data", |node| parse::path(node, &without_data));
    // With a wrong data folder the other paths are still checked, just not against the disk.
    let some_data = data.clone().unwrap_or_default();
    let folders = Folders {
        base,
        data: Some(&some_data),
        home: home.as_deref(),
    };

    // Everything is read before anything is given up, so that all problems are in the report.
    let discord = discord(reader, &folders, variables);
    let library = library(reader, &folders, data.is_some());
    let cache = reader.read("paths", "cache", |node| parse::path(node, &folders));
    let log = log(reader);
    let net = net(reader);
    let voice = voice(reader);
    let ids: Vec<String> = plugins.iter().map(|plugin| plugin.id.clone()).collect();
    let permissions = permissions(reader, &ids);
    let server = server(reader);
    Some(Config {
        folder: base.to_owned(),
        discord: discord?,
        paths: Paths {
            data: data?,
            library: library?,
            cache: cache?,
        },
        log: log?,
        net: net?,
        voice: voice?,
        permissions: permissions?,
        server: server?,
        plugins,
    })
}

fn schema(node: &Node) -> Parsed<()> {
    match parse::whole(node, 0, i128::MAX)? {
        1 => Ok(()),
        other => Err(Problem::at(
            node,
            format!("this file is of schema {other}, and this Mynah reads schema 1"),
            "write schema = 1, or use the Mynah this file was written for",
        )),
    }
}

fn library(
    reader: &mut Reader<'_>,
    folders: &Folders<'_>,
    check_disk: bool,
) -> Option<Vec<PathBuf>> {
    reader.read("paths", "library", |node| {
        parse::list(node, |node| {
            let path = parse::path(node, folders)?;
            // Folders inside the data folder are Mynah's own to make.
            let own = folders.data.is_some_and(|data| path.starts_with(data)) && !path.exists();
            if own || !check_disk {
                return Ok(path);
            }
            existing(node, path, Path::is_dir, "folder")
        })
    })
}

/// The path, if there is such a thing on the disk.
pub(super) fn existing(
    node: &Node,
    path: PathBuf,
    is: fn(&Path) -> bool,
    what: &str,
) -> Parsed<PathBuf> {
    if is(&path) {
        return Ok(path);
    }
    let shown = path.display();
    let message = if path.exists() {
        format!("{shown} is not a {what}")
    } else {
        format!("there is no {what} {shown}")
    };
    Err(Problem::at(
        node,
        message,
        "relative paths start at the folder of the configuration file",
    ))
}

fn log(reader: &mut Reader<'_>) -> Option<Log> {
    let level = reader.read("log", "level", |node| {
        parse::choice(
            node,
            &[
                ("error", LogLevel::Error),
                ("warn", LogLevel::Warn),
                ("info", LogLevel::Info),
                ("debug", LogLevel::Debug),
                ("trace", LogLevel::Trace),
            ],
        )
    });
    let format = reader.read("log", "format", |node| {
        parse::choice(
            node,
            &[("pretty", LogFormat::Pretty), ("json", LogFormat::Json)],
        )
    });
    Some(Log {
        level: level?,
        format: format?,
    })
}

fn net(reader: &mut Reader<'_>) -> Option<Net> {
    let max_body_bytes = reader.read("net", "max_body", |node| {
        parse::size(node, 1 << 10, 16 << 30)
    });
    let timeout = reader.read("net", "timeout", |node| {
        parse::duration(node, Duration::from_secs(1), Duration::from_secs(300))
    });
    let max_redirects = reader.read("net", "max_redirects", |node| parse::whole(node, 0, 20));
    let private_origins = reader.read("net", "private_origins", |node| parse::list(node, origin));
    Some(Net {
        private_origins: private_origins?,
        max_body_bytes: max_body_bytes?,
        timeout: timeout?,
        max_redirects: usize::try_from(max_redirects?).ok()?,
    })
}

/// `http://127.0.0.1:5050`: scheme, host and port, and nothing behind.
fn origin(node: &Node) -> Parsed<String> {
    let written = parse::filled(node)?;
    let url = url::Url::parse(&written).ok();
    let url = url.filter(|url| matches!(url.scheme(), "http" | "https"));
    match url.filter(|url| url.path() == "/" && url.query().is_none() && url.username().is_empty())
    {
        Some(url) => Ok(url.origin().ascii_serialization()),
        None => Err(Problem::at(
            node,
            format!("`{written}` is not an origin"),
            "write it as \"http://127.0.0.1:5050\"",
        )),
    }
}

fn voice(reader: &mut Reader<'_>) -> Option<Voice> {
    let bitrate_bps = reader.read("voice", "bitrate", parse::bitrate);
    let complexity = reader.read("voice", "complexity", |node| parse::whole(node, 0, 10));
    let reconnect_give_up = reader.read("voice", "reconnect_give_up", |node| {
        parse::duration(
            node,
            Duration::from_secs(1),
            Duration::from_secs(7 * 86_400),
        )
    });
    let idle_leave = reader.read("voice", "idle_leave", |node| {
        parse::duration(node, Duration::ZERO, Duration::from_secs(86_400))
    });
    let realtime = reader.read("voice", "realtime", parse::flag);
    let threads = reader.read("voice", "threads", |node| parse::whole(node, 1, 64));
    let dave = reader.read("voice", "dave", parse::flag);
    let allow_legacy_modes = reader.read("voice", "allow_legacy_modes", parse::flag);
    let mix = mix(reader);
    Some(Voice {
        bitrate_bps: bitrate_bps?,
        complexity: u8::try_from(complexity?).ok()?,
        reconnect_give_up: reconnect_give_up?,
        idle_leave: idle_leave.map(|time| Some(time).filter(|time| !time.is_zero()))?,
        realtime: realtime?,
        threads: usize::try_from(threads?).ok()?,
        dave: dave?,
        allow_legacy_modes: allow_legacy_modes?,
        mix: mix?,
    })
}

fn server(reader: &mut Reader<'_>) -> Option<Server> {
    let port = |node: &Node| parse::whole(node, 0, i128::from(u16::MAX));
    let http_port = reader.read("server", "http_port", port);
    let voice_port = reader.read("server", "voice_port", port);
    let seed = reader.read("server", "seed", |node| {
        parse::whole(node, 0, i128::from(i64::MAX))
    });
    let legacy_modes = reader.read("server", "legacy_modes", parse::flag);
    if let (Some(http), Some(voice)) = (http_port, voice_port)
        && http == voice
        && http != 0
        && let Some(entry) = reader.entry("server", "voice_port")
    {
        let place = entry.node.place.clone();
        let message = "http_port and voice_port are the same";
        reader.note(
            Severity::Error,
            "server",
            place,
            message,
            "take two ports, or 0 for free ones",
        );
    }
    Some(Server {
        http_port: u16::try_from(http_port?).ok()?,
        voice_port: u16::try_from(voice_port?).ok()?,
        seed: u64::try_from(seed?).ok()?,
        legacy_modes: legacy_modes?,
    })
}
