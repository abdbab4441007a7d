//! `mynah plugin new`: a crate that builds, with a command, a setting, a state and a test.

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::cli::exit::Failure;
use crate::cli::settings::absolute;

use super::{PluginArgs, say};

/// Longest id (the host refuses longer ones).
const MAX_ID: usize = 32;

/// Writes the folder. Nothing that exists is touched.
///
/// # Errors
/// The name is no id, the folder exists or cannot be written, or mynah-plugin is not found.
pub(super) fn new(
    args: &PluginArgs,
    name: &str,
    folder: Option<&Path>,
    sdk: Option<&Path>,
) -> Result<(), Failure> {
    check(name)?;
    let folder = folder.map_or_else(|| PathBuf::from(name), Path::to_owned);
    let shown = folder.display().to_string();
    if folder.exists() {
        return Err(Failure::usage(
            format!("{shown} exists"),
            "choose another name, or another --folder",
        ));
    }
    let sdk = sdk.map_or_else(|| find_sdk(&folder), |sdk| Some(sdk.to_owned()));
    let sdk = sdk.filter(|sdk| sdk.join("Cargo.toml").is_file());
    let sdk = sdk.ok_or_else(|| {
        Failure::usage(
            "mynah-plugin is not found from here",
            "say --sdk FOLDER: plugins/api in a clone of Mynah's source",
        )
    })?;
    let files = [
        ("Cargo.toml", cargo_toml(name, &absolute(&sdk))),
        ("src/lib.rs", fill(LIB, name)),
        ("tests/in_town.rs", fill(TOWN, name)),
        (".gitignore", "/target\n".to_owned()),
    ];
    let written = files.iter().try_for_each(|(file, text)| {
        let file = folder.join(file);
        file.parent().map_or(Ok(()), std::fs::create_dir_all)?;
        std::fs::write(file, text)
    });
    written.map_err(|error| Failure::failed(format!("cannot write {shown}: {error}"), ""))?;
    say(
        args,
        || json!({ "id": name, "folder": shown, "files": files.map(|(file, _)| file) }),
        || {
            format!(
                "{shown} is a plugin now. Its test, its file, its lines for bot.toml:\n\n  \
                 cargo test --manifest-path {shown}/Cargo.toml\n  mynah plugin build {shown}\n\n\
                 With people, in virtual time (builds for some minutes, once):\n\n  \
                 cargo test --manifest-path {shown}/Cargo.toml --features town\n"
            )
        },
    );
    Ok(())
}

fn check(name: &str) -> Result<(), Failure> {
    let kebab = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let starts = name.starts_with(|c: char| c.is_ascii_lowercase());
    if starts && name.len() <= MAX_ID && name.chars().all(kebab) && !name.ends_with('-') {
        return Ok(());
    }
    Err(Failure::usage(
        format!("`{name}` cannot be an id"),
        "1 to 32 small letters, digits and `-`, a letter first; coin-flip, say",
    ))
}

/// plugins/api of the source around the new folder, or around this program.
fn find_sdk(folder: &Path) -> Option<PathBuf> {
    let program = std::env::current_exe().ok();
    let places = [Some(absolute(folder)), program];
    places.iter().flatten().find_map(|place| {
        let mut around = place.ancestors().map(|outer| outer.join("plugins/api"));
        around.find(|sdk| sdk.join("include/mynah_plugin.h").is_file())
    })
}

fn cargo_toml(name: &str, sdk: &Path) -> String {
    // plugins/api and tests/kit stand in the same clone.
    let clone = sdk.ancestors().nth(2);
    let kit = clone.map_or_else(
        || sdk.join("../../tests/kit"),
        |clone| clone.join("tests/kit"),
    );
    // A JSON string is a TOML string as well.
    let text = |path: &Path| json!(path.display().to_string());
    let (sdk, kit) = (text(sdk), text(&kit));
    format!(
        "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n\
         [dependencies]\nmynah-plugin = {{ path = {sdk} }}\n\
         # For tests alone: an optional one, since the kit brings the whole bot along.\n\
         mynah-testkit = {{ path = {kit}, features = [\"town\"], optional = true }}\n\
         serde = {{ version = \"1\", features = [\"derive\"] }}\nserde_json = \"1\"\n\n\
         [features]\ntown = [\"dep:mynah-testkit\"]\n\n\
         [[test]]\nname = \"in_town\"\nrequired-features = [\"town\"]\n\n\
         # It is a workspace of its own, wherever it stands.\n[workspace]\n"
    )
}

/// `NAME` is the id, `Name` the type, `IDENT` the crate as Rust writes it.
fn fill(text: &str, name: &str) -> String {
    let word = |word: &str| {
        let mut letters = word.chars();
        let first = letters.next().map(|letter| letter.to_ascii_uppercase());
        first.into_iter().chain(letters).collect::<String>()
    };
    let kind: String = name.split('-').map(word).collect();
    let ident = name.replace('-', "_");
    let text = text.replace("IDENT", &ident);
    text.replace("NAME", name).replace("Name", &kind)
}

/// The new crate's code.
const LIB: &str = r#"//! `/NAME` greets and counts.

use mynah_plugin::{About, Commands, Cx, Event, Need, Plugin, Result, Saved, Slash};

/// One instance of the plugin: what it knows, without locks.
pub struct Name {
    greeting: String,
    greeted: u64,
}

/// `[plugins.NAME]` of bot.toml: an unknown key is an error there, with a suggestion.
#[derive(serde::Deserialize)]
#[serde(default)]
pub struct Config {
    /// What it says.
    pub greeting: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            greeting: "Hello".into(),
        }
    }
}

impl Plugin for Name {
    const ABOUT: About = About::new("NAME", "Name", "0.1.0", "Greets and counts.")
        .needs(&[Need::required("commands", "to offer /NAME")]);
    type Config = Config;

    fn start(cx: &mut Cx<'_, Self>, config: Config, saved: Option<Saved>) -> Result<Self> {
        cx.set_commands(&Commands::new().slash(Slash::new("NAME", "Greets you")))?;
        // A restart, a reload, a fault: it goes on counting.
        let greeted = saved.and_then(|saved| saved.read().ok()).unwrap_or(0);
        Ok(Self {
            greeting: config.greeting,
            greeted,
        })
    }

    fn event(&mut self, cx: &mut Cx<'_, Self>, event: Event<'_>) -> Result<()> {
        if let Event::Interaction(asked) = event {
            self.greeted += 1;
            let text = format!("{}, number {}!", self.greeting, self.greeted);
            cx.detach("/NAME", asked.reply(text));
        }
        Ok(())
    }

    fn save(&mut self) -> Result<Saved> {
        Saved::json(&self.greeted)
    }
}

mynah_plugin::export!(Name);

#[cfg(test)]
mod tests {
    use mynah_plugin::testing::{Answer, Stage};
    use serde_json::json;

    #[test]
    fn it_greets_and_counts() {
        let mut stage = Stage::start(&super::ENTRY, &json!({ "greeting": "Hi" })).unwrap();
        stage.script(|_| Answer::Done(json!(null)));
        stage.command("NAME", json!({}));
        stage.command("NAME", json!({}));
        assert_eq!(stage.said(), ["Hi, number 1!", "Hi, number 2!"]);
    }
}
"#;

/// The new crate's test with people.
const TOWN: &str = r#"//! People use it: host, server and people in virtual time. `cargo test --features town`

use IDENT::ENTRY;
use mynah_testkit::Town;
use serde_json::json;
use std::time::Duration;

#[test]
fn people_are_greeted_and_a_restart_goes_on_counting() {
    let mut town = Town::new();
    town.bot(&ENTRY, json!({ "greeting": "Hi" }));
    let (ann, bob) = (town.user("ann"), town.user("bob"));
    assert_eq!(town.command(ann, "NAME", json!({})).text(), "Hi, number 1!");
    town.run(Duration::from_secs(3600)); // an hour, at once
    town.restart();
    assert_eq!(town.command(bob, "NAME", json!({})).text(), "Hi, number 2!");
}
"#;
