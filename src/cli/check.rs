//! `mynah check`: every mistake in the configuration at once.

use serde_json::json;

use crate::config::{Api, Config, Report, Severity};

use super::args::CheckArgs;
use super::exit::{Exit, Failure};
use super::{login, out, run, settings, signals};

/// Checks, and says what it found on standard output.
///
/// # Errors
/// Exit 78 when the configuration cannot be used, 1 when the online check could not be made.
pub(super) fn check(args: &CheckArgs) -> Result<(), Failure> {
    let (config, mut report) = match settings::read(&args.config) {
        Ok(loaded) => (Some(loaded.config), loaded.report),
        Err(report) => (None, report),
    };
    let mut account = None;
    let mut outcome = Ok(());
    if let (true, Some(config)) = (args.online, &config) {
        match log_in(config) {
            Ok(who) => account = Some(who),
            Err(failure) => {
                report.add(Severity::Error, failure.message(), failure.help());
                outcome = Err(Failure::said(failure.exit()));
            }
        }
    }
    if config.is_none() {
        outcome = Err(Failure::said(Exit::Config));
    }
    if args.json {
        out::line(&document(&report, account.as_ref()));
    } else {
        say(args, &report, config.as_ref(), account.as_ref());
    }
    outcome
}

fn document(report: &Report, account: Option<&Account>) -> String {
    let mut document = json!({
        "ok": report.is_usable(),
        "errors": report.count(Severity::Error),
        "warnings": report.count(Severity::Warning),
        "diagnostics": report.to_json(),
    });
    if let (Some(account), Some(object)) = (account, document.as_object_mut()) {
        object.insert(
            "online".to_owned(),
            json!({ "name": account.name, "guilds": account.guilds }),
        );
    }
    format!("{document:#}")
}

fn say(args: &CheckArgs, report: &Report, config: Option<&Config>, account: Option<&Account>) {
    if !report.is_empty() {
        out::line(report.to_string().trim_end());
    }
    let Some(config) = config.filter(|_| report.is_usable()) else {
        return;
    };
    let place = match &config.discord.api {
        Api::Embedded => "the embedded server",
        Api::Discord => "Discord",
        Api::Other(url) => url,
    };
    let plugins: Vec<&str> = config
        .plugins
        .iter()
        .filter(|plugin| plugin.enabled)
        .map(|plugin| plugin.id.as_str())
        .collect();
    let plugins = if plugins.is_empty() {
        "none".to_owned()
    } else {
        plugins.join(", ")
    };
    out::line(&format!(
        "{} can be used: the bot lives on {place}, its data in {}; plugins: {plugins}.",
        args.config.display(),
        config.paths.data.display()
    ));
    if let Some(account) = account {
        let Account { name, guilds } = account;
        let servers = if *guilds == 1 { "server" } else { "servers" };
        out::line(&format!("Logged in as {name}, in {guilds} {servers}."));
    }
}

/// Who the token belongs to.
struct Account {
    name: String,
    guilds: usize,
}

/// A whole login, so that everything Discord can refuse is found: the token, the intents, a version.
fn log_in(config: &Config) -> Result<Account, Failure> {
    run::block_on(async {
        let stop = signals::listen()?;
        let place = login::place(config).await?;
        let bot = login::log_in(config, &place, &stop).await;
        let account = match &bot {
            Ok(Some((bot, _))) => Ok(Account {
                name: login::name(bot).await,
                guilds: bot.guilds().len(),
            }),
            Ok(None) => Err(Failure::failed("stopped", "")),
            Err(failure) => Err(failure.clone()),
        };
        if let Ok(Some((bot, _))) = &bot {
            bot.shutdown().await;
        }
        place.close().await;
        account
    })
}
