//! The open connections of a listener, their phases, and which one is closed when there are too many.
//!
//! A connection whose client reads the answer to its request is never closed here. An idle one, an incomplete
//! request, or a client that reads nothing can be: so slow clients do not block others. Each connection has its own
//! timeouts.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::limits::{Limits, Metrics};

/// The bits of an IPv6 address that are the network; its clients choose the rest.
const NETWORK_BITS: u32 = 64;

/// The connection slots of a listener. All clones share them.
#[derive(Debug, Clone)]
pub(super) struct Slots(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    limits: Limits,
    metrics: Option<Metrics>,
    table: Mutex<Table>,
    /// Notified when a connection ends, or becomes one that may be closed for another.
    changed: Notify,
}

#[derive(Debug, Default)]
struct Table {
    open: BTreeMap<u64, Entry>,
    /// Incomplete requests by remote address, of connections that may continue; no address has zero.
    unfinished: BTreeMap<IpAddr, u32>,
    /// Requests that are being answered, other than for health and metrics.
    requests: u32,
    /// Connections that were asked to end, and are still open.
    ending: u32,
    /// The sequence number of the next event.
    stamp: u64,
}

#[derive(Debug)]
struct Entry {
    address: IpAddr,
    phase: Phase,
    /// When the phase began.
    since: u64,
    /// Since when the client has not read its answer, if it does not read.
    stalled_since: Option<u64>,
    /// Asked to end; data that has already arrived in the socket may still save it.
    is_ending: bool,
    end: Arc<Notify>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Between two requests.
    Idle,
    /// An incomplete head; a new connection begins here.
    Head,
    /// An incomplete body. `counts`: it is one of [`Table::requests`].
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
    /// Moves a connection to its next phase. If it was asked to end, it continues: the missing data has arrived.
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

    /// The connection to close for another one: the longest idle one, else the oldest incomplete request, else the
    /// one whose client has not read its answer for the longest time.
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

    /// The oldest incomplete request of an address that has more than `most`.
    fn oldest_beyond(&self, most: u32, address: IpAddr) -> Option<u64> {
        self.unfinished.get(&address).filter(|count| **count > most)?;
        let is_of_it = |entry: &Entry| entry.address == address && entry.phase.is_unfinished() && !entry.is_ending;
        let of_it = self.open.iter().filter(|(_, entry)| is_of_it(entry));
        of_it.min_by_key(|(_, entry)| entry.since).map(|(id, _)| *id)
    }

    /// Asks a connection to end.
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

impl Slots {
    /// The slots for as many connections as the limits allow.
    pub(super) fn new(limits: Limits, metrics: Option<Metrics>) -> Self {
        Self(Arc::new(Inner { limits, metrics, table: Mutex::default(), changed: Notify::new() }))
    }

    /// Waits for a slot for a connection from this address.
    pub(super) async fn admit(&self, address: IpAddr) -> Slot {
        loop {
            let changed = self.0.changed.notified();
            if let Some(slot) = self.try_admit(address) {
                return slot;
            }
            changed.await;
        }
    }

    fn try_admit(&self, address: IpAddr) -> Option<Slot> {
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
        Some(Slot { slots: self.clone(), id, address, end })
    }

    /// Closes a spare connection, if the system can't open another one.
    pub(super) fn make_room(&self) {
        self.close_one(&mut self.table());
    }

    /// Closes at most one connection at a time: the next one only after it has ended.
    fn close_one(&self, table: &mut Table) {
        if table.ending == 0
            && let Some(id) = table.dispensable()
        {
            table.end(id, self.0.metrics.as_ref());
        }
    }

    /// Moves a connection to its next phase, and enforces the share of its address.
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

/// The slot of an open connection. Dropping it frees the slot.
#[derive(Debug)]
pub(super) struct Slot {
    slots: Slots,
    id: u64,
    /// The client's address; of IPv6 its network.
    address: IpAddr,
    end: Arc<Notify>,
}

impl Slot {
    /// The client's address; of IPv6 its network.
    pub(super) fn address(&self) -> IpAddr {
        self.address
    }

    /// Waits until the connection has to end to make room.
    pub(super) async fn ended(&self) {
        while !self.is_ending() {
            self.end.notified().await;
        }
    }

    fn is_ending(&self) -> bool {
        self.slots.table().open.get(&self.id).is_some_and(|entry| entry.is_ending)
    }

    /// Bytes have arrived. Returns whether a new head begins with them.
    pub(super) fn received(&self) -> bool {
        self.change(|phase| (phase == Phase::Idle).then_some(Phase::Head))
    }

    /// Whether the head is incomplete.
    pub(super) fn is_reading_head(&self) -> bool {
        self.phase() == Some(Phase::Head)
    }

    /// Whether a body is being received, or a request answered.
    pub(super) fn has_request(&self) -> bool {
        matches!(self.phase(), Some(Phase::Body { .. } | Phase::Answering { .. }))
    }

    /// The head of a request has arrived. If it `counts`, it is for a route other than health and metrics; `false`
    /// means that too many of these are being answered.
    pub(super) fn begin(&self, has_body: bool, counts: bool) -> bool {
        let mut table = self.slots.table();
        let has_room = !counts || table.requests < self.slots.0.limits.requests();
        let counts = counts && has_room;
        let phase = if has_body && has_room { Phase::Body { counts } } else { Phase::Answering { counts } };
        self.slots.set(&mut table, self.id, phase);
        has_room
    }

    /// The body of the request is complete, or is not read any more.
    pub(super) fn body_finished(&self) {
        self.change(|phase| match phase {
            Phase::Body { counts } => Some(Phase::Answering { counts }),
            Phase::Idle | Phase::Head | Phase::Answering { .. } => None,
        });
    }

    /// The request has been answered.
    pub(super) fn answered(&self) {
        self.change(|phase| matches!(phase, Phase::Body { .. } | Phase::Answering { .. }).then_some(Phase::Idle));
        self.slots.0.changed.notify_one();
    }

    /// Whether the client does not read an answer right now.
    pub(super) fn set_stalled(&self, is_stalled: bool) {
        let mut table = self.slots.table();
        table.stamp += 1;
        let stamp = table.stamp;
        if let Some(entry) = table.open.get_mut(&self.id) {
            entry.stalled_since = is_stalled.then_some(stamp);
        }
        if is_stalled {
            self.slots.0.changed.notify_one();
        }
    }

    fn phase(&self) -> Option<Phase> {
        self.slots.table().open.get(&self.id).map(|entry| entry.phase)
    }

    /// Moves to the phase that `next` returns, if any.
    fn change(&self, next: impl FnOnce(Phase) -> Option<Phase>) -> bool {
        let mut table = self.slots.table();
        let next = table.open.get(&self.id).and_then(|entry| next(entry.phase));
        if let Some(phase) = next {
            self.slots.set(&mut table, self.id, phase);
        }
        next.is_some()
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut table = self.slots.table();
        table.set(self.id, Phase::Idle);
        table.open.remove(&self.id);
        drop(table);
        if let Some(metrics) = &self.slots.0.metrics {
            metrics.open.dec();
        }
        self.slots.0.changed.notify_one();
    }
}

/// The unit that counts as one remote address: for IPv6 a network, since a client has all its addresses.
pub(super) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() >> NETWORK_BITS << NETWORK_BITS).into(),
        ip @ IpAddr::V4(_) => ip,
    }
}

#[cfg(test)]
mod tests;
