//! The TLS of this process's ports: its certificate is read again when its files change, its metrics, and its log
//! lines.
//!
//! The crate `tls` reads the files and does the handshakes; each server limits their time and number.

use std::sync::Arc;
use std::time::Duration;

use parking::Clock;
use prometheus::{IntCounter, IntCounterVec, IntGauge};
use settings::Settings;
use tls::{Accepted, Protocol, Reload};
use tokio::net::TcpStream;

use crate::Lifecycle;
use crate::metrics::{self, Registry};

/// The interval at which the files are compared with those in use. A change is read when it is one interval old.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

crate::metrics! {
    /// The certificate of the ports, and the handshakes.
    #[derive(Debug, Clone)]
    struct Metrics {
        /// When the certificate of this process's ports expires, in seconds since 1970
        expiry: IntGauge = "dwell_tls_certificate_expiry_timestamp_seconds";
        /// Changes of the certificate's files, by what became of them
        reloads: IntCounterVec = "dwell_tls_reloads_total" ["result"];
        /// TLS handshakes that failed
        failed: IntCounter = "dwell_tls_handshakes_failed_total";
    }
}

impl Metrics {
    const TAKEN: &'static str = "taken";
    const REFUSED: &'static str = "refused";

    fn new(registry: &Registry) -> Result<Self, metrics::Error> {
        let shown = Self::register(registry)?;
        for result in [Self::TAKEN, Self::REFUSED] {
            shown.reloads.with_label_values(&[result]).inc_by(0);
        }
        Ok(shown)
    }
}

/// The TLS of this process's ports. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Listener {
    files: tls::Listener,
    metrics: Metrics,
}

/// Why the ports can't have TLS.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A setting, or the file that it names, can't be used.
    #[error("the ports can't be opened with TLS")]
    Settings(#[from] settings::Error),
    /// A metric can't be registered: a defect of the program.
    #[error("TLS can't be counted")]
    Metrics(#[from] metrics::Error),
}

impl Listener {
    /// Reads the files of the settings, and reads them again after each change, until the stop; `None` without settings.
    ///
    /// # Errors
    /// A file can't be used.
    pub fn start(
        settings: &Settings,
        clock: &Arc<dyn Clock>,
        registry: &Registry,
        lifecycle: &Lifecycle,
    ) -> Result<Option<Self>, Error> {
        let Some(files) = tls::Listener::from_settings(settings)? else { return Ok(None) };
        let listener = Self { files, metrics: Metrics::new(registry)? };
        if let Some(fault) = listener.files.validity().and_then(|validity| validity.fault(clock.now())) {
            tracing::error!("{fault}; clients refuse it, so replace its files; they are read again by themselves");
        }
        listener.show_expiry();
        listener.clone().watch(Arc::clone(clock), lifecycle);
        Ok(Some(listener))
    }

    /// Whether clients need a certificate.
    pub fn needs_certificates(&self) -> bool {
        self.files.needs_certificates()
    }

    /// Completes the handshake of a connection within this time; counts one that fails.
    ///
    /// # Errors
    /// The connection ended, the client and this process do not agree, or the time is over.
    pub async fn accept(&self, socket: TcpStream, protocol: Protocol, limit: Duration) -> std::io::Result<Accepted> {
        let accepted = tokio::time::timeout(limit, self.files.accept(socket, protocol)).await;
        accepted.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into())).inspect_err(|error| {
            self.metrics.failed.inc();
            tracing::debug!(%error, "a TLS handshake failed");
        })
    }

    fn show_expiry(&self) {
        let until = self.files.validity().map_or(0, |validity| validity.until.as_millis() / 1_000);
        self.metrics.expiry.set(until);
    }

    fn watch(self, clock: Arc<dyn Clock>, lifecycle: &Lifecycle) {
        let stop = lifecycle.clone();
        lifecycle.spawn("certificate files", async move {
            loop {
                tokio::select! {
                    () = stop.stopping() => return Ok(()),
                    () = tokio::time::sleep(CHECK_INTERVAL) => {}
                }
                let (files, now) = (self.files.clone(), clock.now());
                // The files may be on a network drive that is slow.
                let reload = tokio::task::spawn_blocking(move || files.reload(now)).await?;
                self.report(reload);
            }
        });
    }

    fn report(&self, reload: Reload) {
        match reload {
            Reload::Unchanged => return,
            Reload::Done => {
                tracing::info!("the certificate was read again; new connections have it");
                self.metrics.reloads.with_label_values(&[Metrics::TAKEN]).inc();
            }
            Reload::Refused(reason) => {
                tracing::error!(
                    reason,
                    "the files of the certificate have changed and can't be used, so the one before the change stays in use: \
                     correct them"
                );
                self.metrics.reloads.with_label_values(&[Metrics::REFUSED]).inc();
            }
        }
        self.show_expiry();
    }
}
