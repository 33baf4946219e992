//! Access as a matrix: every route, page and GraphQL field × every scope × own lot, other lot, no token, expired and
//! unknown token. Routes and fields come from the program; one without a row in the tables here fails.

use std::collections::BTreeSet;

use access::{
    Access, Gates, Grant, Lots, Password, Principal, Scope, Scopes, Token, TokenRecord, Tokens, UserName, Who,
};
use axum::http::Method;
use futures::StreamExt as _;
use ledger_stores::testing::temporary;
use parking::{GateId, LotId, Timestamp};
use recorder::wire;
use serde_json::{Value, json};
use sessions::ScopedService;
use sessions::testing::{Fixture, Vehicles, minute};
use tower::ServiceExt as _;
use url::form_urlencoded;
use uuid::Uuid;

use super::{Answer, Api, request, send};
use web_api::Authenticator;

/// Plates that stand in one lot only, so that a body shows which lots it tells of.
const OWN_PLATE: &str = "WNPLATE7";
pub(super) const FOREIGN_PLATE: &str = "CANARY88";
const OWN: &str = "own-lot";
pub(super) const FOREIGN: &str = "canary-lot";
/// Of the foreign gate, and of ids that no session and no event has.
const FOREIGN_GATE: &str = "canary-gate";
/// A user with the scope `admin`, and the password of all users.
const USER: &str = "maria";
const PASSWORD: &str = "four words in a row";
const UNKNOWN: &str = "0191c2f4-3cfa-8d2e-ab23-969652be6075";

/// Who may use a route: everybody, or principals with one of the scopes. `Plates` needs `read` and `read_plate`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum May {
    Everybody,
    OneOf(&'static [Scope]),
    Plates,
}

const RECORD: May = May::OneOf(&[Scope::Record]);
const INGEST: May = May::OneOf(&[Scope::Ingest]);
const ADMIN: May = May::OneOf(&[Scope::Admin]);
const READ: May = May::OneOf(&[Scope::Read]);

/// Every route, and who may use it.
pub(super) const ROUTES: [(&str, May); 76] = [
    ("GET /livez", May::Everybody),
    ("GET /readyz", May::Everybody),
    ("GET /metrics", May::Everybody),
    ("GET /openapi.json", May::Everybody),
    ("GET /api/docs", May::Everybody),
    ("GET /api/docs/", May::Everybody),
    ("GET /problems/{kind}", May::Everybody),
    ("GET /graphql/schema.graphql", May::Everybody),
    ("GET /graphql/explorer.js", May::Everybody),
    ("GET /graphql/explorer.css", May::Everybody),
    ("GET /login", May::Everybody),
    ("POST /login", May::Everybody),
    ("POST /logout", May::Everybody),
    ("GET /api/v1/tokens", ADMIN),
    ("POST /api/v1/tokens", ADMIN),
    ("DELETE /api/v1/tokens/{id}", ADMIN),
    ("GET /api/v1/users", ADMIN),
    ("POST /api/v1/users", ADMIN),
    ("PUT /api/v1/users/{name}/password", ADMIN),
    ("DELETE /api/v1/users/{name}", ADMIN),
    ("GET /api/v1/webhooks", ADMIN),
    ("POST /api/v1/webhooks", ADMIN),
    ("DELETE /api/v1/webhooks/{id}", ADMIN),
    ("POST /api/v1/webhooks/{id}/pause", ADMIN),
    ("POST /api/v1/webhooks/{id}/resume", ADMIN),
    ("POST /api/v1/webhooks/{id}/replay", ADMIN),
    ("POST /api/v1/webhooks/{id}/rotate", ADMIN),
    ("POST /api/v1/webhooks/{id}/test", ADMIN),
    ("POST /save_summary", INGEST),
    ("GET /internal/v1/terms", RECORD),
    ("POST /internal/v1/load", RECORD),
    ("POST /internal/v1/record", RECORD),
    ("POST /internal/v1/due", RECORD),
    ("POST /internal/v1/report", RECORD),
    ("GET /internal/v1/verify", May::OneOf(&[Scope::Record, Scope::Admin])),
    ("GET /internal/v1/tokens", May::OneOf(&[Scope::Record, Scope::Ingest])),
    ("GET /api/v1/sessions", READ),
    ("GET /api/v1/sessions?lot_id={lot}", READ),
    ("GET /api/v1/sessions?last_day=true&min_age=1m", READ),
    // With tokens, a plate in an address is refused whatever the scopes are.
    ("GET /api/v1/sessions?vehicle_plate={plate}", READ),
    ("POST /api/v1/sessions/search", READ),
    ("POST /api/v1/sessions/search?vehicle_plate={plate}", May::Plates),
    ("POST /api/v1/sessions/search?plate_prefix={plate}", May::Plates),
    ("POST /api/v1/sessions/search?plate_contains={plate}", May::Plates),
    ("GET /api/v1/sessions?format=csv", READ),
    ("GET /api/v1/sessions?format=ndjson", READ),
    ("GET /api/v1/sessions/{id}", READ),
    ("GET /api/v1/sessions/{id}/story", READ),
    ("GET /api/v1/events/{id}/explanation", READ),
    ("GET /api/v1/events/{id}/trail", READ),
    ("GET /api/v1/explanations?vehicle_plate={plate}", READ),
    ("POST /api/v1/explanations/search?vehicle_plate={plate}", May::Plates),
    ("POST /api/v1/lookup?lot_id={lot}&vehicle_plate={plate}", May::Plates),
    ("GET /api/v1/changes", READ),
    ("GET /api/v1/lots", READ),
    ("GET /api/v1/statistics?lot_id={lot}", READ),
    ("GET /api/v1/gates", READ),
    ("GET /api/v1/status", READ),
    ("GET /api/v1/rules", READ),
    ("GET /api/v1/live", READ),
    ("GET /api/v1/live/events", READ),
    ("GET /graphql", READ),
    ("POST /graphql", READ),
    ("GET /", READ),
    ("GET /timeline?lot_id={lot}", READ),
    ("GET /stays?lot_id={lot}", READ),
    ("GET /unmatched", READ),
    ("GET /list?lot_id={lot}", READ),
    ("GET /search", READ),
    // Leads to the empty form.
    ("GET /search?plate={plate}", READ),
    ("POST /search?plate={plate}", May::Plates),
    ("GET /sessions/{id}", READ),
    ("GET /header", READ),
    ("GET /notices", READ),
    ("GET /lookup", READ),
    ("POST /lookup", May::Plates),
];

/// Every field of GraphQL's queries, with arguments for one lot, plate or id, and a selection that shows what it tells
/// of.
const FIELDS: [(&str, &str); 11] = [
    ("sessions", "sessions { nodes { vehiclePlate lotId } }"),
    ("session", "session(id: \"{id}\") { vehiclePlate lotId }"),
    ("lots", "lots { id inside }"),
    ("lot", "lot(id: \"{lot}\") { id inside }"),
    ("changes", "changes(first: 1000) { changes { session { vehiclePlate lotId } } }"),
    ("statistics", "statistics(lotId: \"{lot}\") { lotId }"),
    ("gates", "gates { lotId gateId }"),
    ("eventExplanations", "eventExplanations(id: \"{event}\") { text event { vehiclePlate } }"),
    ("eventTrails", "eventTrails(id: \"{event}\") { event { vehiclePlate } stages { text } }"),
    ("explanations", "explanations(vehiclePlate: \"{plate}\") { text event { vehiclePlate } }"),
    ("status", "status { settled correlators { id } }"),
];

/// A ledger with stays, an open session, a held exit and a summary of both lots; a change of the own lot is the newest.
pub(super) struct Site {
    pub(super) api: Api,
    tokens: Vec<(Scopes, Lots, Token)>,
    expired: Token,
    foreign: Ids,
}

/// A session of a lot and its exit's event.
pub(super) struct Ids {
    pub(super) session: Uuid,
    pub(super) event: Uuid,
}

fn lot(name: &str) -> LotId {
    LotId::parse(name).unwrap()
}

fn token(number: usize) -> Token {
    Token::from_random(&[u8::try_from(number).unwrap(); Token::RANDOM_BYTES])
}

/// A token for each scope, `read` also with `read_plate`, for all lots and, where that is possible, for the own lot.
fn tokens() -> Vec<(Scopes, Lots, Token)> {
    let alone =
        Scope::ALL.into_iter().filter(|scope| *scope != Scope::ReadPlate).map(|scope| [scope].into_iter().collect());
    let scopes = alone.chain([[Scope::Read, Scope::ReadPlate].into_iter().collect::<Scopes>()]);
    let lots = [Lots::All, Lots::only([lot(OWN)])];
    let pairs = scopes.flat_map(|scopes| lots.clone().map(|lots| (scopes, lots)));
    let granted = pairs.filter(|(scopes, lots)| Grant::new(*scopes, lots.clone(), Gates::All).is_ok());
    granted.enumerate().map(|(number, (scopes, lots))| (scopes, lots, token(number))).collect()
}

fn record(token: &Token, scopes: Scopes, lots: &Lots, expires: Option<Timestamp>) -> TokenRecord {
    let grant = Grant::new(scopes, lots.clone(), Gates::All).unwrap();
    TokenRecord::new(token, format!("{scopes} {lots}"), grant, minute(0), expires)
}

impl Site {
    pub(super) async fn new() -> Self {
        let (tokens, expired) = (tokens(), token(100));
        let known = tokens.iter().map(|(scopes, lots, token)| record(token, *scopes, lots, None));
        let ended = record(&expired, Scopes::all(), &Lots::All, Some(minute(0)));
        let authenticator = Authenticator::new(Access::Required, None, Tokens::new(known.chain([ended])).unwrap());
        let fixture = Fixture::new(temporary().await);
        let mut vehicles = Vehicles::default();
        for (lot, plate, gate) in [(FOREIGN, FOREIGN_PLATE, FOREIGN_GATE), (OWN, OWN_PLATE, "own-gate")] {
            let like = |last: char| format!("{}{last}", &plate[..plate.len() - 1]);
            let (other, late) = (like('1'), like('2'));
            for unit in [
                // The exit comes first, so its first session is void later.
                vehicles.exit(lot, &late, minute(25)),
                vehicles.entry(lot, &late, minute(5)),
                vehicles.entry(lot, plate, minute(0)),
                vehicles.exit(lot, plate, minute(30)),
                vehicles.entry(lot, plate, minute(40)),
                vehicles.exit(lot, &other, minute(50)),
            ] {
                let mut unit = unit;
                unit.events.iter_mut().for_each(|event| event.gate = GateId::parse(gate).ok());
                fixture.record(vec![unit]).await;
            }
        }
        let grant = Grant::new([Scope::Admin].into_iter().collect(), Lots::All, Gates::All).unwrap();
        let name = UserName::parse(USER).unwrap();
        let password = Password::chosen(PASSWORD, &name).unwrap();
        assert!(fixture.local().add_user(name, password, grant).await.unwrap());
        let (own, foreign) = (ids(&fixture.local(), OWN).await, ids(&fixture.local(), FOREIGN).await);
        assert_ne!(own.session, foreign.session);
        Self { api: Api::on(fixture, &authenticator), tokens, expired, foreign }
    }

    /// The line of a route, with the ids, the lot and the plate of a lot.
    pub(super) fn line(route: &str, ids: &Ids, lot: &str, plate: &str) -> (Method, String) {
        let (method, path) = route.split_once(' ').unwrap();
        let id = if path.contains("/events/") { ids.event } else { ids.session };
        // That of no webhook, so that none changes.
        let id = if path.contains("/webhooks/") { "none".to_owned() } else { id.to_string() };
        let path = path.replace("{id}", &id).replace("{kind}", "internal").replace("{name}", USER);
        (method.parse().unwrap(), path.replace("{lot}", lot).replace("{plate}", plate))
    }

    /// The answer to a request; the body of an endless feed is left out. The parameters of a POST are its body.
    pub(super) async fn answer(&self, method: &Method, path: &str, token: Option<&str>) -> Answer {
        let (address, parameters) = match path.split_once('?') {
            Some((address, parameters)) if method == Method::POST => (address, parameters),
            _ => (path, ""),
        };
        let members: serde_json::Map<String, Value> =
            form_urlencoded::parse(parameters.as_bytes()).map(|(name, value)| (name.into(), json!(value))).collect();
        let body = match address {
            "/api/v1/sessions/search" | "/api/v1/explanations/search" | "/api/v1/lookup" => {
                Value::Object(members).to_string()
            }
            "/search" => parameters.to_owned(),
            "/graphql" => json!({"query": "{ status { settled } }"}).to_string(),
            "/save_summary" => json!({
                "vehicle_plate": "FIN1", "lot_id": OWN,
                "entry_date_time": minute(0).to_string(), "exit_date_time": minute(1).to_string(),
            })
            .to_string(),
            "/api/v1/tokens" => json!({"name": "another", "scopes": ["admin"]}).to_string(),
            "/api/v1/users" => json!({"name": "mario", "password": PASSWORD, "scopes": ["admin"]}).to_string(),
            path if path.ends_with("/password") => json!({"password": PASSWORD}).to_string(),
            _ => String::new(),
        };
        let bearer = token.map(|token| format!("Bearer {token}"));
        let media_type = match address {
            "/search" => "application/x-www-form-urlencoded",
            address if address.starts_with("/internal/") => wire::MEDIA_TYPE,
            _ => "application/json",
        };
        let mut headers = vec![("content-type", media_type)];
        if ["/login", "/logout"].contains(&path) {
            headers.push(("origin", "http://localhost"));
        }
        headers.extend(bearer.as_deref().map(|bearer| ("authorization", bearer)));
        let asked = request(method.clone(), address, &headers, body);
        if path.starts_with("/api/v1/live/events") {
            let answer = self.api.router.clone().oneshot(asked).await.unwrap();
            let status = answer.status().as_u16();
            return Answer { status, headers: answer.headers().clone(), body: Vec::new() };
        }
        send(&self.api.router, asked).await
    }

    fn reader(&self, lots: &Lots) -> &str {
        self.token("read,read_plate", lots)
    }

    pub(super) fn token(&self, scopes: &str, lots: &Lots) -> &str {
        let wanted = Scopes::parse(scopes).unwrap();
        let found = self.tokens.iter().find(|(scopes, of, _)| *scopes == wanted && of == lots);
        found.map(|(_, _, token)| token.expose()).unwrap()
    }

    /// The service as the holder of these scopes may use it; ids are as that one sees them.
    fn scoped(&self, scopes: Scopes) -> ScopedService {
        let grant = Grant::new(scopes, Lots::All, Gates::All).unwrap();
        self.api.fixture.service.scoped(Principal::new(Who::System("test"), grant))
    }

    pub(super) async fn graphql(&self, query: &str, token: &str) -> Value {
        let bearer = format!("Bearer {token}");
        let headers = [("content-type", "application/json"), ("authorization", bearer.as_str())];
        let body = json!({"query": query}).to_string();
        send(&self.api.router, request(Method::POST, "/graphql", &headers, body)).await.json()
    }
}

pub(super) async fn ids(service: &ScopedService, name: &str) -> Ids {
    let filter = ledger::SessionFilter {
        lot: Some(lot(name)),
        states: vec![parking::State::Matched],
        ..ledger::SessionFilter::default()
    };
    let page = sessions::Page { limit: 100, after: None, order: ledger::Order::NewestFirst };
    let rows = service.sessions(&filter, page).await.unwrap().rows;
    // Saved summaries have no events.
    rows.iter().find_map(|row| Some(Ids { session: row.id, event: row.exit_event_id? })).unwrap()
}

fn is_allowed(may: May, scopes: Scopes) -> bool {
    match may {
        May::Everybody => true,
        May::OneOf(needed) => needed.iter().any(|scope| scopes.contains(*scope)),
        May::Plates => scopes.contains(Scope::Read) && scopes.contains(Scope::ReadPlate),
    }
}

/// The path of a line of the table, without its query.
fn bare(line: &str) -> String {
    line.split('?').next().unwrap_or_default().to_owned()
}

#[test]
fn every_route_is_in_the_table() {
    let described = web_api::openapi().paths.paths;
    let described = described.iter().flat_map(|(path, item)| {
        let methods = [
            ("GET", item.get.is_some()),
            ("POST", item.post.is_some()),
            ("PUT", item.put.is_some()),
            ("DELETE", item.delete.is_some()),
        ];
        methods.into_iter().filter(|(_, is_there)| *is_there).map(move |(method, _)| format!("{method} {path}"))
    });
    let pages = operator_page::ROUTES.iter().map(|path| format!("GET {path}"));
    let others = ["/graphql/explorer.js", "/graphql/explorer.css", "/api/docs", "/api/docs/"];
    let forms = ["GET /login", "POST /login", "POST /logout"].map(str::to_owned);
    let posted = operator_page::POSTED.iter().map(|path| format!("POST {path}"));
    let all: BTreeSet<String> =
        described.chain(pages).chain(others.map(|path| format!("GET {path}"))).chain(forms).chain(posted).collect();

    assert_eq!(ROUTES.iter().map(|(line, _)| bare(line)).collect::<BTreeSet<_>>(), all);
}

#[tokio::test]
async fn each_route_serves_the_tokens_of_its_scopes_and_refuses_all_others() {
    let site = Site::new().await;
    let unknown = token(101);
    for (route, may) in ROUTES {
        let (whole, own) = (Scopes::all(), ids(&site.api.fixture.local(), OWN).await);
        let (method, path) = Site::line(route, &own, OWN, OWN_PLATE);
        for (scopes, lots, token) in &site.tokens {
            // Who reads without plates knows a session by its alias.
            let reads = if scopes.contains(Scope::Read) { *scopes } else { whole };
            let seen = ids(&site.scoped(reads), OWN).await;
            let (method, path) = Site::line(route, &seen, OWN, OWN_PLATE);
            let status = site.answer(&method, &path, Some(token.expose())).await.status;
            if is_allowed(may, *scopes) {
                assert!(![401, 403, 404].contains(&status), "{route} with {scopes} in {lots}: {status}");
            } else {
                assert_eq!(status, 403, "{route} with {scopes} in {lots}");
            }
        }
        for (what, shown) in [("none", None), ("expired", Some(&site.expired)), ("unknown", Some(&unknown))] {
            let status = site.answer(&method, &path, shown.map(Token::expose)).await.status;
            assert_eq!(status == 401, may != May::Everybody, "{route} with the token {what}: {status}");
        }
    }
}

#[tokio::test]
async fn no_body_tells_of_a_lot_that_the_token_may_not_see() {
    let site = Site::new().await;
    let (limited, all) = (site.reader(&Lots::only([lot(OWN)])).to_owned(), site.reader(&Lots::All).to_owned());
    let nowhere = Ids { session: UNKNOWN.parse().unwrap(), event: UNKNOWN.parse().unwrap() };
    let mut shown = 0;
    for (route, _) in ROUTES.into_iter().filter(|(_, may)| *may == May::Plates || *may == READ) {
        // Asked for the other lot by name, plate and id; and for what does not exist.
        let (method, path) = Site::line(route, &site.foreign, FOREIGN, FOREIGN_PLATE);
        let answer = site.answer(&method, &path, Some(&limited)).await;
        let text = answer.text().replace(&path, "");
        // A page repeats what was asked for.
        let echoes = path.contains(FOREIGN_PLATE) || path.contains(FOREIGN);
        if !echoes {
            assert!(!text.contains("CANARY") && !text.contains("canary"), "{route}: {text}");
        }
        let (_, elsewhere) = Site::line(route, &nowhere, "no-such-lot", "NOSUCH99");
        let missing = site.answer(&method, &elsewhere, Some(&limited)).await;
        assert_eq!(answer.status, missing.status, "{route}");
        let comparable = |answer: &Answer, from: [&str; 4]| {
            let text = answer.text();
            from.iter().fold(text, |text, word| text.replace(word, "X"))
        };
        let [session, event] = [site.foreign.session, site.foreign.event].map(|id| id.to_string());
        if path != elsewhere && path.starts_with("/api/") {
            let asked = comparable(&answer, [&session, &event, FOREIGN, FOREIGN_PLATE]);
            assert_eq!(asked, comparable(&missing, [UNKNOWN, UNKNOWN, "no-such-lot", "NOSUCH99"]), "{route}");
        }
        // The test would prove nothing if the other lot were not there.
        shown += usize::from(site.answer(&method, &path, Some(&all)).await.text().contains("canary"));
    }
    assert!(shown > 12, "only {shown} bodies tell of the other lot at all");
}

#[tokio::test]
async fn no_field_of_graphql_tells_of_a_lot_that_the_token_may_not_see() {
    let site = Site::new().await;
    let (limited, all) = (site.reader(&Lots::only([lot(OWN)])).to_owned(), site.reader(&Lots::All).to_owned());
    let introspected = site.graphql("{ __schema { queryType { fields { name } } } }", &all).await;
    let fields = introspected["data"]["__schema"]["queryType"]["fields"].as_array().unwrap().clone();
    let fields: BTreeSet<String> = fields.iter().map(|field| field["name"].as_str().unwrap().to_owned()).collect();
    assert_eq!(FIELDS.iter().map(|(name, _)| (*name).to_owned()).collect::<BTreeSet<_>>(), fields);

    for (name, selection) in FIELDS {
        let selection = selection
            .replace("{id}", &site.foreign.session.to_string())
            .replace("{event}", &site.foreign.event.to_string())
            .replace("{lot}", FOREIGN)
            .replace("{plate}", FOREIGN_PLATE);
        let query = format!("{{ {selection} }}");
        // First by a principal of all lots, so that a shared cache would show its answer to the other one.
        let whole = site.graphql(&query, &all).await.to_string();
        let answer = site.graphql(&query, &limited).await;
        let data = answer["data"].to_string();
        assert!(!data.contains("CANARY") && !data.contains("canary"), "{name}: {answer}");
        assert!(name == "status" || whole.contains("canary") || whole.contains("CANARY"), "{name}: {whole}");
    }
}

#[tokio::test]
async fn a_feed_has_the_changes_of_the_own_lots_only() {
    let site = Site::new().await;
    let bearer = format!("Bearer {}", site.reader(&Lots::only([lot(OWN)])));
    let asked = request(Method::GET, "/api/v1/live/events?after=0", &[("authorization", &bearer)], "");
    let answer = site.api.router.clone().oneshot(asked).await.unwrap();
    let newest = site.api.fixture.local().last_change().await.unwrap();

    let (mut body, mut text) = (answer.into_body().into_data_stream(), String::new());
    while !text.contains(&format!("id: {newest}\n")) {
        text.push_str(std::str::from_utf8(&body.next().await.unwrap().unwrap()).unwrap());
    }

    assert!(text.contains(OWN_PLATE) && !text.contains("CANARY") && !text.contains("canary"), "{text}");
}
