//! A fine-tuned model behind HTTP: requests that arrive together are computed together.
//!
//! One thread computes; while it does, requests wait in a queue, and all that wait become the next batch. Every route
//! answers JSON, errors too: `{"error": ".."}`.

mod figures;
mod pulse;
mod queue;
mod request;
mod routes;

use crate::config::Precision;
use crate::error::Result;
use crate::explain::Explainer;
use crate::http::{ClientBounds, Hosts, Server};
use crate::hub;
use crate::tasks::{Kind, Model, Recommender};
use crate::token::AccessToken;
use axum::Router;
use burn::tensor::Device;
use queue::Models;
use std::net::IpAddr;
use std::path::Path;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

/// What one request, and all of them together, may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Largest body in bytes.
    pub body_bytes: usize,
    /// Most inputs of a request.
    pub inputs: usize,
    /// Longest text in characters. What is longer than the model reads is cut, as everywhere.
    pub characters: usize,
    /// Requests that are worked on at a time; more are turned away.
    pub requests: usize,
    /// Most inputs that are computed together; 1 computes each request for itself.
    pub batch: usize,
    /// Longest time for a body to arrive, and then for the answer.
    pub time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 1 << 20,
            inputs: 256,
            characters: 100_000,
            requests: 256,
            batch: 64,
            time: Duration::from_secs(30),
        }
    }
}

/// A model that can be served.
pub struct Served(Models);

impl Served {
    /// Opens a directory that fine-tuning or recommendation has written.
    ///
    /// # Errors
    /// Those of [`Model::open`].
    pub fn open(directory: &Path, device: &Device) -> Result<Self> {
        Self::open_as(directory, None, Precision::Auto, device)
    }

    /// [`open`](Self::open) of a model that another program may have fine-tuned for the task `kind`, and that answers in
    /// `precision`; its reasons are computed in the widest format.
    ///
    /// # Errors
    /// Those of [`Model::open_as`] and [`Model::set_precision`].
    pub fn open_as(directory: &Path, kind: Option<Kind>, precision: Precision, device: &Device) -> Result<Self> {
        let directory = &hub::place(directory, &["model"])?;
        // Reasons need gradients. Nothing else asks for them, and a recommender has no reasons.
        let device = if Recommender::is_at(directory) { device.clone() } else { device.clone().autodiff() };
        let mut model = Model::open_as(directory, kind, &device)?;
        model.set_precision(precision)?;
        let explainer = match &model {
            Model::Task(predictor) => Some(Explainer::of(predictor.clone())),
            Model::Recommender(_) => None,
        };
        Ok(Self(Models { model, explainer }))
    }

    /// What was taken for its task, where no file names one.
    pub fn note(&self) -> Option<&str> {
        self.0.model.note()
    }

    /// Its task.
    pub fn kind(&self) -> Kind {
        self.0.model.kind()
    }

    /// The routes, to be served by another server, with a thread that computes.
    ///
    /// Where that listens on an address that only this machine can reach, `hosts` are those that requests may name. Where there is a
    /// `token`, all but `/healthz` must have it.
    pub fn router(self, limits: Limits, hosts: Option<Hosts>, token: Option<AccessToken>) -> Router {
        routes::router(self.0, limits, hosts, token)
    }

    /// Answers on `server` until `signal` is set, then finishes the answers that are under way. On an address that only this
    /// machine can reach, requests may name it and the hosts of `allowed`.
    ///
    /// # Errors
    /// Those of [`Server::serve`] and [`Hosts::new`].
    pub fn serve(
        self,
        server: Server,
        limits: Limits,
        allowed: &[String],
        token: Option<AccessToken>,
        signal: &AtomicUsize,
    ) -> Result<()> {
        let own = Some(server.address().ip()).filter(IpAddr::is_loopback);
        let hosts = own.map(|own| Hosts::new(own, allowed)).transpose()?;
        server.serve(self.router(limits, hosts, token), ClientBounds::default(), signal)
    }
}
