//! `[permissions]`, and the owners in `[discord]`: who may do what.

use mynah_wire::RoleId;

use super::document::{Node, Value};
use super::parse::{self, Parsed, Problem};
use super::reader::Reader;
use super::suggest::nearest;
use super::typed::{Owners, Permissions};

/// The word that stands for everybody in the team of the application.
const TEAM: &str = "team";

/// Reads the table; `plugins` are the ids of the plugins this program has.
pub(super) fn permissions(reader: &mut Reader<'_>, plugins: &[String]) -> Option<Permissions> {
    let owners = reader.read("discord", "owners", owners);
    let dj_roles = reader.read("permissions", "dj_roles", |node| {
        parse::list(node, parse::id)
    });
    let manager_roles = reader.read("permissions", "manager_roles", |node| {
        managers(node, plugins)
    });
    let blocked_users = reader.read("permissions", "blocked_users", |node| {
        parse::list(node, parse::id)
    });
    Some(Permissions {
        owners: owners?,
        dj_roles: dj_roles?,
        manager_roles: manager_roles?,
        blocked_users: blocked_users?,
    })
}

fn owners(node: &Node) -> Result<Owners, Vec<Problem>> {
    let each = |node: &Node| match &node.value {
        Value::Text(word) if word == TEAM => Ok(None),
        _ => parse::id(node).map(Some),
    };
    let all = parse::list(node, each)?;
    Ok(Owners {
        team: all.contains(&None),
        ids: all.into_iter().flatten().collect(),
    })
}

/// Roles by plugin.
fn managers(node: &Node, plugins: &[String]) -> Result<Vec<(String, Vec<RoleId>)>, Vec<Problem>> {
    let Value::Table(entries) = &node.value else {
        let help = "write it as { recorder = [\"ROLE ID\"] }";
        let message = format!("expected a table, found {}", node.value.kind());
        return Err(vec![Problem::at(node, message, help)]);
    };
    let mut all = Vec::new();
    let mut problems = Vec::new();
    for entry in entries {
        match parse::list(&entry.node, parse::id) {
            Ok(roles) => all.push((entry.name.clone(), roles)),
            Err(found) => problems.extend(found),
        }
        // As shipped it names plugins that a smaller program may not have.
        let is_empty = matches!(&entry.node.value, Value::List(roles) if roles.is_empty());
        if !is_empty {
            problems.extend(known(entry.name.as_str(), &entry.place, plugins).err());
        }
    }
    match problems.is_empty() {
        true => Ok(all),
        false => Err(problems),
    }
}

fn known(name: &str, place: &super::document::Place, plugins: &[String]) -> Parsed<()> {
    if plugins.iter().any(|plugin| plugin == name) {
        return Ok(());
    }
    Err(Problem {
        message: format!("there is no plugin `{name}`"),
        help: match nearest(name, plugins.iter().map(String::as_str)) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("those that there are: {}", plugins.join(", ")),
        },
        place: place.clone(),
    })
}
