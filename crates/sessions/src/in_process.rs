//! The service as the recorder of a correlator in the same process: plain calls, no HTTP.

use async_trait::async_trait;
use matching::{Due, LoadRequest, Outcome, Snapshot, Unit};
use recorder::wire::VEHICLES_MAX;
use recorder::{CorrelatorStatus, Error, LedgerInfo, Recorder};
use service_kit::traces::TraceContext;

use super::{CallOptions, ScopedService};

/// In one process no setting can be wrong, so every error that is not about the content is retried; one about the
/// principal is a fault of this program.
fn error(failure: &super::Error) -> Error {
    match failure {
        super::Error::Refused(reason) => Error::Rejected(reason.clone()),
        super::Error::Denied(denied) => Error::Refused(denied.to_string()),
        super::Error::Ledger(_) | super::Error::TooSlow | super::Error::Full(_) | super::Error::Defect => {
            Error::Unavailable(failure.to_string())
        }
    }
}

#[async_trait]
impl Recorder for ScopedService {
    async fn info(&self) -> Result<LedgerInfo, Error> {
        Self::info(self).map_err(|failure| error(&failure))
    }

    async fn load(&self, requests: &[LoadRequest]) -> Result<Vec<Snapshot>, Error> {
        let mut snapshots = Vec::with_capacity(requests.len());
        for part in requests.chunks(VEHICLES_MAX) {
            let loaded = Self::load(self, part.to_vec(), CallOptions::default()).await;
            snapshots.extend(loaded.map_err(|failure| error(&failure))?);
        }
        Ok(snapshots)
    }

    async fn record(&self, units: &[Unit], trace: TraceContext) -> Result<Vec<Outcome>, Error> {
        let mut outcomes = Vec::with_capacity(units.len());
        for part in units.chunks(VEHICLES_MAX) {
            let options = CallOptions { caller: Some(trace), ..CallOptions::default() };
            let recorded = Self::record(self, part.to_vec(), options).await;
            outcomes.extend(recorded.map_err(|failure| error(&failure))?);
        }
        Ok(outcomes)
    }

    async fn due(&self, most: u32) -> Result<Vec<Due>, Error> {
        Self::due(self, most, CallOptions::default()).await.map_err(|failure| error(&failure))
    }

    async fn report(&self, status: CorrelatorStatus) -> Result<(), Error> {
        // What this process needs, the service knows itself.
        let status = CorrelatorStatus { dependencies: Vec::new(), ..status };
        Self::report(self, status).map_err(|failure| error(&failure))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ledger::testing::{BrokenLedger, How, minute};
    use parking::{Clock, Lots, ManualClock, Rules};
    use recorder::contract::Site;
    use service_kit::ServiceContext;

    use access::Principal;

    use crate::Service;
    use crate::testing::Fixture;
    use ledger_stores::testing::temporary;

    async fn site() -> Site {
        let fixture = Fixture::new(temporary().await);
        let recorder = Arc::new(fixture.service.scoped(Principal::correlator()));
        Site { recorder, clock: Arc::clone(&fixture.clock), keeps: Box::new(fixture) }
    }

    async fn away() -> Site {
        let clock = Arc::new(ManualClock::at(minute(0)));
        let context = ServiceContext::new(Arc::clone(&clock) as Arc<dyn Clock>);
        let ledger = Arc::new(BrokenLedger(How::Down));
        let service = Service::new(ledger, Rules::default(), Lots::default(), &context);
        let recorder = Arc::new(service.scoped(Principal::correlator()));
        std::future::ready(Site { recorder, clock, keeps: Box::new(()) }).await
    }

    recorder::contract!(site, away);
}
