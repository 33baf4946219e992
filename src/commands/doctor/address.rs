//! Parts of a URL for commands that a person may copy. Never a password.

use percent_encoding::percent_decode_str;
use tls::Failure;
use url::Url;

/// `HOST PORT` of a URL for a command line; empty if the URL has none.
pub(super) fn host_and_port(url: &str) -> String {
    let Ok(url) = Url::parse(url) else { return String::new() };
    let port = url.port_or_known_default().or_else(|| match url.scheme() {
        "amqp" => Some(5672),
        "amqps" => Some(5671),
        "redis" | "rediss" => Some(6379),
        "mqtt" => Some(1883),
        "mqtts" => Some(8883),
        "postgres" | "postgresql" => Some(5432),
        _ => None,
    });
    match (url.host_str(), port) {
        (Some(host), Some(port)) => format!("{} {port}", host.trim_matches(['[', ']'])),
        _ => String::new(),
    }
}

/// What to do if the URL of `setting` is unreachable.
pub(super) fn unreachable(server: &str, url: &str, setting: &str) -> String {
    let place = host_and_port(url);
    format!("start {server}, or correct host and port in {setting}; to see whether it can be reached: nc -vz {place}")
}

/// Cause and fix of a failure whose text may contain one of TLS, which has a fix of its own.
pub(super) fn of_tls(said: &str, otherwise: String) -> (String, String) {
    match Failure::in_text(said) {
        Some((cause, fix)) => (cause.to_owned(), fix.to_owned()),
        None => (said.to_owned(), otherwise),
    }
}

/// The user of a URL, decoded.
pub(super) fn user(url: &str) -> String {
    Url::parse(url).map(|url| decoded(url.username())).unwrap_or_default()
}

/// The path of a URL, for instance a virtual host or a database, decoded.
pub(super) fn path(url: &str) -> String {
    Url::parse(url).map(|url| decoded(url.path().strip_prefix('/').unwrap_or_default())).unwrap_or_default()
}

fn decoded(part: &str) -> String {
    percent_decode_str(part).decode_utf8_lossy().into_owned()
}

/// A name as one quoted word of a shell command.
pub(super) fn word(name: &str) -> String {
    format!("'{}'", name.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_for_commands_have_their_defaults() {
        assert_eq!(host_and_port("amqp://u:hidden@broker/%2f"), "broker 5672");
        assert_eq!(host_and_port("redis://[::1]:1/0"), "::1 1");
        assert_eq!(host_and_port("http://api"), "api 80");
    }

    #[test]
    fn names_are_those_that_the_server_knows() {
        assert_eq!((user("amqp://u:hidden@b"), path("amqp://u@b/%2flots")), ("u".to_owned(), "/lots".to_owned()));
        let url = "postgres://o%27neill%40park:hidden@db/parking%20lots";
        assert_eq!((user(url), path(url)), ("o'neill@park".to_owned(), "parking lots".to_owned()));
        assert_eq!(word(&user(url)), r"'o'\''neill@park'");
    }
}
