//! Runs the examples of `docs/cameras.md`: of each section the gate, the message, and the event that comes of it.
//!
//! `UPDATE_GOLDEN=1` writes the events that are made now; look at the difference before it is kept.

use std::collections::BTreeSet;
use std::path::Path;

use parking::Timestamp;
use serde::Deserialize;

use crate::{Delivery, Format, Gate, RecentCars, WrittenGate, read};

#[derive(Deserialize)]
struct File {
    gates: Vec<WrittenGate>,
}

/// The block of this kind in a section, and where its text stands.
fn block<'t>(section: &'t str, kind: &str) -> Option<(std::ops::Range<usize>, &'t str)> {
    let opening = format!("```{kind}\n");
    let start = section.find(&opening)? + opening.len();
    let end = start + section[start..].find("\n```")?;
    Some((start..end, &section[start..end]))
}

#[test]
fn the_examples_of_the_documentation_are_what_happens() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/cameras.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let received = Timestamp::parse_rfc3339("2026-11-18T11:06:42Z").unwrap();
    let mut formats = BTreeSet::new();
    let mut updated = String::new();
    for section in text.split_inclusive("\n## ") {
        let example = block(section, "toml").zip(block(section, "json event"));
        let Some(((_, toml), (place, expected))) = example else {
            updated.push_str(section);
            continue;
        };
        let message = block(section, "json message").or_else(|| block(section, "xml message"));
        let file: File = toml::from_str(toml).unwrap();
        let [gate] = file.gates.try_into().ok().unwrap();
        let gate = Gate::check(gate).unwrap();
        formats.insert(gate.format);
        let delivery = Delivery::new(message.unwrap().1.as_bytes(), received);
        let outcome = read(&delivery, &gate, &mut RecentCars::default()).unwrap();
        let events: Vec<String> = outcome.reads.iter().map(|read| String::from_utf8(read.to_json()).unwrap()).collect();
        if !update {
            assert_eq!(events.join("\n"), expected, "{}", gate.format);
        }
        updated.push_str(&section[..place.start]);
        updated.push_str(&events.join("\n"));
        updated.push_str(&section[place.end..]);
    }
    assert_eq!(formats, Format::ALL.into_iter().collect(), "each format has an example");
    if update {
        std::fs::write(path, updated).unwrap();
    }
}
