//! Which connections are open, what each is doing, and which one is closed when there are too many.
//!
//! A connection whose client reads the answer to its request is never closed here. One that is idle, whose request has
//! not arrived whole, or whose client reads nothing can be: so slow clients take no place away from others. Deadlines
//! are the connection's own.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::limits::{Limits, Metrics};

/// Bits of an IPv6 address that name a network; its clients choose the rest.
const NETWORK_BITS: u32 = 64;

/// The connections of a listener. All clones are the same.
#[derive(Debug, Clone)]
pub(super) struct Places(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    limits: Limits,
    metrics: Option<Metrics>,
    table: Mutex<Table>,
    /// A connection ended, or has become one that may be closed for another.
    changed: Notify,
}

#[derive(Debug, Default)]
struct Table {
    open: BTreeMap<u64, Entry>,
    /// Requests that have not arrived whole, by remote address, of connections that may go on; no address has zero.
    unfinished: BTreeMap<IpAddr, u32>,
    /// Requests that are being answered, other than for health and metrics.
    requests: u32,
    /// Connections that were told to end, and are still open.
    ending: u32,
    /// Orders what happened; the next one.
    stamp: u64,
}

#[derive(Debug)]
struct Entry {
    address: IpAddr,
    phase: Phase,
    /// When the phase began.
    since: u64,
    /// Since when the client has read nothing of its answers, if it reads nothing right now.
    stalled_since: Option<u64>,
    /// Told to end; what has already arrived in its socket may still save it.
    is_ending: bool,
    end: Arc<Notify>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Between two requests.
    Idle,
    /// The head of a request has not arrived whole; a new connection begins here.
    Head,
    /// The body of a request has not arrived whole. `counts`: it is one of [`Table::requests`].
    Body { counts: bool },
    /// A request is being answered.
    Answering { counts: bool },
}

impl Phase {
    fn is_unfinished(self) -> bool {
        matches!(self, Self::Head | Self::Body { .. })
    }

    fn counts(self) -> bool {
        matches!(self, Self::Body { counts: true } | Self::Answering { counts: true })
    }
}

impl Table {
    /// Moves a connection to its next phase. One that was told to end goes on: what it waited for has arrived.
    fn set(&mut self, id: u64, phase: Phase) {
        self.stamp += 1;
        let Some(entry) = self.open.get_mut(&id) else { return };
        let was_ending = std::mem::take(&mut entry.is_ending);
        self.ending -= u32::from(was_ending);
        let before = std::mem::replace(&mut entry.phase, phase);
        entry.since = self.stamp;
        let address = entry.address;
        if before.counts() != phase.counts() {
            self.requests = if phase.counts() { self.requests + 1 } else { self.requests - 1 };
        }
        match (before.is_unfinished() && !was_ending, phase.is_unfinished()) {
            (false, true) => *self.unfinished.entry(address).or_default() += 1,
            (true, false) => self.finished(address),
            (true, true) | (false, false) => {}
        }
    }

    fn finished(&mut self, address: IpAddr) {
        if let Some(count) = self.unfinished.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                self.unfinished.remove(&address);
            }
        }
    }

    /// The connection to close for another one: the longest idle one, else the oldest unfinished request, else the one
    /// whose client has read nothing of its answers for the longest.
    fn dispensable(&self) -> Option<u64> {
        let rank = |entry: &Entry| match (entry.phase, entry.stalled_since) {
            _ if entry.is_ending => None,
            (Phase::Idle, None) => Some((0, entry.since)),
            (Phase::Head | Phase::Body { .. }, _) => Some((1, entry.since)),
            (Phase::Idle | Phase::Answering { .. }, Some(since)) => Some((2, since)),
            (Phase::Answering { .. }, None) => None,
        };
        self.open.iter().filter_map(|(id, entry)| Some((rank(entry)?, *id))).min().map(|(_, id)| id)
    }

    /// The oldest unfinished request of an address that has more than `most`.
    fn oldest_beyond(&self, most: u32, address: IpAddr) -> Option<u64> {
        self.unfinished.get(&address).filter(|count| **count > most)?;
        let is_of_it = |entry: &Entry| entry.address == address && entry.phase.is_unfinished() && !entry.is_ending;
        let of_it = self.open.iter().filter(|(_, entry)| is_of_it(entry));
        of_it.min_by_key(|(_, entry)| entry.since).map(|(id, _)| *id)
    }

    /// Tells a connection to end.
    fn end(&mut self, id: u64, metrics: Option<&Metrics>) {
        let Some(entry) = self.open.get_mut(&id) else { return };
        if let Some(metrics) = metrics {
            let state = match entry.stalled_since {
                _ if entry.phase.is_unfinished() => Metrics::UNFINISHED,
                Some(_) => Metrics::STALLED,
                None => Metrics::IDLE,
            };
            metrics.closed_early.with_label_values(&[state]).inc();
        }
        entry.is_ending = true;
        entry.end.notify_one();
        let (address, is_unfinished) = (entry.address, entry.phase.is_unfinished());
        self.ending += 1;
        if is_unfinished {
            self.finished(address);
        }
    }
}

impl Places {
    /// Places for as many connections as the limits say.
    pub(super) fn new(limits: Limits, metrics: Option<Metrics>) -> Self {
        Self(Arc::new(Inner { limits, metrics, table: Mutex::default(), changed: Notify::new() }))
    }

    /// A place for a connection from this address, as soon as there is one.
    pub(super) async fn admit(&self, address: IpAddr) -> Place {
        loop {
            let changed = self.0.changed.notified();
            if let Some(place) = self.try_admit(address) {
                return place;
            }
            changed.await;
        }
    }

    fn try_admit(&self, address: IpAddr) -> Option<Place> {
        let mut table = self.table();
        if table.open.len() >= usize::try_from(self.0.limits.connections).unwrap_or(usize::MAX) {
            self.close_one(&mut table);
            return None;
        }
        let address = network(address);
        let end = Arc::new(Notify::new());
        table.stamp += 1;
        let id = table.stamp;
        let (phase, end_of_it) = (Phase::Idle, Arc::clone(&end));
        let entry = Entry { address, phase, since: id, stalled_since: None, is_ending: false, end: end_of_it };
        table.open.insert(id, entry);
        self.set(&mut table, id, Phase::Head);
        if let Some(metrics) = &self.0.metrics {
            metrics.open.inc();
        }
        Some(Place { places: self.clone(), id, end })
    }

    /// Closes a connection that can be spared, where the system has no room for another one.
    pub(super) fn make_room(&self) {
        self.close_one(&mut self.table());
    }

    /// Closes at most one connection at a time: the next only after it has ended.
    fn close_one(&self, table: &mut Table) {
        if table.ending == 0
            && let Some(id) = table.dispensable()
        {
            table.end(id, self.0.metrics.as_ref());
        }
    }

    /// Moves a connection to its next phase, and keeps its address within its share.
    fn set(&self, table: &mut Table, id: u64, phase: Phase) {
        let were_ending = table.ending;
        table.set(id, phase);
        if table.ending < were_ending {
            self.0.changed.notify_one();
        }
        let Some(address) = table.open.get(&id).map(|entry| entry.address) else { return };
        if phase.is_unfinished()
            && let Some(oldest) = table.oldest_beyond(self.0.limits.unfinished_per_address, address)
        {
            table.end(oldest, self.0.metrics.as_ref());
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of an open connection, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Places,
    id: u64,
    end: Arc<Notify>,
}

impl Place {
    /// Waits until the connection has to end to make room.
    pub(super) async fn ended(&self) {
        while !self.is_ending() {
            self.end.notified().await;
        }
    }

    fn is_ending(&self) -> bool {
        self.places.table().open.get(&self.id).is_some_and(|entry| entry.is_ending)
    }

    /// Bytes have arrived. Whether a new head begins with them.
    pub(super) fn received(&self) -> bool {
        self.change(|phase| (phase == Phase::Idle).then_some(Phase::Head))
    }

    /// Whether a head has not arrived whole.
    pub(super) fn is_reading_head(&self) -> bool {
        self.phase() == Some(Phase::Head)
    }

    /// Whether a request is being received behind its head, or answered.
    pub(super) fn has_request(&self) -> bool {
        matches!(self.phase(), Some(Phase::Body { .. } | Phase::Answering { .. }))
    }

    /// The head of a request has arrived. It is for a route other than health and metrics if it `counts`; then `false`
    /// says that too many of these are being answered.
    pub(super) fn begin(&self, has_body: bool, counts: bool) -> bool {
        let mut table = self.places.table();
        let has_room = !counts || table.requests < self.places.0.limits.requests();
        let counts = counts && has_room;
        let phase = if has_body && has_room { Phase::Body { counts } } else { Phase::Answering { counts } };
        self.places.set(&mut table, self.id, phase);
        has_room
    }

    /// The body of the request has arrived whole, or nobody reads it any more.
    pub(super) fn body_finished(&self) {
        self.change(|phase| match phase {
            Phase::Body { counts } => Some(Phase::Answering { counts }),
            Phase::Idle | Phase::Head | Phase::Answering { .. } => None,
        });
    }

    /// The request has been answered.
    pub(super) fn answered(&self) {
        self.change(|phase| matches!(phase, Phase::Body { .. } | Phase::Answering { .. }).then_some(Phase::Idle));
        self.places.0.changed.notify_one();
    }

    /// Whether the client reads nothing of an answer right now.
    pub(super) fn set_stalled(&self, is_stalled: bool) {
        let mut table = self.places.table();
        table.stamp += 1;
        let stamp = table.stamp;
        if let Some(entry) = table.open.get_mut(&self.id) {
            entry.stalled_since = is_stalled.then_some(stamp);
        }
        if is_stalled {
            self.places.0.changed.notify_one();
        }
    }

    fn phase(&self) -> Option<Phase> {
        self.places.table().open.get(&self.id).map(|entry| entry.phase)
    }

    /// Moves on to the phase that `next` gives, if it gives one.
    fn change(&self, next: impl FnOnce(Phase) -> Option<Phase>) -> bool {
        let mut table = self.places.table();
        let next = table.open.get(&self.id).and_then(|entry| next(entry.phase));
        if let Some(phase) = next {
            self.places.set(&mut table, self.id, phase);
        }
        next.is_some()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut table = self.places.table();
        table.set(self.id, Phase::Idle);
        table.open.remove(&self.id);
        drop(table);
        if let Some(metrics) = &self.places.0.metrics {
            metrics.open.dec();
        }
        self.places.0.changed.notify_one();
    }
}

/// What counts as one remote address: of IPv6 a network, since a client has all addresses of its own.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() >> NETWORK_BITS << NETWORK_BITS).into(),
        ip @ IpAddr::V4(_) => ip,
    }
}

#[cfg(test)]
mod tests;
