//! The port through which a reading says how far it is.
//!
//! What becomes of it (a bar on a terminal, or nothing) is left to the caller.

use std::fmt::Debug;

/// Is told how a reading goes, from any of its threads.
pub trait Observer: Debug + Send + Sync {
    /// This many more bytes of the files were read, before decompression.
    fn advance(&self, bytes: u64);
    /// What is being done now, for instance the name of the file that is being read.
    fn show(&self, step: &str);
    /// A line for the person who started the reading.
    fn say(&self, line: &str);
}

/// Ignores everything.
#[cfg(test)]
pub(crate) fn silent() -> std::sync::Arc<dyn Observer> {
    #[derive(Debug)]
    struct Silent;
    impl Observer for Silent {
        fn advance(&self, _: u64) {}
        fn show(&self, _: &str) {}
        fn say(&self, _: &str) {}
    }
    std::sync::Arc::new(Silent)
}
