//! Partitions of records in bounded memory. Blocks stay in memory up to a limit, then spill to a temporary file.
//!
//! The file has no name, so the system removes it when the program ends. A record is a fixed number of words; the
//! callers define the words, and which record belongs to which partition.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use super::Error;

/// 32 KiB: large enough for one write, small enough for one open block per partition and thread.
const BLOCK_WORDS: usize = 4_096;
const WORD_BYTES: usize = size_of::<u64>();

type Block = Vec<u64>;

/// The storage of all partitions: a memory budget, and the file for the blocks above it.
#[derive(Debug)]
pub(super) struct SpillStore {
    folder: PathBuf,
    /// How many more blocks fit into the memory budget.
    blocks_left: AtomicUsize,
    /// Empty blocks for reuse.
    free: Mutex<Vec<Block>>,
    file: OnceLock<File>,
    file_bytes: AtomicU64,
    /// Offsets of blocks that were read back. Writing there again needs no further page cache.
    free_offsets: Mutex<Vec<u64>>,
}

impl SpillStore {
    /// A store with a budget of about `memory_bytes`. The file is created in `folder` with the first spilled block.
    pub(super) fn new(folder: &Path, memory_bytes: usize) -> Self {
        Self {
            folder: folder.to_owned(),
            blocks_left: AtomicUsize::new(memory_bytes / (BLOCK_WORDS * WORD_BYTES)),
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

    /// A free offset in the file, for one block.
    fn offset(&self) -> u64 {
        let free = locked(&self.free_offsets).pop();
        free.unwrap_or_else(|| self.file_bytes.fetch_add((BLOCK_WORDS * WORD_BYTES) as u64, Ordering::Relaxed))
    }

    fn takes_another(&self) -> bool {
        self.blocks_left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
    }

    fn file(&self) -> Result<&File, Error> {
        if let Some(file) = self.file.get() {
            return Ok(file);
        }
        let file = tempfile::tempfile_in(&self.folder).map_err(|error| self.failed(error))?;
        // If two threads create the file, the second one drops its own, which is still empty.
        Ok(self.file.get_or_init(|| file))
    }

    fn failed(&self, source: io::Error) -> Error {
        Error::Temporary { folder: self.folder.display().to_string(), source }
    }
}

/// A poisoned lock is fine: no critical section here can stop half way.
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
struct Partition {
    kept: Vec<Block>,
    spilled: Vec<Spilled>,
}

/// Partitions of records of `WORDS` words.
#[derive(Debug)]
pub(super) struct Partitions<'a, const WORDS: usize> {
    store: &'a SpillStore,
    partitions: Vec<Mutex<Partition>>,
}

impl<'a, const WORDS: usize> Partitions<'a, WORDS> {
    pub(super) fn new(store: &'a SpillStore, count: usize) -> Self {
        Self { store, partitions: (0..count).map(|_| Mutex::default()).collect() }
    }

    pub(super) fn len(&self) -> usize {
        self.partitions.len()
    }

    /// A writer to all partitions. Each thread has its own.
    pub(super) fn writer(&self) -> PartitionWriter<'_, WORDS> {
        PartitionWriter { partitions: self, open: vec![Vec::new(); self.partitions.len()], bytes: Vec::new() }
    }

    /// Moves the records of a partition into `records`, in any order.
    pub(super) fn take(&self, partition: usize, records: &mut Vec<[u64; WORDS]>) -> Result<(), Error> {
        let Partition { kept, spilled } = std::mem::take(&mut *locked(&self.partitions[partition]));
        records.clear();
        let words = kept.iter().map(Vec::len).sum::<usize>() + spilled.iter().map(|block| block.words).sum::<usize>();
        records.reserve(words / WORDS);
        for block in kept {
            records.extend_from_slice(block.as_chunks().0);
            self.store.give_back(block);
            self.store.blocks_left.fetch_add(1, Ordering::Relaxed);
        }
        let mut bytes = if spilled.is_empty() { Vec::new() } else { vec![0; BLOCK_WORDS * WORD_BYTES] };
        for Spilled { offset, words } in spilled {
            let bytes = &mut bytes[..words * WORD_BYTES];
            self.store.file()?.read_exact_at(bytes, offset).map_err(|error| self.store.failed(error))?;
            locked(&self.store.free_offsets).push(offset);
            let record = |bytes: &[[u8; WORD_BYTES]]| std::array::from_fn(|word| u64::from_ne_bytes(bytes[word]));
            records.extend(bytes.as_chunks().0.chunks_exact(WORDS).map(record));
        }
        Ok(())
    }

    fn put(&self, partition: usize, block: Block) {
        locked(&self.partitions[partition]).kept.push(block);
    }

    fn spill(&self, partition: usize, block: &Block, bytes: &mut Vec<u8>) -> Result<(), Error> {
        bytes.resize(block.len() * WORD_BYTES, 0);
        for (bytes, word) in bytes.as_chunks_mut().0.iter_mut().zip(block) {
            *bytes = word.to_ne_bytes();
        }
        let offset = self.store.offset();
        self.store.file()?.write_all_at(bytes, offset).map_err(|error| self.store.failed(error))?;
        locked(&self.partitions[partition]).spilled.push(Spilled { offset, words: block.len() });
        Ok(())
    }
}

/// Appends records to partitions, through one open block for each.
#[derive(Debug)]
pub(super) struct PartitionWriter<'a, const WORDS: usize> {
    partitions: &'a Partitions<'a, WORDS>,
    /// The open block of each partition.
    open: Vec<Block>,
    bytes: Vec<u8>,
}

impl<const WORDS: usize> PartitionWriter<'_, WORDS> {
    #[inline]
    pub(super) fn push(&mut self, partition: usize, record: &[u64; WORDS]) -> Result<(), Error> {
        if self.open[partition].len() + WORDS > self.open[partition].capacity() {
            self.begin_block(partition)?;
        }
        self.open[partition].extend_from_slice(record);
        Ok(())
    }

    /// Adds the open blocks to their partitions. They may exceed the memory budget: there are few of them.
    pub(super) fn finish(self) {
        for (partition, block) in self.open.into_iter().enumerate().filter(|(_, block)| !block.is_empty()) {
            self.partitions.put(partition, block);
        }
    }

    #[cold]
    fn begin_block(&mut self, partition: usize) -> Result<(), Error> {
        let open = &mut self.open[partition];
        if open.capacity() == 0 {
            *open = self.partitions.store.block();
        } else if self.partitions.store.takes_another() {
            let full = std::mem::replace(open, self.partitions.store.block());
            self.partitions.put(partition, full);
        } else {
            self.partitions.spill(partition, open, &mut self.bytes)?;
            open.clear();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fills three partitions with two writers and returns their sorted records.
    fn stored(memory_bytes: usize) -> Vec<Vec<[u64; 7]>> {
        let folder = tempfile::tempdir().unwrap();
        let store = SpillStore::new(folder.path(), memory_bytes);
        let partitions = Partitions::new(&store, 3);
        let mut writers = [partitions.writer(), partitions.writer()];
        for number in 0..10_000_u64 {
            let partition = usize::try_from(number % 3).unwrap();
            writers[usize::from(number > 3_000)].push(partition, &[number; 7]).unwrap();
        }
        writers.into_iter().for_each(PartitionWriter::finish);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "the file has a name");
        let mut taken = vec![Vec::new(); 3];
        for (partition, records) in taken.iter_mut().enumerate() {
            partitions.take(partition, records).unwrap();
            records.sort_unstable();
        }
        taken
    }

    #[test]
    fn what_is_put_into_a_partition_is_read_back_from_memory_or_file() {
        let expected: Vec<Vec<[u64; 7]>> =
            (0..3).map(|partition| (partition..10_000).step_by(3).map(|number| [number; 7]).collect()).collect();
        for memory_bytes in [0, 3 * BLOCK_WORDS * WORD_BYTES, usize::MAX] {
            assert!(stored(memory_bytes) == expected, "with {memory_bytes} bytes");
        }
    }

    #[test]
    fn offsets_in_the_file_are_reused() {
        let folder = tempfile::tempdir().unwrap();
        let store = SpillStore::new(folder.path(), 0);
        let mut records = Vec::new();
        let mut sizes = Vec::new();
        for _ in 0..3 {
            let partitions = Partitions::new(&store, 1);
            let mut writer = partitions.writer();
            (0..10_000).for_each(|number| writer.push(0, &[number; 4]).unwrap());
            writer.finish();
            partitions.take(0, &mut records).unwrap();
            sizes.push(store.file().unwrap().metadata().unwrap().len());
        }
        assert!(sizes[0] > 0 && sizes.iter().all(|size| *size == sizes[0]), "{sizes:?}");
    }

    #[test]
    fn a_folder_without_room_is_named() {
        let store = SpillStore::new(Path::new("/nowhere"), 0);
        let partitions = Partitions::<4>::new(&store, 1);
        let mut writer = partitions.writer();
        let outcome: Result<(), Error> = (0..10_000).try_for_each(|number| writer.push(0, &[number; 4]));
        assert!(outcome.unwrap_err().to_string().contains("/nowhere"));
    }
}
