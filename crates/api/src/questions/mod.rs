//! What is asked: the parameters of each list and question, and the views that answer them. REST, GraphQL and the page ask
//! by the same typed functions, so that all of them answer the same.

pub mod changes;
pub mod explanations;
pub mod lots;
pub mod session_list;
pub mod statistics;
