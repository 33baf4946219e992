//! Orders the output of several threads by the number of their input: a sequencer with tickets.
//!
//! The caller decides what the threads work on.

use std::collections::BTreeSet;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Serves tickets in the order of their numbers. Numbers begin with 0, and each number has one [`Ticket`].
#[derive(Debug, Default)]
pub struct Sequencer {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// All tickets below this number are done.
    next: u64,
    /// Higher tickets that are done.
    done: BTreeSet<u64>,
}

/// The permission of one number to hand over its output. Dropping it lets the next number go on, also after an error.
#[derive(Debug)]
pub struct Ticket<'a> {
    sequencer: &'a Sequencer,
    number: u64,
}

impl Sequencer {
    /// The ticket of `number`.
    pub fn ticket(&self, number: u64) -> Ticket<'_> {
        Ticket { sequencer: self, number }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ticket<'_> {
    /// Waits until all lower tickets are done.
    pub fn wait(&self) {
        let is_early = |state: &mut State| state.next < self.number;
        drop(
            self.sequencer.changed.wait_while(self.sequencer.state(), is_early).unwrap_or_else(PoisonError::into_inner),
        );
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        let mut state = self.sequencer.state();
        state.done.insert(self.number);
        while state.done.first() == Some(&state.next) {
            state.done.pop_first();
            state.next += 1;
        }
        self.sequencer.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_is_in_order_whichever_thread_ends_first() {
        let (sequencer, given) = (Sequencer::default(), Mutex::new(Vec::new()));
        std::thread::scope(|scope| {
            for number in (0..20).rev() {
                let (ticket, given) = (sequencer.ticket(number), &given);
                scope.spawn(move || {
                    ticket.wait();
                    given.lock().unwrap().push(number);
                });
            }
        });
        assert_eq!(given.into_inner().unwrap(), (0..20).collect::<Vec<_>>());
    }
}
