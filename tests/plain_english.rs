//! The documentation, the source and the deployment are plain English: they contain none of the retired phrases and
//! names, and what operators read uses the terms of the trade.
//!
//! `CONTRIBUTING.md` lists the phrases and terms, with what to write instead. Whether a sentence is good is for its
//! readers to judge.

use std::path::{Path, PathBuf};

/// The folders whose Markdown files are read, without the folders inside them.
const FOLDERS: [&str; 3] = ["", "docs", "docs/runbooks"];
/// The folders whose Rust files are read, with the folders inside them.
const SOURCES: [&str; 31] = [
    "benches",
    "correlator",
    "crates/access",
    "crates/api",
    "crates/build-identity",
    "crates/bus",
    "crates/camera-formats",
    "crates/event-files",
    "crates/judging",
    "crates/ledger",
    "crates/ledger-stores",
    "crates/matching",
    "crates/operator-page",
    "crates/parking",
    "crates/recorder",
    "crates/redis-cache",
    "crates/replay",
    "crates/service-kit",
    "crates/sessions",
    "crates/settings",
    "crates/simulator",
    "crates/testbed",
    "crates/tls",
    "crates/web-api",
    "crates/webhooks",
    "entry-service",
    "exit-service",
    "gateway",
    "src",
    "summary-api",
    "tests",
];
/// The files and folders of the deployment, all of whose text is read.
const DEPLOYMENT: [&str; 6] = [".env.example", ".github", "deploy", "docker-compose.yml", "grafana", "prometheus.yml"];
/// The files and folders whose texts operators read: the page, its guide, dashboards, alerts and runbooks.
const VISIBLE: [&str; 5] = [
    "crates/operator-page/src",
    "deploy/prometheus/alerts.rules.yml",
    "docs/operators-guide.md",
    "docs/runbooks",
    "grafana/dashboards",
];
/// The terms that the guide of operators explains.
const GLOSSARY: [&str; 16] = [
    "90th percentile",
    "capacity",
    "dead letter",
    "dependency",
    "dwell time",
    "free spaces",
    "latency",
    "match rate",
    "median stay",
    "occupancy",
    "optimistic-lock retry",
    "overstay",
    "queue delay",
    "queue depth",
    "turnover",
    "uptime",
];
/// The history of measurements keeps the words in which it was written.
const HISTORY: &str = "docs/performance-notes.md";
const LIST: &str = "CONTRIBUTING.md";
/// From here on, the list and its examples quote what is retired.
const RULES: &str = "\n## Plain English\n";
const PHRASES: &str = "\n### Retired phrases\n";
const TERMS: &str = "\n### Refused terms\n";
const GONE: &str = "\n### Names that are gone\n";
/// All sources, also those whose prose is not read.
const ALL_SOURCES: [&str; 9] =
    ["benches", "correlator", "crates", "entry-service", "exit-service", "gateway", "src", "summary-api", "tests"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(file: &str) -> String {
    std::fs::read_to_string(root().join(file)).unwrap()
}

/// What the first column of the list under `heading` quotes.
fn listed(heading: &str) -> Vec<String> {
    let text = read(LIST);
    let section = text.split(heading).nth(1).unwrap().split("\n#").next().unwrap();
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

/// The files below a folder, or the file itself.
fn all_files(path: &Path, files: &mut Vec<PathBuf>) {
    if path.is_file() {
        files.push(path.to_owned());
        return;
    }
    for entry in std::fs::read_dir(path).unwrap() {
        all_files(&entry.unwrap().path(), files);
    }
}

/// The files of these files and folders, sorted.
fn files_of(paths: &[&str]) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for path in paths {
        all_files(&root().join(path), &mut files);
    }
    files.sort();
    files
}

fn is_rust(file: &Path) -> bool {
    file.extension().is_some_and(|extension| extension == "rs")
}

/// Which of the phrases are in which of the files, after `text_of` has picked the text to read.
fn found_in(files: &[PathBuf], phrases: &[String], text_of: fn(&str) -> String) -> Vec<String> {
    let found_in_one = |file: &PathBuf| {
        let words = words(&text_of(&std::fs::read_to_string(file).unwrap()));
        let shown = file.strip_prefix(root()).unwrap().display().to_string();
        let found = phrases.iter().filter(|phrase| has(&words, phrase));
        found.map(|phrase| format!("{shown}: {phrase}")).collect::<Vec<_>>()
    };
    files.iter().flat_map(found_in_one).collect()
}

/// A source file as prose: without the marks of comments, which stand between the words of a sentence of several lines.
fn prose(source: &str) -> String {
    let without_marks = |line: &str| line.trim_start().trim_start_matches(['/', '!', '#']).to_owned();
    source.lines().map(without_marks).collect::<Vec<_>>().join("\n")
}

/// The string literals of a source file, one a line: what a page shows is among them, names and comments are not.
fn literals(source: &str) -> String {
    let is_code = |line: &&str| !line.trim_start().starts_with("//");
    let in_line = |line: &str| line.split('"').skip(1).step_by(2).collect::<Vec<_>>().join("\n");
    source.lines().filter(is_code).map(in_line).collect::<Vec<_>>().join("\n")
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
    let retired = listed(PHRASES);
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
    let mut files = files_of(&SOURCES);
    files.retain(|file| is_rust(file) && *file != this_file);
    assert!(files.len() > 200, "{}", files.len());
    assert_eq!(found_in(&files, &listed(PHRASES), prose), Vec::<String>::new(), "{LIST} has what to write instead");
}

#[test]
fn no_source_has_a_name_that_is_gone() {
    let text = read(LIST);
    let section = text.split(GONE).nth(1).unwrap().split("\n#").next().unwrap();
    let names: Vec<&str> = section.split('`').skip(1).step_by(2).filter(|name| !name.contains('/')).collect();
    assert!(names.len() > 10, "{names:?}");
    let mut found = Vec::new();
    for file in files_of(&ALL_SOURCES).into_iter().filter(|file| is_rust(file)) {
        let source = std::fs::read_to_string(&file).unwrap();
        let shown = file.strip_prefix(root()).unwrap().display();
        found.extend(names.iter().filter(|name| has(&source, name)).map(|name| format!("{shown}: {name}")));
    }
    assert_eq!(found, Vec::<String>::new(), "{LIST} has what to write instead");
}

#[test]
fn the_deployment_has_no_retired_phrase() {
    let mut files = files_of(&DEPLOYMENT);
    files.retain(|file| !file.components().any(|part| part.as_os_str() == "__pycache__"));
    assert!(files.len() > 20, "{}", files.len());
    assert_eq!(found_in(&files, &listed(PHRASES), prose), Vec::<String>::new(), "{LIST} has what to write instead");
}

#[test]
fn what_operators_read_uses_no_refused_term() {
    let refused = listed(TERMS);
    assert!(refused.len() > 20, "{refused:?}");
    let (pages, texts): (Vec<_>, Vec<_>) = files_of(&VISIBLE).into_iter().partition(|file| is_rust(file));
    let texts: Vec<_> = texts.into_iter().filter(|file| file.extension().is_some_and(|name| name != "css")).collect();
    assert!(pages.len() > 20 && texts.len() > 20, "{} and {}", pages.len(), texts.len());
    let found = [found_in(&pages, &refused, literals), found_in(&texts, &refused, prose)].concat();
    assert_eq!(found, Vec::<String>::new(), "{LIST} has what to write instead");
}

#[test]
fn the_operators_guide_explains_every_term_of_the_glossary() {
    let guide = read("docs/operators-guide.md").to_lowercase();
    let rows: Vec<&str> = guide.lines().filter_map(|line| line.strip_prefix("| ")?.split(" |").next()).collect();
    let is_explained = |term: &&str| rows.iter().any(|row| has(row, term));
    let missing: Vec<&str> = GLOSSARY.into_iter().filter(|term| !is_explained(term)).collect();
    assert_eq!(missing, Vec::<&str>::new());
}

#[test]
fn a_phrase_is_found_over_the_end_of_a_line_and_only_in_whole_words() {
    assert!(has(&words("The client is\n  told why."), "is told"));
    assert!(has(&words("The same, but later."), "the same,"));
    assert!(!has(&words("We recommend this."), "mend"));
    assert!(has(&words(&prose("    /// It waits for so\n    /// long.\n")), "for so long"));
}
