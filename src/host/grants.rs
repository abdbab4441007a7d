//! What the operator allows a plugin (architecture C5.7). This guards against mistakes and gives
//! the operator a picture; native code in the process is trusted code.

use crate::OpError;
use std::path::{Path, PathBuf};
use url::Url;

/// `[plugins.<id>] grant` of bot.toml.
#[derive(Clone, Debug, Default)]
pub(crate) struct Grants {
    plugin: String,
    list: Vec<String>,
    /// Relative folders are meant from here.
    base: PathBuf,
}

impl Grants {
    pub(crate) fn new(plugin: &str, list: &[String], base: &Path) -> Self {
        Self {
            plugin: plugin.to_owned(),
            list: list.to_vec(),
            base: base.to_owned(),
        }
    }

    /// Is the capability, say `voice.speak` or `fs.read:media`, granted as asked?
    pub(crate) fn has(&self, cap: &str) -> bool {
        self.list.iter().any(|grant| covers(grant, cap))
    }

    /// Is anything of this kind granted, whatever is behind the colon?
    pub(crate) fn has_any(&self, kind: &str) -> bool {
        self.list
            .iter()
            .any(|grant| grant.split(':').next() == Some(kind))
    }

    pub(crate) fn require(&self, cap: &str) -> Result<(), OpError> {
        if self.has(cap) {
            Ok(())
        } else {
            Err(self.denied(cap))
        }
    }

    /// Is anything of these kinds granted, whatever is behind the colon?
    pub(crate) fn require_any_kind_of(&self, caps: &[&str]) -> Result<(), OpError> {
        if caps.iter().any(|cap| self.has_any(cap)) {
            return Ok(());
        }
        Err(self.denied(caps.first().copied().unwrap_or_default()))
    }

    fn denied(&self, cap: &str) -> OpError {
        let plugin = &self.plugin;
        OpError::Denied(format!(
            "plugin `{plugin}` is not granted `{cap}`; add it to `grant` in [plugins.{plugin}] of \
             bot.toml if that is what you want"
        ))
    }

    /// The web address, if its host is granted.
    pub(crate) fn url(&self, url: &str) -> Result<(), OpError> {
        let parsed = Url::parse(url)
            .map_err(|error| OpError::Invalid(format!("`{url}` is not a web address: {error}")))?;
        let host = parsed.host_str().unwrap_or_default();
        self.require(&format!("net.http:{host}"))
    }

    /// The real path of a folder to write to, which is made if it is not there: it is granted for
    /// writing, or lies in one that is. Links are followed first. May block on the disk.
    pub(crate) fn write_dir(&self, dir: &str) -> Result<String, OpError> {
        let denied = || self.denied(&format!("fs.write:{dir}"));
        let asked = self.base.join(dir);
        let plain =
            |part: std::path::Component<'_>| !matches!(part, std::path::Component::ParentDir);
        if dir.is_empty() || !self.has_any("fs.write") || !asked.components().all(plain) {
            return Err(denied());
        }
        let failed = |error: std::io::Error| OpError::Failed(format!("`{dir}`: {error}"));
        // The granted folder first: nothing is made beside it.
        let granted = self
            .list
            .iter()
            .filter_map(|grant| grant.strip_prefix("fs.write:"));
        let above = granted
            .filter(|granted| !granted.is_empty())
            .map(|granted| match granted {
                "*" => PathBuf::from("/"),
                granted => self.base.join(granted),
            })
            .find(|granted| asked.starts_with(granted))
            .ok_or_else(denied)?;
        std::fs::create_dir_all(&above).map_err(failed)?;
        let above = above.canonicalize().map_err(failed)?;
        let mut existing = asked.as_path();
        while !existing.exists() {
            existing = existing.parent().ok_or_else(denied)?;
        }
        if !existing.canonicalize().map_err(failed)?.starts_with(&above) {
            return Err(denied());
        }
        std::fs::create_dir_all(&asked).map_err(failed)?;
        let real = asked.canonicalize().map_err(failed)?;
        let real = real.into_os_string().into_string();
        real.map_err(|_| OpError::Invalid(format!("`{dir}` leads to no UTF-8 path")))
    }

    /// The real path of a file or folder, if it lies in a folder granted for reading. Links are
    /// followed first: a link out of a granted folder leads to a refusal. May block on the disk.
    pub(crate) fn read_path(&self, path: &str) -> Result<PathBuf, OpError> {
        if !self.has_any("fs.read") {
            return Err(self.denied(&format!("fs.read:{path}")));
        }
        let wanted = self.base.join(path);
        let real = wanted
            .canonicalize()
            .map_err(|error| OpError::Invalid(format!("`{path}` can not be opened: {error}")))?;
        let allowed = self
            .list
            .iter()
            .filter_map(|grant| grant.strip_prefix("fs.read:"))
            // `fs.read:` alone would be the folder of bot.toml, and the token is often there.
            .filter(|dir| !dir.is_empty())
            .any(|dir| {
                let folder = || self.base.join(dir).canonicalize();
                dir == "*" || folder().is_ok_and(|folder| real.starts_with(folder))
            });
        if allowed {
            Ok(real)
        } else {
            Err(self.denied(&format!("fs.read:{path}")))
        }
    }
}

/// Does a grant cover a capability? Equal, or `*` behind the colon, or for hosts a `*.` in front.
fn covers(grant: &str, cap: &str) -> bool {
    if grant == cap {
        return true;
    }
    let (Some((grant, allowed)), Some((kind, asked))) =
        (grant.split_once(':'), cap.split_once(':'))
    else {
        return false;
    };
    if grant != kind {
        return false;
    }
    if allowed == "*" {
        return true;
    }
    match (kind, allowed.strip_prefix("*.")) {
        ("net.http", Some(domain)) => asked
            .strip_suffix(domain)
            .is_some_and(|sub| sub.ends_with('.')),
        ("fs.read" | "fs.write", None) => {
            allowed.trim_end_matches('/') == asked.trim_end_matches('/')
        }
        _ => false,
    }
}

/// Every capability there is, `:` behind those that say of what.
const KNOWN: [&str; 13] = [
    "voice.speak",
    "voice.speak:",
    "voice.listen",
    "voice.opus",
    "chat.send",
    "commands",
    "discord.rest",
    "store",
    "process",
    "gateway.events:",
    "net.http:",
    "fs.read:",
    "fs.write:",
];

/// What may stand behind `voice.speak:`.
const LANES: [&str; 4] = ["speech", "fx", "notice", "*"];

/// What is wrong with the word, if anything, and what was probably meant.
pub(crate) fn misspelt(grant: &str) -> Option<(String, Option<String>)> {
    let (kind, of) = match grant.split_once(':') {
        Some((kind, of)) => (format!("{kind}:"), Some(of)),
        None => (grant.to_owned(), None),
    };
    if let Some(lane) = of.filter(|of| kind == "voice.speak:" && !LANES.contains(of)) {
        let meant = mynah_plugin::nearest(lane, &LANES).map(|lane| format!("{kind}{lane}"));
        let words = format!("there is no lane `{lane}`; there are: speech, fx, notice");
        return Some((words, meant));
    }
    if KNOWN.contains(&kind.as_str()) {
        let nothing = of.is_some_and(str::is_empty);
        return nothing.then(|| (format!("`{grant}` does not say of what"), None));
    }
    if of.is_none() && KNOWN.contains(&format!("{kind}:").as_str()) {
        return Some((
            format!("`{grant}` does not say of what"),
            Some(format!("{grant}:*")),
        ));
    }
    let meant = mynah_plugin::nearest(&kind, &KNOWN);
    let meant = meant.map(|meant| format!("{meant}{}", of.unwrap_or_default()));
    Some((format!("there is no capability `{grant}`"), meant))
}

/// Is a need such as `fs.read:*` met by what is granted? `*` in a need asks for anything of the
/// kind; which exactly is the operator's choice.
pub(crate) fn meets(grants: &[String], need: &str) -> bool {
    let kind = need.strip_suffix(":*");
    grants.iter().any(|grant| {
        covers(grant, need) || kind.is_some_and(|kind| grant.split(':').next() == Some(kind))
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn grants(list: &[&str], base: &Path) -> Grants {
        let list: Vec<String> = list.iter().map(ToString::to_string).collect();
        Grants::new("music", &list, base)
    }

    #[test]
    fn a_refusal_names_the_capability_the_plugin_and_the_place_to_add_it() {
        let refused = grants(&["commands"], Path::new(".")).require("voice.speak");
        let words = refused.unwrap_err().to_string();
        for part in ["`music`", "`voice.speak`", "[plugins.music]"] {
            assert!(words.contains(part), "{words}");
        }
    }

    #[test]
    fn a_host_grant_covers_its_subdomains_only_with_a_star() {
        let grants = grants(&["net.http:a.org", "net.http:*.b.org"], Path::new("."));
        assert!(grants.url("https://a.org/x").is_ok());
        assert!(grants.url("https://cdn.b.org/x").is_ok());
        assert!(grants.url("https://b.org/x").is_err());
        assert!(grants.url("https://evilb.org/x").is_err());
        assert!(grants.url("https://c.a.org/x").is_err());
        assert!(matches!(grants.url("not a url"), Err(OpError::Invalid(_))));
    }

    #[test]
    fn a_folder_is_made_only_within_one_that_is_granted_for_writing() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("secret")).unwrap();
        let grants = grants(&["fs.write:sounds", "fs.read:*"], dir.path());
        let made = grants.write_dir("sounds/12").unwrap();
        assert!(Path::new(&made).is_dir() && made.ends_with("sounds/12"));
        std::os::unix::fs::symlink("../secret", dir.path().join("sounds/link")).unwrap();
        for bad in [
            "secret",
            "sounds/../secret",
            "soundsx",
            "sounds/link",
            "sounds/link/x",
            "",
            "/",
        ] {
            let refused = grants.write_dir(bad);
            assert!(
                matches!(refused, Err(OpError::Denied(_))),
                "{bad}: {refused:?}"
            );
        }
        assert!(!dir.path().join("secret/x").exists());
    }

    #[test]
    fn files_outside_the_granted_folder_are_refused_even_through_dots_and_links() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("media/sub")).unwrap();
        std::fs::write(dir.path().join("media/sub/a.mp3"), "a").unwrap();
        std::fs::write(dir.path().join("secret"), "s").unwrap();
        std::os::unix::fs::symlink("../secret", dir.path().join("media/link")).unwrap();
        let grants = grants(&["fs.read:media"], dir.path());
        assert!(grants.read_path("media/sub/a.mp3").is_ok());
        assert!(matches!(
            grants.read_path("media/../secret"),
            Err(OpError::Denied(_))
        ));
        assert!(matches!(
            grants.read_path("media/link"),
            Err(OpError::Denied(_))
        ));
        assert!(matches!(
            grants.read_path("media/none.mp3"),
            Err(OpError::Invalid(_))
        ));
    }

    #[test]
    fn a_grant_that_does_not_say_of_what_grants_nothing() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("bot.toml"), "token").unwrap();
        let refused = grants(&["fs.read:"], dir.path()).read_path("bot.toml");
        assert!(matches!(refused, Err(OpError::Denied(_))), "{refused:?}");
    }

    #[test]
    fn without_any_folder_granted_even_a_missing_file_is_a_refusal() {
        let refused = grants(&["commands"], Path::new("/")).read_path("nowhere/at/all");
        assert!(
            matches!(refused, Err(OpError::Denied(_))),
            "it must not tell what exists"
        );
    }

    #[test]
    fn a_misspelt_capability_is_found_with_the_one_that_was_meant() {
        assert_eq!(misspelt("voice.speak"), None);
        assert_eq!(misspelt("fs.read:media"), None);
        assert_eq!(misspelt("voice.speak:fx"), None);
        let (words, meant) = misspelt("voice.speak:speach").unwrap();
        assert_eq!(meant.as_deref(), Some("voice.speak:speech"), "{words}");
        let (_, meant) = misspelt("voice.speek").unwrap();
        assert_eq!(meant.as_deref(), Some("voice.speak"));
        let (_, meant) = misspelt("fs.raed:media").unwrap();
        assert_eq!(meant.as_deref(), Some("fs.read:media"));
        let (words, meant) = misspelt("net.http").unwrap();
        assert_eq!(
            (words.as_str(), meant.as_deref()),
            ("`net.http` does not say of what", Some("net.http:*"))
        );
        assert_eq!(misspelt("everything").unwrap().1, None);
    }

    #[test]
    fn a_need_with_a_star_is_met_by_any_grant_of_its_kind() {
        let granted = ["fs.read:media".to_owned()];
        assert!(meets(&granted, "fs.read:*"));
        assert!(meets(&granted, "fs.read:media/"));
        assert!(!meets(&granted, "fs.read:other"));
        assert!(!meets(&granted, "fs.write:*"));
    }
}
