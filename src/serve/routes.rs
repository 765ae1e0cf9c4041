//! The routes and what they answer.

use super::Limits;
use super::figures::Figures;
use super::queue::{Models, Question, Queue, Unanswered};
use super::request::{Embed, Explain, Predict, Rejection, Rerank, body, count, inputs, readable};
use crate::explain::Options;
use crate::http::Hosts;
use crate::tasks::{Input, Kind};
use crate::token::AccessToken;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::Semaphore;

/// What all requests share.
#[derive(Clone)]
struct App {
    queue: Queue,
    kind: Kind,
    limits: Limits,
    places: Arc<Semaphore>,
    figures: Arc<Figures>,
}

type Answered = Result<Json<Value>, Rejection>;

/// Most inputs that are explained for one request: each takes as long as a hundred predictions.
const MOST_EXPLAINED: usize = 16;

/// The server's routes, answered by `models`, for requests to `hosts` where these are bound, and for those that have the `token`
/// where there is one.
pub(super) fn router(models: Models, limits: Limits, hosts: Option<Hosts>, token: Option<AccessToken>) -> Router {
    let figures = Arc::new(Figures::default());
    let app = App {
        kind: models.model.kind(),
        queue: Queue::new(models, limits.batch, figures.clone()),
        limits,
        places: Arc::new(Semaphore::new(limits.requests)),
        figures,
    };
    let mut work = Router::new()
        .route("/predict", post(predict))
        .route("/rerank", post(rerank))
        .route("/embed", post(embed))
        .route("/explain", post(explain));
    let mut rest = Router::new().route("/metrics", get(metrics)).route("/openapi.json", get(description));
    if let Some(token) = token {
        let known = from_fn_with_state(Arc::new(token), known_alone);
        (work, rest) = (work.route_layer(known.clone()), rest.route_layer(known));
    }
    let routes = work
        .route_layer(from_fn_with_state(app.clone(), bounded))
        .merge(rest)
        .route("/healthz", get(health))
        .method_not_allowed_fallback(async || {
            Rejection::new(StatusCode::METHOD_NOT_ALLOWED, "the route has another method")
        })
        .fallback(async || Rejection::new(StatusCode::NOT_FOUND, "there is no such route; /openapi.json lists them"))
        .with_state(app);
    match hosts {
        Some(hosts) => routes.layer(from_fn_with_state(Arc::new(hosts), known_hosts)),
        None => routes,
    }
}

async fn known_hosts(State(hosts): State<Arc<Hosts>>, request: Request, next: Next) -> Response {
    match hosts.have(&request) {
        true => next.run(request).await,
        false => {
            let message = format!("this server answers to {hosts}");
            Rejection::new(StatusCode::FORBIDDEN, message).into_response()
        }
    }
}

/// Answers who has the token.
async fn known_alone(State(token): State<Arc<AccessToken>>, request: Request, next: Next) -> Response {
    let header = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let is_known = header.and_then(|value| value.split_once(' ')).is_some_and(|(scheme, found)| {
        // As for every scheme of HTTP, its case does not matter.
        scheme.eq_ignore_ascii_case("bearer") && token.is(found)
    });
    if is_known {
        return next.run(request).await;
    }
    let message = "expected the header \"authorization: Bearer TOKEN\" with the token of this server";
    let mut response = Rejection::new(StatusCode::UNAUTHORIZED, message).into_response();
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}

/// Whether there will be answers.
async fn health(State(app): State<App>) -> Answered {
    match app.queue.health(app.limits.time * 2) {
        Ok(()) => Ok(Json(json!({"status": "ok"}))),
        Err(message) => Err(Rejection::busy(message)),
    }
}

/// Turns requests away that there is no time for, and counts all.
async fn bounded(State(app): State<App>, route: MatchedPath, request: Request, next: Next) -> Response {
    let begun = Instant::now();
    // The body has its own time, and then the answer.
    let response = match tokio::time::timeout(app.limits.time * 2, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Rejection::busy("the answer took too long").into_response(),
    };
    app.figures.request(route.as_str(), response.status().as_u16(), begun.elapsed());
    response
}

impl App {
    /// Asks the model, where there is room for one more. A body that is still arriving takes none.
    async fn ask(&self, question: Question) -> Result<Vec<Value>, Rejection> {
        let Ok(_place) = self.places.try_acquire() else {
            return Err(Rejection::busy("too many requests are being worked on"));
        };
        self.queue.ask(question).await.map_err(|failure| match failure {
            Unanswered::Question(message) => Rejection::unprocessable(message),
            Unanswered::Inside(message) => Rejection::new(StatusCode::INTERNAL_SERVER_ERROR, message),
        })
    }

    /// The model's task must be one of `kinds`.
    fn expect(&self, kinds: &[Kind], route: &str) -> Result<(), Rejection> {
        if kinds.contains(&self.kind) {
            return Ok(());
        }
        let names: Vec<_> = kinds.iter().map(|kind| kind.name()).collect();
        let message = format!("{route} is for {}; this model's task is {}", names.join(" and "), self.kind.name());
        Err(Rejection::new(StatusCode::NOT_FOUND, message))
    }
}

async fn predict(State(app): State<App>, request: Request) -> Answered {
    let Predict { inputs: values, top_k } = body(request, &app.limits).await?;
    let inputs = inputs(&values, app.kind, &app.limits)?;
    if top_k == Some(0) {
        return Err(Rejection::unprocessable("top_k: 0; expected 1 or more"));
    }
    let predictions = app.ask(Question::Predict { inputs, top_k }).await?;
    Ok(Json(json!({"predictions": predictions})))
}

async fn rerank(State(app): State<App>, request: Request) -> Answered {
    app.expect(&[Kind::Ranking, Kind::Regression], "/rerank")?;
    let Rerank { query, documents, top_k } = body(request, &app.limits).await?;
    count(documents.len(), "documents", &app.limits)?;
    readable(&query, "query", &app.limits)?;
    for (at, document) in documents.iter().enumerate() {
        readable(document, &format!("documents[{at}]"), &app.limits)?;
    }
    let inputs = documents.into_iter().map(|document| Input::Pair(query.clone(), document)).collect();
    let predictions = app.ask(Question::Predict { inputs, top_k: None }).await?;
    let mut scores: Vec<(usize, f64)> =
        predictions.iter().map(|prediction| prediction["score"].as_f64().unwrap_or(f64::NAN)).enumerate().collect();
    // Of equal ones the first comes first.
    scores.sort_by(|one, other| other.1.total_cmp(&one.1));
    scores.truncate(top_k.unwrap_or(usize::MAX));
    let results: Vec<_> = scores.into_iter().map(|(index, score)| json!({"index": index, "score": score})).collect();
    Ok(Json(json!({"results": results})))
}

async fn embed(State(app): State<App>, request: Request) -> Answered {
    if app.kind == Kind::Recommendation {
        return Err(Rejection::new(StatusCode::NOT_FOUND, "/embed is for encoders; this model recommends"));
    }
    let Embed { inputs } = body(request, &app.limits).await?;
    count(inputs.len(), "inputs", &app.limits)?;
    for (at, text) in inputs.iter().enumerate() {
        readable(text, &format!("inputs[{at}]"), &app.limits)?;
    }
    let embeddings = app.ask(Question::Embed(inputs)).await?;
    Ok(Json(json!({"embeddings": embeddings})))
}

async fn explain(State(app): State<App>, request: Request) -> Answered {
    if app.kind == Kind::Recommendation {
        return Err(Rejection::new(StatusCode::NOT_FOUND, "/explain is for encoders; this model recommends"));
    }
    let Explain { inputs: values, label, token, attention } = body(request, &app.limits).await?;
    let limits = Limits { inputs: app.limits.inputs.min(MOST_EXPLAINED), ..app.limits };
    let inputs = inputs(&values, app.kind, &limits)?;
    if attention && inputs.len() > 1 {
        let message = format!("\"attention\" for {} inputs; expected one input a request", inputs.len());
        return Err(Rejection::unprocessable(message));
    }
    let options = Options { label, token, attention, ..Options::default() };
    let explanations = app.ask(Question::Explain { inputs, options }).await?;
    Ok(Json(json!({"explanations": explanations})))
}

async fn metrics(State(app): State<App>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], app.figures.to_text())
}

/// The description as it stands in `openapi.json`, of this version.
async fn description() -> impl IntoResponse {
    let text = include_str!("openapi.json").replace("VERSION", env!("CARGO_PKG_VERSION"));
    ([(header::CONTENT_TYPE, "application/json")], text)
}
