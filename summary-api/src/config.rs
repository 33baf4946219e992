//! The configuration of the summary API: ledger, address, rules, lots and shared secret.
//!
//! The crate `settings` reads flags and variables; [`run`](crate::run) opens the ledger and the port.

use std::path::PathBuf;

use parking::{GivenRules, Lots};
use settings::{Error, Listen, PublicHosts, Redacted, Settings};

use crate::access::Access;

/// The port when nobody says another one.
const PORT: u16 = 5000;
/// The file of the embedded ledger, in the data folder.
const LEDGER_FILE: &str = "ledger.sqlite";

/// Where the ledger is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LedgerPlace {
    /// A SQLite file in the data folder, which is then this process's alone.
    Embedded(PathBuf),
    /// Where `DWELL_DATABASE_URL` says.
    At(Redacted),
}

/// Where answers of GraphQL are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum AnswerCache {
    /// Nowhere: every request is executed.
    Off,
    /// In this process.
    Memory,
    /// In a Redis that the processes of one ledger share.
    Redis(Redacted),
}

/// The configuration of the summary API.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the ledger is.
    pub(crate) ledger: LedgerPlace,
    /// Where answers of GraphQL are kept.
    pub(crate) answer_cache: AnswerCache,
    /// The address of the API.
    pub listen: Listen,
    /// The host names that the API is reached by.
    pub public_hosts: PublicHosts,
    /// The rules that were given; the others are the ledger's.
    pub rules: GivenRules,
    /// The lots that are known beforehand.
    pub lots: Lots,
    /// The secret that correlators show.
    pub internal_token: Option<Redacted>,
}

impl Config {
    /// Reads and checks everything.
    ///
    /// # Errors
    /// The first setting that is wrong, its value (without secrets) and what is allowed.
    pub fn read(settings: &Settings) -> Result<Self, Error> {
        let lots = settings.lots(&settings::LOTS)?;
        Ok(Self {
            ledger: ledger_place(settings)?,
            answer_cache: answer_cache(settings)?,
            listen: settings.listen(&settings::LISTEN, PORT)?,
            public_hosts: settings.hosts(&settings::PUBLIC_HOSTS)?,
            rules: settings.rules(&lots)?,
            lots,
            internal_token: settings.secret(&settings::INTERNAL_TOKEN)?,
        })
    }

    /// The address of the ledger, as [`ledger::open`] takes it.
    pub fn database_url(&self) -> Redacted {
        match &self.ledger {
            LedgerPlace::Embedded(folder) => Redacted::url(format!("sqlite:{}", folder.join(LEDGER_FILE).display())),
            LedgerPlace::At(url) => url.clone(),
        }
    }

    /// The file of the embedded ledger; `None` when the ledger is where a setting says.
    pub fn embedded_ledger(&self) -> Option<PathBuf> {
        match &self.ledger {
            LedgerPlace::Embedded(folder) => Some(folder.join(LEDGER_FILE)),
            LedgerPlace::At(_) => None,
        }
    }

    /// The Redis that keeps answers of GraphQL, if one does.
    pub fn answer_redis(&self) -> Option<&Redacted> {
        match &self.answer_cache {
            AnswerCache::Redis(url) => Some(url),
            AnswerCache::Memory | AnswerCache::Off => None,
        }
    }

    /// Whether `/internal/v1` is closed: others reach this address, and there is no secret.
    pub fn is_closed(&self) -> bool {
        self.access() == Access::Closed
    }

    /// Who may use `/internal/v1`.
    pub(crate) fn access(&self) -> Access {
        match &self.internal_token {
            Some(token) => Access::Token(token.clone()),
            None if self.listen.is_loopback() => Access::Open,
            None => Access::Closed,
        }
    }
}

fn ledger_place(settings: &Settings) -> Result<LedgerPlace, Error> {
    let Some(url) = settings.text(&settings::DATABASE_URL) else {
        return Ok(LedgerPlace::Embedded(PathBuf::from(settings.required(&settings::DATA_DIR)?)));
    };
    match url.strip_prefix("sqlite:") {
        Some("") => Err(settings.wrong(&settings::DATABASE_URL, "it names no file")),
        Some(_) => Ok(LedgerPlace::At(Redacted::url(url))),
        None => Ok(LedgerPlace::At(settings.required_url(&settings::DATABASE_URL, &["postgres", "postgresql"])?)),
    }
}

fn answer_cache(settings: &Settings) -> Result<AnswerCache, Error> {
    let words = [("memory", AnswerCache::Memory), ("off", AnswerCache::Off)];
    match settings.required(&settings::ANSWER_CACHE)? {
        address if address.contains("://") => {
            Ok(AnswerCache::Redis(settings.required_url(&settings::ANSWER_CACHE, &["redis"])?))
        }
        _ => Ok(settings.choice(&settings::ANSWER_CACHE, &words)?.unwrap_or(AnswerCache::Memory)),
    }
}

#[cfg(test)]
mod tests {
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
        assert_eq!(config.rules, GivenRules { hold_ms: Some(30_000), ..GivenRules::default() });
        assert_eq!(config.access(), Access::Open);
        assert_eq!(config.answer_cache, AnswerCache::Memory);
    }

    #[test]
    fn answers_are_kept_where_the_setting_says() {
        let url = "redis://:hidden@cache:6379/1";
        for (value, expected) in
            [("off", AnswerCache::Off), ("memory", AnswerCache::Memory), (url, AnswerCache::Redis(Redacted::url(url)))]
        {
            assert_eq!(read(&[("DWELL_ANSWER_CACHE", value)]).unwrap().answer_cache, expected);
        }
    }

    #[test]
    fn beyond_loopback_the_internal_routes_need_the_token() {
        let beyond = ("DWELL_LISTEN", "0.0.0.0:5000");
        let token = ("DWELL_INTERNAL_TOKEN", "0123456789abcdef");
        assert_eq!(read(&[beyond]).unwrap().access(), Access::Closed);
        assert_eq!(read(&[beyond, token]).unwrap().access(), Access::Token(Redacted::secret(token.1)));
        assert_eq!(read(&[token]).unwrap().access(), Access::Token(Redacted::secret(token.1)));
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
            ("DWELL_UNREAD_PLATES", "NOPLATE,NOTHINGATALLWASREAD"),
            ("DWELL_INTERNAL_TOKEN", "hidden"),
            ("DWELL_LISTEN", "5000"),
            ("DWELL_PUBLIC_HOSTS", "api,https://parking.example"),
        ] {
            let text = refusal(name, value);
            assert!(text.contains(name) && !text.contains("hidden"), "{text}");
        }
    }
}
