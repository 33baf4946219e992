//! Reads files of gate events with several threads.
//!
//! Each thread fetches the next block of lines of a JSON file, or a whole file whose records can't be split without
//! parsing all of it: CSV, or a JSON array of several lines. Events are unordered; refused lines are in the order of
//! the files.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use parking::wire::parse_plain_line;
use parking::{EventKey, GateEvent, GateId};
use uuid::Uuid;

use super::format::Format;
use super::json::{Documents, LinesOf};
use super::sink::{Account, Sink};
use super::source::{Block, Source};
use super::{Error, Item, Observer, Refused, read_records};
use crate::sequencer::{Sequencer, Ticket};

/// The data of a gate event that matching needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen<'a> {
    /// The lot's name, in ASCII.
    pub lot: &'a [u8],
    /// The plate in its normal form, in UTF-8.
    pub plate: &'a [u8],
    /// The time, the direction and the id.
    pub key: &'a EventKey,
    /// The gate's name, in ASCII; empty when it is not known.
    pub gate: &'a [u8],
    /// The id of the read of the same lot and gate that this one replaces.
    pub supersedes: Option<Uuid>,
}

impl<'a> Seen<'a> {
    fn of(event: &'a GateEvent, supersedes: Option<Uuid>) -> Self {
        Self {
            lot: event.vehicle.lot.as_str().as_bytes(),
            plate: event.vehicle.plate.as_str().as_bytes(),
            key: &event.key,
            gate: event.gate.as_ref().map_or(b"", |gate| GateId::as_str(gate).as_bytes()),
            supersedes,
        }
    }
}

/// Reads the files with one thread for each of `takers`, which receive the events, until `take` or `refuse` breaks
/// off.
///
/// # Errors
/// The first file that can't be read to its end.
pub fn read_in_parallel<T: Send>(
    files: &[PathBuf],
    observer: &Arc<dyn Observer>,
    takers: &mut [T],
    take: impl Fn(&mut T, Seen<'_>) -> ControlFlow<()> + Sync,
    refuse: impl FnMut(&Refused<'_>) -> ControlFlow<()> + Send,
) -> Result<(), Error> {
    let account = Account::default();
    let supply = Supply { files, observer, current: None, next_number: 0, account, verdict: Ok(()) };
    let reading = Reading { supply: Mutex::new(supply), sequencer: Sequencer::default(), refuse: Mutex::new(refuse) };
    thread::scope(|scope| {
        for taker in takers {
            let (reading, take) = (&reading, &take);
            scope.spawn(move || reading.work(|seen| take(taker, seen)));
        }
    });
    let Supply { account, verdict, .. } = reading.supply.into_inner().unwrap_or_else(PoisonError::into_inner);
    verdict?;
    account.tell(observer.as_ref())
}

/// The unread rest of the files.
struct Supply<'a> {
    files: &'a [PathBuf],
    observer: &'a Arc<dyn Observer>,
    /// The current file of lines, from which blocks are fetched.
    current: Option<Source>,
    /// The number of the next piece.
    next_number: u64,
    account: Account,
    verdict: Result<(), Error>,
}

/// A piece of input for one thread.
enum Piece {
    /// Lines of this file, in the thread's block.
    Lines { file: String },
    /// A whole file of records.
    Records(Source),
}

impl Supply<'_> {
    /// The next piece and its number; `None` at the end, or after a break.
    fn next(&mut self, block: &mut Block) -> Option<(u64, Piece)> {
        let piece = self.next_piece(block).unwrap_or_else(|error| {
            self.stop();
            self.verdict = Err(error);
            None
        })?;
        self.next_number += 1;
        Some((self.next_number - 1, piece))
    }

    fn next_piece(&mut self, block: &mut Block) -> Result<Option<Piece>, Error> {
        loop {
            if let Some(source) = &mut self.current {
                if source.read_block(block)? {
                    return Ok(Some(Piece::Lines { file: source.name().to_owned() }));
                }
                self.current = None;
            }
            let Some((file, others)) = self.files.split_first() else { return Ok(None) };
            self.files = others;
            let source = Source::open(file, self.observer)?;
            match source.format() {
                Format::Lines => self.current = Some(source),
                Format::Csv | Format::Array => return Ok(Some(Piece::Records(source))),
                Format::Empty(problem) => self.account.is_empty(source.name(), problem),
            }
        }
    }

    fn stop(&mut self) {
        self.files = &[];
        self.current = None;
    }
}

struct Reading<'a, R> {
    supply: Mutex<Supply<'a>>,
    sequencer: Sequencer,
    refuse: Mutex<R>,
}

impl<'a, R: FnMut(&Refused<'_>) -> ControlFlow<()>> Reading<'a, R> {
    fn supply(&self) -> MutexGuard<'_, Supply<'a>> {
        self.supply.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self, mut take: impl FnMut(Seen<'_>) -> ControlFlow<()>) {
        let mut block = Block::default();
        loop {
            let next = self.supply().next(&mut block);
            let Some((number, piece)) = next else { return };
            let ticket = self.sequencer.ticket(number);
            let mut account = Account::default();
            let read = match piece {
                Piece::Lines { file } => self.lines(&file, &block, &ticket, &mut take, &mut account),
                Piece::Records(mut source) => {
                    let mut sink = Sink::new(|item: Item<'_>| self.visit(&ticket, item, &mut take));
                    let read = read_records(&mut source, &mut sink);
                    account = sink.account;
                    read
                }
            };
            let mut supply = self.supply();
            supply.account.add(account);
            if !matches!(read, Ok(ControlFlow::Continue(()))) {
                supply.stop();
            }
            if let Err(error) = read {
                supply.verdict = Err(error);
            }
        }
    }

    fn lines(
        &self,
        file: &str,
        block: &Block,
        ticket: &Ticket<'_>,
        take: &mut impl FnMut(Seen<'_>) -> ControlFlow<()>,
        account: &mut Account,
    ) -> Result<ControlFlow<()>, Error> {
        let mut rest = block.text();
        let mut number = block.first_line;
        while !rest.is_empty() {
            let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
            let line = rest[..end].trim_ascii_end();
            let visited = if let Some(event) = parse_plain_line(rest, line.len()) {
                number += 1;
                rest = &rest[(end + 1).min(rest.len())..];
                account.has_items = true;
                let (lot, plate, gate) = (event.lot(), event.plate(), event.gate());
                take(Seen { lot, plate, key: event.key(), gate, supersedes: None })
            } else {
                let mut documents = Documents::new(LinesOf { file, rest }, number);
                let mut sink = Sink::new(|item: Item<'_>| self.visit(ticket, item, take));
                let visited = documents.visit_next(&mut sink)?;
                account.add(sink.account);
                let (line, unread) = documents.position();
                number = line;
                rest = &rest[rest.len() - documents.lines().rest.len() - unread..];
                visited
            };
            if visited.is_break() {
                return Ok(visited);
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn visit(
        &self,
        ticket: &Ticket<'_>,
        item: Item<'_>,
        take: &mut impl FnMut(Seen<'_>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        match item {
            Item::Event { event, supersedes, .. } => take(Seen::of(&event, supersedes)),
            Item::Refused(refused) => {
                ticket.wait();
                (self.refuse.lock().unwrap_or_else(PoisonError::into_inner))(&refused)
            }
        }
    }
}
