//! The GraphQL schema and its execution. It shares the parameter checks and the views of `/api/v1`, so both return
//! equal values and errors.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use api::cursor::Cursor;
use api::graphql::errors::refused;
use api::graphql::{EXPLANATION_COMPLEXITY, loaders};
use api::parameters::{self, at_most};
use api::questions::changes::{self, ChangeListParameters};
use api::questions::explanations::{self, ExplanationParameters};
use api::questions::session_list::{self, ListPage, SessionListParameters};
use api::questions::statistics::{self, StatisticsParameters};
use api::questions::{days, lots};
use api::{ChangePage, ExplanationView, Faults, GateView, LotView, SessionView, StatisticsView, StatusView, TrailView};
use async_graphql::connection::{Connection, Edge};
use async_graphql::parser::types::{ExecutableDocument, VariableDefinition};
use async_graphql::{
    Context, EmptyMutation, EmptySubscription, Object, Positioned, Request, Response, Result, ServerError, Value,
    Variables,
};
use serde::Serialize;
use sessions::gates::MAX_GATES;
use sessions::story::MAX_EXPLAINED;
use sessions::{MAX_PAGE, ScopedService};
use uuid::Uuid;

use super::cache::Computed;
use super::limits::{COMPLEXITY_FIELDS_MAX, DEPTH_FIELDS_MAX};
use super::{errors, scan, size};

/// The default number of elements of a page.
const PAGE_ELEMENTS_DEFAULT: u32 = 100;

pub(super) type Schema = async_graphql::Schema<Query, EmptyMutation, EmptySubscription>;

pub(super) fn build() -> Schema {
    Schema::build(Query, EmptyMutation, EmptySubscription)
        .limit_depth(DEPTH_FIELDS_MAX)
        .limit_complexity(COMPLEXITY_FIELDS_MAX)
        .limit_directives(4)
        .finish()
}

/// The response to a request.
pub(super) struct Executed {
    pub(super) made: Computed,
    /// Whether the request was refused before its execution began.
    pub(super) is_refused: bool,
}

/// Executes a request as its sender may, with its own loaders, so that they cache nothing beyond the request.
pub(super) async fn execute(schema: &Schema, service: ScopedService, mut request: Request) -> Executed {
    let volatile = Volatile::default();
    let mut answer = match checked(&mut request) {
        Ok(()) => {
            let (sessions, lots) = loaders::of(&service);
            schema.execute(request.data(volatile.clone()).data(service).data(sessions).data(lots)).await
        }
        Err(error) => Response::from_errors(vec![error]),
    };
    answer.errors = errors::completed(answer.errors);
    // An error during the execution has the path of its field.
    let is_refused = answer.data == Value::Null && answer.errors.iter().all(|error| error.path.is_empty());
    let written =
        if is_refused { serde_json::to_vec(&Refused { errors: &answer.errors }) } else { serde_json::to_vec(&answer) };
    let bytes = written.expect("a response is always valid JSON").into();
    Executed { made: Computed { is_cacheable: answer.errors.is_empty() && !volatile.is_read(), bytes }, is_refused }
}

/// The response to a request that was not executed: the specification excludes `data`.
#[derive(Serialize)]
struct Refused<'a> {
    errors: &'a [ServerError],
}

/// Parses the request, with the checks that have to precede and follow the parser.
fn checked(request: &mut Request) -> Result<(), ServerError> {
    scan::check(&request.query).map_err(errors::too_much)?;
    let variables = std::mem::take(&mut request.variables);
    let operation = request.operation_name.clone();
    let document = request.parsed_query()?;
    size::check(document, &variables).map_err(errors::too_much)?;
    check_variables(document, operation.as_deref(), &variables)?;
    request.variables = variables;
    Ok(())
}

/// Refuses a request that lacks a required variable: the library would begin the execution.
fn check_variables(
    document: &ExecutableDocument,
    operation: Option<&str>,
    variables: &Variables,
) -> Result<(), ServerError> {
    let mut operations = document.operations.iter();
    let chosen = match operation {
        Some(chosen) => operations.find(|(name, _)| name.is_some_and(|name| name.as_str() == chosen)),
        None => operations.next(),
    };
    let definitions = chosen.map_or(&[][..], |(_, operation)| operation.node.variable_definitions.as_slice());
    let is_missing = |definition: &&Positioned<VariableDefinition>| {
        let VariableDefinition { name, var_type, default_value, .. } = &definition.node;
        let is_there = variables.get(&name.node).is_some_and(|value| *value != Value::Null);
        !var_type.node.nullable && default_value.is_none() && !is_there
    };
    match definitions.iter().find(is_missing) {
        None => Ok(()),
        Some(definition) => {
            let VariableDefinition { name, var_type, .. } = &definition.node;
            let problem = format!("variable ${} of type {} is missing", name.node, var_type.node);
            Err(ServerError::new(problem, Some(definition.pos)))
        }
    }
}

/// Whether a request reads values that change without a commit, or that only this process has.
#[derive(Debug, Clone, Default)]
struct Volatile(Arc<AtomicBool>);

impl Volatile {
    fn mark_read(context: &Context<'_>) -> Result<()> {
        context.data::<Self>()?.0.store(true, Ordering::Relaxed);
        Ok(())
    }

    fn is_read(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The largest number of elements of a page, for the complexity of a list.
fn most(first: Option<u32>) -> usize {
    usize::try_from(first.unwrap_or(PAGE_ELEMENTS_DEFAULT)).unwrap_or(usize::MAX)
}

/// The largest number of explanations of a plate, for the complexity.
fn explained(first: Option<u32>) -> usize {
    most(Some(first.unwrap_or(explanations::LIMIT_DEFAULT)))
}

/// Parking sessions with their stories, lots, gates, statistics and changes.
pub(super) struct Query;

#[Object]
impl Query {
    /// Sessions, the newest first by default. Excludes void sessions unless `states` includes them.
    #[graphql(complexity = "most(first).saturating_mul(child_complexity).saturating_add(1)")]
    #[expect(clippy::too_many_arguments, reason = "each is an argument of the field")]
    async fn sessions(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Only sessions of this lot")] lot_id: Option<String>,
        #[graphql(desc = "Only sessions of this plate, in any spelling")] vehicle_plate: Option<String>,
        #[graphql(
            desc = "Only sessions in these states: open, matched, held_exit, unmatched_exit, unmatched_entry, void; the default is all but void"
        )]
        states: Option<Vec<String>>,
        #[graphql(desc = "Only sessions whose anchor event is at or after this time: RFC 3339 with an offset")]
        from: Option<String>,
        #[graphql(desc = "Only sessions whose anchor event is before this time")] to: Option<String>,
        #[graphql(desc = "The sessions that come first: newest (the default) or oldest")] order: Option<String>,
        #[graphql(desc = "The number of sessions of a page, at most 1000; the default is 100")] first: Option<u32>,
        #[graphql(desc = "The endCursor of the previous page; the other arguments have to be unchanged")] after: Option<
            String,
        >,
    ) -> Result<Connection<String, SessionView>> {
        let mut faults = Faults::default();
        let words = states.iter().flatten().map(String::as_str).collect::<Vec<_>>();
        let parameters = SessionListParameters {
            lot_id: faults.optional("lot_id", lot_id.as_deref(), parameters::lot),
            vehicle_plate: faults.optional("vehicle_plate", vehicle_plate.as_deref(), parameters::plate),
            state: faults.optional("state", Some(&*words), session_list::states).unwrap_or_default(),
            from: faults.optional("from", from.as_deref(), parameters::time),
            to: faults.optional("to", to.as_deref(), parameters::time),
            limit: faults.optional("limit", first, at_most(MAX_PAGE)),
            cursor: faults.optional("cursor", after.as_deref(), Cursor::parse),
            order: faults.optional("order", order.as_deref(), session_list::order),
            ..SessionListParameters::default()
        };
        faults.none().map_err(refused)?;
        let page = session_list::page(context.data::<ScopedService>()?, &parameters).await;
        let ListPage { rows, next_cursor, .. } = page.map_err(refused)?;
        let mut connection = Connection::new(after.is_some(), next_cursor.is_some());
        connection.edges.extend(rows.iter().map(|row| Edge::new(parameters.cursor_after(row), SessionView::from(row))));
        Ok(connection)
    }

    /// A session, also a void one; null if there is none with this id.
    async fn session(&self, context: &Context<'_>, id: Uuid) -> Result<Option<SessionView>> {
        context.data::<loaders::SessionLoader>()?.load_one(id).await
    }

    /// The configured lots and those with events or saved summaries, ordered by name.
    #[graphql(complexity = "most(Some(first.unwrap_or(MAX_PAGE))).saturating_mul(child_complexity).saturating_add(1)")]
    async fn lots(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The number of lots, at most 1000; the default is 1000")] first: Option<u32>,
        #[graphql(desc = "Only lots whose names follow this one: the id of the last lot of the previous page")]
        after: Option<String>,
    ) -> Result<Vec<LotView>> {
        let mut faults = Faults::default();
        let limit = faults.optional("limit", first, at_most(MAX_PAGE));
        let after = faults.optional("after", after.as_deref(), parameters::lot);
        faults.none().map_err(refused)?;
        let (lots, _) = lots::after(context.data::<ScopedService>()?, after.as_ref(), limit).await.map_err(refused)?;
        Ok(lots.iter().map(LotView::from).collect())
    }

    /// A lot; null if there is none with this name.
    async fn lot(&self, context: &Context<'_>, id: String) -> Result<Option<LotView>> {
        context.data::<loaders::LotLoader>()?.load_one(Arc::from(id)).await
    }

    /// The changes to all sessions after a sequence number, in order of commit and without gaps.
    #[graphql(complexity = "most(first).saturating_mul(child_complexity).saturating_add(1)")]
    async fn changes(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The sequence number of the last known change; 0 begins with the first change", default)]
        after: u64,
        #[graphql(desc = "The number of changes, at most 1000; the default is 100")] first: Option<u32>,
    ) -> Result<ChangePage> {
        let mut faults = Faults::default();
        let parameters = ChangeListParameters {
            after: faults.optional("after", Some(after), changes::possible),
            limit: faults.optional("limit", first, at_most(MAX_PAGE)),
        };
        faults.none().map_err(refused)?;
        changes::page(context.data::<ScopedService>()?, parameters).await.map_err(refused)
    }

    /// Statistics of a lot by hour or by day: entries, exits, occupancy and dwell times.
    #[expect(clippy::too_many_arguments, reason = "each is an argument of the field")]
    async fn statistics(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The lot")] lot_id: String,
        #[graphql(
            desc = "The first bucket is the one that contains this time; the default is 24 hours or 30 days before the end"
        )]
        from: Option<String>,
        #[graphql(
            desc = "The end, exclusive: the last bucket is the one that contains the millisecond before this time; the default is the lot's own time"
        )]
        to: Option<String>,
        #[graphql(
            desc = "The width of a bucket in the lot's time zone: hour (the default), at most 750 buckets, or day, at most 400"
        )]
        bucket: Option<String>,
        #[graphql(desc = "Days of the lot's own time instead of from and to: today, yesterday, 7d or 28d")]
        period: Option<String>,
        #[graphql(desc = "The first day, in the lot's time zone: a date such as 2024-09-24")] from_date: Option<String>,
        #[graphql(desc = "The last day, which is included; of the two dates, one alone is a single day")]
        to_date: Option<String>,
    ) -> Result<StatisticsView> {
        let mut faults = Faults::default();
        let parameters = StatisticsParameters {
            lot_id: faults.optional("lot_id", Some(&*lot_id), parameters::lot).unwrap_or_default(),
            from: faults.optional("from", from.as_deref(), parameters::time),
            to: faults.optional("to", to.as_deref(), parameters::time),
            bucket: faults.optional("bucket", bucket.as_deref(), statistics::bucket),
            period: faults.optional("period", period.as_deref(), days::period),
            from_date: faults.optional("from_date", from_date.as_deref(), days::date),
            to_date: faults.optional("to_date", to_date.as_deref(), days::date),
        };
        faults.none().map_err(refused)?;
        statistics::of_lot(context.data::<ScopedService>()?, parameters).await.map_err(refused)
    }

    /// The health of the gates whose events this process has recorded, ordered by lot and name: at most a thousand, and
    /// one entry for all others combined.
    #[graphql(complexity = "(MAX_GATES + 1).saturating_mul(child_complexity).saturating_add(1)")]
    #[expect(clippy::unused_async, reason = "every field of GraphQL is asynchronous")]
    async fn gates(&self, context: &Context<'_>) -> Result<Vec<GateView>> {
        Volatile::mark_read(context)?;
        let gates = context.data::<ScopedService>()?.gates().map_err(refused)?;
        Ok(gates.iter().map(GateView::from).collect())
    }

    /// Explains why an event belongs to its session. One explanation, or several if events share the id; empty if no such
    /// event is recorded.
    #[graphql(complexity = "EXPLANATION_COMPLEXITY.saturating_add(child_complexity)")]
    async fn event_explanations(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The id of the event")] id: Uuid,
    ) -> Result<Vec<ExplanationView>> {
        let explained = context.data::<ScopedService>()?.explain(id).await.map_err(refused)?;
        Ok(explained.iter().map(ExplanationView::from).collect())
    }

    /// The stages of an event's way. One trail, or several if events share the id; empty if no such event is recorded.
    #[graphql(complexity = "EXPLANATION_COMPLEXITY.saturating_add(child_complexity)")]
    async fn event_trails(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The id of the event")] id: Uuid,
    ) -> Result<Vec<TrailView>> {
        let trails = context.data::<ScopedService>()?.trails(id).await.map_err(refused)?;
        Ok(trails.iter().map(TrailView::from).collect())
    }

    /// Explains the newest sessions of a plate, the newest first: the exit of each, or the entry if there is no exit.
    #[graphql(complexity = "explained(first).saturating_mul(EXPLANATION_COMPLEXITY.saturating_add(child_complexity))")]
    async fn explanations(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The plate, in any spelling")] vehicle_plate: String,
        #[graphql(desc = "Only in this lot")] lot_id: Option<String>,
        #[graphql(desc = "The number of sessions, at most 20; the default is 3")] first: Option<u32>,
    ) -> Result<Vec<ExplanationView>> {
        let mut faults = Faults::default();
        let vehicle_plate = faults.optional("vehicle_plate", Some(&*vehicle_plate), parameters::plate);
        let lot_id = faults.optional("lot_id", lot_id.as_deref(), parameters::lot);
        let limit = faults.optional("limit", first, at_most(MAX_EXPLAINED));
        let Some(vehicle_plate) = vehicle_plate else { return Err(refused(faults.into_problem())) };
        faults.none().map_err(refused)?;
        let parameters = ExplanationParameters { vehicle_plate, lot_id, limit };
        let explained = explanations::of_plate(context.data::<ScopedService>()?, parameters).await.map_err(refused)?;
        Ok(explained.explanations)
    }

    /// Whether all work is done, and the work that is pending.
    async fn status(&self, context: &Context<'_>) -> Result<StatusView> {
        Volatile::mark_read(context)?;
        let status = context.data::<ScopedService>()?.status().await.map_err(refused)?;
        Ok(StatusView::from(&status))
    }
}
