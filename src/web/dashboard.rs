//! The dashboard: curves of one or many runs in a folder, and everything else that their files hold, as they grow.

use super::app::App;
use super::details::{details, stamp};
use super::events::news;
use super::guard::guarded;
use super::records;
use crate::error::{Error, Result};
use crate::http::Hosts;
use axum::Router;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::get;
use electra_runs::{Follower, Run};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

/// Most runs that a page may follow at a time.
const FOLLOWED: usize = 32;

/// The pages that show the runs below `folder`, or the run that it is, to requests to `hosts`, until `signal` is not zero.
///
/// # Errors
/// [`Error::Input`] where `folder` is no directory.
pub fn dashboard(folder: &Path, hosts: Hosts, signal: Arc<AtomicUsize>) -> Result<Router> {
    if !folder.is_dir() {
        return Err(Error::input(folder, "there is no such directory; expected a folder of runs, or a run"));
    }
    let app = App::new(folder, signal);
    let file =
        |kind: &'static str, text: &'static str| get(move || async move { ([(header::CONTENT_TYPE, kind)], text) });
    let router = Router::new()
        .route("/", file("text/html; charset=utf-8", include_str!("page/index.html")))
        .route("/dashboard.css", file("text/css; charset=utf-8", include_str!("page/dashboard.css")))
        .route("/dashboard.js", file("text/javascript; charset=utf-8", include_str!("page/dashboard.js")))
        .route("/chart.js", file("text/javascript; charset=utf-8", include_str!("page/chart.js")))
        .route("/icon.svg", file("image/svg+xml", include_str!("page/icon.svg")))
        .route("/api/runs", get(all_runs))
        .route("/api/curves", get(curves))
        .route("/api/details", get(all_details))
        .route("/api/load", get(load))
        .route("/api/events", get(events))
        .fallback(|| async { (StatusCode::NOT_FOUND, "there is nothing here\n") })
        .with_state(Arc::new(app));
    Ok(guarded(router, &[Method::GET, Method::HEAD], hosts))
}

/// The query of a request: `run` as often as there are runs.
type Words = Query<Vec<(String, String)>>;

fn all_of(query: &Words, key: &str) -> Vec<String> {
    query.0.iter().filter(|(name, _)| name == key).take(FOLLOWED).map(|(_, value)| value.clone()).collect()
}

/// Runs `answer`, which reads files, where that delays no other request.
async fn reading<T: IntoResponse + Send + 'static>(answer: impl FnOnce() -> T + Send + 'static) -> Response {
    match tokio::task::spawn_blocking(answer).await {
        Ok(answer) => answer.into_response(),
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, "the answer could not be made\n").into_response(),
    }
}

async fn all_runs(State(app): State<Arc<App>>) -> Response {
    reading(move || {
        let table = app.listing.table();
        let mut json = table.json.clone();
        json["digest"] = format!("{:x}", table.digest).into();
        Json(json)
    })
    .await
}

/// Answers with what `answer` says of the run that the query names.
async fn of_run(
    app: Arc<App>,
    query: Words,
    answer: impl FnOnce(&Run, &Arc<Follower>) -> Value + Send + 'static,
) -> Response {
    reading(move || match all_of(&query, "run").first().and_then(|name| app.listing.find(name)) {
        Some(run) => Json(answer(&run, &app.follower(&run))).into_response(),
        None => (StatusCode::NOT_FOUND, "there is no run of this name\n").into_response(),
    })
    .await
}

async fn curves(State(app): State<Arc<App>>, query: Words) -> Response {
    let answer = |_: &Run, follower: &Arc<Follower>| {
        follower.look(|metrics, position| {
            json!({
                "position": position.to_string(), "whole": position.whole, "lines": metrics.records,
                "curves": records::curves(metrics),
            })
        })
    };
    of_run(app, query, answer).await
}

async fn all_details(State(app): State<Arc<App>>, query: Words) -> Response {
    let answer = |run: &Run, follower: &Arc<Follower>| {
        // Read first: what changes meanwhile is shown again, not missed.
        let stamp = stamp(run);
        let mut details = details(run, follower);
        details["stamp"] = format!("{stamp:x}").into();
        details
    };
    of_run(app, query, answer).await
}

async fn load(State(app): State<Arc<App>>, query: Words) -> Response {
    reading(move || {
        let runs: Vec<Run> = all_of(&query, "run").iter().filter_map(|name| app.listing.find(name)).collect();
        Json(app.load.measure(&runs))
    })
    .await
}

async fn events(State(app): State<Arc<App>>, method: Method, headers: HeaderMap, query: Words) -> Response {
    let since = all_of(&query, "since").pop().unwrap_or_default();
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok()).map(str::to_owned);
    let text = match method {
        Method::HEAD => String::new(),
        _ => news(app, all_of(&query, "run"), last.unwrap_or(since)).await,
    };
    ([(header::CONTENT_TYPE, "text/event-stream")], text).into_response()
}
