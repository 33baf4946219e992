//! Hands over the results of several threads in the order of their numbers.
//!
//! What the threads work on is left to the caller.

use std::collections::BTreeSet;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Whose turn it is. Numbers begin with 0, and each has one [`Turn`].
#[derive(Debug, Default)]
pub struct InOrder {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// All turns before this one have ended.
    next: u64,
    /// Later turns that have ended.
    ended: BTreeSet<u64>,
}

/// The turn of one number; dropped, it has ended, whatever the reason.
#[derive(Debug)]
pub struct Turn<'a> {
    order: &'a InOrder,
    number: u64,
}

impl InOrder {
    /// Takes the turn of `number`.
    pub fn turn(&self, number: u64) -> Turn<'_> {
        Turn { order: self, number }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn<'_> {
    /// Waits until all turns before this one have ended.
    pub fn wait(&self) {
        let is_early = |state: &mut State| state.next < self.number;
        drop(self.order.changed.wait_while(self.order.state(), is_early).unwrap_or_else(PoisonError::into_inner));
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut state = self.order.state();
        state.ended.insert(self.number);
        while state.ended.first() == Some(&state.next) {
            state.ended.pop_first();
            state.next += 1;
        }
        self.order.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_is_done_first_is_given_in_order() {
        let (order, given) = (InOrder::default(), Mutex::new(Vec::new()));
        std::thread::scope(|scope| {
            for number in (0..20).rev() {
                let (turn, given) = (order.turn(number), &given);
                scope.spawn(move || {
                    turn.wait();
                    given.lock().unwrap().push(number);
                });
            }
        });
        assert_eq!(given.into_inner().unwrap(), (0..20).collect::<Vec<_>>());
    }
}
