//! The text forms of Dahua's events: `Code=…;action=…;data={…}` of the event manager, and one member a line
//! (`Events[0].TrafficCar.PlateNumber=…`) of the snap manager.

use parking::Refusal;

use crate::body::{Tree, parse_json};

/// The most events of a text, and the most members of one.
const MAX_EVENTS: usize = 256;
const MAX_LINES: usize = 2_000;
/// The most steps of a member's name.
const MAX_STEPS: usize = 8;

/// The events of a text, each in the shape of the RPC's.
pub(super) fn parse(text: &str) -> Result<Vec<Tree>, Refusal> {
    if text.contains("Events[") {
        return lines(text).map(|tree| vec![tree]);
    }
    let starts: Vec<usize> = text
        .match_indices("Code=")
        .map(|(at, _)| at)
        .filter(|at| *at == 0 || text[..*at].ends_with('\n'))
        .take(MAX_EVENTS + 1)
        .collect();
    if starts.len() > MAX_EVENTS {
        return Err(Refusal::new("body", format!("has more than {MAX_EVENTS} events")));
    }
    let ends = starts.iter().skip(1).copied().chain([text.len()]);
    starts.iter().zip(ends).map(|(start, end)| event(&text[*start..end])).collect()
}

fn event(text: &str) -> Result<Tree, Refusal> {
    let (head, data) = text.split_once(";data=").unwrap_or((text, ""));
    let mut event = Tree::Nothing;
    for member in head.trim().split(';') {
        if let Some((name, value)) = member.split_once('=') {
            event.put(&[name.trim()], Tree::Text(value.trim().into()));
        }
    }
    if !data.trim().is_empty() {
        event.put(&["Data"], parse_json(data.trim().as_bytes())?);
    }
    Ok(event)
}

fn lines(text: &str) -> Result<Tree, Refusal> {
    let mut tree = Tree::Nothing;
    for (count, line) in text.lines().enumerate() {
        if count == MAX_LINES {
            return Err(Refusal::new("body", format!("has more than {MAX_LINES} lines")));
        }
        let Some((name, value)) = line.split_once('=') else { continue };
        let steps: Vec<&str> = name.trim().split(['.', '[', ']']).filter(|step| !step.is_empty()).collect();
        if steps.len() > MAX_STEPS {
            return Err(Refusal::new("body", "has a member's name of more than 8 steps"));
        }
        let value = value.trim();
        if !steps.is_empty() && value.len() <= crate::MAX_TEXT_BYTES {
            tree.put(&steps, Tree::Text(value.into()));
        }
    }
    // Places of the list of events became names.
    let Some(Tree::Map(members)) = tree.at("Events") else { return Ok(Tree::Nothing) };
    let events = members.iter().map(|(_, event)| event.clone()).collect();
    Ok(Tree::Map(vec![("Events".into(), Tree::List(events))]))
}
