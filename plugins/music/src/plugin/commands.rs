//! The commands: how Discord shows them, and what each use of one asks for.

use mynah_plugin::{Commands, Interaction, Opt, Slash};

use crate::calls::{Ask, Control, Repeat, Tweak, Upload};
use crate::effect::Preset;
use crate::moment::Moment;
use crate::tells;

/// The commands as Discord shows them.
#[must_use]
pub fn commands() -> Commands {
    let query = Opt::text("query", "Words from a title, an artist or a file name").autocomplete();
    let file = Opt::attachment("file", "A sound file of your own");
    // No range on the number: the answer to a number out of range explains the limit in words.
    let percent = Opt::integer(
        "percent",
        "0 to 150; 100 leaves the music as it is. Without it, shows the volume",
    );
    let clear = Opt::boolean("clear", "Also take everything out of the queue");
    Commands::new()
        .slash(
            Slash::new("play", "Play music from the library or a file you upload")
                .option(query)
                .option(file)
                .also_in_private(),
        )
        .slash(Slash::new("pause", "Pause the music").also_in_private())
        .slash(
            Slash::new("resume", "Go on with the paused music, or start the queue")
                .also_in_private(),
        )
        .slash(Slash::new("skip", "Go on to the next track").also_in_private())
        .slash(
            Slash::new("stop", "Stop the music; the queue stays")
                .option(clear)
                .also_in_private(),
        )
        .slash(queue())
        .slash(Slash::new("nowplaying", "Show what plays and how far it is").also_in_private())
        .slash(
            Slash::new("volume", "Set or show the volume")
                .option(percent)
                .also_in_private(),
        )
        .slash(
            Slash::new("seek", "Go to another place in the track")
                .option(Opt::text("to", "1:02, 90s, 1h10m, +30, -90s or 50%").required())
                .also_in_private(),
        )
        .slash(
            Slash::new("loop", "Play the track or the queue again and again")
                .option(
                    Opt::text("mode", "Without it, shows what is looped")
                        .choice("off", "off")
                        .choice("track", "track")
                        .choice("queue", "queue"),
                )
                .also_in_private(),
        )
        .slash(filter())
        .slash(Slash::new("history", "Show what was played here").also_in_private())
        .slash(playlist())
        .slash(Slash::new("previous", "Go back to the track before").also_in_private())
        .slash(Slash::new("replay", "Play the track from its beginning").also_in_private())
        .slash(
            Slash::new("leave", "Stop, empty the queue and leave the voice channel")
                .also_in_private(),
        )
}

fn queue() -> Slash {
    let place = |name: &str, about: &str| Opt::integer(name, about);
    Slash::new("queue", "What plays and what comes next")
        .subcommand(Slash::new("show", "Show what plays and what comes next"))
        .subcommand(
            Slash::new("move", "Move a track to another place in the queue")
                .option(place("from", "Its place, as /queue show counts").required())
                .option(place("to", "Its new place; 1 is next").required()),
        )
        .subcommand(
            Slash::new("remove", "Take tracks out of the queue")
                .option(place("place", "The place, as /queue show counts").required())
                .option(place(
                    "last",
                    "The last place, to take out all from the first to it",
                )),
        )
        .subcommand(Slash::new("clear", "Empty the queue; what plays goes on"))
        .subcommand(Slash::new("shuffle", "Put the queue into a random order"))
        .also_in_private()
}

fn playlist() -> Slash {
    let name = || Opt::text("name", "What the list is called").required();
    Slash::new("playlist", "Lists of tracks that this server keeps")
        .subcommand(
            Slash::new("save", "Keep what plays and waits as a list").option(name().length(1, 50)),
        )
        .subcommand(
            Slash::new("play", "Put a whole list into the queue").option(name().autocomplete()),
        )
        .subcommand(Slash::new("list", "Show all lists"))
        .subcommand(Slash::new("show", "Show what is on a list").option(name().autocomplete()))
        .subcommand(
            Slash::new("delete", "Throw a list away: your own, or any as a DJ")
                .option(name().autocomplete()),
        )
        .also_in_private()
}

fn filter() -> Slash {
    Slash::new("filter", "Change how the music sounds")
        .option(Opt::text("preset", "An effect by name; off ends it").autocomplete())
        .option(Opt::number(
            "speed",
            "0.5 to 2 times as fast, at the same pitch",
        ))
        .option(Opt::number(
            "pitch",
            "0.5 to 2 times as high, at the same speed",
        ))
        .also_in_private()
}

/// What a button of the card asks for; `None` for one this version does not know.
pub(super) fn pressed(action: &str, dice: u64) -> Option<Ask> {
    Some(Ask::Control(match action {
        "previous" => Control::Previous,
        "pause" => Control::Pause,
        "resume" => Control::Resume,
        "skip" => Control::Skip,
        "stop" => Control::Stop { clear: false },
        "repeat_off" => Control::Repeat(Some(Repeat::Off)),
        "repeat_track" => Control::Repeat(Some(Repeat::Track)),
        "repeat_queue" => Control::Repeat(Some(Repeat::Queue)),
        "shuffle" => Control::Shuffle(dice),
        "quieter" => Control::Louder(-10),
        "louder" => Control::Louder(10),
        "queue" => Control::Queue,
        // On cards of earlier versions.
        "toggle" => Control::Toggle,
        "repeat" => Control::NextRepeat,
        _ => return None,
    }))
}

/// What a command asks for; `None` for one this version does not know.
pub(super) fn ask(asked: &Interaction, dice: u64) -> Option<Ask> {
    Some(Ask::Control(match asked.command() {
        "play" => {
            let file = asked.attachment("file").map(|file| Upload {
                url: file.url,
                name: file.filename,
            });
            return Some(Ask::Play {
                query: asked.text("query").map(str::to_owned),
                file,
            });
        }
        "pause" => Control::Pause,
        "resume" => Control::Resume,
        "skip" => Control::Skip,
        "stop" => Control::Stop {
            clear: asked.boolean("clear").unwrap_or(false),
        },
        "queue show" => Control::Queue,
        "queue move" => Control::Move {
            from: asked.integer("from").unwrap_or(0),
            to: asked.integer("to").unwrap_or(0),
        },
        "queue remove" => {
            let first = asked.integer("place").unwrap_or(0);
            Control::Remove {
                first,
                last: asked.integer("last").unwrap_or(first),
            }
        }
        "queue clear" => Control::Clear,
        "queue shuffle" => Control::Shuffle(dice),
        "seek" => {
            let to = asked.text("to").unwrap_or_default();
            match Moment::read(to) {
                Some(moment) => Control::Seek(moment),
                None => return Some(Ask::Mistake(tells::not_a_moment(to))),
            }
        }
        "loop" => Control::Repeat(match asked.text("mode") {
            None => None,
            Some("off") => Some(Repeat::Off),
            Some("track") => Some(Repeat::Track),
            Some("queue") => Some(Repeat::Queue),
            Some(other) => return Some(Ask::Mistake(tells::not_a_loop(other))),
        }),
        "filter" => {
            let preset = match asked.text("preset").map(|name| (name, Preset::find(name))) {
                None => None,
                Some((_, Ok(preset))) => Some(preset),
                Some((name, Err(meant))) => {
                    return Some(Ask::Mistake(tells::no_such_preset(name, meant)));
                }
            };
            Control::Filter(Tweak {
                preset,
                speed: asked.number("speed"),
                pitch: asked.number("pitch"),
            })
        }
        "previous" => Control::Previous,
        "history" => Control::History,
        "replay" => Control::Replay,
        "nowplaying" => Control::NowPlaying,
        "volume" => Control::Volume(asked.integer("percent")),
        "leave" => Control::Leave,
        _ => return None,
    }))
}
