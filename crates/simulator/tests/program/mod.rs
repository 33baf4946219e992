//! A gate program as a separate process: its errors without a broker, and its work and regular end with one.
//!
//! The tests of each service include this file and define its `PROGRAM`.

use std::time::Duration;

use testbed::{Program, RabbitMq, Signal, free_port};

use super::PROGRAM;

const EVENT_DEADLINE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn without_a_broker_it_exits_with_78_and_says_what_to_set() {
    let mut program = Program::new(PROGRAM).start().unwrap();

    let status = program.wait(EVENT_DEADLINE).await.unwrap();

    assert_eq!(status.code(), Some(78));
    assert!(program.output().contains("DWELL_AMQP_URL is not set"), "{}", program.output());
}

#[tokio::test]
async fn traffic_that_cannot_be_made_exits_with_78_and_names_the_setting() {
    // Nothing listens there; the settings are checked first.
    let program = Program::new(PROGRAM).env("DWELL_AMQP_URL", "amqp://127.0.0.1:1/%2f").env("DWELL_ARRIVALS", "1e5");
    let mut program = program.arg("--listen=127.0.0.1:0").start().unwrap();

    let status = program.wait(EVENT_DEADLINE).await.unwrap();

    assert_eq!(status.code(), Some(78));
    assert!(program.output().contains("DWELL_ARRIVALS=1e5: all lots together"), "{}", program.output());
}

#[tokio::test]
#[ignore = "needs RabbitMQ: ci/test"]
async fn with_a_broker_it_publishes_its_backfill_gets_ready_and_ends_well() {
    let rabbitmq = RabbitMq::shared().await.unwrap();
    let url = rabbitmq.vhost("gates").await.unwrap();
    let listen = format!("127.0.0.1:{}", free_port());
    let configured = || Program::new(PROGRAM).env("DWELL_AMQP_URL", &url).env("DWELL_LISTEN", &listen);
    let mut service = configured().start().unwrap();

    service.wait_for_line("backfill published", EVENT_DEADLINE).await.unwrap();
    let mut check = configured().arg("healthcheck").start().unwrap();
    assert!(check.wait(EVENT_DEADLINE).await.unwrap().success(), "{}", check.output());
    service.signal(Signal::TERM).unwrap();

    assert!(service.wait(EVENT_DEADLINE).await.unwrap().success(), "{}", service.output());
}

#[tokio::test]
#[ignore = "needs RabbitMQ: ci/test"]
async fn wrong_password_exits_with_78_and_does_not_show_it() {
    let rabbitmq = RabbitMq::shared().await.unwrap();
    let url = rabbitmq.vhost("gates-refused").await.unwrap();
    let program = Program::new(PROGRAM).env("DWELL_AMQP_URL", url.replacen("guest:guest@", "guest:hidden@", 1));
    let mut program = program.arg("--listen=127.0.0.1:0").start().unwrap();

    let status = program.wait(EVENT_DEADLINE).await.unwrap();

    assert_eq!(status.code(), Some(78), "{}", program.output());
    assert!(!program.output().contains("hidden"), "{}", program.output());
}
