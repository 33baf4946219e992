//! A read that another one supersedes counts as not having happened: in either order of arrival, at a correlator that
//! has the vehicle in its working state, and although the process is killed in between.

use std::path::Path;

use serde_json::{Value, json};
use testbed::{Program, free_port};

use crate::support::{PATIENCE, first_session, ready};

const FIRST: &str = "9b810e76-6ec9-4286-a3ca-828dd5f4b3b2";
const BETTER: &str = "ea90a8f0-d66b-429e-aa8a-c4ba05805975";

fn dwell(folder: &Path, port: u16) -> Program {
    let program = Program::new(testbed::binary("dwell").unwrap())
        .env("DWELL_LISTEN", format!("127.0.0.1:{port}"))
        .current_dir(folder);
    program.start().unwrap()
}

fn entry(id: &str, plate: &str, supersedes: Option<&str>) -> Value {
    json!({"id": id, "vehicle_plate": plate, "entry_date_time": "2024-09-24T09:00:00Z", "gate_id": "in-1",
        "supersedes": supersedes})
}

fn exit(id: &str, plate: &str) -> Value {
    json!({"id": id, "vehicle_plate": plate, "exit_date_time": "2024-09-24T10:47:12Z", "gate_id": "out-1"})
}

async fn send(api: &str, events: &[Value]) {
    let answer = testbed::http().post(format!("{api}/api/v1/events")).body(json!(events).to_string()).send().await;
    assert_eq!(answer.unwrap().status().as_u16(), 202);
}

async fn session(api: &str, parameters: &str) -> Value {
    first_session(&format!("{api}/api/v1/sessions?{parameters}")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_better_read_takes_the_first_one_out_in_either_order_and_for_every_later_event() {
    let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
    let api = format!("http://127.0.0.1:{port}");
    let _dwell = dwell(folder.path(), port);
    ready(port).await;

    send(&api, &[entry(FIRST, "A8C-123", None)]).await;
    session(&api, "vehicle_plate=A8C123&state=open").await;
    send(&api, &[entry(BETTER, "ABC-123", Some(FIRST))]).await;
    let void = session(&api, "vehicle_plate=A8C123&state=void").await;
    // The correlator still has the first read as a vehicle that is inside.
    let (of_first, of_better) = ("ea90a8f0-d66b-429e-aa8a-c4ba05805976", "ea90a8f0-d66b-429e-aa8a-c4ba05805977");
    send(&api, &[exit(of_first, "A8C-123"), exit(of_better, "ABC-123")]).await;
    let alone = session(&api, "vehicle_plate=A8C123").await;
    let stay = session(&api, "vehicle_plate=ABC123&state=matched").await;

    assert_eq!(void["entry_event_id"], json!(FIRST));
    assert_eq!((&alone["entry_event_id"], &alone["exit_event_id"]), (&Value::Null, &json!(of_first)), "{alone}");
    assert_eq!(stay["dwell_seconds"], json!(6432), "{stay}");

    // The one that replaces it comes first.
    let (late, before_it) = ("ea90a8f0-d66b-429e-aa8a-c4ba05805978", "ea90a8f0-d66b-429e-aa8a-c4ba05805979");
    send(&api, &[entry(before_it, "XYZ-789", Some(late))]).await;
    session(&api, "vehicle_plate=XYZ789&state=open").await;
    send(&api, &[entry(late, "--", None)]).await;
    let trail = format!("{api}/api/v1/events/{late}/trail");
    let is_void = async || {
        let answer = testbed::get(trail.clone()).await.unwrap().text().await.unwrap();
        answer.contains("its session changed from unmatched_entry to void, rule read_superseded")
    };
    testbed::wait_until(PATIENCE, "the read without a plate to be taken out", is_void).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_superseded_read_is_taken_out_although_dwell_is_killed_at_once() {
    let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
    let api = format!("http://127.0.0.1:{port}");
    let mut killed = dwell(folder.path(), port);
    ready(port).await;
    send(&api, &[entry(FIRST, "A8C-123", None)]).await;
    session(&api, "vehicle_plate=A8C123&state=open").await;

    send(&api, &[entry(BETTER, "ABC-123", Some(FIRST))]).await;
    killed.kill().unwrap();
    let _again = dwell(folder.path(), port);

    session(&api, "vehicle_plate=ABC123&state=open").await;
    session(&api, "vehicle_plate=A8C123&state=void").await;
    let text = testbed::get(format!("{api}/api/v1/events/{FIRST}/explanation")).await.unwrap().text().await.unwrap();
    assert!(text.contains(&format!("It is superseded by event {BETTER}.")), "{text}");
}
