//! `/record` as Discord shows it, and who may use what.

use mynah_plugin::{Commands, Interaction, Opt, RoleId, Slash};

/// The commands as Discord shows them.
#[must_use]
pub fn commands() -> Commands {
    let id = || Opt::text("id", "Which recording").required().autocomplete();
    let record = Slash::new(
        "record",
        "Record a voice channel, one track for each person",
    )
    .subcommand(
        Slash::new("start", "Record the voice channel you are in")
            .option(Opt::channel("channel", "Another voice channel"))
            .option(Opt::text("title", "What the recording is called"))
            .option(Opt::channel(
                "post",
                "Where to show how it goes, from now on for every recording",
            )),
    )
    .subcommand(Slash::new("stop", "End the recording"))
    .subcommand(Slash::new(
        "pause",
        "Write only silence until it is resumed",
    ))
    .subcommand(Slash::new("resume", "Go on after a pause"))
    .subcommand(
        Slash::new("note", "Mark this moment in the recording")
            .option(Opt::text("text", "What to remember").required())
            .option(
                Opt::text("kind", "What it is; a chapter, if nothing is said")
                    .choice("chapter", "chapter")
                    .choice("highlight", "highlight")
                    .choice("cut", "cut")
                    .choice("todo", "todo"),
            ),
    )
    .subcommand(Slash::new("status", "How the recording goes"))
    .subcommand(Slash::new("list", "The recordings of this server"))
    .subcommand(Slash::new("info", "What a recording contains").option(id()))
    .subcommand(
        Slash::new("export", "Make files of a recording")
            .option(id())
            .option(
                Opt::text("format", "FLAC, if nothing is said")
                    .choice("flac", "flac")
                    .choice("wav", "wav")
                    .choice("opus, as recorded", "opus")
                    .choice("mp3", "mp3")
                    .choice("aac", "aac"),
            )
            .option(Opt::boolean(
                "mix",
                "Everybody in one file instead of a track each",
            ))
            .option(Opt::text(
                "tracks",
                "Whose tracks: names, parted by commas; everybody's, if nothing is said",
            ))
            .option(Opt::text("chapter", "From this note to the next one").autocomplete())
            .option(Opt::text("from", "Where to begin: 1:02:03, 90s"))
            .option(Opt::text("to", "Where to end")),
    )
    .subcommand(Slash::new("keep", "Keep a recording whatever its age").option(id()))
    .subcommand(
        Slash::new(
            "delete",
            "Throw a recording away, with everything made from it",
        )
        .option(id())
        .option(Opt::boolean("confirm", "Yes, all of it").required()),
    )
    .subcommand(Slash::new(
        "optout",
        "Never be recorded by me on this server",
    ))
    .subcommand(Slash::new("optin", "Take /record optout back"));
    Commands::new().slash(record)
}

/// May this person record, export and delete?
pub(super) fn may_record(asked: &Interaction, roles: &[RoleId]) -> bool {
    asked.manages() || asked.roles().iter().any(|role| roles.contains(role))
}
