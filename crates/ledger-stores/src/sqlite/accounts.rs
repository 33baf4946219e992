//! Tokens, users and login sessions: in tables of their own, which bypass the journal.
//!
//! They change seldom, and are read as a whole.

use access::{AccountChange, Accounts, LOGINS_OF_USER_MAX};
use rusqlite::{Connection, Row, Transaction, params};

use crate::Error;
use crate::account_rows::{LoginColumns, PersonColumns, TokenColumns};

const TOKENS: &str = "
    SELECT token_id, name, hash, scopes, lots, gates, created_ms, expires_ms, revoked_ms FROM token ORDER BY token_id";
const PEOPLE: &str =
    "SELECT name, password, scopes, lots, created_ms, generation, disabled_ms FROM person ORDER BY name";
const LOGINS: &str = "SELECT hash, name, generation, begun_ms, used_ms FROM login ORDER BY hash";

const ADD_TOKEN: &str = "INSERT OR IGNORE INTO token VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
const ADD_PERSON: &str = "INSERT OR IGNORE INTO person VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
const BEGIN_LOGIN: &str = "
    INSERT OR IGNORE INTO login SELECT ?1, name, generation, ?4, ?5 FROM person
    WHERE name = ?2 AND generation = ?3 AND disabled_ms IS NULL";
const DROP_OLDEST: &str = "
    DELETE FROM login WHERE name = ?1 AND hash NOT IN (
        SELECT hash FROM login WHERE name = ?1 ORDER BY begun_ms DESC, rowid DESC LIMIT ?2
    )";

/// Returns all accounts.
pub(super) fn read(connection: &Connection) -> Result<Accounts, Error> {
    Ok(Accounts {
        tokens: rows(connection, TOKENS, |row| {
            Ok(TokenColumns {
                id: row.get(0)?,
                name: row.get(1)?,
                hash: row.get(2)?,
                scopes: row.get(3)?,
                lots: row.get(4)?,
                gates: row.get(5)?,
                created_ms: row.get(6)?,
                expires_ms: row.get(7)?,
                revoked_ms: row.get(8)?,
            })
        })?
        .into_iter()
        .map(TokenColumns::record)
        .collect::<Result<_, _>>()?,
        users: rows(connection, PEOPLE, |row| {
            Ok(PersonColumns {
                name: row.get(0)?,
                password: row.get(1)?,
                scopes: row.get(2)?,
                lots: row.get(3)?,
                created_ms: row.get(4)?,
                generation: row.get(5)?,
                disabled_ms: row.get(6)?,
            })
        })?
        .into_iter()
        .map(PersonColumns::user)
        .collect::<Result<_, _>>()?,
        logins: rows(connection, LOGINS, |row| {
            Ok(LoginColumns {
                hash: row.get(0)?,
                name: row.get(1)?,
                generation: row.get(2)?,
                begun_ms: row.get(3)?,
                used_ms: row.get(4)?,
            })
        })?
        .into_iter()
        .map(LoginColumns::session)
        .collect::<Result<_, _>>()?,
    })
}

fn rows<T>(
    connection: &Connection,
    sql: &str,
    columns: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>, Error> {
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([], |row| columns(row))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Changes the accounts; returns whether anything changed.
pub(super) fn apply(transaction: &Transaction<'_>, change: &AccountChange) -> Result<bool, Error> {
    let changed = match change {
        AccountChange::AddToken(record) => {
            let TokenColumns { id, name, hash, scopes, lots, gates, created_ms, expires_ms, revoked_ms } =
                TokenColumns::of(record);
            let columns = params![id, name, hash, scopes, lots, gates, created_ms, expires_ms, revoked_ms];
            transaction.execute(ADD_TOKEN, columns)?
        }
        AccountChange::RevokeToken { id, at } => {
            let revoke = "UPDATE token SET revoked_ms = ?2 WHERE token_id = ?1 AND revoked_ms IS NULL";
            transaction.execute(revoke, params![id.to_string(), at.as_millis()])?
        }
        AccountChange::AddUser(user) => {
            let PersonColumns { name, password, scopes, lots, created_ms, generation, disabled_ms } =
                PersonColumns::of(user);
            transaction
                .execute(ADD_PERSON, params![name, password, scopes, lots, created_ms, generation, disabled_ms])?
        }
        AccountChange::SetPassword { name, password } => {
            transaction.execute("DELETE FROM login WHERE name = ?1", [name.as_str()])?;
            let set = "UPDATE person SET password = ?2, generation = generation + 1 WHERE name = ?1";
            transaction.execute(set, [name.as_str(), &password.to_text()])?
        }
        AccountChange::RemoveUser(name) => {
            transaction.execute("DELETE FROM login WHERE name = ?1", [name.as_str()])?;
            transaction.execute("DELETE FROM person WHERE name = ?1", [name.as_str()])?
        }
        AccountChange::BeginLogin { login, ended_before } => {
            transaction.execute("DELETE FROM login WHERE begun_ms < ?1", [ended_before.as_millis()])?;
            let LoginColumns { hash, name, generation, begun_ms, used_ms } = LoginColumns::of(login);
            let begun = transaction.execute(BEGIN_LOGIN, params![hash, name, generation, begun_ms, used_ms])?;
            transaction.execute(DROP_OLDEST, params![name, LOGINS_OF_USER_MAX])?;
            begun
        }
        AccountChange::NoteUse(uses) => {
            let mut note = transaction.prepare("UPDATE login SET used_ms = ?2 WHERE hash = ?1 AND used_ms < ?2")?;
            let noted = uses.iter().map(|(hash, at)| note.execute(params![hash.as_bytes(), at.as_millis()]));
            noted.sum::<Result<usize, _>>()?
        }
        AccountChange::EndLogin(hash) => transaction.execute("DELETE FROM login WHERE hash = ?1", [hash.as_bytes()])?,
    };
    Ok(changed > 0)
}
