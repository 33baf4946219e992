//! How many deliveries a consumer lets the broker have under way, so that what waits to be received is bounded in bytes.
//! Pure.
//!
//! AMQP bounds deliveries by their number alone. So a consumer begins with a few, and asks for more once those are all
//! there and what waits of them is small. Should large bodies follow small ones after all, the connection is made anew
//! with a small window; nothing is lost, since nothing of it is acknowledged.

use super::buffer::Fill;

/// The deliveries that a consumer begins with.
pub(super) const FIRST: u16 = 32;
/// A window is as large as bodies of the size seen so far fill this, bytes.
const WANTED_BYTES: usize = 32 * 1024 * 1024;
/// A buffer that holds more is full, whatever the window: its connection is made anew.
pub(super) const BUFFER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What is known of the bodies on one connection.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Seen {
    deliveries: usize,
    bytes: usize,
}

impl Seen {
    pub(super) fn add(&mut self, bytes: usize) {
        self.deliveries += 1;
        self.bytes = self.bytes.saturating_add(bytes);
    }

    fn mean(self) -> usize {
        (self.bytes / self.deliveries.max(1)).max(1)
    }

    /// How many deliveries may be under way when so many are, and so much of them waits to be received; `None` for no
    /// more than there are.
    pub(super) fn window(self, outstanding: u64, fill: Fill, prefetch: u16) -> Option<u16> {
        let room = WANTED_BYTES.saturating_sub(fill.bytes);
        // A step that is worth the round trips, and that does not follow each message received.
        if room < WANTED_BYTES / 2 {
            return None;
        }
        let window = outstanding.saturating_add((room / self.mean()) as u64);
        let window = u16::try_from(window).unwrap_or(u16::MAX).min(prefetch);
        (u64::from(window) > outstanding).then_some(window)
    }

    /// How many to begin with after the buffer was full.
    pub(super) fn first(self) -> u16 {
        u16::try_from(WANTED_BYTES / self.mean()).unwrap_or(u16::MAX).clamp(1, FIRST)
    }
}

/// Whether a buffer holds more than it may. One delivery is always taken, however large.
pub(super) fn is_overfull(fill: Fill) -> bool {
    fill.bytes > BUFFER_BYTES_MAX && fill.deliveries > 1
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1024 * 1024;

    fn seen(deliveries: usize, bytes: usize) -> Seen {
        let mut seen = Seen::default();
        (0..deliveries).for_each(|_| seen.add(bytes));
        seen
    }

    fn waiting(deliveries: usize, bytes: usize) -> Fill {
        Fill { deliveries, bytes: deliveries * bytes }
    }

    #[test]
    fn small_bodies_open_the_whole_prefetch() {
        assert_eq!(seen(32, 200).window(32, waiting(32, 200), 8_000), Some(8_000));
        assert_eq!(seen(8_000, 200).window(8_000, waiting(0, 200), 8_000), None);
    }

    #[test]
    fn large_bodies_keep_the_window_small_until_they_are_received() {
        let large = seen(32, MIB);
        assert_eq!(large.window(32, waiting(32, MIB), 8_000), None);
        assert_eq!(large.window(32, waiting(0, MIB), 8_000), Some(64));
        assert_eq!(seen(32, 10_000).window(32, waiting(0, 0), 8_000), Some(32 + 3_355));
    }

    #[test]
    fn bodies_of_any_size_are_received_one_by_one_at_least() {
        let huge = seen(4, 100 * MIB);
        assert_eq!(huge.first(), 1);
        assert!(!is_overfull(waiting(1, 100 * MIB)) && is_overfull(waiting(2, 100 * MIB)));
        assert_eq!(seen(9, 200).first(), FIRST);
    }
}
