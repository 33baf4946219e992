//! Access as a matrix: every door over HTTP × no, a wrong, an expired and a revoked token × one of another gate, lot or scope ×
//! the right one × every way to show it. Doors come from the description; one without a message here fails. Those of gRPC are in `grpc`.

use access::{Grant, Lots, Scopes, Token, TokenRecord, Tokens};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::{StreamExt as _, stream};
use parking::{GateId, LotId, Timestamp};

use super::*;
use crate::entrance::TokenList;

/// A token for the gates `in-1` and `its-1` of the lot P3, and for their events alone.
pub(crate) const RIGHT: u8 = 1;
/// A token that is on no list.
pub(crate) const WRONG: u8 = 9;

/// The tokens by what is wrong with them, and how they are answered over HTTP.
pub(crate) const TOKENS: [(&str, Option<u8>, u16); 8] = [
    ("no token", None, 401),
    ("a wrong token", Some(WRONG), 401),
    ("an expired token", Some(2), 401),
    ("a revoked token", Some(3), 401),
    ("a token of another scope", Some(4), 403),
    ("a token of another gate", Some(5), 403),
    ("a token of another lot", Some(6), 403),
    ("the right token", Some(RIGHT), 200),
];

pub(crate) fn token(random: u8) -> Token {
    Token::from_random(&[random; Token::RANDOM_BYTES])
}

/// The list of all tokens but the wrong one.
pub(crate) fn list() -> Arc<TokenList> {
    let long_ago = Timestamp::from_millis(0);
    let record = |random: u8, scopes: &str, lot: &str, gates: &[&str]| {
        let gates = access::Gates::only(gates.iter().map(|gate| GateId::parse(gate).unwrap()));
        let gates = if scopes == "ingest" { gates } else { access::Gates::All };
        let grant = Grant::new(Scopes::parse(scopes).unwrap(), Lots::only([LotId::parse(lot).unwrap()]), gates);
        TokenRecord::new(&token(random), format!("token {random}"), grant.unwrap(), long_ago, None)
    };
    let own = &["in-1", "its-1"];
    let tokens = Tokens::new([
        record(RIGHT, "ingest", "P3", own),
        TokenRecord { expires: Some(long_ago), ..record(2, "ingest", "P3", own) },
        TokenRecord { revoked: Some(long_ago), ..record(3, "ingest", "P3", own) },
        record(4, "read", "P3", own),
        record(5, "ingest", "P3", &["out-9"]),
        record(6, "ingest", "P4", own),
    ]);
    let list = Arc::new(TokenList::default());
    list.replace(tokens.unwrap());
    list
}

fn site() -> Site {
    Site::behind(Access::Required, Some(list()))
}

/// A way to show a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Bearer,
    Basic,
    Path,
}

/// A message to a door.
#[derive(Debug, Clone)]
pub(super) struct Message {
    pub(super) method: String,
    pub(super) path: String,
    content_type: &'static str,
    body: String,
}

impl Message {
    pub(super) fn ways(&self) -> &'static [Way] {
        let all = &[Way::Bearer, Way::Basic, Way::Path];
        if self.path.starts_with("/cameras/") { all } else { &all[..2] }
    }

    /// The request with a token.
    pub(super) fn with(&self, way: Way, token: Option<&str>) -> Request<Body> {
        let (mut path, mut authorization) = (self.path.clone(), None);
        if let Some(token) = token {
            match way {
                Way::Bearer => authorization = Some(format!("Bearer {token}")),
                Way::Basic => authorization = Some(format!("Basic {}", STANDARD.encode(format!("camera:{token}")))),
                Way::Path => path = format!("{path}/{token}"),
            }
        }
        let mut request = Request::builder().method(self.method.as_str()).uri(path);
        request = request.header(header::CONTENT_TYPE, self.content_type);
        if let Some(value) = authorization {
            request = request.header(header::AUTHORIZATION, value);
        }
        request.body(Body::from(self.body.clone())).unwrap()
    }
}

/// A message of the gate `in-1` of P3 to each door, and for each form of events.
pub(super) fn messages() -> Vec<Message> {
    let mut event = event(0);
    (event["lot_id"], event["gate_id"]) = (json!("P3"), json!("in-1"));
    let envelope = json!({"specversion": "1.0", "id": "1", "source": "/p3", "type": "gate", "data": event});
    let axis = json!({"capture_timestamp": "1795000000123", "plateUTF8": "AB12XYZ"}).to_string();
    let itsapi = json!({"Picture": {"Plate": {"IsExist": true, "PlateNumber": "AB12XYZ", "Confidence": 93},
        "SnapInfo": {"AccurateTime": "2026-11-18 18:06:40.305", "DeviceID": "DEVICE1", "Direction": "Obverse"}}});
    let described = description();
    let doors = described["paths"].as_object().unwrap().iter();
    let doors = doors.flat_map(|(path, item)| item.as_object().unwrap().keys().map(move |method| (method, path)));
    let of_door = |(method, path): (&String, &String)| {
        let message = |content_type: &'static str, path: &str, body: String| Message {
            method: method.to_uppercase(),
            path: path.to_owned(),
            content_type,
            body,
        };
        match path.as_str() {
            "/api/v1/events" => vec![
                message("application/json", path, event.to_string()),
                message("application/x-ndjson", path, event.to_string()),
                message("application/cloudevents+json", path, envelope.to_string()),
                message("application/cloudevents-batch+json", path, json!([envelope]).to_string()),
            ],
            "/cameras/{format}/{gate_id}" => vec![message("application/json", "/cameras/axis/in-1", axis.clone())],
            "/NotificationInfo/{kind}" => {
                vec![message("application/json", "/NotificationInfo/TollgateInfo", itsapi.to_string())]
            }
            "/DeviceInfo" => vec![message("application/json", path, itsapi.to_string())],
            other => panic!("no message for {method} {other}"),
        }
    };
    doors.flat_map(of_door).collect()
}

#[tokio::test]
async fn each_door_over_http_takes_the_events_of_the_right_token_and_of_no_other() {
    for message in messages() {
        for way in message.ways() {
            // The registration of a device has none.
            let has_event = message.path != "/DeviceInfo";
            // A site for each: its wrong tokens would be slowed down.
            let site = site();
            for (what, random, expected) in TOKENS {
                let token = random.map(token);
                let asked = message.with(*way, token.as_ref().map(Token::expose));
                let response = site.routes.clone().oneshot(asked).await.unwrap();
                let challenges = response.headers().get_all(header::WWW_AUTHENTICATE).iter().count();
                let (status, answer) = json_of(response).await;
                let is_expected = status.as_u16() == expected || (expected == 200 && status.is_success());
                let place = format!("{} {} by {way:?} with {what}: {status} {answer}", message.method, message.path);
                assert!(is_expected, "{place}");
                assert_eq!(challenges, if expected == 401 { 2 } else { 0 }, "{place}");
                let published = site.bus.depth(Queue::Entry).await.unwrap();
                assert_eq!(published, Some(u64::from(random == Some(RIGHT) && has_event)), "{place}");
            }
        }
    }
}

#[tokio::test]
async fn each_refused_element_says_which_member_and_why() {
    let with = |lot: &str, gate: Option<&str>, number: usize| {
        let mut event = event(number);
        event["lot_id"] = json!(lot);
        event["gate_id"] = json!(gate);
        event
    };
    let events =
        [with("P3", Some("in-1"), 0), with("P3", Some("in-2"), 2), with("P3", None, 4), with("P9", Some("in-1"), 6)];
    let expected = [
        ("gate_id", "gate_id is in-2, and the token is not for that gate"),
        ("gate_id", "gate_id is missing, and the token is for some gates only"),
        ("lot_id", "lot_id is P9, and the token is not for that lot"),
    ];
    for content_type in ["application/json", "application/x-ndjson"] {
        let site = site();
        let is_array = content_type == "application/json";
        let body =
            if is_array { json!(events).to_string() } else { events.each_ref().map(Value::to_string).join("\n") };
        let message = Message { method: "POST".to_owned(), path: EVENTS.to_owned(), content_type, body };
        let asked = message.with(Way::Bearer, Some(token(RIGHT).expose()));
        let (status, answer) = json_of(site.routes.clone().oneshot(asked).await.unwrap()).await;
        assert_eq!((status, &answer["accepted"], &answer["refused"]), (StatusCode::MULTI_STATUS, &json!(1), &json!(3)));
        let refusals =
            if is_array { &answer["results"].as_array().unwrap()[1..] } else { answer["refusals"].as_array().unwrap() };
        let said: Vec<_> =
            refusals.iter().map(|one| (one["member"].as_str().unwrap(), one["detail"].as_str().unwrap())).collect();
        assert_eq!(said, expected, "{content_type}");
        assert_eq!(site.ids(Queue::Entry).await, [id(0)]);
    }
}

#[tokio::test]
async fn a_token_of_some_gates_does_not_learn_which_others_there_are() {
    let site = site();
    let mut answers = Vec::new();
    for gate in ["its-2", "no-gate"] {
        let asked =
            Request::post(format!("/cameras/axis/{gate}/{}", token(RIGHT).expose())).body(Body::empty()).unwrap();
        answers.push(json_of(site.routes.clone().oneshot(asked).await.unwrap()).await);
    }
    assert_eq!(answers[0].0, StatusCode::FORBIDDEN);
    assert_eq!(answers[0], answers[1]);
}

#[tokio::test]
async fn wrong_tokens_of_one_address_are_answered_429_and_the_right_one_is_not() {
    let site = site();
    let message = messages().swap_remove(0);
    let status = async |random| {
        let asked = message.with(Way::Bearer, Some(token(random).expose()));
        let response = site.routes.clone().oneshot(asked).await.unwrap();
        (response.status().as_u16(), response.headers().get(header::RETRY_AFTER).cloned())
    };
    let mut slowed = (0, None);
    for _ in 0..=access::Backoff::ADDRESS.free + 1 {
        slowed = status(WRONG).await;
    }
    assert_eq!(slowed, (429, Some("1".parse().unwrap())));
    assert_eq!(status(RIGHT).await.0 / 100, 2);
}

#[tokio::test]
async fn a_stream_of_lines_ends_when_its_token_is_revoked_and_its_confirmed_lines_stay() {
    let list = list();
    let site = Site::behind(Access::Required, Some(Arc::clone(&list) as _));
    let mut event = event(0);
    (event["lot_id"], event["gate_id"]) = (json!("P3"), json!("in-1"));
    let line = Ok::<_, Infallible>(Bytes::from(format!("{event}\n")));
    let body = Body::from_stream(stream::iter([line]).chain(stream::pending()));
    let bearer = format!("Bearer {}", token(RIGHT).expose());
    let asked = Request::post(EVENTS).header(header::CONTENT_TYPE, "application/x-ndjson");
    let asked = asked.header(header::AUTHORIZATION, bearer).body(body).unwrap();

    let revoking = async {
        while site.bus.depth(Queue::Entry).await.unwrap() != Some(1) {
            tokio::task::yield_now().await;
        }
        list.replace(Tokens::default());
    };
    let (response, ()) = tokio::join!(site.routes.clone().oneshot(asked), revoking);

    let (status, problem) = json_of(response.unwrap()).await;
    assert_eq!(
        (status, &problem["accepted"], &problem["confirmed_lines"]),
        (StatusCode::UNAUTHORIZED, &json!(1), &json!(1))
    );
}

#[tokio::test]
async fn while_access_is_set_up_or_no_list_was_read_nothing_is_taken() {
    let message = messages().swap_remove(0);
    let unread: Arc<dyn KnownTokens> = Arc::new(TokenList::default());
    for (access, tokens, expected) in
        [(Access::Setup, list() as Arc<dyn KnownTokens>, 403), (Access::Required, unread, 503)]
    {
        let site = Site::behind(access, Some(tokens));
        let asked = message.with(Way::Bearer, Some(token(RIGHT).expose()));
        let response = site.routes.clone().oneshot(asked).await.unwrap();
        assert_eq!(response.status().as_u16(), expected, "{access:?}");
        assert_eq!(site.bus.depth(Queue::Entry).await.unwrap(), Some(0));
    }
}
