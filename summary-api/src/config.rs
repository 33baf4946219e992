//! The configuration of the summary API: ledger, address, rules, lots, tokens and access mode.
//!
//! The crate `settings` reads flags and variables; [`run`](crate::run) opens the ledger and the port.

use std::path::PathBuf;

use access::{Access, Credentials, Mode, Startup, StartupRefused};
use parking::{GivenRules, Lots};
use settings::{Error, Listen, PublicHosts, Redacted, Settings, TrustedProxies};
use web_api::{AnswerCache, Authenticator};
use webhooks::PrivateAddresses;

use crate::tokens_file::TokensFile;

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
    /// The reverse proxies that name their clients.
    pub(crate) proxies: TrustedProxies,
    /// The rules that are set; the ledger has the others.
    pub rules: GivenRules,
    /// The configured lots.
    pub lots: Lots,
    /// Whether webhooks may go to private addresses.
    pub webhooks: PrivateAddresses,
    /// The shared secret of correlators and summary API.
    pub internal_token: Option<Redacted>,
    /// The access mode, if it is set.
    mode: Option<Mode>,
    /// Whether only this machine reaches the process.
    is_loopback: bool,
    /// The tokens file, if one is set.
    pub(crate) tokens: Option<TokensFile>,
}

impl Config {
    /// Reads and checks the settings.
    ///
    /// # Errors
    /// The first invalid setting, its value (without secrets) and what is allowed.
    pub fn read(settings: &Settings) -> Result<Self, Error> {
        Self::read_beside(settings, None)
    }

    /// Like `read`, for a process that has another port, with the same access.
    ///
    /// # Errors
    /// Those of `read`.
    pub fn read_beside(settings: &Settings, other_port: Option<&Listen>) -> Result<Self, Error> {
        let lots = settings.lots(&settings::LOTS)?;
        let (listen, public_hosts) =
            (settings.listen(&settings::LISTEN, PORT)?, settings.hosts(&settings::PUBLIC_HOSTS)?);
        // A reverse proxy in front of a public host sends the requests of other machines from loopback.
        let is_loopback = listen.is_loopback()
            && other_port.is_none_or(Listen::is_loopback)
            && public_hosts == PublicHosts::default();
        Ok(Self {
            ledger: ledger_place(settings)?,
            answer_cache: answer_cache(settings)?,
            listen,
            public_hosts,
            proxies: settings.proxies(&settings::TRUSTED_PROXIES)?,
            rules: settings.rules(&lots)?,
            lots,
            webhooks: Self::webhooks_of(settings)?,
            internal_token: settings.secret(&settings::INTERNAL_TOKEN)?,
            mode: settings.choice(&settings::ACCESS, &[("required", Mode::Required), ("open", Mode::Open)])?,
            tokens: TokensFile::read(settings)?,
            is_loopback,
        })
    }

    /// Whether webhooks may go to private addresses.
    ///
    /// # Errors
    /// The value is invalid.
    pub fn webhooks_of(settings: &Settings) -> Result<PrivateAddresses, Error> {
        let words = [("refused", PrivateAddresses::Refused), ("allowed", PrivateAddresses::Allowed)];
        Ok(settings.choice(&settings::WEBHOOK_PRIVATE_ADDRESSES, &words)?.unwrap_or_default())
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

    /// How clients get in. Whether anybody can get in is known when the ledger is open.
    pub fn access(&self) -> Access {
        let somebody = Credentials { has_token: true, has_user: true };
        self.decide(somebody).expect("only missing credentials are refused in the modes of the setting")
    }

    /// Checks that somebody can get in, by the tokens file or by an account of the ledger. The internal token does not count:
    /// it is for correlators only.
    ///
    /// # Errors
    /// Clients need a token or a login, and there is none.
    pub(crate) fn check_credentials(&self, of_ledger: Credentials) -> Result<(), Error> {
        let is_in_file = self.tokens.as_ref().is_some_and(|file| file.tokens.records().next().is_some());
        let credentials = Credentials { has_token: of_ledger.has_token || is_in_file, ..of_ledger };
        self.decide(credentials).map(drop).map_err(|refused| {
            let listen = &self.listen;
            Error::Refused(format!("the summary API does not serve {listen}: {refused}"))
        })
    }

    fn decide(&self, credentials: Credentials) -> Result<Access, StartupRefused> {
        Access::decide(Startup { mode: self.mode, is_loopback: self.is_loopback, credentials })
    }

    /// An authenticator for this summary API, and for other services of its process.
    pub fn authenticator(&self) -> Authenticator {
        let tokens = self.tokens.as_ref().map(|file| file.tokens.clone()).unwrap_or_default();
        Authenticator::new(self.access(), self.internal_token.as_ref(), tokens)
    }

    /// Whether every client that reaches the address may read, and other machines reach it.
    pub fn is_open(&self) -> bool {
        self.access() == Access::Open
    }

    /// Whether `/internal/v1` is closed as far as the settings show: other machines reach the address, and no token is known.
    /// The ledger may have tokens.
    pub fn is_closed(&self) -> bool {
        self.is_open() && self.internal_token.is_none() && self.tokens.is_none()
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
            Ok(AnswerCache::Redis(settings.required_url(&settings::ANSWER_CACHE, &["redis", "rediss"])?))
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
        assert_eq!(config.access(), Access::Local);
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
    fn beyond_loopback_clients_need_a_token_unless_access_is_open() {
        let beyond = ("DWELL_LISTEN", "0.0.0.0:5000");
        let secret = ("DWELL_INTERNAL_TOKEN", "0123456789abcdef");
        let open = ("DWELL_ACCESS", "open");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens.toml");
        let token = access::Token::from_random(&[7; access::Token::RANDOM_BYTES]);
        let table = "[[token]]\nid = \"ID\"\nname = \"page\"\nhash = \"HASH\"\nscopes = [\"read\"]\nlots = \"*\"\n";
        let table = table.replace("ID", &token.id().to_string()).replace("HASH", &token.hash().to_text());
        std::fs::write(&path, table).unwrap();
        let file = ("DWELL_TOKENS_FILE", path.to_str().unwrap());

        let check = |variables: &[(&str, &str)], of_ledger| read(variables).unwrap().check_credentials(of_ledger);
        let (nobody, a_user) = (Credentials::default(), Credentials { has_user: true, ..Credentials::default() });
        let public = ("DWELL_PUBLIC_HOSTS", "parking.example");
        for without in [vec![beyond], vec![beyond, secret], vec![public], vec![("DWELL_ACCESS", "required")]] {
            assert_eq!(read(&without).unwrap().access(), Access::Required);
            let refusal = check(&without, nobody).unwrap_err().to_string();
            for remedy in ["`dwell token create`", "`dwell user add`", "DWELL_ACCESS=open"] {
                assert!(refusal.contains(remedy), "{refusal}");
            }
            assert_eq!(check(&without, a_user), Ok(()));
        }
        for with in [vec![beyond, file], vec![file, ("DWELL_ACCESS", "required")]] {
            assert_eq!((read(&with).unwrap().access(), check(&with, nobody)), (Access::Required, Ok(())));
        }
        assert_eq!((read(&[file]).unwrap().access(), check(&[], nobody)), (Access::Local, Ok(())));
        let closed = read(&[beyond, open]).unwrap();
        assert_eq!((closed.access(), closed.is_closed()), (Access::Open, true));
        assert_eq!(read(&[public, open]).unwrap().access(), Access::Open);
        assert!(!read(&[beyond, open, secret]).unwrap().is_closed());
    }

    #[test]
    fn an_error_names_the_setting_and_never_the_secret() {
        let refusal = |name, value| read(&[(name, value)]).unwrap_err();
        for (name, value) in [
            ("DWELL_DATABASE_URL", "mysql://user:hidden@host/db"),
            ("DWELL_DATABASE_URL", "sqlite:"),
            ("DWELL_ANSWER_CACHE", "on"),
            ("DWELL_WEBHOOK_PRIVATE_ADDRESSES", "on"),
            ("DWELL_ANSWER_CACHE", "redisss://:hidden@cache"),
            ("DWELL_LOTS", "/nowhere/lots.toml"),
            ("DWELL_HOLD", "soon"),
            ("DWELL_MAX_STAY", "0s"),
            ("DWELL_UNREAD_PLATES", "NOPLATE,NOTHINGATALLWASREAD"),
            ("DWELL_INTERNAL_TOKEN", "hidden"),
            ("DWELL_ACCESS", "setup"),
            ("DWELL_TOKENS_FILE", "/nowhere/tokens.toml"),
            ("DWELL_LISTEN", "5000"),
            ("DWELL_TRUSTED_PROXIES", "nginx"),
            ("DWELL_PUBLIC_HOSTS", "api,https://parking.example"),
        ] {
            let text = refusal(name, value);
            assert!(text.contains(name) && !text.contains("hidden"), "{text}");
        }
    }
}
