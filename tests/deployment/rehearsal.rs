//! A rehearsal of the compose file without containers: its programs, commands and settings, on this machine.
//!
//! Only names and places are changed: the host names of compose become loopback addresses of real servers, the
//! folders of the image become temporary ones. What a container engine adds is not shown here.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::Path;
use std::time::Duration;

use settings::{ARRIVALS, LOTS};
use testbed::{Program, ProgramBuilder, Prometheus, RabbitMq, Redis, Signal};

use super::dashboards::{Asked, questions};
use super::{Compose, PROGRAMS, Service, compose, own_services, read, root};

/// How long the services may take until they are healthy, and until the first sessions are there.
const START: Duration = Duration::from_mins(1);
/// Several scrapes, so that every rate has its samples.
const SCRAPES: Duration = Duration::from_mins(1);
const STOP: Duration = Duration::from_secs(30);
/// How often the same is asked of GraphQL.
const ASKING: Duration = Duration::from_millis(100);
/// An order in which whatever a service waits for comes before it.
const ORDER: [&str; 5] = ["summary-api", "correlator", "entry-service", "exit-service", "gateway"];

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ, Redis and Prometheus: ci/test"]
async fn the_services_run_as_the_compose_file_says_and_every_panel_has_a_number() -> anyhow::Result<()> {
    let compose = compose();
    let broker = RabbitMq::shared().await?.vhost("compose-rehearsal").await?;
    let redis = Redis::start().await?;
    let folder = tempfile::tempdir()?;
    let places = Places::of(&compose, &broker, &redis.address(), folder.path());

    let mut running = start(&places, &compose).await?;
    let api = format!("http://{}/metrics", places.here("summary-api:5000"));
    testbed::wait_until(START, "a matched and an unmatched exit", async || {
        let page = page(&api).await.unwrap_or_default();
        ["matched_events", "unmatched_events"].iter().all(|metric| value(&page, metric) > Some(0.0))
    })
    .await;

    let correlator = running.get_mut("correlator").expect("it was started");
    let decision = correlator.wait_for_line("session matched lot=", START).await?;
    assert!(reads_as_documented(&decision), "{decision}");

    let gateway = format!("http://{}", places.here("gateway:8080"));
    tokio::select! {
        looked = look_through_prometheus(&places) => looked?,
        never = ask_the_same_again(&places) => match never? {},
        never = send_to_the_gateway(&gateway) => match never? {},
    }
    publish_a_file(&places, &compose.services["dwell"], folder.path()).await?;

    for (name, program) in &mut running {
        program.signal(Signal::TERM)?;
        let status = program.wait(STOP).await?;
        assert!(status.success(), "{name} ended with {status}:\n{}", program.output());
    }
    Ok(())
}

/// What stands where in containers, and where it is here.
struct Places(Vec<(String, String)>);

impl Places {
    fn of(compose: &Compose, broker: &str, redis: &str, folder: &Path) -> Self {
        let broker = broker.rsplit_once('@').map_or(broker, |(_, address)| address);
        let mut places = vec![
            ("rabbitmq:5672/%2f".to_owned(), broker.to_owned()),
            ("redis:6379".to_owned(), redis.to_owned()),
            ("/var/lib/dwell".to_owned(), folder.display().to_string()),
            ("deploy/prometheus/".to_owned(), root().join("deploy/prometheus/").display().to_string()),
        ];
        for (name, service) in own_services(compose) {
            for there in service.listening_ports() {
                let here = format!("127.0.0.1:{}", testbed::free_port());
                places.push((format!("{name}:{there}"), here.clone()));
                places.push((format!("0.0.0.0:{there}"), here));
            }
        }
        Self(places)
    }

    fn here(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (there, here)| text.replace(there, here))
    }

    /// The command of a container, an entry point or a health check, with the environment of its service.
    fn program(&self, service: &Service, command: &[String]) -> anyhow::Result<ProgramBuilder> {
        let name = command[0].strip_prefix(PROGRAMS).expect("the programs of the image stand in one folder");
        let mut environment: BTreeMap<_, _> =
            service.environment.iter().map(|(name, value)| (name.as_str(), self.here(value))).collect();
        // Only lots from a file have a capacity, which panels ask for.
        if let Some(lots) = environment.get_mut(LOTS.name) {
            *lots = root().join("deploy/lots.example.toml").display().to_string();
        }
        // Car parks are nearly empty at night, and shares need their exits at any hour.
        if let Some(arrivals) = environment.get_mut(ARRIVALS.name) {
            "20".clone_into(arrivals);
        }
        Ok(Program::new(testbed::binary(name)?).args(&command[1..]).envs(environment))
    }
}

/// Starts each service when those that it waits for are healthy, as compose does.
async fn start(places: &Places, compose: &Compose) -> anyhow::Result<BTreeMap<&'static str, Program>> {
    let mut running = BTreeMap::new();
    for name in ORDER {
        let service = &compose.services[name];
        running.insert(name, places.program(service, &service.entrypoint)?.start()?);
        testbed::wait_until(START, &format!("{name} to be healthy"), async || {
            is_healthy(places, service).await.unwrap_or(false)
        })
        .await;
    }
    Ok(running)
}

async fn is_healthy(places: &Places, service: &Service) -> anyhow::Result<bool> {
    let mut check = places.program(service, &service.healthcheck.test[1..])?.start()?;
    Ok(check.wait(START).await?.success())
}

/// `… session matched lot=P3 dwell=1h47m exit_event=…`: without quotes, in this order.
fn reads_as_documented(decision: &str) -> bool {
    let (_, fields) = decision.split_once("session matched lot=").unwrap_or_default();
    let mut fields = fields.split(' ').skip(1);
    let mut next_begins = |name: &str| fields.next().and_then(|field| field.strip_prefix(name)?.chars().next());
    next_begins("dwell=").is_some_and(|digit| digit.is_ascii_digit()) && next_begins("exit_event=").is_some()
}

async fn page(url: &str) -> reqwest::Result<String> {
    testbed::get(url).await?.error_for_status()?.text().await
}

/// Simulates many clients with the same query, for the panels of the query cache.
async fn ask_the_same_again(places: &Places) -> anyhow::Result<Infallible> {
    let url = format!("http://{}/graphql", places.here("summary-api:5000"));
    let mut each = tokio::time::interval(ASKING);
    loop {
        each.tick().await;
        let asked = testbed::http().post(&url).header("content-type", "application/json");
        asked.body(r#"{"query": "{lots{id inside}}"}"#).send().await?.error_for_status()?;
    }
}

/// What each panel of the gateway counts, through the gates and filters of the example file.
async fn send_to_the_gateway(gateway: &str) -> anyhow::Result<Infallible> {
    const EVENT: &str = r#"{"id": "9b810e76-6ec9-4286-a3ca-828dd5f4b3b3", "vehicle_plate": "ABC-123", "entry_date_time": "2024-09-24T09:00:00Z"}"#;
    const READ: &str = r#"{"capture_timestamp": "1727168400000", "plateUTF8": "AB12XYZ", "carID": "41", "carState": "new", "camera_info": {"SerialNumber": "ACCC8E001122"}}"#;
    let client = testbed::http();
    let post = async |path: &str, body: &str, expected: u16| {
        let answer = client.post(format!("{gateway}{path}")).body(body.to_owned()).send().await?;
        anyhow::ensure!(answer.status() == expected, "{path}: {}: {}", answer.status(), answer.text().await?);
        Ok(())
    };
    let mut each = tokio::time::interval(ASKING);
    loop {
        each.tick().await;
        post("/api/v1/events", EVENT, 202).await?;
        post("/api/v1/events", &EVENT.replace("ABC", "TEST"), 202).await?;
        post("/api/v1/events", "[{}]", 422).await?;
        post("/cameras/axis/mall-in-1", READ, 200).await?;
        post("/cameras/axis/mall-in-1", &READ.replace("1122", "9999"), 200).await?;
    }
}

/// The value of a metric without labels on a page.
fn value(page: &str, metric: &str) -> Option<f64> {
    page.lines().find_map(|line| line.strip_prefix(metric)?.strip_prefix(' ')?.parse().ok())
}

/// `docker compose run --rm dwell publish FILE`, with a FILE of the folder that it works in.
async fn publish_a_file(places: &Places, dwell: &Service, folder: &Path) -> anyhow::Result<()> {
    let event = r#"{"id": "9b810e76-6ec9-4286-a3ca-828dd5f4b3b2", "vehicle_plate": "ABC-123", "entry_date_time": "2024-09-24T09:00:00Z"}"#;
    std::fs::write(folder.join("events.ndjson"), format!("{event}\n"))?;
    let command = [&dwell.entrypoint[..], &["publish".to_owned(), "events.ndjson".to_owned()]].concat();
    let mut publish = places.program(dwell, &command)?.current_dir(folder).start()?;
    let status = publish.wait(START).await?;
    assert!(status.success(), "publish ended with {status}:\n{}", publish.output());
    Ok(())
}

/// Prometheus with this repository's configuration finds every service, and answers every panel, variable and
/// annotation.
async fn look_through_prometheus(places: &Places) -> anyhow::Result<()> {
    let prometheus = Prometheus::start(&places.here(&read("prometheus.yml"))).await?;
    for service in ORDER {
        assert!(
            prometheus.wait_for_sample(&format!("up{{job=\"{service}\"}} == 1"), SCRAPES).await.is_ok(),
            "{service}"
        );
    }
    for Asked { by, expression, may_be_empty } in questions() {
        let answer = if may_be_empty {
            prometheus.query(&expression).await.map(drop)
        } else {
            prometheus.wait_for_sample(&expression, SCRAPES).await.map(drop)
        };
        answer.map_err(|error| error.context(by))?;
    }
    one_exit_in_five_is_unmatched(&prometheus).await
}

/// What the simulators promise, once the holds of the first hour's exits have ended.
async fn one_exit_in_five_is_unmatched(prometheus: &Prometheus) -> anyhow::Result<()> {
    const SHARE: f64 = 0.2;
    let end = tokio::time::Instant::now() + SCRAPES;
    loop {
        let matched = prometheus.wait_for_sample("matched_events", SCRAPES).await?;
        let unmatched = prometheus.wait_for_sample("unmatched_events", SCRAPES).await?;
        let (exits, share) = (matched + unmatched, unmatched / (matched + unmatched));
        // Five standard deviations: by chance this fails once in a million runs.
        let chance = 5.0 * (SHARE * (1.0 - SHARE) / exits).sqrt();
        if exits > 100.0 && (share - SHARE).abs() <= chance {
            return Ok(());
        }
        anyhow::ensure!(
            tokio::time::Instant::now() < end,
            "{unmatched} of {exits} exits are unmatched: {share}, not {SHARE}±{chance}"
        );
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}
