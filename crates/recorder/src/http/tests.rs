//! How the HTTP adapter handles good and bad answers. Other tests cover the whole way to a real ledger.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::Bytes;
use axum::http::HeaderMap as Headers;
use axum::response::{IntoResponse, Response as Answer};
use axum::routing::{get, post};
use matching::{Applied, ExpectedVersion, Timeline};
use parking::{LotId, Plate, Rules, Vehicle};
use service_kit::ServiceContext;
use service_kit::http::Server;
use service_kit::tls::Listener;
use settings::{
    CA_FILE, CLIENT_CERT_FILE, CLIENT_KEY_FILE, Setting, Settings, TLS_CERT_FILE, TLS_CLIENT_CA_FILE, TLS_KEY_FILE,
};
use testbed::{Authority, Flaw};
use uuid::Uuid;

use super::*;
use crate::{BrokerCounts, DependencyReport, QueueReport};

const TOKEN: &str = "0123456789abcdef";

fn unit(number: u64) -> Unit {
    let plate = Plate::from_read(&format!("A{number}")).unwrap();
    Unit {
        vehicle: Vehicle { lot: LotId::default(), plate },
        base: Some(ExpectedVersion { version: number, digest: 0 }),
        timeline: Timeline::default(),
        events: Vec::new(),
        flags: Vec::new(),
        changes: matching::Changes::new(),
        first_matched: 0,
        first_unmatched: 0,
    }
}

/// The number of the unit as its outcome, to check the order.
fn outcome(unit: &Unit) -> Outcome {
    let number = unit.base.map_or(0, |base| base.version);
    Outcome::Recorded(Applied { events: u32::try_from(number).unwrap(), ..Applied::default() })
}

fn postcard_answer(answer: &impl Serialize) -> Answer {
    ([(CONTENT_TYPE, MEDIA_TYPE)], postcard::to_stdvec(answer).unwrap()).into_response()
}

async fn serve(router: Router) -> Redacted {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    Redacted::url(format!("http://{address}/"))
}

async fn recorder(router: Router) -> HttpRecorder {
    HttpRecorder::new(&serve(router).await, Some(&Redacted::secret(TOKEN)), Limits::default(), &Connector::default())
        .unwrap()
}

/// A recorder whose every `due` is answered with `status`, and the text of its error.
async fn error_of(status: u16, problem: &'static str) -> Error {
    let status = StatusCode::from_u16(status).unwrap();
    recorder(Router::new().fallback(move || async move { (status, problem) })).await.due(7).await.unwrap_err()
}

#[tokio::test]
async fn a_call_carries_the_token_the_format_and_the_trace_and_gives_the_answers_in_order() {
    let trace = TraceContext::new();
    let record = post(move |headers: Headers, body: Bytes| async move {
        let header = |name| headers.get(name).map(HeaderValue::as_bytes);
        assert_eq!(headers.get(TRACEPARENT).map(HeaderValue::as_bytes), Some(trace.traceparent().as_bytes()));
        assert_eq!(header(AUTHORIZATION), Some(format!("Bearer {TOKEN}").as_bytes()));
        assert_eq!(header(CONTENT_TYPE), Some(MEDIA_TYPE.as_bytes()));
        let units: Vec<Unit> = postcard::from_bytes(&body).unwrap();
        postcard_answer(&units.iter().map(outcome).collect::<Vec<_>>())
    });
    let units: Vec<Unit> = (1..=5).map(unit).collect();

    let outcomes = recorder(Router::new().route(RECORD, record)).await.record(&units, trace).await;

    assert_eq!(outcomes, Ok(units.iter().map(outcome).collect()));
}

#[tokio::test]
async fn terms_and_reports_pass() {
    let info = LedgerInfo { ledger: Uuid::from_u128(7), rules: Rules::default() };
    let away = DependencyReport { name: "redis".to_owned(), is_optional: true, away: Some("refused".to_owned()) };
    let status = CorrelatorStatus {
        correlator: Uuid::from_u128(8),
        entry: QueueReport {
            broker: Some(BrokerCounts { ready: 1, consumers: 2 }),
            own_consumers: 1,
            in_flight: 3,
            undecided: 3,
        },
        exit: QueueReport::default(),
        entry_watermark: Some(parking::Timestamp::from_millis(7)),
        dependencies: vec![away],
        signs_off: false,
    };
    let (answered, expected) = (info.clone(), status.clone());
    let router = Router::new().route(TERMS, get(|| async move { postcard_answer(&answered) })).route(
        REPORT,
        post(|body: Bytes| async move {
            assert_eq!(postcard::from_bytes(&body), Ok(expected));
            StatusCode::NO_CONTENT
        }),
    );
    let recorder = recorder(router).await;

    assert_eq!(recorder.info().await, Ok(info));
    assert_eq!(recorder.report(status).await, Ok(()));
}

#[tokio::test]
async fn what_may_pass_is_unavailable_and_what_a_person_must_change_is_refused() {
    for status in [408, 425, 429, 500, 502, 503, 504] {
        let error = error_of(status, "").await;
        assert!(matches!(error, Error::Unavailable(_)), "{status}: {error}");
    }
    let refusals = [
        (401, "DWELL_INTERNAL_TOKEN"),
        (403, "DWELL_INTERNAL_TOKEN"),
        (403, "DWELL_CLIENT_CERT_FILE"),
        (302, "DWELL_SUMMARY_API_URL"),
        (404, "DWELL_SUMMARY_API_URL"),
        (421, "DWELL_SUMMARY_API_URL"),
        (415, "same version"),
        (200, "same version"),
    ];
    for (status, advice) in refusals {
        let error = error_of(status, "").await;
        assert!(matches!(&error, Error::Refused(text) if text.contains(advice)), "{status}: {error}");
    }
}

#[tokio::test]
async fn what_is_wrong_with_the_content_of_a_call_is_rejected() {
    for (status, said) in [(422, "422"), (413, "larger than")] {
        let error = error_of(status, "").await;
        assert!(matches!(&error, Error::Rejected(text) if text.contains(said)), "{status}: {error}");
    }
}

#[tokio::test]
async fn an_error_says_where_and_what_the_summary_api_said() {
    let error = error_of(503, r#"{"title": "Unavailable", "detail": "PostgreSQL is down"}"#).await.to_string();
    assert!(error.contains("http://127.0.0.1:"), "{error}");
    assert!(error.ends_with("/internal/v1/due answers 503 Service Unavailable (PostgreSQL is down)"), "{error}");
}

#[tokio::test]
async fn a_summary_api_that_is_not_there_is_unavailable() {
    let address = Redacted::url(format!("http://127.0.0.1:{}", testbed::free_port()));
    let recorder = HttpRecorder::new(&address, None, Limits::default(), &Connector::default()).unwrap();

    let error = recorder.info().await.unwrap_err();

    let said = error.to_string();
    assert!(matches!(error, Error::Unavailable(_)), "{said}");
    assert!(said.contains(address.expose()) && said.contains("refused"), "{said}");
}

#[tokio::test]
async fn a_summary_api_that_never_answers_is_unavailable() {
    let address = serve(Router::new().fallback(std::future::pending::<StatusCode>)).await;
    let limits = Limits { request: Duration::from_millis(50), ..Limits::default() };

    let error = HttpRecorder::new(&address, None, limits, &Connector::default()).unwrap().info().await.unwrap_err();

    assert!(matches!(&error, Error::Unavailable(text) if text.ends_with("no answer within 50ms")), "{error}");
}

#[tokio::test]
async fn what_is_too_large_at_once_goes_in_parts() {
    let requests = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&requests);
    let record = post(|body: Bytes| async move {
        let units: Vec<Unit> = postcard::from_bytes(&body).unwrap();
        counted.fetch_add(1, Ordering::SeqCst);
        match units.len() {
            0..=3 => postcard_answer(&units.iter().map(outcome).collect::<Vec<_>>()),
            _ => StatusCode::PAYLOAD_TOO_LARGE.into_response(),
        }
    });
    let units: Vec<Unit> = (1..=7).map(unit).collect();

    let outcomes = recorder(Router::new().route(RECORD, record)).await.record(&units, TraceContext::new()).await;

    assert_eq!(outcomes, Ok(units.iter().map(outcome).collect()));
    assert_eq!(requests.load(Ordering::SeqCst), 5, "7 = (1 + 2) + (2 + 2), after two refusals");
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_without_a_restart() {
    let [own, shown] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let (authority, stranger) = (Authority::new("of a test").unwrap(), Authority::new("of strangers").unwrap());
    let file = authority.write(own.path()).unwrap();
    let (certificate, key) = authority.server(Flaw::None).unwrap().write(own.path()).unwrap();
    let with = |files: [(&Setting, &Path); 3]| {
        let settings = Settings::from_variables([]).unwrap();
        files.into_iter().fold(settings, |settings, (setting, path)| settings.with(setting, path.to_str().unwrap()))
    };
    let of_server = with([(&TLS_CERT_FILE, &certificate), (&TLS_KEY_FILE, &key), (&TLS_CLIENT_CA_FILE, &file)]);
    let context = ServiceContext::for_testing();
    let tls = Listener::start(&of_server, &context.clock, &context.registry, &context.lifecycle).unwrap();
    let due = Router::new().route(DUE, post(|| async { postcard_answer(&Vec::<Due>::new()) }));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = Redacted::url(format!("https://{}", listener.local_addr().unwrap()));
    tokio::spawn(Server::default().over(tls).serve(listener, due, context.lifecycle.clone()));
    let show = |authority: &Authority| authority.client("a correlator").unwrap().write(shown.path()).unwrap();
    let (certificate, key) = show(&authority);
    let of_client = with([(&CA_FILE, &file), (&CLIENT_CERT_FILE, &certificate), (&CLIENT_KEY_FILE, &key)]);
    let connector = Connector::from_settings(&of_client).unwrap();
    let recorder = HttpRecorder::new(&address, None, Limits::default(), &connector).unwrap();

    let good = recorder.due(7).await;
    show(&stranger);
    let refused = recorder.due(7).await;
    show(&authority);
    let good_again = recorder.due(7).await;

    assert_eq!((good, good_again), (Ok(Vec::new()), Ok(Vec::new())));
    let Err(Error::Unavailable(refused)) = refused else { panic!("{refused:?}") };
    assert!(refused.contains("DWELL_CLIENT_CERT_FILE"), "{refused}");
}

#[tokio::test]
async fn an_answer_that_never_ends_is_given_up() {
    let info = get(|| async { ([(CONTENT_TYPE, MEDIA_TYPE)], vec![0; 1_001]) });
    let address = serve(Router::new().route(TERMS, info)).await;
    let limits = Limits { body_bytes_max: 1_000, ..Limits::default() };

    let error = HttpRecorder::new(&address, None, limits, &Connector::default()).unwrap().info().await.unwrap_err();

    assert!(matches!(&error, Error::Rejected(text) if text.contains("an answer is larger")), "{error}");
}

#[tokio::test]
async fn answers_of_another_version_are_refused() {
    let other_type = get(|| async { ([(CONTENT_TYPE, "application/vnd.dwell.v3+postcard")], vec![0; 100]) });
    let garbage = post(|| async { ([(CONTENT_TYPE, MEDIA_TYPE)], vec![255; 100]) });
    let too_few = post(|| async { postcard_answer(&Vec::<Outcome>::new()) });
    let recorder = recorder(Router::new().route(TERMS, other_type).route(DUE, garbage).route(RECORD, too_few)).await;

    let errors = [
        recorder.info().await.unwrap_err(),
        recorder.due(1).await.unwrap_err(),
        recorder.record(&[unit(1)], TraceContext::new()).await.unwrap_err(),
    ];

    for error in errors {
        assert!(matches!(&error, Error::Refused(text) if text.contains("same version")), "{error}");
    }
}

#[test]
fn settings_that_can_never_work_are_refused_without_showing_a_secret() {
    for url in ["", "127.0.0.1:5000", "htttps://host", "http://u:hidden@host", "http://host?a=b", "redis://host"] {
        let error = HttpRecorder::new(&Redacted::url(url), None, Limits::default(), &Connector::default())
            .unwrap_err()
            .to_string();
        assert!(error.starts_with("DWELL_SUMMARY_API_URL=") && !error.contains("hidden"), "{error}");
    }
    let error = HttpRecorder::new(
        &Redacted::url("http://host"),
        Some(&Redacted::secret("a\nb")),
        Limits::default(),
        &Connector::default(),
    );
    assert!(matches!(error, Err(SettingsError::Token)));
}

#[test]
fn a_recorder_shows_itself_without_its_token() {
    let address = Redacted::url("http://host/dwell/");
    let recorder =
        HttpRecorder::new(&address, Some(&Redacted::secret(TOKEN)), Limits::default(), &Connector::default()).unwrap();
    let shown = format!("{recorder:?}");
    assert!(shown.contains("http://host/dwell\"") && !shown.contains(TOKEN), "{shown}");
}
