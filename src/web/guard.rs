//! What stands before every page: who may ask, how, and the headers that browsers receive with the answer.
//!
//! A page on loopback can be reached by every web site that the user has open. A site cannot read answers from another
//! origin, but it can give its own name the address 127.0.0.1 (DNS rebinding), and then its origin is ours. The Host
//! header gives it away: it still holds the site's name. Ports are free, so that an SSH tunnel may end at any.

use crate::http::Hosts;
use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use std::sync::Arc;

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

/// `router`, for requests by one of `methods` whose Host is one of `hosts`: others are answered 405 and 403.
pub fn guarded(router: Router, methods: &'static [Method], hosts: Hosts) -> Router {
    let hosts = Arc::new(hosts);
    let check = move |request: Request, next: Next| {
        let hosts = hosts.clone();
        async move {
            let mut response = match refusal(&request, methods, &hosts) {
                Some(response) => response,
                None => next.run(request).await,
            };
            for (name, value) in HEADERS {
                response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
            }
            response
        }
    };
    router.layer(from_fn(check))
}

fn refusal(request: &Request, methods: &[Method], hosts: &Hosts) -> Option<Response> {
    if !hosts.have(request) {
        let message = format!("forbidden: this server answers to {hosts}\n");
        return Some((StatusCode::FORBIDDEN, message).into_response());
    }
    if !methods.contains(request.method()) {
        let allowed = methods.iter().map(Method::as_str).collect::<Vec<_>>().join(", ");
        let message = format!("expected {allowed}\n");
        return Some((StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, allowed)], message).into_response());
    }
    None
}
