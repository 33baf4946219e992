//! What the summary API is told: where the ledger is, where to listen, the rules, the lots and the shared secret.
//!
//! Reading flags and variables is `service_kit`'s; opening the ledger and the port is [`run`](crate::run)'s.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use parking::{Lots, Plate, Rules};
use service_kit::config::{self, Listen, Masked, PublicHosts};
use service_kit::{Settings, config::Error};

use crate::access::Access;

/// The port when nobody says another one.
pub const PORT: u16 = 5000;
/// The file of the embedded ledger, in the data folder.
const LEDGER_FILE: &str = "ledger.sqlite";
/// A rule's duration is at most this long: far beyond any stay, and safe to add to any time.
const LONGEST: Duration = Duration::from_hours(100 * 366 * 24);

/// Where the ledger is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LedgerPlace {
    /// A SQLite file in the data folder, which is then this process's alone.
    Embedded(PathBuf),
    /// Where `DWELL_DATABASE_URL` says.
    At(Masked),
}

/// Where answers of GraphQL are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnswerCache {
    /// Nowhere: every request is executed.
    Off,
    /// In this process.
    Memory,
    /// In a Redis that the processes of one ledger share.
    Redis(Masked),
}

/// All that the summary API is told.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the ledger is.
    pub ledger: LedgerPlace,
    /// Where answers of GraphQL are kept.
    pub answer_cache: AnswerCache,
    /// The address of the API.
    pub listen: Listen,
    /// The host names that the API is reached by.
    pub public_hosts: PublicHosts,
    /// The rules that all correlators of this ledger decide by.
    pub rules: Rules,
    /// The lots that are known beforehand.
    pub lots: Lots,
    /// The secret that correlators show.
    pub internal_token: Option<Masked>,
}

impl Config {
    /// Reads and checks everything.
    ///
    /// # Errors
    /// The first setting that is wrong, its value (without secrets) and what is allowed.
    pub fn read(settings: &Settings) -> Result<Self, Error> {
        let lots = settings.lots(&config::LOTS)?;
        Ok(Self {
            ledger: ledger_place(settings)?,
            answer_cache: answer_cache(settings)?,
            listen: settings.listen(&config::LISTEN, PORT)?,
            public_hosts: settings.hosts(&config::PUBLIC_HOSTS)?,
            rules: read_rules(settings, &lots)?,
            lots,
            internal_token: settings.secret(&config::INTERNAL_TOKEN)?,
        })
    }

    /// The address of the ledger, as [`ledger::open`](crate::ledger::open) takes it.
    pub fn database_url(&self) -> Masked {
        match &self.ledger {
            LedgerPlace::Embedded(folder) => Masked::url(format!("sqlite:{}", folder.join(LEDGER_FILE).display())),
            LedgerPlace::At(url) => url.clone(),
        }
    }

    /// Who may use `/internal/v1`.
    pub fn access(&self) -> Access {
        match &self.internal_token {
            Some(token) => Access::Token(token.clone()),
            None if self.listen.is_loopback() => Access::Open,
            None => Access::Closed,
        }
    }
}

fn ledger_place(settings: &Settings) -> Result<LedgerPlace, Error> {
    let Some(url) = settings.text(&config::DATABASE_URL) else {
        return Ok(LedgerPlace::Embedded(PathBuf::from(settings.required(&config::DATA_DIR)?)));
    };
    match url.strip_prefix("sqlite:") {
        Some("") => Err(settings.wrong(&config::DATABASE_URL, "it names no file")),
        Some(_) => Ok(LedgerPlace::At(Masked::url(url))),
        None => Ok(LedgerPlace::At(settings.required_url(&config::DATABASE_URL, &["postgres", "postgresql"])?)),
    }
}

fn answer_cache(settings: &Settings) -> Result<AnswerCache, Error> {
    let words = [("memory", AnswerCache::Memory), ("off", AnswerCache::Off)];
    match settings.required(&config::ANSWER_CACHE)? {
        address if address.contains("://") => {
            Ok(AnswerCache::Redis(settings.required_url(&config::ANSWER_CACHE, &["redis"])?))
        }
        _ => Ok(settings.choice(&config::ANSWER_CACHE, &words)?.unwrap_or(AnswerCache::Memory)),
    }
}

/// The rules: those of the settings, and each lot's own longest stay.
///
/// # Errors
/// The setting that is wrong.
pub fn read_rules(settings: &Settings, lots: &Lots) -> Result<Rules, Error> {
    let millis = |setting, least: Duration| {
        let length = settings.duration(setting)?;
        if length < least || length > LONGEST {
            let least = least.as_millis();
            return Err(settings.wrong(setting, format!("it is not between {least} ms and 100 years")));
        }
        i64::try_from(length.as_millis()).map_err(|_| settings.wrong(setting, "it is too long"))
    };
    let mut max_stay_of_lot_ms = BTreeMap::new();
    for lot in lots.iter() {
        if let Some(max_stay) = lot.max_stay.map(|stay| stay.min(LONGEST)) {
            max_stay_of_lot_ms.insert(lot.id.clone(), i64::try_from(max_stay.as_millis()).unwrap_or(i64::MAX));
        }
    }
    let mut unread_plates = BTreeSet::new();
    for plate in settings.list(&config::UNREAD_PLATES) {
        let plate = Plate::from_read(&plate)
            .map_err(|problem| settings.wrong(&config::UNREAD_PLATES, format!("one of the plates {problem}")))?;
        unread_plates.insert(plate);
    }
    Ok(Rules {
        re_read_window_ms: millis(&config::RE_READ_WINDOW, Duration::ZERO)?,
        hold_ms: millis(&config::HOLD, Duration::ZERO)?,
        max_stay_ms: millis(&config::MAX_STAY, Duration::from_secs(1))?,
        max_stay_of_lot_ms,
        unread_plates,
    })
}

#[cfg(test)]
mod tests {
    use parking::LotId;

    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Config, String> {
        let settings = Settings::from_variables(variables.iter().copied()).unwrap();
        Config::read(&settings).map_err(|error| error.to_string())
    }

    #[test]
    fn without_settings_the_ledger_is_embedded_and_only_this_machine_reaches_the_api() {
        let config = read(&[]).unwrap();
        assert_eq!(config.database_url().expose(), "sqlite:./dwell-data/ledger.sqlite");
        assert_eq!(config.listen.to_string(), "127.0.0.1:5000");
        assert_eq!(config.rules, Rules::default());
        assert_eq!(config.access(), Access::Open);
        assert_eq!(config.answer_cache, AnswerCache::Memory);
    }

    #[test]
    fn answers_are_kept_where_the_setting_says() {
        let url = "redis://:hidden@cache:6379/1";
        for (value, expected) in
            [("off", AnswerCache::Off), ("memory", AnswerCache::Memory), (url, AnswerCache::Redis(Masked::url(url)))]
        {
            assert_eq!(read(&[("DWELL_ANSWER_CACHE", value)]).unwrap().answer_cache, expected);
        }
    }

    #[test]
    fn beyond_loopback_the_internal_routes_need_the_token() {
        let beyond = ("DWELL_LISTEN", "0.0.0.0:5000");
        let token = ("DWELL_INTERNAL_TOKEN", "0123456789abcdef");
        assert_eq!(read(&[beyond]).unwrap().access(), Access::Closed);
        assert_eq!(read(&[beyond, token]).unwrap().access(), Access::Token(Masked::secret(token.1)));
        assert_eq!(read(&[token]).unwrap().access(), Access::Token(Masked::secret(token.1)));
    }

    #[test]
    fn a_lot_has_the_longest_stay_of_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lots.toml");
        std::fs::write(&path, "[[lot]]\nid = \"P3\"\nkind = \"mall\"\nmax_stay = \"12h\"\n").unwrap();

        let config = read(&[("DWELL_LOTS", path.to_str().unwrap()), ("DWELL_MAX_STAY", "7d")]).unwrap();

        let hours = |lot: &str| config.rules.max_stay_of(&LotId::parse(lot).unwrap()) / 3_600_000;
        assert_eq!((hours("P3"), hours("P4")), (12, 7 * 24));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_setting_and_without_its_secret() {
        let refusal = |name, value| read(&[(name, value)]).unwrap_err();
        for (name, value) in [
            ("DWELL_DATABASE_URL", "mysql://user:hidden@host/db"),
            ("DWELL_DATABASE_URL", "sqlite:"),
            ("DWELL_ANSWER_CACHE", "on"),
            ("DWELL_ANSWER_CACHE", "rediss://:hidden@cache"),
            ("DWELL_LOTS", "/nowhere/lots.toml"),
            ("DWELL_HOLD", "soon"),
            ("DWELL_MAX_STAY", "0s"),
            ("DWELL_UNREAD_PLATES", "NOPLATE,-"),
            ("DWELL_INTERNAL_TOKEN", "hidden"),
            ("DWELL_LISTEN", "5000"),
            ("DWELL_PUBLIC_HOSTS", "api,https://parking.example"),
        ] {
            let text = refusal(name, value);
            assert!(text.contains(name) && !text.contains("hidden"), "{text}");
        }
    }
}
