//! Every event has a trail: how it came in is kept with it, whichever door it came through, and hostile headers cost
//! none.

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::{Value, json};
use testbed::{Program, RabbitMq, Redis, free_port, wait_until};

use crate::support::{PATIENCE, correlator, dwell, json as answer, ready, summary_api};

const GATES: &str = "[[lot]]\nid = \"P3\"\nkind = \"mall\"\n\n[[gates]]\nid = \"in-1\"\nlot = \"P3\"\ndirection = \"entry\"\nformat = \"mapping\"\n\
    mapping = { plate = \"/plate\", time = \"/time\", id = \"/ref\" }\n";

fn id(number: usize) -> String {
    format!("9b810e76-6ec9-4286-a3ca-{number:012}")
}

fn event(number: usize) -> Value {
    let time = format!("2024-09-24T09:{number:02}:00Z");
    json!({"id": id(number), "vehicle_plate": format!("CAR{number}"), "entry_date_time": time})
}

/// The trail of an event, once it is recorded.
async fn trail(api: &str, id: &str) -> Value {
    let url = format!("{api}/api/v1/events/{id}/trail");
    wait_until(PATIENCE, "the event to be recorded", async || trails(&url).await.is_some()).await;
    trails(&url).await.unwrap()
}

async fn trails(url: &str) -> Option<Value> {
    answer(url).await?["trails"].get(0).cloned()
}

/// Door and format, whether the time of receipt is known, and the stages that have a time.
fn way(trail: &Value) -> (String, String, Vec<String>) {
    let receipt = &trail["event"]["receipt"];
    let stages = trail["stages"].as_array().unwrap().iter().filter(|stage| stage["at"].is_string());
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (text(&receipt["door"]), text(&receipt["format"]), stages.map(|stage| text(&stage["stage"])).collect())
}

async fn post(url: &str, content_type: &str, body: String) {
    let answer = testbed::http().post(url).header("content-type", content_type).body(body).send().await.unwrap();
    assert!(answer.status().is_success(), "{url}: {}", answer.text().await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_tells_its_door_its_format_and_when_each_stage_was() {
    let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
    let lots = folder.path().join("lots.toml");
    std::fs::write(&lots, GATES).unwrap();
    let _dwell = Program::new(testbed::binary("dwell").unwrap())
        .env("DWELL_LOTS", lots)
        .env("DWELL_LISTEN", format!("127.0.0.1:{port}"))
        .current_dir(folder.path())
        .start()
        .unwrap();
    ready(port).await;
    let api = format!("http://127.0.0.1:{port}");
    let events = format!("{api}/api/v1/events");

    post(&events, "application/json", event(1).to_string()).await;
    post(&events, "application/x-ndjson", event(2).to_string()).await;
    let cloud = json!({"specversion": "1.0", "id": "c-3", "source": "site", "type": "gate", "data": event(3)});
    post(&events, "application/cloudevents+json", cloud.to_string()).await;
    let camera = r#"{"plate":"CAR4","time":"2024-09-24T09:04:00Z","ref":4}"#;
    post(&format!("{api}/cameras/mapping/in-1"), "application/json", camera.to_owned()).await;

    let all = ["received", "delivered", "recorded"].map(str::to_owned).to_vec();
    let expected = |door: &str, format: &str| (door.to_owned(), format.to_owned(), all.clone());
    assert_eq!(way(&trail(&api, &id(1)).await), expected("http", "json"));
    assert_eq!(way(&trail(&api, &id(2)).await), expected("http", "ndjson"));
    assert_eq!(way(&trail(&api, &id(3)).await), expected("http", "cloud_events"));
    let list = format!("{api}/api/v1/sessions?vehicle_plate=CAR4");
    let of_camera = async || Some(answer(&list).await?["sessions"][0]["entry_event_id"].as_str()?.to_owned());
    wait_until(PATIENCE, "the camera's read", async || of_camera().await.is_some()).await;
    assert_eq!(way(&trail(&api, &of_camera().await.unwrap()).await), expected("camera", "mapping"));

    let first = trail(&api, &id(1)).await;
    let times: Vec<&str> =
        first["stages"].as_array().unwrap().iter().filter_map(|stage| stage["at"].as_str()).collect();
    assert!(times.is_sorted(), "{first:#}");
    assert!(first["stages"][1]["text"].as_str().unwrap().starts_with("unknown: the gateway alone"), "{first:#}");
    // A copy changes nothing.
    post(&events, "application/x-ndjson", format!("{}\n{}", event(1), event(5))).await;
    assert_eq!(way(&trail(&api, &id(5)).await), expected("http", "ndjson"));
    assert_eq!(trail(&api, &id(1)).await, first);
    // An exit is a revision of its entry's session.
    let exit = json!({"id": id(6), "vehicle_plate": "CAR1", "exit_date_time": "2024-09-24T10:00:00Z"});
    post(&events, "application/json", exit.to_string()).await;
    assert_eq!(way(&trail(&api, &id(6)).await), expected("http", "json"));
    let revised = trail(&api, &id(1)).await["stages"][4].clone();
    assert_eq!((&revised["stage"], &revised["change"]["to_state"]), (&json!("revised"), &json!("matched")));
    let shown = dwell(&["explain", &id(1), "--api", &api], &[]);
    assert!(shown.contains("came in by http as json 20"), "{shown}");
}

/// Publishes an event with each of these sets of headers, as a client of the queues may.
const PRODUCER: &str = r#"
import datetime, json, sys, pika
connection = pika.BlockingConnection(pika.URLParameters(sys.argv[1]))
channel = connection.channel()
channel.confirm_delivery()
sets = [
    None,
    {"x-dwell-door": "camera", "x-dwell-format": "axis", "x-dwell-received": "2024-09-24T09:00:00.125+00:00"},
    {"x-dwell-door": 7, "x-dwell-format": {"deep": [1, None]}, "x-dwell-received": datetime.datetime(2024, 9, 24)},
    {"x-dwell-door": "x" * 60000, "x-dwell-format": "", "x-dwell-received": "2999-01-01T00:00:00Z"},
]
for number, headers in enumerate(sets):
    event = {"id": "9b810e76-6ec9-4286-a3ca-%012d" % number, "vehicle_plate": "CAR %d" % number, "entry_date_time": "2024-09-24T09:00:00Z"}
    properties = pika.BasicProperties(headers=headers)
    channel.basic_publish(exchange="", routing_key="parking.entry", body=json.dumps(event), properties=properties)
connection.close()
"#;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ and Redis: ci/test"]
async fn a_receipt_travels_through_rabbitmq_and_hostile_headers_cost_no_event() {
    let folder = tempfile::tempdir().unwrap();
    let broker = RabbitMq::shared().await.unwrap().vhost("trails").await.unwrap();
    let redis = Redis::start().await.unwrap();
    let (port, database) = (free_port(), format!("sqlite:{}", folder.path().join("ledger.sqlite").display()));
    let _api = summary_api(&database, port, folder.path());
    let _correlator = correlator(&broker, &redis.url(), port, folder.path());
    ready(port).await;
    let api = format!("http://127.0.0.1:{port}");
    let management = RabbitMq::shared().await.unwrap().management();
    let declared = async || management.queue_depth(&broker, "parking.entry").await.is_ok_and(|depth| depth.is_some());
    wait_until(PATIENCE, "the queue to be declared", declared).await;

    let produced = Command::new("/usr/bin/python3").args(["-c", PRODUCER, &broker]).output().unwrap();
    assert!(produced.status.success(), "{}", String::from_utf8_lossy(&produced.stderr));
    let file = folder.path().join("events.ndjson");
    std::fs::write(&file, format!("{}\n", event(9))).unwrap();
    dwell(&["publish", file.to_str().unwrap()], &[("DWELL_AMQP_URL", &broker)]);

    let mut found = BTreeMap::new();
    for number in [0, 1, 2, 3, 9] {
        let trail = trail(&api, &id(number)).await;
        let (door, format, stages) = way(&trail);
        found.insert(number, (door, format, stages.len(), trail["event"]["receipt"]["received_at"].clone()));
    }
    let unknown = || ("amqp".to_owned(), String::new(), 2, Value::Null);
    assert!(found[&9].3.is_string());
    found.remove(&9).inspect(|(door, format, stages, _)| {
        assert_eq!((door.as_str(), format.as_str(), *stages), ("file", "", 3));
    });
    let whole = ("camera".to_owned(), "axis".to_owned(), 3, json!("2024-09-24T09:00:00.125Z"));
    assert_eq!(found, [(0, unknown()), (1, whole), (2, unknown()), (3, unknown())].into());
}
