//! Where a lone gateway reads the tokens from: the summary API, or a tokens file. Each is asked once a second.
//!
//! The list that was read last stays valid while its source is down or damaged, so gates keep working through an outage of
//! the summary API. `dwell_gateway_tokens_age_seconds` shows how old it is.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use access::{Access, Credentials, Mode, Startup, Tokens};
use service_kit::{Dependency, ServiceContext};
use settings::{
    ACCESS, API_TOKEN, FileStamp, INTERNAL_TOKEN, Listen, PublicHosts, Redacted, SUMMARY_API_URL, Settings, TOKENS_FILE,
};
use tokio::time::Instant;

use super::Entrance;
use super::api_reader::ApiReader;
use super::known::{Read, TokenList};
use crate::metrics::TokensMetrics;

/// From one read to the next.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// The access of a lone gateway, and the source of its tokens.
#[derive(Debug, Clone)]
pub struct Config {
    access: Access,
    source: Option<Source>,
}

#[derive(Debug, Clone)]
enum Source {
    Api { address: String, token: Option<Redacted> },
    File { path: PathBuf, stamp: Option<FileStamp>, tokens: Tokens },
}

impl Config {
    /// Reads and checks the settings of a gateway with these ports.
    ///
    /// # Errors
    /// A value is wrong, or tokens are required and the gateway has no source of them.
    pub fn from_settings(settings: &Settings, ports: &[&Listen], hosts: &PublicHosts) -> Result<Self, settings::Error> {
        let mode = settings.choice(&ACCESS, &[("required", Mode::Required), ("open", Mode::Open)])?;
        let source = source(settings)?;
        let credentials = Credentials { has_token: source.is_some(), has_user: false };
        // A reverse proxy in front of a public host sends the requests of other machines from loopback.
        let is_loopback = ports.iter().all(|port| port.is_loopback()) && *hosts == PublicHosts::default();
        let access = Access::decide(Startup { mode, is_loopback, credentials }).map_err(|_| {
            settings::Error::Refused(format!(
                "the gateway does not serve {}: its senders need a token, and it knows none. Set {} to the address of the \
                 summary API, which has the tokens of dwell token create, or {} to a file of them; or set {}=open to take \
                 events from every sender that reaches it",
                ports.first().map(ToString::to_string).unwrap_or_default(),
                SUMMARY_API_URL.name,
                TOKENS_FILE.name,
                ACCESS.name,
            ))
        })?;
        Ok(Self { access, source })
    }

    /// The entrance, which follows the source until the stop.
    ///
    /// # Errors
    /// A metric can't be registered: a defect of the program.
    pub fn open(self, context: &ServiceContext) -> Result<Entrance, service_kit::metrics::Error> {
        let clock = Arc::clone(&context.clock);
        if self.access == Access::Open {
            tracing::warn!(
                "access is open: every sender that reaches this gateway can publish events; tokens and \
                 DWELL_ACCESS=required prevent that"
            );
        }
        let Some(source) = self.source else { return Ok(Entrance::new(self.access, None, clock)) };
        let list = Arc::new(TokenList::default());
        let health = &context.health;
        let first =
            if self.access == Access::Required { health.dependency("tokens") } else { health.optional("tokens") };
        let follower = Follower {
            list: Arc::clone(&list),
            first,
            metrics: TokensMetrics::register(&context.registry)?,
            read_at: Instant::now(),
        };
        follower.start(source, context);
        Ok(Entrance::new(self.access, Some(list), clock))
    }
}

fn source(settings: &Settings) -> Result<Option<Source>, settings::Error> {
    if let Some(path) = settings.text(&TOKENS_FILE).map(PathBuf::from) {
        let stamp = FileStamp::of(&path);
        let text = settings.file(&TOKENS_FILE)?.unwrap_or_default();
        let tokens = Tokens::parse_file(&text).map_err(|error| settings.wrong(&TOKENS_FILE, error.to_string()))?;
        return Ok(Some(Source::File { path, stamp, tokens }));
    }
    let Some(url) = settings.url(&SUMMARY_API_URL, &["http", "https"])? else { return Ok(None) };
    let token = settings.secret(&API_TOKEN)?.or(settings.secret(&INTERNAL_TOKEN)?);
    if url.expose().contains(['@', '?', '#']) {
        let problem = "it holds a user, a ? or a #; a token goes into DWELL_API_TOKEN";
        return Err(settings.wrong(&SUMMARY_API_URL, problem));
    }
    let address = url.expose().trim_end_matches('/').to_owned();
    Ok(Some(Source::Api { address, token }))
}

/// Keeps the list up to date.
struct Follower {
    list: Arc<TokenList>,
    /// Up from the first list on.
    first: Dependency,
    metrics: TokensMetrics,
    read_at: Instant,
}

impl Follower {
    fn start(mut self, source: Source, context: &ServiceContext) {
        let lifecycle = context.lifecycle.clone();
        let (connector, health) = (context.connector.clone(), context.health.clone());
        let mut reader = match source {
            Source::Api { address, token } => {
                Reader::Api(Box::new(ApiReader::new(address, token, connector, health.optional("summary-api"))))
            }
            Source::File { path, stamp, tokens } => {
                self.replace(tokens);
                Reader::File(FileReader { path, stamp, reported: None })
            }
        };
        context.lifecycle.spawn("tokens", async move {
            loop {
                let (back, read) = tokio::select! {
                    () = lifecycle.stopping() => return Ok(()),
                    read = reader.read() => read,
                };
                reader = back;
                match read {
                    Read::Changed(tokens) => self.replace(tokens),
                    Read::Unchanged => self.read_at = Instant::now(),
                    Read::Failed => {}
                }
                self.metrics.age_seconds.set(self.read_at.elapsed().as_secs_f64());
                tokio::select! {
                    () = lifecycle.stopping() => return Ok(()),
                    () = tokio::time::sleep(POLL_INTERVAL) => {}
                }
            }
        });
    }

    fn replace(&mut self, tokens: Tokens) {
        self.read_at = Instant::now();
        let count = tokens.records().count();
        tracing::info!(tokens = count, "the list of tokens was read");
        self.metrics.known.set(i64::try_from(count).unwrap_or(i64::MAX));
        self.list.replace(tokens);
        self.first.up();
    }
}

enum Reader {
    Api(Box<ApiReader>),
    File(FileReader),
}

impl Reader {
    async fn read(self) -> (Self, Read) {
        match self {
            Self::Api(mut reader) => {
                let read = reader.read().await;
                (Self::Api(reader), read)
            }
            Self::File(reader) => {
                // The file may be on a network drive that is slow.
                let reading = tokio::task::spawn_blocking(move || reader.read());
                let (reader, read) = reading.await.expect("reading a file never panics, and nothing cancels the task");
                (Self::File(reader), read)
            }
        }
    }
}

struct FileReader {
    path: PathBuf,
    stamp: Option<FileStamp>,
    /// The last reason why it could not be used, which is logged once.
    reported: Option<String>,
}

impl FileReader {
    fn read(mut self) -> (Self, Read) {
        let now = FileStamp::of(&self.path);
        if now == self.stamp {
            return (self, Read::Unchanged);
        }
        let text = settings::read_file(&self.path);
        match text.and_then(|text| Tokens::parse_file(&text).map_err(|error| error.to_string())) {
            Ok(tokens) => {
                (self.stamp, self.reported) = (now, None);
                (self, Read::Changed(tokens))
            }
            Err(reason) => {
                if self.reported.as_ref() != Some(&reason) {
                    tracing::error!(
                        reason,
                        file = %self.path.display(),
                        "the tokens file has changed and can't be used, so the tokens before the change stay valid: correct it"
                    );
                }
                self.reported = Some(reason);
                (self, Read::Failed)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use access::{Gates, Grant, Lots, Scopes, Token, TokenRecord};
    use parking::Timestamp;

    use super::*;

    fn config(variables: &[(&str, &str)], port: &str) -> Result<Config, String> {
        let settings = Settings::from_variables(variables.iter().copied()).unwrap();
        let hosts = settings.hosts(&settings::PUBLIC_HOSTS).unwrap();
        Config::from_settings(&settings, &[&port.parse().unwrap()], &hosts).map_err(|error| error.to_string())
    }

    #[test]
    fn beyond_loopback_a_gateway_needs_a_source_of_tokens_unless_access_is_open() {
        const HERE: &str = "127.0.0.1:8080";
        const BEYOND: &str = "0.0.0.0:8080";
        let api = ("DWELL_SUMMARY_API_URL", "http://127.0.0.1:5000");
        let public = ("DWELL_PUBLIC_HOSTS", "gates.example");
        let required = ("DWELL_ACCESS", "required");
        for (variables, port) in [(vec![], BEYOND), (vec![public], HERE), (vec![required], HERE)] {
            let refused = config(&variables, port).unwrap_err();
            assert!(refused.contains("DWELL_SUMMARY_API_URL") && refused.contains("DWELL_ACCESS=open"), "{refused}");
            let with_api = [variables, vec![api]].concat();
            assert_eq!(config(&with_api, port).unwrap().access, Access::Required);
        }
        assert_eq!(config(&[], HERE).unwrap().access, Access::Local);
        assert_eq!(config(&[("DWELL_ACCESS", "open")], BEYOND).unwrap().access, Access::Open);
    }

    #[test]
    fn what_can_never_work_is_refused_and_no_secret_is_shown() {
        for (name, value) in [
            ("DWELL_SUMMARY_API_URL", "http://user:hidden@api:5000"),
            ("DWELL_SUMMARY_API_URL", "ftp://api"),
            ("DWELL_TOKENS_FILE", "/nowhere/tokens.toml"),
            ("DWELL_ACCESS", "setup"),
        ] {
            let refused = config(&[(name, value)], "127.0.0.1:8080").unwrap_err();
            assert!(refused.contains(name) && !refused.contains("hidden"), "{refused}");
        }
    }

    #[tokio::test]
    async fn a_tokens_file_is_followed_and_a_damaged_one_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens.toml");
        let token = Token::from_random(&[7; Token::RANDOM_BYTES]);
        let grant = Grant::new(Scopes::parse("ingest").unwrap(), Lots::All, Gates::All).unwrap();
        let record = TokenRecord::new(&token, "gate".to_owned(), grant, Timestamp::from_millis(0), None);
        std::fs::write(&path, Tokens::file_of([&record])).unwrap();
        let variables = [("DWELL_TOKENS_FILE", path.to_str().unwrap()), ("DWELL_ACCESS", "required")];
        let context = ServiceContext::for_testing();
        let entrance = config(&variables, "127.0.0.1:8080").unwrap().open(&context).unwrap();
        let gets_in = || {
            let shown = crate::entrance::Shown::Token(access::Secret::new(token.expose()));
            entrance.admit(shown, [127, 0, 0, 1].into()).is_ok()
        };
        assert!(gets_in() && context.health.is_ready());

        std::fs::write(&path, "[[token]]\nid = 7\n").unwrap();
        let metric = "dwell_gateway_tokens_age_seconds";
        let age = || {
            let page = service_kit::metrics::render(&context.registry);
            let line = page.lines().find(|line| line.starts_with(metric)).unwrap().to_owned();
            line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()
        };
        testbed::wait_until(Duration::from_mins(1), "an old list", async || age() > 1.5).await;
        assert!(gets_in());

        let revoked = TokenRecord { revoked: Some(Timestamp::from_millis(1)), ..record };
        std::fs::write(&path, Tokens::file_of([&revoked])).unwrap();
        testbed::wait_until(Duration::from_mins(1), "the revocation", async || !gets_in()).await;
        context.lifecycle.stop();
    }
}
