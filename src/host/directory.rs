//! Whose command is it? The union of the host's and all plugins' commands, and who owns which.

use serde_json::Value;
use std::collections::HashMap;

/// CHAT_INPUT, the type of a command that does not say (protocol/rest.md section 6).
const CHAT_INPUT: u64 = 1;

/// Type and name: Discord's key of a command.
type Key = (u64, String);

/// Who answers a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// The host itself.
    Host,
    /// The plugin at this place of the list.
    Plugin(usize),
}

/// The union of the host's and the plugins' commands.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    owners: HashMap<Key, Owner>,
    /// For one bulk overwrite.
    pub(crate) list: Vec<Value>,
    /// Commands two wanted: name, owner, which plugin lost.
    pub(crate) conflicts: Vec<(String, Owner, usize)>,
}

impl Directory {
    /// The host's own, then in the order of the plugins: of two that want the same name, the first
    /// has it.
    pub(crate) fn union(host: &[Value], lists: &[Vec<Value>]) -> Self {
        let mut all = Self::default();
        for command in host {
            all.owners.insert(key(command), Owner::Host);
            all.list.push(command.clone());
        }
        for (plugin, list) in lists.iter().enumerate() {
            for command in list {
                let key = key(command);
                match all.owners.get(&key) {
                    Some(&owner) => all.conflicts.push((key.1, owner, plugin)),
                    None => {
                        all.owners.insert(key, Owner::Plugin(plugin));
                        all.list.push(command.clone());
                    }
                }
            }
        }
        all
    }

    /// Who answers the command in an interaction's `data`.
    pub(crate) fn owner(&self, data: &Value) -> Option<Owner> {
        self.owners.get(&key(data)).copied()
    }
}

fn key(command: &Value) -> Key {
    let kind = command
        .get("type")
        .and_then(Value::as_u64)
        .unwrap_or(CHAT_INPUT);
    let name = command
        .get("name")
        .and_then(Value::as_str)
        .unwrap_or_default();
    (kind, name.to_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn of_two_plugins_with_the_same_command_the_first_has_it_and_both_are_named() {
        let lists = [
            vec![json!({ "name": "play" })],
            vec![
                json!({ "name": "play", "type": 1 }),
                json!({ "name": "say" }),
            ],
        ];
        let all = Directory::union(&[], &lists);
        assert_eq!(all.list.len(), 2);
        assert_eq!(all.conflicts, [("play".to_owned(), Owner::Plugin(0), 1)]);
        let owner = |data: Value| all.owner(&data);
        assert_eq!(
            owner(json!({ "name": "play", "type": 1 })),
            Some(Owner::Plugin(0))
        );
        assert_eq!(owner(json!({ "name": "say" })), Some(Owner::Plugin(1)));
        assert_eq!(owner(json!({ "name": "dance" })), None);
    }

    #[test]
    fn no_plugin_can_take_a_command_of_the_host() {
        let host = [json!({ "name": "voice" })];
        let all = Directory::union(&host, &[vec![json!({ "name": "voice", "mine": true })]]);
        assert_eq!(all.list, host);
        assert_eq!(all.conflicts, [("voice".to_owned(), Owner::Host, 0)]);
        assert_eq!(all.owner(&json!({ "name": "voice" })), Some(Owner::Host));
    }

    #[test]
    fn a_message_command_and_a_slash_command_may_share_a_name() {
        let lists = [
            vec![json!({ "name": "x" })],
            vec![json!({ "name": "x", "type": 3 })],
        ];
        let all = Directory::union(&[], &lists);
        assert!(all.conflicts.is_empty());
        let owner = all.owner(&json!({ "name": "x", "type": 3 }));
        assert_eq!(owner, Some(Owner::Plugin(1)));
    }
}
