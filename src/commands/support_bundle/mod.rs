//! `dwell support-bundle`: everything that helps to find a fault, in one text file without secrets and plates.
//!
//! The file is text, so that its sender can read it first. It begins with a list of its sections. Like `doctor`, this
//! works with settings with which no service would start, and changes nothing but its file.

mod scrub;
mod sections;

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches, Command};
use parking::{Clock as _, SystemClock, Timestamp};
use service_kit::Build;
use tls::Connector;

use self::sections::Section;
use super::api_client::{once, once_here};
use super::doctor::{self, Looked};
use crate::terminal::output;

const NAME: &str = "support-bundle";
const OUTPUT: &str = "output";
const LOG_FILE: &str = "log-file";
const SERVICE: &str = "service";
const TIMEOUT: &str = "timeout";
const STDOUT: &str = "-";

const EXAMPLES: &str = "\
Examples:
  dwell support-bundle
  dwell support-bundle --log-file /var/log/dwell.log --service http://127.0.0.1:2112
  docker compose logs --no-color > dwell.log; dwell support-bundle --log-file dwell.log --output bundle.txt";

const AFTER: &str = "\
Writes a text file with the versions, the effective settings with their origins, the result of dwell doctor, readiness and
metrics of the service that listens here, of the summary API and of each --service, and the end of each --log-file. Passwords,
tokens and plates are hidden; read the file before you send it. It is readable for you only, and never overwrites another one.

Exit codes: 0 written, whatever the doctor found; 1 not written; 2 unknown flag.";

/// The command line.
pub fn command() -> Command {
    let path = || clap::value_parser!(PathBuf);
    let command = Command::new(NAME)
        .about("Collect versions, settings, metrics, logs and doctor's result in one file, without secrets and plates")
        .before_help(EXAMPLES)
        .after_help(AFTER)
        .args([
            Arg::new(OUTPUT)
                .long(OUTPUT)
                .value_name("FILE")
                .value_parser(path())
                .help("The file to write, or - for standard output [default: dwell-support-TIME.txt]"),
            Arg::new(LOG_FILE)
                .long(LOG_FILE)
                .value_name("FILE")
                .value_parser(path())
                .action(ArgAction::Append)
                .help("A log whose last MiB is included; may be repeated"),
            Arg::new(SERVICE)
                .long(SERVICE)
                .value_name("URL")
                .action(ArgAction::Append)
                .help("Another service whose readiness and metrics are included, such as http://127.0.0.1:2112"),
            Arg::new(TIMEOUT)
                .long(TIMEOUT)
                .value_name("DURATION")
                .default_value("5s")
                .value_parser(doctor::timeout)
                .help("How long each check may take, 100ms to 10m"),
        ]);
    // It reads all settings, whose flags would hide the rest of the help.
    settings::reading(command, &[])
}

/// Runs the command, if it is given, and returns the exit code.
pub fn run_if_asked(matches: &ArgMatches) -> Option<ExitCode> {
    let (_, own) = matches.subcommand().filter(|(name, _)| *name == NAME)?;
    let looked = doctor::look(matches, std::env::vars_os());
    let now = SystemClock.now();
    let written = tokio::runtime::Builder::new_multi_thread().enable_all().build().and_then(|runtime| {
        let sections = runtime.block_on(collected(own, &looked));
        runtime.shutdown_background();
        written(own, &bundle(&sections, now), now)
    });
    Some(match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            note(&format!("dwell: {error}\n"));
            ExitCode::FAILURE
        }
    })
}

async fn collected(own: &ArgMatches, looked: &Looked) -> Vec<Section> {
    let timeout = own.get_one::<Duration>(TIMEOUT).copied().unwrap_or_default();
    let more: Vec<String> = own.get_many::<String>(SERVICE).into_iter().flatten().cloned().collect();
    let mut sections = vec![sections::versions(), sections::settings(looked), sections::doctor(looked, timeout).await];
    let connector = Connector::from_settings(&looked.settings).unwrap_or_default();
    let here = sections::here(looked);
    for base in sections::bases(here.as_deref(), &looked.settings, &more) {
        let is_here = here.as_ref() == Some(&base);
        let client = if is_here { once_here(timeout) } else { once(&base, timeout, &connector) };
        sections.extend(sections::service(&base, client).await);
    }
    let logs = own.get_many::<PathBuf>(LOG_FILE).into_iter().flatten();
    sections.extend(logs.map(|path| sections::log(path)));
    sections.into_iter().map(|section| section.scrubbed(&looked.given)).collect()
}

/// The text of the file.
fn bundle(sections: &[Section], now: Timestamp) -> String {
    let mut text = format!("Support bundle of dwell {}, made at {now}\n\nContents:\n", Build::current());
    for (number, section) in sections.iter().enumerate() {
        let Section { name, about, text: content } = section;
        writeln!(text, "  {}. {name}: {about} ({} lines)", number + 1, content.lines().count())
            .expect("a string takes all that is written");
    }
    for (number, section) in sections.iter().enumerate() {
        let Section { name, text: content, .. } = section;
        write!(text, "\n===== {}. {name} =====\n{}\n", number + 1, content.trim_end())
            .expect("a string takes all that is written");
    }
    text
}

fn written(own: &ArgMatches, text: &str, now: Timestamp) -> io::Result<()> {
    let by_time = || format!("dwell-support-{}.txt", now.to_string().replace([':', '.'], "-")).into();
    let path = own.get_one::<PathBuf>(OUTPUT).cloned().unwrap_or_else(by_time);
    if path == Path::new(STDOUT) {
        return output::write(text.as_bytes()).map(drop);
    }
    let named =
        |error: io::Error| io::Error::new(error.kind(), format!("{} can't be written: {error}", path.display()));
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&path).map_err(named)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(named)?;
    note(&format!("{} is written. Read it before you send it: logs may name what is yours.\n", path.display()));
    Ok(())
}

/// Writes to standard error, which may be closed.
fn note(text: &str) {
    drop(io::stderr().write_all(parking::printable::lines(text).as_bytes()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        command().debug_assert();
    }
}
