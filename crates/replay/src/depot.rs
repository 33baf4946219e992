//! Records by shelf, in bounded memory: blocks of them are kept until the memory for them is used up, then they go to
//! a temporary file, which has no name and vanishes with the program.
//!
//! A record is a fixed number of words; what they say, and which shelf is whose, is left to the callers.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use super::Error;

/// 32 KiB: large enough for one write, small enough to have one under way for each shelf and thread.
const BLOCK_WORDS: usize = 4_096;
const WORD_BYTES: usize = size_of::<u64>();

type Block = Vec<u64>;

/// Where blocks are kept: the memory for all shelves together, and the file.
#[derive(Debug)]
pub(super) struct Depot {
    folder: PathBuf,
    /// So many more blocks may be kept in memory.
    room: AtomicUsize,
    /// Blocks that were emptied, to be filled again.
    free: Mutex<Vec<Block>>,
    file: OnceLock<File>,
    file_bytes: AtomicU64,
    /// Where blocks stood in the file that were read again: what is written there takes no fresh memory of the system.
    free_offsets: Mutex<Vec<u64>>,
}

impl Depot {
    /// Keeps about `memory_bytes` in memory; the file, when one is needed, is made in `folder`.
    pub(super) fn new(folder: &Path, memory_bytes: usize) -> Self {
        Self {
            folder: folder.to_owned(),
            room: AtomicUsize::new(memory_bytes / (BLOCK_WORDS * WORD_BYTES)),
            free: Mutex::default(),
            file: OnceLock::new(),
            file_bytes: AtomicU64::new(0),
            free_offsets: Mutex::default(),
        }
    }

    fn block(&self) -> Block {
        locked(&self.free).pop().unwrap_or_else(|| Vec::with_capacity(BLOCK_WORDS))
    }

    fn give_back(&self, mut block: Block) {
        block.clear();
        locked(&self.free).push(block);
    }

    /// Where in the file there is room for a block.
    fn offset(&self) -> u64 {
        let free = locked(&self.free_offsets).pop();
        free.unwrap_or_else(|| self.file_bytes.fetch_add((BLOCK_WORDS * WORD_BYTES) as u64, Ordering::Relaxed))
    }

    fn takes_another(&self) -> bool {
        self.room.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |room| room.checked_sub(1)).is_ok()
    }

    fn file(&self) -> Result<&File, Error> {
        if let Some(file) = self.file.get() {
            return Ok(file);
        }
        let file = nameless_file(&self.folder).map_err(|error| self.failed(error))?;
        // Whoever comes second drops a file that is still empty.
        Ok(self.file.get_or_init(|| file))
    }

    fn failed(&self, source: io::Error) -> Error {
        Error::Temporary { folder: self.folder.display().to_string(), source }
    }
}

fn nameless_file(folder: &Path) -> io::Result<File> {
    let name = format!(".dwell-replay.{}.{:?}.part", std::process::id(), std::thread::current().id());
    let path = folder.join(name);
    let file = File::options().read(true).write(true).create(true).truncate(true).open(&path)?;
    fs::remove_file(&path)?;
    Ok(file)
}

/// Nothing that is locked here is ever left half done.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A block in the file.
#[derive(Debug, Clone, Copy)]
struct Spilled {
    offset: u64,
    words: usize,
}

#[derive(Debug, Default)]
struct Shelf {
    kept: Vec<Block>,
    spilled: Vec<Spilled>,
}

/// Shelves for records of `WORDS` words.
#[derive(Debug)]
pub(super) struct Shelves<'a, const WORDS: usize> {
    depot: &'a Depot,
    shelves: Vec<Mutex<Shelf>>,
}

impl<'a, const WORDS: usize> Shelves<'a, WORDS> {
    pub(super) fn new(depot: &'a Depot, count: usize) -> Self {
        Self { depot, shelves: (0..count).map(|_| Mutex::default()).collect() }
    }

    pub(super) fn len(&self) -> usize {
        self.shelves.len()
    }

    /// Something to fill the shelves with; each thread has its own.
    pub(super) fn filler(&self) -> Filler<'_, WORDS> {
        Filler { shelves: self, open: vec![Vec::new(); self.shelves.len()], bytes: Vec::new() }
    }

    /// Empties a shelf into `records`, in any order.
    pub(super) fn take(&self, place: usize, records: &mut Vec<[u64; WORDS]>) -> Result<(), Error> {
        let Shelf { kept, spilled } = std::mem::take(&mut *locked(&self.shelves[place]));
        records.clear();
        let words = kept.iter().map(Vec::len).sum::<usize>() + spilled.iter().map(|block| block.words).sum::<usize>();
        records.reserve(words / WORDS);
        for block in kept {
            records.extend_from_slice(block.as_chunks().0);
            self.depot.give_back(block);
            self.depot.room.fetch_add(1, Ordering::Relaxed);
        }
        let mut bytes = if spilled.is_empty() { Vec::new() } else { vec![0; BLOCK_WORDS * WORD_BYTES] };
        for Spilled { offset, words } in spilled {
            let bytes = &mut bytes[..words * WORD_BYTES];
            self.depot.file()?.read_exact_at(bytes, offset).map_err(|error| self.depot.failed(error))?;
            locked(&self.depot.free_offsets).push(offset);
            let record = |bytes: &[[u8; WORD_BYTES]]| std::array::from_fn(|word| u64::from_ne_bytes(bytes[word]));
            records.extend(bytes.as_chunks().0.chunks_exact(WORDS).map(record));
        }
        Ok(())
    }

    fn put(&self, place: usize, block: Block) {
        locked(&self.shelves[place]).kept.push(block);
    }

    fn spill(&self, place: usize, block: &Block, bytes: &mut Vec<u8>) -> Result<(), Error> {
        bytes.resize(block.len() * WORD_BYTES, 0);
        for (bytes, word) in bytes.as_chunks_mut().0.iter_mut().zip(block) {
            *bytes = word.to_ne_bytes();
        }
        let offset = self.depot.offset();
        self.depot.file()?.write_all_at(bytes, offset).map_err(|error| self.depot.failed(error))?;
        locked(&self.shelves[place]).spilled.push(Spilled { offset, words: block.len() });
        Ok(())
    }
}

/// Fills shelves, a block at a time.
#[derive(Debug)]
pub(super) struct Filler<'a, const WORDS: usize> {
    shelves: &'a Shelves<'a, WORDS>,
    /// The block under way of each shelf.
    open: Vec<Block>,
    bytes: Vec<u8>,
}

impl<const WORDS: usize> Filler<'_, WORDS> {
    #[inline]
    pub(super) fn push(&mut self, place: usize, record: &[u64; WORDS]) -> Result<(), Error> {
        if self.open[place].len() + WORDS > self.open[place].capacity() {
            self.begin_block(place)?;
        }
        self.open[place].extend_from_slice(record);
        Ok(())
    }

    /// Puts the blocks under way on their shelves. They may exceed the memory: there are few of them.
    pub(super) fn finish(self) {
        for (shelf, block) in self.open.into_iter().enumerate().filter(|(_, block)| !block.is_empty()) {
            self.shelves.put(shelf, block);
        }
    }

    #[cold]
    fn begin_block(&mut self, place: usize) -> Result<(), Error> {
        let open = &mut self.open[place];
        if open.capacity() == 0 {
            *open = self.shelves.depot.block();
        } else if self.shelves.depot.takes_another() {
            let full = std::mem::replace(open, self.shelves.depot.block());
            self.shelves.put(place, full);
        } else {
            self.shelves.spill(place, open, &mut self.bytes)?;
            open.clear();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes back from three shelves that were filled by two, sorted.
    fn stored(memory_bytes: usize) -> Vec<Vec<[u64; 7]>> {
        let folder = tempfile::tempdir().unwrap();
        let depot = Depot::new(folder.path(), memory_bytes);
        let shelves = Shelves::new(&depot, 3);
        let mut fillers = [shelves.filler(), shelves.filler()];
        for number in 0..10_000_u64 {
            let shelf = usize::try_from(number % 3).unwrap();
            fillers[usize::from(number > 3_000)].push(shelf, &[number; 7]).unwrap();
        }
        fillers.into_iter().for_each(Filler::finish);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "the file has a name");
        let mut taken = vec![Vec::new(); 3];
        for (shelf, records) in taken.iter_mut().enumerate() {
            shelves.take(shelf, records).unwrap();
            records.sort_unstable();
        }
        taken
    }

    #[test]
    fn what_is_put_on_a_shelf_comes_back_whether_it_fits_into_memory_or_not() {
        let expected: Vec<Vec<[u64; 7]>> =
            (0..3).map(|shelf| (shelf..10_000).step_by(3).map(|number| [number; 7]).collect()).collect();
        for memory_bytes in [0, 3 * BLOCK_WORDS * WORD_BYTES, usize::MAX] {
            assert!(stored(memory_bytes) == expected, "with {memory_bytes} bytes");
        }
    }

    #[test]
    fn room_in_the_file_is_used_again() {
        let folder = tempfile::tempdir().unwrap();
        let depot = Depot::new(folder.path(), 0);
        let mut records = Vec::new();
        let mut sizes = Vec::new();
        for _ in 0..3 {
            let shelves = Shelves::new(&depot, 1);
            let mut filler = shelves.filler();
            (0..10_000).for_each(|number| filler.push(0, &[number; 4]).unwrap());
            filler.finish();
            shelves.take(0, &mut records).unwrap();
            sizes.push(depot.file().unwrap().metadata().unwrap().len());
        }
        assert!(sizes[0] > 0 && sizes.iter().all(|size| *size == sizes[0]), "{sizes:?}");
    }

    #[test]
    fn a_folder_without_room_is_named() {
        let depot = Depot::new(Path::new("/nowhere"), 0);
        let shelves = Shelves::<4>::new(&depot, 1);
        let mut filler = shelves.filler();
        let outcome: Result<(), Error> = (0..10_000).try_for_each(|number| filler.push(0, &[number; 4]));
        assert!(outcome.unwrap_err().to_string().contains("/nowhere"));
    }
}
