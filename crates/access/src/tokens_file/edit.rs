//! Changes to the text of a tokens file that keep the operator's comments and order.

use std::fmt::Write as _;

use crate::{Gates, Lots, Scope, TokenId, TokenRecord, Tokens, TokensFileError};

/// What every new file begins with.
const HEADER: &str = "# The tokens that the summary API accepts (DWELL_TOKENS_FILE). It holds hashes, not tokens.\n";

/// Why a token can't be taken out of a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RevokeFault {
    /// The file can't be read.
    #[error("{0}")]
    File(#[from] TokensFileError),
    /// The token is not in it.
    #[error("no token has the id {0}; dwell token list shows the ids")]
    Unknown(TokenId),
    /// The token is written as an inline table, so no lines of the file belong to it alone.
    #[error("the token {0} has no [[token]] table of its own lines; take it out of the file by hand")]
    OtherForm(TokenId),
}

impl Tokens {
    /// The text of a tokens file with one more token at its end.
    ///
    /// # Errors
    /// The file can't be read, or has a token with this id.
    pub fn file_with(text: &str, record: &TokenRecord) -> Result<String, TokensFileError> {
        Self::parse_file(text)?;
        let mut longer = if text.is_empty() { HEADER.to_owned() } else { text.to_owned() };
        if !longer.ends_with('\n') {
            longer.push('\n');
        }
        longer.push('\n');
        longer.push_str(&table(record));
        Self::parse_file(&longer)?;
        Ok(longer)
    }

    /// The text of a tokens file with exactly these tokens.
    pub fn file_of<'a>(records: impl IntoIterator<Item = &'a TokenRecord>) -> String {
        let tables: Vec<String> = records.into_iter().map(table).collect();
        tables.join("\n")
    }

    /// The text of a tokens file without one of its tokens.
    ///
    /// # Errors
    /// The file can't be read, or the token is not in it.
    pub fn file_without(text: &str, id: TokenId) -> Result<String, RevokeFault> {
        let before = Self::parse_file(text)?;
        if !before.records().any(|record| record.id == id) {
            return Err(RevokeFault::Unknown(id));
        }
        let has_id = |part: &str| Self::parse_file(part).is_ok_and(|one| one.records().any(|record| record.id == id));
        let shorter: String = parts(text).filter(|part| !has_id(part)).collect();
        let expected = before.records().filter(|record| record.id != id);
        match Self::parse_file(&shorter) {
            Ok(after) if after.records().eq(expected) => Ok(shorter),
            Ok(_) | Err(_) => Err(RevokeFault::OtherForm(id)),
        }
    }
}

/// The text in parts: what is before the first table, and each table with its lines.
fn parts(text: &str) -> impl Iterator<Item = &str> {
    let mut starts: Vec<usize> = vec![0];
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if at > 0 && line.trim_start().starts_with("[[") {
            starts.push(at);
        }
        at += line.len();
    }
    let ends: Vec<usize> = starts.iter().skip(1).copied().chain([text.len()]).collect();
    starts.into_iter().zip(ends).map(|(start, end)| &text[start..end])
}

/// The table of one token.
fn table(record: &TokenRecord) -> String {
    let TokenRecord { id, name, hash, grant, created: _, expires, revoked } = record;
    let mut table = format!("[[token]]\nid = \"{id}\"\nname = {}\nhash = \"{}\"\n", quoted(name), hash.to_text());
    let scopes = list(grant.scopes().iter().map(Scope::word));
    let mut line = |line: String| writeln!(table, "{line}").expect("a string takes all that is written");
    line(format!("scopes = {scopes}"));
    line(match grant.lots() {
        Lots::All => format!("lots = \"{}\"", Lots::ALL_WORD),
        Lots::Only(lots) => format!("lots = {}", list(lots.iter().map(parking::LotId::as_str))),
    });
    if let Gates::Only(gates) = grant.gates() {
        line(format!("gates = {}", list(gates.iter().map(parking::GateId::as_str))));
    }
    if let Some(expires) = expires {
        line(format!("expires = \"{expires}\""));
    }
    if let Some(revoked) = revoked {
        line(format!("revoked = \"{revoked}\""));
    }
    table
}

fn list<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let words: Vec<String> = words.map(quoted).collect();
    format!("[{}]", words.join(", "))
}

/// A basic string of TOML. Names have no control characters.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use parking::{GateId, LotId, Timestamp};

    use super::*;
    use crate::{Grant, Scopes, Token};

    const NOW: Timestamp = Timestamp::from_millis(0);

    fn record(seed: u8, name: &str, grant: Grant, expires: Option<Timestamp>) -> TokenRecord {
        TokenRecord::new(&Token::from_random(&[seed; Token::RANDOM_BYTES]), name.to_owned(), grant, NOW, expires)
    }

    fn reader() -> Grant {
        Grant::new(Scopes::parse("read,read_plate").unwrap(), Lots::All, Gates::All).unwrap()
    }

    #[test]
    fn a_written_token_is_read_as_it_was() {
        let gates = Gates::only([GateId::parse("P3-in-1").unwrap()]);
        let lots = Lots::only(["P3", "P4"].map(|lot| LotId::parse(lot).unwrap()));
        let gate = Grant::new(Scopes::parse("ingest").unwrap(), lots, gates).unwrap();
        let revoked = TokenRecord { revoked: Some(NOW), ..record(3, "lost", reader(), None) };
        let records = [
            record(1, "a \"quoted\" name \\ and a slash", reader(), None),
            record(2, "gate", gate, Some(Timestamp::from_millis(1_800_000_000_000))),
            revoked,
        ];

        let text = records.iter().fold(String::new(), |text, one| Tokens::file_with(&text, one).unwrap());

        let read = Tokens::parse_file(&text).unwrap();
        assert!(records.iter().all(|record| read.records().any(|read| read == record)), "{text}");
        assert!(Tokens::file_with(&text, &records[0]).unwrap_err().to_string().contains("known already"));
        let whole = Tokens::parse_file(&Tokens::file_of(&records)).unwrap();
        assert!(whole.records().eq(read.records()));
        assert_eq!(Tokens::parse_file(&Tokens::file_of([])).unwrap().records().count(), 0);
    }

    #[test]
    fn revoking_takes_out_one_table_and_keeps_the_rest_of_the_text() {
        let [one, other] = [record(1, "one", reader(), None), record(2, "other", reader(), None)];
        let begin = "# ours\n";
        let with_one = Tokens::file_with(begin, &one).unwrap();
        let both = Tokens::file_with(&with_one, &other).unwrap();

        let shorter = Tokens::file_without(&both, other.id).unwrap();
        let rest = Tokens::file_without(&both, one.id).unwrap();

        assert_eq!(shorter.trim_end(), with_one.trim_end());
        assert!(rest.starts_with(begin) && rest.contains("\"other\"") && !rest.contains("\"one\""), "{rest}");
        assert_eq!(Tokens::file_without(&rest, one.id), Err(RevokeFault::Unknown(one.id)));
        assert_eq!(
            Tokens::file_without(&Tokens::file_without(&rest, other.id).unwrap(), one.id),
            Err(RevokeFault::Unknown(one.id))
        );
    }

    #[test]
    fn a_token_in_another_form_is_left_to_the_operator() {
        let one = record(1, "one", reader(), None);
        let inline = format!(
            "token = [{{ id = \"{}\", name = \"one\", hash = \"{}\", scopes = [\"read\"], lots = \"*\" }}]\n",
            one.id,
            one.hash.to_text()
        );
        assert_eq!(Tokens::file_without(&inline, one.id), Ok(String::new()));
        let with_other = format!("{}, {}", inline.trim_end().trim_end_matches(']'), &inline["token = [".len()..])
            .replacen(&one.id.to_string(), &Token::from_random(&[9; Token::RANDOM_BYTES]).id().to_string(), 1);
        assert_eq!(Tokens::file_without(&with_other, one.id), Err(RevokeFault::OtherForm(one.id)));
    }
}
