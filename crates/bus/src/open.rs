//! The one place that chooses the adapter.
//!
//! What a service does when it needs a broker and none is named is left to the service.

use std::sync::Arc;

use service_kit::ServiceContext;

use crate::config::BusConfig;
use crate::embedded::Embedded;
use crate::rabbitmq::RabbitMq;
use crate::{Bus, OpenError};

/// Opens the bus that the configuration names. Needs a Tokio runtime.
///
/// A broker that is absent is waited for in the background. That it refuses us for good is what the first publish or
/// receive answers.
pub fn open(config: &BusConfig, context: &ServiceContext) -> Result<Arc<dyn Bus>, OpenError> {
    Ok(match &config.url {
        None => Arc::new(Embedded::open(&config.data_dir, config.limits, context)?),
        Some(url) => Arc::new(RabbitMq::open(url, config, context)?),
    })
}
