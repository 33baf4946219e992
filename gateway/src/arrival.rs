//! Bodies of requests, within limits of size, of time, and of the memory of all of them together.
//!
//! A body gets memory as its bytes arrive, whatever length it announces: a client that sends nothing holds none.
//! Without enough memory the answer is 503. So a gateway stays within its memory whatever its clients send.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use bytes::{Bytes, BytesMut};
use futures::StreamExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::metrics::Metrics;
use crate::problem::Problem;
use crate::streams::{STREAMS_MAX, StreamPermit, Streams};

/// All bodies under way together.
pub(crate) const BODIES_BYTES_MAX: usize = 32 * 1024 * 1024;
/// From the end of the head to the last byte of the body.
pub(crate) const BODY_DEADLINE: Duration = Duration::from_secs(15);
/// The memory of a body grows by at least this much.
const MEMORY_STEP_BYTES: usize = 64 * 1024;
/// How long a request waits for memory.
const MEMORY_MAX: Duration = Duration::from_secs(2);

/// The memory for bodies.
#[derive(Debug)]
pub(crate) struct Arrivals {
    bytes: Arc<Semaphore>,
    streams: Streams,
    metrics: Metrics,
}

/// A body, and the memory that is set aside for it until this is dropped.
#[derive(Debug)]
pub(crate) struct Arrived {
    pub(crate) bytes: Bytes,
    _memory: Option<Memory>,
}

impl From<Bytes> for Arrived {
    /// For bytes that are limited elsewhere.
    fn from(bytes: Bytes) -> Self {
        Self { bytes, _memory: None }
    }
}

/// Memory that is set aside.
#[derive(Debug)]
pub(crate) struct Memory {
    bytes: i64,
    metrics: Metrics,
    permit: OwnedSemaphorePermit,
}

impl Memory {
    /// Takes over the memory of `other`, which is of the same semaphore.
    fn merge(&mut self, mut other: Self) {
        self.bytes += std::mem::take(&mut other.bytes);
        if let Some(permit) = other.permit.split(other.permit.num_permits()) {
            self.permit.merge(permit);
        }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.metrics.bodies_bytes.sub(self.bytes);
    }
}

/// The permit and the memory of a stream until this is dropped.
#[derive(Debug)]
pub(crate) struct BegunStream {
    pub(crate) permit: StreamPermit,
    bytes: i64,
    metrics: Metrics,
}

impl Drop for BegunStream {
    fn drop(&mut self) {
        self.metrics.bodies_bytes.sub(self.bytes);
    }
}

impl Arrivals {
    pub(crate) fn new(metrics: Metrics) -> Self {
        Self { bytes: Arc::new(Semaphore::new(BODIES_BYTES_MAX)), streams: Streams::default(), metrics }
    }

    /// Reads a body of at most `most` bytes.
    pub(crate) async fn read(&self, headers: &HeaderMap, body: Body, most: usize) -> Result<Arrived, Problem> {
        let announced = match headers.get(header::CONTENT_LENGTH) {
            Some(length) => length.to_str().ok().and_then(|length| length.parse().ok()),
            None => None,
        };
        if announced.is_some_and(|length: usize| length > most) {
            return Err(too_large(most));
        }
        refuse_encoding(headers)?;
        tokio::time::timeout(BODY_DEADLINE, self.collect(body, most)).await.unwrap_or_else(|_| {
            let detail = format!("the body did not arrive within {} s", BODY_DEADLINE.as_secs());
            Err(Problem::new(StatusCode::REQUEST_TIMEOUT, detail))
        })
    }

    async fn collect(&self, body: Body, most: usize) -> Result<Arrived, Problem> {
        let mut chunks = body.into_data_stream();
        let mut bytes = BytesMut::new();
        let mut memory = self.set_aside(1).await?;
        let mut room = 1;
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(|_| Problem::new(StatusCode::BAD_REQUEST, "the body broke off"))?;
            let length = bytes.len() + chunk.len();
            if length > most {
                return Err(too_large(most));
            }
            if length > room {
                let more = (length - room).max(MEMORY_STEP_BYTES);
                memory.merge(self.set_aside(more).await?);
                room += more;
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(Arrived { bytes: bytes.freeze(), _memory: Some(memory) })
    }

    /// Sets memory aside for a body, as soon as there is some.
    async fn set_aside(&self, bytes: usize) -> Result<Memory, Problem> {
        let bytes = u32::try_from(bytes.clamp(1, BODIES_BYTES_MAX)).unwrap_or(u32::MAX);
        let waiting = tokio::time::timeout(MEMORY_MAX, Arc::clone(&self.bytes).acquire_many_owned(bytes));
        match waiting.await {
            Ok(Ok(permit)) => Ok(self.memory(permit, bytes.into())),
            Ok(Err(_)) | Err(_) => Err(Problem::unavailable("too many large bodies are under way; send again later")),
        }
    }

    /// A permit for a stream of lines of this address, and `bytes` of memory of its own.
    pub(crate) async fn begin_stream(&self, address: Option<IpAddr>, bytes: usize) -> Result<BegunStream, Problem> {
        let permit = self.streams.begin(address).await.ok_or_else(|| {
            Problem::unavailable(format!("{STREAMS_MAX} streams are under way, which is the limit; send again later"))
        })?;
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        self.metrics.bodies_bytes.add(bytes);
        Ok(BegunStream { permit, bytes, metrics: self.metrics.clone() })
    }

    fn memory(&self, permit: OwnedSemaphorePermit, bytes: i64) -> Memory {
        self.metrics.bodies_bytes.add(bytes);
        Memory { bytes, metrics: self.metrics.clone(), permit }
    }
}

/// Compressed bodies are not taken: their size is not known before they are unpacked.
pub(crate) fn refuse_encoding(headers: &HeaderMap) -> Result<(), Problem> {
    match headers.get(header::CONTENT_ENCODING) {
        Some(encoding) if !encoding.as_bytes().eq_ignore_ascii_case(b"identity") => Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "the body has a Content-Encoding; send it without one",
        )),
        Some(_) | None => Ok(()),
    }
}

fn too_large(most: usize) -> Problem {
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, format!("the body has more than {most} bytes, which are allowed"))
}
