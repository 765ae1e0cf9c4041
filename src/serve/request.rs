//! Bodies of requests: read within bounds, checked before anything is computed.

use super::Limits;
use crate::tasks::{Input, Kind};
use axum::Json;
use axum::body::to_bytes;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, error::Category, json};

/// Of `POST /predict`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Predict {
    #[serde(deserialize_with = "one_or_several")]
    pub inputs: Vec<Value>,
    pub top_k: Option<usize>,
}

/// Of `POST /rerank`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rerank {
    pub query: String,
    pub documents: Vec<String>,
    pub top_k: Option<usize>,
}

/// Of `POST /embed`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Embed {
    #[serde(deserialize_with = "one_or_several")]
    pub inputs: Vec<String>,
}

/// Of `POST /explain`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Explain {
    #[serde(deserialize_with = "one_or_several")]
    pub inputs: Vec<Value>,
    pub label: Option<String>,
    pub token: Option<usize>,
    #[serde(default)]
    pub attention: bool,
}

/// An array, or in its place the only thing that would stand in it.
fn one_or_several<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> Result<Vec<T>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    let all = if value.is_array() { value } else { Value::Array(vec![value]) };
    serde_json::from_value(all).map_err(D::Error::custom)
}

/// Why a request gets no answer.
#[derive(Debug)]
pub(super) struct Rejection {
    pub status: StatusCode,
    pub message: String,
}

impl Rejection {
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into() }
    }

    /// What a request says that cannot be answered.
    pub(super) fn unprocessable(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, message)
    }

    /// That there is no room or time now.
    pub(super) fn busy(message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, message)
    }

    fn too_large(message: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, message)
    }
}

impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(json!({"error": self.message}))).into_response();
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static("1"));
        }
        response
    }
}

/// The body of `request` as a `T`.
pub(super) async fn body<T: DeserializeOwned>(request: Request, limits: &Limits) -> Result<T, Rejection> {
    let most = limits.body_bytes;
    let too_large = || Rejection::too_large(format!("the body is too large; expected at most {most} bytes"));
    check_head(request.headers(), most, too_large)?;
    let bytes = match tokio::time::timeout(limits.time, to_bytes(request.into_body(), most)).await {
        Err(_) => return Err(Rejection::new(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time")),
        // The only other failure is a client that has gone away, who reads no answer.
        Ok(Err(_)) => return Err(too_large()),
        Ok(Ok(bytes)) => bytes,
    };
    serde_json::from_slice(&bytes).map_err(|error| match error.classify() {
        Category::Data => Rejection::unprocessable(error.to_string()),
        _ => Rejection::new(StatusCode::BAD_REQUEST, format!("the body is not JSON: {error}")),
    })
}

/// Checks what can be known before the body has arrived.
fn check_head(headers: &HeaderMap, most: usize, too_large: impl Fn() -> Rejection) -> Result<(), Rejection> {
    let text = |name| headers.get(name)?.to_str().ok();
    let is_json = text(header::CONTENT_TYPE).is_some_and(|kind| {
        kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
    });
    if !is_json {
        let message = "expected the header \"content-type: application/json\"";
        return Err(Rejection::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
    }
    let length: Option<usize> = text(header::CONTENT_LENGTH).and_then(|length| length.parse().ok());
    if length.is_some_and(|length| length > most) { Err(too_large()) } else { Ok(()) }
}

/// The inputs that `values` are for a task.
pub(super) fn inputs(values: &[Value], kind: Kind, limits: &Limits) -> Result<Vec<Input>, Rejection> {
    count(values.len(), "inputs", limits)?;
    let input = |(at, value)| {
        let input = Input::from_json(value, kind)
            .map_err(|error| Rejection::unprocessable(format!("inputs[{at}]: {error}")))?;
        let texts = input.texts();
        if texts.is_empty() {
            return Err(Rejection::unprocessable(format!("inputs[{at}] is empty")));
        }
        texts.into_iter().try_for_each(|text| readable(text, &format!("inputs[{at}]"), limits))?;
        Ok(input)
    };
    values.iter().enumerate().map(input).collect()
}

/// Checks how many of `what` there are.
pub(super) fn count(count: usize, what: &str, limits: &Limits) -> Result<(), Rejection> {
    match count {
        0 => Err(Rejection::unprocessable(format!("\"{what}\" is empty; expected at least one"))),
        _ if count > limits.inputs => {
            Err(Rejection::too_large(format!("{count} {what}; expected at most {}", limits.inputs)))
        }
        _ => Ok(()),
    }
}

/// Checks a text, which stands at `place`.
pub(super) fn readable(text: &str, place: &str, limits: &Limits) -> Result<(), Rejection> {
    if text.trim().is_empty() {
        return Err(Rejection::unprocessable(format!("{place}: the text is empty")));
    }
    let most = limits.characters;
    match text.chars().nth(most) {
        Some(_) => Err(Rejection::too_large(format!("{place}: the text has more than {most} characters"))),
        None => Ok(()),
    }
}
