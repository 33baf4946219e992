//! Prometheus in the testbed: what tests rely on when they query one.

use std::time::Duration;

use testbed::Prometheus;

const EVENT_DEADLINE: Duration = Duration::from_secs(30);

#[tokio::test]
#[ignore = "needs Prometheus: ci/test"]
async fn a_scraped_target_becomes_samples() {
    let port = testbed::free_port();
    let page = serve_metrics(port, "cars_inside 42\n");
    let configuration = format!(
        "global: {{scrape_interval: 200ms}}\n\
         scrape_configs: [{{job_name: lot, static_configs: [{{targets: ['127.0.0.1:{port}']}}]}}]\n"
    );

    let prometheus = Prometheus::start(&configuration).await.unwrap();
    let inside = prometheus.wait_for_sample("cars_inside", EVENT_DEADLINE).await.unwrap();
    prometheus.wait_for_targets(EVENT_DEADLINE).await.unwrap();
    let none = prometheus.query("no_such_metric").await.unwrap();

    assert!((inside - 42.0).abs() < f64::EPSILON);
    assert_eq!(none, serde_json::json!([]));
    page.abort();
}

#[tokio::test]
#[ignore = "needs Prometheus: ci/test"]
async fn a_wrong_expression_is_an_error_that_says_why() {
    let prometheus = Prometheus::start("").await.unwrap();

    let error = prometheus.query("rate(").await.unwrap_err().to_string();

    assert!(error.contains("400") && error.contains("parse error"), "{error}");
}

#[tokio::test]
#[ignore = "needs Prometheus: ci/test"]
async fn a_wrong_configuration_is_an_error_with_the_server_s_own_words() {
    let error = Prometheus::start("no_such_section: 1").await.unwrap_err().to_string();

    assert!(error.contains("no_such_section"), "{error}");
}

fn serve_metrics(port: u16, page: &'static str) -> tokio::task::JoinHandle<std::io::Result<()>> {
    use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};

    tokio::spawn(async move {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
        loop {
            let (stream, _) = listener.accept().await?;
            let mut stream = BufReader::new(stream);
            let mut line = String::from("the head of the request");
            while !line.trim_end().is_empty() {
                line.clear();
                stream.read_line(&mut line).await?;
            }
            let length = page.len();
            let head =
                format!("HTTP/1.1 200 OK\r\ncontent-type: text/plain; version=0.0.4\r\ncontent-length: {length}");
            let answer = format!("{head}\r\nconnection: close\r\n\r\n{page}");
            stream.write_all(answer.as_bytes()).await?;
        }
    })
}
