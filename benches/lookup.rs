//! The gradient of a word table of preset small for the ids of 128 x 128 tokens: by `select`, as Burn's `Embedding` does it,
//! by `gather`, and by sums in a fixed order; on a GPU the kernels of each.
//!
//! `cargo bench --profile dev --features wgpu --bench lookup -- wgpu`

use burn::tensor::{Distribution, Int, Tensor, TensorData};
use electra_burn::data::{Purpose, Rng, SumOrder};
use electra_burn::device::{select, watch};
use electra_burn::kernels::lookup;
use std::time::Instant;

const WORDS: usize = 30_522;
const WIDTH: usize = 128;
const IDS: usize = 128 * 128;
const ROUNDS: usize = 7;

fn main() {
    let name = std::env::args().skip(1).find(|argument| !argument.starts_with('-')).unwrap_or_else(|| "flex".into());
    let device = select(&name).expect("a device that `electra devices` lists").device;
    let mut rng = Rng::new(1, Purpose::Mask, 0, 0);
    // Word `r` as often as `1 / r`, as in text.
    let word = |uniform: f32| ((WORDS as f32).powf(uniform) as usize).min(WORDS - 1);
    let ids: Vec<usize> = (0..IDS).map(|_| word(rng.uniform())).collect();
    let order = SumOrder::new(ids.iter().copied(), &device);
    let ids: Vec<i32> = ids.into_iter().map(|id| id as i32).collect();
    let ids = Tensor::<1, Int>::from_data(TensorData::new(ids, [IDS]), &device);
    let table = Tensor::<2>::random([WORDS, WIDTH], Distribution::Default, &device.clone().autodiff()).require_grad();
    let gradient = |by: &str| {
        let output = match by {
            "select" => table.clone().select(0, ids.clone()),
            "gather" => lookup(table.clone(), ids.clone(), None),
            _ => lookup(table.clone(), ids.clone(), Some(&order)),
        };
        let gradients = output.sum().backward();
        drop(table.grad(&gradients));
        device.sync().expect("the device computes");
    };
    let ways = ["select", "gather", "order"];
    ways.iter().for_each(|by| gradient(by));
    let mut times = [const { Vec::new() }; 3];
    for _ in 0..ROUNDS {
        for (by, times) in ways.iter().zip(&mut times) {
            let started = Instant::now();
            gradient(by);
            times.push(1e3 * started.elapsed().as_secs_f64());
        }
    }
    println!("{IDS} ids of a table of {WORDS} x {WIDTH} on {name}, forwards and back, medians of {ROUNDS} rounds");
    for (by, times) in ways.iter().zip(&mut times) {
        times.sort_by(f64::total_cmp);
        println!("{by:<8} {:>9.1} ms ({:.1} to {:.1})", times[ROUNDS / 2], times[0], times[ROUNDS - 1]);
    }
    for by in ways {
        let work = || {
            gradient(by);
            Ok(())
        };
        let (_, launches) = watch(&device, true, work).expect("the device computes");
        for kernel in launches.by_name {
            let time = kernel.seconds.map_or_else(String::new, |seconds| format!("{:.1} ms", 1e3 * seconds));
            println!("{by:<8} {:<28} {:>3} times {time:>9}", kernel.name, kernel.launches);
        }
    }
}
