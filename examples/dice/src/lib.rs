//! /dice throws dice. `mynah plugin build examples/dice` makes a file of it that any bot loads.

use mynah_plugin::{
    About, Commands, Cx, Diagnostic, Event, Need, Opt, Plugin, Result, Saved, Slash,
};

/// The most dice of one throw.
const MAX_DICE: i64 = 20;
/// Sides that a die of this world can have.
const SIDES: core::ops::RangeInclusive<u32> = 2..=1000;

/// Throws, and remembers how often it did.
pub struct Dice {
    sides: u32,
    /// How often it threw, all runs together.
    thrown: u64,
    /// Where the numbers come from: splitmix64, which is enough for a game among friends.
    state: u64,
}

/// `[plugins.dice]`.
#[derive(Debug, serde::Deserialize)]
#[serde(default)]
pub struct Config {
    /// Sides of a die, 2 to 1000.
    pub sides: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self { sides: 6 }
    }
}

impl Plugin for Dice {
    const ABOUT: About = About::new("dice", "Dice", "1.0.0", "Throws dice.")
        .needs(&[Need::required("commands", "to offer /dice")]);
    type Config = Config;

    fn check(config: &Config) -> Vec<Diagnostic> {
        if SIDES.contains(&config.sides) {
            return Vec::new();
        }
        vec![Diagnostic::new("/sides", "a die has 2 to 1000 sides")]
    }

    fn start(cx: &mut Cx<'_, Self>, config: Config, saved: Option<Saved>) -> Result<Self> {
        let many = Opt::integer("dice", "How many, 1 to 20");
        let slash = Slash::new("dice", "Throws dice").option(many);
        cx.set_commands(&Commands::new().slash(slash))?;
        // A state of another version is no reason not to play.
        let thrown = saved.and_then(|saved| saved.read().ok()).unwrap_or(0);
        Ok(Self {
            sides: config.sides,
            thrown,
            state: cx.now_us(),
        })
    }

    fn event(&mut self, cx: &mut Cx<'_, Self>, event: Event<'_>) -> Result<()> {
        if let Event::Interaction(asked) = event {
            let many = asked.integer("dice").unwrap_or(1).clamp(1, MAX_DICE);
            let thrown: Vec<u64> = (0..many).map(|_| self.throw()).collect();
            self.thrown += 1;
            cx.detach("/dice", asked.reply(says(&thrown, self.thrown)));
        }
        Ok(())
    }

    fn save(&mut self) -> Result<Saved> {
        Saved::json(&self.thrown)
    }
}

impl Dice {
    fn throw(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % u64::from(self.sides.max(1)) + 1
    }
}

fn says(thrown: &[u64], number: u64) -> String {
    let each: Vec<String> = thrown.iter().map(u64::to_string).collect();
    match thrown {
        [one] => format!("{one} (throw {number})"),
        all => {
            let sum: u64 = all.iter().sum();
            format!("{} = {sum} (throw {number})", each.join(" + "))
        }
    }
}

mynah_plugin::export!(Dice);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn every_side_comes_up_and_no_other() {
        let mut dice = Dice {
            sides: 6,
            thrown: 0,
            state: 7,
        };
        let mut seen = [0_u32; 7];
        for _ in 0..600 {
            *seen.get_mut(dice.throw() as usize).unwrap() += 1;
        }
        assert!(seen.iter().skip(1).all(|times| *times > 50), "{seen:?}");
        assert_eq!(seen.first(), Some(&0));
    }

    #[test]
    fn several_dice_are_added_up() {
        assert_eq!(says(&[4], 1), "4 (throw 1)");
        assert_eq!(says(&[1, 2, 3], 9), "1 + 2 + 3 = 6 (throw 9)");
    }

    static ENTRY: mynah_plugin::abi::Entry = mynah_plugin::entry!(Dice);

    #[test]
    fn people_in_town_throw_dice_and_the_count_outlives_a_restart() {
        let mut town = mynah_testkit::Town::new();
        town.bot(&ENTRY, json!({ "sides": 2 }));
        let (ann, bob) = (town.user("ann"), town.user("bob"));
        let three = town.command(ann, "dice", json!({ "dice": 3 })).text();
        assert!(
            three.ends_with("(throw 1)") && three.contains(" + "),
            "{three}"
        );
        let none = town.command(bob, "dice", json!({ "dice": "many" }));
        assert!(
            none.refused().is_some(),
            "the server knows what a number is"
        );
        town.restart();
        let one = town.command(bob, "dice", json!({})).text();
        assert!(one.ends_with("(throw 2)"), "{one}");
    }
}
