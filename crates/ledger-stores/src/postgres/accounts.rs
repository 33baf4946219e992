//! Tokens, users and login sessions.

use access::{AccountChange, Accounts, LOGINS_OF_USER_MAX};
use deadpool_postgres::Transaction;
use tokio_postgres::IsolationLevel;

use super::failure::Failure;
use super::store::Store;
use crate::account_rows::{LoginColumns, PersonColumns, TokenColumns};

const TOKENS: &str = "
    SELECT token_id, name, hash, scopes, lots, gates, created_ms, expires_ms, revoked_ms FROM token ORDER BY token_id";
const PEOPLE: &str =
    "SELECT name, password, scopes, lots, created_ms, generation, disabled_ms FROM person ORDER BY name";
const LOGINS: &str = "SELECT hash, name, generation, begun_ms, used_ms FROM login ORDER BY hash";

const ADD_TOKEN: &str = "
    INSERT INTO token VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING";
const ADD_PERSON: &str = "INSERT INTO person VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING";
/// Locks the user, so that a change of the password ends this login session too.
const BEGIN_LOGIN: &str = "
    INSERT INTO login SELECT $1::bytea, name, generation, $4::bigint, $5::bigint FROM person
    WHERE name = $2 AND generation = $3 AND disabled_ms IS NULL FOR SHARE
    ON CONFLICT DO NOTHING";
const DROP_OLDEST: &str = "
    DELETE FROM login WHERE name = $1 AND hash NOT IN (
        SELECT hash FROM login WHERE name = $1 ORDER BY begun_ms DESC, hash LIMIT $2
    )";
const NOTE_USE: &str = "
    UPDATE login l SET used_ms = new.used_ms FROM unnest($1::bytea[], $2::bigint[]) AS new (hash, used_ms)
    WHERE l.hash = new.hash AND l.used_ms < new.used_ms";

/// Returns all accounts.
pub(super) async fn read(store: &Store) -> Result<Accounts, Failure> {
    let mut client = store.connection().await?;
    let build = client.build_transaction().isolation_level(IsolationLevel::RepeatableRead).read_only(true);
    let transaction = build.start().await?;
    let mut accounts = Accounts::default();
    for row in transaction.query(&transaction.prepare_cached(TOKENS).await?, &[]).await? {
        let columns = TokenColumns {
            id: row.try_get(0)?,
            name: row.try_get(1)?,
            hash: row.try_get(2)?,
            scopes: row.try_get(3)?,
            lots: row.try_get(4)?,
            gates: row.try_get(5)?,
            created_ms: row.try_get(6)?,
            expires_ms: row.try_get(7)?,
            revoked_ms: row.try_get(8)?,
        };
        accounts.tokens.push(columns.record()?);
    }
    for row in transaction.query(&transaction.prepare_cached(PEOPLE).await?, &[]).await? {
        let columns = PersonColumns {
            name: row.try_get(0)?,
            password: row.try_get(1)?,
            scopes: row.try_get(2)?,
            lots: row.try_get(3)?,
            created_ms: row.try_get(4)?,
            generation: row.try_get(5)?,
            disabled_ms: row.try_get(6)?,
        };
        accounts.users.push(columns.user()?);
    }
    for row in transaction.query(&transaction.prepare_cached(LOGINS).await?, &[]).await? {
        let columns = LoginColumns {
            hash: row.try_get(0)?,
            name: row.try_get(1)?,
            generation: row.try_get(2)?,
            begun_ms: row.try_get(3)?,
            used_ms: row.try_get(4)?,
        };
        accounts.logins.push(columns.session()?);
    }
    transaction.commit().await?;
    client.end_well();
    Ok(accounts)
}

/// Changes the accounts; returns whether anything changed.
pub(super) async fn change(store: &Store, change: &AccountChange) -> Result<bool, Failure> {
    let mut client = store.connection().await?;
    let transaction = client.transaction().await?;
    let changed = apply(&transaction, change).await?;
    transaction.commit().await?;
    client.end_well();
    Ok(changed > 0)
}

async fn apply(transaction: &Transaction<'_>, change: &AccountChange) -> Result<u64, Failure> {
    Ok(match change {
        AccountChange::AddToken(record) => {
            let TokenColumns { id, name, hash, scopes, lots, gates, created_ms, expires_ms, revoked_ms } =
                TokenColumns::of(record);
            transaction
                .execute(ADD_TOKEN, &[&id, &name, &hash, &scopes, &lots, &gates, &created_ms, &expires_ms, &revoked_ms])
                .await?
        }
        AccountChange::RevokeToken { id, at } => {
            let revoke = "UPDATE token SET revoked_ms = $2 WHERE token_id = $1 AND revoked_ms IS NULL";
            transaction.execute(revoke, &[&id.to_string(), &at.as_millis()]).await?
        }
        AccountChange::AddUser(user) => {
            let PersonColumns { name, password, scopes, lots, created_ms, generation, disabled_ms } =
                PersonColumns::of(user);
            transaction
                .execute(ADD_PERSON, &[&name, &password, &scopes, &lots, &created_ms, &generation, &disabled_ms])
                .await?
        }
        // The user first: a concurrent sign-in then has begun its login session already, or finds the new generation.
        AccountChange::SetPassword { name, password } => {
            let set = "UPDATE person SET password = $2, generation = generation + 1 WHERE name = $1";
            let changed = transaction.execute(set, &[&name.as_str(), &password.to_text()]).await?;
            transaction.execute("DELETE FROM login WHERE name = $1", &[&name.as_str()]).await?;
            changed
        }
        AccountChange::RemoveUser(name) => {
            let changed = transaction.execute("DELETE FROM person WHERE name = $1", &[&name.as_str()]).await?;
            transaction.execute("DELETE FROM login WHERE name = $1", &[&name.as_str()]).await?;
            changed
        }
        AccountChange::BeginLogin { login, ended_before } => {
            let ended = ended_before.as_millis();
            transaction.execute("DELETE FROM login WHERE begun_ms < $1", &[&ended]).await?;
            let LoginColumns { hash, name, generation, begun_ms, used_ms } = LoginColumns::of(login);
            let begun = transaction.execute(BEGIN_LOGIN, &[&hash, &name, &generation, &begun_ms, &used_ms]).await?;
            transaction.execute(DROP_OLDEST, &[&name, &i64::from(LOGINS_OF_USER_MAX)]).await?;
            begun
        }
        AccountChange::NoteUse(uses) => {
            let hashes: Vec<&[u8]> = uses.iter().map(|(hash, _)| hash.as_bytes().as_slice()).collect();
            let times: Vec<i64> = uses.iter().map(|(_, at)| at.as_millis()).collect();
            transaction.execute(NOTE_USE, &[&hashes, &times]).await?
        }
        AccountChange::EndLogin(hash) => {
            transaction.execute("DELETE FROM login WHERE hash = $1", &[&hash.as_bytes().as_slice()]).await?
        }
    })
}
