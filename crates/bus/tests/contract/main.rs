//! The contract of the bus, held against both adapters, and what each of them promises beyond it.
//!
//! The `cfg(test)` is for clippy, which otherwise does not take helpers of tests for tests.

#[cfg(test)]
mod claims;
#[cfg(test)]
mod embedded;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod numbered;
#[cfg(test)]
mod rabbitmq;
#[cfg(test)]
mod said;
