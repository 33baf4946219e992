//! `/api/v1/webhooks`: the receivers of changes, for administrators.

use api::{
    CreatedWebhook, Kind, PauseBody, Problem, Query, ReplayBody, Scoped, WebhookBody, WebhookList, WebhookTestView,
    WebhookView,
};
use axum::extract::{RawPathParams, Request};
use axum::http::StatusCode;
use axum::{Extension, Json};
use sessions::ScopedService;
use uuid::Uuid;
use webhooks::{Pace, Sender};

use crate::body;

/// Lists the webhooks, and how far each has come.
#[utoipa::path(
    get, path = "/api/v1/webhooks", tag = "webhooks",
    responses((status = 200, description = "The webhooks", body = WebhookList)),
)]
pub(super) async fn webhooks(Scoped(service): Scoped, Query(()): Query<()>) -> Result<Json<WebhookList>, Problem> {
    Ok(Json(WebhookList { webhooks: service.webhooks().await?.iter().map(WebhookView::from).collect() }))
}

/// Creates a webhook. The response is the only one that contains its secret. It needs the scope `read` too, and
/// `read_plate` for whole plates: nobody can give a receiver what they can't read.
#[utoipa::path(
    post, path = "/api/v1/webhooks", tag = "webhooks", request_body = WebhookBody,
    responses((status = 201, description = "The webhook", body = CreatedWebhook)),
)]
pub(super) async fn create_webhook(
    Scoped(service): Scoped,
    Extension(sender): Extension<Sender>,
    request: Request,
) -> Result<(StatusCode, Json<CreatedWebhook>), Problem> {
    let body: WebhookBody = body::json(request).await?;
    let webhook = service.create_webhook(body.read(|url| sender.check(url))?).await?;
    Ok((StatusCode::CREATED, Json(CreatedWebhook::from(&webhook))))
}

/// Removes a webhook, and what it has still to deliver.
#[utoipa::path(
    delete, path = "/api/v1/webhooks/{id}", tag = "webhooks",
    params(("id" = Uuid, Path, description = "The id of the webhook")),
    responses((status = 204, description = "The webhook is removed")),
)]
pub(super) async fn remove_webhook(Scoped(service): Scoped, path: RawPathParams) -> Result<StatusCode, Problem> {
    let id = id(&path)?;
    done(id, service.remove_webhook(id).await?)
}

/// Pauses a webhook. What it has to deliver is kept.
#[utoipa::path(
    post, path = "/api/v1/webhooks/{id}/pause", tag = "webhooks", request_body = PauseBody,
    params(("id" = Uuid, Path, description = "The id of the webhook")),
    responses((status = 204, description = "The webhook is paused, by this request or before")),
)]
pub(super) async fn pause_webhook(
    Scoped(service): Scoped,
    path: RawPathParams,
    request: Request,
) -> Result<StatusCode, Problem> {
    let id = id(&path)?;
    let body: PauseBody = body::json(request).await?;
    done(id, service.pause_webhook(id, body.read()?).await?)
}

/// Resumes a webhook. What waits is sent at once.
#[utoipa::path(
    post, path = "/api/v1/webhooks/{id}/resume", tag = "webhooks",
    params(("id" = Uuid, Path, description = "The id of the webhook")),
    responses((status = 204, description = "The webhook is active")),
)]
pub(super) async fn resume_webhook(Scoped(service): Scoped, path: RawPathParams) -> Result<StatusCode, Problem> {
    let id = id(&path)?;
    done(id, service.resume_webhook(id).await?)
}

/// Sends every change after a sequence number again.
#[utoipa::path(
    post, path = "/api/v1/webhooks/{id}/replay", tag = "webhooks", request_body = ReplayBody,
    params(("id" = Uuid, Path, description = "The id of the webhook")),
    responses((status = 204, description = "The changes are sent again")),
)]
pub(super) async fn replay_webhook(
    Scoped(service): Scoped,
    path: RawPathParams,
    request: Request,
) -> Result<StatusCode, Problem> {
    let id = id(&path)?;
    let ReplayBody { after } = body::json(request).await?;
    done(id, service.replay_webhook(id, after).await?)
}

/// Replaces the secret of a webhook. For 24 hours messages are signed with the old one too.
#[utoipa::path(
    post, path = "/api/v1/webhooks/{id}/rotate", tag = "webhooks",
    params(("id" = Uuid, Path, description = "The id of the webhook")),
    responses((status = 200, description = "The webhook with its new secret", body = CreatedWebhook)),
)]
pub(super) async fn rotate_webhook(
    Scoped(service): Scoped,
    path: RawPathParams,
) -> Result<Json<CreatedWebhook>, Problem> {
    let id = id(&path)?;
    let webhook = service.rotate_webhook(id).await?.ok_or_else(|| unknown(id))?;
    Ok(Json(CreatedWebhook::from(&webhook)))
}

/// Sends a test message, and waits for the answer of the receiver.
#[utoipa::path(
    post, path = "/api/v1/webhooks/{id}/test", tag = "webhooks",
    params(("id" = Uuid, Path, description = "The id of the webhook")),
    responses((status = 200, description = "What became of the message", body = WebhookTestView)),
)]
pub(super) async fn test_webhook(
    Scoped(service): Scoped,
    Extension(sender): Extension<Sender>,
    path: RawPathParams,
) -> Result<Json<WebhookTestView>, Problem> {
    Ok(Json(test(&service, &sender, id(&path)?).await?))
}

async fn test(service: &ScopedService, sender: &Sender, id: Uuid) -> Result<WebhookTestView, Problem> {
    let webhook = service.webhook(id).await?.ok_or_else(|| unknown(id))?.webhook;
    let tested = sender.test(&webhook, Pace::default().answer_timeout, service.now()).await;
    Ok(WebhookTestView { delivered: tested.is_ok(), problem: tested.err() })
}

fn id(path: &RawPathParams) -> Result<Uuid, Problem> {
    let text = path.iter().next().map_or("", |(_, value)| value);
    Uuid::parse_str(text).map_err(|_| Problem::new(Kind::InvalidContent, "the id is no UUID"))
}

fn done(id: Uuid, is_known: bool) -> Result<StatusCode, Problem> {
    if is_known { Ok(StatusCode::NO_CONTENT) } else { Err(unknown(id)) }
}

fn unknown(id: Uuid) -> Problem {
    Problem::new(Kind::NotFound, format!("no webhook has the id {id}"))
}
