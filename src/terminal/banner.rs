//! The first and the last output for a person: an aligned block of addresses and stores, and a line at the end.

use std::fmt;
use std::net::SocketAddr;

use parking::Lots;
use service_kit::Build;
use service_kit::metrics::Registry;
use settings::{Setting, Settings, redact};
use tls::Listener;

/// The block of addresses.
#[derive(Debug)]
pub struct Banner {
    rows: Vec<(&'static str, String)>,
    example: String,
}

impl Banner {
    /// The configured addresses; the summary API listens on `address`.
    pub fn new(settings: &Settings, address: SocketAddr, lots: &Lots) -> Self {
        let host = if address.ip().is_unspecified() { "127.0.0.1".to_owned() } else { address.ip().to_string() };
        let scheme = if Listener::is_configured(settings) { "https" } else { "http" };
        let base = format!("{scheme}://{host}:{}", address.port());
        let folder = settings.text(&settings::DATA_DIR).unwrap_or("./dwell-data");
        let server = |setting: &Setting, embedded: String| settings.text(setting).map_or(embedded, redact);
        let names: Vec<&str> = lots.iter().map(|lot| lot.id.as_str()).collect();
        let rows = vec![
            ("Page", format!("{base}/")),
            ("API", format!("{base}/api/docs/")),
            ("GraphQL", format!("{base}/graphql")),
            ("Events in", format!("POST {base}/api/v1/events")),
            ("Metrics", format!("{base}/metrics")),
            ("Health", format!("{base}/readyz?verbose")),
            ("Queues", server(&settings::AMQP_URL, format!("embedded, kept in {folder}"))),
            ("Working state", server(&settings::REDIS_URL, "in memory, a cache of the ledger".to_owned())),
            ("Ledger", server(&settings::DATABASE_URL, format!("SQLite, kept in {folder}"))),
            ("Gates", format!("simulated at {}", names.join(", "))),
        ];
        Self { rows, example: format!("curl -s '{base}/api/v1/sessions?state=matched&limit=3'") }
    }
}

impl fmt::Display for Banner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Dwell {}: which exit belongs to which entry\n", Build::current())?;
        for (label, value) in &self.rows {
            writeln!(f, "  {label:<14} {value}")?;
        }
        writeln!(f, "\nTry  {}\nCtrl-C stops and loses nothing.\n", self.example)
    }
}

/// A summary of this process, in a line.
pub fn summary(registry: &Registry) -> String {
    let total = |name| format!("{:.0}", sum(registry, name));
    format!(
        "stopped: {} events received, {} exits matched, {} unmatched, {} dead letters; unacknowledged messages are redelivered at the next start\n",
        total("dwell_events_received_total"),
        total("matched_events"),
        total("unmatched_events"),
        total("dwell_dead_letters_total"),
    )
}

fn sum(registry: &Registry, name: &str) -> f64 {
    let families = registry.inner().gather();
    let of_name = families.iter().filter(|family| family.name() == name);
    of_name.map(|family| family.get_metric().iter().map(|metric| metric.get_counter().get_value()).sum::<f64>()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_banner_says_where_to_look_and_what_is_kept_where() {
        let settings = Settings::from_variables([("DWELL_AMQP_URL", "amqp://dwell:hidden@broker/%2f")]).unwrap();
        let banner = Banner::new(&settings, "127.0.0.1:5000".parse().unwrap(), &Lots::default()).to_string();
        let expected = [
            "  Page           http://127.0.0.1:5000/",
            "  API            http://127.0.0.1:5000/api/docs/",
            "  Events in      POST http://127.0.0.1:5000/api/v1/events",
            "  Queues         amqp://dwell:***@broker/%2f",
            "  Working state  in memory, a cache of the ledger",
            "  Ledger         SQLite, kept in ./dwell-data",
            "  Gates          simulated at central-mall, grand-hotel, old-market",
        ];
        for line in expected {
            assert!(banner.lines().any(|written| written == line), "{line} is missing in\n{banner}");
        }
    }
}
