//! The JSON of answers: members, names and forms that clients build on. Also for programs that read them.
//!
//! Each view is made from what the service or the ledger says. GraphQL has the same views, with what
//! `graphql` adds to them, where that feature is on: a second struct for each would repeat all their fields.

mod change;
mod gate;
mod lot;
mod rules;
pub mod schemas;
mod seconds;
mod session;
mod statistics;
mod status;
mod story;
mod summary;

pub use change::{ChangePage, ChangeView};
pub use gate::{GateList, GateView};
pub use lot::{LotPage, LotView};
pub use rules::{LotRulesView, RulesView};
pub use seconds::Seconds;
pub use session::{SessionPage, SessionView};
pub use statistics::{BucketView, DwellBucketView, StatisticsView};
pub use status::{CorrelatorView, DependencyView, PendingView, StatusView};
pub use story::{
    EventView, ExplanationView, ExplanationsView, NearPlateView, PassageView, SessionChangeView, StoryView,
};
pub use summary::{Saved, SummaryBody};
