//! The quota of one queue: its limits, what is used of them, and waiting for free space.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::Limits;
use crate::Message;

/// A queue's limits and their use.
#[derive(Debug)]
pub(super) struct Quota {
    limits: Limits,
    used: Mutex<Used>,
    freed: Notify,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Used {
    messages: usize,
    bytes: usize,
}

impl Quota {
    /// The quota of a queue that already has this many messages and bytes.
    pub(super) fn new(limits: Limits, messages: usize, bytes: usize) -> Self {
        Self { limits, used: Mutex::new(Used { messages, bytes }), freed: Notify::new() }
    }

    /// Reserves space for the first messages that fit, at least one, and returns their number. Waits for the first one.
    ///
    /// `messages` must not be empty, and only one caller may wait at a time.
    pub(super) async fn take(&self, messages: &[Message]) -> usize {
        loop {
            let taken = self.try_take(messages);
            if taken > 0 {
                return taken;
            }
            self.freed.notified().await;
        }
    }

    /// Frees the space of removed messages.
    pub(super) fn free(&self, messages: usize, bytes: usize) {
        {
            let mut used = self.used();
            used.messages -= messages;
            used.bytes -= bytes;
        }
        self.freed.notify_one();
    }

    fn try_take(&self, messages: &[Message]) -> usize {
        let mut used = self.used();
        let mut taken = 0;
        for message in messages {
            let bytes = used.bytes + message.bytes();
            if used.messages >= self.limits.messages_max || (bytes > self.limits.bytes_max && used.messages > 0) {
                break;
            }
            *used = Used { messages: used.messages + 1, bytes };
            taken += 1;
        }
        taken
    }

    fn used(&self) -> MutexGuard<'_, Used> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(bytes: &[usize]) -> Vec<Message> {
        bytes.iter().map(|bytes| Message::new(vec![0; *bytes])).collect()
    }

    #[test]
    fn messages_are_taken_up_to_either_limit() {
        let quota = |messages_max, bytes_max| Quota::new(Limits { messages_max, bytes_max }, 0, 0);

        assert_eq!(quota(2, 100).try_take(&messages(&[1, 1, 1])), 2);
        assert_eq!(quota(9, 10).try_take(&messages(&[4, 4, 4])), 2);
    }

    #[test]
    fn a_message_beyond_the_limit_is_taken_by_an_empty_queue_only() {
        let quota = Quota::new(Limits { messages_max: 9, bytes_max: 10 }, 0, 0);

        assert_eq!(quota.try_take(&messages(&[1])), 1);
        assert_eq!(quota.try_take(&messages(&[50])), 0);
        quota.free(1, 1);
        assert_eq!(quota.try_take(&messages(&[50])), 1);
    }
}
