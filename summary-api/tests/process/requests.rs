//! No request can crash the process or block its other work.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;

#[tokio::test]
async fn a_client_that_sends_far_too_much_still_gets_its_answer() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path(), &[]).ready().await;
    for size in [100_000, 1_000_000, 7_000_000] {
        let request = testbed::http().post(format!("{}/save_summary", running.url));
        let answer = request.header("content-type", "application/json").body("x".repeat(size)).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE, "{size} bytes");
        assert!(answer.text().await.unwrap().contains("65536 bytes"));
    }
}

#[tokio::test]
async fn a_body_with_invalid_framing_is_malformed_and_not_slow() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path(), &[]).ready().await;
    let address = running.url.trim_start_matches("http://");
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!(
        "POST /save_summary HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n\
         transfer-encoding: chunked\r\n\r\nnothing hexadecimal\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();

    let mut answer = String::new();
    tokio::time::timeout(DEADLINE, stream.read_to_string(&mut answer)).await.unwrap().unwrap();

    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("/problems/malformed"), "{answer}");
}

/// Introspection requests that are as expensive as the limits allow, each different.
async fn send_expensive_requests(url: String, client: usize) {
    let of_types = "__schema{types{name fields{name type{name ofType{name}} args{name type{name ofType{name}}}}}}";
    for number in 0.. {
        let body = json!({"query": format!("{{{}}} # {client} {number}", of_types.repeat(12))}).to_string();
        let request = testbed::http().post(format!("{url}/graphql")).header("content-type", "application/json");
        let Ok(answer) = request.body(body).send().await else { return };
        assert!([StatusCode::OK, StatusCode::SERVICE_UNAVAILABLE].contains(&answer.status()), "{}", answer.status());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn expensive_requests_delay_neither_health_nor_saving_nor_the_shutdown() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path(), &[]).ready().await;
    let clients: Vec<_> =
        (0..100).map(|client| tokio::spawn(send_expensive_requests(running.url.clone(), client))).collect();

    for _ in 0..20 {
        let live = tokio::time::timeout(Duration::from_secs(5), running.get("/livez")).await;
        assert_eq!(live.unwrap().unwrap().status(), StatusCode::OK);
        tokio::time::timeout(Duration::from_secs(5), running.save()).await.unwrap();
    }
    assert!(clients.iter().all(|client| !client.is_finished()), "a client was let down");
    running.program.signal(Signal::TERM).unwrap();
    let (code, output) = ended(running.program).await;

    assert_eq!(code, Some(0), "{output}");
    assert!(!output.contains("panicked"), "{output}");
}

#[tokio::test(flavor = "multi_thread")]
async fn small_requests_that_would_take_all_memory_or_hours_leave_the_process_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path(), &[]).ready().await;
    let nested = format!("{{sessions(states:{}{}){{__typename}}}}", "[".repeat(1_500), "]".repeat(1_500));
    let spread =
        |number: usize| format!("fragment f{number} on Query{{{}}}", format!("...f{} ", number + 1).repeat(30));
    let exploding = format!("{{...f0}} {} fragment f7 on Query{{__typename}}", (0..7).map(spread).collect::<String>());
    let ask = async |query: String| {
        let url = format!("{}/graphql", running.url);
        let mut address: url::Url = url.parse().unwrap();
        address.query_pairs_mut().append_pair("query", &query);
        let by_get = testbed::get(address).await.unwrap().status();
        let request = testbed::http().post(&url).header("content-type", "application/json");
        let by_post = request.body(json!({"query": query}).to_string()).send().await.unwrap().status();
        assert_eq!([by_get, by_post], [StatusCode::OK; 2]);
    };

    let all = (0..20).map(|number| ask(if number % 2 == 0 { nested.clone() } else { exploding.clone() }));
    tokio::time::timeout(DEADLINE, futures::future::join_all(all)).await.unwrap();

    running.program.signal(Signal::TERM).unwrap();
    let (code, output) = ended(running.program).await;
    assert_eq!(code, Some(0), "{output}");
}
