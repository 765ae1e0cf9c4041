//! `electra serve`: the answers of `predict`, over HTTP, whatever clients send.

use crate::common::backends::CPU;
use crate::common::program::{directory, electra, pretrain, read, refused, succeeds, text};
use crate::common::server::{Answer, Client, Server};
use electra_burn::data::{Purpose, Rng};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const WORDS: [&str; 8] = ["the", "water", "and", "of", "wood", "in", "a", "stone"];

/// A sentence of one to twelve words.
fn sentence(number: usize) -> String {
    let mut rng = Rng::new(5, Purpose::Order, 0, number as u64);
    let words: Vec<&str> = (0..=rng.below(12)).map(|_| WORDS[rng.below(WORDS.len())]).collect();
    words.join(" ")
}

/// A directory with the micro models `classification/model` and `ranking/model`, made once.
fn models() -> &'static Path {
    static MODELS: OnceLock<tempfile::TempDir> = OnceLock::new();
    let made = MODELS.get_or_init(|| {
        let directory = directory();
        let at = directory.path();
        succeeds(&pretrain(at, &["--output", "encoder", "--set", "training.steps=2"]));
        let mut labels = "text,label\n".to_owned();
        let mut relevance = "query,document,label\n".to_owned();
        for number in 0..64 {
            let (one, other) = (sentence(number), sentence(number + 500));
            writeln!(labels, "{one},{}", if one.contains("stone") { "yes" } else { "no" }).unwrap();
            writeln!(relevance, "q{} water,{other},{}", number / 4, number % 2).unwrap();
        }
        for (task, table) in [("classification", labels), ("ranking", relevance)] {
            let name = format!("{task}.csv");
            std::fs::write(at.join(&name), table).unwrap();
            let fixed: [&[&str]; 2] = [
                &["finetune", "--device", CPU, "--model", "encoder/discriminator", "--epochs", "1"],
                &["--task", task, "--train", &name, "--dev", &name, "--output", task],
            ];
            succeeds(&electra(at, &fixed.concat()));
        }
        directory
    });
    made.path()
}

fn serve(task: &str, more: &[&str]) -> Server {
    serve_at(&models().join(task).join("model"), CPU, more)
}

fn serve_at(model: &Path, device: &str, more: &[&str]) -> Server {
    let fixed = ["--device".as_ref(), device.as_ref(), "--model".as_ref(), model.as_os_str()];
    let more = more.iter().map(|argument| argument.as_ref());
    Server::start("serve", &fixed.into_iter().chain(more).collect::<Vec<_>>())
}

fn predict(client: &mut Client, body: &Value) -> Answer {
    client.post("/predict", body.to_string().as_bytes())
}

/// Equal up to the rounding of numbers, which depends on what is computed together.
fn alike(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => {
            (one.as_f64().unwrap_or(f64::NAN) - other.as_f64().unwrap_or(f64::NAN)).abs() < 1e-5
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| alike(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len() && one.iter().all(|(key, one)| other.get(key).is_some_and(|o| alike(one, o)))
        }
        _ => one == other,
    }
}

/// Ten thousand requests from 32 connections.
#[test]
fn many_clients_get_what_predict_says() {
    let (kinds, connections, requests) = (200, 32, 10_000);
    let at = models();
    let texts: Vec<String> = (0..kinds).map(sentence).collect();
    std::fs::write(at.join("texts.txt"), texts.join("\n")).unwrap();
    let predict_all = ["predict", "--device", CPU, "--model", "classification/model", "--input", "texts.txt"];
    let output = electra(at, &[&predict_all[..], &["--json", "--top-k", "2"]].concat());
    succeeds(&output);
    let expected: Vec<Value> =
        text(&output.stdout).lines().map(|line| serde_json::from_str(line).expect("an object a line")).collect();
    assert_eq!(expected.len(), kinds);

    let server = serve("classification", &[]);
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..connections {
            scope.spawn(|| {
                let mut client = server.client();
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= requests {
                        break;
                    }
                    // One to three texts a request.
                    let of: Vec<usize> = (0..=number % 3).map(|more| (number * 7 + more) % kinds).collect();
                    let inputs: Vec<&str> = of.iter().map(|&at| texts[at].as_str()).collect();
                    let answer = predict(&mut client, &json!({"inputs": inputs, "top_k": 2}));
                    assert_eq!(answer.status, 200, "{answer:?}");
                    let found = answer.json();
                    let expected: Vec<&Value> = of.iter().map(|&at| &expected[at]).collect();
                    assert!(alike(&found["predictions"], &json!(expected)), "{found} and {expected:?}");
                }
            });
        }
    });
    let metrics = text(&server.client().get("/metrics").body);
    let counted = format!("electra_requests_total{{route=\"/predict\",status=\"200\"}} {requests}\n");
    assert!(metrics.contains(&counted), "{metrics}");
    let batches: usize =
        metrics.lines().find_map(|line| line.strip_prefix("electra_batches_total ")).unwrap().parse().unwrap();
    assert!(batches < requests, "none of {requests} requests were computed together");
}

/// Status and a part of the message for what clients get wrong.
#[test]
fn wrong_requests_are_told_what_is_wrong() {
    let limits = ["--max-inputs", "4", "--max-characters", "1000", "--timeout", "2"];
    let server = serve("classification", &limits);
    let mut client = server.client();
    let long = format!("{{\"inputs\": [\"{}\"]}}", "a ".repeat(501));
    let [alone, listed] = ["{\"inputs\": \"the water\"}", "{\"inputs\": [\"the water\"]}"]
        .map(|body| client.post("/predict", body.as_bytes()));
    assert_eq!((alone.status, alone.json()), (200, listed.json()), "one input needs no array");
    let preflight = server.request("OPTIONS", "/predict", "localhost");
    assert!(preflight.0 == 405 && preflight.1.contains("\r\nallow: post"), "{preflight:?}");
    for (body, status, part) in [
        ("{\"inputs\": [\"a\"", 400, "not JSON"),
        ("", 400, "not JSON"),
        ("\u{1}\u{2}", 400, "not JSON"),
        ("[]", 422, "expected struct"),
        ("{}", 422, "missing field `inputs`"),
        ("{\"inputs\": [\"a\"], \"topk\": 2}", 422, "unknown field `topk`"),
        ("{\"inputs\": 7}", 422, "inputs[0]: expected a text"),
        ("{\"inputs\": null}", 422, "inputs[0]: expected a text"),
        ("{\"inputs\": [\"a\"], \"truncate\": true}", 422, "unknown field `truncate`, expected `inputs` or `top_k`"),
        ("{\"inputs\": [\"a\"], \"top_k\": -1}", 422, "-1"),
        ("{\"inputs\": [\"a\"], \"top_k\": 0}", 422, "top_k: 0; expected 1 or more"),
        ("{\"inputs\": []}", 422, "\"inputs\" is empty"),
        ("{\"inputs\": [\"a\", \" \\n\"]}", 422, "inputs[1]: the text is empty"),
        ("{\"inputs\": [7]}", 422, "inputs[0]: expected a text, or an array of two texts"),
        ("{\"inputs\": [[\"a\", \"b\", \"c\"]]}", 422, "inputs[0]: expected a text"),
        ("{\"inputs\": [\"a\",\"a\",\"a\",\"a\",\"a\"]}", 413, "5 inputs; expected at most 4"),
        (&long, 413, "inputs[0]: the text has more than 1000 characters"),
    ] {
        let answer = client.post("/predict", body.as_bytes());
        assert_eq!(answer.status, status, "{body}: {answer:?}");
        let message = answer.json()["error"].as_str().unwrap().to_owned();
        assert!(message.contains(part), "{body}: {message}");
    }
    assert_eq!(client.post_as("/predict", "text/plain", b"{\"inputs\": [\"a\"]}").status, 415);
    assert_eq!(client.get("/predict").status, 405);
    assert_eq!(client.get("/nowhere").status, 404);
    let rerank = client.post("/rerank", br#"{"query": "a", "documents": ["b"]}"#);
    assert_eq!(rerank.status, 404);
    assert!(rerank.json()["error"].as_str().unwrap().contains("this model's task is classification"));

    // Ten megabytes: announced, and in pieces that do not say how many follow.
    let large = vec![b' '; 10 << 20];
    assert_eq!(client.post("/predict", &large).status, 413);
    let mut pieces = server.client();
    let head = "POST /predict HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
    pieces.send(head.as_bytes());
    for _ in 0..160 {
        let mut piece = b"10000\r\n".to_vec();
        piece.resize(piece.len() + (1 << 16), b' ');
        piece.extend(b"\r\n");
        if !pieces.send(&piece) {
            break;
        }
    }
    // The connection may be reset before the answer is read.
    assert!(pieces.answer().is_none_or(|answer| answer.status == 413));

    // A body that does not come, and a head that does not.
    let mut slow = server.client();
    slow.send(
        b"POST /predict HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{",
    );
    assert_eq!(slow.answer().expect("an answer").status, 408);
    let mut slow = server.client();
    slow.send(b"POST /predict HTTP/1.1\r\nhost:");
    assert!(slow.answer().is_none_or(|answer| answer.status == 408), "the connection is closed");

    let good = predict(&mut server.client(), &json!({"inputs": ["the water", ["the wood", "a stone"]]}));
    assert_eq!((good.status, good.json()["predictions"].as_array().map(Vec::len)), (200, Some(2)), "{good:?}");
}

/// Bodies that were good before bytes of them were changed, lost or doubled.
#[test]
fn a_hundred_thousand_mangled_bodies_leave_it_serving() {
    let server = serve("classification", &[]);
    let seeds = [
        json!({"inputs": ["the water and the stone"], "top_k": 2}).to_string(),
        json!({"inputs": ["é", ["of wood", "\u{1f331} in"], "a\\\"b"]}).to_string(),
        json!({"inputs": [["a", "b"], 1e300, null, {"question": "a", "context": ["b"]}]}).to_string(),
    ];
    let (clients, each) = (8, 12_500);
    let answered: Vec<usize> = std::thread::scope(|scope| {
        let of_client = |client: usize| {
            let (server, seeds) = (&server, &seeds);
            move || {
                let mut connection = server.client();
                let mut good = 0;
                for number in 0..each {
                    let mut rng = Rng::new(11, Purpose::Order, client as u64, number as u64);
                    let mut body = seeds[rng.below(seeds.len())].clone().into_bytes();
                    for _ in 0..=rng.below(3) {
                        let at = rng.below(body.len().max(1)).min(body.len());
                        match rng.below(4) {
                            0 if at < body.len() => body[at] = rng.below(256) as u8,
                            1 if at < body.len() => drop(body.drain(at..)),
                            2 => body.insert(at, b"{}[]\",:\\"[rng.below(8)]),
                            _ => body.extend_from_within(at..),
                        }
                    }
                    let path = ["/predict", "/embed", "/rerank", "/explain"]
                        [[0, 0, 0, 0, 1, 1, 2, 2, 0, 0, 1, 2, 0, 0, 1, 2, 0, 0, 1, 3][rng.below(20)]];
                    let answer = connection.post(path, &body);
                    let status = answer.status;
                    assert!(status == 200 || (400..500).contains(&status), "{body:?}: {answer:?}");
                    good += usize::from(status == 200);
                }
                good
            }
        };
        let threads: Vec<_> = (0..clients).map(|client| scope.spawn(of_client(client))).collect();
        threads.into_iter().map(|thread| thread.join().expect("every body got an answer")).collect()
    });
    assert!(answered.iter().sum::<usize>() > 0, "some of them are good still");
    assert_eq!(server.client().get("/healthz").status, 200);
    assert_eq!(predict(&mut server.client(), &json!({"inputs": ["the water"]})).status, 200);
}

#[test]
fn documents_are_ranked_and_texts_become_vectors() {
    let server = serve("ranking", &[]);
    let mut client = server.client();
    let documents: Vec<String> = (0..9).map(sentence).collect();
    let asked = json!({"query": "the water", "documents": documents});
    let results = client.post("/rerank", asked.to_string().as_bytes()).json()["results"].clone();
    let pairs: Vec<[&str; 2]> = documents.iter().map(|document| ["the water", document]).collect();
    let scores = predict(&mut client, &json!({"inputs": pairs})).json()["predictions"].clone();
    let mut expected: Vec<(usize, f64)> =
        (0..9).map(|at| (at, scores[at]["score"].as_f64().expect("a score"))).collect();
    expected.sort_by(|one, other| other.1.total_cmp(&one.1));
    let expected: Vec<Value> = expected.iter().map(|(at, score)| json!({"index": at, "score": score})).collect();
    assert!(alike(&results, &json!(expected)), "{results} and {expected:?}");
    let best = client.post("/rerank", json!({"query": "a", "documents": documents, "top_k": 2}).to_string().as_bytes());
    assert_eq!(best.json()["results"].as_array().map(Vec::len), Some(2));

    // A vector does not depend on what is computed with it.
    let embed = |client: &mut Client, inputs: Value| {
        client.post("/embed", json!({"inputs": inputs}).to_string().as_bytes()).json()["embeddings"].clone()
    };
    let together = embed(&mut client, json!(documents));
    assert_eq!(together[0].as_array().map(Vec::len), Some(32), "hidden_size");
    for (at, document) in documents.iter().enumerate() {
        assert!(alike(&together[at], &embed(&mut client, json!([document]))[0]), "{document}");
    }
    assert!(!alike(&together[0], &together[1]));
}

/// `/explain` says what `electra explain` says.
#[test]
fn reasons_are_those_of_explain() {
    let server = serve("classification", &[]);
    let mut client = server.client();
    let texts = ["the water and the stone", "of wood"];
    let asked = json!({"inputs": texts, "label": "yes"});
    let found = client.post("/explain", asked.to_string().as_bytes()).json()["explanations"].clone();
    for (number, said) in texts.into_iter().enumerate() {
        let fixed = ["explain", "--device", CPU, "--model", "classification/model", "--json", "--label", "yes", said];
        let output = electra(models(), &fixed);
        succeeds(&output);
        let expected: Value = serde_json::from_slice(&output.stdout).expect("one object");
        assert!(alike(&found[number], &expected["explanations"]), "{found} and {expected}");
    }
    let unknown = client.post("/explain", br#"{"inputs": ["the water"], "label": "perhaps"}"#);
    assert_eq!(unknown.status, 422, "{unknown:?}");
    assert_eq!(client.post("/explain", json!({"inputs": vec!["a"; 17]}).to_string().as_bytes()).status, 413);
}

#[test]
fn it_describes_itself() {
    let server = serve("ranking", &[]);
    let mut client = server.client();
    let described = client.get("/openapi.json").json();
    assert_eq!(described["info"]["version"], env!("CARGO_PKG_VERSION"));
    // Every route that is described is there, with the method that is described.
    let paths = described["paths"].as_object().unwrap();
    assert_eq!(paths.len(), 7);
    for (path, methods) in paths {
        let status = match methods.get("get") {
            Some(_) => client.get(path).status,
            None => client.post(path, b"{}").status,
        };
        assert!(matches!(status, 200 | 422), "{path}: {status}");
    }
    assert_eq!(client.get("/healthz").json(), json!({"status": "ok"}));
}

/// SIGTERM ends it with exit code 0, after the answers that are under way.
#[cfg(unix)]
#[test]
fn it_stops_behind_what_is_under_way() {
    let mut server = serve("classification", &[]);
    let mut waiting = server.client();
    let body = json!({"inputs": ["the water"]}).to_string();
    let head = format!(
        "POST /predict HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    waiting.send(head.as_bytes());
    // The request is known to be under way when another one has been answered after it.
    assert_eq!(server.client().get("/healthz").status, 200);
    let killed = std::process::Command::new("kill").arg(server.child.id().to_string()).status();
    assert!(killed.expect("kill runs").success());
    let deadline = Instant::now() + Duration::from_secs(60);
    while std::net::TcpStream::connect(&server.address).is_ok() {
        assert!(Instant::now() < deadline, "it still takes connections");
        std::thread::sleep(Duration::from_millis(20));
    }
    waiting.send(body.as_bytes());
    assert_eq!(waiting.answer().expect("its answer").status, 200);
    assert_eq!(server.child.wait().expect("it ends").code(), Some(0));
}

#[test]
fn what_cannot_be_served_is_refused() {
    let at = models();
    let serve = |arguments: &[&str]| electra(at, &[&["serve", "--device", CPU], arguments].concat());
    refused(&serve(&["--model", "nowhere"]), &["nowhere"]);
    refused(&serve(&["--model", "encoder/discriminator"]), &["it has no head for a task"]);
    refused(&serve(&["--model", "ranking/model", "--max-batch", "0"]), &["a limit is 0"]);
    refused(&serve(&["--model", "ranking/model", "--max-requests", "18446744073709551615"]), &["expected at most"]);
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = other.local_addr().unwrap().port().to_string();
    refused(&serve(&["--model", "ranking/model", "--port", &port]), &["cannot listen on 127.0.0.1:"]);
}

/// Not a test but a measurement: requests a second with batching and without, of the model in `ELECTRA_MODEL` (by default
/// the micro one), each of one text of the file `ELECTRA_TEXTS`.
#[test]
#[ignore = "it measures"]
fn throughput() {
    let model = std::env::var("ELECTRA_MODEL");
    let model = model.map_or_else(|_| models().join("classification/model"), PathBuf::from);
    let texts: Vec<String> = match std::env::var("ELECTRA_TEXTS") {
        Ok(path) => read(path).lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect(),
        Err(_) => (0..1000).map(sentence).collect(),
    };
    let device = std::env::var("ELECTRA_DEVICE").unwrap_or_else(|_| CPU.into());
    for round in 0..3 {
        for batch in ["1", "64"] {
            let server = serve_at(&model, &device, &["--max-batch", batch]);
            let next = AtomicUsize::new(0);
            let requests = 2000;
            let begun = Instant::now();
            std::thread::scope(|scope| {
                for _ in 0..32 {
                    scope.spawn(|| {
                        let mut client = server.client();
                        while let number = next.fetch_add(1, Ordering::Relaxed)
                            && number < requests
                        {
                            let answer = predict(&mut client, &json!({"inputs": [texts[number % texts.len()]]}));
                            assert_eq!(answer.status, 200, "{answer:?}");
                        }
                    });
                }
            });
            let speed = requests as f64 / begun.elapsed().as_secs_f64();
            println!("round {round}, at most {batch} together: {speed:.0} requests/s");
        }
    }
}

/// Finding 11: 256 bodies that did not arrive took all places, and any web page could ask by a name of its own.
#[test]
fn slow_bodies_take_no_place_and_other_hosts_get_no_answer() {
    let server = serve("classification", &[]);
    let slow: Vec<Client> = (0..256)
        .map(|_| {
            let mut client = server.client();
            let head = format!(
                "POST /predict HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{{",
                server.address
            );
            assert!(client.send(head.as_bytes()));
            client
        })
        .collect();
    // All of them have been read by the server when later ones are answered.
    for _ in 0..3 {
        assert_eq!(predict(&mut server.client(), &json!({"inputs": ["the water"]})).status, 200);
    }
    drop(slow);
    for (host, status) in [("evil.example", 403), ("evil.example:80", 403), ("localhost:1", 200), ("[::1]", 200)] {
        assert_eq!(server.request("GET", "/healthz", host).0, status, "{host}");
    }
}

/// Finding 2: a request of 5 KB took minutes and gigabytes.
#[test]
fn explanations_are_bounded_by_their_work() {
    let at = models();
    // Nearly every word is an entity, so that nearly every word is explained.
    let word = |at: usize| format!("{} {}\n", WORDS[at % 8], if at == 7 { "O" } else { "B-x" });
    let sentence = (0..8).map(word).collect::<String>() + "\n";
    std::fs::write(at.join("tags.conll"), sentence.repeat(40)).unwrap();
    let fixed: [&[&str]; 2] = [
        &["finetune", "--device", CPU, "--model", "encoder/discriminator", "--epochs", "10"],
        &["--task", "token-classification", "--train", "tags.conll", "--dev", "tags.conll", "--output", "tags"],
    ];
    succeeds(&electra(at, &fixed.concat()));
    let server = serve("tags", &[]);
    let mut client = server.client();
    let many = "water ".repeat(20);
    for (body, status) in [
        (json!({"inputs": ["the water"], "attention": true, "token": 1}), 200),
        (json!({"inputs": ["the water", "of wood"], "attention": true}), 422),
        (json!({"inputs": [many]}), 422),
        (json!({"inputs": vec!["a water of wood"; 16]}), 200),
    ] {
        let answer = client.post("/explain", body.to_string().as_bytes());
        assert_eq!(answer.status, status, "{body}: {}", String::from_utf8_lossy(&answer.body));
    }
}

/// A server with a token answers nobody without it, but says whether it lives.
#[test]
fn a_token_is_asked_for() {
    let at = models();
    let path = at.join("serve-token");
    let server = serve("classification", &["--token-file", path.to_str().unwrap()]);
    let token = read(&path).trim().to_owned();
    assert_eq!(token.len(), 64, "it was made");
    let ask = |method: &str, route: &str, header: &str| {
        let body = match method {
            "POST" => "content-type: application/json\r\ncontent-length: 24\r\n",
            _ => "",
        };
        let head = format!("{method} {route} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{header}{body}\r\n");
        server.send(&(head + if method == "POST" { "{\"inputs\":[\"the water\"]}" } else { "" }))
    };
    let wrong = [
        "",
        "authorization: Bearer x\r\n",
        &format!("authorization: Basic {token}\r\n"),
        &format!("authorization: {token}\r\n"),
    ];
    let routes = [
        ("POST", "/predict"),
        ("POST", "/embed"),
        ("POST", "/explain"),
        ("POST", "/rerank"),
        ("GET", "/metrics"),
        ("GET", "/openapi.json"),
    ];
    for (method, route) in routes {
        for header in wrong {
            let (status, head, body) = ask(method, route, header);
            assert_eq!(status, 401, "{route} {header}: {body}");
            assert!(
                head.contains("www-authenticate: bearer") && body.contains("authorization: Bearer TOKEN"),
                "{head}"
            );
        }
    }
    for header in [format!("authorization: Bearer {token}\r\n"), format!("Authorization: bearer {token}\r\n")] {
        assert_eq!(ask("POST", "/predict", &header).0, 200);
        assert_eq!(ask("GET", "/metrics", &header).0, 200);
    }
    assert_eq!(ask("GET", "/healthz", "").0, 200);

    std::fs::write(at.join("weak-token"), "a".repeat(40)).unwrap();
    #[cfg(unix)]
    std::fs::set_permissions(at.join("weak-token"), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let weak = electra(at, &["serve", "--device", CPU, "--model", "ranking/model", "--token-file", "weak-token"]);
    refused(&weak, &["weak-token", "can be guessed"]);
}

/// It answers by the address that it prints.
#[cfg(target_os = "linux")]
#[test]
fn another_address_of_this_machine_answers() {
    let server = serve("classification", &["--host", "127.0.0.2"]);
    assert!(server.address.starts_with("127.0.0.2:"));
    for (host, status) in
        [(server.address.as_str(), 200), ("localhost", 200), ("127.0.0.3", 403), ("evil.example", 403)]
    {
        assert_eq!(server.request("GET", "/healthz", host).0, status, "{host}");
    }
}
