//! The contract of the bus on both adapters, and the further promises of each.
//!
//! `cfg(test)` is for clippy, which otherwise does not recognise test helpers.

#[cfg(test)]
mod claims;
#[cfg(test)]
mod embedded;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod nested;
#[cfg(test)]
mod numbered;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod rabbitmq;
#[cfg(test)]
mod unparseable;
