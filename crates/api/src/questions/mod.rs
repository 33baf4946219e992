//! The queries of the API: the parameters of each, and the views that answer it. REST, GraphQL and the page call the same
//! typed functions, so all of them give the same answers.

pub mod changes;
pub mod explanations;
pub mod lots;
pub mod session_list;
pub mod statistics;
