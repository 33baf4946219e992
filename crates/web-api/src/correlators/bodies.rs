//! The memory of bodies that are arriving or wait for a permit, shared by all calls.
//!
//! When it is full, the largest arriving body is evicted, so that slow clients can't occupy the memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use api::{Kind, Problem};
use axum::body::Bytes;
use axum::extract::Request;
use tokio::sync::Notify;

use crate::body;

/// The bodies in memory. Clones share one table.
#[derive(Debug, Clone)]
pub(super) struct Bodies(Arc<Mutex<Table>>);

#[derive(Debug)]
struct Table {
    limit_bytes: usize,
    kept_bytes: usize,
    next: u64,
    /// Bodies that are arriving or have arrived, without evicted ones.
    bodies: BTreeMap<u64, Entry>,
}

#[derive(Debug)]
struct Entry {
    bytes: usize,
    is_whole: bool,
    evicted: Arc<Notify>,
}

impl Bodies {
    /// A table for `limit_bytes` bytes.
    pub(super) fn within(limit_bytes: usize) -> Self {
        let table = Table { limit_bytes, kept_bytes: 0, next: 0, bodies: BTreeMap::new() };
        Self(Arc::new(Mutex::new(table)))
    }

    /// Reads the body of a request, of at most `limit` bytes. Dropping its [`Held`] frees the memory.
    ///
    /// # Errors
    /// The body is encoded or too large, does not arrive, or was evicted.
    pub(super) async fn read(&self, request: Request, limit: usize) -> Result<(Bytes, Held), Problem> {
        let (parts, request_body) = request.into_parts();
        let held = self.begin();
        let bytes = tokio::select! {
            biased;
            () = held.evicted.notified() => return Err(full()),
            read = body::read_keeping(&parts.headers, request_body, limit, |bytes| held.keep(bytes)) => read?,
        };
        held.is_whole();
        Ok((bytes, held))
    }

    fn begin(&self) -> Held {
        let mut table = self.table();
        let (id, evicted) = (table.next, Arc::new(Notify::new()));
        table.next += 1;
        table.bodies.insert(id, Entry { bytes: 0, is_whole: false, evicted: Arc::clone(&evicted) });
        Held { bodies: self.clone(), id, evicted }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn remove(&mut self, id: u64) -> Option<Entry> {
        let entry = self.bodies.remove(&id)?;
        self.kept_bytes -= entry.bytes;
        Some(entry)
    }
}

/// The memory of a body, until this is dropped.
#[derive(Debug)]
pub(super) struct Held {
    bodies: Bodies,
    id: u64,
    evicted: Arc<Notify>,
}

impl Held {
    /// Reserves more bytes. Evicts the largest arriving bodies, maybe this one, until all fit.
    fn keep(&self, bytes: usize) -> Result<(), Problem> {
        let mut table = self.bodies.table();
        table.bodies.get_mut(&self.id).ok_or_else(full)?.bytes += bytes;
        table.kept_bytes += bytes;
        while table.kept_bytes > table.limit_bytes {
            let arriving = table.bodies.iter().filter(|(_, entry)| !entry.is_whole);
            let largest = arriving.max_by_key(|(_, entry)| entry.bytes).map(|(id, _)| *id);
            let evicted = table.remove(largest.unwrap_or(self.id)).ok_or_else(full)?;
            evicted.evicted.notify_one();
        }
        if table.bodies.contains_key(&self.id) { Ok(()) } else { Err(full()) }
    }

    /// Marks the body as complete, so that it is not evicted any more.
    fn is_whole(&self) {
        if let Some(entry) = self.bodies.table().bodies.get_mut(&self.id) {
            entry.is_whole = true;
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.bodies.table().remove(self.id);
    }
}

fn full() -> Problem {
    Problem::new(Kind::Full, "the memory for bodies of /internal/v1 is full; send the call again")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_arriving_body_is_evicted() {
        let bodies = Bodies::within(100);
        let [whole, small, large, next] = std::array::from_fn(|_| bodies.begin());
        whole.keep(50).unwrap();
        whole.is_whole();
        small.keep(10).unwrap();
        large.keep(30).unwrap();

        next.keep(20).unwrap();

        let is_kept = [&whole, &small, &large, &next].map(|held| bodies.table().bodies.contains_key(&held.id));
        assert_eq!(is_kept, [true, true, false, true]);
        assert_eq!(bodies.table().kept_bytes, 80);
        assert!(large.keep(1).is_err());
    }

    #[test]
    fn a_body_that_is_itself_the_largest_is_evicted_and_its_memory_is_free_again() {
        let bodies = Bodies::within(100);
        let (waiting, arriving) = (bodies.begin(), bodies.begin());
        waiting.keep(60).unwrap();
        waiting.is_whole();

        assert_eq!(arriving.keep(41).unwrap_err().status(), 503);

        assert_eq!(bodies.table().kept_bytes, 60);
        drop(waiting);
        assert_eq!(bodies.table().kept_bytes, 0);
    }
}
