//! `/api/v1/users`: the people who may sign in on the page, for administrators.

use access::{Password, UserName};
use api::{Fault, Kind, PasswordBody, Problem, Query, Scoped, UserBody, UserList, UserView};
use axum::Json;
use axum::extract::{RawPathParams, Request};
use axum::http::StatusCode;

use crate::body;

/// Lists the users.
#[utoipa::path(
    get, path = "/api/v1/users", tag = "access",
    responses((status = 200, description = "The users", body = UserList)),
)]
pub(super) async fn users(Scoped(service): Scoped, Query(()): Query<()>) -> Result<Json<UserList>, Problem> {
    Ok(Json(UserList { users: service.users().await?.iter().map(UserView::from).collect() }))
}

/// Adds a user. Nobody can give scopes or lots that they lack.
#[utoipa::path(
    post, path = "/api/v1/users", tag = "access", request_body = UserBody,
    responses((status = 204, description = "The user is added")),
)]
pub(super) async fn add_user(Scoped(service): Scoped, request: Request) -> Result<StatusCode, Problem> {
    let body: UserBody = body::json(request).await?;
    let grant = body.grant()?;
    let name = UserName::parse(&body.name).map_err(|fault| invalid("name", fault))?;
    let password = Password::chosen(&body.password.0, &name).map_err(|fault| invalid("password", fault))?;
    if service.add_user(name, password, grant).await? {
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(invalid("name", "is the name of another user"))
}

/// Sets the password of a user, and ends the user's login sessions. Nobody can do that for a user who has scopes or
/// lots that they lack.
#[utoipa::path(
    put, path = "/api/v1/users/{name}/password", tag = "access", request_body = PasswordBody,
    params(("name" = String, Path, description = "The name of the user")),
    responses((status = 204, description = "The password is set")),
)]
pub(super) async fn set_password(
    Scoped(service): Scoped,
    path: RawPathParams,
    request: Request,
) -> Result<StatusCode, Problem> {
    let name = named(&path)?;
    let body: PasswordBody = body::json(request).await?;
    let password = Password::chosen(&body.password.0, &name).map_err(|fault| invalid("password", fault))?;
    if service.set_password(name, password).await? { Ok(StatusCode::NO_CONTENT) } else { Err(unknown()) }
}

/// Removes a user, and ends the user's login sessions.
#[utoipa::path(
    delete, path = "/api/v1/users/{name}", tag = "access",
    params(("name" = String, Path, description = "The name of the user")),
    responses((status = 204, description = "The user is removed")),
)]
pub(super) async fn remove_user(Scoped(service): Scoped, path: RawPathParams) -> Result<StatusCode, Problem> {
    if service.remove_user(named(&path)?).await? { Ok(StatusCode::NO_CONTENT) } else { Err(unknown()) }
}

fn named(path: &RawPathParams) -> Result<UserName, Problem> {
    let text = path.iter().next().map_or("", |(_, value)| value);
    UserName::parse(text).map_err(|fault| Problem::new(Kind::InvalidContent, format!("the name {fault}")))
}

fn unknown() -> Problem {
    Problem::new(Kind::NotFound, "no user has this name")
}

fn invalid(member: &str, problem: impl std::fmt::Display) -> Problem {
    Problem::with_faults(Kind::InvalidContent, vec![Fault::member(member, problem)])
}
