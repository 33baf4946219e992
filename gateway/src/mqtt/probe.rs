//! Finds out what a broker is and what its user may do: for `dwell doctor`.
//!
//! Has a name of its own at the broker, so it never takes over the session of a running gateway, and acknowledges
//! nothing.

use std::time::Duration;

use rumqttc::{
    AsyncClient, ConnAck, ConnectReturnCode, ConnectionError, Event, EventLoop, Packet, QoS, SubscribeReasonCode,
};
use uuid::Uuid;

use super::Config;
use super::connection::{reaching, said};

/// Where Mosquitto and some others keep their name and version, as a retained message.
const VERSION_TOPIC: &str = "$SYS/broker/version";
/// The timeout for the version. Many brokers have none, or show it to nobody.
const VERSION_WAIT: Duration = Duration::from_millis(500);
const REQUESTS_MAX: usize = 16;

/// A broker that accepts the login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Its name and version, if it shows them.
    pub version: Option<String>,
    /// The topic filters to which it refuses a subscription.
    pub refused: Vec<String>,
    /// Whether it passes on messages with `QoS` 1, which are repeated until they are acknowledged.
    pub has_acknowledgements: bool,
}

/// Why the probe failed.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// It refuses user and password.
    #[error("{0}")]
    Login(String),
    /// It can't be reached, or does not speak MQTT 5.
    #[error("{0}")]
    Away(String),
}

/// Connects and subscribes as the gateway does, and ends the connection.
///
/// # Errors
/// The broker refuses the login, or can't be used.
pub async fn probe(config: &Config) -> Result<Seen, ProbeError> {
    let mut options = reaching(config, &format!("dwell-doctor-{}", Uuid::new_v4())).map_err(ProbeError::Away)?;
    options.set_clean_start(true);
    let (client, mut events) = AsyncClient::builder(options).capacity(REQUESTS_MAX).build();
    let accepted = accepted(&mut events).await?;
    let mut seen = of_connection(&accepted);
    for filter in config.topics.filters() {
        let code = subscribe(&client, &mut events, filter).await?;
        if !matches!(code, Some(SubscribeReasonCode::Success(_))) {
            seen.refused.push(filter.to_owned());
        }
    }
    subscribe(&client, &mut events, VERSION_TOPIC).await?;
    seen.version = tokio::time::timeout(VERSION_WAIT, version(&mut events)).await.ok().flatten();
    Ok(seen)
}

fn of_connection(accepted: &ConnAck) -> Seen {
    let properties = accepted.properties.as_ref();
    Seen {
        version: None,
        refused: Vec::new(),
        has_acknowledgements: properties.and_then(|properties| properties.max_qos) != Some(0),
    }
}

async fn accepted(events: &mut EventLoop) -> Result<ConnAck, ProbeError> {
    loop {
        if let Packet::ConnAck(accepted) = next(events).await? {
            return Ok(accepted);
        }
    }
}

/// The broker's answer to a subscription. Messages that come before it are dropped.
async fn subscribe(
    client: &AsyncClient,
    events: &mut EventLoop,
    filter: &str,
) -> Result<Option<SubscribeReasonCode>, ProbeError> {
    // QoS 0: messages that arrive are left unread, and the broker waits for no acknowledgement.
    client.subscribe(filter, QoS::AtMostOnce).await.map_err(|error| ProbeError::Away(error.to_string()))?;
    loop {
        if let Packet::SubAck(answer) = next(events).await? {
            return Ok(answer.return_codes.first().copied());
        }
    }
}

async fn version(events: &mut EventLoop) -> Option<String> {
    loop {
        if let Packet::Publish(publish) = next(events).await.ok()?
            && publish.topic == VERSION_TOPIC
        {
            return Some(String::from_utf8_lossy(&publish.payload).into_owned());
        }
    }
}

async fn next(events: &mut EventLoop) -> Result<Packet, ProbeError> {
    loop {
        match events.poll().await {
            Ok(Event::Incoming(packet)) => return Ok(packet),
            Ok(Event::Outgoing(_) | Event::Auth(_)) => {}
            Err(error) => return Err(of(&error)),
        }
    }
}

fn of(error: &ConnectionError) -> ProbeError {
    use ConnectReturnCode::{BadUserNamePassword, Banned, NotAuthorized};
    let said = said(error);
    if let ConnectionError::ConnectionRefused(BadUserNamePassword | NotAuthorized | Banned) = error {
        ProbeError::Login(said)
    } else {
        ProbeError::Away(said)
    }
}

#[cfg(test)]
mod tests {
    use settings::Settings;
    use testbed::{Authority, Flaw};
    use tls::{Failure, Listener, Protocol};
    use tokio::net::TcpListener;

    use super::*;
    use crate::gates::Gates;

    #[tokio::test]
    async fn a_failure_of_tls_has_its_cause_and_what_to_do() {
        let (folder, unknown) = (tempfile::tempdir().unwrap(), Authority::new("of strangers").unwrap());
        let pair = Authority::new("of a broker").unwrap().server(Flaw::None).unwrap();
        let (certificate, key) = pair.write(folder.path()).unwrap();
        let unknown = unknown.write(folder.path()).unwrap();
        let server = Settings::from_variables([
            ("DWELL_TLS_CERT_FILE", certificate.to_str().unwrap()),
            ("DWELL_TLS_KEY_FILE", key.to_str().unwrap()),
        ]);
        let listener = Listener::from_settings(&server.unwrap()).unwrap().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("mqtts://{}", port.local_addr().unwrap());
        let client = Settings::from_variables([
            ("DWELL_MQTT_URL", url.as_str()),
            ("DWELL_MQTT_TOPICS", "site/+/events"),
            ("DWELL_CA_FILE", unknown.to_str().unwrap()),
        ]);
        let config = Config::from_settings(&client.unwrap(), &Gates::default()).unwrap().unwrap();
        let refused = async { listener.accept(port.accept().await.unwrap().0, Protocol::Http).await };

        let (probed, _) = tokio::join!(probe(&config), refused);

        let said = probed.unwrap_err().to_string();
        let explained = Failure::in_text(&said);
        assert!(
            explained.is_some_and(|(cause, fix)| cause.contains("UnknownIssuer") && fix.contains("DWELL_CA_FILE")),
            "{said}"
        );
    }
}
