//! The arguments of commands that read files of gate events.
//!
//! The crate `event-files` reads the files.

use std::path::PathBuf;

use clap::{Arg, ArgMatches, value_parser};

const FILES: &str = "files";
const REFUSED: &str = "refused";

/// The arguments: the files, and the file for refused lines.
pub(crate) fn arguments() -> [Arg; 2] {
    [
        Arg::new(FILES)
            .value_name("FILE")
            .required(true)
            .num_args(1..)
            .value_parser(value_parser!(PathBuf))
            .help("Files of gate events: JSON or CSV, plain or gzip; - is standard input"),
        Arg::new(REFUSED)
            .long(REFUSED)
            .value_name("FILE")
            .value_parser(value_parser!(PathBuf))
            .help("Collect the lines that can't be taken in this file, and exit with 0 although there are some"),
    ]
}

/// The given files, and the file for refused lines.
///
/// # Errors
/// Standard input is named twice, or a file does not exist.
pub(crate) fn read(matches: &ArgMatches) -> Result<(Vec<PathBuf>, Option<PathBuf>), event_files::Error> {
    let files: Vec<PathBuf> = matches.get_many::<PathBuf>(FILES).into_iter().flatten().cloned().collect();
    event_files::check(&files)?;
    Ok((files, matches.get_one::<PathBuf>(REFUSED).cloned()))
}
