//! Everything that the SDK's builders make is taken by the server, whose rules were written from
//! Discord's documentation.
#![allow(clippy::unwrap_used)]

use super::Town;
use mynah_plugin::{
    About, Catalogue, Choice, Commands, Component, Cx, Embed, Event, Form, Interaction, Kind, Need,
    Opt, Plugin, Reply, Result, Saved, Slash, Style, abi,
};
use serde_json::{Value, json};

/// Answers with whatever it is asked for.
struct Shop;

const WORDS: Catalogue = Catalogue::new(&[
    ("en-US", &[("about", "Shows what there is")]),
    ("de", &[("about", "Zeigt, was es gibt")]),
    ("pt-BR", &[("about", "Mostra o que há")]),
]);

impl Plugin for Shop {
    const ABOUT: About = About::new("shop", "Shop", "1.0.0", "Has one of everything.")
        .needs(&[Need::required("commands", "to offer /show")]);
    type Config = Value;

    fn start(cx: &mut Cx<'_, Self>, _: Value, _: Option<Saved>) -> Result<Self> {
        let what = Opt::text("what", "What to show")
            .named([("de", "was")])
            .described([("de", "Was gezeigt wird")])
            .required()
            .autocomplete();
        let many = Opt::integer("many", "How many")
            .range(1, 10)
            .choice("one", 1);
        let whom = Opt::mentionable("whom", "A person or a role");
        let show = Slash::new("show", "Shows what there is")
            .named([("de", "zeig"), ("ja", "見せる")])
            .described(WORDS.others("about"))
            .option(what)
            .option(many)
            .option(whom)
            .option(Opt::channel("room", "A room").voice_channels());
        cx.set_commands(&Commands::new().slash(show))?;
        Ok(Self)
    }

    fn event(&mut self, cx: &mut Cx<'_, Self>, event: Event<'_>) -> Result<()> {
        let Event::Interaction(asked) = event else {
            return Ok(());
        };
        match asked.kind() {
            Kind::Autocomplete => cx.detach("offers", asked.choices([Choice::new("all", "all")])),
            Kind::Command => cx.detach("show", asked.reply(shown(&asked))),
            Kind::Modal => {
                let said = format!("{:?} {:?}", asked.field("name"), asked.field("why"));
                cx.detach("entered", asked.reply(said));
            }
            _ if asked.action() == "form" => {
                let form = Form::new("shop:entered", "x".repeat(60))
                    .field(
                        "Name",
                        Component::line("name").placeholder("…").length(1, 40),
                    )
                    .field("Why", Component::paragraph("why").value("so").optional());
                cx.detach("form", asked.modal(form));
            }
            _ => cx.detach("chosen", asked.reply(format!("{:?}", asked.values()))),
        }
        Ok(())
    }
}

fn shown(asked: &Interaction) -> Reply {
    match asked.text("what") {
        Some("blocks") => {
            let beside = Component::button("shop:beside", "Beside").emoji("🐦");
            let blocks = [
                Component::text("x".repeat(5_000)),
                Component::section("Words", beside),
                Component::section("More", Component::thumbnail("https://example.org/a.png")),
                Component::gallery(["https://example.org/a.png", "https://example.org/b.png"]),
                Component::separator(),
                Component::row([Component::link("https://example.org", "x".repeat(100))]),
            ];
            Reply::empty().blocks([Component::container(blocks).accent(0xFF00_FF00)])
        }
        Some("rows") => {
            let styles = [
                Style::Primary,
                Style::Secondary,
                Style::Success,
                Style::Danger,
            ];
            let buttons = styles.map(|style| {
                let button = Component::button(format!("shop:{style:?}"), "Press").style(style);
                button.disabled()
            });
            let form = Component::row([Component::button("shop:form", "Fill in")]);
            let texts = Component::menu("shop:texts")
                .option("A", "a")
                .chosen("B", "b");
            let menus = [
                texts.placeholder("Choose").how_many(1, 2),
                Component::user_menu("shop:users").how_many(0, 25),
                Component::channel_menu("shop:channels").voice_channels(),
            ];
            let menus = menus.map(|menu| Component::row([menu]));
            let rows = [Component::row(buttons), form].into_iter().chain(menus);
            Reply::text("Rows").rows(rows)
        }
        _ => {
            let mut embed = Embed::new()
                .title("T".repeat(300))
                .url("https://example.org");
            for number in 0..3 {
                embed = embed.field(format!("Field {number}"), "x".repeat(1_100));
            }
            let embed = embed.accent(0x12_34_56).footer("Small words").text("Text");
            let embed = embed.image("https://example.org/a.png");
            Reply::empty().embed(embed.thumbnail("https://example.org/b.png"))
        }
    }
}

static ENTRY: abi::Entry = mynah_plugin::entry!(Shop);

#[test]
fn whatever_the_builders_make_is_taken_by_the_server_and_comes_back_when_used() {
    let mut town = Town::new();
    town.bot(&ENTRY, json!({}));
    let ann = town.user("ann");
    for what in ["blocks", "embed", "rows"] {
        let reply = town.command(ann, "show", json!({ "what": what }));
        assert_eq!(reply.refused(), None, "{what}: {}", reply.json());
        assert_eq!(reply.messages().len(), 1, "{what}: {}", reply.json());
    }
    let chosen = town.choose(ann, "texts", &["a", "b"]).text();
    assert_eq!(chosen, r#"["a", "b"]"#);
    let somebody = ann.id().to_string();
    let chosen = town.choose(ann, "users", &[&somebody]).text();
    assert!(chosen.contains(&somebody), "{chosen}");
    let form = town.press(ann, "form");
    let entered = town.submit(ann, &form, json!({ "name": "Ann" })).text();
    assert!(entered.starts_with(r#"Some("Ann")"#), "{entered}");
    let offered = town.autocomplete(ann, "show", json!({ "what": "a" }), "what");
    assert_eq!(offered.choices(), ["all"]);
}
