//! The gateway as a process of its own: cameras and other systems in, `RabbitMQ` out.

use std::process::ExitCode;

use build_identity::BUILD;
use gateway::entrance;
use gateway::gates::Gates;
use gateway::{BODY_MAX, DEFAULT_METRICS_PORT, DEFAULT_PORT, Doors, grpc, mqtt};
use service_kit::http::{Guard, Limits, Server, bind, bind_by, health_routes, observability_routes};
use service_kit::{ServiceContext, announce};
use settings::{
    ACCESS, AMQP_URL, API_TOKEN, GRPC_LISTEN, INTERNAL_TOKEN, LISTEN, LOTS, METRICS_LISTEN, MQTT_CLIENT_ID,
    MQTT_TOPICS, MQTT_URL, OF_QUEUES, OF_SERVICES, PUBLIC_HOSTS, SUMMARY_API_URL, Setting, Settings, TOKENS_FILE,
    TRUSTED_PROXIES,
};

const NAME: &str = "gateway";

/// Its own settings, besides those of all services.
const OWN: &[&Setting] = &[
    &LOTS,
    &METRICS_LISTEN,
    &GRPC_LISTEN,
    &MQTT_URL,
    &MQTT_CLIENT_ID,
    &MQTT_TOPICS,
    &ACCESS,
    &SUMMARY_API_URL,
    &API_TOKEN,
    &INTERNAL_TOKEN,
    &TOKENS_FILE,
    &TRUSTED_PROXIES,
];

const EXAMPLES: &str = "\
Examples:
  gateway --amqp-url amqp://guest:guest@127.0.0.1:5672 --lots lots.toml
  curl -H 'Content-Type: application/x-ndjson' --data-binary @events.ndjson http://127.0.0.1:8080/api/v1/events
  gateway healthcheck";

fn main() -> ExitCode {
    let command =
        settings::command(NAME, "Takes gate events and messages of cameras, and publishes them to the queues");
    let command = settings::with_default(command.before_help(EXAMPLES), &LISTEN, "127.0.0.1:8080");
    let command = settings::with_default(command, &GRPC_LISTEN, "127.0.0.1:50051");
    let command = settings::reading(command, &[OF_SERVICES, OF_QUEUES, OWN]);
    service_kit::run_service(command, BUILD, |_, settings, context| start(settings, context))
}

async fn start(settings: Settings, context: ServiceContext) -> anyhow::Result<()> {
    // Without a broker the events would go into a bus of this process alone, where nobody reads them.
    settings.required(&AMQP_URL)?;
    let gates = Gates::from_settings(&settings)?;
    let broker = mqtt::Config::from_settings(&settings, &gates)?;
    let listen = settings.listen(&LISTEN, DEFAULT_PORT)?;
    let grpc_listen = grpc::address(&settings)?;
    let metrics_listen = settings.listen(&METRICS_LISTEN, DEFAULT_METRICS_PORT)?;
    let hosts = settings.hosts(&PUBLIC_HOSTS)?;
    let proxies = settings.proxies(&TRUSTED_PROXIES)?;
    let access = entrance::Config::from_settings(&settings, &[&listen, &grpc_listen], &hosts)?;
    let bus = bus::BusConfig::from_settings(NAME, &settings)?;
    announce::starting(NAME, &settings);
    let listener = bind(&listen).await?;
    let metrics_listener = bind_by("DWELL_METRICS_LISTEN (--metrics-listen)", &metrics_listen).await?;
    let grpc = Some(bind_by("DWELL_GRPC_LISTEN (--grpc-listen)", &grpc_listen).await?);
    let bus = bus::open(&bus, &context)?;
    let routes = gateway::start(gates, access.open(&context)?, Doors { broker, grpc }, bus, &context)?;
    let routes = routes.merge(health_routes(context.health.clone())).merge(gateway::description_route());
    let routes = routes.fallback(gateway::not_found);
    let guard = Guard::new(hosts);
    let tls = || context.tls.clone();
    let server = Server::new(guard.clone()).within(Limits { body: BODY_MAX, ..Limits::default() }).over(tls());
    let server = server.behind(proxies);
    let serving = server.shown_in(&context.registry)?.serve(listener, routes, context.lifecycle.clone());
    let observability = observability_routes(context.registry.clone(), context.health.clone());
    let showing = Server::new(guard).over(tls()).serve(metrics_listener, observability, context.lifecycle.clone());
    tracing::info!(address = %listen, grpc = %grpc_listen, metrics = %metrics_listen, "events and messages of cameras are taken here");
    context.lifecycle.spawn("http", async move {
        tokio::join!(serving, showing);
        Ok(())
    });
    announce::when_ready(NAME, &context);
    Ok(())
}
