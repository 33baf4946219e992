//! Masked plates: what a token with `read` and without `read_plate` gets, on every route, in every field and in the
//! feed. It finds neither a plate nor an id, nor anything from which trying all plates would find one.

use std::collections::BTreeSet;

use access::{Lots, Token};
use axum::http::{Method, header};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures::StreamExt as _;
use parking::{Direction, EventKey, LotId, Plate, SessionId, State, Timestamp, Vehicle};
use serde_json::Value;
use sessions::SeenSession;
use tower::ServiceExt as _;
use uuid::Uuid;

use super::matrix::{FOREIGN, FOREIGN_PLATE, ROUTES, Site, ids};
use super::{Answer, request, send};

mod fields;

/// What stands in every plate of the lot that is looked at, and behind its mask.
const SECRET: &str = "NARY";
const ALL_STATES: &str = "open,matched,held_exit,unmatched_exit,unmatched_entry,void";
const BROWSER: &str = "text/html";

/// A ledger, a token that reads masked plates, and what it must not find.
struct Canary {
    site: Site,
    token: String,
    /// All sessions as the ledger has them.
    rows: Vec<SeenSession>,
    /// All ids of sessions and events.
    ids: BTreeSet<Uuid>,
}

impl Canary {
    async fn new() -> Self {
        let site = Site::new().await;
        let token = site.token("read", &Lots::All).to_owned();
        let filter = ledger::SessionFilter {
            states: ALL_STATES.split(',').map(|state| state.parse().unwrap()).collect(),
            ..ledger::SessionFilter::default()
        };
        let page = sessions::Page { limit: 100, after: None, order: ledger::Order::NewestFirst };
        let rows = site.api.fixture.local().sessions(&filter, page).await.unwrap().rows;
        assert!(rows.iter().any(|row| row.state == State::Void) && rows.iter().any(|row| row.state == State::Open));
        let ids_of = |row: &SeenSession| [Some(row.id), row.entry_event_id, row.exit_event_id, row.superseded_by];
        let ids = rows.iter().flat_map(ids_of).flatten().collect();
        Self { site, token, rows, ids }
    }

    /// The answer to the token, as a page if there is one.
    async fn get(&self, path: &str, accept: &str) -> Answer {
        let bearer = format!("Bearer {}", self.token);
        let headers = [("authorization", bearer.as_str()), ("accept", accept)];
        send(&self.site.api.router, request(Method::GET, path, &headers, "")).await
    }

    async fn value(&self, path: &str) -> Value {
        let answer = self.get(path, "application/json").await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.json()
    }

    /// Checks that a text has no plate and no id, and that no plate fits the ids that it has.
    fn check(&self, what: &str, text: &str) {
        assert!(!text.contains(SECRET), "{what} has a plate: {text}");
        for id in &self.ids {
            let [hyphenated, simple] = [id.to_string(), id.simple().to_string()];
            assert!(!text.contains(&hyphenated) && !text.contains(&simple), "{what} has the id {id}: {text}");
        }
        let seen = uuids(text);
        let found = self.of_all_plates(&seen).into_iter().find(|id| seen.contains(id));
        assert_eq!(found, None, "{what} has an id that a plate fits: {text}");
    }

    /// The ids of sessions that somebody computes who tries the right plates with everything that a text shows, and
    /// with the ids of events from elsewhere.
    fn of_all_plates(&self, seen: &BTreeSet<Uuid>) -> Vec<Uuid> {
        let events: BTreeSet<Uuid> = self.ids.union(seen).copied().collect();
        let times: BTreeSet<Timestamp> =
            self.rows.iter().flat_map(|row| [row.entry_time, row.exit_time]).flatten().collect();
        let vehicles: BTreeSet<(LotId, Plate)> =
            self.rows.iter().map(|row| (row.lot.clone(), row.plate.whole().unwrap().clone())).collect();
        let mut ids = Vec::new();
        for (lot, plate) in vehicles {
            let vehicle = Vehicle { lot, plate };
            for time in &times {
                ids.extend(times.iter().map(|exit| SessionId::of_summary(&vehicle, *time, *exit).as_uuid()));
                for (direction, id) in [Direction::Entry, Direction::Exit]
                    .into_iter()
                    .flat_map(|one| events.iter().map(move |id| (one, *id)))
                {
                    ids.push(SessionId::of_event(&vehicle, &EventKey { time: *time, direction, id }).as_uuid());
                }
            }
        }
        ids
    }
}

/// All UUIDs in a text.
fn uuids(text: &str) -> BTreeSet<Uuid> {
    const LENGTH: usize = 36;
    let bytes = text.as_bytes();
    let windows = bytes.windows(LENGTH).filter(|window| window[8] == b'-' && window[13] == b'-');
    windows.filter_map(|window| Uuid::try_parse_ascii(window).ok()).collect()
}

/// The masks of a text: what stands around bullets.
fn masks(text: &str) -> BTreeSet<String> {
    let words = text.split(|letter: char| !letter.is_alphanumeric() && letter != '•');
    words.filter(|word| word.contains('•')).map(str::to_owned).collect()
}

#[tokio::test]
async fn no_route_tells_a_plate_or_an_id_that_gives_it_away() {
    let canary = Canary::new().await;
    let seen = canary.value(&format!("/api/v1/sessions?lot_id={FOREIGN}&state=matched")).await;
    let seen = &seen["sessions"][0];
    let id = |member: &str| seen[member].as_str().unwrap().parse::<Uuid>().unwrap();
    let seen = super::matrix::Ids { session: id("session_id"), event: id("exit_event_id") };
    let own = ids(&canary.site.api.fixture.local(), FOREIGN).await;
    let (mut shown, mut masked) = (0, BTreeSet::new());
    for (route, _) in ROUTES {
        // By the ids that it sees, and by those that the ledger has.
        for ids in [&seen, &own] {
            let (method, path) = Site::line(route, ids, FOREIGN, FOREIGN_PLATE);
            let answer = canary.site.answer(&method, &path, Some(&canary.token)).await;
            // An answer may repeat what was asked for.
            let text = answer.text().replace(&own.session.to_string(), "").replace(&own.event.to_string(), "");
            canary.check(route, &text);
            // The description of the API has examples.
            if !route.contains("openapi") && !route.contains("schema.graphql") {
                masked.extend(masks(&text));
            }
            shown += usize::from(text.contains('•'));
        }
    }
    assert!(shown > 10, "only {shown} bodies show a mask");
    assert_eq!(
        masked,
        ["CA••••81", "CA••••82", "CA••••88", "WN••••E1", "WN••••E2", "WN••••E7"].map(str::to_owned).into()
    );
}

#[tokio::test]
async fn no_page_tells_a_plate_and_its_links_lead_on() {
    let canary = Canary::new().await;
    let mut pages: Vec<String> =
        ["/", "/unmatched", "/unmatched?state=held_exit", "/search", "/header"].map(str::to_owned).into();
    pages.extend([FOREIGN, "own-lot"].map(|lot| format!("/timeline?lot_id={lot}&date=2024-09-24")));
    let mut stays = BTreeSet::new();
    while let Some(path) = pages.pop() {
        let answer = canary.get(&path, BROWSER).await;
        assert_eq!(answer.status, 200, "{path}");
        canary.check(&path, &answer.text());
        for link in answer.text().split("href=\"").skip(1).filter_map(|rest| rest.split('"').next()) {
            let link = link.split('#').next().unwrap().replace("&amp;", "&");
            if link.starts_with("/sessions/") && stays.insert(link.clone()) {
                pages.push(link);
            } else if link.starts_with("/api/v1/sessions/") || link.starts_with("/api/v1/events/") {
                let story = canary.get(&link, "application/json").await;
                assert_eq!(story.status, 200, "{link}");
                canary.check(&link, &story.text());
            }
        }
    }
    assert!(stays.len() >= canary.rows.len() - 2, "{stays:?}");
}

#[tokio::test]
async fn a_page_without_plates_has_no_search_and_says_why() {
    let canary = Canary::new().await;
    let page = canary.get("/unmatched", BROWSER).await.text();
    assert!(!page.contains("role=\"search\"") && page.contains("Plates are masked"), "{page}");
    assert!(canary.get("/search", BROWSER).await.text().contains("lacks the scope read_plate"));
    let (method, path) = (Method::POST, format!("/search?plate={FOREIGN_PLATE}"));
    let refused = canary.site.answer(&method, &path, Some(&canary.token)).await;
    assert_eq!(refused.status, 403);
    assert!(refused.text().contains("read_plate"), "{}", refused.text());
    let listed = canary.value("/api/v1/sessions?state=matched").await;
    for member in ["session_id", "entry_event_id"] {
        let id = listed["sessions"][0][member].as_str().unwrap();
        let found = canary.get(&format!("/search?plate={id}"), BROWSER).await;
        assert_eq!(found.status, 303);
        let session = listed["sessions"][0]["session_id"].as_str().unwrap();
        assert_eq!(found.header(header::LOCATION), format!("/sessions/{session}#why"));
    }
}

#[tokio::test]
async fn a_list_goes_on_by_its_cursors_and_each_of_its_ids_leads_to_a_story() {
    let canary = Canary::new().await;
    let (mut cursor, mut found) = (String::new(), Vec::new());
    loop {
        let page = canary.value(&format!("/api/v1/sessions?state={ALL_STATES}&limit=1{cursor}")).await;
        found.extend(page["sessions"].as_array().unwrap().clone());
        let Some(next) = page["next_cursor"].as_str() else { break };
        let bytes = URL_SAFE_NO_PAD.decode(next).unwrap();
        for id in &canary.ids {
            assert!(!bytes.windows(16).any(|window| window == id.as_bytes()), "a cursor has the id {id}");
        }
        cursor = format!("&cursor={next}");
    }
    assert_eq!(found.len(), canary.rows.len());
    for session in found {
        let id = session["session_id"].as_str().unwrap();
        assert_eq!(canary.value(&format!("/api/v1/sessions/{id}")).await, session);
        let story = canary.value(&format!("/api/v1/sessions/{id}/story")).await;
        assert_eq!(story["session"], session);
        assert_eq!(story["superseded_by"]["session_id"], session["superseded_by"]);
        let Some(event) = session["entry_event_id"].as_str() else { continue };
        let explained = canary.value(&format!("/api/v1/events/{event}/explanation")).await;
        assert_eq!(explained["explanations"][0]["event"]["event_id"], event);
        assert_eq!(explained["explanations"][0]["near_plates"], serde_json::json!([]));
        let trail = canary.value(&format!("/api/v1/events/{event}/trail")).await;
        assert_eq!(trail["trails"][0]["event"]["event_id"], event);
    }
}

#[tokio::test]
async fn a_tag_of_whole_plates_is_not_that_of_masks() {
    let canary = Canary::new().await;
    let reader = format!("Bearer {}", canary.site.token("read,read_plate", &Lots::All));
    let path = "/api/v1/sessions?limit=3";
    let whole = send(&canary.site.api.router, request(Method::GET, path, &[("authorization", &reader)], "")).await;
    let tag = whole.header(header::ETAG).to_owned();
    assert!(whole.text().contains("WNPLATE"));

    let bearer = format!("Bearer {}", canary.token);
    let headers = [("authorization", bearer.as_str()), ("if-none-match", tag.as_str())];
    let masked = send(&canary.site.api.router, request(Method::GET, path, &headers, "")).await;

    assert_eq!(masked.status, 200);
    canary.check(path, &masked.text());
}

#[tokio::test]
async fn no_field_of_graphql_tells_a_plate_or_an_id_that_gives_it_away() {
    let canary = Canary::new().await;
    let whole = canary.site.token("read,read_plate", &Lots::All).to_owned();
    let listed = canary.value(&format!("/api/v1/sessions?lot_id={FOREIGN}&state=matched")).await;
    let seen = |member: &str| listed["sessions"][0][member].as_str().unwrap().to_owned();
    let own = ids(&canary.site.api.fixture.local(), FOREIGN).await;
    let schema = fields::Schema::of(&canary).await;
    for (name, call) in fields::QUERIES {
        let query = |session: &str, event: &str| {
            let query = schema.query(call).replace("{id}", session).replace("{event}", event);
            query.replace("{lot}", FOREIGN).replace("{plate}", FOREIGN_PLATE)
        };
        let masked = query(&seen("session_id"), &seen("exit_event_id"));
        // First by a principal that sees plates, so that a shared cache would show its answer to the other one.
        for asked in [&query(&own.session.to_string(), &own.event.to_string()), &masked] {
            let answer = canary.site.graphql(asked, &whole).await;
            assert!(!answer["data"].is_null(), "{name}: {answer}");
        }
        let answer = canary.site.graphql(&masked, &canary.token).await;
        canary.check(name, &answer.to_string());
        if ["explanations", "sessionsOfPlate"].contains(&name) {
            assert_eq!(answer["errors"][0]["extensions"]["code"], "forbidden", "{name}: {answer}");
            assert!(answer["errors"][0]["message"].as_str().unwrap().contains("read_plate"), "{answer}");
        } else {
            assert_eq!(answer["errors"], Value::Null, "{name}: {answer}");
        }
        if ["session", "sessions", "changes", "eventExplanations", "eventTrails"].contains(&name) {
            assert!(answer.to_string().contains("CA••••8"), "{name}: {answer}");
        }
    }
}

#[tokio::test]
async fn the_queries_here_select_every_field_of_the_schema() {
    let canary = Canary::new().await;
    let schema = fields::Schema::of(&canary).await;
    let texts: String = fields::QUERIES.iter().map(|(_, call)| schema.query(call)).collect();
    let words: BTreeSet<&str> = texts.split(|letter: char| !letter.is_alphanumeric()).collect();
    for (object, fields) in schema.objects() {
        for (field, _) in fields {
            assert!(words.contains(field.as_str()), "no query here selects {object}.{field}");
        }
    }
}

#[tokio::test]
async fn a_feed_tells_no_plate_and_no_id_that_gives_it_away() {
    let canary = Canary::new().await;
    let newest = canary.site.api.fixture.local().last_change().await.unwrap();
    let feed = async |token: &str| {
        let bearer = format!("Bearer {token}");
        let asked = request(Method::GET, "/api/v1/live/events?after=0", &[("authorization", &bearer)], "");
        let answer = canary.site.api.router.clone().oneshot(asked).await.unwrap();
        let (mut body, mut text) = (answer.into_body().into_data_stream(), String::new());
        while !text.contains(&format!("id: {newest}\n")) {
            text.push_str(std::str::from_utf8(&body.next().await.unwrap().unwrap()).unwrap());
        }
        text
    };

    let whole = feed(canary.site.token("read,read_plate", &Lots::All)).await;
    let masked = feed(&canary.token).await;

    assert!(whole.contains(FOREIGN_PLATE) && masked.contains("CA••••88"), "{masked}");
    canary.check("the feed", &masked);
}

#[tokio::test]
async fn a_token_of_no_scope_that_reads_gets_nothing_of_this() {
    let canary = Canary::new().await;
    let unknown = Token::from_random(&[77; Token::RANDOM_BYTES]);
    for token in [canary.site.token("admin", &Lots::All), unknown.expose()] {
        let answer = canary.site.answer(&Method::GET, "/api/v1/sessions", Some(token)).await;
        assert!([401, 403].contains(&answer.status) && !answer.text().contains('•'), "{}", answer.text());
    }
}
