//! The smallest plugin there is: /hello answers. Everything else is optional.

use mynah_plugin::{About, Commands, Cx, Event, Need, Plugin, Result, Saved, Slash};

/// It has nothing to remember.
pub struct Hello;

/// `[plugins.hello]` has no keys of its own; whatever stands there is a mistake.
#[derive(Debug, serde::Deserialize)]
pub struct Config {}

impl Plugin for Hello {
    const ABOUT: About = About::new("hello", "Hello", "1.0.0", "Says hello.")
        .needs(&[Need::required("commands", "to offer /hello")]);
    type Config = Config;

    fn start(cx: &mut Cx<'_, Self>, _: Config, _: Option<Saved>) -> Result<Self> {
        cx.set_commands(&Commands::new().slash(Slash::new("hello", "Says hello")))?;
        Ok(Self)
    }

    fn event(&mut self, cx: &mut Cx<'_, Self>, event: Event<'_>) -> Result<()> {
        if let Event::Interaction(asked) = event {
            let words = format!("Hello, {}!", asked.user_name());
            cx.detach("/hello", asked.reply(words));
        }
        Ok(())
    }
}

mynah_plugin::export!(Hello);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use mynah_plugin::testing::{Answer, Stage};
    use serde_json::json;

    static ENTRY: mynah_plugin::abi::Entry = mynah_plugin::entry!(Hello);

    #[test]
    fn whoever_says_hello_is_greeted() {
        let mut stage = Stage::start(&ENTRY, &json!({})).unwrap();
        stage.script(|_| Answer::Done(json!(null)));
        stage.command("hello", json!({}));
        let said = stage.said();
        assert!(
            matches!(said.as_slice(), [one] if one.starts_with("Hello, ")),
            "{said:?}"
        );
    }

    #[test]
    fn a_key_that_it_does_not_have_is_refused() {
        assert!(Stage::start(&ENTRY, &json!({ "greeting": "Hi" })).is_err());
    }
}
