//! The tokens file, for operators who manage access by files: TOML, one table per token, with the token's hash.
//!
//! ```toml
//! [[token]]
//! id = "k3v9x2ma"
//! name = "north gate"
//! hash = "sha256:…"                        # as `dwell token create` prints it, or sha256sum of the token
//! scopes = ["ingest"]
//! lots = ["P3"]                            # or "*"
//! gates = ["P3-in-1"]                      # optional; for ingest only
//! expires = "2027-01-01T00:00:00Z"         # optional
//! revoked = "2026-12-01T00:00:00Z"         # optional: refused since then, with that reason
//! ```
//!
//! A gateway gets the tokens of a summary API in this form too.
//!
//! Errors name line, token and member, and never repeat a value: it might be a token in the wrong place. For that
//! reason the document is read by hand here: a deserializer's errors quote what they find.

use std::fmt::Display;
use std::ops::Range;

use parking::{GateId, LotId, Timestamp, text_file};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

mod edit;

pub use edit::RevokeFault;

use crate::{Gates, Grant, Lots, Scope, TokenHash, TokenId, TokenRecord, Tokens};

const MEMBERS: [&str; 8] = ["id", "name", "hash", "scopes", "lots", "gates", "expires", "revoked"];

/// Why a tokens file was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct TokensFileError {
    /// Where, from 1.
    pub line: usize,
    /// Which token and member, what is wrong, and what is allowed.
    pub problem: String,
}

/// A problem, and the bytes of the file that it is about.
type Placed = (Range<usize>, String);
type Value<'file> = Spanned<DeValue<'file>>;

impl Tokens {
    /// Reads the text of a tokens file. A token without `expires` holds until it is taken out of the file.
    ///
    /// # Errors
    /// The first thing that is wrong, and in which line.
    pub fn parse_file(text: &str) -> Result<Self, TokensFileError> {
        let text = text_file::without_byte_order_mark(text);
        read(text).map_err(|(span, problem)| TokensFileError { line: text_file::line_of(text, span.start), problem })
    }
}

fn read(text: &str) -> Result<Tokens, Placed> {
    let document = DeTable::parse(text).map_err(|error| (error.span().unwrap_or(0..0), syntax(error.message())))?;
    let mut tokens = Tokens::default();
    for (key, value) in document.get_ref() {
        let expected = || (key.span(), "unexpected member; a tokens file has [[token]] tables only".to_owned());
        if key.get_ref() != "token" {
            return Err(expected());
        }
        for token in value.get_ref().as_array().ok_or_else(expected)? {
            let table = token.get_ref().as_table().ok_or_else(expected)?;
            let record = Entry { table, span: token.span() }.record()?;
            tokens
                .add(record)
                .map_err(|duplicate| (token.span(), format!("{duplicate}: an id stands once in a file")))?;
        }
    }
    Ok(tokens)
}

/// The parser's message names what it expected; of what it found, only kinds of things.
fn syntax(message: &str) -> String {
    format!("this is not TOML: {}", message.lines().next().unwrap_or_default())
}

/// One table of the file.
struct Entry<'file, 'text> {
    table: &'file DeTable<'text>,
    span: Range<usize>,
}

impl<'text> Entry<'_, 'text> {
    fn record(&self) -> Result<TokenRecord, Placed> {
        if let Some((key, _)) = self.table.iter().find(|(key, _)| !MEMBERS.contains(&&**key.get_ref())) {
            let problem = format!("unknown member; a token has {}", MEMBERS.join(", "));
            return Err((key.span(), problem));
        }
        let id = self.parsed("id", TokenId::parse)?;
        let name = self.parsed("name", |text| TokenRecord::check_name(text).map(|()| text.to_owned()))?;
        let hash = self.parsed("hash", TokenHash::parse)?;
        let scopes = self.list("scopes", Scope::parse)?.into_iter().collect();
        let lots = self.set("lots", LotId::parse)?.map_or(Lots::All, Lots::only);
        let gates = if self.table.contains_key("gates") {
            self.set("gates", GateId::parse)?.map_or(Gates::All, Gates::only)
        } else {
            Gates::All
        };
        let time = |member: &str| {
            let is_given = self.table.contains_key(member);
            is_given.then(|| self.parsed(member, Timestamp::parse_rfc3339)).transpose()
        };
        let (expires, revoked) = (time("expires")?, time("revoked")?);
        let grant = Grant::new(scopes, lots, gates).map_err(|fault| (self.span.clone(), self.said(fault)))?;
        Ok(TokenRecord { id, name, hash, grant, created: Timestamp::from_millis(0), expires, revoked })
    }

    /// The text of a member, read.
    fn parsed<T, E: Display>(&self, member: &str, parse: impl Fn(&str) -> Result<T, E>) -> Result<T, Placed> {
        let value = self.member(member)?;
        let text = value.get_ref().as_str().ok_or_else(|| self.kind(member, value, "a text in quotes"))?;
        parse(text).map_err(|fault| (value.span(), self.said(format!("{member} {fault}"))))
    }

    /// The texts of a list, read.
    fn list<T, E: Display>(&self, member: &str, parse: impl Fn(&str) -> Result<T, E>) -> Result<Vec<T>, Placed> {
        const KIND: &str = "a list of texts in quotes, such as [\"one\", \"two\"]";
        let list = self.member(member)?;
        let values = list.get_ref().as_array().ok_or_else(|| self.kind(member, list, KIND))?;
        let read = |value: &Value<'text>| {
            let text = value.get_ref().as_str().ok_or_else(|| self.kind(member, value, KIND))?;
            parse(text).map_err(|fault| (value.span(), self.said(format!("{member}: a part {fault}"))))
        };
        values.iter().map(read).collect()
    }

    /// As [`list`](Self::list); none when it is `"*"`.
    fn set<T, E: Display>(&self, member: &str, parse: impl Fn(&str) -> Result<T, E>) -> Result<Option<Vec<T>>, Placed> {
        if self.member(member)?.get_ref().as_str() == Some(Lots::ALL_WORD) {
            return Ok(None);
        }
        self.list(member, parse).map(Some)
    }

    fn member(&self, member: &str) -> Result<&Value<'text>, Placed> {
        self.table.get(member).ok_or_else(|| (self.span.clone(), self.said(format!("{member} is missing"))))
    }

    fn kind(&self, member: &str, value: &Value<'text>, expected: &str) -> Placed {
        (
            value.span(),
            self.said(format!("{member} is of the type {}; expected is {expected}", value.get_ref().type_str())),
        )
    }

    /// The problem with the id of its token, where that can be read: an id is no secret.
    fn said(&self, problem: impl Display) -> String {
        let id = self.table.get("id").and_then(|id| id.get_ref().as_str()).and_then(|text| TokenId::parse(text).ok());
        id.map_or_else(|| format!("token: {problem}"), |id| format!("token {id}: {problem}"))
    }
}

#[cfg(test)]
mod tests;
