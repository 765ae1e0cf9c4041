//! The program as people meet it: its command line, its pages, and the layers it is made of.

#[path = "../common/mod.rs"]
mod common;

mod cli;
mod config;
#[cfg(unix)]
mod dashboard_terminal;
#[cfg(feature = "web")]
mod dashboard_web;
mod layers;
mod report;
#[cfg(feature = "web")]
mod serve;
