//! Runs on the devices of `electra worker` processes, and who is let in there.
use crate::common::backends::CPU;
use crate::common::program::{MICRO, directory, electra, overridden, read, refused, succeeds, text};
use crate::common::worker::Worker;
use iroh::endpoint::presets;
use iroh::{Endpoint, EndpointAddr, RelayMode, SecretKey};
use std::io::Write;
use std::net::{TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Nothing that differs between devices.
const NO_DROPOUT: [&str; 3] =
    ["model.hidden_dropout_prob=0", "model.attention_probs_dropout_prob=0", "training.precision=\"f32\""];

/// The key that it must have, and where it is: from the file, as a client without our code would find them.
fn peer(worker: &Worker, at: &Path) -> EndpointAddr {
    let token = read(at.join("token"));
    let (mut key, salt) = ([0; 32], format!("electra worker {}", worker.address));
    argon2::Argon2::default().hash_password_into(token.trim().as_bytes(), salt.as_bytes(), &mut key).unwrap();
    EndpointAddr::new(SecretKey::from_bytes(&key).public()).with_ip_addr(worker.address)
}

fn pretrain(at: &Path, device: &str, output: &str, set: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_electra"));
    command.current_dir(at).env("ELECTRA_CACHE", at.join(".cache"));
    command.args(["pretrain", "--device", device, "--token-file", "token", "--output", output, "--set"]);
    command.args(MICRO.iter().filter(|assignment| !overridden(assignment, set))).args(set);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A token that its owner alone may read.
fn write_token(at: &Path, token: &str) {
    let path = at.join("token");
    std::fs::write(&path, token).unwrap();
    #[cfg(unix)]
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
}

fn losses(run: &Path) -> Vec<[f64; 2]> {
    let of = |line: &str| {
        let record: serde_json::Value = serde_json::from_str(line).unwrap();
        ["mlm_loss", "disc_loss"].map(|key| record[key].as_f64().unwrap())
    };
    read(run.join("metrics.jsonl")).lines().map(of).collect()
}

fn agree(one: &Path, other: &Path) {
    let (one, other) = (losses(one), losses(other));
    assert!(one.len() == other.len() && !one.is_empty());
    for (one, other) in one.iter().flatten().zip(other.iter().flatten()) {
        assert!((one - other).abs() <= 1e-4 * one.abs().max(1.0), "{one} and {other}");
    }
}

#[test]
fn two_workers_come_to_what_one_device_does() {
    let directory = directory();
    let at = directory.path();
    let workers = [Worker::start(at, &[]), Worker::start(at, &[])];
    let mut set = vec!["training.steps=50", "training.log_every=1", "data.packing=documents"];
    set.extend(NO_DROPOUT);
    let device = workers.each_ref().map(|worker| worker.name.as_str()).join(",");
    succeeds(&pretrain(at, CPU, "whole", &set).output().unwrap());
    succeeds(&pretrain(at, &device, "shared", &set).output().unwrap());
    agree(&at.join("whole"), &at.join("shared"));
    // Together with a device of this host, and over plain text.
    let plain = Worker::start(at, &["--websocket"]);
    assert!(plain.name.starts_with("remote:ws://127.0.0.1:"), "{}", plain.name);
    for (name, device) in [("mixed", format!("flex,{}", workers[0].name)), ("plain", plain.name.clone())] {
        succeeds(&pretrain(at, &device, name, &set).output().unwrap());
        agree(&at.join("whole"), &at.join(name));
    }
}

/// Whichever worker goes: the run ends, says which, and resumes without it.
#[test]
fn a_worker_that_goes_away_ends_the_run() {
    let directory = directory();
    let at = directory.path();
    let mut set = vec!["training.steps=1000000", "training.validate_every=1000000", "training.checkpoint_every=10"];
    set.extend(NO_DROPOUT);
    set.push("schedule.warmup_steps=5");
    for lost in [0, 1] {
        let mut workers = [Worker::start(at, &[]), Worker::start(at, &[])];
        let device = workers.each_ref().map(|worker| worker.name.as_str()).join(",");
        let output = format!("run-{lost}");
        let run = pretrain(at, &device, &output, &set).spawn().unwrap();
        let checkpoints = at.join(&output).join("checkpoints");
        let begun = Instant::now();
        while !checkpoints.join("step-0000010").is_dir() {
            assert!(begun.elapsed() < Duration::from_secs(120), "no checkpoint");
            std::thread::sleep(Duration::from_millis(20));
        }
        workers[lost].process.kill().unwrap();
        let killed = Instant::now();
        let ended = run.wait_with_output().unwrap();
        let stderr = text(&ended.stderr);
        assert!(killed.elapsed() < Duration::from_secs(30), "{:?}", killed.elapsed());
        assert_eq!(ended.status.code(), Some(1), "{stderr}");
        assert!(stderr.contains(&workers[lost].name) && stderr.contains("--resume"), "{stderr}");
        assert!(!stderr.contains("panicked"), "{stderr}");

        let step = |entry: std::fs::DirEntry| entry.file_name().into_string().unwrap()[5..].parse::<usize>().unwrap();
        let last = std::fs::read_dir(&checkpoints).unwrap().map(|entry| step(entry.unwrap())).max().unwrap();
        let steps = format!("training.steps={}", last + 3);
        let resumed = electra(at, &["pretrain", "--device", CPU, "--resume", &output, "--set", &steps]);
        succeeds(&resumed);
        assert!(text(&resumed.stdout).contains(&format!("resuming after step {last}")), "{}", text(&resumed.stdout));
    }
}

#[test]
fn only_the_token_is_let_in() {
    let directory = directory();
    let at = directory.path();
    let others = crate::common::program::directory();
    write_token(others.path(), "0123456789abcdef0123456789abcdef");
    for (output, more) in [("encrypted", &[][..]), ("plain", &["--websocket"])] {
        let worker = Worker::start(at, more);
        refused(&pretrain(others.path(), &worker.name, "run", &[]).output().unwrap(), &[&worker.name, "token"]);
        assert!(!others.path().join("run").exists(), "nothing is written");
        let without = electra(at, &["pretrain", "--device", &worker.name]);
        refused(&without, &[&worker.name, "expected --token-file"]);
        succeeds(&pretrain(at, &worker.name, output, &["training.steps=1"]).output().unwrap());
    }
    write_token(at, "short");
    refused(&electra(at, &["worker", "--listen", "127.0.0.1:1", "--token-file", "token"]), &["token", "32 characters"]);
}

/// Whatever comes to the port, the worker serves those who speak its language.
#[test]
fn garbage_and_other_protocols_are_refused() {
    let directory = directory();
    let at = directory.path();
    let worker = Worker::start(at, &[]);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    for length in 1..1400usize {
        let noise: Vec<u8> = (0..length).map(|at| (at * 97 + length * 31) as u8).collect();
        socket.send_to(&noise, worker.address).unwrap();
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let builder = Endpoint::builder(presets::Minimal).relay_mode(RelayMode::Disabled).clear_ip_transports();
        let endpoint = builder.bind_addr("127.0.0.1:0").unwrap().bind().await.unwrap();
        // Protocols that there are no more, or never were.
        for protocol in [b"burn/remote/0".as_slice(), b"electra/greeting/1", b"h3"] {
            assert!(endpoint.connect(peer(&worker, at), protocol).await.is_err(), "{protocol:?}");
        }
        // The right protocol with an old version in its first frame: [0, "Session"] in MessagePack.
        let connection = endpoint.connect(peer(&worker, at), b"burn/remote/1").await.unwrap();
        let (mut send, mut receive) = connection.open_bi().await.unwrap();
        let header = b"\x92\x00\xa7Session";
        send.write_all(&(header.len() as u64).to_le_bytes()).await.unwrap();
        send.write_all(header).await.unwrap();
        assert!(receive.read_to_end(1024).await.is_err(), "a session of an old version was opened");
        // Who knows the key alone learns nothing, however often the greeting is asked for.
        for token in ["", "0123456789abcdef0123456789abcdef"] {
            let connection = endpoint.connect(peer(&worker, at), b"electra/greeting/2").await.unwrap();
            let (mut send, mut receive) = connection.open_bi().await.unwrap();
            send.write_all(token.as_bytes()).await.unwrap();
            send.finish().unwrap();
            assert!(receive.read_to_end(1024).await.is_err(), "{token:?} was greeted");
        }
        // And a length beyond all measure.
        let connection = endpoint.connect(peer(&worker, at), b"burn/remote/1").await.unwrap();
        let (mut send, mut receive) = connection.open_bi().await.unwrap();
        send.write_all(&u64::MAX.to_le_bytes()).await.unwrap();
        assert!(receive.read_to_end(1024).await.is_err(), "a frame of {} bytes was awaited", u64::MAX);
    });
    succeeds(&pretrain(at, &worker.name, "run", &["training.steps=2"]).output().unwrap());

    let plain = Worker::start(at, &["--websocket"]);
    for noise in [b"GET / HTTP/1.1\r\n\r\n".as_slice(), b"\0\xff\0\xff not HTTP at all", &[0xff; 5000]] {
        let mut stream = TcpStream::connect(plain.address).unwrap();
        stream.write_all(noise).unwrap();
    }
    succeeds(&pretrain(at, &plain.name, "plain", &["training.steps=2"]).output().unwrap());
}

#[test]
fn addresses_that_do_not_do_are_told() {
    let directory = directory();
    let at = directory.path();
    write_token(at, "fedcba9876543210fedcba9876543210");
    let worker = |more: &[&str]| electra(at, &[&["worker", "--device", CPU, "--token-file", "token"], more].concat());
    refused(&worker(&["--listen", "0.0.0.0:7447"]), &["--address"]);
    refused(&worker(&["--listen", "10.1.2.3:7447", "--websocket"]), &["plain text", "--insecure"]);
    refused(&worker(&["--listen", "203.0.113.9:7447"]), &["203.0.113.9:7447"]);
    let pretrain = |device: &str| electra(at, &["pretrain", "--device", device, "--token-file", "token"]);
    refused(&pretrain("remote:nowhere"), &["remote:nowhere", "expected remote:HOST:PORT"]);
    let free = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let name = format!("remote:{free}");
    refused(&pretrain(&name), &[&name, "no worker with this token answers there"]);
}
