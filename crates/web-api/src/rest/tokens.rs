//! `/api/v1/tokens`: the tokens of the ledger, for administrators.

use access::TokenId;
use api::{CreatedToken, Kind, Problem, Query, Scoped, SecretText, TokenBody, TokenList, TokenView};
use axum::Json;
use axum::extract::{RawPathParams, Request};
use axum::http::StatusCode;

use crate::body;

/// Lists the tokens of the ledger, revoked ones included. Those of a tokens file are not among them.
#[utoipa::path(
    get, path = "/api/v1/tokens", tag = "access",
    responses((status = 200, description = "The tokens", body = TokenList)),
)]
pub(super) async fn tokens(Scoped(service): Scoped, Query(()): Query<()>) -> Result<Json<TokenList>, Problem> {
    Ok(Json(TokenList { tokens: service.tokens().await?.iter().map(TokenView::from).collect() }))
}

/// Creates a token. The response is the only one that contains it. Nobody can give scopes, lots or gates that they
/// lack.
#[utoipa::path(
    post, path = "/api/v1/tokens", tag = "access", request_body = TokenBody,
    responses((status = 201, description = "The token", body = CreatedToken)),
)]
pub(super) async fn create_token(
    Scoped(service): Scoped,
    request: Request,
) -> Result<(StatusCode, Json<CreatedToken>), Problem> {
    let body: TokenBody = body::json(request).await?;
    let (grant, expires) = body.read()?;
    let (token, record) = service.create_token(body.name, grant, expires).await?;
    let created = CreatedToken { secret: SecretText(token.expose().to_owned()), token: TokenView::from(&record) };
    Ok((StatusCode::CREATED, Json(created)))
}

/// Revokes a token. It is refused within about a second by every summary API of the ledger.
#[utoipa::path(
    delete, path = "/api/v1/tokens/{id}", tag = "access",
    params(("id" = String, Path, description = "The id of the token")),
    responses((status = 204, description = "The token is revoked, by this request or an earlier one")),
)]
pub(super) async fn revoke_token(Scoped(service): Scoped, path: RawPathParams) -> Result<StatusCode, Problem> {
    let text = path.iter().next().map_or("", |(_, value)| value);
    let id = TokenId::parse(text).map_err(|fault| Problem::new(Kind::InvalidContent, format!("the id {fault}")))?;
    if service.revoke_token(id).await? {
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(Problem::new(Kind::NotFound, format!("no token of the ledger has the id {id}")))
}
