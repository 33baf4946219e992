//! Formats findings for people and for programs. Pure: the caller prints.

use std::fmt::Write as _;

use parking::printable;
use serde_json::json;
use settings::Row;

use super::finding::{Finding, Verdict};

/// Longer subjects are not aligned.
const SUBJECT_WIDTH_MAX: usize = 24;

/// One line per finding, with cause and fix below problems, and a last line of counts.
pub(in crate::commands) fn text(findings: &[Finding], is_coloured: bool) -> String {
    let width = findings.iter().map(|finding| finding.subject.chars().count()).max().unwrap_or(0);
    let width = width.min(SUBJECT_WIDTH_MAX);
    let mut text: String = findings.iter().map(|finding| lines(finding, width, is_coloured)).collect();
    text.push_str(&counted(findings));
    text
}

/// One JSON object, with the effective settings if there are any.
pub(super) fn json(findings: &[Finding], settings: Option<&[Row]>) -> String {
    let verdict = findings.iter().map(|finding| finding.verdict).max().unwrap_or(Verdict::Ok);
    let mut object = json!({"verdict": verdict, "findings": findings});
    if let Some(rows) = settings {
        let row = |row: &Row| json!({"name": row.name, "value": row.value, "origin": origin(row)});
        object["settings"] = rows.iter().map(row).collect();
    }
    format!("{object:#}\n")
}

/// One line per setting: its name, its effective value, and the origin of the value.
pub(in crate::commands) fn table(rows: &[Row]) -> String {
    let name_width = rows.iter().map(|row| row.name.len()).max().unwrap_or(0);
    let origin_width = rows.iter().map(|row| origin(row).len()).max().unwrap_or(0);
    let line = |row: &Row| {
        let value = printable::one_line(row.value.as_deref().unwrap_or_default());
        format!("{:<name_width$}  {:<origin_width$}  {value}\n", row.name, origin(row)).replace("  \n", "\n")
    };
    rows.iter().map(line).collect::<String>() + "\n"
}

fn origin(row: &Row) -> &'static str {
    if row.value.is_none() { "not set" } else { row.origin.as_str() }
}

fn lines(finding: &Finding, width: usize, is_coloured: bool) -> String {
    let (mark, word, colour) = match finding.verdict {
        Verdict::Ok => ("✓", "ok", 32),
        Verdict::Warning => ("!", "warning", 33),
        Verdict::Failed => ("✗", "failed", 31),
        Verdict::Wrong => ("✗", "wrong", 31),
    };
    let verdict = format!("{mark} {word:<7}");
    let verdict = if is_coloured { format!("\u{1b}[{colour}m{verdict}\u{1b}[0m") } else { verdict };
    let Finding { subject, seen, .. } = finding;
    let (subject, seen) = (printable::one_line(subject), printable::one_line(seen));
    let mut lines = format!("{verdict}  {subject:<width$}  {seen}\n").replace("  \n", "\n");
    for (name, said) in [("cause", &finding.cause), ("allowed", &finding.allowed), ("fix", &finding.fix)] {
        if let Some(said) = said {
            // Keeps the lines of a text of several lines, such as the error of a file.
            let said = printable::lines(said.trim_end()).replace('\n', "\n                    ");
            writeln!(lines, "           {name:<7}  {said}").expect("a string takes all that is written");
        }
    }
    lines
}

fn counted(findings: &[Finding]) -> String {
    let count = |verdict| findings.iter().filter(|finding| finding.verdict == verdict).count();
    let words =
        [(Verdict::Ok, "ok"), (Verdict::Warning, "warned of"), (Verdict::Failed, "failed"), (Verdict::Wrong, "wrong")];
    let counts = words.map(|(verdict, word)| (count(verdict), word));
    let said: Vec<String> =
        counts.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}")).collect();
    if said.is_empty() { "nothing to look at\n".to_owned() } else { said.join(", ") + "\n" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings() -> Vec<Finding> {
        vec![
            Finding::ok("port", "127.0.0.1:5000 is free"),
            Finding::ok("redis", "redis://127.0.0.1/0").warns("no room soon", "CONFIG SET …"),
            Finding {
                allowed: Some("a duration".to_owned()),
                ..Finding::ok("DWELL_HOLD", "soon").is_wrong("it is none", "set it")
            },
        ]
    }

    #[test]
    fn a_finding_is_a_line_with_cause_and_fix_below() {
        let expected = "\
✓ ok       port        127.0.0.1:5000 is free
! warning  redis       redis://127.0.0.1/0
           cause    no room soon
           fix      CONFIG SET …
✗ wrong    DWELL_HOLD  soon
           cause    it is none
           allowed  a duration
           fix      set it
1 ok, 1 warned of, 1 wrong
";
        assert_eq!(text(&findings(), false), expected);
        assert!(text(&findings(), true).starts_with("\u{1b}[32m✓ ok     \u{1b}[0m  port "));
        assert_eq!(text(&[], false), "nothing to look at\n");
    }

    #[test]
    fn programs_read_the_same_as_json() {
        let read: serde_json::Value = serde_json::from_str(&json(&findings(), None)).unwrap();

        assert_eq!(read["verdict"], "wrong");
        assert_eq!(read["findings"][0], json!({"subject": "port", "verdict": "ok", "seen": "127.0.0.1:5000 is free"}));
        assert_eq!(read["findings"][2]["allowed"], "a duration");
    }
}
