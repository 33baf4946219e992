//! `/login` and `/logout`: the form by which a person signs in, and the end of a login session. Both work without
//! scripts.
//!
//! The service checks the password, `cookie` has the cookie, and `operator-page` the HTML.

use std::net::{IpAddr, Ipv4Addr};

use access::CookieSecret;
use api::{Kind, Problem};
use axum::Router;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};
use operator_page::SignIn;
use service_kit::http::RemoteNetwork;
use sessions::{Service, SignInError};

use super::{Authenticator, cookie, own_page};
use crate::body::{self, SMALL_BYTES_MAX};
use crate::reference;

/// The path of the form.
pub(crate) const PATH: &str = "/login";
/// The routes, for metrics.
pub(crate) const ROUTES: [(&str, &str); 3] = [("GET", PATH), ("POST", PATH), ("POST", LOGOUT)];
const LOGOUT: &str = "/logout";
const FORM: &str = "application/x-www-form-urlencoded";
/// The longest address to which a person is sent after signing in, bytes.
const NEXT_BYTES_MAX: usize = 2_048;

/// The state of the routes.
#[derive(Debug, Clone)]
struct Login {
    service: Service,
    authenticator: Authenticator,
}

/// The routes.
pub(crate) fn routes(service: &Service, authenticator: &Authenticator) -> Router {
    Router::new()
        .route(PATH, get(form).post(sign_in))
        .route(LOGOUT, post(sign_out))
        .with_state(Login { service: service.clone(), authenticator: authenticator.clone() })
}

/// The address of the form for a request that has to be repeated after signing in; `None` if no person opens a page
/// with it.
pub(super) fn address_for(head: &Parts) -> Option<String> {
    let path = head.uri.path();
    let is_page = operator_page::is_page(path) || [reference::PATH, "/graphql"].contains(&path);
    // A form that was posted leads to its empty page: what was typed is gone with the body.
    let is_form = operator_page::POSTED.contains(&path);
    let is_read = [Method::GET, Method::HEAD].contains(&head.method) || (is_form && head.method == Method::POST);
    // A script that fetches the page again must not get the form instead.
    let is_opened = head.headers.get("sec-fetch-mode").is_none_or(|mode| mode == "navigate");
    if !is_page || !is_read || !is_opened || !operator_page::accepts_pages(&head.headers) {
        return None;
    }
    // An older address of the search has a plate behind its path.
    let next = head.uri.path_and_query().filter(|_| !is_form).map_or(path, |whole| whole.as_str());
    let query = form_urlencoded::Serializer::new(String::new()).append_pair("next", next).finish();
    Some(format!("{PATH}?{query}"))
}

async fn form(State(login): State<Login>, request: Request) -> Response {
    let (head, _) = request.into_parts();
    let next = next_of(head.uri.query().unwrap_or_default().as_bytes());
    let now = login.service.now();
    let is_signed_in = cookie::login(&head).is_some_and(|hash| login.authenticator.of_login(hash, now).is_some());
    if is_signed_in {
        return Redirect::to(&next).into_response();
    }
    std::future::ready(operator_page::sign_in(StatusCode::OK, &SignIn { next: &next, ..SignIn::default() })).await
}

async fn sign_in(State(login): State<Login>, request: Request) -> Result<Response, Problem> {
    let (head, body) = request.into_parts();
    require_own_page(&head)?;
    let media_type = body::media_type(&head.headers);
    if media_type != FORM {
        let problem = format!("{}, but a form has the type {FORM}", body::described(&media_type));
        return Err(Problem::new(Kind::UnsupportedMediaType, problem));
    }
    let body = body::read(&head.headers, body, SMALL_BYTES_MAX).await?;
    let (next, user, password) = (next_of(&body), value(&body, "user"), value(&body, "password"));
    let signed_in = login.service.sign_in(&user, &password, address(&head)).await;
    Ok(match signed_in {
        Ok(secret) => entered(&head, &secret, &next),
        Err(error) => refused(&error, &next),
    })
}

async fn sign_out(State(login): State<Login>, request: Request) -> Result<Response, Problem> {
    let (head, _) = request.into_parts();
    require_own_page(&head)?;
    if let Some(hash) = cookie::login(&head) {
        login.service.sign_out(hash).await?;
    }
    Ok(with_cookie(Redirect::to(PATH).into_response(), cookie::cleared(&head)))
}

fn entered(head: &Parts, secret: &CookieSecret, next: &str) -> Response {
    with_cookie(Redirect::to(next).into_response(), cookie::set(head, secret))
}

fn with_cookie(mut response: Response, cookie: HeaderValue) -> Response {
    response.headers_mut().insert(header::SET_COOKIE, cookie);
    response
}

/// The form with the reason. The name is not repeated, because people type passwords there.
fn refused(error: &SignInError, next: &str) -> Response {
    let status = match error {
        SignInError::Wrong => StatusCode::FORBIDDEN,
        SignInError::Wait(_) => StatusCode::TOO_MANY_REQUESTS,
        SignInError::Busy | SignInError::Ledger(_) => StatusCode::SERVICE_UNAVAILABLE,
    };
    let mut response = operator_page::sign_in(status, &SignIn { next, problem: Some(&error.to_string()) });
    if let SignInError::Wait(wait) = error {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait.seconds));
    }
    response
}

fn require_own_page(head: &Parts) -> Result<(), Problem> {
    let refusal = "this form has to be sent by its own page: the headers Origin and Sec-Fetch-Site are missing";
    own_page::is_proven(&head.headers).then_some(()).ok_or_else(|| Problem::new(Kind::Forbidden, refusal))
}

/// The first value of a form's field; empty without one.
fn value(form: &[u8], name: &str) -> String {
    form_urlencoded::parse(form)
        .find(|(field, _)| field == name)
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}

/// Where a person goes after signing in: a path of this service, and the overview instead of anything else.
fn next_of(form: &[u8]) -> String {
    Some(value(form, "next")).filter(|next| is_local(next)).unwrap_or_else(|| "/".to_owned())
}

/// Whether an address is a path here. A browser reads `//host` and `/\\host` as another host.
fn is_local(next: &str) -> bool {
    let mut bytes = next.bytes();
    let is_path = bytes.next() == Some(b'/') && !matches!(bytes.next(), Some(b'/' | b'\\'));
    let is_visible = next.bytes().all(|byte| byte.is_ascii_graphic());
    is_path && is_visible && next.len() <= NEXT_BYTES_MAX && next.parse::<Uri>().is_ok()
}

/// The address of the person.
fn address(head: &Parts) -> IpAddr {
    head.extensions.get::<RemoteNetwork>().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |remote| remote.0)
}

#[cfg(test)]
mod tests {
    use axum::http::Request as HttpRequest;

    use super::*;

    #[test]
    fn a_person_is_sent_to_paths_of_this_service_only() {
        for next in ["/", "/stays?lot_id=P3&reach=7d", "/sessions/0191c2f4-3cfa-8d2e-ab23-969652be6075#why"] {
            assert!(is_local(next), "{next}");
        }
        let long = format!("/{}", "x".repeat(NEXT_BYTES_MAX));
        for next in [
            "",
            "stays",
            "//attacker.example",
            "/\\attacker.example",
            "https://attacker.example",
            "/a\r\nb",
            "/ä",
            &long,
        ] {
            assert!(!is_local(next), "{next:?}");
        }
    }

    #[test]
    fn only_opening_a_page_leads_to_the_form() {
        let to_form = |method: &str, uri: &str, headers: &[(&str, &str)]| {
            let request = HttpRequest::builder().method(method).uri(uri);
            let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
            address_for(&request.body(()).unwrap().into_parts().0)
        };
        let html = ("accept", "text/html,*/*;q=0.8");
        let visit = ("sec-fetch-mode", "navigate");
        assert_eq!(
            to_form("GET", "/stays?lot_id=P3", &[html, visit]).as_deref(),
            Some("/login?next=%2Fstays%3Flot_id%3DP3")
        );
        assert_eq!(to_form("GET", "/graphql", &[html]).as_deref(), Some("/login?next=%2Fgraphql"));
        let empty_search = Some("/login?next=%2Fsearch");
        assert_eq!(to_form("GET", "/search?plate=ABC1", &[html, visit]).as_deref(), empty_search);
        assert_eq!(to_form("POST", "/search", &[html, visit]).as_deref(), empty_search);
        for (method, uri, headers) in [
            ("GET", "/stays", &[("accept", "*/*")][..]),
            ("GET", "/stays", &[html, ("sec-fetch-mode", "cors")]),
            ("GET", "/header", &[html]),
            ("POST", "/graphql", &[html, visit]),
            ("GET", "/api/v1/sessions", &[html, visit]),
        ] {
            assert_eq!(to_form(method, uri, headers), None, "{method} {uri}");
        }
    }
}
