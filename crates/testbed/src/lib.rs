//! Real servers on private loopback ports for tests: `RabbitMQ`, Redis, `PostgreSQL`, Mosquitto and Prometheus; proxy
//! and faults.
//!
//! Every server runs in its own temporary folder, on ports that no other test uses, and ends when its value is
//! dropped, or with the test process. A server takes from 50 ms (Redis) to 14 s (`RabbitMQ`) to start, so the slow
//! ones can be shared: [`RabbitMq::shared`] and [`Postgres::shared`] use the one that `ci/test` started
//! (`TESTBED_AMQP_URL` and `TESTBED_MANAGEMENT_URL`, `TESTBED_POSTGRES_URL`), or else start one for this test
//! process. Tests are separated by a virtual host or a database each; a test that kills a server starts its own.
//!
//! With `TESTBED_KEEP` set, the folders of the servers, with their logs, are kept.
//!
//! Deliberately not here: anything about car parks, and clients of the servers. The tests have their own.

mod folder;
mod http;
mod installed;
mod mosquitto;
mod ports;
mod postgres;
mod process;
mod program;
mod prometheus;
mod proxy;
mod rabbitmq;
mod redis;
mod server_tls;
mod tls;
mod waiting;

pub use http::{builder as http_builder, get, http};
pub use mosquitto::{Mosquitto, mqtt_publish};
pub use ports::free_port;
pub use postgres::{Postgres, SharedPostgres};
pub use program::{Program, ProgramBuilder, binary};
pub use prometheus::Prometheus;
pub use proxy::Proxy;
pub use rabbitmq::{Management, RabbitMq, SharedRabbitMq};
pub use redis::{Redis, RedisCopy};
/// `Signal::TERM`, `Signal::INT`, `Signal::KILL` and so on.
pub use rustix::process::Signal;
pub use server_tls::ServerTls;
pub use tls::{Authority, Flaw, Pair};
pub use waiting::{wait_for, wait_until};

#[cfg(test)]
mod tests {
    use super::*;

    fn needs_send(_: &impl Send) {}

    #[test]
    fn servers_can_be_started_and_asked_in_spawned_tasks() {
        // None of these futures is polled: the claim is that this compiles.
        needs_send(&RabbitMq::start());
        needs_send(&Postgres::start());
        needs_send(&Prometheus::start(""));
        needs_send(&Proxy::start(""));
        needs_send(&async { RabbitMq::shared().await?.vhost("spawned").await });
        needs_send(&async { Postgres::shared().await?.database().await });
    }
}
