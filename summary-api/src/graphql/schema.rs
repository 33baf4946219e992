//! What can be asked. Arguments are checked by the functions that check the parameters of `/api/v1`, and answers are its
//! views, so that both say the same.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use api::cursor::Cursor;
use api::graphql::errors::refused;
use api::graphql::{EXPLANATION, loaders};
use api::parameters::{self, at_most};
use api::questions::changes::{self, ChangeListParameters};
use api::questions::explanations::{self, ExplanationParameters};
use api::questions::session_list::{self, SessionListParameters};
use api::questions::{lots, statistics};
use api::{ChangePage, ExplanationView, Faults, GateView, LotView, SessionView, StatisticsView, StatusView};
use async_graphql::connection::{Connection, Edge};
use async_graphql::parser::types::{ExecutableDocument, VariableDefinition};
use async_graphql::{
    Context, EmptyMutation, EmptySubscription, Object, Positioned, Request, Response, Result, ServerError, Value,
    Variables,
};
use serde::Serialize;
use sessions::gates::MAX_GATES;
use sessions::story::MAX_EXPLAINED;
use sessions::{MAX_PAGE, Service, StatisticsOf};
use uuid::Uuid;

use super::cache::Computed;
use super::limits::{COMPLEXITY, DEPTH};
use super::{errors, scan, size};

/// The elements of a page when nobody says how many.
const FIRST: u32 = 100;

pub(super) type Schema = async_graphql::Schema<Query, EmptyMutation, EmptySubscription>;

pub(super) fn build(service: &Service) -> Schema {
    Schema::build(Query, EmptyMutation, EmptySubscription)
        .data(service.clone())
        .limit_depth(DEPTH)
        .limit_complexity(COMPLEXITY)
        .limit_directives(4)
        .finish()
}

/// The answer to a request.
pub(super) struct Executed {
    pub(super) made: Computed,
    /// Whether the request was refused before its execution began.
    pub(super) is_refused: bool,
}

/// Answers a request, with loaders of its own, so that they cache nothing beyond the request.
pub(super) async fn execute(schema: &Schema, mut request: Request) -> Executed {
    let fleeting = Fleeting::default();
    let mut answer = match checked(&mut request) {
        Ok(()) => {
            let mut request = request.data(fleeting.clone());
            if let Some(service) = schema.data::<Service>() {
                let (sessions, lots) = loaders::of(service);
                request = request.data(sessions).data(lots);
            }
            schema.execute(request).await
        }
        Err(error) => Response::from_errors(vec![error]),
    };
    answer.errors = errors::completed(answer.errors);
    // Whatever fails during the execution of a field says which field it was.
    let is_refused = answer.data == Value::Null && answer.errors.iter().all(|error| error.path.is_empty());
    let written =
        if is_refused { serde_json::to_vec(&Refused { errors: &answer.errors }) } else { serde_json::to_vec(&answer) };
    let bytes = written.expect("an answer is always JSON").into();
    Executed { made: Computed { is_cacheable: answer.errors.is_empty() && !fleeting.is_asked(), bytes }, is_refused }
}

/// The answer to a request that was not executed: without `data`, by the specification.
#[derive(Serialize)]
struct Refused<'a> {
    errors: &'a [ServerError],
}

/// Parses the request, between the checks that have to come before and after that.
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

/// Refuses a request without a variable that its operation needs: the library would begin to execute it.
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

/// Whether a request has asked for what changes without a commit, or is told by this process alone.
#[derive(Debug, Clone, Default)]
struct Fleeting(Arc<AtomicBool>);

impl Fleeting {
    fn ask(context: &Context<'_>) -> Result<()> {
        context.data::<Self>()?.0.store(true, Ordering::Relaxed);
        Ok(())
    }

    fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// How many elements a page may have, for the complexity of what is in them.
fn most(first: Option<u32>) -> usize {
    usize::try_from(first.unwrap_or(FIRST)).unwrap_or(usize::MAX)
}

/// How many explanations of a plate there may be.
fn explained(first: Option<u32>) -> usize {
    most(Some(first.unwrap_or(explanations::LIMIT)))
}

/// Parking sessions and their stories, lots, gates, statistics and changes.
pub(super) struct Query;

#[Object]
impl Query {
    /// Sessions, the newest first unless told otherwise. Void ones are left out unless their state is asked for.
    #[graphql(complexity = "most(first).saturating_mul(child_complexity).saturating_add(1)")]
    #[expect(clippy::too_many_arguments, reason = "each is an argument of the field")]
    async fn sessions(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Of this lot only")] lot_id: Option<String>,
        #[graphql(desc = "Of this plate only, in any spelling")] vehicle_plate: Option<String>,
        #[graphql(desc = "In one of these states: open, matched, held_exit, unmatched_exit, unmatched_entry, void")]
        states: Option<Vec<String>>,
        #[graphql(desc = "Given by an event of this time or later: RFC 3339 with an offset")] from: Option<String>,
        #[graphql(desc = "Given by an event before this time")] to: Option<String>,
        #[graphql(desc = "newest or oldest: which come first")] order: Option<String>,
        #[graphql(desc = "The most of a page, at most 1000; 100 without it")] first: Option<u32>,
        #[graphql(desc = "The endCursor of the page before, with the same other arguments")] after: Option<String>,
    ) -> Result<Connection<String, SessionView>> {
        let mut faults = Faults::default();
        let words = states.iter().flatten().map(String::as_str).collect::<Vec<_>>();
        let asked = SessionListParameters {
            lot_id: faults.optional("lot_id", lot_id.as_deref(), parameters::lot),
            vehicle_plate: faults.optional("vehicle_plate", vehicle_plate.as_deref(), parameters::plate),
            state: faults.optional("state", Some(&*words), session_list::states).unwrap_or_default(),
            from: faults.optional("from", from.as_deref(), parameters::time),
            to: faults.optional("to", to.as_deref(), parameters::time),
            limit: faults.optional("limit", first, at_most(MAX_PAGE)),
            cursor: faults.optional("cursor", after.as_deref(), Cursor::parse),
            order: faults.optional("order", order.as_deref(), session_list::order),
            format: None,
        };
        faults.none().map_err(refused)?;
        let (rows, next) = session_list::page(context.data::<Service>()?, &asked).await.map_err(refused)?;
        let mut connection = Connection::new(after.is_some(), next.is_some());
        connection.edges.extend(rows.iter().map(|row| Edge::new(asked.cursor_behind(row), SessionView::from(row))));
        Ok(connection)
    }

    /// One session, void or not.
    async fn session(&self, context: &Context<'_>, id: Uuid) -> Result<Option<SessionView>> {
        context.data::<loaders::SessionLoader>()?.load_one(id).await
    }

    /// The lots that are known beforehand, have events or have saved summaries, by name.
    #[graphql(complexity = "most(Some(first.unwrap_or(MAX_PAGE))).saturating_mul(child_complexity).saturating_add(1)")]
    async fn lots(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The most, at most 1000; 1000 without it")] first: Option<u32>,
        #[graphql(desc = "Behind the lot of this name")] after: Option<String>,
    ) -> Result<Vec<LotView>> {
        let mut faults = Faults::default();
        let limit = faults.optional("limit", first, at_most(MAX_PAGE));
        let after = faults.optional("after", after.as_deref(), parameters::lot);
        faults.none().map_err(refused)?;
        let (lots, _) = lots::behind(context.data::<Service>()?, after.as_ref(), limit).await.map_err(refused)?;
        Ok(lots.iter().map(LotView::from).collect())
    }

    /// One lot.
    async fn lot(&self, context: &Context<'_>, id: String) -> Result<Option<LotView>> {
        context.data::<loaders::LotLoader>()?.load_one(Arc::from(id)).await
    }

    /// Every change to every session after a number, in order and without gaps.
    #[graphql(complexity = "most(first).saturating_mul(child_complexity).saturating_add(1)")]
    async fn changes(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The number of the last change that is known; 0 is the beginning", default)] after: u64,
        #[graphql(desc = "The most, at most 1000; 100 without it")] first: Option<u32>,
    ) -> Result<ChangePage> {
        let mut faults = Faults::default();
        let asked = ChangeListParameters {
            after: faults.optional("after", Some(after), changes::possible),
            limit: faults.optional("limit", first, at_most(MAX_PAGE)),
        };
        faults.none().map_err(refused)?;
        changes::page(context.data::<Service>()?, asked).await.map_err(refused)
    }

    /// What happened at a lot by hour or by day, how long stays lasted, and when vehicles come.
    async fn statistics(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Of this lot")] lot_id: String,
        #[graphql(desc = "From the bucket on that has this time; a day of hours or thirty days without it")]
        from: Option<String>,
        #[graphql(
            desc = "Until the bucket is over that has the moment before this time; the lot's own time without it"
        )]
        to: Option<String>,
        #[graphql(desc = "hour (without it), at most 750 of them, or day of the lot's time zone, at most 400")]
        bucket: Option<String>,
    ) -> Result<StatisticsView> {
        let mut faults = Faults::default();
        let asked = StatisticsOf {
            lot: faults.optional("lot_id", Some(&*lot_id), parameters::lot).unwrap_or_default(),
            from: faults.optional("from", from.as_deref(), parameters::time),
            to: faults.optional("to", to.as_deref(), parameters::time),
            bucket: faults.optional("bucket", bucket.as_deref(), statistics::bucket).unwrap_or_default(),
        };
        faults.none().map_err(refused)?;
        let statistics = context.data::<Service>()?.statistics(&asked).await.map_err(refused)?;
        Ok(StatisticsView::from(&statistics))
    }

    /// How each gate does whose events this process has recorded, by lot and gate: at most a thousand, and one that stands
    /// for all beyond.
    #[graphql(complexity = "(MAX_GATES + 1).saturating_mul(child_complexity).saturating_add(1)")]
    #[expect(clippy::unused_async, reason = "every field of GraphQL is asynchronous")]
    async fn gates(&self, context: &Context<'_>) -> Result<Vec<GateView>> {
        Fleeting::ask(context)?;
        let gates = context.data::<Service>()?.gates();
        Ok(gates.iter().map(GateView::from).collect())
    }

    /// Why an event is in the session that it is in. Nearly always one; none when no such event is recorded, several when
    /// the id was used again.
    #[graphql(complexity = "EXPLANATION.saturating_add(child_complexity)")]
    async fn event_explanations(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The event's own id")] id: Uuid,
    ) -> Result<Vec<ExplanationView>> {
        let explained = context.data::<Service>()?.explain(id).await.map_err(refused)?;
        Ok(explained.iter().map(ExplanationView::from).collect())
    }

    /// The newest sessions of a plate, each explained by its exit, or else its entry; the newest first.
    #[graphql(complexity = "explained(first).saturating_mul(EXPLANATION.saturating_add(child_complexity))")]
    async fn explanations(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The plate, in any spelling")] vehicle_plate: String,
        #[graphql(desc = "In this lot only")] lot_id: Option<String>,
        #[graphql(desc = "The most sessions, at most 20; 3 without it")] first: Option<u32>,
    ) -> Result<Vec<ExplanationView>> {
        let mut faults = Faults::default();
        let vehicle_plate = faults.optional("vehicle_plate", Some(&*vehicle_plate), parameters::plate);
        let lot_id = faults.optional("lot_id", lot_id.as_deref(), parameters::lot);
        let limit = faults.optional("limit", first, at_most(MAX_EXPLAINED));
        let Some(vehicle_plate) = vehicle_plate else { return Err(refused(faults.into_problem())) };
        faults.none().map_err(refused)?;
        let asked = ExplanationParameters { vehicle_plate, lot_id, limit };
        let explained = explanations::of_plate(context.data::<Service>()?, asked).await.map_err(refused)?;
        Ok(explained.explanations)
    }

    /// Whether all work is done, and what is not.
    async fn status(&self, context: &Context<'_>) -> Result<StatusView> {
        Fleeting::ask(context)?;
        let status = context.data::<Service>()?.status().await.map_err(refused)?;
        Ok(StatusView::from(&status))
    }
}
