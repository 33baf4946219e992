//! The border behind which the rows of the ledger stay: what a face gets has its plates and ids as its principal may
//! see them, so no face can forget to mask one.

use super::{files_with, root, rust_files};

const ROWS: [&str; 3] = ["SessionRow", "EventRow", "ChangeRow"];

#[test]
fn no_face_names_a_row_of_the_ledger() {
    let faces = ["crates/api/", "crates/web-api/", "crates/operator-page/", "summary-api/", "src/"];
    let naming = files_with(&ROWS);
    assert!(naming.iter().any(|file| file.starts_with("crates/sessions/")));
    assert_eq!(
        naming.iter().filter(|file| faces.iter().any(|face| file.starts_with(face))).collect::<Vec<_>>(),
        [""; 0]
    );
}

/// The functions of `ScopedService` are those that a face calls.
#[test]
fn no_function_that_a_face_calls_returns_a_row_of_the_ledger() {
    let folder = root().join("crates/sessions/src");
    let files = rust_files(&folder.join("scoped")).into_iter().chain(rust_files(&folder.join("seen")));
    let mut functions = 0;
    for file in files.chain([folder.join("streams.rs"), folder.join("story.rs"), folder.join("changes.rs")]) {
        let text = std::fs::read_to_string(&file).unwrap();
        for begin in ["    pub fn ", "    pub async fn ", "    pub const fn "] {
            for (at, _) in text.match_indices(begin) {
                let signature = &text[at..at + text[at..].find('{').unwrap()];
                assert!(ROWS.iter().all(|row| !signature.contains(row)), "{}: {signature}", file.display());
                functions += 1;
            }
        }
    }
    assert!(functions > 30, "only {functions} functions were found");
}

/// Nor does a public member of what they return.
#[test]
fn no_public_member_of_an_answer_is_a_row_of_the_ledger() {
    let members: Vec<String> = rust_files(&root().join("crates/sessions/src"))
        .iter()
        .flat_map(|file| std::fs::read_to_string(file).unwrap().lines().map(str::to_owned).collect::<Vec<_>>())
        .filter(|line| line.trim_start().starts_with("pub ") && line.contains(": ") && !line.contains("fn "))
        .collect();
    assert!(members.iter().any(|member| member.contains("SeenSession")));
    let naming = members.iter().filter(|member| ROWS.iter().any(|row| member.contains(row)));
    assert_eq!(naming.collect::<Vec<_>>(), Vec::<&String>::new());
}
