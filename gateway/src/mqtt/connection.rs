//! One connection to the broker, from its opening to its end.
//!
//! The library could reconnect by itself; each connection has a client of its own instead, so that an acknowledgement
//! never reaches another connection, where its number may stand for another message.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::FuturesOrdered;
use rumqttc::{
    AckMode, AsyncClient, ConnAck, ConnectionError, Event, EventLoop, MqttOptions, Packet, Publish, QoS, SubAck,
    SubscribeReasonCode, TlsConfiguration, Transport,
};
use service_kit::{Backoff, Dependency};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::intake::{Arrived, read};
use super::session::EmptySession;
use super::{Config, MESSAGE_BYTES_MAX, UNDER_WAY_MAX};
use crate::Gateway;
use crate::publish::{Door, Outgoing};

const KEEP_ALIVE_SECONDS: u16 = 30;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a broker keeps messages for a gateway that is down.
const SESSION_SECONDS: u32 = 7 * 24 * 60 * 60;
/// Subscriptions and acknowledgements that wait to be written; more than there can be at once.
const REQUESTS_MAX: usize = 4 * UNDER_WAY_MAX as usize;
/// How long a message waits for its confirms before it is published again.
const PUBLISH_DEADLINE: Duration = Duration::from_secs(10);

/// Messages whose events are being published. They are acknowledged in the order of their arrival, as MQTT demands.
type UnderWay<'g> = FuturesOrdered<Pin<Box<dyn Future<Output = Publish> + Send + 'g>>>;

/// Takes messages until the connection ends, and returns the reason.
pub(super) async fn take(
    gateway: &Arc<Gateway>,
    config: &Config,
    dependency: &Dependency,
    backoff: &mut Backoff,
) -> String {
    let options = match options(config) {
        Ok(options) => options,
        Err(reason) => return reason,
    };
    let (client, events) = AsyncClient::builder(options).capacity(REQUESTS_MAX).build();
    let (sender, mut arrived) = mpsc::channel(1);
    // Dropped with this connection, and everything that is under way with it: the broker sends that again.
    let mut polling = JoinSet::new();
    polling.spawn(poll(events, sender));
    let mut under_way = UnderWay::new();
    let mut waiting = config.topics.filters().len();
    loop {
        let event = tokio::select! {
            biased;
            () = gateway.context.lifecycle.stopping() => return "the gateway is stopping".to_owned(),
            Some(publish) = under_way.next(), if !under_way.is_empty() => {
                if let Err(error) = client.ack(&publish).await {
                    return format!("a message can't be acknowledged: {error}");
                }
                continue;
            }
            event = arrived.recv(), if under_way.len() < usize::from(UNDER_WAY_MAX) => event,
        };
        match event {
            None => return "the connection ended".to_owned(),
            Some(Err(reason)) => return reason,
            Some(Ok(Packet::ConnAck(accepted))) => {
                warn_of_limits(&accepted);
                for filter in config.topics.filters() {
                    if let Err(error) = client.subscribe(filter, QoS::AtLeastOnce).await {
                        return format!("cannot subscribe: {error}");
                    }
                }
            }
            Some(Ok(Packet::SubAck(answer))) => {
                if let Some(reason) = refused(&answer) {
                    return reason;
                }
                waiting = waiting.saturating_sub(1);
                if waiting == 0 {
                    backoff.reset();
                    dependency.up();
                }
            }
            Some(Ok(Packet::Publish(publish))) => begin(gateway, config, publish, &mut under_way).await,
            Some(Ok(_)) => {}
        }
    }
}

/// Warns of a broker that keeps less for the gateway than was asked for.
fn warn_of_limits(accepted: &ConnAck) {
    let Some(properties) = &accepted.properties else { return };
    if properties.max_qos == Some(0) {
        tracing::warn!("the MQTT broker has no QoS 1: a message that is under way when a connection ends is lost");
    }
    if let Some(seconds) = properties.session_expiry_interval.filter(|seconds| *seconds < SESSION_SECONDS) {
        tracing::warn!(seconds, "the MQTT broker keeps messages for an absent gateway only for this time");
    }
}

/// Reads a message, in the order of arrival, and begins to publish what became of it.
async fn begin<'g>(gateway: &'g Arc<Gateway>, config: &Config, publish: Publish, under_way: &mut UnderWay<'g>) {
    let message = Arrived {
        topic: String::from_utf8_lossy(&publish.topic).into_owned(),
        payload: publish.payload.clone(),
        is_retained: publish.retain,
    };
    let outgoing = read(gateway, &config.topics, &message).await;
    under_way.push_back(Box::pin(async move {
        until_confirmed(gateway, outgoing, publish.qos).await;
        publish
    }));
}

/// Publishes until the bus confirmed. A message of `QoS` 0, on which its sender does not rely, gets one attempt: the
/// broker sends more of them without waiting.
async fn until_confirmed(gateway: &Gateway, outgoing: Outgoing, qos: QoS) {
    let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(2));
    while gateway.publish(outgoing.clone(), Door::MQTT, PUBLISH_DEADLINE).await.is_err() && qos != QoS::AtMostOnce {
        tokio::time::sleep(backoff.next_delay()).await;
    }
}

/// Why a subscription was refused, if it was.
fn refused(answer: &SubAck) -> Option<String> {
    let code = answer.return_codes.iter().find(|code| !matches!(code, SubscribeReasonCode::Success(_)))?;
    Some(format!("the broker refuses a subscription ({code:?}): its user needs the right to read every topic"))
}

/// Does the work of the connection, and passes on what arrives.
async fn poll(mut events: EventLoop, arrived: mpsc::Sender<Result<Packet, String>>) {
    loop {
        let (packet, is_end) = match events.poll().await {
            Ok(Event::Incoming(packet)) => (Ok(packet), false),
            Ok(Event::Outgoing(_) | Event::Auth(_)) => continue,
            Err(error) => (Err(said(&error)), true),
        };
        if arrived.send(packet).await.is_err() || is_end {
            return;
        }
    }
}

/// Why a connection failed, with what to do about a failure of TLS.
pub(super) fn said(error: &ConnectionError) -> String {
    tls::Failure::among(error).map_or_else(|| error.to_string(), |failure| failure.to_string())
}

/// The options of a session that the broker keeps, and in which the gateway acknowledges each message itself.
fn options(config: &Config) -> Result<MqttOptions, String> {
    let mut options = reaching(config, &config.client_id)?;
    options
        .set_clean_start(false)
        .set_session_expiry_interval(Some(SESSION_SECONDS))
        .set_session_store(EmptySession { session_seconds: SESSION_SECONDS })
        .set_receive_maximum(Some(UNDER_WAY_MAX))
        .set_max_packet_size(Some(MESSAGE_BYTES_MAX))
        .set_ack_mode(AckMode::Manual);
    Ok(options)
}

/// How the broker is reached, by a client of this name.
pub(super) fn reaching(config: &Config, client_id: &str) -> Result<MqttOptions, String> {
    let mut options = MqttOptions::new(client_id, (config.host.clone(), config.port));
    options.set_keep_alive(KEEP_ALIVE_SECONDS).set_connect_timeout(CONNECT_TIMEOUT);
    if config.is_tls {
        // Read again for each connection: an authority may have been added since.
        let tls = config.connector.config().map_err(|failure| failure.to_string())?;
        options.set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(Arc::new(tls))));
    }
    if let Some((user, password)) = &config.user {
        options.set_credentials(user.clone(), password.expose().to_owned());
    }
    Ok(options)
}
