//! The `RabbitMQ` that tests share, separated by virtual hosts.

use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::Context as _;
use serde_json::json;
use tokio::sync::OnceCell;

use super::{Management, RabbitMq};

/// A `RabbitMQ` that other tests use at the same time. Do not stop it, and only use your own virtual host.
#[derive(Debug)]
pub struct SharedRabbitMq {
    amqp_url: String,
    management: Management,
    /// Ends with the process, by its folder's guardian: statics are never dropped.
    _own: Option<RabbitMq>,
}

pub(super) async fn shared() -> anyhow::Result<&'static SharedRabbitMq> {
    static SHARED: OnceCell<SharedRabbitMq> = OnceCell::const_new();

    SHARED.get_or_try_init(SharedRabbitMq::find).await
}

impl SharedRabbitMq {
    /// Creates a virtual host that no other test uses, and returns its AMQP URL. Its name starts with `name`.
    pub async fn vhost(&self, name: &str) -> anyhow::Result<String> {
        static MADE: AtomicU32 = AtomicU32::new(0);

        let name: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).take(40).collect();
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let host = format!("{name}-{}-{number}", std::process::id());
        // A virtual host of this name is of an earlier process with the same id.
        self.management.delete(&format!("vhosts/{host}")).await?;
        self.management.put(&format!("vhosts/{host}"), &json!({})).await?;
        let all = json!({"configure": ".*", "write": ".*", "read": ".*"});
        self.management.put(&format!("permissions/{host}/guest"), &all).await?;
        Ok(format!("{}/{host}", self.amqp_url))
    }

    /// The management API, for instance for [`Management::queue_depth`].
    pub fn management(&self) -> &Management {
        &self.management
    }

    /// `127.0.0.1:PORT` of AMQP, for a [`Proxy`](crate::Proxy).
    pub fn address(&self) -> &str {
        self.amqp_url.rsplit_once('@').map_or(self.amqp_url.as_str(), |(_, address)| address)
    }

    async fn find() -> anyhow::Result<Self> {
        if let Ok(url) = std::env::var("TESTBED_AMQP_URL") {
            let management = std::env::var("TESTBED_MANAGEMENT_URL");
            let management = management.context("TESTBED_AMQP_URL is set, but TESTBED_MANAGEMENT_URL is not")?;
            let amqp_url = url.trim_end_matches('/').to_owned();
            return Ok(Self { amqp_url, management: Management::new(management), _own: None });
        }
        let own = RabbitMq::start().await?;
        Ok(Self { amqp_url: own.amqp_url(), management: own.management(), _own: Some(own) })
    }
}
