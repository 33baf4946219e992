//! Checks an MQTT broker: does it accept the login, and subscriptions to every topic of the gates?
//!
//! What a broker keeps over a `kill -9` can't be asked of it, so for Mosquitto, which keeps little by default, the
//! settings that matter are named.

use gateway::mqtt::{Config, ProbeError, Seen, probe};
use settings::MQTT_URL;
use tls::Failure;

use super::address::{unreachable, user, word};
use super::finding::Finding;

pub(super) const SUBJECT: &str = "mqtt";

/// What can't be seen from outside.
const OF_MOSQUITTO: &str = "; Mosquitto keeps acknowledged messages over a kill -9, and more than 1,000 of them for an absent \
     gateway, only with persistence true, autosave_on_changes true, autosave_interval 1 and max_queued_messages 0 in \
     mosquitto.conf; and it accepts subscriptions to topics that its acl_file does not let the user read, and sends nothing";

pub(super) async fn check(config: &Config) -> Finding {
    match probe(config).await {
        Ok(seen) => of_broker(config, &seen),
        Err(error) => not_in(config, &error),
    }
}

fn of_broker(config: &Config, seen: &Seen) -> Finding {
    let version = seen.version.as_deref().unwrap_or("it does not show its version");
    let mut text = format!("{} lets us in ({version})", config.url());
    if seen.version.is_none() || version.starts_with("mosquitto") {
        text.push_str(OF_MOSQUITTO);
    }
    let finding = Finding::ok(SUBJECT, text);
    if !seen.refused.is_empty() {
        let user = user(config.url().expose());
        return finding.fails(
            format!("the user '{user}' may not read {}", seen.refused.join(", ")),
            format!(
                "give it the right, with Mosquitto by these lines of its acl_file: user {user}; {}",
                seen.refused.iter().map(|filter| format!("topic read {filter}")).collect::<Vec<_>>().join("; ")
            ),
        );
    }
    if !seen.has_acknowledgements {
        return finding.warns(
            "it has no QoS 1, so a message that is under way when a connection ends is lost",
            "allow QoS 1; Mosquitto: max_qos 1",
        );
    }
    finding
}

fn not_in(config: &Config, error: &ProbeError) -> Finding {
    let (url, said) = (config.url(), error.to_string());
    let user = user(url.expose());
    let seen = Finding::ok(SUBJECT, url.to_string());
    match error {
        ProbeError::Login(_) => seen.fails(
            format!("the broker refuses the user '{user}' with this password: {said}"),
            format!(
                "correct user and password in {} (write @ as %40), or on Mosquitto: mosquitto_passwd PASSWORD-FILE {}",
                MQTT_URL.name,
                word(&user)
            ),
        ),
        ProbeError::Away(_) => {
            let fix = unreachable("the MQTT broker", url.expose(), MQTT_URL.name);
            match Failure::in_text(&said) {
                Some((cause, fix)) => seen.fails(cause, fix),
                None => seen.fails(format!("{said}; brokers without MQTT 5 end the connection too"), fix),
            }
        }
    }
}
