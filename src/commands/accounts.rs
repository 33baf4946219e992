//! Where `dwell token`, `dwell user` and `dwell webhook` manage accounts and webhooks: at the running summary API, or in
//! the ledger itself while no summary API has it open.

use std::time::Duration;

use access::{Grant, Password, Principal, TokenId, UserName};
use api::{CreatedToken, PasswordBody, SecretText, TokenBody, TokenList, TokenView, UserBody, UserList, UserView};
use clap::ArgMatches;
use parking::Timestamp;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Method;
use service_kit::{ServiceContext, Unavailable};
use sessions::ScopedService;
use settings::{API_TOKEN, DATA_DIR, DATABASE_URL, SUMMARY_API_URL, Setting, Settings};
use summary_api::offline::{self, Offline};

use crate::commands::api_client::{self, Client};

/// The settings that the commands read, besides those of all commands and links.
pub(crate) const READ: [&Setting; 4] = [&SUMMARY_API_URL, &API_TOKEN, &DATABASE_URL, &DATA_DIR];
/// The settings that name a ledger. As a flag each means this ledger, not the one of a running summary API.
pub(crate) const LEDGER_FLAGS: [&Setting; 2] = [&DATABASE_URL, &DATA_DIR];
const TOKENS: &str = "api/v1/tokens";
const USERS: &str = "api/v1/users";
/// How long the summary API may take to show that it runs.
const PROBE_TIMEOUT: Duration = Duration::from_secs(10);

/// Why nothing was listed or changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A setting is wrong.
    #[error("the ledger can't be reached")]
    Config(#[from] settings::Error),
    /// The summary API refused, or did not answer.
    #[error("the summary API did not do it")]
    Api(#[from] api_client::Error),
    /// No summary API answers, and the ledger can't be opened here.
    #[error(
        "no summary API answers, and the ledger can't be opened here; name the address of a running one with --api"
    )]
    Ledger(#[from] offline::Error),
    /// No summary API answers, and there is no ledger here.
    #[error("there is nothing to list or change")]
    Absent(#[source] Unavailable),
    /// The ledger refused, or can't be written.
    #[error("the ledger did not do it")]
    Service(#[from] sessions::Error),
    /// There is no such token, user or webhook, or there is one already.
    #[error("{0}")]
    Refused(String),
}

/// The accounts and webhooks of a ledger.
pub(crate) enum Accounts {
    /// Those of a running summary API.
    Api(Client),
    /// Those of a ledger that this command has opened.
    Here(Box<Offline>),
}

/// What a missing ledger means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Absent {
    /// It is created, so that its first token or user can be made before its first start.
    Begin,
    /// There is nothing to list or change.
    Refuse,
}

impl Accounts {
    /// Finds the accounts: a ledger that a flag names is opened here; else the summary API is asked, and if none answers
    /// and no address is set, the configured ledger is opened here.
    pub(crate) async fn open(
        matches: &ArgMatches,
        settings: &Settings,
        context: &ServiceContext,
        absent: Absent,
    ) -> Result<Self, Error> {
        if LEDGER_FLAGS.iter().any(|flag| settings.is_flag(flag)) {
            return Self::here(settings, context, absent).await;
        }
        let client = Client::new(&api_client::address(matches, settings)?, &context.connector)?;
        let client = client.showing(api_client::token(settings)?);
        let probed = tokio::time::timeout(PROBE_TIMEOUT, client.open("livez", &[])).await;
        match probed {
            Ok(Err(api_client::Error::Unavailable(_))) if !api_client::is_named(matches, settings) => {
                Self::here(settings, context, absent).await
            }
            Ok(Err(error)) => Err(error.into()),
            Ok(Ok(_)) | Err(_) => Ok(Self::Api(client)),
        }
    }

    async fn here(settings: &Settings, context: &ServiceContext, absent: Absent) -> Result<Self, Error> {
        let opened = match absent {
            Absent::Begin => offline::open_or_create(settings, context).await?,
            Absent::Refuse => offline::open(settings, context).await?.ok_or_else(|| {
                let reason = "no summary API answers, and there is no ledger here: name one with --api, --data-dir or \
                              --database-url";
                Error::Absent(Unavailable { name: "the ledger", reason: reason.to_owned() })
            })?,
        };
        opened.service.read_accounts().await?;
        tracing::info!(ledger = opened.place, "no summary API is asked: the ledger is opened here");
        Ok(Self::Here(Box::new(opened)))
    }

    /// Everything that was changed is in the ledger after this call.
    pub(crate) async fn close(self) {
        if let Self::Here(opened) = self {
            opened.service.close().await;
        }
    }

    pub(crate) async fn tokens(&self) -> Result<Vec<TokenView>, Error> {
        match self {
            Self::Api(client) => Ok(client.get::<TokenList>(TOKENS, &[], api_client::Patience::None).await?.tokens),
            Self::Here(opened) => Ok(scoped(opened).tokens().await?.iter().map(TokenView::from).collect()),
        }
    }

    /// Makes a token; returns its text, and what is stored of it.
    pub(crate) async fn create_token(
        &self,
        name: &str,
        grant: Grant,
        expires: Option<Timestamp>,
    ) -> Result<(SecretText, TokenView), Error> {
        match self {
            Self::Api(client) => {
                let body = TokenBody {
                    name: name.to_owned(),
                    scopes: words(&grant.scopes()),
                    lots: words(grant.lots()),
                    gates: words(grant.gates()),
                    expires: expires.map(|at| at.to_string()),
                };
                let answer = client.send(Method::POST, TOKENS, &[], Some(&body)).await?;
                let created: CreatedToken = client.read(TOKENS, answer).await?;
                Ok((created.secret, created.token))
            }
            Self::Here(opened) => {
                let (token, record) = scoped(opened).create_token(name.to_owned(), grant, expires).await?;
                Ok((SecretText(token.expose().to_owned()), TokenView::from(&record)))
            }
        }
    }

    pub(crate) async fn revoke_token(&self, id: TokenId) -> Result<(), Error> {
        match self {
            Self::Api(client) => Ok(change::<()>(client, Method::DELETE, &format!("{TOKENS}/{id}"), None).await?),
            Self::Here(opened) if scoped(opened).revoke_token(id).await? => Ok(()),
            Self::Here(_) => Err(Error::Refused(format!("no token of the ledger has the id {id}"))),
        }
    }

    pub(crate) async fn users(&self) -> Result<Vec<UserView>, Error> {
        match self {
            Self::Api(client) => Ok(client.get::<UserList>(USERS, &[], api_client::Patience::None).await?.users),
            Self::Here(opened) => Ok(scoped(opened).users().await?.iter().map(UserView::from).collect()),
        }
    }

    pub(crate) async fn add_user(&self, name: &UserName, password: &str, grant: Grant) -> Result<(), Error> {
        match self {
            Self::Api(client) => {
                let body = UserBody {
                    name: name.to_string(),
                    password: SecretText(password.to_owned()),
                    scopes: words(&grant.scopes()),
                    lots: words(grant.lots()),
                };
                Ok(change(client, Method::POST, USERS, Some(&body)).await?)
            }
            Self::Here(opened) if scoped(opened).add_user(name.clone(), chosen(password, name)?, grant).await? => {
                Ok(())
            }
            Self::Here(_) => Err(Error::Refused(format!("there is a user {name} already"))),
        }
    }

    pub(crate) async fn set_password(&self, name: &UserName, password: &str) -> Result<(), Error> {
        match self {
            Self::Api(client) => {
                let body = PasswordBody { password: SecretText(password.to_owned()) };
                Ok(change(client, Method::PUT, &format!("{}/password", of_user(name)), Some(&body)).await?)
            }
            Self::Here(opened) if scoped(opened).set_password(name.clone(), chosen(password, name)?).await? => Ok(()),
            Self::Here(_) => Err(unknown(name)),
        }
    }

    pub(crate) async fn remove_user(&self, name: &UserName) -> Result<(), Error> {
        match self {
            Self::Api(client) => Ok(change::<()>(client, Method::DELETE, &of_user(name), None).await?),
            Self::Here(opened) if scoped(opened).remove_user(name.clone()).await? => Ok(()),
            Self::Here(_) => Err(unknown(name)),
        }
    }
}

pub(crate) async fn change<T: serde::Serialize>(
    client: &Client,
    method: Method,
    path: &str,
    body: Option<&T>,
) -> Result<(), api_client::Error> {
    client.send(method, path, &[], body).await.map(drop)
}

/// Who can open the ledger may do everything with it.
pub(crate) fn scoped(opened: &Offline) -> ScopedService {
    opened.service.scoped(Principal::system("command"))
}

fn chosen(password: &str, name: &UserName) -> Result<Password, Error> {
    Password::chosen(password, name).map_err(|fault| Error::Refused(format!("the password {fault}")))
}

fn of_user(name: &UserName) -> String {
    format!("{USERS}/{}", utf8_percent_encode(name.as_str(), NON_ALPHANUMERIC))
}

fn unknown(name: &UserName) -> Error {
    Error::Refused(format!("no user has the name {name}"))
}

pub(crate) fn words(list: &impl ToString) -> Vec<String> {
    list.to_string().split(',').map(str::to_owned).collect()
}
