//! Webhooks, and their waiting deliveries.

use deadpool_postgres::Transaction;
use tokio_postgres::Row;
use uuid::Uuid;

use super::failure::Failure;
use super::store::Store;
use crate::encoding::column;
use crate::webhook_rows::{NewWebhookColumns, TroubleColumns, WaitingColumns, WebhookColumns};
use crate::{CLOCK_SKEW_MAX_MS, WaitingDelivery, Webhook, WebhookChange, WebhookProgress};

const WEBHOOKS: &str = "
    SELECT w.webhook_id, w.name, w.url, w.lots, w.kinds, w.plates, w.secret, w.old_secret, w.old_until_ms, w.created_ms,
        w.paused_ms, w.paused_reason, w.generation, w.sequence, w.failing_ms, w.problem, w.delivered_ms,
        w.leased_until_ms, d.waiting, d.oldest_ms
    FROM webhook w CROSS JOIN LATERAL (
        SELECT count(*) AS waiting, min(recorded_ms) AS oldest_ms FROM webhook_waiting WHERE webhook_id = w.webhook_id
    ) AS d ORDER BY w.webhook_id";
const WAITING: &str = "
    SELECT sequence, session_id, recorded_ms, attempts, due_ms FROM webhook_waiting
    WHERE webhook_id = $1 ORDER BY sequence";

const ADD: &str = "
    INSERT INTO webhook (webhook_id, name, url, lots, kinds, plates, secret, created_ms, sequence)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING";
const PAUSE: &str = "UPDATE webhook SET paused_ms = $2, paused_reason = $3 WHERE webhook_id = $1 AND paused_ms IS NULL";
const RESUME: &str = "
    UPDATE webhook SET paused_ms = NULL, paused_reason = NULL, generation = generation + 1 WHERE webhook_id = $1";
const ROTATE: &str = "
    UPDATE webhook SET old_secret = secret, old_until_ms = $3, secret = $2 WHERE webhook_id = $1 AND secret <> $2";
const REPLAY: &str = "UPDATE webhook SET sequence = $2, generation = generation + 1 WHERE webhook_id = $1";
const LEASE: &str = "
    UPDATE webhook SET holder = $2, leased_until_ms = $4
    WHERE webhook_id = $1 AND (holder = $2 OR leased_until_ms NOT BETWEEN $3::bigint + 1 AND $5)";
const RELEASE: &str = "UPDATE webhook SET holder = NULL, leased_until_ms = 0 WHERE webhook_id = $1 AND holder = $2";
const PROGRESS: &str = "
    UPDATE webhook SET sequence = $4, failing_ms = $5, problem = $6, delivered_ms = $7
    WHERE webhook_id = $1 AND holder = $2 AND generation = $3";
const PUT_WAITING: &str = "
    INSERT INTO webhook_waiting (webhook_id, sequence, session_id, recorded_ms, attempts, due_ms)
    SELECT $1, new.* FROM unnest($2::bigint[], $3::uuid[], $4::bigint[], $5::bigint[], $6::bigint[])
        AS new (sequence, session_id, recorded_ms, attempts, due_ms)
    ON CONFLICT (webhook_id, sequence) DO UPDATE SET attempts = excluded.attempts, due_ms = excluded.due_ms";

/// Returns the webhooks.
pub(super) async fn read(store: &Store) -> Result<Vec<Webhook>, Failure> {
    let client = store.connection().await?;
    let rows = client.query(&client.prepare_cached(WEBHOOKS).await?, &[]).await?;
    client.end_well();
    rows.iter().map(|row| Ok(columns(row)?.webhook()?)).collect()
}

fn columns(row: &Row) -> Result<WebhookColumns, Failure> {
    Ok(WebhookColumns {
        id: row.try_get(0)?,
        name: row.try_get(1)?,
        url: row.try_get(2)?,
        lots: row.try_get(3)?,
        kinds: row.try_get(4)?,
        plates: row.try_get(5)?,
        secret: row.try_get(6)?,
        old_secret: row.try_get(7)?,
        old_until_ms: row.try_get(8)?,
        created_ms: row.try_get(9)?,
        paused: TroubleColumns { since_ms: row.try_get(10)?, reason: row.try_get(11)? },
        generation: row.try_get(12)?,
        sequence: row.try_get(13)?,
        failing: TroubleColumns { since_ms: row.try_get(14)?, reason: row.try_get(15)? },
        delivered_ms: row.try_get(16)?,
        leased_until_ms: row.try_get(17)?,
        waiting: row.try_get(18)?,
        oldest_ms: row.try_get(19)?,
    })
}

/// Returns the waiting deliveries of a webhook.
pub(super) async fn waiting(store: &Store, webhook: Uuid) -> Result<Vec<WaitingDelivery>, Failure> {
    let client = store.connection().await?;
    let rows = client.query(&client.prepare_cached(WAITING).await?, &[&webhook]).await?;
    client.end_well();
    let delivery = |row: &Row| {
        let columns = WaitingColumns {
            sequence: row.try_get(0)?,
            session: row.try_get(1)?,
            recorded_ms: row.try_get(2)?,
            attempts: row.try_get(3)?,
            due_ms: row.try_get(4)?,
        };
        Ok(columns.delivery()?)
    };
    rows.iter().map(delivery).collect()
}

/// Changes a webhook; returns whether the change applied.
pub(super) async fn change(store: &Store, change: &WebhookChange) -> Result<bool, Failure> {
    let mut client = store.connection().await?;
    let transaction = client.transaction().await?;
    let changed = apply(&transaction, change).await?;
    transaction.commit().await?;
    client.end_well();
    Ok(changed > 0)
}

/// The row of the webhook is locked first, so that a holder's progress and a replay can't mix.
async fn apply(transaction: &Transaction<'_>, change: &WebhookChange) -> Result<u64, Failure> {
    Ok(match change {
        WebhookChange::Add(webhook) => add(transaction, webhook).await?,
        WebhookChange::Remove(id) => {
            let changed = transaction.execute("DELETE FROM webhook WHERE webhook_id = $1", &[id]).await?;
            transaction.execute("DELETE FROM webhook_waiting WHERE webhook_id = $1", &[id]).await?;
            changed
        }
        WebhookChange::Pause { id, trouble } => {
            transaction.execute(PAUSE, &[id, &trouble.since.as_millis(), &trouble.reason]).await?
        }
        WebhookChange::Resume(id) => {
            let changed = transaction.execute(RESUME, &[id]).await?;
            transaction.execute("UPDATE webhook_waiting SET due_ms = 0 WHERE webhook_id = $1", &[id]).await?;
            changed
        }
        WebhookChange::Rotate { id, secret, old_until } => {
            transaction.execute(ROTATE, &[id, &secret.expose().as_slice(), &old_until.as_millis()]).await?
        }
        WebhookChange::Replay { id, after } => {
            let changed = transaction.execute(REPLAY, &[id, &column(*after)]).await?;
            let drop = "DELETE FROM webhook_waiting WHERE webhook_id = $1 AND sequence > $2";
            transaction.execute(drop, &[id, &column(*after)]).await?;
            changed
        }
        WebhookChange::Lease { id, holder, now, until } => {
            let (now, until) = (now.as_millis(), until.as_millis());
            let latest = until.saturating_add(CLOCK_SKEW_MAX_MS);
            transaction.execute(LEASE, &[id, holder, &now, &until, &latest]).await?
        }
        WebhookChange::Release { id, holder } => transaction.execute(RELEASE, &[id, holder]).await?,
        WebhookChange::Progress(progress) => save(transaction, progress).await?,
    })
}

async fn add(transaction: &Transaction<'_>, webhook: &Webhook) -> Result<u64, Failure> {
    let NewWebhookColumns { name, url, lots, kinds, secret, sequence, created_ms } = NewWebhookColumns::of(webhook);
    let (id, plates) = (&webhook.id, &webhook.plates);
    Ok(transaction.execute(ADD, &[id, &name, &url, &lots, &kinds, plates, &secret, &created_ms, &sequence]).await?)
}

async fn save(transaction: &Transaction<'_>, progress: &WebhookProgress) -> Result<u64, Failure> {
    let WebhookProgress { id, holder, generation, sequence, failing, delivered, waiting, done } = progress;
    let TroubleColumns { since_ms, reason } = TroubleColumns::of(failing.as_ref());
    let delivered_ms = delivered.map(parking::Timestamp::as_millis);
    let (generation, sequence) = (column(*generation), column(*sequence));
    let saved =
        transaction.execute(PROGRESS, &[id, holder, &generation, &sequence, &since_ms, &reason, &delivered_ms]).await?;
    if saved == 0 {
        return Ok(0);
    }
    let done: Vec<i64> = done.iter().map(|sequence| column(*sequence)).collect();
    let delete = "DELETE FROM webhook_waiting WHERE webhook_id = $1 AND sequence = ANY ($2)";
    transaction.execute(delete, &[id, &done]).await?;
    let rows: Vec<WaitingColumns> = waiting.iter().map(WaitingColumns::of).collect();
    let numbers = |of: fn(&WaitingColumns) -> i64| rows.iter().map(of).collect::<Vec<i64>>();
    let sessions: Vec<Uuid> = rows.iter().map(|row| row.session).collect();
    let (sequences, recorded) = (numbers(|row| row.sequence), numbers(|row| row.recorded_ms));
    let (attempts, due) = (numbers(|row| row.attempts), numbers(|row| row.due_ms));
    transaction.execute(PUT_WAITING, &[id, &sequences, &sessions, &recorded, &attempts, &due]).await?;
    Ok(saved)
}
