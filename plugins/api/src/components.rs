//! Buttons, menus, forms and the blocks of Components V2, built by functions (protocol/rest.md
//! section 7).
//!
//! A `custom_id` begins with `<plugin id>:`, else its use does not come back to this plugin; what
//! follows is [`Interaction::action`](crate::Interaction::action). Texts that are too long for
//! Discord are cut and end in an ellipsis, so that a long title never costs the whole message.

use serde_json::{Map, Value, json};

/// One component; goes into [`Reply::rows`](crate::Reply::rows),
/// [`Reply::blocks`](crate::Reply::blocks) or a [`Form`].
///
/// ```
/// use mynah_plugin::{Component, Reply, Style};
///
/// let card = Component::container([
///     Component::text("## Now playing"),
///     Component::section("A song by somebody", Component::thumbnail("https://example.org/a.png")),
///     Component::separator(),
///     Component::row([
///         Component::button("my-plugin:pause", "Pause"),
///         Component::button("my-plugin:stop", "Stop").style(Style::Danger).disabled(),
///     ]),
/// ]);
/// let reply = Reply::empty().blocks([card.accent(0x55_AA_55)]);
/// assert_eq!(reply.to_json()["flags"], 32768);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Component(Map<String, Value>);

/// How a button looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Style {
    /// The one that most people want.
    Primary,
    /// Beside others.
    #[default]
    Secondary,
    /// Says yes.
    Success,
    /// Cannot be taken back.
    Danger,
}

/// The text, cut to what Discord takes.
pub(crate) fn cut(text: impl Into<String>, max_chars: usize) -> String {
    let mut text = text.into();
    if let Some((end, _)) = text.char_indices().nth(max_chars) {
        text.truncate(end);
        text.pop();
        text.push('…');
    }
    text
}

fn list(of: impl IntoIterator<Item = Component>) -> Value {
    of.into_iter().map(Value::from).collect()
}

/// Making one.
impl Component {
    fn new(kind: u8) -> Self {
        Self(Map::new()).with("type", kind)
    }

    fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.0.insert(key.to_owned(), value.into());
        self
    }

    /// Up to five buttons, or one menu.
    #[must_use]
    pub fn row(inner: impl IntoIterator<Item = Self>) -> Self {
        Self::new(1).with("components", list(inner))
    }

    /// A button; `label` up to 80 characters.
    #[must_use]
    pub fn button(custom_id: impl Into<String>, label: impl Into<String>) -> Self {
        let button = Self::new(2).with("custom_id", custom_id.into());
        button.with("label", cut(label, 80)).style(Style::default())
    }

    /// A button that opens a web page and tells nobody.
    #[must_use]
    pub fn link(url: impl Into<String>, label: impl Into<String>) -> Self {
        let button = Self::new(2).with("url", url.into()).with("style", 5);
        button.with("label", cut(label, 80))
    }

    /// A menu of texts; add 1 to 25 with [`Component::option`].
    #[must_use]
    pub fn menu(custom_id: impl Into<String>) -> Self {
        let menu = Self::new(3).with("custom_id", custom_id.into());
        menu.with("options", json!([]))
    }

    /// A menu of people: [`values`](crate::Interaction::values) are their ids.
    #[must_use]
    pub fn user_menu(custom_id: impl Into<String>) -> Self {
        Self::new(5).with("custom_id", custom_id.into())
    }

    /// A menu of roles.
    #[must_use]
    pub fn role_menu(custom_id: impl Into<String>) -> Self {
        Self::new(6).with("custom_id", custom_id.into())
    }

    /// A menu of channels.
    #[must_use]
    pub fn channel_menu(custom_id: impl Into<String>) -> Self {
        Self::new(8).with("custom_id", custom_id.into())
    }

    /// Only voice and stage channels, in a menu of channels.
    #[must_use]
    pub fn voice_channels(self) -> Self {
        self.with("channel_types", json!([2, 13]))
    }

    /// A field of a form for one line; `custom_id` is what [`Interaction::field`] asks for.
    ///
    /// [`Interaction::field`]: crate::Interaction::field
    #[must_use]
    pub fn line(custom_id: impl Into<String>) -> Self {
        Self::new(4)
            .with("custom_id", custom_id.into())
            .with("style", 1)
    }

    /// A field of a form for some lines.
    #[must_use]
    pub fn paragraph(custom_id: impl Into<String>) -> Self {
        Self::line(custom_id).with("style", 2)
    }

    /// Words in Markdown, up to 4,000 characters. Components V2.
    #[must_use]
    pub fn text(markdown: impl Into<String>) -> Self {
        Self::new(10).with("content", cut(markdown, 4000))
    }

    /// Words with a thumbnail or a button beside them. Components V2.
    #[must_use]
    pub fn section(markdown: impl Into<String>, beside: Self) -> Self {
        let words = Self::text(markdown);
        Self::new(9)
            .with("components", list([words]))
            .with("accessory", beside)
    }

    /// A small picture, beside a section's words. `url`: `https://…` or `attachment://name`.
    #[must_use]
    pub fn thumbnail(url: impl Into<String>) -> Self {
        Self::new(11).with("media", json!({ "url": url.into() }))
    }

    /// One to ten pictures. Components V2.
    #[must_use]
    pub fn gallery<U: Into<String>>(urls: impl IntoIterator<Item = U>) -> Self {
        let item = |url: U| json!({ "media": { "url": url.into() } });
        let items: Vec<Value> = urls.into_iter().map(item).collect();
        Self::new(12).with("items", items)
    }

    /// A line between blocks. Components V2.
    #[must_use]
    pub fn separator() -> Self {
        Self::new(14)
    }

    /// Blocks in a frame of their own. Components V2.
    #[must_use]
    pub fn container(inner: impl IntoIterator<Item = Self>) -> Self {
        Self::new(17).with("components", list(inner))
    }

    /// A form's field with its name (up to 45 characters) over it.
    #[must_use]
    pub fn label(name: impl Into<String>, field: Self) -> Self {
        Self::new(18)
            .with("label", cut(name, 45))
            .with("component", field)
    }
}

/// Saying more of it. What does not fit its kind is refused by Discord.
impl Component {
    /// A button's look.
    #[must_use]
    pub fn style(self, style: Style) -> Self {
        let number = match style {
            Style::Primary => 1,
            Style::Secondary => 2,
            Style::Success => 3,
            Style::Danger => 4,
        };
        self.with("style", number)
    }

    /// A Unicode emoji on a button.
    #[must_use]
    pub fn emoji(self, emoji: &str) -> Self {
        self.with("emoji", json!({ "name": emoji }))
    }

    /// Nobody can use it.
    #[must_use]
    pub fn disabled(self) -> Self {
        self.with("disabled", true)
    }

    /// A colour (`0xRRGGBB`) beside a container.
    #[must_use]
    pub fn accent(self, rgb: u32) -> Self {
        self.with("accent_color", rgb & 0xFF_FFFF)
    }

    /// One more line of a menu: what is read and what the plugin gets, up to 100 characters each.
    #[must_use]
    pub fn option(self, label: impl Into<String>, value: impl Into<String>) -> Self {
        self.add(json!({ "label": cut(label, 100), "value": value.into() }))
    }

    /// As [`Component::option`], chosen already.
    #[must_use]
    pub fn chosen(self, label: impl Into<String>, value: impl Into<String>) -> Self {
        self.add(json!({ "label": cut(label, 100), "value": value.into(), "default": true }))
    }

    fn add(mut self, option: Value) -> Self {
        if let Some(options) = self.0.get_mut("options").and_then(Value::as_array_mut) {
            options.push(option);
        }
        self
    }

    /// What an empty menu or field says, up to 100 characters.
    #[must_use]
    pub fn placeholder(self, words: impl Into<String>) -> Self {
        self.with("placeholder", cut(words, 100))
    }

    /// How many may be chosen in a menu, 0 to 25 and 1 to 25.
    #[must_use]
    pub fn how_many(self, min: u8, max: u8) -> Self {
        self.with("min_values", min).with("max_values", max)
    }

    /// What stands in a field at first.
    #[must_use]
    pub fn value(self, text: impl Into<String>) -> Self {
        self.with("value", cut(text, 4000))
    }

    /// The shortest and longest text a field takes, 0 to 4,000 and 1 to 4,000 characters.
    #[must_use]
    pub fn length(self, min: u16, max: u16) -> Self {
        self.with("min_length", min).with("max_length", max)
    }

    /// A field or menu of a form may be left empty.
    #[must_use]
    pub fn optional(self) -> Self {
        self.with("required", false)
    }
}

impl From<Component> for Value {
    fn from(component: Component) -> Self {
        Self::Object(component.0)
    }
}

/// A dialog, for [`Interaction::modal`](crate::Interaction::modal). What people enter comes as an
/// interaction of [`Kind::Modal`](crate::Kind::Modal).
///
/// ```
/// use mynah_plugin::{Component, Form};
///
/// let form = Form::new("my-plugin:rename", "Another name")
///     .field("Name", Component::line("name").length(1, 40))
///     .field("Why", Component::paragraph("why").optional());
/// # assert_eq!(form.to_json()["components"][1]["label"], "Why");
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Form {
    custom_id: String,
    title: String,
    fields: Vec<Component>,
}

impl Form {
    /// An empty one; it needs one to five fields. `title`: up to 45 characters.
    #[must_use]
    pub fn new(custom_id: impl Into<String>, title: impl Into<String>) -> Self {
        Self {
            custom_id: custom_id.into(),
            title: cut(title, 45),
            fields: Vec::new(),
        }
    }

    /// Adds a line, a paragraph or a menu, with its name over it.
    #[must_use]
    pub fn field(mut self, name: impl Into<String>, field: Component) -> Self {
        self.fields.push(Component::label(name, field));
        self
    }

    /// Discord's JSON.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "custom_id": self.custom_id,
            "title": self.title,
            "components": list(self.fields.iter().cloned()),
        })
    }
}

impl From<Form> for Value {
    fn from(form: Form) -> Self {
        form.to_json()
    }
}

/// A block with a coloured edge in an ordinary message, for [`Reply::embed`](crate::Reply::embed).
///
/// ```
/// use mynah_plugin::{Embed, Reply};
///
/// let scores = Embed::new().title("Scores").text("Of today").field("ann", "3").accent(0x11_22_33);
/// let reply = Reply::empty().embed(scores);
/// # assert_eq!(reply.to_json()["embeds"][0]["fields"][0]["name"], "ann");
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Embed(Map<String, Value>);

impl Embed {
    /// An empty one; it needs something.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.0.insert(key.to_owned(), value.into());
        self
    }

    /// Its title, up to 256 characters.
    #[must_use]
    pub fn title(self, title: impl Into<String>) -> Self {
        self.with("title", cut(title, 256))
    }

    /// Where a click on the title leads.
    #[must_use]
    pub fn url(self, url: impl Into<String>) -> Self {
        self.with("url", url.into())
    }

    /// Its text in Markdown, up to 4,096 characters.
    #[must_use]
    pub fn text(self, markdown: impl Into<String>) -> Self {
        self.with("description", cut(markdown, 4096))
    }

    /// The colour (`0xRRGGBB`) of its edge.
    #[must_use]
    pub fn accent(self, rgb: u32) -> Self {
        self.with("color", rgb & 0xFF_FFFF)
    }

    /// Adds one of up to 25 fields: 256 and 1,024 characters.
    #[must_use]
    pub fn field(mut self, name: impl Into<String>, text: impl Into<String>) -> Self {
        let field = json!({ "name": cut(name, 256), "value": cut(text, 1024), "inline": true });
        let fields = self.0.entry("fields").or_insert_with(|| json!([]));
        if let Some(fields) = fields.as_array_mut() {
            fields.push(field);
        }
        self
    }

    /// Small words below, up to 2,048 characters.
    #[must_use]
    pub fn footer(self, words: impl Into<String>) -> Self {
        self.with("footer", json!({ "text": cut(words, 2048) }))
    }

    /// A big picture.
    #[must_use]
    pub fn image(self, url: impl Into<String>) -> Self {
        self.with("image", json!({ "url": url.into() }))
    }

    /// A small picture.
    #[must_use]
    pub fn thumbnail(self, url: impl Into<String>) -> Self {
        self.with("thumbnail", json!({ "url": url.into() }))
    }
}

impl From<Embed> for Value {
    fn from(embed: Embed) -> Self {
        Self::Object(embed.0)
    }
}
