//! The servers of the testbed, and programs under test: one module for each kind.

mod postgres;
mod program;
mod prometheus;
mod proxy;
mod rabbitmq;
mod redis;
