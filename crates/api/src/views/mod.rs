//! The JSON of responses: the members, names and formats that clients depend on. Servers write them, clients read them.
//!
//! Each view is converted from a type of the service or the ledger. With the feature `graphql`, the views are GraphQL
//! objects, too: a second struct for each would repeat all fields.

mod account;
mod change;
mod gate;
mod lookup;
mod lot;
mod receipt;
mod rules;
pub mod schemas;
mod seconds;
mod session;
mod statistics;
mod status;
mod story;
mod summary;
mod trail;
mod webhook;

pub use account::{
    CreatedToken, PasswordBody, SecretText, TokenBody, TokenList, TokenView, UserBody, UserList, UserView,
};
pub use change::{ChangePage, ChangeView};
pub use gate::{GateList, GateView};
pub use lookup::{EntryAtGateView, LookUpBody, LookUpCandidate, LookedUpView, SimilarEntryView, UsualStayView};
pub use lot::{LotPage, LotView};
pub use receipt::ReceiptView;
pub use rules::{LotRulesView, RulesView};
pub use seconds::Seconds;
pub use session::{SessionPage, SessionView};
pub use statistics::{BucketView, DwellBucketView, StatisticsView};
pub use status::{CorrelatorView, DependencyView, PendingView, StatusView};
pub use story::{
    EventView, ExplanationView, ExplanationsView, NearPlateView, PassageView, SessionChangeView, StoryView,
};
pub use summary::{Saved, SummaryBody};
pub use trail::{StageView, TrailView, TrailsView};
pub use webhook::{
    CreatedWebhook, PauseBody, ReplayBody, TroubleView, WebhookBody, WebhookList, WebhookTestView, WebhookView,
};
