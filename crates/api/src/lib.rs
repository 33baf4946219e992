//! The data types of the API: responses, errors, parameters and cursors of `/api/v1`, GraphQL and the operator's page.
//!
//! - [`views`]: the JSON of responses, for servers and clients.
//! - [`problem`]: errors, as RFC 9457 problems.
//! - [`mod@parameters`]: query parameters and ids in paths; [`questions`]: the parameters of each query, and its
//!   execution.
//! - [`cursor`], [`etag`]: the cursor of the next page; conditional requests.
//! - `graphql`, a feature that only `web-api` enables: the GraphQL fields that views have besides their members.
//!
//! - [`Scoped`]: the service as the sender of a request may use it.
//!
//! Not here: routes, and who sent a request (`web-api`); recording and reading sessions (`sessions`).

pub mod cursor;
pub mod etag;
#[cfg(feature = "graphql")]
pub mod graphql;
pub mod parameters;
pub mod problem;
pub mod questions;
mod scoped;
pub mod views;

pub use parameters::{Faults, Form, Query};
pub use problem::{Fault, Kind, Problem, ProblemView};
pub use scoped::Scoped;
pub use views::{
    BucketView, ChangePage, ChangeView, CorrelatorView, CreatedToken, CreatedWebhook, DependencyView, DwellBucketView,
    EntryAtGateView, EventView, ExplanationView, ExplanationsView, GateList, GateView, LookUpBody, LookUpCandidate,
    LookedUpView, LotPage, LotRulesView, LotView, NearPlateView, PassageView, PasswordBody, PauseBody, PendingView,
    ReceiptView, ReplayBody, RulesView, Saved, Seconds, SecretText, SessionChangeView, SessionPage, SessionView,
    SimilarEntryView, StageView, StatisticsView, StatusView, StoryView, SummaryBody, TokenBody, TokenList, TokenView,
    TrailView, TrailsView, TroubleView, UserBody, UserList, UserView, UsualStayView, WebhookBody, WebhookList,
    WebhookTestView, WebhookView,
};
