//! Beyond loopback, and where access is required, only clients with a token get in.

use std::path::PathBuf;

use access::{Gates, Grant, Lots, Scopes, Token, TokenRecord, Tokens};
use reqwest::Response;

use super::*;

/// The longest time from a change of the tokens file to its effect, with room for a busy machine.
const SOON: Duration = Duration::from_secs(10);
const PUBLIC: [&str; 4] = ["/livez", "/readyz", "/metrics", "/openapi.json"];
const PRIVATE: [&str; 6] = [
    "/",
    "/api/v1/sessions",
    "/api/v1/live/events",
    "/graphql?query={status{settled}}",
    "/internal/v1/terms",
    "/nowhere",
];

/// A tokens file, changed as `dwell token` changes it.
struct File {
    path: PathBuf,
    text: String,
}

impl File {
    fn new(folder: &Path) -> Self {
        Self { path: folder.join("tokens.toml"), text: String::new() }
    }

    fn add(&mut self, scopes: &str) -> Token {
        let number = u8::try_from(self.text.len() % 251).unwrap();
        let token = Token::from_random(&[number; Token::RANDOM_BYTES]);
        let grant = Grant::new(Scopes::parse(scopes).unwrap(), Lots::All, Gates::All).unwrap();
        let record = TokenRecord::new(&token, scopes.to_owned(), grant, Timestamp::from_millis(0), None);
        self.replace(Tokens::file_with(&self.text, &record).unwrap());
        token
    }

    fn revoke(&mut self, token: &Token) {
        self.replace(Tokens::file_without(&self.text, token.id()).unwrap());
    }

    fn replace(&mut self, text: String) {
        std::fs::write(self.path.with_extension("new"), &text).unwrap();
        std::fs::rename(self.path.with_extension("new"), &self.path).unwrap();
        self.text = text;
    }
}

fn required(folder: &Path, file: &File, others: &[(&str, &str)]) -> Running {
    let own = [("DWELL_ACCESS", "required"), ("DWELL_TOKENS_FILE", file.path.to_str().unwrap())];
    Running::start(folder, &own.into_iter().chain(others.iter().copied()).collect::<Vec<_>>())
}

impl Running {
    async fn get_with(&self, path: &str, token: &str) -> Response {
        let request = testbed::http().get(format!("{}{path}", self.url)).bearer_auth(token);
        request.send().await.unwrap()
    }

    /// The status of a whole answer: the summary API makes one verification at a time.
    async fn status(&self, path: &str, token: &Token) -> u16 {
        let answer = self.get_with(path, token.expose()).await;
        let status = answer.status().as_u16();
        answer.bytes().await.unwrap();
        status
    }
}

#[tokio::test]
async fn beyond_loopback_without_a_token_it_does_not_start_and_says_how_to() {
    let folder = tempfile::tempdir().unwrap();
    let listen = format!("0.0.0.0:{}", free_port());

    let (code, output) = ended(Running::start(folder.path(), &[("DWELL_LISTEN", &listen)]).program).await;

    assert_eq!(code, Some(78), "{output}");
    assert!(output.contains("dwell token create") && output.contains("DWELL_ACCESS=open"), "{output}");
}

#[tokio::test]
async fn open_access_beyond_loopback_is_warned_of_and_keeps_internal_calls_closed() {
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let variables = [("DWELL_LISTEN", format!("0.0.0.0:{port}")), ("DWELL_ACCESS", "open".to_owned())];
    let variables: Vec<_> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let mut running = Running::start(folder.path(), &variables);
    running.url = format!("http://127.0.0.1:{port}");
    running.program.wait_for_line("access is open", DEADLINE).await.unwrap();
    running.program.wait_for_line("DWELL_INTERNAL_TOKEN; set one token", DEADLINE).await.unwrap();
    let running = running.ready().await;

    assert_eq!(running.get("/internal/v1/terms").await.unwrap().status(), StatusCode::FORBIDDEN);
    assert_eq!(running.get("/api/v1/sessions").await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn where_access_is_required_health_is_served_and_the_rest_needs_a_token() {
    let folder = tempfile::tempdir().unwrap();
    let mut file = File::new(folder.path());
    let reader = file.add("read,read_plate");
    let running = required(folder.path(), &file, &[]).ready().await;

    for path in PUBLIC {
        assert_eq!(running.get(path).await.unwrap().status(), StatusCode::OK, "{path}");
    }
    for path in PRIVATE {
        let refused = running.get(path).await.unwrap();
        assert_eq!(refused.status(), StatusCode::UNAUTHORIZED, "{path}");
        assert_eq!(refused.headers()["www-authenticate"], "Bearer", "{path}");
        assert!(refused.text().await.unwrap().contains("token"), "{path}");
    }
    assert_eq!(running.status("/", &reader).await, 200);
    assert_eq!(running.status("/api/v1/sessions", &reader).await, 200);
    assert_eq!(running.status("/internal/v1/terms", &reader).await, 403);
    let page = running.get_with("/api/v1/sessions", "dwell_wrong").await;
    assert_eq!(page.headers()["www-authenticate"], "Bearer error=\"invalid_token\"");
}

#[tokio::test]
async fn a_token_does_what_its_scopes_say_and_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let mut file = File::new(folder.path());
    let [reader, masked, sender, correlator, admin] =
        ["read,read_plate", "read", "ingest", "record", "admin"].map(|scopes| file.add(scopes));
    let running = required(folder.path(), &file, &[]).ready().await;

    for (path, allowed) in [
        ("/api/v1/sessions", [&reader, &masked].as_slice()),
        ("/api/v1/changes", &[&reader, &masked]),
        ("/internal/v1/terms", &[&correlator]),
        ("/internal/v1/verify", &[&correlator, &admin]),
    ] {
        for token in [&reader, &masked, &sender, &correlator, &admin] {
            let is_allowed = allowed.iter().any(|other| other.id() == token.id());
            let status = running.status(path, token).await;
            assert_eq!(status, if is_allowed { 200 } else { 403 }, "{path} {}", token.id());
        }
    }
    for token in [&reader, &masked, &sender, &correlator, &admin] {
        let search = testbed::http().post(format!("{}/api/v1/explanations/search", running.url));
        let search = search.header("content-type", "application/json").bearer_auth(token.expose());
        let status = search.body(r#"{"vehicle_plate": "FIN123"}"#).send().await.unwrap().status();
        assert_eq!(status.is_success(), token.id() == reader.id(), "{status} {}", token.id());
    }
    let save = |token: Token| {
        let request = testbed::http().post(format!("{}/save_summary", running.url));
        request.header("content-type", "application/json").bearer_auth(token.expose()).body(FIN).send()
    };
    assert_eq!(save(sender).await.unwrap().status(), StatusCode::OK);
    assert_eq!(save(reader).await.unwrap().status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_sender_of_one_lot_saves_no_summary_of_another() {
    let folder = tempfile::tempdir().unwrap();
    let mut file = File::new(folder.path());
    let token = Token::from_random(&[3; Token::RANDOM_BYTES]);
    let lots = Lots::only([LotId::parse("P3").unwrap()]);
    let grant = Grant::new(Scopes::parse("ingest").unwrap(), lots, Gates::All).unwrap();
    let record = TokenRecord::new(&token, "till".to_owned(), grant, Timestamp::from_millis(0), None);
    file.replace(Tokens::file_with("", &record).unwrap());
    let running = required(folder.path(), &file, &[]).ready().await;

    for (lot, status) in [("P3", 200), ("P4", 403)] {
        let body = FIN.replace('{', &format!("{{\"lot_id\":\"{lot}\","));
        let request = testbed::http().post(format!("{}/save_summary", running.url));
        let request = request.header("content-type", "application/json").bearer_auth(token.expose()).body(body);
        assert_eq!(request.send().await.unwrap().status().as_u16(), status, "{lot}");
    }
}

#[tokio::test]
async fn a_changed_file_holds_at_once_and_a_damaged_one_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut file = File::new(folder.path());
    let (first, second) = (file.add("read,read_plate"), file.add("read,read_plate"));
    let mut running = required(folder.path(), &file, &[]).ready().await;
    let mut feed = running.get_with("/api/v1/live/events", first.expose()).await;
    assert_eq!(feed.status(), StatusCode::OK);

    file.revoke(&first);
    wait_until(SOON, "the token is refused", async || running.status("/api/v1/lots", &first).await == 401).await;
    assert_eq!(running.status("/api/v1/lots", &second).await, 200);

    let mut told = String::new();
    while let Some(part) = tokio::time::timeout(SOON, feed.chunk()).await.expect("the feed ends").unwrap() {
        told.push_str(&String::from_utf8_lossy(&part));
    }
    assert!(told.contains("event: refused"), "{told}");

    let sound = file.text.clone();
    file.replace(format!("{sound}[[token]]\nid = 7\n"));
    running.program.wait_for_line("the tokens before the change stay valid", SOON).await.unwrap();
    assert_eq!(running.status("/api/v1/lots", &second).await, 200);
    let output = running.program.output();
    assert!(!output.contains(second.expose()) && !output.contains(first.expose()), "a token is in the log");
}

#[tokio::test]
async fn a_secret_may_come_from_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("internal-token");
    std::fs::write(&secret, "a-secret-of-a-file\n").unwrap();
    let variables =
        [("DWELL_INTERNAL_TOKEN_FILE", secret.to_str().unwrap()), ("DWELL_INTERNAL_TOKEN", "of-the-environment")];
    let running = Running::start(folder.path(), &variables).ready().await;

    assert_eq!(running.get_with("/internal/v1/terms", "a-secret-of-a-file").await.status(), StatusCode::OK);
    assert_eq!(running.get_with("/internal/v1/terms", "of-the-environment").await.status(), StatusCode::UNAUTHORIZED);
    assert!(!running.program.output().contains("a-secret-of-a-file"));
}
