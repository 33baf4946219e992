//! The port by which a reading reports its progress.
//!
//! The caller displays it, for instance as a bar on a terminal.

use std::fmt::Debug;

/// Receives the progress of a reading, from any of its threads.
pub trait Observer: Debug + Send + Sync {
    /// This many more bytes of the files were read, before decompression.
    fn advance(&self, bytes: u64);
    /// The current activity, for instance the name of the file.
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
