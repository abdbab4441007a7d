//! `/sound` as Discord shows it.

use mynah_plugin::{Commands, Opt, Slash};

use crate::core::name::{MAX_NAME_CHARS, MAX_TAG_CHARS};
use crate::core::sound::{MAX_REST_S, VOLUMES};

/// The entry in the menu of every message.
pub const SAVE: &str = "Save as sound";

/// How often a sound may be heard with one command.
pub const MOST_TIMES: i64 = 5;

/// A sound begins no later in its file, in seconds: the host would refuse it.
pub const LATEST_S: u32 = 900;

/// The commands as Discord shows them.
#[must_use]
pub fn commands() -> Commands {
    let sound = Slash::new("sound", "Short sounds over whatever plays")
        .subcommand(
            Slash::new("play", "Play a sound in the voice channel you are in")
                .option(known())
                .option(volume(
                    "How loud, in percent; as it was set, if nothing is said",
                ))
                .option(Opt::integer("repeat", "How often").range(1, MOST_TIMES)),
        )
        .subcommand(Slash::new("random", "Play one by chance").option(tag()))
        .subcommand(
            Slash::new("stop", "Stop the sounds you have played").option(Opt::boolean(
                "all",
                "Those of everybody; for managers, or when you listen alone",
            )),
        )
        .subcommand(
            Slash::new("board", "Show a board of buttons")
                .option(tag())
                .option(page()),
        )
        .subcommand(
            Slash::new("list", "The sounds of this server")
                .option(tag())
                .option(
                    Opt::text("sort", "By name, if nothing is said")
                        .choice("name", "name")
                        .choice("most played", "plays")
                        .choice("newest", "newest")
                        .choice("shortest", "length"),
                )
                .option(page()),
        )
        .subcommand(Slash::new("info", "What is known of a sound").option(known()))
        .subcommand(add())
        .subcommand(edit())
        .subcommand(Slash::new("delete", "Take a sound away").option(known()))
        .subcommand(
            Slash::new("restore", "Bring a deleted sound back").option(
                Opt::text("name", "Which")
                    .required()
                    .autocomplete()
                    .length(1, 100),
            ),
        );
    Commands::new().slash(sound).on_message(SAVE)
}

fn add() -> Slash {
    Slash::new("add", "Add a sound to this server")
        .option(
            Opt::text("name", "What it is called")
                .required()
                .length(1, MAX_NAME_CHARS as u16),
        )
        .option(Opt::attachment(
            "file",
            "The sound: mp3, ogg, wav, m4a and so on",
        ))
        .option(Opt::text(
            "message",
            "Instead of a file: the link to a message of this channel that has one",
        ))
        .option(tags())
        .option(Opt::text("emoji", "Shown on its button"))
        .option(Opt::number("start", "Where in the file it begins, in seconds").range(0, LATEST_S))
        .option(Opt::number("end", "Where in the file it ends, in seconds").range(0, LATEST_S + 60))
}

fn edit() -> Slash {
    Slash::new("edit", "Change a sound")
        .option(known())
        .option(Opt::text("rename", "Another name").length(1, MAX_NAME_CHARS as u16))
        .option(tags())
        .option(Opt::text(
            "aliases",
            "What else it is called, with commas between; - for nothing",
        ))
        .option(Opt::text("emoji", "Shown on its button; - for none"))
        .option(volume("How loud, in percent of how it is kept"))
        .option(
            Opt::integer(
                "cooldown",
                "Seconds it rests after it was played, for everybody",
            )
            .range(0, MAX_REST_S),
        )
        .option(Opt::boolean("hidden", "Only you and managers see it"))
}

fn known() -> Opt {
    Opt::text("name", "Which")
        .required()
        .autocomplete()
        .length(1, 100)
}

fn tag() -> Opt {
    Opt::text("tag", "Only sounds with this tag")
        .autocomplete()
        .length(1, MAX_TAG_CHARS as u16 + 1)
}

fn tags() -> Opt {
    Opt::text(
        "tags",
        "What it is about, with commas between; - for nothing",
    )
    .length(0, 300)
}

fn page() -> Opt {
    Opt::integer("page", "Which page").range(1, 1_000)
}

fn volume(about: &str) -> Opt {
    Opt::integer("volume", about).range(*VOLUMES.start(), *VOLUMES.end())
}
