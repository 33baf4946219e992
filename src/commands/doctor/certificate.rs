//! Checks the certificate of this process's ports: how long is it valid?
//!
//! `configuration` reports files that can't be used.

use parking::Timestamp;
use settings::{Settings, TLS_CERT_FILE, TLS_KEY_FILE};
use tls::{Listener, Validity};

use super::clock;
use super::finding::Finding;

pub(super) const SUBJECT: &str = "certificate";

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;
/// With fewer days left, automatic renewal has probably failed.
const DAYS_LOW: i64 = 14;

/// The finding, if the ports have TLS and the files can be used.
pub(super) fn check(settings: &Settings) -> Option<Finding> {
    let listener = Listener::from_settings(settings).ok()??;
    let seen = Finding::ok(SUBJECT, settings.text(&TLS_CERT_FILE)?);
    let Some(validity) = listener.validity() else {
        return Some(seen.warns("it can't be seen how long it is valid", "openssl x509 -noout -dates -in CERTIFICATE"));
    };
    Some(of(seen, validity, Timestamp::from_millis(clock::now_ms())))
}

fn of(seen: Finding, validity: Validity, now: Timestamp) -> Finding {
    let fix = format!(
        "replace the files of {} and {}; running services read them again by themselves",
        TLS_CERT_FILE.name, TLS_KEY_FILE.name
    );
    if let Some(fault) = validity.fault(now) {
        return seen.fails(fault, format!("{fix}; or correct the clock of this machine, if it is wrong"));
    }
    let days = (validity.until.as_millis() - now.as_millis()) / DAY_MS;
    if days < DAYS_LOW {
        return seen.warns(format!("it expires in {days} days, at {}", validity.until), fix);
    }
    Finding { seen: format!("{} is valid until {}", seen.seen, validity.until), ..seen }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::doctor::finding::Verdict;

    #[test]
    fn a_certificate_is_reported_before_it_expires() {
        let (from, until) = (Timestamp::from_millis(0), Timestamp::from_millis(100 * DAY_MS));
        let at =
            |day: i64| of(Finding::ok(SUBJECT, "f"), Validity { from, until }, Timestamp::from_millis(day * DAY_MS));

        assert_eq!(at(50).verdict, Verdict::Ok);
        assert_eq!(
            (at(90).verdict, at(90).cause.unwrap()),
            (Verdict::Warning, format!("it expires in 10 days, at {until}"))
        );
        assert_eq!(at(101).verdict, Verdict::Failed);
    }
}
