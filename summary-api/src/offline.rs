//! Opens the configured ledger for a command, while no summary API runs.
//!
//! The ledger has to exist, and its lock has to be free. [`run`](crate::run) serves a ledger.

use service_kit::data_folder::{self, DataFolder};
use service_kit::{ServiceContext, Unavailable};
use sessions::Service;
use settings::Settings;

use crate::config::{Config, LedgerPlace};

/// The ledger could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A setting is invalid, or contradicts the ledger.
    #[error("the ledger can't be opened")]
    Config(#[from] settings::Error),
    /// The data folder is locked or not usable.
    #[error("the ledger can't be opened")]
    Folder(#[from] data_folder::Error),
    /// The ledger is down, in use or damaged.
    #[error("the ledger can't be opened")]
    Ledger(#[source] Unavailable),
}

/// A ledger that a command has opened.
#[derive(Debug)]
pub struct Offline {
    /// The service over the ledger.
    pub service: Service,
    /// Where it is, without a password.
    pub place: String,
    _folder: Option<DataFolder>,
}

/// Opens the ledger; `None` if there is none. Never creates one.
///
/// # Errors
/// The settings are invalid, or the ledger is in use, down or damaged.
pub async fn open(settings: &Settings, context: &ServiceContext) -> Result<Option<Offline>, Error> {
    let config = Config::read(settings)?;
    let folder = match &config.ledger {
        LedgerPlace::Embedded(path) if !path.is_dir() => return Ok(None),
        LedgerPlace::Embedded(path) => Some(DataFolder::lock(path)?),
        LedgerPlace::At(_) => None,
    };
    if is_empty(&config, context).await? {
        return Ok(None);
    }
    opened(config, folder, context).await.map(Some)
}

/// Opens the ledger, and creates it if there is none: its first token or user is made before its first start.
///
/// # Errors
/// The settings are invalid, or the ledger is in use, down, damaged, or can't be created.
pub async fn open_or_create(settings: &Settings, context: &ServiceContext) -> Result<Offline, Error> {
    let config = Config::read(settings)?;
    let folder = match &config.ledger {
        LedgerPlace::Embedded(path) => Some(DataFolder::lock(path)?),
        LedgerPlace::At(_) => None,
    };
    opened(config, folder, context).await
}

async fn opened(config: Config, folder: Option<DataFolder>, context: &ServiceContext) -> Result<Offline, Error> {
    let url = config.database_url();
    let ledger = ledger_stores::open(url.expose(), &context.connector, context.clock.now()).await.map_err(unusable)?;
    let rules = ledger.pin_rules(&config.rules).await.map_err(unusable)?;
    let service = Service::new(ledger, rules, config.lots, context);
    Ok(Offline { service, place: url.to_string(), _folder: folder })
}

/// Whether the store has no ledger.
async fn is_empty(config: &Config, context: &ServiceContext) -> Result<bool, Error> {
    let url = config.database_url();
    let probe = ledger_stores::probe(url.expose(), &context.connector, &config.rules).await.map_err(unusable)?;
    Ok(probe.rules.is_none())
}

fn unusable(error: ledger::Error) -> Error {
    match error {
        ledger::Error::Config(reason) => settings::Error::Refused(reason).into(),
        ledger::Error::Unavailable(_)
        | ledger::Error::InUse(_)
        | ledger::Error::Replaced(_)
        | ledger::Error::Corrupt(_) => Error::Ledger(Unavailable { name: "the ledger", reason: error.to_string() }),
    }
}
