#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::path::PathBuf;

use super::*;

// Made up, in the documented shape.
const TOKEN: &str = "MTAwMDAwMDAwMDAwMDAwMDAx.Gabcde.abcdefghijklmnopqrstuvwxyz0123456789AB";

fn music(settings: &serde_json::Value) -> Vec<PluginFinding> {
    let object = settings.as_object().expect("a table");
    object
        .iter()
        .filter(|(name, _)| keys::find("plugins.music", name).is_none())
        .map(|(name, _)| PluginFinding {
            severity: Severity::Error,
            pointer: format!("/{name}"),
            message: format!("unknown key `{name}`"),
            help: "did you mean `default_volume`?".to_owned(),
        })
        .collect()
}

/// Takes whatever its table says.
fn recorder() -> PluginCheck<'static> {
    PluginCheck {
        id: "recorder",
        needs: Vec::new(),
        check: &|_| Vec::new(),
        check_grant: &|_| Vec::new(),
        explicit: false,
    }
}

/// Likewise.
fn soundboard() -> PluginCheck<'static> {
    PluginCheck {
        id: "soundboard",
        ..recorder()
    }
}

/// Likewise.
fn tts() -> PluginCheck<'static> {
    PluginCheck {
        id: "tts",
        ..recorder()
    }
}

struct Case {
    folder: tempfile::TempDir,
}

impl Case {
    fn new(file: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("bot.toml"), file).unwrap();
        Self { folder }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("bot.toml")
    }

    fn load(&self, variables: &[(&str, &str)]) -> Result<Loaded, Report> {
        let variables: Vec<(String, String)> = variables
            .iter()
            .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
            .collect();
        let music = PluginCheck {
            id: "music",
            needs: vec!["voice.speak".into(), "net.http:*".into()],
            check: &music,
            check_grant: &|_| Vec::new(),
            explicit: false,
        };
        load(
            &self.file(),
            &variables,
            &[music, recorder(), soundboard(), tts()],
        )
    }

    fn fails(&self, variables: &[(&str, &str)]) -> String {
        let report = self.load(variables).expect_err("this must be refused");
        let folder = format!("{}/", self.folder.path().display());
        report.to_string().replace(&folder, "")
    }
}

#[test]
fn the_shipped_file_is_fine_and_says_the_defaults() {
    let shipped = Case::new(&shipped::text()).load(&[]).expect("fine");
    assert!(shipped.report.is_empty(), "{}", shipped.report);
    let empty = Case::new("").load(&[]).expect("fine");
    assert_eq!(shipped.config.discord.api, Api::Embedded);
    assert_eq!(
        shipped.config.voice.complexity,
        empty.config.voice.complexity
    );
    assert_eq!(shipped.config.discord.status, empty.config.discord.status);
    assert_eq!(shipped.config.paths.library.len(), 1);
}

#[test]
fn every_key_of_the_shipped_file_can_be_set_by_its_variable() {
    let case = Case::new("");
    for key in keys::all().filter(|key| key.shipped == keys::Shipped::Set) {
        let value = key.default.trim_matches('"');
        let loaded = case.load(&[(key.variable().as_str(), value)]);
        assert!(
            loaded.is_ok(),
            "{}: {}",
            key.variable(),
            loaded.unwrap_err()
        );
    }
}

#[test]
fn who_may_do_what_is_read_and_every_mistake_is_named() {
    let case = Case::new(
        "[discord]\nowners = [\"11\", \"team\"]\n[permissions]\ndj_roles = [\"21\"]\n\
         manager_roles = { recorder = [\"31\", \"32\"] }\nblocked_users = [\"41\"]\n",
    );
    let permissions = case.load(&[]).expect("fine").config.permissions;
    assert!(permissions.owners.team);
    assert_eq!(permissions.owners.ids, [11.into()]);
    assert_eq!(permissions.dj_roles, [21.into()]);
    assert_eq!(
        permissions.manager_roles,
        [("recorder".to_owned(), vec![31.into(), 32.into()])]
    );
    assert_eq!(permissions.blocked_users, [41.into()]);
    let case = Case::new(
        "[discord]\nowners = [\"me\"]\n[permissions]\ndj_roles = \"21\"\n\
         manager_roles = { recoder = [\"31\"], tts = [4] }\nblocked = []\n",
    );
    let printed = case.fails(&[]);
    for words in [
        "`me` is not an id",
        "expected a list",
        "there is no plugin `recoder`",
        "did you mean `recorder`?",
        "expected an id as a string",
        "unknown key `blocked`",
    ] {
        assert!(printed.contains(words), "{words}: {printed}");
    }
}

#[test]
fn all_errors_are_shown_at_once_with_line_caret_and_suggestion() {
    let case = Case::new(
        "schema = 2\n[discord]\napi = \"embeded\"\ntokn_file = 1\ndev_guilds = [1, \"x\"]\n\
         [voice]\ncomplexity = 11\nreconnect_give_up = \"10\"\nbitrate = 96\n\
         [plugins.music]\ndefault_volum = 80\n[plugins.musik]\n",
    );
    let printed = case.fails(&[
        ("MYNAH__SERVER__HTTP_PRT", "1"),
        ("MYNAH__VOICE__REALTIME", "yes"),
    ]);
    for part in [
        "error: this file is of schema 2, and this Mynah reads schema 1\n  bot.toml:1:10\n  1 | schema = 2\n",
        "error: `embeded` is no place a bot can live\n  bot.toml:3:7 [discord]\n  3 | api = \"embeded\"\n    \
         |       ^^^^^^^^^ did you mean `embedded`?",
        "did you mean `token_file`?",
        "bot.toml:5:15 [discord]",
        "`x` is not an id",
        "7 | complexity = 11\n    |              ^^ write a whole number from 0 to 10",
        "`10` is not a duration",
        "expected a bitrate as a string, found an integer",
        "unknown key `default_volum`\n  bot.toml:11:1 [plugins.music]",
        "unknown plugin `musik`\n  bot.toml:12:10 [plugins]",
        "environment variable MYNAH__SERVER__HTTP_PRT [server]\n   | MYNAH__SERVER__HTTP_PRT=1\n",
        "did you mean `MYNAH__SERVER__HTTP_PORT`?",
        "expected a boolean, found a string\n  environment variable MYNAH__VOICE__REALTIME",
        "12 errors in bot.toml",
    ] {
        assert!(printed.contains(part), "missing: {part}\nin:\n{printed}");
    }
}

#[test]
fn the_mix_and_the_net_are_checked_key_by_key() {
    let case = Case::new(
        "[net]\ntimeout = \"0s\"\nmax_redirects = 21\n[voice.mix]\nduck_speech_db = 3\nduck_fx_dB = -1\n\
         duck_on_human_talk = { enabld = true, db = \"soft\", attack = \"2m\" }\n[voice]\nmx = 1\n",
    );
    let printed = case.fails(&[("MYNAH__VOICE__MIX__DUCK_FX_DB", "loud")]);
    for part in [
        "`0s` is out of range",
        "max_redirects = 21\n    |                 ^^ write a whole number from 0 to 20",
        "bot.toml:5:18 [voice.mix]\n  5 | duck_speech_db = 3\n    |                  ^ write a number from -60 to 0",
        "did you mean `duck_fx_db`?",
        "did you mean `enabled`?",
        "expected a number, found a string",
        "`2m` is out of range",
        "unknown key `mx`\n  bot.toml:9:1 [voice]",
        "did you mean `mix`?",
        "environment variable MYNAH__VOICE__MIX__DUCK_FX_DB",
    ] {
        assert!(printed.contains(part), "missing: {part}\nin:\n{printed}");
    }
    let printed = Case::new("[voice]\nmix = 1\n").fails(&[]);
    assert!(printed.contains("write a line [voice.mix]"), "{printed}");
}

#[test]
fn what_is_left_out_of_an_inline_table_is_as_shipped() {
    let mix = |text: &str| Case::new(text).load(&[]).expect("fine").config.voice.mix;
    let shipped = mix("");
    assert_eq!((shipped.duck_speech_db, shipped.duck_fx_db), (-12.0, -6.0));
    assert!(!shipped.human.enabled);
    let set = mix("[voice.mix]\nduck_fx_db = 0\nduck_on_human_talk = { enabled = true }\n");
    let human = typed::HumanTalk {
        enabled: true,
        ..shipped.human
    };
    assert_eq!((set.duck_fx_db, set.human), (0.0, human));
}

#[test]
fn syntax_errors_come_with_the_other_errors() {
    let case =
        Case::new("[log]\nlevel = \"loud\"\nformat == \"json\"\n[voice]\nbitrat = \"auto\"\n");
    let printed = case.fails(&[]);
    assert!(printed.contains("bot.toml:3:"), "{printed}");
    assert!(printed.contains("`loud` is not known here"), "{printed}");
    assert!(printed.contains("did you mean `bitrate`?"), "{printed}");
}

#[test]
fn a_key_in_the_wrong_table_is_told_where_it_belongs() {
    let printed = Case::new("[discord]\ncomplexity = 5\n").fails(&[]);
    assert!(
        printed.contains("`complexity` belongs in [voice]"),
        "{printed}"
    );
}

#[test]
fn discord_needs_a_token_and_says_where_to_get_it() {
    let printed = Case::new("[discord]\napi = \"discord\"\n").fails(&[]);
    assert!(
        printed.contains("https://discord.com/developers/applications"),
        "{printed}"
    );
    assert!(printed.contains("bot.toml:2:7"), "{printed}");
}

#[test]
fn a_token_may_come_from_a_file_a_named_variable_or_its_own_variable() {
    let expose = |case: &Case, variables: &[(&str, &str)]| {
        let loaded = case
            .load(variables)
            .unwrap_or_else(|report| panic!("{report}"));
        (
            loaded.config.discord.token.unwrap().expose().to_owned(),
            loaded.report.to_string(),
        )
    };
    let case = Case::new("[discord]\napi = \"discord\"\ntoken_file = \"secret\"\n");
    std::fs::write(case.folder.path().join("secret"), format!("{TOKEN}\n")).unwrap();
    assert_eq!(expose(&case, &[]), (TOKEN.to_owned(), String::new()));

    // The environment wins over the file, whichever way each of them gives it.
    let other = TOKEN.replace("Gabcde", "Gzzzzz");
    assert_eq!(expose(&case, &[("MYNAH__DISCORD__TOKEN", &other)]).0, other);

    let case = Case::new("[discord]\napi = \"discord\"\ntoken_env = \"BOT_TOKEN\"\n");
    assert_eq!(expose(&case, &[("BOT_TOKEN", TOKEN)]).0, TOKEN);
    assert!(
        case.fails(&[])
            .contains("the environment has no variable `BOT_TOKEN`")
    );

    let case = Case::new(&format!(
        "[discord]\napi = \"discord\"\ntoken = \"{TOKEN}\"\n"
    ));
    let (token, said) = expose(&case, &[]);
    assert_eq!(token, TOKEN);
    assert!(said.starts_with("warning: a token in this file"), "{said}");
    assert!(!said.contains("Gabcde"), "{said}");
}

#[test]
fn a_wrong_token_is_described_and_never_printed() {
    let half = &TOKEN[..40];
    let case = Case::new(&format!(
        "[discord]\napi = \"discord\"\ntoken = \"Bot {half}\"\n"
    ));
    let printed = case.fails(&[]);
    assert!(printed.contains("starts with `Bot `"), "{printed}");
    assert!(!printed.contains(&half[5..20]), "{printed}");
    let json = serde_json::to_string(&case.load(&[]).unwrap_err().to_json()).unwrap();
    assert!(!json.contains(&half[5..20]), "{json}");
    let printed = Case::new("[discord]\napi = \"discord\"\n")
        .fails(&[("MYNAH__DISCORD__TOKEN", "my secret words")]);
    assert!(printed.contains("has a space"), "{printed}");
    assert!(!printed.contains("secret words"), "{printed}");
}

#[test]
fn a_token_in_two_places_is_refused() {
    let case = Case::new(&format!(
        "[discord]\napi = \"discord\"\ntoken = \"{TOKEN}\"\ntoken_env = \"BOT_TOKEN\"\n"
    ));
    assert!(case.fails(&[]).contains("the token is set twice"));
}

#[test]
fn an_api_elsewhere_must_be_encrypted_or_on_this_machine() {
    let token = [("MYNAH__DISCORD__TOKEN", "any")];
    let api = |url: &str| Case::new(&format!("[discord]\napi = \"{url}\"\n"));
    for fine in [
        "http://127.0.0.1:8080/api/",
        "http://[::1]:80/api",
        "https://example.com/api",
    ] {
        let loaded = api(fine)
            .load(&token)
            .unwrap_or_else(|report| panic!("{report}"));
        assert_eq!(
            loaded.config.discord.api,
            Api::Other(fine.trim_end_matches('/').to_owned())
        );
    }
    assert!(
        api("http://example.com/api")
            .fails(&token)
            .contains("unencrypted")
    );
    assert!(api("ftp://example.com").fails(&token).contains("no place"));
}

#[test]
fn missing_folders_are_errors_unless_they_are_ours_to_make() {
    let case = Case::new("[paths]\nlibrary = [\"{data}/songs\", \"nowhere\", \"bot.toml\"]\n");
    let printed = case.fails(&[]);
    assert!(!printed.contains("songs is"), "{printed}");
    assert!(printed.contains("there is no folder"), "{printed}");
    assert!(printed.contains("is not a folder"), "{printed}");
    assert!(printed.contains("2 errors"), "{printed}");
}

#[test]
fn a_missing_file_says_what_to_do() {
    let report = load(Path::new("/nowhere/bot.toml"), &[], &[]).unwrap_err();
    assert!(report.to_string().contains("--config PATH"), "{report}");
}

#[test]
fn shards_are_auto_or_a_number() {
    let shards = |text: &str| {
        let loaded = Case::new(&format!("[discord]\nshards = {text}\n")).load(&[]);
        loaded.map(|loaded| loaded.config.discord.shards)
    };
    assert_eq!(shards("\"auto\"").unwrap(), None);
    assert_eq!(shards("4").unwrap(), Some(4));
    for bad in ["0", "\"4\"", "1001", "true"] {
        assert!(shards(bad).is_err(), "{bad}");
    }
}

#[test]
fn a_grant_the_plugin_never_asks_for_is_a_mistake() {
    let case = Case::new("[plugins.music]\ngrant = [\"voice.speek\", \"net.http:example.com\"]\n");
    let printed = case.fails(&[]);
    assert!(printed.contains("did you mean `voice.speak`?"), "{printed}");
    assert!(printed.contains("1 error"), "{printed}");
}

#[test]
fn a_disabled_plugin_is_not_asked_about_its_keys() {
    let loaded = Case::new("[plugins.music]\nenabled = false\nold_key = 1\n")
        .load(&[])
        .unwrap();
    assert!(!loaded.config.plugins[0].enabled);
}

#[test]
fn no_text_and_no_variable_makes_it_panic() {
    // Seeded, so that a failure comes again.
    let mut rng = mynah_wire::rng::Rng::new(7);
    let words = [
        "[", "]", "\"", "'", "=", "\n", "{", "}", ".", "\u{feff}", "é", "\0", "1e999", "-", "#",
        "[[",
    ];
    let all: Vec<_> = keys::all().collect();
    let mut usable = 0;
    for round in 0..1500 {
        let mut content: Vec<char> = shipped::text().chars().collect();
        for _ in 0..=rng.below(4) {
            let at = rng.below(content.len() as u64) as usize;
            let word = words[rng.below(words.len() as u64) as usize];
            match rng.below(3) {
                0 => drop(content.drain(at..content.len().min(at + 9))),
                1 => content.splice(at..at, word.chars()).for_each(drop),
                _ => content.splice(at..=at, word.chars()).for_each(drop),
            }
        }
        let key = all[rng.below(all.len() as u64) as usize];
        let value: String = (0..rng.below(4))
            .map(|_| words[rng.below(16) as usize])
            .collect();
        let variables = [
            (key.variable(), value),
            ("MYNAH____".to_owned(), String::new()),
        ];
        let variables = &variables[..rng.below(3) as usize];
        let music = PluginCheck {
            id: "music",
            needs: vec![],
            check: &music,
            check_grant: &|_| Vec::new(),
            explicit: false,
        };
        let content: String = content.into_iter().collect();
        let report = Report::new("bot.toml");
        let plugins = [music, recorder(), soundboard(), tts()];
        match judge(Path::new("bot.toml"), content, variables, &plugins, report) {
            Ok(_) => usable += 1,
            Err(report) => {
                assert!(
                    !report.is_usable(),
                    "round {round}: refused without a reason"
                );
                assert!(report.to_string().contains(" in bot.toml"));
                assert_eq!(report.to_json().len(), report.diagnostics.len());
            }
        }
    }
    // Changes in comments are harmless: some must pass, or the test tests nothing.
    assert!((100..1400).contains(&usable), "{usable}");
}
