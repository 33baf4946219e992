//! `dwell gate listen`: shows what arrives on a port, how it is read and what is answered.
//!
//! The answers are those of the gateway; nothing is published.

use std::fmt::Write as _;

use clap::{Arg, ArgMatches, Command};
use gateway::gates::Gates;
use gateway::listen::{ReceivedRequest, listening_routes};
use service_kit::ServiceContext;
use service_kit::http::{Guard, Server, bind_by, health_routes};
use service_kit::tls::Listener;
use settings::{Listen, PUBLIC_HOSTS, Settings};
use tokio::sync::mpsc;

use super::{EXIT_CODES, Error, say};
use crate::terminal::output;

pub(super) const NAME: &str = "listen";
const ADDRESS: &str = "address";
const DEFAULT_ADDRESS: &str = "127.0.0.1:8080";
/// Requests that wait to be shown; further ones wait with their answer.
const WAITING_MAX: usize = 64;
/// The most characters of a body that are shown.
const BODY_CHARS_MAX: usize = 2_000;

const EXAMPLES: &str = "\
Examples:
  dwell gate listen --lots lots.toml
  dwell gate listen --lots lots.toml --address 192.0.2.10:8080     (for a camera on that network)";

const AFTER: &str = "\
Point a camera to this address instead of the gateway's. Each request is shown with what is read from it and what the
camera is answered. The answers are those of the gateway, so a camera counts its messages as delivered, but NOTHING IS
PUBLISHED: what arrives here is recorded nowhere. Use it to set a camera up. The output has plates. Ctrl-C ends it.";

/// The command line.
pub(super) fn command() -> Command {
    Command::new(NAME)
        .about("Show what cameras send, how it is read, and what they are answered")
        .before_help(EXAMPLES)
        .after_help(format!("{AFTER}\n\n{EXIT_CODES}"))
        .arg(
            Arg::new(ADDRESS)
                .long(ADDRESS)
                .value_name("HOST:PORT")
                .default_value(DEFAULT_ADDRESS)
                .help("Address to listen on"),
        )
}

/// Runs the command until the stop.
pub(super) async fn run(
    matches: &ArgMatches,
    gates: Gates,
    settings: &Settings,
    context: &ServiceContext,
) -> Result<(), Error> {
    let given = matches.get_one::<String>(ADDRESS).map_or(DEFAULT_ADDRESS, String::as_str);
    let address: Listen = given.parse().map_err(|problem: &str| Error::Flag {
        flag: "--address",
        value: given.to_owned(),
        problem: problem.to_owned(),
    })?;
    let guard = Guard::new(settings.hosts(&PUBLIC_HOSTS)?);
    let listener = bind_by("--address", &address).await?;
    let (sender, mut requests) = mpsc::channel(WAITING_MAX);
    let routes = listening_routes(gates, context, sender)?.merge(health_routes(context.health.clone()));
    let tls = Listener::start(settings, &context.clock, &context.registry, &context.lifecycle)?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    let serving = Server::new(guard).over(tls).serve(listener, routes, context.lifecycle.clone());
    let serving = tokio::spawn(serving);
    say(&format!("listening on {scheme}://{address}; nothing is published. Ctrl-C ends it"));
    let mut number = 0_u64;
    loop {
        let next = tokio::select! {
            next = requests.recv() => next,
            () = context.lifecycle.stopping() => None,
        };
        let Some(received) = next else { break };
        number += 1;
        if !output::print(&shown(number, &received)).map_err(Error::Output)? {
            break;
        }
    }
    serving.abort();
    Ok(())
}

/// A request as it is shown.
fn shown(number: u64, received: &ReceivedRequest) -> String {
    let ReceivedRequest { at, request, content_type, begin, bytes, findings, status, answer } = received;
    let content_type = content_type.as_deref().unwrap_or("no Content-Type");
    let mut text = format!("#{number} {at} {request}\n  {content_type}, {bytes} bytes\n");
    for line in beginning(begin, *bytes).lines() {
        writeln!(text, "  | {line}").expect("a string takes all that is written");
    }
    for line in findings.iter().flat_map(|finding| finding.to_string().lines().map(str::to_owned).collect::<Vec<_>>()) {
        writeln!(text, "  {line}").expect("a string takes all that is written");
    }
    let answer: String = answer.chars().take(BODY_CHARS_MAX).collect();
    writeln!(text, "  answer    {status} {answer}\n").expect("a string takes all that is written");
    text
}

/// The text at the beginning of a body: up to its first bytes that are no text, such as those of a picture.
fn beginning(begin: &[u8], bytes: u64) -> String {
    let valid = match std::str::from_utf8(begin) {
        Ok(text) => text,
        Err(error) => std::str::from_utf8(&begin[..error.valid_up_to()]).unwrap_or_default(),
    };
    let mut text: String = valid.chars().take(BODY_CHARS_MAX).collect();
    if (text.len() as u64) < bytes {
        text.push_str("\n… and more");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use parking::Timestamp;
    use service_kit::http::BindError;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;

    #[tokio::test]
    async fn a_taken_port_is_reported_with_the_flag_that_chooses_another_one() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap().to_string();
        let matches = command().get_matches_from(["listen", "--address", &address]);
        let settings = Settings::from_variables([]).unwrap();
        let ran = run(&matches, Gates::default(), &settings, &ServiceContext::for_testing()).await;
        let Err(Error::Bind(error @ BindError { .. })) = ran else { panic!("{ran:?}") };
        assert!(error.to_string().contains("choose another port with --address"), "{error}");
    }

    #[tokio::test]
    async fn the_port_has_tls_if_there_is_a_certificate() {
        let folder = tempfile::tempdir().unwrap();
        let pair = testbed::Authority::new("of a test").unwrap().server(testbed::Flaw::None).unwrap();
        let (certificate, key) = pair.write(folder.path()).unwrap();
        let files = [("DWELL_TLS_CERT_FILE", certificate), ("DWELL_TLS_KEY_FILE", key)];
        let settings = Settings::from_variables(files.each_ref().map(|(name, path)| (*name, path.to_str().unwrap())));
        let (settings, context) = (settings.unwrap(), ServiceContext::for_testing());
        let address = format!("127.0.0.1:{}", testbed::free_port());
        let matches = command().get_matches_from(["listen", "--address", &address]);
        let asked = async {
            let patience = std::time::Duration::from_mins(1);
            testbed::wait_until(patience, "the port", async || TcpStream::connect(&address).await.is_ok()).await;
            let mut stream = tls::connect_unverified(TcpStream::connect(&address).await.unwrap()).await.unwrap();
            stream.write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.unwrap();
            stream.flush().await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            context.lifecycle.stop();
            answer
        };

        let (ran, answer) = tokio::join!(run(&matches, Gates::default(), &settings, &context), asked);

        assert!(ran.is_ok() && answer.starts_with("HTTP/1.1 200 "), "{ran:?} {answer}");
    }

    #[test]
    fn a_request_is_shown_without_the_bytes_of_its_pictures() {
        let received = ReceivedRequest {
            at: Timestamp::parse_rfc3339("2026-11-18T11:06:42Z").unwrap(),
            request: "POST /cameras/axis/in-1".to_owned(),
            content_type: None,
            begin: b"--x\r\n\r\n{}\r\n--x\r\n\xff\xd8\xff".to_vec(),
            bytes: 90_000,
            findings: Vec::new(),
            status: 200,
            answer: "{}".to_owned(),
        };
        let text = shown(7, &received);
        assert!(
            text.starts_with("#7 2026-11-18T11:06:42.000Z POST /cameras/axis/in-1\n  no Content-Type, 90000 bytes\n")
        );
        assert!(text.contains("  | {}\n") && text.contains("  | … and more\n  answer    200 {}\n"), "{text}");
    }
}
