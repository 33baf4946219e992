//! Chooses the adapter: the only `match` on the kind of bus.
//!
//! Each service decides what to do if it needs a broker and none is configured.

use std::sync::Arc;

use service_kit::ServiceContext;

use crate::config::BusConfig;
use crate::embedded::Embedded;
use crate::rabbitmq::RabbitMq;
use crate::{Bus, OpenError};

/// Opens the configured bus. Needs a Tokio runtime.
///
/// A broker that is down is retried in the background. The first publish or receive returns a permanent refusal.
pub fn open(config: &BusConfig, context: &ServiceContext) -> Result<Arc<dyn Bus>, OpenError> {
    Ok(match &config.url {
        None => Arc::new(Embedded::open(&config.data_dir, config.limits, context)?),
        Some(url) => Arc::new(RabbitMq::open(url, config, context)?),
    })
}
