//! The queries of the API: their parameters, and the functions that return their views. REST, GraphQL and the page call
//! these functions, so they return equal values.

pub mod changes;
pub mod days;
pub mod explanations;
pub mod lookup;
pub mod lots;
pub mod session_list;
pub mod statistics;
