//! Limits the concurrent streams of lines, and decides which stream ends when another one waits for its permit.
//!
//! Every stream has a minimum rate, which is enforced only while another stream waits: then the stream that is furthest
//! behind ends. If none is behind, the remote address with the most streams gives one up for an address with fewer.
//! Only the time in which the gateway waits for the client counts: a slow bus ends no stream.
//!
//! The answer of an ended stream is left to `ndjson`.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// The maximum of concurrent streams. They have memory of their own: one may take hours.
pub(crate) const STREAMS_MAX: usize = 8;
/// The minimum rate of a stream, in bytes per second, while others wait for its permit.
pub(crate) const RATE_MIN: u32 = 1024;
/// How far a stream may be behind the minimum rate before it ends for another one.
pub(crate) const BEHIND_MAX: Duration = Duration::from_secs(2);
/// How long a new stream waits for a permit.
pub(crate) const PERMIT_WAIT_MAX: Duration = Duration::from_secs(5);
/// A stream falls behind without any event, so that waiting ones check again after this long.
const CHECK_INTERVAL: Duration = Duration::from_millis(100);

/// How far a stream is behind the minimum rate.
#[derive(Debug, Default)]
pub(crate) struct Pace(Mutex<Arrears>);

#[derive(Debug, Default)]
struct Arrears {
    /// Until the current wait.
    behind: Duration,
    waits_since: Option<Instant>,
}

impl Pace {
    /// The gateway waits for bytes of the client until the guard is dropped.
    pub(crate) fn wait(&self) -> Waiting<'_> {
        self.arrears().waits_since = Some(Instant::now());
        Waiting(self)
    }

    /// Bytes have arrived.
    pub(crate) fn arrived(&self, bytes: usize) {
        let paid = Duration::from_secs(bytes as u64) / RATE_MIN;
        let mut arrears = self.arrears();
        arrears.behind = arrears.behind.saturating_sub(paid);
    }

    fn behind(&self) -> Duration {
        let arrears = self.arrears();
        arrears.behind + arrears.waits_since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    fn arrears(&self) -> MutexGuard<'_, Arrears> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The time in which the gateway waits for bytes.
#[derive(Debug)]
pub(crate) struct Waiting<'a>(&'a Pace);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut arrears = self.0.arrears();
        let waited = arrears.waits_since.take().map_or(Duration::ZERO, |since| since.elapsed());
        arrears.behind += waited;
    }
}

/// The permits for streams. All clones share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Streams(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    table: Mutex<Table>,
    /// Notified when a stream ends.
    freed: Notify,
}

#[derive(Debug, Default)]
struct Table {
    /// In the order in which they began.
    under_way: Vec<Entry>,
    next_id: u64,
}

#[derive(Debug)]
struct Entry {
    id: u64,
    address: Option<IpAddr>,
    pace: Arc<Pace>,
    end: Arc<Notify>,
    is_ending: bool,
}

impl Table {
    fn count(&self, address: Option<IpAddr>) -> usize {
        self.under_way.iter().filter(|entry| entry.address == address).count()
    }

    /// The stream to end for a new one of `address`.
    fn dispensable(&mut self, address: Option<IpAddr>) -> Option<&mut Entry> {
        let slow = self.under_way.iter().enumerate().map(|(at, entry)| (entry.pace.behind(), at));
        let slowest = slow.max().filter(|(behind, _)| *behind >= BEHIND_MAX).map(|(_, at)| at);
        let at = slowest.or_else(|| {
            let counts = self.under_way.iter().map(|entry| self.count(entry.address));
            // With one more, the new address must not have more than the other one keeps.
            let share = self.count(address) + 2;
            counts
                .enumerate()
                .filter(|(_, count)| *count >= share)
                .max_by_key(|(at, count)| (*count, usize::MAX - at))
                .map(|(at, _)| at)
        })?;
        self.under_way.get_mut(at)
    }
}

impl Streams {
    /// A permit for a stream of this address; `None` if no stream ended in time.
    pub(crate) async fn begin(&self, address: Option<IpAddr>) -> Option<StreamPermit> {
        let taken = async {
            loop {
                let freed = self.0.freed.notified();
                if let Some(permit) = self.try_begin(address) {
                    return permit;
                }
                tokio::select! {
                    () = freed => {}
                    () = tokio::time::sleep(CHECK_INTERVAL) => {}
                }
            }
        };
        tokio::time::timeout(PERMIT_WAIT_MAX, taken).await.ok()
    }

    fn try_begin(&self, address: Option<IpAddr>) -> Option<StreamPermit> {
        let mut table = self.table();
        if table.under_way.len() >= STREAMS_MAX {
            // One at a time: the next one only after this one has ended.
            if !table.under_way.iter().any(|entry| entry.is_ending)
                && let Some(entry) = table.dispensable(address)
            {
                entry.is_ending = true;
                entry.end.notify_one();
            }
            return None;
        }
        table.next_id += 1;
        let (id, pace, end) = (table.next_id, Arc::new(Pace::default()), Arc::new(Notify::new()));
        let entry = Entry { id, address, pace: Arc::clone(&pace), end: Arc::clone(&end), is_ending: false };
        table.under_way.push(entry);
        Some(StreamPermit { streams: self.clone(), id, pace, end })
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The permit of a stream. Dropping it lets another stream begin.
#[derive(Debug)]
pub(crate) struct StreamPermit {
    streams: Streams,
    id: u64,
    pace: Arc<Pace>,
    end: Arc<Notify>,
}

impl StreamPermit {
    /// The pace of this stream.
    pub(crate) fn pace(&self) -> Arc<Pace> {
        Arc::clone(&self.pace)
    }

    /// Waits until the stream has to end for another one.
    pub(crate) async fn ended(&self) {
        self.end.notified().await;
    }
}

impl Drop for StreamPermit {
    fn drop(&mut self) {
        self.streams.table().under_way.retain(|entry| entry.id != self.id);
        self.streams.0.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        IpAddr::from([127, 0, 0, last])
    }

    async fn is_ended(permit: &StreamPermit) -> bool {
        tokio::time::timeout(Duration::ZERO, permit.ended()).await.is_ok()
    }

    async fn full(streams: &Streams, address: IpAddr) -> Vec<StreamPermit> {
        let mut permits = Vec::new();
        while permits.len() < STREAMS_MAX {
            permits.push(streams.begin(Some(address)).await.unwrap());
        }
        permits
    }

    #[tokio::test(start_paused = true)]
    async fn the_stream_furthest_behind_the_minimum_rate_ends_for_another_one() {
        let streams = Streams::default();
        let mut permits = full(&streams, address(1)).await;
        let waits: Vec<Arc<Pace>> = permits.iter().map(StreamPermit::pace).collect();
        let waiting: Vec<Waiting<'_>> = waits.iter().map(|pace| pace.wait()).collect();
        tokio::time::sleep(BEHIND_MAX * 2).await;
        drop(waiting);
        for (at, pace) in waits.iter().enumerate() {
            pace.arrived(if at == 5 { 100 } else { 10_000 });
        }

        let begun = tokio::spawn({
            let streams = streams.clone();
            async move { streams.begin(Some(address(1))).await.is_some() }
        });
        permits[5].ended().await;
        for (at, permit) in permits.iter().enumerate().filter(|(at, _)| *at != 5) {
            assert!(!is_ended(permit).await, "{at}");
        }
        drop(permits.remove(5));
        assert!(begun.await.unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn fast_streams_end_only_for_an_address_with_fewer_streams() {
        let streams = Streams::default();
        let mut permits = full(&streams, address(1)).await;
        assert!(streams.begin(Some(address(1))).await.is_none());

        for last in 2..=STREAMS_MAX {
            let begun = tokio::spawn({
                let streams = streams.clone();
                async move { streams.begin(Some(address(2))).await }
            });
            tokio::time::sleep(CHECK_INTERVAL).await;
            if last > STREAMS_MAX / 2 + 1 {
                assert!(begun.await.unwrap().is_none(), "each address has half of the streams");
                break;
            }
            assert!(is_ended(&permits[0]).await, "the oldest one");
            drop(permits.remove(0));
            permits.push(begun.await.unwrap().unwrap());
        }
    }
}
