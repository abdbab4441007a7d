//! What is read, and what must never be.

mod reference;

use super::*;

struct People;

impl Names for People {
    fn user(&self, id: u64) -> Option<String> {
        (id == 1).then(|| "Ann".to_owned())
    }

    fn role(&self, id: u64) -> Option<String> {
        (id == 2).then(|| "Crew".to_owned())
    }

    fn channel(&self, id: u64) -> Option<String> {
        (id == 3).then(|| "cat-pictures".to_owned())
    }
}

const STYLE: Style = Style {
    links: Links::Word,
    emoji: Emoji::Name,
    max_chars: 400,
};
const NOW_S: i64 = 1_700_000_000;

fn spoken(content: &str, style: &Style, dictionary: &Dictionary) -> Spoken {
    speakable(content, &[], style, &People, dictionary, NOW_S)
}

fn say(content: &str) -> String {
    spoken(content, &STYLE, &Dictionary::default()).text
}

/// A small generator: tests are the same every time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) as usize % end
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }
}

#[test]
fn people_roles_channels_and_times_are_said_by_their_names() {
    assert_eq!(say("hi <@1> and <@!1>, <@&2>!"), "hi Ann and Ann, Crew!");
    assert_eq!(
        say("see <#3> <@77> <@&77> <#77>"),
        "see cat pictures somebody a role a channel"
    );
    assert_eq!(
        say("use </tts voice:99> in <id:customize>"),
        "use tts voice in a channel"
    );
    assert_eq!(say("<t:1700000300:R>"), "in 5 minutes");
    assert_eq!(say("<t:1699913600:R>"), "1 day ago");
    assert_eq!(
        say("<t:1700000000:F>"),
        "Tuesday, 14 November 2023 at 22:13 UTC"
    );
    assert_eq!(
        say("<t:0:d> <t:951782400:d> <t:-1:t>"),
        "1 January 1970 29 February 2000 23:59 UTC"
    );
    assert_eq!(say("<t:99999999999999:R>"), "a time");
}

#[test]
fn spoilers_code_and_links_are_named_and_not_read() {
    assert_eq!(
        say("the killer is ||the butler||!"),
        "the killer is spoiler!"
    );
    assert_eq!(say("run `rm -rf` now"), "run code now");
    assert_eq!(say("```rust\nfn main() {}\n```done"), "code done");
    assert_eq!(
        say("look: https://example.org/secret?x=1."),
        "look: a link."
    );
    assert_eq!(say("<https://example.org/secret>"), "a link");
    assert_eq!(
        say("[click here](https://example.org/secret)"),
        "click here a link"
    );
    assert_eq!(
        say("www.foo.bar mail me@example.org example.com/x"),
        "a link mail a link a link"
    );
    assert_eq!(
        say("3.14 e.g. this... 10:30 and/or file.txt"),
        "3.14 e.g. this… 10:30 and/or file.txt"
    );
}

#[test]
fn links_can_be_said_by_their_host_or_left_out() {
    let host = Style {
        links: Links::Host,
        ..STYLE
    };
    let nothing = Dictionary::default();
    let text = |style: &Style| {
        spoken(
            "see https://user:pw@www.Example.org/secret",
            style,
            &nothing,
        )
        .text
    };
    assert_eq!(text(&host), "see a link to example dot org");
    assert_eq!(
        text(&Style {
            links: Links::Skip,
            ..STYLE
        }),
        "see"
    );
}

#[test]
fn marks_are_not_read_but_arithmetic_is() {
    assert_eq!(
        say("**bold** _it_ __under__ ~~gone~~ ***all***"),
        "bold it under gone all"
    );
    assert_eq!(
        say("# Title\n> quoted\n- one\n- two"),
        "Title\nquoted\none\ntwo"
    );
    assert_eq!(
        say("2 * 3 snake_case_name ~5 a|b"),
        "2 * 3 snake case name ~5 a|b"
    );
    assert_eq!(
        say("\\*not bold\\* \\||open"),
        "*not bold* ||open".replace("||", "|")
    );
}

#[test]
fn emoji_have_names_and_repeats_are_short() {
    assert_eq!(
        say("ok 👍 <:party_parrot:123> <a:BlobDance:5>"),
        "ok thumbs up party parrot Blob Dance"
    );
    assert_eq!(say("😂😂😂😂 lol"), "face with tears of joy lol");
    let quiet = Style {
        emoji: Emoji::Skip,
        ..STYLE
    };
    assert_eq!(
        spoken("ok 👍🏽 <:x:1> 👨‍👩‍👧 done", &quiet, &Dictionary::default()).text,
        "ok done"
    );
    assert_eq!(say("noooooooo!!!!!! 1000000"), "nooo! 1000000");
    assert_eq!(say("hahahahahahahaha"), "hahahaha");
    assert_eq!(
        say("spam spam spam spam spam spam eggs"),
        "spam spam spam eggs"
    );
}

#[test]
fn unicode_is_composed_and_what_is_invisible_goes() {
    assert_eq!(
        say("cafe\u{301} \u{202e}evil\u{202c} a\u{200b}b\u{0}c"),
        "café evil ab c"
    );
    let zalgo = format!("h{}i", "\u{335}\u{322}\u{310}\u{348}".repeat(30));
    assert_eq!(say(&zalgo).chars().count(), 3);
    assert_eq!(
        say("สวัสดี שָׁלוֹם"),
        "สวัสดี שָׁלוֹם",
        "marks that a script needs stay"
    );
    assert_eq!(say("\u{3164}\u{2800} \u{200b}"), "");
    assert_eq!(say("MiXeD CaSe"), "MiXeD CaSe");
    assert_eq!(
        say("[[h@'loU]]"),
        "h@'loU",
        "two brackets would be phonemes"
    );
}

#[test]
fn a_long_text_is_cut_at_a_word_and_says_so() {
    let short = Style {
        max_chars: 20,
        ..STYLE
    };
    let cut = spoken(
        "one two three four five six seven",
        &short,
        &Dictionary::default(),
    );
    assert_eq!(cut.text, format!("one two three four{CUT}"));
    assert!(cut.is_cut);
    let endless = spoken(&"abcdefg".repeat(30), &short, &Dictionary::default());
    assert_eq!(endless.text.chars().count(), 20 + CUT.chars().count());
    assert!(!spoken("short", &short, &Dictionary::default()).is_cut);
}

#[test]
fn a_message_beyond_every_limit_hides_what_it_leaves_open() {
    let long = format!("{} ||secret", "word ".repeat(MAX_MESSAGE_CHARS / 5 - 2));
    let long = format!("{long} {}||", "secret ".repeat(50));
    let wide = Style {
        max_chars: 100_000,
        ..STYLE
    };
    let text = spoken(&long, &wide, &Dictionary::default());
    assert!(
        text.is_cut && !text.text.contains("secret"),
        "{}",
        text.text
    );
}

#[test]
fn a_persons_word_wins_over_the_servers_and_only_whole_words_count() {
    let entry = |word: &str, reading: &str| check_word(word, reading).unwrap();
    let dictionary = Dictionary::new(
        [entry("GG", "good game"), entry("sql", "sequel")],
        [entry("gg", "gigi")],
    );
    let text = spoken("gg egg GG. SQL!", &STYLE, &dictionary).text;
    assert_eq!(text, "gigi egg gigi. sequel!");
    assert_eq!(check_word("two words", "x"), Err(WordError::Word));
    assert_eq!(
        check_word("x", "https://evil.example"),
        Err(WordError::Reading)
    );
    assert_eq!(check_word("x", " \u{200b}"), Err(WordError::Reading));
    let long = Dictionary::new([entry("a", &"long words ".repeat(9))], []);
    let text = spoken(&"a b ".repeat(1_000), &STYLE, &long);
    assert!(text.is_cut && text.text.chars().count() <= 400 + CUT.chars().count());
}

#[test]
fn attachments_are_counted_by_their_kind() {
    let attached = [
        Attached::of(Some("image/png")),
        Attached::of(Some("image/gif")),
        Attached::of(None),
        Attached::of(Some("audio/ogg; codecs=opus")),
    ];
    let spoken = speakable(
        "look",
        &attached,
        &STYLE,
        &People,
        &Dictionary::default(),
        NOW_S,
    );
    assert_eq!(spoken.text, "look\n2 images\nan audio file\na file");
}

/// Everything that is hidden is built of these; none of them may ever come out.
const SECRETS: [&str; 3] = ["zebra", "quagga", "okapi"];
const NOISE: [&str; 22] = [
    "hello ", "there", " ", "\n", "**", "*", "_", "__", "~~", "\\", "<@1>", "<:x:1>", "> ", "# ",
    "😀", "e\u{301}", "\u{200b}", "!", "...", "(", "[", "]",
];

#[test]
fn no_piece_of_a_spoiler_code_or_link_ever_comes_out() {
    let mut dice = Dice(7);
    for round in 0..8_000 {
        let mut message = String::new();
        let mut hidden_after_mark = false;
        for _ in 0..dice.below(14) {
            if dice.below(2) == 0 {
                // A backslash would take the meaning from the mark behind it, in Discord too.
                let noise = dice.pick(&NOISE);
                message.push_str(noise);
                hidden_after_mark = noise == "\\";
                continue;
            }
            let glued = |c: char| c.is_ascii_alphanumeric() || c == '`';
            if hidden_after_mark || message.ends_with(glued) {
                message.push(' ');
            }
            let (a, b) = (dice.pick(&SECRETS), dice.pick(&SECRETS));
            let between = dice.pick(&[
                "", " ", "\n", "*", "_", ".", "/", "\u{200b}", "😀", "**", "\\",
            ]);
            let secret = format!("{a}{between}{b}");
            match dice.below(7) {
                0 | 1 => message.push_str(&format!("||{secret}||")),
                2 => message.push_str(&format!("`{secret}`")),
                3 => message.push_str(&format!("```\n{secret}\n```")),
                4 => message.push_str(&format!("[see](https://{a}.org/({b}){a})")),
                5 => message.push_str(&format!("https://{a}.org/{b} ")),
                _ => message.push_str(&format!("[see](https://{a}.org/{b})")),
            }
            hidden_after_mark = false;
        }
        for links in [Links::Word, Links::Skip] {
            let style = Style {
                links,
                max_chars: 10_000,
                ..STYLE
            };
            let text = spoken(&message, &style, &Dictionary::default()).text;
            for secret in SECRETS {
                assert!(
                    !text.contains(secret),
                    "round {round}: {message:?} became {text:?}"
                );
            }
        }
    }
}

#[test]
fn any_bytes_at_all_become_a_bounded_text_without_control_characters() {
    let mut dice = Dice(99);
    let marks = [
        "||",
        "|",
        "```",
        "``",
        "`",
        "<",
        ">",
        "<t:",
        "<@",
        "](",
        "https://",
        "www.",
        "\\",
        "\u{202e}",
        "\u{1f468}\u{200d}",
        "\u{20e3}",
        "1\u{fe0f}\u{20e3}",
        "a",
        " ",
        "\n",
        "0",
        "\u{301}",
        "漢",
        "\u{1}",
    ];
    for _ in 0..5_000 {
        let message: String = (0..dice.below(60)).map(|_| dice.pick(&marks)).collect();
        let text = spoken(
            &message,
            &Style {
                max_chars: 50,
                ..STYLE
            },
            &Dictionary::default(),
        )
        .text;
        assert!(
            text.chars().count() <= 50 + CUT.chars().count(),
            "{message:?}: {text:?}"
        );
        assert!(
            !text.chars().any(|c| c.is_control() && c != '\n'),
            "{message:?}"
        );
        assert!(
            !text.contains("://") && !text.contains("[["),
            "{message:?}: {text:?}"
        );
    }
}

#[test]
fn marks_without_end_are_read_in_a_moment() {
    for mark in [
        "||", "`", "```", "``` ` ", "<", "](", "[", "**a", "https://", "|| ` ",
    ] {
        let message = mark.repeat(MAX_MESSAGE_CHARS);
        let text = spoken(&message, &STYLE, &Dictionary::default()).text;
        assert!(text.chars().count() < 500);
    }
}
