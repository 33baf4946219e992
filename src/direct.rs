//! The correlator's way to a summary API in the same process: plain calls, no HTTP.

use async_trait::async_trait;
use correlator::recorder::{Error, Recorder};
use matching::{CorrelatorStatus, Due, LedgerTerms, LoadRequest, Outcome, Snapshot, Unit};
use service_kit::traces::TraceContext;
use sessions::{CallOptions, Service};

/// Records by calling the summary API's own service.
#[derive(Debug, Clone)]
pub struct DirectRecorder {
    service: Service,
}

impl DirectRecorder {
    /// A recorder for that summary API.
    pub fn new(service: Service) -> Self {
        Self { service }
    }
}

/// In one process no setting can be wrong, so what is not a matter of the content is waited out.
fn error(failure: &sessions::Error) -> Error {
    match failure {
        sessions::Error::Refused(reason) => Error::Rejected(reason.clone()),
        sessions::Error::Ledger(_) | sessions::Error::TooSlow | sessions::Error::Full(_) | sessions::Error::Defect => {
            Error::Unavailable(failure.to_string())
        }
    }
}

#[async_trait]
impl Recorder for DirectRecorder {
    async fn terms(&self) -> Result<LedgerTerms, Error> {
        Ok(self.service.terms())
    }

    async fn load(&self, requests: &[LoadRequest]) -> Result<Vec<Snapshot>, Error> {
        self.service.load(requests.to_vec(), CallOptions::default()).await.map_err(|failure| error(&failure))
    }

    async fn record(&self, units: &[Unit], trace: TraceContext) -> Result<Vec<Outcome>, Error> {
        let options = CallOptions { caller: Some(trace), ..CallOptions::default() };
        self.service.record(units.to_vec(), options).await.map_err(|failure| error(&failure))
    }

    async fn due(&self, most: u32) -> Result<Vec<Due>, Error> {
        self.service.due(most, CallOptions::default()).await.map_err(|failure| error(&failure))
    }

    async fn report(&self, status: CorrelatorStatus) -> Result<(), Error> {
        // What this process needs, the summary API knows itself.
        self.service.report(CorrelatorStatus { dependencies: Vec::new(), ..status });
        Ok(())
    }
}
