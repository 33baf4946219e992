//! `dwell simulate` and `dwell score` show what the rules do: the commands of the documentation print what stands
//! there.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

const MISREADS: &str = include_str!("../docs/misreads.md");

fn run(folder: &Path, words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_dwell")).args(words).current_dir(folder).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Runs a command that has to succeed; its standard output.
fn done(folder: &Path, command: &str) -> String {
    let ran = run(folder, &command.split_whitespace().collect::<Vec<_>>());
    assert!(ran.status.success(), "{command}: {}", text(&ran.stderr));
    text(&ran.stdout)
}

/// Runs a command that has to fail; what it reports.
fn failed(folder: &Path, command: &str) -> String {
    let ran = run(folder, &command.split_whitespace().collect::<Vec<_>>());
    assert_eq!(ran.status.code(), Some(1), "{command}");
    text(&ran.stderr)
}

/// The indented commands of the page that begin with `dwell`, each with the indented lines that follow it.
fn shown(page: &str) -> Vec<(String, Vec<String>)> {
    let mut shown: Vec<(String, Vec<String>)> = Vec::new();
    for line in page.lines() {
        let Some(line) = line.strip_prefix("    ") else { continue };
        match (line.strip_prefix("dwell "), shown.last_mut()) {
            (Some(command), _) => shown.push((command.to_owned(), Vec::new())),
            (None, Some((_, printed))) => printed.push(line.to_owned()),
            (None, None) => {}
        }
    }
    shown
}

#[test]
fn the_commands_of_the_page_on_misreads_print_what_it_shows() {
    let folder = tempfile::tempdir().unwrap();
    let shown = shown(MISREADS);
    assert!(shown.iter().filter(|(command, _)| command.starts_with("score")).count() >= 2, "{shown:?}");
    for (command, expected) in shown {
        let printed = done(folder.path(), &command);
        assert_eq!(printed.lines().collect::<Vec<_>>(), expected, "dwell {command}");
    }
}

#[test]
fn one_seed_always_makes_the_same_files_and_another_one_others() {
    let folder = tempfile::tempdir().unwrap();
    let made = |seed: u32, name: &str| {
        let (events, truth) = (format!("{name}.ndjson"), format!("{name}.csv"));
        let more = "--inside 20 --days 2 --re-read-share 0.1";
        done(folder.path(), &format!("simulate --events {events} --truth {truth} --seed {seed} {more}"));
        [events, truth].map(|file| fs::read_to_string(folder.path().join(file)).unwrap())
    };
    let (one, again, other) = (made(1, "one"), made(1, "again"), made(2, "other"));
    assert!(one == again && one != other);
    assert!(one[1].lines().skip(1).any(|row| !row.ends_with(',')), "no passage was read twice");
}

#[test]
fn arrivals_and_lengths_can_be_those_of_a_session_file() {
    let folder = tempfile::tempdir().unwrap();
    let own =
        "entry_event_id,exit_event_id,entry_date_time,exit_date_time\n,,2024-09-24T09:30:00Z,2024-09-24T10:30:00Z\n";
    fs::write(folder.path().join("own.csv"), own).unwrap();
    done(folder.path(), "simulate --events e.ndjson --truth t.csv --stays own.csv --inside 50 --days 2");
    let truth = fs::read_to_string(folder.path().join("t.csv")).unwrap();
    let entered = |row: &str| row.split(',').nth(3).is_some_and(|time| time.contains("T09:30:"));
    assert!(truth.lines().count() > 50 && truth.lines().skip(1).all(entered), "{truth}");

    fs::write(folder.path().join("own.csv"), "entry_date_time,exit_date_time\n").unwrap();
    let said = failed(folder.path(), "simulate --events e.ndjson --truth t.csv --stays own.csv");
    assert!(said.contains("own.csv has no stay with both times"), "{said}");
}

#[test]
fn each_exit_that_is_wrong_is_listed() {
    let folder = tempfile::tempdir().unwrap();
    done(
        folder.path(),
        "simulate --events e.ndjson --truth t.csv --inside 40 --lost-entry-share 0.2 --misread-share 0.2",
    );
    done(folder.path(), "replay e.ndjson --sessions s.csv --misreads");
    let figures = done(folder.path(), "score s.csv --truth t.csv --mistakes m.csv");
    let figure = |name: &str, word: usize| {
        let line = figures.lines().find(|line| line.trim_start().starts_with(name)).unwrap();
        let words: Vec<&str> = line.split_whitespace().collect();
        words[word].replace(',', "").parse::<usize>().unwrap()
    };
    let mistakes = fs::read_to_string(folder.path().join("m.csv")).unwrap();
    let listed = |kind: &str| mistakes.lines().filter(|line| line.starts_with(kind)).count();
    let (found, with_entry, matches) = (figure("recall", 3), figure("recall", 5), figure("precision", 5));
    assert!(listed("missed,") > 0 && found > 0, "{figures}");
    let not_own = listed("wrong_vehicle,") + listed("other_stay,") + listed("false_match,");
    assert_eq!(matches - found, not_own, "{figures}{mistakes}");
    assert!(with_entry - found >= listed("missed,"), "{figures}");
}

#[test]
fn what_can_not_be_judged_is_refused_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let simulate = "--inside 5 --days 1";
    done(folder.path(), &format!("simulate --events a.ndjson --truth a.csv --seed 1 {simulate}"));
    done(folder.path(), &format!("simulate --events b.ndjson --truth b.csv --seed 2 {simulate}"));
    done(folder.path(), "replay a.ndjson --sessions s.csv");
    for (command, reason) in [
        ("score s.csv --truth b.csv", "no event of the truth is in the session files"),
        ("score s.csv --truth a.csv --truth a.csv", "twice: simulate each lot with a --seed of its own"),
        ("score s.csv --truth a.csv --from 2034-01-01T00:00:00Z", "is --from later than all of them?"),
        ("score s.csv --truth none.csv", "cannot open none.csv"),
        ("score a.ndjson --truth a.csv", "a.ndjson is not a session file"),
        ("simulate --events a --truth a", "--events and --truth name the same file"),
        ("simulate --events a --truth b --inside 100000 --days 60", "stays are too many"),
    ] {
        let said = failed(folder.path(), command);
        assert!(said.contains(reason), "{command}: {said}");
    }
}
