//! The summary API as a process: opens the port, then the ledger, and serves until the shutdown.
//!
//! The port opens before the ledger, so that `/livez`, `/readyz` and `/metrics` answer while PostgreSQL is down; all
//! other routes answer 503 until then. `service_kit` handles flags, logs and signals.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use ledger::Ledger;
use parking::Rules;
use serde_json::Value;
use service_kit::data_folder::{self, DataFolder};
use service_kit::http::{self, BindError, Limits, Server};
use service_kit::{Backoff, Dependency, ServiceContext, Unavailable, announce};
use sessions::Service;
use settings::Settings;
use tokio::net::TcpListener;
use web_api::{Authenticator, QueryCache, app};
use webhooks::{Pace, Sender};

use crate::config::{Config, LedgerPlace};

/// The name of the service.
const NAME: &str = "summary-api";
/// The name of the serving task.
pub const TASK: &str = "summary API";

/// Why the summary API could not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A setting is invalid, or contradicts the ledger.
    #[error("the summary API can't start")]
    Config(#[from] settings::Error),
    /// The port can't be opened.
    #[error("the summary API can't start")]
    Bind(#[from] BindError),
    /// The data folder can't be used.
    #[error("the summary API can't start")]
    Folder(#[from] data_folder::Error),
    /// The ledger can't be used, and a retry would not help.
    #[error("the summary API can't start")]
    Ledger(#[from] Unavailable),
    /// Two metrics have one name: a fault of the program.
    #[error(transparent)]
    Metrics(#[from] service_kit::metrics::Error),
}

/// Runs the summary API until the shutdown.
///
/// # Errors
/// It could not start.
pub async fn run(settings: Settings, context: ServiceContext) -> Result<(), Error> {
    let config = Config::read(&settings)?;
    announce::starting(NAME, &settings);
    let _folder = match &config.ledger {
        LedgerPlace::Embedded(path) => Some(DataFolder::lock(path)?),
        LedgerPlace::At(_) => None,
    };
    let listener = http::bind(&config.listen).await?;
    let address = listener.local_addr().map_or_else(|_| config.listen.to_string(), |address| address.to_string());
    let scheme = if context.tls.is_some() { "https" } else { "http" };
    tracing::info!(address, "the summary API listens on {scheme}://{address}");
    let service = start(&config, listener, FurtherRoutes::default(), &context).await?;
    if service.is_some() {
        announce::when_ready(NAME, &context);
    }
    // Hold the lock on the folder until nothing can write any more.
    context.lifecycle.stopping().await;
    while context.lifecycle.running().iter().any(|task| task == TASK || task.starts_with(webhooks::TASK)) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    if let Some(service) = service {
        service.close().await;
    }
    Ok(())
}

/// Routes of another service on the same port. They need no ledger, and the layers of the API do not change their answers
/// and check no tokens.
#[derive(Debug, Default)]
pub struct FurtherRoutes {
    /// The authenticator that they use: the summary API then uses it too, and lets it know the tokens of its ledger.
    pub authenticator: Option<Authenticator>,
    /// Without a fallback.
    pub routes: Router,
    /// The limits of the port.
    pub limits: Limits,
    /// Their OpenAPI description; null without routes.
    pub description: Value,
}

/// Serves on `listener` until the shutdown, and opens the ledger; `None` if the shutdown came before the ledger was
/// open.
///
/// # Errors
/// The ledger can't be used, and a retry would not help.
pub async fn start(
    config: &Config,
    listener: TcpListener,
    further: FurtherRoutes,
    context: &ServiceContext,
) -> Result<Option<Service>, Error> {
    // Registered before the port is served: the process is not ready until the ledger is open and its routes exist.
    let dependency = context.health.dependency("ledger");
    let ready = Arc::new(OnceLock::new());
    let authenticator = further.authenticator.unwrap_or_else(|| config.authenticator());
    let guard = authenticator.guard(config.public_hosts.clone(), app::is_page, Arc::clone(&context.clock));
    let server = Server::new(guard).within(further.limits).over(context.tls.clone()).behind(config.proxies.clone());
    let server = server.shown_in(&context.registry)?;
    let routes = app::waiting(Arc::clone(&ready), context).merge(further.routes);
    let serving = server.serve(listener, routes, context.lifecycle.clone());
    context.lifecycle.spawn(TASK, async move {
        serving.await;
        Ok(())
    });
    if let Some(file) = config.tokens.clone() {
        file.watch(authenticator.clone(), context);
    }
    let Some((ledger, rules)) = open_ledger(config, &dependency, context).await? else { return Ok(None) };
    tracing::info!("the rules of the ledger: {rules}");
    let service = Service::new(ledger, rules, config.lots.clone(), context);
    if !read_accounts(&service, &dependency, context).await {
        return Ok(None);
    }
    if let Err(refused) = config.check_credentials(service.directory().credentials(service.now())) {
        service.close().await;
        return Err(refused.into());
    }
    let answers = QueryCache::open(&config.answer_cache, &service, context)?;
    let sender = Sender::new(config.webhooks, &context.connector);
    webhooks::spawn(&service, &sender, Pace::default(), context)?;
    ready.get_or_init(|| app::open(&service, &authenticator, answers, sender, &further.description, context));
    warn_of_access(config, &authenticator);
    dependency.up();
    sessions::spawn_background(&service, dependency, context);
    Ok(Some(service))
}

/// Warns of a port that lets in more clients, or fewer, than its operator may expect.
fn warn_of_access(config: &Config, authenticator: &Authenticator) {
    let listen = &config.listen;
    if config.is_open() {
        tracing::warn!(
            %listen,
            "access is open: every client that reaches this address can read every plate and save summaries; tokens and \
             DWELL_ACCESS=required prevent that"
        );
    }
    if config.is_open() && !authenticator.has_tokens() {
        tracing::warn!(
            %listen,
            "/internal/v1 is closed: beyond loopback it needs DWELL_INTERNAL_TOKEN; set one token for this API and its correlators"
        );
    }
}

/// Reads the accounts of the ledger. Retries while the ledger is down; whether they were read before the shutdown.
async fn read_accounts(service: &Service, dependency: &Dependency, context: &ServiceContext) -> bool {
    let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
    while let Err(error) = service.read_accounts().await {
        dependency.down(error.to_string());
        if !backoff.wait(&context.lifecycle).await {
            return false;
        }
    }
    true
}

/// Opens the ledger and pins its rules. Retries while the ledger is down; `None` if the shutdown comes first.
///
/// # Errors
/// The URL is wrong, a newer program wrote the ledger, its events were matched by other rules, or another process has
/// locked it.
async fn open_ledger(
    config: &Config,
    dependency: &Dependency,
    context: &ServiceContext,
) -> Result<Option<(Arc<dyn Ledger>, Rules)>, Error> {
    let url = config.database_url();
    let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
    while !context.lifecycle.is_stopping() {
        let opened = async {
            let ledger = ledger_stores::open(url.expose(), &context.connector, context.clock.now()).await?;
            let rules = ledger.pin_rules(&config.rules).await?;
            Ok((ledger, rules))
        };
        // The upgrade of a large, older ledger takes long. A shutdown may interrupt it; the next start continues it.
        let opened = tokio::select! {
            () = context.lifecycle.stopping() => break,
            opened = opened => opened,
        };
        match opened {
            Ok(opened) => return Ok(Some(opened)),
            Err(ledger::Error::Unavailable(reason)) => dependency.down(reason),
            Err(ledger::Error::Config(reason)) => return Err(settings::Error::Refused(reason).into()),
            Err(error @ (ledger::Error::InUse(_) | ledger::Error::Replaced(_) | ledger::Error::Corrupt(_))) => {
                return Err(Unavailable { name: "the ledger", reason: error.to_string() }.into());
            }
        }
        if !backoff.wait(&context.lifecycle).await {
            break;
        }
    }
    Ok(None)
}
