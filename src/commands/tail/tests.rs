//! The feed of a real summary API in the same process.

use std::path::Path;
use std::sync::Arc;

use parking::SystemClock;
use settings::Listen;

use super::*;

/// A summary API on the ledger of a folder, at a port.
async fn start(context: &ServiceContext, folder: &Path, port: u16) -> String {
    let settings = Settings::from_variables([("DWELL_DATA_DIR", folder.to_str().unwrap())]).unwrap();
    let config = summary_api::Config::read(&settings).unwrap();
    let listener = service_kit::http::bind(&Listen::loopback(port)).await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    summary_api::start(&config, listener, summary_api::FurtherRoutes::default(), context).await.unwrap().unwrap();
    address
}

fn matches(arguments: &[&str]) -> ArgMatches {
    command().try_get_matches_from([&["tail"], arguments].concat()).unwrap()
}

#[tokio::test]
async fn an_address_where_nobody_answers_is_named_with_what_to_do() {
    let address = format!("http://127.0.0.1:{}", testbed::free_port());
    let settings = Settings::from_variables([]).unwrap();

    let error = run(&matches(&["--api", &address]), &settings, &ServiceContext::for_testing()).await.unwrap_err();

    let said = error.chain().map(ToString::to_string).collect::<Vec<_>>().join(": ");
    assert!(said.contains("does not answer (") && said.contains("name its address with --api"), "{said}");
    assert!(matches!(error.downcast_ref(), Some(Error::Api(api_client::Error::Unavailable(_)))));
}

#[tokio::test]
async fn a_number_of_another_ledger_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let context = ServiceContext::new(Arc::new(SystemClock));
    let address = start(&context, folder.path(), 0).await;
    let settings = Settings::from_variables([]).unwrap();

    let error = run(&matches(&["--api", &address, "--after", "7"]), &settings, &context).await.unwrap_err();

    assert!(error.to_string().contains("422"), "{error}");
    assert!(error.to_string().contains("7 is beyond the newest change, 0"), "{error}");
}

#[test]
fn an_address_that_can_t_be_one_is_refused_by_the_name_of_its_flag() {
    let (by_flag, by_variable) = (&["--api", "localhost:5701"][..], &[][..]);
    let settings = Settings::from_variables([("DWELL_SUMMARY_API_URL", "localhost:5701")]).unwrap();

    let said = [by_flag, by_variable].map(|flags| address(&matches(flags), &settings).unwrap_err().to_string());

    assert!(said[0].starts_with("--api=localhost:5701: its scheme is not http or https; allowed is "), "{}", said[0]);
    assert!(said[1].starts_with("DWELL_SUMMARY_API_URL=localhost:5701: "), "{}", said[1]);
}

#[test]
fn a_lot_is_warned_of_when_it_is_surely_unknown() {
    let lot = serde_json::json!({
        "id": "P3", "kind": null, "capacity": null, "inside": 0, "time": null, "doubtful": null, "overstays": 0,
        "entries_this_hour": 0, "exits_this_hour": 0, "entries_hour_before": 0, "exits_hour_before": 0,
        "matched_last_day": 0, "unmatched_last_day": 0, "unmatched_share_last_day": null,
        "free_spaces": null, "date": null, "entries_today": 0, "exits_today": 0, "matched_today": 0, "unmatched_today": 0,
    });
    let page = |next_cursor: Option<&str>| -> LotPage {
        serde_json::from_value(serde_json::json!({"lots": [lot.clone()], "next_cursor": next_cursor})).unwrap()
    };
    let is_warned_of = |name: &str, next: Option<&str>| unknown(&LotId::parse(name).unwrap(), &page(next)).is_some();

    let warned_of = [is_warned_of("P3", None), is_warned_of("P4", None), is_warned_of("P4", Some("more"))];

    assert_eq!(warned_of, [false, true, false]);
}

#[test]
fn the_command_line_is_sound() {
    command().debug_assert();
}
