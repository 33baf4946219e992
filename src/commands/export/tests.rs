//! Exports from a real summary API in the same process.

use std::sync::Arc;

use parking::{ManualClock, SystemClock};
use settings::Listen;

use super::*;

/// A summary API on a fresh ledger; its address.
async fn start(context: &ServiceContext, folder: &std::path::Path) -> String {
    let settings = Settings::from_variables([("DWELL_DATA_DIR", folder.to_str().unwrap())]).unwrap();
    let config = summary_api::Config::read(&settings).unwrap();
    let listener = service_kit::http::bind(&Listen::loopback(0)).await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    summary_api::start(&config, listener, context).await.unwrap().unwrap();
    address
}

async fn save(address: &str, minute: u32) {
    let body = format!(
        r#"{{"vehicle_plate":"fin-{minute}","entry_date_time":"2024-09-24T09:{minute:02}:00Z","exit_date_time":"2024-09-25T10:00:00.5Z"}}"#
    );
    let request = reqwest::Client::new().post(format!("{address}/save_summary"));
    let saved = request.header("content-type", "application/json").body(body).send().await.unwrap();
    assert_eq!(saved.status(), 200);
}

async fn exported(context: &ServiceContext, arguments: &[&str]) -> anyhow::Result<()> {
    let matches = command().try_get_matches_from([&["export"], arguments].concat())?;
    run(&matches, &Settings::from_variables([])?, context).await
}

#[tokio::test]
async fn the_file_has_the_sessions_of_the_ledger_in_the_order_of_their_ids() {
    let folder = tempfile::tempdir().unwrap();
    let context = ServiceContext::new(Arc::new(SystemClock));
    let address = start(&context, folder.path()).await;
    for minute in [7, 3, 5] {
        save(&address, minute).await;
    }
    let out = folder.path().join("out.csv");

    exported(&context, &["--api", &address, "--sessions", out.to_str().unwrap()]).await.unwrap();

    let file = std::fs::read_to_string(&out).unwrap();
    let without_ids: Vec<&str> = file.lines().skip(1).map(|line| line.split_once(',').unwrap().1).collect();
    assert_eq!(
        without_ids,
        [
            "main,FIN3,,2024-09-24T09:03:00.000Z,,2024-09-25T10:00:00.500Z,89820.5,matched,",
            "main,FIN5,,2024-09-24T09:05:00.000Z,,2024-09-25T10:00:00.500Z,89700.5,matched,",
            "main,FIN7,,2024-09-24T09:07:00.000Z,,2024-09-25T10:00:00.500Z,89580.5,matched,",
        ]
    );
}

#[tokio::test]
async fn without_a_correlator_it_is_never_settled_and_that_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let context = ServiceContext::new(Arc::new(ManualClock::at(Timestamp::from_millis(0))));
    let address = start(&context, folder.path()).await;
    let out = folder.path().join("out.csv");

    let arguments = ["--api", &address, "--sessions", out.to_str().unwrap(), "--settled", "--timeout", "500ms"];
    let error = exported(&context, &arguments).await.unwrap_err();

    let said = error.to_string();
    assert!(said.starts_with("not settled within 500ms: no correlator reports"), "{said}");
    assert!(!out.exists());
}

#[tokio::test]
async fn an_address_where_nobody_answers_is_named_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.csv");
    let address = format!("http://127.0.0.1:{}", testbed::free_port());

    let error = exported(&ServiceContext::for_testing(), &["--api", &address, "--sessions", out.to_str().unwrap()])
        .await
        .unwrap_err();

    let said = error.chain().map(ToString::to_string).collect::<Vec<_>>().join(": ");
    assert!(said.contains(&format!("{address}/ does not answer (")), "{said}");
    assert!(said.contains("start dwell or the summary API, or name its address with --api"), "{said}");
    assert!(
        error
            .downcast_ref::<Error>()
            .is_some_and(|error| matches!(error, Error::Api(api_client::Error::Unavailable(_))))
    );
}

#[test]
fn the_command_line_is_sound() {
    command().debug_assert();
}
