//! Checks the ledger's store: is it reachable, does it have the given rules, can it be written? Changes nothing.

use ledger::Error;
use parking::GivenRules;
use settings::{CLIENT_CERT_FILE, DATABASE_URL, Redacted};
use tls::{Connector, Failure};

use super::address::{host_and_port, path, unreachable, user, word};
use super::clock::{self, ServerTime};
use super::finding::Finding;

pub(super) const SUBJECT: &str = "ledger";

/// Checks the store. `is_running` means that our own service uses it, so that a locked file is fine.
pub(super) async fn check(url: &Redacted, connector: &Connector, given: &GivenRules, is_running: bool) -> Vec<Finding> {
    let before = clock::now_ms();
    let probe = match ledger_stores::probe(url.expose(), connector, given).await {
        Ok(probe) => probe,
        Err(Error::InUse(_)) if is_running => {
            return vec![Finding::ok(SUBJECT, format!("{url} is in use by the service that listens here"))];
        }
        Err(error) => return vec![refused(url, &error)],
    };
    let has = match &probe.rules {
        Some(Ok(rules)) => format!("has a ledger with the rules {rules}"),
        Some(Err(_)) => "has a ledger".to_owned(),
        None => "has none yet; it is made when a summary API starts".to_owned(),
    };
    let seen = Finding::ok(SUBJECT, format!("{url} ({}) {has}", probe.store));
    let found = if probe.is_read_only {
        seen.fails(
            "nothing can be recorded there: it is a standby, or set read-only",
            format!(
                "name the primary in {}; with PostgreSQL, see: {} -c 'SELECT pg_is_in_recovery()' -c 'SHOW \
                 default_transaction_read_only'",
                DATABASE_URL.name,
                psql(url)
            ),
        )
    } else if let Some(Err(refusal)) = probe.rules {
        let fix = "set the rules that the ledger was written with, or unset them: the ledger goes on with its own";
        seen.fails(refusal.to_string(), fix)
    } else {
        seen
    };
    let difference = probe.now.and_then(|now| {
        let theirs = now.as_millis();
        clock::finding("the ledger", ServerTime { theirs: (theirs, theirs), ours: (before, clock::now_ms()) })
    });
    std::iter::once(found).chain(difference).collect()
}

fn refused(url: &Redacted, error: &Error) -> Finding {
    let said = error.to_string();
    if let Some((cause, fix)) = Failure::in_text(&said) {
        return Finding::ok(SUBJECT, url.to_string()).fails(cause, fix);
    }
    let name = DATABASE_URL.name;
    let fix = match error {
        _ if said.contains("server does not support TLS") => format!(
            "switch TLS on in the server (ssl = on, ssl_cert_file and ssl_key_file in postgresql.conf), or take sslmode away \
             from {name} and use a network that you trust"
        ),
        _ if said.contains("client certificate") => {
            format!("name a certificate in {} that is of an authority that the server knows", CLIENT_CERT_FILE.name)
        }
        _ if said.contains("(28P01)") || said.contains("(28000)") => format!(
            "correct user and password in {name}; to try them: {}; to set a password, in psql: \\password \"{}\"",
            psql(url),
            user(url.expose())
        ),
        _ if said.contains("(3D000)") => {
            let (host, port) = place(url);
            format!(
                "correct the database in {name}, or make it: createdb -h {host} -p {port} {}",
                word(&path(url.expose()))
            )
        }
        Error::Unavailable(_) => unreachable("the database", url.expose(), name),
        Error::InUse(_) => format!("stop the other summary API, or name another file in {name}"),
        Error::Config(_) | Error::Replaced(_) | Error::Corrupt(_) => {
            format!("name a store in {name} that is empty or has a ledger of this version, in a place that exists")
        }
    };
    Finding::ok(SUBJECT, url.to_string()).fails(said, fix)
}

fn place(url: &Redacted) -> (String, String) {
    let place = host_and_port(url.expose());
    let (host, port) = place.split_once(' ').unwrap_or(("HOST", "5432"));
    (host.to_owned(), port.to_owned())
}

fn psql(url: &Redacted) -> String {
    let (host, port) = place(url);
    format!("psql -h {host} -p {port} -U {} {}", word(&user(url.expose())), word(&path(url.expose())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_name_user_and_database_as_the_server_does() {
        let url = Redacted::url("postgres://park%40ing:hidden@db:6000/the%20ledger");
        let fix = |said: &str| refused(&url, &Error::Config(said.to_owned())).fix.unwrap();

        let login = "correct user and password in DWELL_DATABASE_URL; to try them: psql -h db -p 6000 -U 'park@ing' \
                     'the ledger'; to set a password, in psql: \\password \"park@ing\"";
        assert_eq!(fix("refused (28P01)"), login);
        let made = "correct the database in DWELL_DATABASE_URL, or make it: createdb -h db -p 6000 'the ledger'";
        assert_eq!(fix("no such database (3D000)"), made);
    }
}
