//! What parameters ask for: reads them, asks the service, and gives the views. REST, GraphQL and the page ask by the same
//! code, so that all of them refuse and answer the same.

pub mod changes;
pub mod explanations;
pub mod lots;
pub mod session_list;
pub mod statistics;
