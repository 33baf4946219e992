//! The shapes of the API: how answers, errors, parameters and cursors look in `/api/v1`, in GraphQL and on the page.
//!
//! - [`views`]: the JSON of answers, also for programs that read them.
//! - [`problem`]: errors, as problems.
//! - [`mod@parameters`]: query parameters and ids in paths; [`questions`]: those of each list, and what answers them.
//! - [`cursor`], [`etag`]: where the next page begins, and whether a client has an answer already.
//! - `graphql`, a feature of the summary API alone: what views have in GraphQL beside their members.
//!
//! Not here: routes, and who may call them (summary-api's); what is recorded and asked (`sessions`').

pub mod cursor;
pub mod etag;
#[cfg(feature = "graphql")]
pub mod graphql;
pub mod parameters;
pub mod problem;
pub mod questions;
pub mod views;

pub use parameters::{Faults, Form, Query};
pub use problem::{Fault, Kind, Problem, ProblemView};
pub use views::{
    BucketView, ChangePage, ChangeView, CorrelatorView, DependencyView, DwellBucketView, EventView, ExplanationView,
    ExplanationsView, GateList, GateView, LotPage, LotRulesView, LotView, NearPlateView, PassageView, PendingView,
    RulesView, Saved, Seconds, SessionChangeView, SessionPage, SessionView, StatisticsView, StatusView, StoryView,
    SummaryBody,
};
