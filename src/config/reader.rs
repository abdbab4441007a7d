//! Reads settings one by one from the tree, noting every problem and going on.

use std::collections::BTreeSet;

use super::diagnostic::{Diagnostic, Report, Severity};
use super::document::{Entry, Node, Origin, Place, Value, parse_value};
use super::keys::{self, PLUGIN_KEYS, find};
use super::parse::Problem;
use super::suggest::nearest;

/// The tree, and the report that problems go to.
pub(super) struct Reader<'a> {
    pub root: &'a Node,
    pub report: Report,
    /// The text that defaults are read from; they have no problems, so it is never shown.
    defaults: usize,
    /// Lines of the file with syntax errors: what else seems wrong there is their echo.
    broken_lines: BTreeSet<usize>,
}

impl IntoIterator for Problem {
    type Item = Problem;
    type IntoIter = std::iter::Once<Problem>;

    fn into_iter(self) -> Self::IntoIter {
        std::iter::once(self)
    }
}

impl<'a> Reader<'a> {
    pub fn new(root: &'a Node, mut report: Report) -> Self {
        let broken_lines = report
            .diagnostics
            .iter()
            .filter_map(|found| found.place.as_ref())
            .filter_map(|place| line_of(&report, place))
            .collect();
        let defaults = report.text(Origin::Default, String::new());
        Self {
            root,
            report,
            defaults,
            broken_lines,
        }
    }

    /// One setting: from the tree, else from the default in the key table. `None` when it is not set
    /// and has no default, and when it is wrong, which is then in the report.
    pub fn read<T, E: IntoIterator<Item = Problem>>(
        &mut self,
        section: &str,
        name: &str,
        parse: impl FnOnce(&Node) -> Result<T, E>,
    ) -> Option<T> {
        let key = find(section, name)?;
        let parsed = match self.entry(section, name) {
            Some(entry) => parse(&entry.node),
            None => parse(&parse_value(key.default, self.defaults, 0)?),
        };
        match parsed {
            Ok(value) => Some(value),
            Err(problems) => {
                for problem in problems {
                    self.problem(section, problem);
                }
                None
            }
        }
    }

    /// The key with its value as written, if it is.
    pub fn entry(&self, section: &str, name: &str) -> Option<&'a Entry> {
        if section.is_empty() {
            self.root.find(name)
        } else {
            self.root.find(&format!("{section}.{name}"))
        }
    }

    /// Adds a problem with a value.
    pub fn problem(&mut self, section: &str, problem: Problem) {
        self.note(
            Severity::Error,
            section,
            problem.place,
            problem.message,
            problem.help,
        );
    }

    /// Adds a finding.
    pub fn note(
        &mut self,
        severity: Severity,
        section: &str,
        place: Place,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        if line_of(&self.report, &place).is_some_and(|line| self.broken_lines.contains(&line)) {
            return;
        }
        self.report.diagnostics.push(Diagnostic {
            severity,
            message: message.into(),
            place: Some(place),
            section: section.to_owned(),
            help: help.into(),
        });
    }

    /// Reports every key and table whose name is not known. `plugins` are the ids of the plugins
    /// this program has.
    pub fn check_names(&mut self, plugins: &[&str]) {
        for entry in self.root.entries() {
            if entry.name == "plugins" {
                self.check_plugin_names(entry, plugins);
            } else if keys::tables().any(|table| table == entry.name) {
                self.check_section(entry);
            } else if find("", &entry.name).is_none() {
                self.unknown("", entry, keys::names("").chain(keys::tables()));
            }
        }
    }

    fn check_section(&mut self, section: &Entry) {
        if !self.is_table(section) {
            return;
        }
        self.check_keys(&section.name, section);
    }

    /// The keys of a table, and of the tables that stand in it.
    fn check_keys(&mut self, path: &str, section: &Entry) {
        for entry in section.node.entries() {
            let inner = format!("{path}.{}", entry.name);
            if keys::is_table(&inner) {
                if self.is_table(entry) {
                    self.check_keys(&inner, entry);
                }
            } else if find(path, &entry.name).is_none() {
                let known = keys::names(path).chain(keys::tables_in(path));
                self.unknown(path, entry, known);
            }
        }
    }

    fn check_plugin_names(&mut self, entry: &Entry, plugins: &[&str]) {
        if !self.is_table(entry) {
            return;
        }
        for plugin in entry.node.entries() {
            if !plugins.contains(&plugin.name.as_str()) {
                let help = match nearest(&plugin.name, plugins.iter().copied()) {
                    Some(id) => format!("did you mean `{id}`?"),
                    None => format!(
                        "the plugins here are: {}; one in a file of its own needs `path`",
                        plugins.join(", ")
                    ),
                };
                let message = format!("unknown plugin `{}`", plugin.name);
                self.note(
                    Severity::Error,
                    "plugins",
                    plugin.place.clone(),
                    message,
                    help,
                );
            } else {
                self.is_table(plugin);
            }
        }
    }

    fn is_table(&mut self, entry: &Entry) -> bool {
        let is = matches!(entry.node.value, Value::Table(_));
        if !is {
            let message = format!(
                "`{}` is a table, found {}",
                entry.name,
                entry.node.value.kind()
            );
            let name = keys::SECTIONS
                .iter()
                .map(|section| section.name)
                .find(|name| name.rsplit('.').next() == Some(&entry.name))
                .unwrap_or(&entry.name);
            let help = format!("write a line [{name}] and the keys below it");
            self.note(Severity::Error, "", entry.place.clone(), message, help);
        }
        is
    }

    fn unknown(&mut self, section: &str, entry: &Entry, known: impl Iterator<Item = &'static str>) {
        let known: Vec<&str> = known.collect();
        let elsewhere =
            keys::all().find(|key| key.name == entry.name && !PLUGIN_KEYS.contains(&key.name));
        let variable = self.is_variable(&entry.place);
        let shown = |section: &str, name: &str| match (variable, section) {
            (true, "") => keys::variable(name),
            (true, _) => keys::variable(&format!("{section}.{name}")),
            (false, _) => name.to_owned(),
        };
        let help = if let Some(name) = nearest(&entry.name, known.iter().copied()) {
            format!("did you mean `{}`?", shown(section, name))
        } else if let Some(key) = elsewhere {
            format!("`{}` belongs in [{}]", key.name, key.section)
        } else {
            format!("known here: {}", known.join(", "))
        };
        let message = match (&entry.node.value, variable) {
            (Value::Table(_), false) => format!("unknown table `{}`", entry.name),
            (_, false) => format!("unknown key `{}`", entry.name),
            (_, true) => "no such setting".to_owned(),
        };
        self.note(Severity::Error, section, entry.place.clone(), message, help);
    }

    /// Whether something was set by an environment variable.
    pub fn is_variable(&self, place: &Place) -> bool {
        let text = self.report.texts.get(place.text);
        text.is_some_and(|text| matches!(text.origin, Origin::Variable(_)))
    }
}

/// The 0-based line of a place in the file; `None` in other texts.
fn line_of(report: &Report, place: &Place) -> Option<usize> {
    let text = report.texts.get(place.text)?;
    matches!(text.origin, Origin::File(_)).then(|| {
        text.content
            .bytes()
            .take(place.span.start)
            .filter(|byte| *byte == b'\n')
            .count()
    })
}
