//! The whole pipeline in one process: summary API and gateway on one port, correlator, entry gates and exit gates.
//!
//! Uses each configured server, and embedded parts otherwise: queues and ledger in the data folder, working state in
//! memory. A stop drains: no new work is taken, and work in flight is recorded and acknowledged.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use access::{Principal, Refused};
use bus::{Bus, BusConfig};
use gateway::entrance::{Entrance, KnownTokens};
use gateway::gates::Gates;
use gateway::{Doors, grpc, mqtt};
use parking::{Direction, Timestamp};
use service_kit::data_folder::DataFolder;
use service_kit::http::Limits;
use service_kit::{ServiceContext, announce, http};
use settings::{AMQP_URL, DATABASE_URL, GRPC_LISTEN, Listen, Settings};
use simulator::gates;
use summary_api::FurtherRoutes;
use web_api::Authenticator;

use crate::terminal::banner::{self, Banner};

const NAME: &str = "dwell";
/// The drain ends when these tasks have ended.
const STARTED_HERE: [&str; 6] =
    ["correlator", "entry gates", "exit gates", gateway::MQTT_TASK, gateway::GRPC_TASK, summary_api::TASK];

/// Starts everything and runs until the stop; then prints a one-line summary.
///
/// # Errors
/// A part could not be started; the text says what to do.
pub async fn run(settings: Settings, context: ServiceContext) -> anyhow::Result<()> {
    let parts = Parts::read(&settings)?;
    announce::starting(NAME, &settings);
    let is_embedded = settings.text(&AMQP_URL).is_none() || settings.text(&DATABASE_URL).is_none();
    let data_dir = settings.required(&settings::DATA_DIR)?;
    let _folder = is_embedded.then(|| DataFolder::lock(data_dir.as_ref())).transpose()?;
    let listener = http::bind(&parts.api.listen).await?;
    let grpc = match &parts.grpc {
        Some(address) => Some(http::bind_by("DWELL_GRPC_LISTEN (--grpc-listen)", address).await?),
        None => None,
    };
    let bus = bus::open(&parts.bus, &context)?;
    say(&Banner::new(&settings, listener.local_addr()?, &parts.api.lots).to_string());
    let authenticator = parts.api.authenticator();
    let tokens = Arc::new(TokensOfApi(authenticator.clone()));
    let entrance = Entrance::new(parts.api.access(), Some(tokens), Arc::clone(&context.clock));
    let further = FurtherRoutes {
        routes: gateway::start(
            parts.gates,
            entrance,
            Doors { broker: parts.broker, grpc },
            Arc::clone(&bus),
            &context,
        )?,
        authenticator: Some(authenticator),
        limits: Limits { body: gateway::BODY_MAX, ..Limits::default() },
        description: gateway::description(),
    };
    let Some(service) = summary_api::start(&parts.api, listener, further, &context).await? else { return Ok(()) };
    // The simulated past is recorded at once, and would push the banner out of sight.
    context.decisions.expect_many();
    start_gates(&settings, &bus, &context);
    correlator::start(parts.correlator, bus, Arc::new(service.scoped(Principal::correlator())), &context).await?;
    announce::when_ready(NAME, &context);
    context.lifecycle.stopping().await;
    drained(&context).await;
    service.close().await;
    say(&banner::summary(&context.registry));
    Ok(())
}

/// The configuration of all parts, read before any of them is started.
struct Parts {
    api: summary_api::Config,
    bus: BusConfig,
    correlator: correlator::Config,
    gates: Gates,
    broker: Option<mqtt::Config>,
    grpc: Option<Listen>,
}

impl Parts {
    fn read(settings: &Settings) -> anyhow::Result<Self> {
        let grpc = settings.text(&GRPC_LISTEN).map(|_| grpc::address(settings)).transpose()?;
        let api = summary_api::Config::read_beside(settings, grpc.as_ref())?;
        let bus = BusConfig::from_settings(NAME, settings)?;
        let correlator = correlator::Config::from_settings(settings)?;
        gates::check(Direction::Entry, settings)?;
        gates::check(Direction::Exit, settings)?;
        let gates = Gates::from_settings(settings)?;
        let broker = mqtt::Config::from_settings(settings, &gates)?;
        Ok(Self { api, bus, correlator, gates, broker, grpc })
    }
}

/// The tokens of the summary API, for the gateway in its process.
#[derive(Debug)]
struct TokensOfApi(Authenticator);

impl KnownTokens for TokensOfApi {
    fn authenticate(&self, shown: &str, now: Timestamp) -> Option<Result<Principal, Refused>> {
        self.0.authenticate(shown, now)
    }

    fn is_compared(&self) -> bool {
        self.0.has_tokens()
    }

    fn is_read(&self) -> bool {
        self.0.is_attached()
    }
}

/// Waits until every part has ended; the drain's timeout cuts this off.
async fn drained(context: &ServiceContext) {
    const POLL_INTERVAL: Duration = Duration::from_millis(20);
    let is_awaited = |task: &String| STARTED_HERE.contains(&task.as_str()) || task.starts_with(webhooks::TASK);
    while context.lifecycle.running().iter().any(is_awaited) {
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

fn start_gates(settings: &Settings, bus: &Arc<dyn Bus>, context: &ServiceContext) {
    for (task, direction) in [("entry gates", Direction::Entry), ("exit gates", Direction::Exit)] {
        let (bus, settings, inside) = (Arc::clone(bus), settings.clone(), context.clone());
        context.lifecycle.spawn(task, async move { Ok(gates::run(direction, &settings, bus, &inside).await?) });
    }
}

/// Writes to standard error, beside the log. A closed standard error is not a failure.
fn say(text: &str) {
    if let Err(error) = std::io::stderr().write_all(text.as_bytes()) {
        tracing::debug!(%error, "standard error is closed");
    }
}
