//! Webhooks: in tables of their own, which bypass the journal.

use rusqlite::{Connection, Row, Transaction, params};
use uuid::Uuid;

use super::vehicles::uuid;
use crate::encoding::column;
use crate::webhook_rows::{NewWebhookColumns, TroubleColumns, WaitingColumns, WebhookColumns};
use crate::{CLOCK_SKEW_MAX_MS, Error, WaitingDelivery, Webhook, WebhookChange, WebhookProgress};

const WEBHOOKS: &str = "
    SELECT w.webhook_id, w.name, w.url, w.lots, w.kinds, w.plates, w.secret, w.old_secret, w.old_until_ms, w.created_ms,
        w.paused_ms, w.paused_reason, w.generation, w.sequence, w.failing_ms, w.problem, w.delivered_ms,
        w.leased_until_ms, count(d.sequence), min(d.recorded_ms)
    FROM webhook w LEFT JOIN webhook_waiting d ON d.webhook_id = w.webhook_id
    GROUP BY w.webhook_id ORDER BY w.webhook_id";
const WAITING: &str = "
    SELECT sequence, session_id, recorded_ms, attempts, due_ms FROM webhook_waiting
    WHERE webhook_id = ?1 ORDER BY sequence";

const ADD: &str = "
    INSERT OR IGNORE INTO webhook (webhook_id, name, url, lots, kinds, plates, secret, created_ms, sequence)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
const PAUSE: &str = "UPDATE webhook SET paused_ms = ?2, paused_reason = ?3 WHERE webhook_id = ?1 AND paused_ms IS NULL";
const RESUME: &str = "
    UPDATE webhook SET paused_ms = NULL, paused_reason = NULL, generation = generation + 1 WHERE webhook_id = ?1";
const ROTATE: &str = "
    UPDATE webhook SET old_secret = secret, old_until_ms = ?3, secret = ?2 WHERE webhook_id = ?1 AND secret <> ?2";
const REPLAY: &str = "UPDATE webhook SET sequence = ?2, generation = generation + 1 WHERE webhook_id = ?1";
const LEASE: &str = "
    UPDATE webhook SET holder = ?2, leased_until_ms = ?4
    WHERE webhook_id = ?1 AND (holder = ?2 OR leased_until_ms NOT BETWEEN ?3 + 1 AND ?5)";
const RELEASE: &str = "UPDATE webhook SET holder = NULL, leased_until_ms = 0 WHERE webhook_id = ?1 AND holder = ?2";
const PROGRESS: &str = "
    UPDATE webhook SET sequence = ?4, failing_ms = ?5, problem = ?6, delivered_ms = ?7
    WHERE webhook_id = ?1 AND holder = ?2 AND generation = ?3";
const PUT_WAITING: &str = "
    INSERT OR REPLACE INTO webhook_waiting (webhook_id, sequence, session_id, recorded_ms, attempts, due_ms)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6)";

/// Returns the webhooks.
pub(super) fn read(connection: &Connection) -> Result<Vec<Webhook>, Error> {
    let mut statement = connection.prepare_cached(WEBHOOKS)?;
    let mut rows = statement.query([])?;
    let mut webhooks = Vec::new();
    while let Some(row) = rows.next()? {
        webhooks.push(columns(row)?.webhook()?);
    }
    Ok(webhooks)
}

fn columns(row: &Row<'_>) -> Result<WebhookColumns, Error> {
    Ok(WebhookColumns {
        id: uuid(row, 0)?,
        name: row.get(1)?,
        url: row.get(2)?,
        lots: row.get(3)?,
        kinds: row.get(4)?,
        plates: row.get(5)?,
        secret: row.get(6)?,
        old_secret: row.get(7)?,
        old_until_ms: row.get(8)?,
        created_ms: row.get(9)?,
        paused: TroubleColumns { since_ms: row.get(10)?, reason: row.get(11)? },
        generation: row.get(12)?,
        sequence: row.get(13)?,
        failing: TroubleColumns { since_ms: row.get(14)?, reason: row.get(15)? },
        delivered_ms: row.get(16)?,
        leased_until_ms: row.get(17)?,
        waiting: row.get(18)?,
        oldest_ms: row.get(19)?,
    })
}

/// Returns the waiting deliveries of a webhook.
pub(super) fn waiting(connection: &Connection, webhook: Uuid) -> Result<Vec<WaitingDelivery>, Error> {
    let mut statement = connection.prepare_cached(WAITING)?;
    let mut rows = statement.query([webhook.as_bytes()])?;
    let mut waiting = Vec::new();
    while let Some(row) = rows.next()? {
        let columns = WaitingColumns {
            sequence: row.get(0)?,
            session: uuid(row, 1)?,
            recorded_ms: row.get(2)?,
            attempts: row.get(3)?,
            due_ms: row.get(4)?,
        };
        waiting.push(columns.delivery()?);
    }
    Ok(waiting)
}

/// Changes a webhook; returns whether the change applied.
pub(super) fn apply(transaction: &Transaction<'_>, change: &WebhookChange) -> Result<bool, Error> {
    let changed = match change {
        WebhookChange::Add(webhook) => add(transaction, webhook)?,
        WebhookChange::Remove(id) => {
            transaction.execute("DELETE FROM webhook_waiting WHERE webhook_id = ?1", [id.as_bytes()])?;
            transaction.execute("DELETE FROM webhook WHERE webhook_id = ?1", [id.as_bytes()])?
        }
        WebhookChange::Pause { id, trouble } => {
            transaction.execute(PAUSE, params![id.as_bytes(), trouble.since.as_millis(), trouble.reason])?
        }
        WebhookChange::Resume(id) => {
            transaction.execute("UPDATE webhook_waiting SET due_ms = 0 WHERE webhook_id = ?1", [id.as_bytes()])?;
            transaction.execute(RESUME, [id.as_bytes()])?
        }
        WebhookChange::Rotate { id, secret, old_until } => {
            transaction.execute(ROTATE, params![id.as_bytes(), secret.expose(), old_until.as_millis()])?
        }
        WebhookChange::Replay { id, after } => {
            let drop = "DELETE FROM webhook_waiting WHERE webhook_id = ?1 AND sequence > ?2";
            transaction.execute(drop, params![id.as_bytes(), column(*after)])?;
            transaction.execute(REPLAY, params![id.as_bytes(), column(*after)])?
        }
        WebhookChange::Lease { id, holder, now, until } => {
            let (now, until) = (now.as_millis(), until.as_millis());
            let latest = until.saturating_add(CLOCK_SKEW_MAX_MS);
            transaction.execute(LEASE, params![id.as_bytes(), holder.as_bytes(), now, until, latest])?
        }
        WebhookChange::Release { id, holder } => {
            transaction.execute(RELEASE, params![id.as_bytes(), holder.as_bytes()])?
        }
        WebhookChange::Progress(progress) => save(transaction, progress)?,
    };
    Ok(changed > 0)
}

fn add(transaction: &Transaction<'_>, webhook: &Webhook) -> Result<usize, Error> {
    let NewWebhookColumns { name, url, lots, kinds, secret, sequence, created_ms } = NewWebhookColumns::of(webhook);
    let id = webhook.id.as_bytes();
    let columns = params![id, name, url, lots, kinds, webhook.plates, secret, created_ms, sequence];
    Ok(transaction.execute(ADD, columns)?)
}

fn save(transaction: &Transaction<'_>, progress: &WebhookProgress) -> Result<usize, Error> {
    let id = progress.id.as_bytes();
    let TroubleColumns { since_ms, reason } = TroubleColumns::of(progress.failing.as_ref());
    let (generation, sequence) = (column(progress.generation), column(progress.sequence));
    let delivered_ms = progress.delivered.map(parking::Timestamp::as_millis);
    let holder = progress.holder.as_bytes();
    let saved =
        transaction.execute(PROGRESS, params![id, holder, generation, sequence, since_ms, reason, delivered_ms])?;
    if saved == 0 {
        return Ok(0);
    }
    let mut delete = transaction.prepare("DELETE FROM webhook_waiting WHERE webhook_id = ?1 AND sequence = ?2")?;
    for sequence in &progress.done {
        delete.execute(params![id, column(*sequence)])?;
    }
    let mut put = transaction.prepare(PUT_WAITING)?;
    for delivery in &progress.waiting {
        let WaitingColumns { sequence, session, recorded_ms, attempts, due_ms } = WaitingColumns::of(delivery);
        put.execute(params![id, sequence, session.as_bytes(), recorded_ms, attempts, due_ms])?;
    }
    Ok(saved)
}
