//! One test, every backend: the only place where tests name backends, and where it stands how far each may be from a
//! reference.

use burn::tensor::Device;
use electra_burn::device::select;
use electra_burn::kernels::set_portable;
use std::io::Write;
use std::sync::{PoisonError, RwLock};

/// The device of tests that are about something else: the fastest that every build has.
pub const CPU: &str = "flex";

/// What a test runs on.
pub struct Backend {
    /// What `--device` takes.
    pub name: &'static str,
    /// Without autodiff.
    pub device: Device,
    /// What the program takes after `--device`, with spaces between: the name, and `--portable` for portable kernels.
    pub arguments: &'static str,
    /// How far it may be from a reference.
    pub tolerance: Tolerance,
}

/// How far a backend may be from a reference that computes in single precision too, but adds in another order. Relative to
/// what is compared where that is larger than 1.
#[derive(Clone, Copy)]
pub struct Tolerance {
    /// Of hidden states and logits near 1, after two layers.
    pub outputs: f32,
    /// Of losses.
    pub loss: f32,
    /// Of a gradient, in units of its largest entry.
    pub gradients: f32,
    /// Of losses, norms and weights after twenty steps that build on each other.
    pub trajectory: f64,
}

const ON_CPU: Tolerance = Tolerance { outputs: 2e-5, loss: 1e-5, gradients: 1e-4, trajectory: 1e-4 };
const ON_GPU: Tolerance = Tolerance { outputs: 1e-3, loss: 1e-3, gradients: 1e-3, trajectory: 1e-3 };

/// Where products of single precision may be in TF32, whose operands have 11 bits of precision, an error of 5e-4 each.
const IN_TF32: Tolerance = Tolerance { outputs: 5e-3, loss: 5e-3, gradients: 1e-2, trajectory: 5e-3 };

/// By the name of the test; the second is [`Backend::arguments`].
const TABLE: [(&str, &str, Tolerance); 9] = [
    ("flex", "flex", ON_CPU),
    ("flex_with_portable_kernels", "flex --portable", ON_CPU),
    ("ndarray", "ndarray", ON_CPU),
    ("wgpu", "wgpu", ON_GPU),
    ("vulkan", "vulkan", ON_GPU),
    ("metal", "metal", ON_GPU),
    ("webgpu", "webgpu", ON_GPU),
    ("cuda", "cuda", IN_TF32),
    ("rocm", "rocm", ON_GPU),
];

/// Backends and programs, with commas between them, whose absence fails a test instead of skipping it.
pub const REQUIRED: &str = "ELECTRA_TEST_REQUIRE";

/// The switch between the two forms of the kernels belongs to the process.
static FORM: RwLock<()> = RwLock::new(());

/// Takes the switch back, after a panic too.
struct Portable;

impl Drop for Portable {
    fn drop(&mut self) {
        set_portable(false);
    }
}

/// The device `name` stands for, or a skip that is seen where the machine has none.
pub fn backend(name: &str) -> Option<Backend> {
    let (_, arguments, tolerance) = *TABLE.iter().find(|row| row.0 == name).expect("the table has the backend");
    let name = arguments.split(' ').next().expect("the first word is the name");
    match select(name) {
        Ok(adapter) => Some(Backend { name, arguments, device: adapter.device, tolerance }),
        Err(error) => {
            skip(name, &error.to_string());
            None
        }
    }
}

/// Says that what needs `name` is skipped, and why; fails where [`REQUIRED`] asks for it.
pub fn skip(name: &str, why: &str) {
    let required = std::env::var(REQUIRED).unwrap_or_default();
    assert!(!required.split(',').any(|other| other == name), "{REQUIRED} asks for {name}: {why}");
    // Past the harness, which shows what passing tests print to nobody.
    writeln!(std::io::stderr(), "skipped: {why}").expect("standard error takes a line");
}

/// Runs `test` on the backend `name`.
pub fn run(name: &str, test: fn(&Backend)) {
    let Some(backend) = backend(name) else { return };
    if backend.arguments.contains("--portable") {
        let _alone = FORM.write().unwrap_or_else(PoisonError::into_inner);
        let _back = Portable;
        set_portable(true);
        test(&backend);
    } else {
        let _shared = FORM.read().unwrap_or_else(PoisonError::into_inner);
        test(&backend);
    }
}

/// Makes a test `NAME::BACKEND` of the function `NAME` for every backend that is compiled in.
#[macro_export]
macro_rules! on_every_backend {
    ($($test:ident),+ $(,)?) => {$(
        $crate::on_backends!($test: flex "flex", flex_with_portable_kernels "flex", ndarray "ndarray", wgpu "wgpu",
            vulkan "vulkan", metal "metal", webgpu "webgpu", cuda "cuda", rocm "rocm");
    )+};
}

/// The same for the CPU backends alone, whose steps take no time to start: for tests of hundreds of steps.
#[macro_export]
macro_rules! on_every_cpu_backend {
    ($($test:ident),+ $(,)?) => {$(
        $crate::on_backends!($test: flex "flex", flex_with_portable_kernels "flex", ndarray "ndarray");
    )+};
}

/// `TEST: BACKEND "FEATURE", ..`
#[macro_export]
macro_rules! on_backends {
    ($test:ident: $($backend:ident $feature:literal),+) => {
        mod $test {$(
            #[test]
            #[cfg(feature = $feature)]
            fn $backend() {
                $crate::common::backends::run(stringify!($backend), super::$test);
            }
        )+}
    };
}
