//! `electra dashboard`: what it answers to whom, and what a browser shows.
use crate::common::chromium::Page;
use crate::common::program::{directory, electra, pretrain, refused, succeeds};
use crate::common::server::Server;
use serde_json::{Value, json};
use std::fs::{File, create_dir_all, write};
use std::io::{BufWriter, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

fn dashboard(runs: &Path) -> Server {
    Server::start("dashboard", &[runs.as_os_str()])
}

fn train(step: u64, loss: f64) -> String {
    let record = json!({"step": step, "split": "train", "loss": loss, "learning_rate": 1e-3});
    format!("{record}\n")
}

fn valid(step: u64, loss: f64) -> String {
    format!("{}\n", json!({"step": step, "split": "valid", "loss": loss, "f1": 0.5}))
}

/// A run of 100 steps whose loss falls from about `loss`.
fn make_run(path: &Path, state: &str, loss: f64, seed: u64) {
    create_dir_all(path.join("checkpoints/step-0000100")).unwrap();
    write(path.join("checkpoints/step-0000100/state.json"), "{}").unwrap();
    write(path.join("config.toml"), format!("seed = {seed}\n[training]\nsteps = 100\n")).unwrap();
    write(path.join("status.json"), json!({"state": state}).to_string()).unwrap();
    let lines = (1..=100u64).map(|step| {
        let loss = loss / (1.0 + step as f64 / 50.0);
        train(step, loss) + &if step % 20 == 0 { valid(step, loss + 0.1) } else { String::new() }
    });
    write(path.join("metrics.jsonl"), lines.collect::<String>()).unwrap();
}

#[test]
fn runs_are_listed_with_their_curves() {
    let directory = directory();
    let runs = directory.path().join("runs");
    make_run(&runs.join("one"), "finished", 4.0, 1);
    make_run(&runs.join("deep/task"), "failed", 5.0, 2);
    let mut metrics = File::options().append(true).open(runs.join("one/metrics.jsonl")).unwrap();
    write!(metrics, "not a record\n{{\"step\":101,\"split\":\"tra").unwrap();
    let server = dashboard(&runs);

    let listing = server.json("/api/runs");
    let states: Vec<_> = listing["runs"].as_array().unwrap().iter().map(|run| (&run["name"], &run["state"])).collect();
    assert_eq!(states, [(&json!("deep/task"), &json!("failed")), (&json!("one"), &json!("finished"))]);
    assert_eq!(listing["runs"][1]["step"], 100);
    assert_eq!(listing["runs"][1]["validation"]["f1"], 0.5);

    let curves = server.json("/api/curves?run=one");
    assert_eq!((&curves["whole"], &curves["lines"]), (&true.into(), &105.into()));
    assert_eq!(curves["curves"]["train"]["loss"]["steps"].as_array().unwrap().len(), 100);
    assert_eq!(curves["curves"]["valid"]["loss"]["values"].as_array().unwrap().len(), 5);
    let details = server.json("/api/details?run=deep%2Ftask");
    assert_eq!(
        (&details["config"]["training.steps"], &details["checkpoints"][0]["step"]),
        (&"100".into(), &100.into())
    );
    assert!(server.json("/api/load?run=one")["runs"].as_object().unwrap().is_empty(), "no process writes to it");

    // What is new comes as an event, and goes on where the last one ended.
    writeln!(metrics, "in\",\"loss\":1.25}}").unwrap();
    let since = format!("{},{}.0", listing["digest"].as_str().unwrap(), curves["position"].as_str().unwrap());
    let (status, head, body) = server.get(&format!("/api/events?run=one&since={since}"));
    assert!(status == 200 && head.contains("content-type: text/event-stream"), "{head}");
    let data = body.lines().find_map(|line| line.strip_prefix("data: ")).expect("an event");
    let data: Value = serde_json::from_str(data).unwrap();
    assert_eq!(data["runs"]["one"]["records"], json!([{"step": 101, "split": "train", "values": {"loss": 1.25}}]));

    // A run may vanish at any time, and all of them.
    std::fs::remove_dir_all(&runs).unwrap();
    let begun = Instant::now();
    while server.json("/api/runs")["runs"] != json!([]) {
        assert!(begun.elapsed() < Duration::from_secs(30), "it stays in the list");
    }
    assert_eq!(server.get("/api/curves?run=one").0, 404);
    assert_eq!(server.get("/").0, 200);
}

#[test]
fn only_this_machine_may_ask_and_only_read() {
    let directory = directory();
    make_run(&directory.path().join("one"), "finished", 4.0, 1);
    let server = dashboard(directory.path());
    assert!(server.address.starts_with("127.0.0.1:"), "{}", server.address);
    for host in [&*server.address, "localhost:8080", "localhost", "127.0.0.1", "[::1]:22", "LOCALHOST:1"] {
        assert_eq!(server.request("GET", "/api/runs", host).0, 200, "{host}");
    }
    for host in ["evil.example", "evil.example:6007", "localhost.evil.example", "127.0.0.1.nip.io", "", "192.168.0.1"] {
        let (status, _, body) = server.request("GET", "/api/runs", host);
        assert_eq!((status, body.contains("finished")), (403, false), "{host}");
        assert_eq!(server.request("GET", "/", host).0, 403, "{host}");
    }
    assert_eq!(
        server.send("GET http://evil.example/api/runs HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").0,
        403
    );
    let two = "GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\nConnection: close\r\n\r\n";
    assert!([400, 403].contains(&server.send(two).0));
    assert!([400, 403].contains(&server.send("GET / HTTP/1.1\r\nConnection: close\r\n\r\n").0));
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"] {
        for path in ["/", "/api/runs", "/nowhere"] {
            assert_eq!(server.request(method, path, "localhost").0, 405, "{method} {path}");
        }
    }
    let (status, head, body) = server.request("HEAD", "/", "localhost");
    assert_eq!((status, &*body), (200, ""));
    assert!(head.contains("default-src 'none'") && !head.contains("unsafe"), "{head}");
    assert_eq!(server.request("HEAD", "/api/events", "localhost").0, 200);
    assert_eq!(server.get("/nowhere").0, 404);
}

/// Behind a proxy the machine has another name.
#[test]
fn another_name_is_answered_where_it_is_allowed() {
    let directory = directory();
    let runs = directory.path().join("runs");
    std::fs::create_dir_all(&runs).unwrap();
    let server =
        Server::start("dashboard", &[runs.as_os_str(), "--allow-host".as_ref(), "box.tailnet.ts.net".as_ref()]);
    for host in ["box.tailnet.ts.net", "box.tailnet.ts.net:443", "localhost"] {
        assert_eq!(server.request("GET", "/", host).0, 200, "{host}");
    }
    let (status, _, body) = server.request("GET", "/", "evil.example");
    assert_eq!(status, 403);
    assert!(body.contains("box.tailnet.ts.net alone; --allow-host NAME adds a name"), "{body}");
    let wrong = electra(directory.path(), &["dashboard", "runs", "--allow-host", "*"]);
    refused(&wrong, &["--allow-host: \"*\" is no name of a host"]);
}

#[test]
fn nothing_outside_of_the_folder_is_served() {
    let directory = directory();
    let runs = directory.path().join("runs");
    make_run(&runs.join("one"), "finished", 4.0, 1);
    make_run(&directory.path().join("outside"), "finished", 777.0, 1);
    write(directory.path().join("outside/config.toml"), "secret = \"secret\"").unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::symlink;
        make_run(&runs.join("two"), "finished", 4.0, 1);
        symlink(directory.path().join("outside"), runs.join("link")).unwrap();
        for file in ["metrics.jsonl", "config.toml", "status.json"] {
            std::fs::remove_file(runs.join("two").join(file)).unwrap();
            let target = if file == "config.toml" { runs.join("one") } else { directory.path().join("outside") };
            symlink(target.join(file), runs.join("two").join(file)).unwrap();
        }
    }
    let server = dashboard(&runs);
    for run in
        ["..", "../outside", "one/../../outside", "link", "/etc", "%2e%2e%2foutside", "..%2Foutside", "", ".", "one%00"]
    {
        for path in ["curves", "details"] {
            let (status, _, body) = server.get(&format!("/api/{path}?run={run}"));
            assert_eq!((status, body.contains("secret")), (404, false), "{path} {run}: {body}");
        }
    }
    for path in
        ["/../outside/config.toml", "/%2e%2e/outside/config.toml", "/one/config.toml", "//etc/passwd", "/api/../x"]
    {
        assert_eq!(server.get(path).0, 404, "{path}");
    }
    #[cfg(unix)]
    {
        assert_eq!(server.json("/api/curves?run=two")["lines"], 0, "the link of its metrics leads outside");
        assert!(!server.json("/api/runs").to_string().contains("link"));
        assert_eq!(server.json("/api/runs")["runs"][1]["validation"], Value::Null);
    }
}

#[test]
fn wrong_usage_is_refused_and_a_signal_ends_it() {
    let directory = directory();
    refused(&electra(directory.path(), &["dashboard", "nowhere"]), &["nowhere", "expected a folder of runs"]);
    make_run(&directory.path().join("one"), "finished", 4.0, 1);
    let mut server = dashboard(directory.path());
    let port = server.address.rsplit(':').next().unwrap().to_owned();
    refused(&electra(directory.path(), &["dashboard", ".", "--port", &port]), &[&port, "expected a free port"]);
    #[cfg(unix)]
    {
        // A page that waits for news does not keep it.
        let mut waiting = TcpStream::connect(&server.address).unwrap();
        let listing = server.json("/api/runs");
        let request = format!(
            "GET /api/events?since={} HTTP/1.1\r\nHost: localhost\r\n\r\n",
            listing["digest"].as_str().unwrap()
        );
        waiting.write_all(request.as_bytes()).unwrap();
        let kill = Command::new("kill").args(["-INT", &server.child.id().to_string()]).status().unwrap();
        assert!(kill.success());
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = server.child.try_wait().unwrap() {
                break status;
            }
            assert!(begun.elapsed() < Duration::from_secs(30), "it goes on");
            std::thread::sleep(Duration::from_millis(20));
        };
        assert_eq!(status.code(), Some(0));
    }
}

/// A million records, with an extreme that lies between any samples.
fn make_long_run(path: &Path) {
    create_dir_all(path).unwrap();
    write(path.join("config.toml"), "[training]\nsteps = 1000000\n").unwrap();
    let names =
        ["mlm_loss", "mlm_accuracy", "disc_loss", "disc_entropy", "disc_accuracy", "disc_precision", "disc_recall"];
    let more = ["disc_auc", "replaced", "learning_rate", "grad_norm", "tokens_per_second"];
    let figures = |row: u64| -> String {
        let value = |at: usize| 1.0 + ((row * 7919 + at as u64 * 104_729) % 99_991) as f64 / 7.3e4;
        names.iter().chain(&more).enumerate().map(|(at, name)| format!(",\"{name}\":{:.15}", value(at))).collect()
    };
    let figures: Vec<String> = (0..1000).map(figures).collect();
    let mut file = BufWriter::new(File::create(path.join("metrics.jsonl")).unwrap());
    for step in 1..=1_000_000usize {
        let extreme = if step == 345_678 { ",\"grad_norm\":98765.5" } else { "" };
        writeln!(file, "{{\"step\":{step},\"split\":\"train\"{}{extreme}}}", figures[step % 1000]).unwrap();
        if step % 5000 == 0 {
            writeln!(file, "{{\"step\":{step},\"split\":\"valid\"{}}}", figures[step % 999]).unwrap();
        }
    }
    file.flush().unwrap();
}

#[test]
fn a_million_steps_are_shown_at_once() {
    let directory = directory();
    make_long_run(&directory.path().join("long"));
    let bytes = directory.path().join("long/metrics.jsonl").metadata().unwrap().len();
    assert!(bytes > 280_000_000, "{bytes} bytes");
    let server = dashboard(directory.path());
    let begun = Instant::now();
    let parts = ["/", "/dashboard.css", "/dashboard.js", "/chart.js", "/api/runs", "/api/curves?run=long"];
    let payload: usize = parts.map(|path| server.get(path)).iter().map(|(_, head, body)| head.len() + body.len()).sum();
    let time = begun.elapsed();
    writeln!(std::io::stderr(), "{bytes} bytes of metrics: page and curves in {time:?}, {payload} bytes").unwrap();
    assert!(payload < 1 << 20, "{payload} bytes");

    let begun = Instant::now();
    let curves = loop {
        let curves = server.json("/api/curves?run=long");
        assert!(curves.to_string().len() < 900_000);
        if curves["whole"] == true {
            break curves;
        }
        assert!(begun.elapsed() < Duration::from_secs(300), "it was never read as a whole");
        std::thread::sleep(Duration::from_millis(200));
    };
    assert_eq!(curves["lines"], 1_000_200);
    let norms = curves["curves"]["train"]["grad_norm"]["values"].as_array().unwrap();
    assert!(norms.contains(&98765.5.into()), "the extreme is kept");
}

/// Every request went to the server itself, and nothing went wrong.
fn is_clean(page: &mut Page, server: &Server) {
    page.value("0");
    assert_eq!(page.problems(), Vec::<&Value>::new());
    let requests = page.requests();
    assert!(requests.len() > 5, "{requests:?}");
    for url in requests {
        assert!(url.starts_with(&server.url()) || url == "about:blank", "{url}");
    }
}

/// How many pixels of the chart of `metric` are drawn.
fn pixels(page: &mut Page, metric: &str) -> u64 {
    let expression = format!(
        "(() => {{ const figure = [...document.querySelectorAll('.chart')].find((one) => \
         one.querySelector('h3').textContent === '{metric}'); const canvas = figure.querySelector('canvas'); \
         return canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data\
         .filter((value, at) => at % 4 === 3 && value > 0).length; }})()"
    );
    page.value(&expression).as_u64().unwrap_or(0)
}

#[test]
fn a_browser_shows_a_run_and_compares_it_with_another() {
    let directory = directory();
    let runs = directory.path().join("runs");
    succeeds(&pretrain(directory.path(), &["--output", "runs/trained"]));
    succeeds(&pretrain(directory.path(), &["--output", "runs/other", "--set", "seed=7"]));
    let tokens =
        json!([{"token": "<b>went</b>", "original": "sat", "probability": 0.93}, {"token": "##s", "probability": 0.1}]);
    write(runs.join("trained/samples.jsonl"), format!("{}\n", json!({"step": 20, "tokens": tokens}))).unwrap();
    let name = "<img src=x onerror=alert(1)>";
    if cfg!(unix) {
        make_run(&runs.join(name), "failed", 4.0, 1);
        write(
            runs.join(name).join("status.json"),
            json!({"state": "failed", "reason": "<script>alert(2)</script>"}).to_string(),
        )
        .unwrap();
    }
    let server = dashboard(&runs);
    let Some(mut page) = Page::open(&format!("{}#run=trained", server.url())) else { return };
    page.wait_for("document.querySelectorAll('.chart').length > 8");
    assert!(pixels(&mut page, "mlm_loss") > 500);
    let last = std::fs::read_to_string(runs.join("trained/metrics.jsonl")).unwrap();
    let last: Value = serde_json::from_str(last.lines().last().unwrap()).unwrap();
    let shown = "+document.querySelector('.chart tbody tr td:last-child').textContent";
    page.wait_for(&format!("Math.abs({shown} - {}) < 2e-4", last["mlm_loss"]));
    page.wait_for("document.querySelector('#checkpoints').textContent.includes('20')");
    page.wait_for("document.querySelector('#samples .tokens .found')?.textContent.includes('<b>went</b>')");
    page.wait_for("document.querySelector('#samples .tokens').textContent.includes('sat')");

    // A second run beside it, and what tells them apart.
    page.value("[...document.querySelectorAll('#runs input')].find((box) => box.value === 'other').click()");
    page.wait_for("document.querySelectorAll('#summary .card').length === 2");
    page.wait_for("document.querySelector('.chart .values').querySelectorAll('tbody tr').length === 2");
    page.wait_for("[...document.querySelectorAll('#differences tr')].some((row) => row.textContent === 'seed427')");
    assert_eq!(page.value("document.querySelectorAll('#differences > div > .scroll tbody tr').length"), 1);

    // The values of all runs at a step, by the keyboard.
    page.value("document.querySelector('.plot').focus()");
    for kind in ["keyDown", "keyUp"] {
        page.call("Input.dispatchKeyEvent", json!({"type": kind, "key": "ArrowRight", "code": "ArrowRight"}));
    }
    page.wait_for("[...document.querySelectorAll('.chart thead th:first-child')].every((head) => head.textContent === 'at step 0')");

    // Logarithms, smoothing and themes draw anew.
    let before = pixels(&mut page, "grad_norm");
    page.value("document.querySelector('#log').click()");
    page.wait_for("document.querySelector('#log').checked");
    assert!(pixels(&mut page, "grad_norm") > 100 && before > 100);
    let background = "getComputedStyle(document.body).backgroundColor";
    let choose = |theme: &str| {
        format!(
            "(() => {{ const it = document.querySelector('#theme'); it.value = '{theme}'; it.onchange(); return {background}; }})()"
        )
    };
    assert_ne!(page.value(&choose("dark")), page.value(&choose("light")));

    // Names and reasons are text, whatever they hold.
    if cfg!(unix) {
        page.value("[...document.querySelectorAll('#runs input')].find((box) => box.value.includes('<img')).click()");
        page.wait_for("document.querySelectorAll('#summary .card').length === 3");
        let text = page.value("document.querySelector('#summary').textContent");
        assert!(text.as_str().unwrap().contains(name) && text.as_str().unwrap().contains("<script>alert(2)</script>"));
        assert_eq!(page.value("document.querySelectorAll('img[src=x], main script, .token b').length"), 0);
    }

    // Nothing sticks out on a telephone.
    page.call(
        "Emulation.setDeviceMetricsOverride",
        json!({"width": 360, "height": 700, "deviceScaleFactor": 2, "mobile": true}),
    );
    page.wait_for("innerWidth <= 400 && document.documentElement.scrollWidth <= innerWidth");
    is_clean(&mut page, &server);
}

#[test]
fn a_browser_follows_a_run() {
    let directory = directory();
    let run = directory.path().join("live");
    make_run(&run, "running", 4.0, 1);
    // The lock of a process that writes, which is this one.
    let lock = File::create(run.join("lock")).unwrap();
    lock.lock().unwrap();
    writeln!(&lock, "{}", std::process::id()).unwrap();
    let server = dashboard(directory.path());
    let Some(mut page) = Page::open(&server.url()) else { return };
    page.wait_for("document.querySelector('.badge.running') && document.querySelectorAll('.chart').length >= 3");
    page.value("window.same = true");
    if cfg!(target_os = "linux") {
        page.wait_for(&format!(
            "document.querySelector('#system').textContent.includes('process {}')",
            std::process::id()
        ));
    }

    let mut metrics = File::options().append(true).open(run.join("metrics.jsonl")).unwrap();
    for (step, loss) in [(101, 0.1234), (102, 0.5678)] {
        write!(metrics, "{}", train(step, loss)).unwrap();
        page.wait_for(&format!("document.querySelector('.chart .values').textContent.includes('{loss}')"));
        page.wait_for(&format!("document.querySelector('#summary').textContent.includes('{step} / 100')"));
    }
    // Half a line is no point, and a broken one disturbs nothing.
    write!(metrics, "broken\n{{\"step\":103,\"split\":\"train\",\"loss\":0.").unwrap();
    std::thread::sleep(Duration::from_millis(600));
    writeln!(metrics, "9753}}").unwrap();
    page.wait_for("document.querySelector('.chart .values').textContent.includes('0.9753')");
    writeln!(metrics, "{}", json!({"step": 104, "split": "train", "loss": 2.0, "skipped_steps": 3})).unwrap();
    page.wait_for("document.querySelector('#happened').textContent.includes('3 steps were skipped')");

    // Finding 17: names that mean something to JavaScript are names as any other.
    for line in [
        r#"{"step":105,"split":"__proto__","loss":1.0,"polluted":1.0}"#,
        r#"{"step":105,"split":"train","loss":0.1357,"toString":0.5,"constructor":0.5,"__proto__":2.0}"#,
    ] {
        writeln!(metrics, "{line}").unwrap();
    }
    page.wait_for("document.querySelector('.chart .values').textContent.includes('0.1357')");
    assert_eq!(page.value("['loss', 'polluted', 'steps'].some((name) => name in Object.prototype)"), false);

    // It is resumed from step 50, as a run does it: a new file takes the place of the old one.
    let text = std::fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let kept: String = text.lines().take(52).map(|line| format!("{line}\n")).collect();
    write(run.join("other"), kept + &train(51, 0.4321)).unwrap();
    std::fs::rename(run.join("other"), run.join("metrics.jsonl")).unwrap();
    page.wait_for("document.querySelector('.chart .values').textContent.includes('0.4321')");

    // It fails, and another one begins.
    write(run.join("status.json"), json!({"state": "failed", "reason": "the disk is full"}).to_string()).unwrap();
    drop(lock);
    page.wait_for("document.querySelector('#summary .badge.failed')");
    page.wait_for("document.querySelector('#happened').textContent.includes('failed: the disk is full')");
    page.wait_for("document.querySelector('#happened').textContent.includes('running → failed')");
    make_run(&directory.path().join("next"), "finished", 3.0, 2);
    page.wait_for("document.querySelectorAll('#runs li').length === 2");
    assert_eq!(page.value("window.same"), true, "the page was not loaded anew");
    is_clean(&mut page, &server);
}
