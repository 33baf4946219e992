//! The configuration of the summary API: ledger, address, rules, lots and shared secret.
//!
//! The crate `settings` reads flags and variables; [`run`](crate::run) opens the ledger and the port.

use std::path::PathBuf;

use parking::{GivenRules, Lots};
use settings::{Error, Listen, PublicHosts, Redacted, Settings};
use web_api::{Access, AnswerCache};

/// The default port.
const PORT: u16 = 5000;
/// The file of the embedded ledger, in the data folder.
const LEDGER_FILE: &str = "ledger.sqlite";

/// The location of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LedgerPlace {
    /// A SQLite file in the data folder, which this process locks.
    Embedded(PathBuf),
    /// The value of `DWELL_DATABASE_URL`.
    At(Redacted),
}

/// The configuration of the summary API.
#[derive(Debug, Clone)]
pub struct Config {
    /// The location of the ledger.
    pub(crate) ledger: LedgerPlace,
    /// The backend of the GraphQL query cache.
    pub(crate) answer_cache: AnswerCache,
    /// The address of the API.
    pub listen: Listen,
    /// The host names by which clients reach the API.
    pub public_hosts: PublicHosts,
    /// The rules that are set; the ledger has the others.
    pub rules: GivenRules,
    /// The configured lots.
    pub lots: Lots,
    /// The shared secret of correlators and summary API.
    pub internal_token: Option<Redacted>,
}

impl Config {
    /// Reads and checks the settings.
    ///
    /// # Errors
    /// The first invalid setting, its value (without secrets) and what is allowed.
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

    /// The URL of the ledger for [`ledger_stores::open`].
    pub fn database_url(&self) -> Redacted {
        match &self.ledger {
            LedgerPlace::Embedded(folder) => Redacted::url(format!("sqlite:{}", folder.join(LEDGER_FILE).display())),
            LedgerPlace::At(url) => url.clone(),
        }
    }

    /// The file of the embedded ledger; `None` if a setting names another ledger.
    pub fn embedded_ledger(&self) -> Option<PathBuf> {
        match &self.ledger {
            LedgerPlace::Embedded(folder) => Some(folder.join(LEDGER_FILE)),
            LedgerPlace::At(_) => None,
        }
    }

    /// The URL of the Redis of the query cache, if it is configured.
    pub fn answer_redis(&self) -> Option<&Redacted> {
        match &self.answer_cache {
            AnswerCache::Redis(url) => Some(url),
            AnswerCache::Memory | AnswerCache::Off => None,
        }
    }

    /// Whether `/internal/v1` is closed: other machines reach the address, and there is no secret.
    pub fn is_closed(&self) -> bool {
        self.access() == Access::Closed
    }

    /// The access to `/internal/v1`.
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
        Some("") => Err(settings.wrong(&settings::DATABASE_URL, "expected a path after sqlite:")),
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
    fn without_settings_the_ledger_is_embedded_and_the_api_is_on_loopback() {
        let config = read(&[]).unwrap();
        assert_eq!(config.database_url().expose(), "sqlite:./dwell-data/ledger.sqlite");
        assert_eq!(config.listen.to_string(), "127.0.0.1:5000");
        assert_eq!(config.rules, GivenRules { hold_ms: Some(30_000), ..GivenRules::default() });
        assert_eq!(config.access(), Access::Open);
        assert_eq!(config.answer_cache, AnswerCache::Memory);
    }

    #[test]
    fn the_setting_selects_the_backend_of_the_query_cache() {
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
    fn an_error_names_the_setting_and_never_the_secret() {
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
