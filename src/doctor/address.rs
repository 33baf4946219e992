//! Parts of a URL for the commands that a person may copy. Never a password.

use url::Url;

/// `HOST PORT` of a URL, as the command line wants them; empty when it has none.
pub(super) fn host_and_port(url: &str) -> String {
    let Ok(url) = Url::parse(url) else { return String::new() };
    let port = url.port_or_known_default().or_else(|| match url.scheme() {
        "amqp" => Some(5672),
        "redis" => Some(6379),
        "postgres" | "postgresql" => Some(5432),
        _ => None,
    });
    match (url.host_str(), port) {
        (Some(host), Some(port)) => format!("{} {port}", host.trim_matches(['[', ']'])),
        _ => String::new(),
    }
}

/// What to do when nobody answers at the URL that `setting` has.
pub(super) fn unreachable(server: &str, url: &str, setting: &str) -> String {
    let place = host_and_port(url);
    format!("start {server}, or correct host and port in {setting}; to see whether it can be reached: nc -vz {place}")
}

/// The user of a URL.
pub(super) fn user(url: &str) -> String {
    Url::parse(url).map(|url| url.username().to_owned()).unwrap_or_default()
}

/// The first part of a URL's path, for instance a virtual host.
pub(super) fn path(url: &str) -> String {
    let path = Url::parse(url).map(|url| url.path().trim_start_matches('/').to_owned()).unwrap_or_default();
    path.replace("%2f", "/").replace("%2F", "/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_for_commands_have_their_defaults() {
        assert_eq!(host_and_port("amqp://u:hidden@broker/%2f"), "broker 5672");
        assert_eq!(host_and_port("redis://[::1]:1/0"), "::1 1");
        assert_eq!(host_and_port("http://api"), "api 80");
        assert_eq!((user("amqp://u:hidden@b"), path("amqp://u@b/%2flots")), ("u".to_owned(), "/lots".to_owned()));
    }
}
