//! What people read about places in a track, loops, effects and the order of the queue.

use std::fmt::Write as _;
use std::time::Duration;

use crate::calls::Repeat;
use crate::effect::{Effect, Preset, SCALE};
use crate::ids::UserId;
use crate::moment::Nowhere;
use crate::queue::Item;
use crate::spans::{clock, ordinal};
use crate::wording::{fitted, items, named, shown, wait_count};

// --- who decides ---------------------------------------------------------------------------------

pub(crate) const FOR_DJS: &str = "That is for DJs here. You may change what you asked for yourself, vote with `/skip`, and decide everything when you listen alone.";

pub(crate) fn voted(item: &Item, votes: usize, needed: usize) -> String {
    format!(
        "{votes} of {needed} votes to skip **{}**. `/skip` votes.",
        shown(&item.label)
    )
}

pub(crate) const JUST_MOVED: &str =
    "The track has just been changed by somebody else. Try again if you mean the new one.";

/// The line of the card about a vote, if there is one.
pub(crate) fn votes(votes: usize, needed: usize) -> String {
    match votes {
        0 => String::new(),
        votes => format!("\n🗳️ {votes} of {needed} votes to skip"),
    }
}

/// The last line of the card.
pub(crate) fn next_up(next: Option<&Item>, waiting: usize) -> String {
    match (next, waiting) {
        (None, _) => String::new(),
        (Some(next), 1) => format!("\nNext: {}", named(next)),
        (Some(next), more) => format!("\nNext: {} and {} more", named(next), more - 1),
    }
}

// --- /history and /playlist ----------------------------------------------------------------------

/// How many played items `/history` names.
const HISTORY_LINES: usize = 15;

pub(crate) fn history<'a>(played: impl Iterator<Item = &'a Item>) -> String {
    let mut text = String::new();
    let mut count = 0;
    for item in played {
        count += 1;
        if count <= HISTORY_LINES {
            let _ = writeln!(text, "{count}. {} · <@{}>", named(item), item.requester);
        }
    }
    match count {
        0 => return "Nothing has been played here yet. Start something with `/play`.".to_owned(),
        count if count > HISTORY_LINES => {
            let _ = writeln!(text, "… and {} more.", count - HISTORY_LINES);
        }
        _ => {}
    }
    text.push_str("`/previous` goes back by one.");
    fitted(&text)
}

pub(crate) fn no_such_list(name: &str) -> String {
    format!(
        "There is no list called “{}”. `/playlist list` shows all of them.",
        shown(name)
    )
}

pub(crate) fn list_is_changing(name: &str) -> String {
    format!(
        "Somebody is just changing **{}**. Try again in a moment.",
        shown(name)
    )
}

pub(crate) fn list_of_another(name: &str, by: UserId) -> String {
    format!(
        "**{}** is a list of <@{by}>: only they and DJs change it. Choose another name.",
        shown(name)
    )
}

pub(crate) fn nothing_to_save(all: usize) -> String {
    match all {
        0 => "Nothing plays and nothing waits, so there is nothing to save. Add tracks with `/play`."
            .to_owned(),
        _ => "Only uploads play and wait, and their addresses end after a day: a list keeps tracks of the library."
            .to_owned(),
    }
}

pub(crate) fn list_saved(name: &str, kept: usize, all: usize) -> String {
    let left = match all - kept {
        0 => String::new(),
        left => format!(" {} left out: uploads end after a day.", items(left)),
    };
    format!(
        "Saved **{}** with {}.{left} `/playlist play` plays it.",
        shown(name),
        items(kept)
    )
}

pub(crate) fn too_many_lists(most: usize) -> String {
    format!(
        "This server keeps {most} lists already, and no more fit. `/playlist delete` makes room."
    )
}

pub(crate) fn lists(lists: &[(String, UserId, usize)]) -> String {
    if lists.is_empty() {
        return "This server keeps no lists yet. `/playlist save` makes one of what plays and waits."
            .to_owned();
    }
    let mut text = String::new();
    for (name, by, count) in lists {
        let _ = writeln!(text, "• **{}** · {} · <@{by}>", shown(name), items(*count));
    }
    fitted(&text)
}

pub(crate) fn list_shown(name: &str, by: UserId, on_it: &[Item]) -> String {
    let mut text = format!("**{}** · {} · <@{by}>\n", shown(name), items(on_it.len()));
    for (n, item) in on_it.iter().take(HISTORY_LINES).enumerate() {
        let _ = writeln!(text, "{}. {}", n + 1, named(item));
    }
    if on_it.len() > HISTORY_LINES {
        let _ = writeln!(text, "… and {} more.", on_it.len() - HISTORY_LINES);
    }
    fitted(&text)
}

pub(crate) fn enqueued(name: &str, taken: usize, all: usize) -> String {
    let rest = match all - taken {
        0 => String::new(),
        left => format!(" The queue is full: {} left out.", items(left)),
    };
    format!("Added {} of **{}**.{rest}", items(taken), shown(name))
}

// --- /seek ---------------------------------------------------------------------------------------

pub(crate) fn not_a_moment(text: &str) -> String {
    format!(
        "I do not understand “{}” as a place in the track. Write it like `1:02`, `90s`, `1h10m`, `+30` (on), `-90s` (back) or `50%`.",
        shown(text)
    )
}

pub(crate) fn nowhere(item: &Item, nowhere: Nowhere) -> String {
    match nowhere {
        Nowhere::Beyond(length) => format!(
            "**{}** is only {} long. Choose an earlier place, such as `/seek to:50%`, or `/skip` it.",
            shown(&item.label),
            clock(length)
        ),
        Nowhere::NoLength => format!(
            "I do not know how long **{}** is, so a share of it says nothing. Write a time instead, such as `1:02` or `+30`.",
            shown(&item.label)
        ),
    }
}

pub(crate) fn sought(item: &Item, to: Duration, paused: bool) -> String {
    let still = if paused {
        " It is still paused: `/resume` goes on."
    } else {
        ""
    };
    format!(
        "**{}** goes on at {}.{still}",
        shown(&item.label),
        clock(to)
    )
}

pub(crate) fn sought_past_the_end(item: &Item) -> String {
    format!(
        "That was behind the end of **{}**, so it is over.",
        shown(&item.label)
    )
}

// --- /loop ---------------------------------------------------------------------------------------

pub(crate) fn not_a_loop(text: &str) -> String {
    format!(
        "I cannot loop “{}”: choose `off`, `track` or `queue`.",
        shown(text)
    )
}

pub(crate) fn repeat_is(repeat: Repeat) -> String {
    let now = match repeat {
        Repeat::Off => "Nothing is looped.",
        Repeat::Track => "The track is looped.",
        Repeat::Queue => "The queue is looped.",
    };
    format!("{now} Change it with `/loop mode:`, to off, track or queue.")
}

pub(crate) fn repeat_set(repeat: Repeat) -> String {
    match repeat {
        Repeat::Off => "Nothing is looped any more.",
        Repeat::Track => "The track plays again and again now. `/loop mode:off` ends that.",
        Repeat::Queue => {
            "The queue goes round now: what has played comes again at its end. `/loop mode:off` ends that."
        }
    }
    .to_owned()
}

// --- /filter -------------------------------------------------------------------------------------

pub(crate) fn no_such_preset(text: &str, meant: Option<&str>) -> String {
    let names = Preset::ALL.map(|preset| format!("`{}`", preset.name()));
    let names = names.join(", ");
    let meant = meant.map_or_else(String::new, |meant| format!(" Did you mean `{meant}`?"));
    format!(
        "There is no filter “{}”.{meant} There are: {names}.",
        shown(text)
    )
}

pub(crate) fn scale_out_of_range(number: f64) -> String {
    let (least, most) = SCALE;
    format!(
        "{number} is out of range: speed and pitch go from {least} to {most}, where 1 leaves the music as it is."
    )
}

pub(crate) fn effect_is(effect: Effect) -> String {
    let now = match effect_words(effect) {
        Some(words) => format!("The filter is {words}."),
        None => "No filter is set.".to_owned(),
    };
    let mut text = format!("{now} Choose one with `/filter preset:`");
    for preset in Preset::ALL {
        let _ = write!(text, "\n• `{}`: {}", preset.name(), preset.about());
    }
    text
}

pub(crate) fn effect_set(effect: Effect) -> String {
    match effect_words(effect) {
        Some(words) => format!("The filter is now {words}. `/filter preset:off` ends that."),
        None => "The filter is off: the music is as it is.".to_owned(),
    }
}

/// `nightcore, speed 1.25`; nothing for no effect.
fn effect_words(effect: Effect) -> Option<String> {
    let mut parts = Vec::new();
    if effect.preset != Preset::Off {
        parts.push(effect.preset.name().to_owned());
    }
    for (what, number) in [("speed", effect.speed), ("pitch", effect.pitch)] {
        if number != 1.0 {
            parts.push(format!("{what} {number}"));
        }
    }
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// ` · volume 50 % · looped`: what is not as usual.
pub(crate) fn notes(volume: u16, repeat: Repeat, effect: Effect) -> String {
    let mut notes = String::new();
    if volume != 100 {
        let _ = write!(notes, " · volume {volume} %");
    }
    match repeat {
        Repeat::Off => {}
        Repeat::Track => notes.push_str(" · looped"),
        Repeat::Queue => notes.push_str(" · queue looped"),
    }
    if let Some(words) = effect_words(effect) {
        let _ = write!(notes, " · filter {words}");
    }
    notes
}

/// What a card says of music that waits for listeners.
pub(crate) fn until_somebody(dozes: bool) -> &'static str {
    match dozes {
        true => " · until somebody listens",
        false => "",
    }
}

// --- /previous, /queue … -------------------------------------------------------------------------

pub(crate) const NOTHING_BEFORE: &str =
    "Nothing has played here yet that I remember. Start something with `/play`.";

pub(crate) const NOTHING_WAITS: &str =
    "Nothing waits in the queue, so there is nothing to change. Add something with `/play`.";

pub(crate) fn no_such_place(place: i64, waiting: usize) -> String {
    match waiting {
        1 => format!("There is no place {place}: only 1 track waits. `/queue show` names it."),
        n => format!(
            "There is no place {place}: places go from 1 to {n}. `/queue show` names what waits there."
        ),
    }
}

pub(crate) fn moved(item: &Item, place: usize) -> String {
    format!(
        "**{}** is {} in the queue now.",
        shown(&item.label),
        ordinal(place)
    )
}

pub(crate) fn removed(gone: &[Item], left: usize) -> String {
    let what = match gone {
        [one] => format!("**{}**", shown(&one.label)),
        many => items(many.len()),
    };
    match left {
        0 => format!("Took {what} out of the queue. It is empty now."),
        n => format!("Took {what} out of the queue. {}.", wait_count(n)),
    }
}

pub(crate) fn cleared(count: usize, plays: bool) -> String {
    let rest = if plays { " What plays goes on." } else { "" };
    format!("Took {} out of the queue.{rest}", items(count))
}

pub(crate) fn shuffled(count: usize, next: Option<&Item>) -> String {
    let next = next.map_or_else(String::new, |item| format!(" Next is {}.", named(item)));
    format!("Shuffled {}.{next}", items(count))
}
