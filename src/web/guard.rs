//! What stands before every page: who may ask, how, and what browsers are told about the answer.
//!
//! A page on loopback can be reached by every web site that the user has open. A site cannot read answers from another
//! origin, but it can give its own name the address 127.0.0.1 (DNS rebinding), and then its origin is ours. The Host
//! header tells: it still holds the site's name. Ports are free, so that an SSH tunnel may end at any.

use crate::http::is_local_request;
use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use std::net::Ipv4Addr;

/// What a browser may load for our pages: scripts, styles, pictures and data from here, nothing from elsewhere, nothing
/// written into the page itself.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const HEADERS: [(HeaderName, &str); 5] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (header::CACHE_CONTROL, "no-store"),
];

/// `router`, for requests by one of `methods` whose Host is this machine: others are answered 405 and 403.
pub fn guarded(router: Router, methods: &'static [Method]) -> Router {
    let check = move |request: Request, next: Next| async move {
        let mut response = match refusal(&request, methods) {
            Some(response) => response,
            None => next.run(request).await,
        };
        for (name, value) in HEADERS {
            response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
        }
        response
    };
    router.layer(from_fn(check))
}

fn refusal(request: &Request, methods: &[Method]) -> Option<Response> {
    if !is_local_request(request, Ipv4Addr::LOCALHOST.into()) {
        let message = "forbidden: this server answers to localhost, 127.0.0.1 and [::1] alone\n";
        return Some((StatusCode::FORBIDDEN, message).into_response());
    }
    if !methods.contains(request.method()) {
        let allowed = methods.iter().map(Method::as_str).collect::<Vec<_>>().join(", ");
        let message = format!("expected {allowed}\n");
        return Some((StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, allowed)], message).into_response());
    }
    None
}
