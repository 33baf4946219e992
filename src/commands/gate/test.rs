//! `dwell gate test`: what an adapter makes of one message.
//!
//! Events go to standard output, one a line, everything else to standard error.

use std::io::Read as _;

use camera_formats::{Answer, Delivery, RecentCars};
use clap::{Arg, ArgMatches, Command};
use gateway::findings::{Finding, findings};
use gateway::gates::Gates;
use parking::Timestamp;
use service_kit::ServiceContext;

use super::{EXIT_CODES, Error, say};
use crate::terminal::output;

const NAME: &str = "test";
const GATE: &str = "gate";
const FILE: &str = "file";
const CONTENT_TYPE: &str = "content-type";
const PATH: &str = "path";
const CAMERA: &str = "camera-header";
const RECEIVED: &str = "received";
/// A little more than a body may have, so that a longer one is refused as such.
const READ_BYTES_MAX: u64 = camera_formats::MAX_BODY_BYTES as u64 + 1;

const EXAMPLES: &str = "\
Examples:
  dwell gate test P3-in-1 message.json --lots lots.toml
  dwell gate test P3-in-1 body.bin --content-type 'multipart/form-data; boundary=MIME_boundary'
  curl -s http://camera/last | dwell gate test P3-in-1 - | jq .vehicle_plate";

const AFTER: &str = "\
FILE is the body of a request or of an MQTT message. The events that the gateway would publish are written to standard
output, one a line; what it leaves out, and its answer to the camera, to standard error. Nothing is published.";

/// The command line.
pub(super) fn command() -> Command {
    let option = |name: &'static str, value: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name(value).help(help)
    };
    Command::new(NAME)
        .about("Show what is read from one message of a camera")
        .before_help(EXAMPLES)
        .after_help(format!("{AFTER}\n\n{EXIT_CODES}"))
        .arg(Arg::new(GATE).value_name("GATE").required(true).help("The id of a gate in the lots file"))
        .arg(Arg::new(FILE).value_name("FILE").required(true).help("The body of the message; - is standard input"))
        .arg(option(CONTENT_TYPE, "TYPE", "The header Content-Type; a multipart body needs it for its boundary"))
        .arg(option(PATH, "PATH", "What follows the gate's id in the path of the request, or the MQTT topic"))
        .arg(option(CAMERA, "NAME", "The header Survision-Serial-Number"))
        .arg(option(RECEIVED, "TIME", "When the message arrived, RFC 3339 (default: now)"))
}

/// Runs the command.
pub(super) fn run(matches: &ArgMatches, gates: &Gates, context: &ServiceContext) -> Result<(), Error> {
    let given = |name: &str| matches.get_one::<String>(name).map(String::as_str);
    let received = match given(RECEIVED) {
        None => context.clock.now(),
        Some(text) => Timestamp::parse_rfc3339(text).map_err(|problem| Error::Flag {
            flag: "--received",
            value: text.to_owned(),
            problem: problem.to_owned(),
        })?,
    };
    let body = contents(given(FILE).unwrap_or_default())?;
    let delivery = Delivery {
        content_type: given(CONTENT_TYPE),
        path: given(PATH).unwrap_or_default(),
        camera: given(CAMERA),
        ..Delivery::new(&body, received)
    };
    let (found, answer) = tested(gates, given(GATE).unwrap_or_default(), &delivery)?;
    show(&found, &answer)
}

/// What is found in a message, and what its camera is answered.
fn tested(gates: &Gates, name: &str, delivery: &Delivery<'_>) -> Result<(Vec<Finding>, Answer), Error> {
    let Some(gate) = gates.get(name) else {
        let known: Vec<&str> = gates.names().collect();
        return Err(Error::NoGate { gate: name.to_owned(), known: known.join(", ") });
    };
    let read = camera_formats::read(delivery, gate, &mut RecentCars::default());
    let answer = match &read {
        Ok(outcome) => gate.format.accepted(outcome),
        Err(refusal) => gate.format.refused(refusal),
    };
    Ok((findings(&read, gates), answer))
}

fn show(found: &[Finding], answer: &Answer) -> Result<(), Error> {
    for finding in found {
        if let Finding::Event { json, time_source, redirected_by } = finding {
            output::print_json(&format!("{json}\n")).map_err(Error::Output)?;
            say(&format!("time      {time_source}"));
            if let Some(rule) = redirected_by {
                say(&format!("lot       changed by the filter {rule:?}"));
            }
        } else {
            say(&finding.to_string());
        }
    }
    say(&format!("answer    {} {}", answer.status, answer.body));
    match found {
        [Finding::Refused(reason)] => Err(Error::Refused(reason.clone())),
        _ => Ok(()),
    }
}

fn contents(file: &str) -> Result<Vec<u8>, Error> {
    let unreadable = |source| Error::File { file: file.to_owned(), source };
    let mut body = Vec::new();
    if file == event_files::STDIN {
        std::io::stdin().lock().take(READ_BYTES_MAX).read_to_end(&mut body).map_err(unreadable)?;
    } else {
        let opened = std::fs::File::open(file).map_err(unreadable)?;
        opened.take(READ_BYTES_MAX).read_to_end(&mut body).map_err(unreadable)?;
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOTS: &str = "[[gates]]\nid = \"in-1\"\nlot = \"P3\"\ndirection = \"entry\"\nformat = \"axis\"\n\n\
        [[filters]]\nname = \"own\"\nplate = \"OWN*\"\naction = \"drop\"\n";

    fn found(gate: &str, body: &str) -> Result<(Vec<String>, u16), String> {
        let received = Timestamp::parse_rfc3339("2026-11-18T11:06:42Z").unwrap();
        let gates = Gates::parse(LOTS).unwrap();
        let tested = tested(&gates, gate, &Delivery::new(body.as_bytes(), received));
        tested
            .map(|(found, answer)| (found.iter().map(Finding::to_string).collect(), answer.status))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_message_is_shown_as_the_event_that_would_be_published() {
        let (lines, status) =
            found("in-1", r#"{"capture_timestamp": "1795000000123", "plateUTF8": "AB12XYZ"}"#).unwrap();
        assert!(
            lines[0].contains(r#""vehicle_plate":"AB12XYZ""#) && lines[0].ends_with("time      camera"),
            "{lines:?}"
        );
        assert_eq!((lines.len(), status), (1, 200));
    }

    #[test]
    fn what_is_not_published_is_shown_with_its_reason() {
        let filtered = found("in-1", r#"{"capture_timestamp": "1795000000123", "plateUTF8": "OWN-1"}"#).unwrap();
        assert_eq!(filtered, (vec!["filtered  by \"own\": not published".to_owned()], 200));
        let (lines, status) = found("in-1", "no message").unwrap();
        assert!(lines[0].starts_with("refused   ") && status == 422, "{lines:?}");
        assert_eq!(found("in-2", "{}").unwrap_err(), "there is no gate \"in-2\" in the lots file; its gates are in-1");
    }
}
