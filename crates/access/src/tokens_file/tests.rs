//! Tokens files: what is taken, what is refused in which words, and that no error repeats a secret.

use super::*;
use crate::{Principal, Refused, Scopes, Token};

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

fn token(random: u8) -> Token {
    Token::from_random(&[random; Token::RANDOM_BYTES])
}

/// A whole entry, with `more` at its end.
fn entry(token: &Token, more: &str) -> String {
    let (id, hash) = (token.id(), token.hash().to_text());
    format!("[[token]]\nid = \"{id}\"\nname = \"gate\"\nhash = \"{hash}\"\n{more}\n")
}

fn principal(file: &str, shown: &Token) -> Result<Principal, Refused> {
    Tokens::parse_file(file).unwrap().authenticate(shown.expose(), NOW)
}

fn refused(file: &str) -> String {
    Tokens::parse_file(file).map(|_| ()).unwrap_err().to_string()
}

#[test]
fn tokens_of_a_file_are_known_with_what_they_are_given() {
    let file = entry(&token(1), "scopes = [\"ingest\"]\nlots = [\"P3\", \"P1\"]\ngates = [\"P3-in-1\"]")
        + "# a comment\n"
        + &entry(
            &token(2),
            "scopes = [\"read\", \"read_plate\"]\nlots = \"*\"\nexpires = \"2024-01-01T00:00:00+08:00\"",
        );

    let gate = principal(&file, &token(1)).unwrap();
    assert_eq!(gate.lots().to_string(), "P1,P3");
    assert_eq!(gate.grant().gates().to_string(), "P3-in-1");
    let reader = principal(&file, &token(2)).unwrap();
    assert_eq!(reader.grant().scopes(), Scopes::parse("read,read_plate").unwrap());
    assert_eq!((reader.lots(), reader.grant().gates()), (&Lots::All, &Gates::All));
    let later = Timestamp::parse_rfc3339("2023-12-31T16:00:00Z").unwrap();
    let expired = Tokens::parse_file(&file).unwrap().authenticate(token(2).expose(), later);
    assert_eq!(expired, Err(Refused::Expired));
}

#[test]
fn an_empty_file_is_one_without_tokens() {
    for text in ["", "\u{feff}# nothing yet\n"] {
        assert_eq!(Tokens::parse_file(text).unwrap().records().count(), 0);
    }
}

#[test]
fn what_is_wrong_is_said_with_line_token_and_member() {
    let id = token(1).id();
    let good = "scopes = [\"read\"]\nlots = \"*\"";
    for (file, expected) in [
        ("lots = [\"P1\"]".into(), "line 1: unexpected member; a tokens file has [[token]] tables only".into()),
        ("token = 1".into(), "line 1: unexpected member; a tokens file has [[token]] tables only".into()),
        (
            format!("{}extra = 1", entry(&token(1), good)),
            format!("line 7: unknown member; a token has {}", MEMBERS.join(", ")),
        ),
        (entry(&token(1), "lots = \"*\""), format!("line 1: token {id}: scopes is missing")),
        (
            entry(&token(1), "scopes = [\"read\",\n \"write\"]\nlots = \"*\""),
            format!(
                "line 6: token {id}: scopes: a part is not a scope; allowed are ingest, record, read, read_plate, correct and admin"
            ),
        ),
        (
            entry(&token(1), "scopes = \"read\"\nlots = \"*\""),
            format!(
                "line 5: token {id}: scopes is of the type string; expected is a list of texts in quotes, such as [\"one\", \"two\"]"
            ),
        ),
        (
            entry(&token(1), "scopes = [\"read\"]\nlots = [\"a b\"]"),
            format!("line 6: token {id}: lots: a part is not 1 to 64 of A-Z a-z 0-9 . _ -"),
        ),
        (
            entry(&token(1), "scopes = [\"admin\"]\nlots = [\"P1\"]"),
            format!(
                "line 1: token {id}: has the scope admin for some lots only; admin holds for all lots, so its lots have to be *"
            ),
        ),
        (
            entry(&token(1), "scopes = [\"read\"]\nlots = \"*\"\nexpires = \"tomorrow\""),
            format!("line 7: token {id}: expires is not an RFC 3339 date and time such as 2024-09-24T09:00:00.125Z"),
        ),
        (
            format!("{}{}", entry(&token(1), good), entry(&token(1), good)),
            format!("line 7: the token {id} is known already: an id stands once in a file"),
        ),
        (
            "[[token]]\nid = \"x\"".into(),
            "line 2: token: id is not a token's id of 8 letters and digits, such as k3v9x2ma".into(),
        ),
    ] {
        assert_eq!(refused(&file), expected, "{file}");
    }
}

#[test]
fn a_token_in_any_wrong_place_is_not_repeated() {
    let token = token(1);
    let secret = token.expose();
    let whole = entry(&token, "scopes = [\"read\"]\nlots = \"*\"");
    let hash = token.hash().to_text();
    let files = [
        whole.replace(&hash, secret),
        whole.replace("\"gate\"", &format!("\"{secret}\\n\"")),
        whole.replace("\"read\"", &format!("\"{secret}\"")),
        whole.replace("\"*\"", &format!("\"{secret} {secret}\"")),
        whole.replace("\"*\"", &format!("[\"{secret}!\"]")),
        whole.replace("\"*\"", secret),
        whole.replace(&format!("\"{}\"", token.id()), &format!("\"{secret}\"")),
        format!("{whole}{secret} = 1"),
        format!("{whole}lots.{secret} = 1"),
        format!("{whole}expires = \"{secret}\""),
        format!("{whole}expires = {secret}"),
        format!("{whole}gates = {secret}"),
        format!("[{secret}]\n[{secret}]"),
        format!("{secret} = 1\n{secret} = 2"),
        secret.to_owned(),
        format!("\"{secret}"),
    ];
    for file in files {
        let said = refused(&file);
        assert!(!said.contains(&secret[20..40]), "{said}");
        assert!(said.starts_with("line "), "{said}");
    }
}
