//! Asks a running service whether it is ready, for containers without a shell and an HTTP client.
//!
//! One small request on one connection, with one timeout. Anything more needs a real HTTP client.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use settings::Listen;
use tls::Stream;

/// The timeout of the whole exchange.
pub const PROBE_DEADLINE: Duration = Duration::from_secs(3);
/// The maximum bytes of an answer.
const ANSWER_BYTES_MAX: u64 = 64 * 1_024;

/// Why a service does not count as ready.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// The service is unreachable.
    #[error("no answer from {address}")]
    Unreachable {
        /// The address of the service.
        address: Listen,
        /// The system's error.
        source: std::io::Error,
    },
    /// The answer did not arrive in time.
    #[error("no answer from {address} within {} s", PROBE_DEADLINE.as_secs())]
    TooSlow {
        /// The address of the service.
        address: Listen,
    },
    /// The service is not ready.
    #[error("{address} is not ready: {answer}")]
    NotReady {
        /// The address of the service.
        address: Listen,
        /// Its answer, on one line.
        answer: String,
    },
}

/// Asks `/readyz` of the service that listens on `address`, with TLS or without. Any certificate will do: the question
/// contains no secret, and a certificate is seldom for the address of this machine.
pub async fn probe_ready(address: &Listen, with_tls: bool) -> Result<(), ProbeError> {
    let address = address.as_seen_from_here();
    let answer = match tokio::time::timeout(PROBE_DEADLINE, ask(&address, with_tls)).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(source)) => return Err(ProbeError::Unreachable { address, source }),
        Err(_) => return Err(ProbeError::TooSlow { address }),
    };
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status_line = head.lines().next().unwrap_or_default();
    if status_line.starts_with("HTTP/1.") && status_line.split(' ').nth(1) == Some("200") {
        return Ok(());
    }
    let said: Vec<&str> = std::iter::once(status_line).chain(body.lines()).collect();
    Err(ProbeError::NotReady { address, answer: said.join("; ") })
}

async fn ask(address: &Listen, with_tls: bool) -> std::io::Result<String> {
    let socket = TcpStream::connect((address.host.as_str(), address.port)).await?;
    let mut stream = if with_tls { tls::connect_unverified(socket).await? } else { Stream::Plain(socket) };
    // HTTP/1.0, so that the answer is not chunked and the connection closes after it.
    let question = format!("GET /readyz?verbose HTTP/1.0\r\nHost: {address}\r\n\r\n");
    stream.write_all(question.as_bytes()).await?;
    let mut answer = Vec::new();
    let read = stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer).await;
    // A server may close a connection without the last words of TLS; the head shows what the answer is.
    if answer.is_empty() {
        read?;
    }
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
