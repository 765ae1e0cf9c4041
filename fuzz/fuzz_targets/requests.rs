//! Bytes as the body of a request to a server with a tagger: an answer or a refusal, in JSON. The first byte chooses the route.

#![no_main]

mod base;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use electra_burn::device::select;
use electra_burn::serve::{Limits, Served};
use libfuzzer_sys::fuzz_target;
use std::net::Ipv4Addr;
use std::sync::LazyLock;
use tokio::runtime::Runtime;
use tower::ServiceExt;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("a runtime"));
static ROUTES: LazyLock<Router> = LazyLock::new(|| {
    let device = select("flex").expect("flex is compiled in").device;
    let served = Served::open(&base::base("tags/model"), &device).expect("the base has a tagger");
    served.router(Limits::default(), Some(Ipv4Addr::LOCALHOST.into()), None)
});

fuzz_target!(|bytes: &[u8]| {
    let Some((&choice, body)) = bytes.split_first() else { return };
    let route = ["/predict", "/embed", "/explain", "/rerank"][usize::from(choice) % 4];
    let request = Request::post(route).header("host", "localhost").header("content-type", "application/json");
    let request = request.body(Body::from(body.to_vec())).expect("a request");
    RUNTIME.block_on(async {
        let response = ROUTES.clone().oneshot(request).await.expect("it never fails");
        let status = response.status();
        assert!(status.is_success() || status.is_client_error(), "{route}: {status}");
        let bytes = to_bytes(response.into_body(), 256 << 20).await.expect("at most 256 MiB");
        assert!(bytes.starts_with(b"{") && bytes.ends_with(b"}"), "{route}: no JSON");
    });
});
