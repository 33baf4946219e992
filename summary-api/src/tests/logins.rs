//! People: the form, the cookie, what two people with different lots see, and the end of a login session.

use access::{Access, Gates, Grant, Lots, Password, Scopes, Tokens, UserName};
use axum::http::{HeaderMap, Method, header};
use futures::StreamExt as _;
use ledger_stores::testing::temporary;
use parking::LotId;
use serde_json::json;
use sessions::Service;
use sessions::testing::{Fixture, Vehicles, minute, rules};
use tower::ServiceExt as _;
use web_api::Authenticator;

use super::{Answer, Api, request, send};

const PASSWORD: &str = "four words in a row";
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const OWN_PAGE: (&str, &str) = ("origin", "http://localhost");
const BROWSER: (&str, &str) = ("accept", "text/html");
const JSON: (&str, &str) = ("content-type", "application/json");
/// What each of two people may see, and the other one may not.
const OF_MARIA: (&str, &str, &str) = ("maria", "north", "NRTH0001");
const OF_MARIO: (&str, &str, &str) = ("mario", "south", "SOTH0002");

/// A ledger with a stay in each of two lots, and a person for each.
async fn site(access: Access) -> Api {
    let fixture = Fixture::new(temporary().await);
    let mut vehicles = Vehicles::default();
    for (name, lot, plate) in [OF_MARIA, OF_MARIO] {
        fixture.record(vec![vehicles.entry(lot, plate, minute(0))]).await;
        fixture.record(vec![vehicles.exit(lot, plate, minute(30))]).await;
        add_user(&fixture, name, "read,read_plate,ingest", Lots::only([LotId::parse(lot).unwrap()])).await;
    }
    Api::on(fixture, &Authenticator::new(access, None, Tokens::default()))
}

async fn add_user(fixture: &Fixture, name: &str, scopes: &str, lots: Lots) {
    let grant = Grant::new(Scopes::parse(scopes).unwrap(), lots, Gates::All).unwrap();
    let name = UserName::parse(name).unwrap();
    let password = Password::chosen(PASSWORD, &name).unwrap();
    assert!(fixture.local().add_user(name, password, grant).await.unwrap());
}

impl Api {
    async fn ask(&self, method: Method, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        send(&self.router, request(method, path, headers, body.to_owned())).await
    }

    async fn try_to_sign_in(&self, user: &str, password: &str, next: &str) -> Answer {
        let body = format!("user={user}&password={}&next={next}", password.replace(' ', "+"));
        self.ask(Method::POST, "/login", &[FORM, OWN_PAGE], &body).await
    }

    /// The cookie of a person who has signed in.
    async fn sign_in(&self, user: &str) -> String {
        let answer = self.try_to_sign_in(user, PASSWORD, "%2Fstays").await;
        assert_eq!((answer.status, answer.header(header::LOCATION)), (303, "/stays"), "{}", answer.text());
        cookie(&answer.headers)
    }

    async fn page(&self, path: &str, cookie: &str) -> Answer {
        self.ask(Method::GET, path, &[BROWSER, ("cookie", cookie)], "").await
    }
}

/// The name and the value of the cookie that an answer sets.
fn cookie(headers: &HeaderMap) -> String {
    let set = headers[header::SET_COOKIE].to_str().unwrap();
    assert!(set.contains("; HttpOnly; SameSite=Lax"), "{set}");
    set.split(';').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_person_is_sent_to_the_form_and_from_there_to_the_page() {
    let api = site(Access::Required).await;

    let sent = api.ask(Method::GET, "/stays?lot_id=north", &[BROWSER], "").await;
    assert_eq!((sent.status, sent.header(header::LOCATION)), (303, "/login?next=%2Fstays%3Flot_id%3Dnorth"));
    let form = api.page(sent.header(header::LOCATION), "").await;
    assert_eq!(form.status, 200);
    assert!(form.text().contains(r#"name="next" value="/stays?lot_id=north""#), "{}", form.text());

    let cookie = api.sign_in("maria").await;
    let page = api.page("/stays", &cookie).await;
    assert_eq!(page.status, 200);
    assert!(page.text().contains("maria") && page.text().contains(r#"action="/logout""#), "{}", page.text());
    let again = api.page("/login?next=%2Fstays", &cookie).await;
    assert_eq!((again.status, again.header(header::LOCATION)), (303, "/stays"));
}

#[tokio::test]
async fn programs_and_scripts_get_401_and_never_the_form() {
    let api = site(Access::Required).await;
    let script = ("sec-fetch-mode", "cors");
    for (path, headers) in
        [("/api/v1/sessions", &[BROWSER][..]), ("/stays", &[]), ("/stays", &[BROWSER, script]), ("/header", &[BROWSER])]
    {
        assert_eq!(api.ask(Method::GET, path, headers, "").await.status, 401, "{path} {headers:?}");
    }
    let unknown = ("cookie", "dwell-login=0000000000000000000000000000000000000000000000000000");
    assert_eq!(api.ask(Method::GET, "/api/v1/sessions", &[unknown], "").await.status, 401);
}

#[tokio::test]
async fn without_anybody_who_may_sign_in_there_is_no_form_to_go_to() {
    let api = Api::with(&Authenticator::new(Access::Required, None, Tokens::default())).await;
    assert_eq!(api.ask(Method::GET, "/", &[BROWSER], "").await.status, 401);
}

#[tokio::test]
async fn two_people_with_different_lots_see_nothing_of_each_other() {
    let api = site(Access::Required).await;
    let cookies = [api.sign_in("maria").await, api.sign_in("mario").await];
    let query = json!({"query": "{ sessions { nodes { vehiclePlate lotId } } lots { id } }"}).to_string();
    for path in
        ["/", "/timeline", "/stays", "/unmatched", "/api/v1/sessions", "/api/v1/lots", "/api/v1/changes", "/graphql"]
    {
        for (cookie, own, other) in [(&cookies[0], OF_MARIA, OF_MARIO), (&cookies[1], OF_MARIO, OF_MARIA)] {
            let answer = if path == "/graphql" {
                api.ask(Method::POST, path, &[JSON, OWN_PAGE, ("cookie", cookie)], &query).await
            } else {
                api.page(path, cookie).await
            };
            let text = answer.text();
            assert_eq!(answer.status, 200, "{path}: {text}");
            assert!(!text.contains(other.1) && !text.contains(other.2), "{path} of {}: {text}", own.0);
            assert!(text.contains(own.1), "{path} of {}: {text}", own.0);
        }
    }
}

#[tokio::test]
async fn a_wrong_password_is_answered_with_the_form_and_does_not_repeat_what_was_typed() {
    let api = site(Access::Required).await;
    for user in ["maria", "canary-name"] {
        let refused = api.try_to_sign_in(user, "canary-password", "%2Fstays").await;
        assert_eq!((refused.status, refused.headers.get(header::SET_COOKIE)), (403, None));
        let text = refused.text();
        assert!(text.contains("The name or the password is wrong.") && !text.contains("canary"), "{text}");
        assert!(text.contains(r#"name="next" value="/stays""#), "{text}");
    }
}

#[tokio::test]
async fn after_too_many_failures_even_the_right_password_waits() {
    let api = site(Access::Required).await;
    for _ in 0..6 {
        assert_eq!(api.try_to_sign_in("maria", "wrong", "").await.status, 403);
    }
    let refused = api.try_to_sign_in("maria", PASSWORD, "").await;
    assert_eq!((refused.status, refused.header(header::RETRY_AFTER)), (429, "1"));
    assert!(refused.text().contains("Too many failed sign-ins. Try again in 1 s."), "{}", refused.text());

    api.fixture.clock.advance_millis(1_000);
    api.sign_in("maria").await;
}

#[tokio::test]
async fn nobody_is_sent_to_another_site() {
    let api = site(Access::Required).await;
    for next in ["https%3A%2F%2Fattacker.example", "%2F%2Fattacker.example", "%2F%5Cattacker.example", ""] {
        let answer = api.try_to_sign_in("maria", PASSWORD, next).await;
        assert_eq!((answer.status, answer.header(header::LOCATION)), (303, "/"), "{next}");
    }
}

#[tokio::test]
async fn what_changes_something_with_a_cookie_has_to_come_from_an_own_page() {
    let api = site(Access::Required).await;
    let cookie = api.sign_in("maria").await;
    let summary = json!({
        "vehicle_plate": "FIN1", "lot_id": "north",
        "entry_date_time": minute(0).to_string(), "exit_date_time": minute(1).to_string(),
    });
    let query = json!({"query": "{ status { settled } }"});
    for (path, body) in [("/save_summary", summary.to_string()), ("/graphql", query.to_string())] {
        let post = async |proof: &[(&str, &str)]| {
            api.ask(Method::POST, path, &[&[JSON, ("cookie", &cookie)], proof].concat(), &body).await.status
        };
        assert_eq!(post(&[]).await, 403, "{path}");
        assert_eq!(post(&[("sec-fetch-site", "none")]).await, 403, "{path}");
        assert_eq!(post(&[OWN_PAGE]).await, 200, "{path}");
        assert_eq!(post(&[("sec-fetch-site", "same-origin")]).await, 200, "{path}");
    }
    for path in ["/login", "/logout"] {
        assert_eq!(api.ask(Method::POST, path, &[FORM, ("cookie", &cookie)], "").await.status, 403, "{path}");
    }
    assert_eq!(api.page("/", &cookie).await.status, 200, "the login session goes on");
}

#[tokio::test]
async fn the_sign_out_ends_the_login_session_and_its_feeds() {
    let api = site(Access::Required).await;
    let (cookie, other) = (api.sign_in("maria").await, api.sign_in("maria").await);
    let feed = request(Method::GET, "/api/v1/live/events", &[("cookie", &cookie)], "");
    let feed = api.router.clone().oneshot(feed).await.unwrap();
    assert_eq!(feed.status(), 200);

    let out = api.ask(Method::POST, "/logout", &[FORM, OWN_PAGE, ("cookie", &cookie)], "").await;

    assert_eq!((out.status, out.header(header::LOCATION)), (303, "/login"));
    let cleared = out.header(header::SET_COOKIE);
    assert!(cleared.starts_with("dwell-login=; Path=/; Max-Age=0"), "{cleared}");
    assert_eq!(api.page("/stays", &cookie).await.status, 303);
    assert_eq!(api.page("/stays", &other).await.status, 200);
    let (mut body, mut text) = (feed.into_body().into_data_stream(), String::new());
    while let Some(part) = body.next().await {
        text.push_str(std::str::from_utf8(&part.unwrap()).unwrap());
    }
    assert!(text.contains("event: refused"), "{text}");
}

#[tokio::test]
async fn a_login_session_holds_at_every_summary_api_of_the_ledger_at_once() {
    let api = site(Access::Required).await;
    let context = service_kit::ServiceContext::new(std::sync::Arc::clone(&api.fixture.clock) as _);
    let service = Service::new(std::sync::Arc::clone(&api.fixture.ledger), rules(), parking::Lots::default(), &context);
    let other = web_api::router(&service, &Authenticator::new(Access::Required, None, Tokens::default()), &context);
    let cookie = api.sign_in("maria").await;

    let answer = send(&other, request(Method::GET, "/api/v1/lots", &[("cookie", &cookie)], "")).await;

    assert_eq!(answer.status, 200, "{}", answer.text());
}

#[tokio::test]
async fn where_no_login_is_needed_one_still_limits_what_is_seen() {
    let api = site(Access::Local).await;
    let unknown = "dwell-login=0000000000000000000000000000000000000000000000000000";
    let cookie = api.sign_in("maria").await;
    let both = api.page("/api/v1/lots", unknown).await.text();
    let own = api.page("/api/v1/lots", &cookie).await.text();
    assert!(both.contains("north") && both.contains("south"), "{both}");
    assert!(own.contains("north") && !own.contains("south"), "{own}");
}

#[tokio::test]
async fn behind_tls_the_cookie_is_for_this_host_alone() {
    let api = site(Access::Required).await;
    let body = format!("user=maria&password={}", PASSWORD.replace(' ', "+"));
    let proxied = ("x-forwarded-proto", "https");
    let answer = api.ask(Method::POST, "/login", &[FORM, OWN_PAGE, proxied], &body).await;
    let cookie = cookie(&answer.headers);
    assert!(cookie.starts_with("__Host-dwell-login=") && answer.header(header::SET_COOKIE).ends_with("; Secure"));

    let with = async |headers: &[(&str, &str)]| {
        api.ask(Method::GET, "/api/v1/lots", &[&[("cookie", cookie.as_str())], headers].concat(), "").await.status
    };
    assert_eq!((with(&[proxied]).await, with(&[]).await), (200, 401));
}
