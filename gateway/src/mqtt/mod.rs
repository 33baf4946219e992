//! Takes the messages of an MQTT broker: of cameras and other systems that publish to a broker of the site.
//!
//! Subscribes with `QoS` 1 and a session that the broker keeps. A message is acknowledged to the broker only after the
//! bus confirmed what became of it, so a gateway that dies, or a bus that is down, costs a repetition. Messages under
//! way are limited in number and size; the broker holds the rest back.

mod connection;
mod intake;
mod probe;
mod session;
mod topics;

use std::sync::Arc;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use service_kit::{Backoff, Dependency};
use settings::{MQTT_CLIENT_ID, MQTT_TOPICS, MQTT_URL, Redacted, Settings};
use tls::Connector;
use url::Url;

use crate::Gateway;
use crate::gates::Gates;
use crate::topic_filter::TopicFilter;
pub use probe::{ProbeError, Seen, probe};
use topics::Topics;

/// Messages that are read and not yet acknowledged.
pub(crate) const UNDER_WAY_MAX: u16 = 32;
/// The size limit of a message, which a broker learns when the gateway connects: it drops larger ones.
pub(crate) const MESSAGE_BYTES_MAX: u32 = 512 * 1024;
/// The schemes of a broker's address, each with its port. The second one is TLS.
const SCHEMES: [(&str, u16); 2] = [("mqtt", 1883), ("mqtts", 8883)];

/// The broker, and what is sent there.
#[derive(Debug, Clone)]
pub struct Config {
    shown: Redacted,
    host: String,
    port: u16,
    is_tls: bool,
    connector: Connector,
    user: Option<(String, Redacted)>,
    client_id: String,
    topics: Topics,
}

impl Config {
    /// The broker of the settings; none without `DWELL_MQTT_URL`.
    ///
    /// # Errors
    /// The address is wrong, or there is no topic to subscribe to.
    pub fn from_settings(settings: &Settings, gates: &Gates) -> Result<Option<Self>, settings::Error> {
        let Some(shown) = settings.url(&MQTT_URL, &SCHEMES.map(|(scheme, _)| scheme))? else { return Ok(None) };
        let wrong = |problem: &str| settings.wrong(&MQTT_URL, problem);
        let url = Url::parse(shown.expose()).map_err(|error| wrong(&error.to_string()))?;
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(|| wrong("it has no host"))?;
        let decoded = |text: &str| {
            percent_decode_str(text).decode_utf8().map(String::from).map_err(|_| wrong("its user is not UTF-8"))
        };
        let user = match url.username() {
            "" => None,
            user => Some((decoded(user)?, Redacted::secret(decoded(url.password().unwrap_or_default())?))),
        };
        let events: Result<Vec<_>, _> = settings.list(&MQTT_TOPICS).iter().map(|it| TopicFilter::parse(it)).collect();
        let events = events.map_err(|problem| settings.wrong(&MQTT_TOPICS, problem))?;
        let topics = Topics::new(gates, events);
        if topics.is_empty() {
            return Err(wrong("no gate of the lots file has topics, and DWELL_MQTT_TOPICS names none"));
        }
        let client_id = settings.required(&MQTT_CLIENT_ID)?.to_owned();
        let host = host.trim_matches(['[', ']']).to_owned();
        let [_, tls] = SCHEMES;
        let is_tls = url.scheme() == tls.0;
        let default = SCHEMES.iter().find(|(scheme, _)| *scheme == url.scheme()).map_or(tls.1, |(_, port)| *port);
        let (connector, port) = (Connector::from_settings(settings)?, url.port().unwrap_or(default));
        Ok(Some(Self { shown, host, port, is_tls, connector, user, client_id, topics }))
    }

    /// The broker's address as it was given.
    pub fn url(&self) -> &Redacted {
        &self.shown
    }
}

/// Takes messages until the stop; a lost connection is made again.
pub(crate) async fn run(gateway: Arc<Gateway>, config: Config, dependency: Dependency) {
    let lifecycle = gateway.context.lifecycle.clone();
    let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(10));
    loop {
        let reason = connection::take(&gateway, &config, &dependency, &mut backoff).await;
        if lifecycle.is_stopping() {
            return;
        }
        dependency.down(reason);
        if !backoff.wait(&lifecycle).await {
            return;
        }
    }
}
