//! The window of a consumer: how many deliveries may be unacknowledged, so that the bytes in the buffer are bounded.
//! Pure.
//!
//! AMQP limits deliveries by number only. So a consumer starts with a small window, and widens it once the window is
//! used up and the buffer has few bytes. If large bodies follow small ones, it reconnects with a small window;
//! nothing is lost, because nothing on it is acknowledged.

use super::buffer::Fill;

/// The first window of a consumer, in deliveries.
pub(super) const FIRST_WINDOW_MESSAGES: u16 = 32;
/// The window grows until bodies of the average size fill this many bytes.
const WINDOW_BYTES_TARGET: usize = 32 * 1024 * 1024;
/// The maximum bytes in a buffer, whatever the window: above it, the consumer reconnects.
pub(super) const BUFFER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The body sizes on one connection.
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

    /// The next window, given the current window and the bytes in the buffer; `None` to keep it.
    pub(super) fn window(self, outstanding: u64, fill: Fill, prefetch: u16) -> Option<u16> {
        let room = WINDOW_BYTES_TARGET.saturating_sub(fill.bytes);
        // A step that is worth the round trips, and does not follow every message.
        if room < WINDOW_BYTES_TARGET / 2 {
            return None;
        }
        let window = outstanding.saturating_add((room / self.mean()) as u64);
        let window = u16::try_from(window).unwrap_or(u16::MAX).min(prefetch);
        (u64::from(window) > outstanding).then_some(window)
    }

    /// The first window after the buffer was full.
    pub(super) fn first(self) -> u16 {
        u16::try_from(WINDOW_BYTES_TARGET / self.mean()).unwrap_or(u16::MAX).clamp(1, FIRST_WINDOW_MESSAGES)
    }
}

/// Whether a buffer exceeds its limit. One delivery always fits, of any size.
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
        assert_eq!(seen(9, 200).first(), FIRST_WINDOW_MESSAGES);
    }
}
