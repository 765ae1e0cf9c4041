//! A line as a run's `status.json` and the rest as its `metrics.jsonl`: the list of runs, the report and the dashboard show it,
//! or say what is wrong.

#![no_main]

use axum::body::{Body, to_bytes};
use axum::http::Request;
use electra_burn::learner::runs;
use electra_burn::report::RunReport;
use electra_burn::web::dashboard;
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tower::ServiceExt;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("a runtime"));
static RUNS: LazyLock<TempDir> = LazyLock::new(|| {
    let directory = tempfile::tempdir().expect("a temporary directory");
    std::fs::create_dir(directory.path().join("run")).expect("it can be made");
    std::fs::write(directory.path().join("run/config.toml"), "[training]\nsteps = 100\n").expect("it can be written");
    directory
});

fuzz_target!(|bytes: &[u8]| {
    let run = RUNS.path().join("run");
    let end = bytes.iter().position(|&byte| byte == b'\n').unwrap_or(bytes.len());
    let parts = [("status.json", &bytes[..end]), ("metrics.jsonl", &bytes[bytes.len().min(end + 1)..])];
    for (name, bytes) in parts {
        std::fs::write(run.join(name), bytes).expect("it can be written");
    }
    _ = runs(RUNS.path());
    if let Ok(report) = RunReport::read(&run) {
        let page = RUNS.path().join("page.html");
        report.write(&page).expect("a report that was read is written");
        std::fs::remove_file(page).expect("it is there");
    }
    let pages = dashboard(RUNS.path(), Default::default()).expect("the folder is there");
    for path in ["/api/runs", "/api/curves?run=run", "/api/details?run=run"] {
        let request = Request::get(path).header("host", "localhost").body(Body::empty()).expect("a request");
        RUNTIME.block_on(async {
            let response = pages.clone().oneshot(request).await.expect("it never fails");
            assert!(!response.status().is_server_error(), "{path}: {}", response.status());
            to_bytes(response.into_body(), 16 << 20).await.expect("at most 16 MiB");
        });
    }
});
