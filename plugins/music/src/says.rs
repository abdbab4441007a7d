//! Every sentence people get to read: what happened, where, and what to do now.

use std::fmt::Write as _;
use std::time::Duration;

use crate::ids::ChannelId;
use crate::queue::{Item, Queue};
use crate::spans::{about, clock, ordinal};
use crate::wording::{bar, fitted, items, named, sentence, shown, wait_count};

/// How many waiting items `/queue` names.
const QUEUE_LINES: usize = 10;

// --- /play ---------------------------------------------------------------------------------------

pub(crate) fn now_playing(item: &Item, waiting: usize) -> String {
    let mut text = format!("Now playing {}.", named(item));
    if waiting > 0 {
        let _ = write!(text, " {} after it in the queue.", wait_count(waiting));
    }
    text
}

pub(crate) fn added(item: &Item, place: usize, wait: Option<Duration>) -> String {
    let wait = wait.map_or_else(String::new, |wait| format!(", plays in {}", about(wait)));
    format!(
        "Added {}: {} in the queue{wait}.",
        named(item),
        ordinal(place)
    )
}

pub(crate) const NOTHING_GIVEN: &str = "Tell me what to play: `/play query:` takes words from a title, and `/play file:` takes a sound file you upload.";

pub(crate) const BOTH_GIVEN: &str = "You gave both a query and a file, and I can only play one. Send `/play` again with just one of them.";

pub(crate) fn nothing_found(query: &str, close: &[String]) -> String {
    let mut text = format!("Nothing in the library fits “{}”.", shown(query));
    match close {
        [] => {
            text.push_str(" Try fewer or other words, or upload a sound file with `/play file:`.")
        }
        close => {
            text.push_str(" Did you mean:");
            for label in close {
                let _ = write!(text, "\n• {}", shown(label));
            }
        }
    }
    text
}

pub(crate) fn library_empty() -> String {
    "The library has no music in it yet, so there is nothing to search. Upload a sound file with `/play file:`, or ask the bot's operator to put music into the folders named by `library` in bot.toml.".to_owned()
}

pub(crate) fn unplayable(label: &str, reason: &str) -> String {
    format!("I cannot play **{}**: {}", shown(label), sentence(reason))
}

pub(crate) fn too_long(label: &str, length: Duration, limit: Duration) -> String {
    format!(
        "**{}** is {} long, and the limit here is {}. The operator can raise `max_track` in bot.toml.",
        shown(label),
        clock(length),
        clock(limit)
    )
}

pub(crate) fn queue_full(limit: usize) -> String {
    format!(
        "The queue is full: {} already. Wait for one to finish, or make room with `/stop clear:True`.",
        wait_count(limit)
    )
}

pub(crate) fn join_failed(channel: ChannelId, reason: &str) -> String {
    format!(
        "I could not join <#{channel}>: {} Check that I may see the channel, connect and speak there, then try again.",
        sentence(reason)
    )
}

pub(crate) fn interrupted(item: &Item) -> String {
    format!(
        "I was disconnected before **{}** could start. It is first in the queue now: `/resume` brings me back.",
        shown(&item.label)
    )
}

// --- who may, and where --------------------------------------------------------------------------

pub(crate) const ONLY_IN_SERVERS: &str = "I play music in the voice channels of a server, so this does nothing in a direct message. Use it in a channel of a server we share.";

pub(crate) fn join_first(bot: Option<ChannelId>) -> String {
    match bot {
        Some(channel) => format!(
            "You are not in a voice channel. Join <#{channel}>, where I am playing, then try again."
        ),
        None => "You are not in a voice channel. Join one, then try again: I will come to you."
            .to_owned(),
    }
}

pub(crate) fn elsewhere(bot: ChannelId) -> String {
    format!(
        "I am playing in <#{bot}>, and you are in another voice channel. Join me there, then try again."
    )
}

pub(crate) const UNKNOWN_COMMAND: &str = "I do not know this command any more. Discord may show an old list: restart it with Ctrl+R, then try again.";

pub(crate) const NOT_IN_VOICE: &str =
    "I am not in a voice channel, so there is nothing to leave. `/play` brings me to yours.";

pub(crate) const TOO_MANY_WAITING: &str =
    "Too many commands are waiting for the music to start. Try again in a moment.";

// --- the controls --------------------------------------------------------------------------------

pub(crate) fn nothing_playing(waiting: usize) -> String {
    match waiting {
        0 => "Nothing is playing, and the queue is empty. Start something with `/play`.".to_owned(),
        n => format!(
            "Nothing is playing, but {} in the queue: `/resume` starts it.",
            wait_count(n)
        ),
    }
}

pub(crate) fn paused(item: &Item, at: Duration) -> String {
    format!(
        "Paused **{}** at {}. `/resume` goes on.",
        shown(&item.label),
        clock(at)
    )
}

pub(crate) fn already_paused(item: &Item) -> String {
    format!(
        "**{}** is already paused. `/resume` goes on.",
        shown(&item.label)
    )
}

pub(crate) fn resumed(item: &Item, at: Duration) -> String {
    format!("Going on with **{}** at {}.", shown(&item.label), clock(at))
}

pub(crate) fn not_paused(item: &Item) -> String {
    format!(
        "**{}** is playing already; it is not paused.",
        shown(&item.label)
    )
}

pub(crate) fn skipped_to(skipped: &str, item: &Item) -> String {
    format!(
        "Skipped **{}**. Now playing {}.",
        shown(skipped),
        named(item)
    )
}

pub(crate) fn skipped_last(skipped: &str) -> String {
    format!(
        "Skipped **{}**. That was the last one: the queue is empty now.",
        shown(skipped)
    )
}

pub(crate) fn skipped_but(skipped: &str, waiting: usize) -> String {
    match waiting {
        0 => format!(
            "Skipped **{}**, and nothing after it could be played.",
            shown(skipped)
        ),
        n => format!(
            "Skipped **{}**, but the next one could not be played. {} in the queue: `/resume` tries again.",
            shown(skipped),
            wait_count(n)
        ),
    }
}

pub(crate) fn ended_early(label: &str) -> String {
    format!(
        "**{}** was ended by another command before it could be heard.",
        shown(label)
    )
}

pub(crate) fn resume_failed(waiting: usize) -> String {
    match waiting {
        0 => "Nothing in the queue could be played. Start something else with `/play`.".to_owned(),
        n => format!(
            "I could not start. {} in the queue: `/resume` tries again.",
            wait_count(n)
        ),
    }
}

pub(crate) fn stopped(stopped: Option<&str>, kept: usize, cleared: usize) -> String {
    let mut text = match stopped {
        Some(label) => format!("Stopped **{}**.", shown(label)),
        None => "Nothing was playing.".to_owned(),
    };
    if cleared > 0 {
        let _ = write!(text, " Took {} out of the queue.", items(cleared));
    }
    if kept > 0 {
        let _ = write!(
            text,
            " {} in the queue: `/resume` goes on with it, `/stop clear:True` empties it.",
            wait_count(kept)
        );
    }
    text
}

pub(crate) fn volume_is(percent: u16, limit: u16) -> String {
    format!("The volume is {percent} %. Set it with `/volume percent:`, from 0 to {limit}.")
}

pub(crate) fn volume_set(percent: u16) -> String {
    match percent {
        0 => "The volume is now 0 %: the music goes on, but silently.".to_owned(),
        _ => format!("The volume is now {percent} %."),
    }
}

pub(crate) fn volume_out_of_range(asked: i64, limit: u16) -> String {
    format!(
        "{asked} is not a volume I can set: choose a number from 0 to {limit}, where 100 leaves the music as it is."
    )
}

pub(crate) fn left(channel: ChannelId, cleared: usize) -> String {
    match cleared {
        0 => format!("Left <#{channel}>. `/play` brings me back."),
        n => format!(
            "Left <#{channel}> and took {} out of the queue. `/play` brings me back.",
            items(n)
        ),
    }
}

pub(crate) fn refused(reason: &str) -> String {
    format!(
        "That did not work: {} Nothing has changed; try again.",
        sentence(reason)
    )
}

pub(crate) const JUST_ENDED: &str =
    "The track ended at that very moment, so there was nothing left to change.";

// --- what is going on ----------------------------------------------------------------------------

pub(crate) enum Sound {
    Starting,
    Playing,
    Paused,
}

pub(crate) fn position(item: &Item, at: Duration, sound: &Sound, notes: &str) -> String {
    let label = shown(&item.label);
    let head = match sound {
        Sound::Starting => return format!("About to play **{label}**."),
        Sound::Playing => format!("Playing **{label}**"),
        Sound::Paused => format!("Paused: **{label}**"),
    };
    let time = match item.length {
        Some(length) => format!(
            "{} of {}\n{}",
            clock(at.min(length)),
            clock(length),
            bar(at, length)
        ),
        None => clock(at),
    };
    format!("{head}, asked for by <@{}>{notes}\n{time}", item.requester)
}

pub(crate) fn queue(current: Option<(&Item, Duration, &Sound)>, queue: &Queue) -> String {
    let mut text = match current {
        Some((item, at, sound)) => {
            let state = match sound {
                Sound::Starting => "Starting",
                Sound::Playing => "Playing",
                Sound::Paused => "Paused",
            };
            format!("{state}: {} · at {}\n", named(item), clock(at))
        }
        None => "Nothing is playing; `/resume` starts the queue.\n".to_owned(),
    };
    for (n, item) in queue.waiting().take(QUEUE_LINES).enumerate() {
        let _ = writeln!(text, "{}. {} · <@{}>", n + 1, named(item), item.requester);
    }
    if queue.len() > QUEUE_LINES {
        let _ = writeln!(text, "… and {} more.", queue.len() - QUEUE_LINES);
    }
    match (queue.len(), queue.length()) {
        (0, _) => text.push_str("Nothing waits after it. Add more with `/play`."),
        (n, Some(length)) => drop(write!(text, "{}, {} in all.", items(n), clock(length))),
        (n, None) => drop(write!(text, "{} in all.", items(n))),
    }
    fitted(&text)
}

pub(crate) const QUEUE_EMPTY: &str =
    "The queue is empty and nothing is playing. Start something with `/play`.";

// --- messages nobody asked for -------------------------------------------------------------------

pub(crate) fn failed(item: &Item, reason: &str, next: Option<&Item>) -> String {
    let next = match next {
        Some(next) => format!("Going on with **{}**.", shown(&next.label)),
        None => "The queue is empty now.".to_owned(),
    };
    format!(
        "I could not play **{}**: {} {next}",
        shown(&item.label),
        sentence(reason)
    )
}

pub(crate) fn gave_up(item: &Item, reason: &str, failures: u8, waiting: usize) -> String {
    let kept = if waiting == 0 {
        "The queue is empty now.".to_owned()
    } else {
        format!(
            "{} in the queue: `/resume` tries again.",
            wait_count(waiting)
        )
    };
    format!(
        "I could not play **{}**: {} That was the {} failure in a row, so I stopped. {kept}",
        shown(&item.label),
        sentence(reason),
        ordinal(failures.into())
    )
}

pub(crate) fn disconnected(reason: &str, kept: usize) -> String {
    let kept = match kept {
        0 => "`/play` brings me back.".to_owned(),
        n => format!("{} in the queue: `/resume` brings me back.", wait_count(n)),
    };
    format!("My voice connection ended: {} {kept}", sentence(reason))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::UserId;
    use crate::queue::Origin;
    use crate::wording::MAX_MESSAGE;

    fn item(label: &str) -> Item {
        Item {
            origin: Origin::File("x".into()),
            label: label.to_owned(),
            length: Some(Duration::from_secs(187)),
            requester: UserId::new(7),
            start: Duration::ZERO,
        }
    }

    #[test]
    fn a_long_queue_fits_one_message_whatever_the_titles() {
        let mut waiting = Queue::new(500, 0);
        for _ in 0..500 {
            let pushed = waiting.push(item(&"*".repeat(300)));
            assert!(pushed.is_ok());
        }
        let text = queue(
            Some((&item("now"), Duration::ZERO, &Sound::Playing)),
            &waiting,
        );
        assert!(
            text.chars().count() <= MAX_MESSAGE,
            "{}",
            text.chars().count()
        );
        assert!(text.contains("3:07"));
    }

    #[test]
    fn an_answer_to_play_says_place_and_wait() {
        let wait = Some(Duration::from_secs(410));
        assert_eq!(
            added(&item("A – B"), 3, wait),
            "Added **A – B** (3:07): 3rd in the queue, plays in about 7 min."
        );
        assert_eq!(
            added(&item("A"), 1, None),
            "Added **A** (3:07): 1st in the queue."
        );
    }

    #[test]
    fn reasons_end_like_sentences() {
        assert_eq!(
            unplayable("a", "it is a text"),
            "I cannot play **a**: it is a text."
        );
        assert_eq!(
            unplayable("a", "It is a text."),
            "I cannot play **a**: It is a text."
        );
        assert_eq!(
            unplayable("a", " "),
            "I cannot play **a**: the reason is not known."
        );
    }
}
