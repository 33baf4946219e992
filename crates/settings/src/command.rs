//! The command line of a service, built from the table: a flag for each setting, and the `healthcheck` subcommand.
//!
//! Values are not checked here, so that a flag and its variable are refused with the same text. Every command accepts
//! every flag, as it accepts every variable; its help shows those that it uses.

use clap::{Arg, Command};

use super::table::{ALL, CLIENT_KEY_FILE, CONFIG, LISTEN, Setting, TLS_KEY_FILE};

/// The subcommand that asks a running service whether it is ready.
pub const HEALTHCHECK: &str = "healthcheck";

/// The command line of a service: every setting as a flag, `--version` (to which `service_kit` adds the commit and the
/// build time), and `healthcheck`.
pub fn command(name: &'static str, about: &'static str) -> Command {
    Command::new(name)
        .about(about)
        .version(env!("CARGO_PKG_VERSION"))
        .after_help("A flag wins over its variable, a variable over the file of DWELL_CONFIG. Exit codes: 0 done, 1 failed, 2 unknown flag, 69 a server that cannot be done without is unavailable, 78 wrong configuration.")
        .args(flags())
        .subcommand(healthcheck(name))
}

fn healthcheck(name: &'static str) -> Command {
    let command = Command::new(HEALTHCHECK)
        .about("Ask the service that listens on DWELL_LISTEN whether it is ready")
        .before_help(format!("Examples:\n  {name} healthcheck\n  {name} healthcheck --listen 127.0.0.1:5001"))
        .after_help("Exit codes: 0 it is ready; 1 it is not, or nobody answers; 2 unknown flag; 78 wrong settings.");
    reading(command, &[&[&CONFIG, &LISTEN]])
}

/// The command with a help of these settings only. It also accepts the flags of the others, before and after a
/// subcommand.
#[must_use]
pub fn reading(command: Command, settings: &[&[&Setting]]) -> Command {
    let is_read = |setting: &Setting| settings.iter().copied().flatten().any(|read| **read == *setting);
    ALL.iter().filter(|setting| !is_read(setting)).fold(command, |command, setting| {
        if command.get_arguments().any(|arg| arg.get_id() == setting.name) {
            command.mut_arg(setting.name, |arg| arg.hide(true))
        } else {
            // A separate argument keeps clap from passing down the one that is shown.
            command.arg(flag(setting).hide(true))
        }
    })
}

/// Every setting as a flag, allowed before or after a subcommand.
pub fn flags() -> impl Iterator<Item = Arg> {
    ALL.iter().map(|setting| flag(setting))
}

/// The command with another default of one setting, for instance the port of this service.
#[must_use]
pub fn with_default(command: Command, setting: &Setting, default: &'static str) -> Command {
    command.mut_arg(setting.name, |arg| arg.default_value(default))
}

fn flag(setting: &'static Setting) -> Arg {
    // A key that is given instead of its path begins with hyphens. As a value it is hidden; as an unknown flag it would
    // be shown.
    let may_be_key = [TLS_KEY_FILE.name, CLIENT_KEY_FILE.name].contains(&setting.name);
    let arg = Arg::new(setting.name)
        .long(setting.flag())
        .value_name("VALUE")
        .help(format!("{} [{}]", setting.help, setting.name))
        .long_help(format!("{}: {} [{}]", setting.help, setting.allowed, setting.name))
        .help_heading("Settings")
        .allow_hyphen_values(may_be_key)
        .global(true);
    let arg = if setting.is_switch() {
        arg.value_name("on|off").num_args(0..=1).require_equals(true).default_missing_value("on")
    } else {
        arg
    };
    match setting.default {
        Some(default) => arg.default_value(default),
        None => arg,
    }
}
