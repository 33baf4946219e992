//! The documentation and the source are plain English: they contain none of the retired phrases.
//!
//! `CONTRIBUTING.md` lists the phrases, with what to write instead. Whether a sentence is good is for its readers to judge.

use std::path::{Path, PathBuf};

/// The folders whose Markdown files are read, without the folders inside them.
const FOLDERS: [&str; 3] = ["", "docs", "docs/runbooks"];
/// The folders whose Rust files are read, with the folders inside them.
const SOURCES: [&str; 18] = [
    "correlator",
    "crates/bus",
    "crates/camera-formats",
    "crates/event-files",
    "crates/judging",
    "crates/matching",
    "crates/recorder",
    "crates/redis-cache",
    "crates/replay",
    "crates/service-kit",
    "crates/settings",
    "crates/simulator",
    "crates/testbed",
    "entry-service",
    "exit-service",
    "gateway",
    "src",
    "tests",
];
/// The history of measurements keeps the words in which it was written.
const HISTORY: &str = "docs/performance-notes.md";
const LIST: &str = "CONTRIBUTING.md";
/// From here on, the list and its examples quote what is retired.
const RULES: &str = "\n## Plain English\n";
const PHRASES: &str = "\n### Retired phrases\n";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(file: &str) -> String {
    std::fs::read_to_string(root().join(file)).unwrap()
}

/// What the first column of the list quotes.
fn retired_phrases() -> Vec<String> {
    let text = read(LIST);
    let section = text.split(PHRASES).nth(1).unwrap().split("\n#").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    let quoted = rows.filter_map(|row| row.split('|').nth(1)).flat_map(|cell| cell.split('`').skip(1).step_by(2));
    quoted.map(str::to_owned).collect()
}

/// The Markdown files, from the root.
fn pages() -> Vec<String> {
    let mut pages = Vec::new();
    for folder in FOLDERS {
        for entry in std::fs::read_dir(root().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "md") {
                pages.push(path.strip_prefix(root()).unwrap().to_string_lossy().into_owned());
            }
        }
    }
    pages.retain(|page| page != HISTORY);
    pages.sort();
    pages
}

/// The Rust files below a folder.
fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// A source file as prose: without the marks of comments, which stand between the words of a sentence of several lines.
fn prose(source: &str) -> String {
    let without_marks = |line: &str| line.trim_start().trim_start_matches(['/', '!']).to_owned();
    source.lines().map(without_marks).collect::<Vec<_>>().join("\n")
}

/// The words of a text in lower case with one blank between them: a phrase may go over the end of a line.
fn words(text: &str) -> String {
    text.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether `words` has the phrase, not only as a part of longer words.
fn has(words: &str, phrase: &str) -> bool {
    let is_part_of_word =
        |neighbour: Option<char>| neighbour.is_some_and(|letter| letter.is_alphanumeric() || letter == '_');
    words.match_indices(phrase).any(|(begin, _)| {
        let (before, after) = (&words[..begin], &words[begin + phrase.len()..]);
        !is_part_of_word(before.chars().next_back()) && !is_part_of_word(after.chars().next())
    })
}

#[test]
fn the_documentation_has_no_retired_phrase() {
    let retired = retired_phrases();
    assert!(retired.len() > 20, "{retired:?}");
    let mut found = Vec::new();
    for page in pages() {
        let text = read(&page);
        let text = if page == LIST { text.split(RULES).next().unwrap() } else { text.as_str() };
        let words = words(text);
        found.extend(retired.iter().filter(|phrase| has(&words, phrase)).map(|phrase| format!("{page}: {phrase}")));
    }
    assert_eq!(found, Vec::<String>::new(), "{LIST} has what to write instead");
}

#[test]
fn the_source_has_no_retired_phrase() {
    let this_file = root().join("tests/plain_english.rs");
    let retired = retired_phrases();
    let mut files = Vec::new();
    for folder in SOURCES {
        rust_files(&root().join(folder), &mut files);
    }
    files.retain(|file| *file != this_file);
    files.sort();
    assert!(files.len() > 200, "{}", files.len());
    let mut found = Vec::new();
    for file in files {
        let words = words(&prose(&std::fs::read_to_string(&file).unwrap()));
        let shown = file.strip_prefix(root()).unwrap().display();
        found.extend(retired.iter().filter(|phrase| has(&words, phrase)).map(|phrase| format!("{shown}: {phrase}")));
    }
    assert_eq!(found, Vec::<String>::new(), "{LIST} has what to write instead");
}

#[test]
fn a_phrase_is_found_over_the_end_of_a_line_and_only_in_whole_words() {
    assert!(has(&words("The client is\n  told why."), "is told"));
    assert!(has(&words("The same, but later."), "the same,"));
    assert!(!has(&words("We recommend this."), "mend"));
    assert!(has(&words(&prose("    /// It waits for so\n    /// long.\n")), "for so long"));
}
