//! What the summary API is told: where the ledger is, where to listen, the rules, the lots and the shared secret.
//!
//! Reading flags and variables is `service_kit`'s; opening the ledger and the port is [`run`](crate::run)'s.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use parking::{GivenRules, Lot, LotId, Lots, Plate};
use service_kit::config::{self, Listen, Masked, PublicHosts, Setting};
use service_kit::{Settings, config::Error};

use crate::access::Access;

/// The port when nobody says another one.
pub const PORT: u16 = 5000;
/// The file of the embedded ledger, in the data folder.
pub const LEDGER_FILE: &str = "ledger.sqlite";
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
    /// The rules that were given; the others are the ledger's.
    pub rules: GivenRules,
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

/// The rules that the settings and the lots file give.
///
/// # Errors
/// The setting that is wrong.
pub fn read_rules(settings: &Settings, lots: &Lots) -> Result<GivenRules, Error> {
    let of_lots = |rule: fn(&Lot) -> Option<Duration>| -> BTreeMap<LotId, i64> {
        lots.iter().filter_map(|lot| Some((lot.id.clone(), millis_of(rule(lot)?.min(LONGEST))))).collect()
    };
    Ok(GivenRules {
        re_read_window_ms: rule_millis(settings, &config::RE_READ_WINDOW, Duration::ZERO)?,
        re_read_window_of_lot_ms: of_lots(|lot| lot.re_read_window),
        hold_ms: rule_millis(settings, &config::HOLD, Duration::ZERO)?,
        max_stay_ms: rule_millis(settings, &config::MAX_STAY, Duration::from_secs(1))?,
        max_stay_of_lot_ms: of_lots(|lot| lot.max_stay),
        unread_plates: settings.text(&config::UNREAD_PLATES).map(|_| unread_plates(settings)).transpose()?,
    })
}

/// The length of time that a setting gives, when it gives one.
fn rule_millis(settings: &Settings, setting: &Setting, least: Duration) -> Result<Option<i64>, Error> {
    if settings.text(setting).is_none() {
        return Ok(None);
    }
    let length = settings.duration(setting)?;
    if length < least || length > LONGEST {
        let least = least.as_millis();
        return Err(settings.wrong(setting, format!("it is not between {least} ms and 100 years")));
    }
    Ok(Some(millis_of(length)))
}

fn millis_of(length: Duration) -> i64 {
    i64::try_from(length.as_millis()).unwrap_or(i64::MAX)
}

/// The list that was given. A word without a letter or digit is left out: such reads are never paired anyway.
fn unread_plates(settings: &Settings) -> Result<BTreeSet<Plate>, Error> {
    let wrong = |problem| settings.wrong(&config::UNREAD_PLATES, format!("one of the plates {problem}"));
    let plates = settings.list(&config::UNREAD_PLATES);
    let plates = plates.iter().map(|plate| Plate::from_read(plate).map_err(wrong));
    plates.filter(|plate| !plate.as_ref().is_ok_and(Plate::is_empty)).collect()
}

#[cfg(test)]
mod tests {
    use parking::{LotId, Rules};

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
    fn a_lot_has_the_longest_stay_and_the_re_read_window_of_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lots.toml");
        let lots = "[[lot]]\nid = \"P3\"\nkind = \"mall\"\nmax_stay = \"12h\"\nre_read_window = \"2m\"\n";
        std::fs::write(&path, lots).unwrap();

        let config = read(&[("DWELL_LOTS", path.to_str().unwrap()), ("DWELL_MAX_STAY", "7d")]).unwrap();

        let rules = config.rules.over(Rules::default());
        let hours = |name: &str| rules.max_stay_of(&LotId::parse(name).unwrap()) / 3_600_000;
        let seconds = |name: &str| rules.re_read_window_of(&LotId::parse(name).unwrap()) / 1_000;
        assert_eq!((hours("P3"), hours("P4"), seconds("P3"), seconds("P4")), (12, 7 * 24, 120, 60));
    }

    #[test]
    fn a_rule_that_is_not_set_or_set_to_nothing_is_not_given() {
        let empty = [("DWELL_RE_READ_WINDOW", ""), ("DWELL_MAX_STAY", ""), ("DWELL_UNREAD_PLATES", "")];
        let not_given = GivenRules { hold_ms: Some(30_000), ..GivenRules::default() };
        assert_eq!(read(&empty).unwrap().rules, not_given);

        let set = [("DWELL_RE_READ_WINDOW", "10s"), ("DWELL_UNREAD_PLATES", "no plate, --, ???")];
        let no_plate = Plate::from_read("NOPLATE").unwrap();
        assert_eq!(
            read(&set).unwrap().rules,
            GivenRules { re_read_window_ms: Some(10_000), unread_plates: Some([no_plate].into()), ..not_given }
        );
    }

    #[test]
    fn the_help_of_a_rule_says_the_value_of_a_new_ledger() {
        let rules = Rules::default();
        let unread: BTreeSet<Plate> = rules.unread_plates.clone();
        for (setting, value) in [
            (&config::RE_READ_WINDOW, "60s".to_owned()),
            (&config::MAX_STAY, parking::exact_duration(rules.max_stay_ms)),
        ] {
            assert!(setting.help.contains(&format!("{value} in a new ledger")), "{}", setting.help);
        }
        assert_eq!(rules.re_read_window_ms, 60_000);
        let (_, listed) = config::UNREAD_PLATES.help.split_once("in a new ledger ").unwrap();
        let listed = listed.trim_end_matches(" (summary API)").split(", ");
        assert_eq!(listed.map(|plate| Plate::from_read(plate).unwrap()).collect::<BTreeSet<_>>(), unread);
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
