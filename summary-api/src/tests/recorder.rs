//! The contract of the recorder, over HTTP: the client of a correlator, a socket, and the routes below `/internal/v1`.

use std::sync::Arc;

use ledger_stores::testing::temporary;
use parking::{Clock, Lots, ManualClock, Rules};
use recorder::contract::Site;
use recorder::http::{HttpRecorder, Limits};
use service_kit::ServiceContext;
use sessions::Service;
use sessions::testing::{BrokenLedger, Fixture, How, minute};
use settings::Redacted;

use super::{SECRET, with_secret};

/// A client of the routes of a service, over a socket.
async fn client(service: &Service, context: &ServiceContext) -> Arc<HttpRecorder> {
    let router = web_api::router(service, &with_secret(), context);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Redacted::url(format!("http://{}", listener.local_addr().unwrap()));
    tokio::spawn(async move { axum::serve(listener, router).await });
    Arc::new(
        HttpRecorder::new(&url, Some(&Redacted::secret(SECRET)), Limits::default(), &tls::Connector::default())
            .unwrap(),
    )
}

async fn site() -> Site {
    let fixture = Fixture::new(temporary().await);
    let recorder = client(&fixture.service, &fixture.context).await;
    Site { recorder, clock: Arc::clone(&fixture.clock), keeps: Box::new(fixture) }
}

async fn away() -> Site {
    let clock = Arc::new(ManualClock::at(minute(0)));
    let context = ServiceContext::new(Arc::clone(&clock) as Arc<dyn Clock>);
    let ledger = Arc::new(BrokenLedger(How::Down));
    let service = Service::new(ledger, Rules::default(), Lots::default(), &context);
    Site { recorder: client(&service, &context).await, clock, keeps: Box::new(()) }
}

recorder::contract!(site, away);
