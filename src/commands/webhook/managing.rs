//! Manages webhooks at the running summary API, or in a ledger that this command has opened.

use api::{CreatedWebhook, PauseBody, Problem, ReplayBody, WebhookBody, WebhookList, WebhookTestView, WebhookView};
use reqwest::Method;
use service_kit::ServiceContext;
use settings::Settings;
use summary_api::Config;
use uuid::Uuid;
use webhooks::{Pace, Sender};

use crate::commands::accounts::{Accounts, Error, change, scoped};
use crate::commands::api_client::{Client, Patience};

const WEBHOOKS: &str = "api/v1/webhooks";

/// The webhooks of a ledger.
pub(super) struct Webhooks<'a> {
    accounts: &'a Accounts,
    /// For a ledger that is open here.
    sender: Sender,
    context: &'a ServiceContext,
}

impl<'a> Webhooks<'a> {
    pub(super) fn new(accounts: &'a Accounts, settings: &Settings, context: &'a ServiceContext) -> Result<Self, Error> {
        let addresses = Config::webhooks_of(settings)?;
        Ok(Self { accounts, sender: Sender::new(addresses, &context.connector), context })
    }

    pub(super) async fn create(&self, body: WebhookBody) -> Result<CreatedWebhook, Error> {
        match self.accounts {
            Accounts::Api(client) => received(client, Method::POST, WEBHOOKS, Some(&body)).await,
            Accounts::Here(opened) => {
                let new = body.read(|url| self.sender.check(url)).map_err(|problem| refused(&problem))?;
                Ok(CreatedWebhook::from(&scoped(opened).create_webhook(new).await?))
            }
        }
    }

    pub(super) async fn list(&self) -> Result<Vec<WebhookView>, Error> {
        match self.accounts {
            Accounts::Api(client) => Ok(client.get::<WebhookList>(WEBHOOKS, &[], Patience::None).await?.webhooks),
            Accounts::Here(opened) => Ok(scoped(opened).webhooks().await?.iter().map(WebhookView::from).collect()),
        }
    }

    /// Sends a test message; returns what went wrong.
    pub(super) async fn test(&self, id: Uuid) -> Result<Option<String>, Error> {
        match self.accounts {
            Accounts::Api(client) => {
                let path = format!("{WEBHOOKS}/{id}/test");
                Ok(received::<(), WebhookTestView>(client, Method::POST, &path, None).await?.problem)
            }
            Accounts::Here(opened) => {
                let known = scoped(opened).webhook(id).await?.ok_or_else(|| unknown(id))?;
                let timeout = Pace::default().answer_timeout;
                Ok(self.sender.test(&known.webhook, timeout, self.context.clock.now()).await.err())
            }
        }
    }

    pub(super) async fn pause(&self, id: Uuid, reason: Option<String>) -> Result<(), Error> {
        let body = PauseBody { reason };
        match self.accounts {
            Accounts::Api(client) => post(client, id, "pause", Some(&body)).await,
            Accounts::Here(opened) => {
                let reason = body.read().map_err(|problem| refused(&problem))?;
                done(id, scoped(opened).pause_webhook(id, reason).await?)
            }
        }
    }

    pub(super) async fn resume(&self, id: Uuid) -> Result<(), Error> {
        match self.accounts {
            Accounts::Api(client) => post::<()>(client, id, "resume", None).await,
            Accounts::Here(opened) => done(id, scoped(opened).resume_webhook(id).await?),
        }
    }

    pub(super) async fn replay(&self, id: Uuid, after: u64) -> Result<(), Error> {
        match self.accounts {
            Accounts::Api(client) => post(client, id, "replay", Some(&ReplayBody { after })).await,
            Accounts::Here(opened) => done(id, scoped(opened).replay_webhook(id, after).await?),
        }
    }

    pub(super) async fn rotate(&self, id: Uuid) -> Result<CreatedWebhook, Error> {
        match self.accounts {
            Accounts::Api(client) => {
                received::<(), _>(client, Method::POST, &format!("{WEBHOOKS}/{id}/rotate"), None).await
            }
            Accounts::Here(opened) => {
                let rotated = scoped(opened).rotate_webhook(id).await?.ok_or_else(|| unknown(id))?;
                Ok(CreatedWebhook::from(&rotated))
            }
        }
    }

    pub(super) async fn remove(&self, id: Uuid) -> Result<(), Error> {
        match self.accounts {
            Accounts::Api(client) => Ok(change::<()>(client, Method::DELETE, &format!("{WEBHOOKS}/{id}"), None).await?),
            Accounts::Here(opened) => done(id, scoped(opened).remove_webhook(id).await?),
        }
    }
}

async fn post<T: serde::Serialize>(client: &Client, id: Uuid, word: &str, body: Option<&T>) -> Result<(), Error> {
    Ok(change(client, Method::POST, &format!("{WEBHOOKS}/{id}/{word}"), body).await?)
}

async fn received<B: serde::Serialize, T: serde::de::DeserializeOwned>(
    client: &Client,
    method: Method,
    path: &str,
    body: Option<&B>,
) -> Result<T, Error> {
    let answer = client.send(method, path, &[], body).await?;
    Ok(client.read(path, answer).await?)
}

fn refused(problem: &Problem) -> Error {
    let faults = problem.faults().iter().map(|fault| {
        let member = fault.pointer.as_deref().unwrap_or_default().trim_start_matches('/');
        format!("{member} {}", fault.detail)
    });
    Error::Refused(faults.collect::<Vec<_>>().join("; "))
}

fn done(id: Uuid, is_known: bool) -> Result<(), Error> {
    if is_known { Ok(()) } else { Err(unknown(id)) }
}

fn unknown(id: Uuid) -> Error {
    Error::Refused(format!("no webhook of the ledger has the id {id}"))
}
