//! Kernels that a device is given, counted and timed by name.

use serde::Serialize;

/// What a stretch of work gave to a device.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Launches {
    /// Kernels.
    pub kernels: usize,
    /// Operations that Burn's fusion was handed.
    pub operations: usize,
    /// Notes that a tensor is no longer needed, handed to it beside them.
    pub drops: usize,
    /// Blocks that it made of them: kernels of several operations, and single operations.
    pub blocks: usize,
    /// By name of the kernel, longest time first, where times were asked for, else most launches first.
    pub by_name: Vec<Kernel>,
}

/// The launches of a kernel.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Kernel {
    /// As it calls itself, without its path and its parameters.
    pub name: String,
    /// How often.
    pub launches: usize,
    /// Seconds on the device, together, where they were asked for and the device reports them.
    pub seconds: Option<f64>,
}

#[cfg(gpu)]
pub use gpu::watch;

#[cfg(gpu)]
mod gpu {
    use super::{Kernel, Launches};
    use burn::backend::fusion::custom::OperationIr;
    use burn::backend::fusion::observer::{BlockOperations, FusionObservation, FusionObserver};
    use burn::tensor::{Device, ExecutionError};
    use cubecl::config::{TypeNameFormatLevel, type_name_format};
    use cubecl::future::block_on;
    use cubecl::logging::{Duration, LaunchObservation, LaunchObserver, ProfileDuration, TimingMethod, TimingRequest};
    use std::collections::BTreeMap;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
    use std::sync::{Arc, Mutex, PoisonError};

    /// Counts the launches of `work` on `device`, with `timed` their times too, which slows the host down.
    ///
    /// # Errors
    /// The device's.
    pub fn watch<R>(
        device: &Device,
        timed: bool,
        work: impl FnOnce() -> Result<R, ExecutionError>,
    ) -> Result<(R, Launches), ExecutionError> {
        device.sync()?;
        let seen = Arc::new(Counted { timed, ..Counted::default() });
        let launches = LaunchObservation::new(seen.clone());
        let fusion = FusionObservation::new(seen.clone());
        let result = work().and_then(|result| device.sync().map(|()| result));
        drop((launches, fusion));
        Ok((result?, seen.launches()))
    }

    #[derive(Default)]
    struct Counted {
        timed: bool,
        operations: AtomicUsize,
        drops: AtomicUsize,
        blocks: AtomicUsize,
        counts: Mutex<BTreeMap<&'static str, usize>>,
        times: Mutex<Vec<(&'static str, Time)>>,
    }

    enum Time {
        Pending(ProfileDuration),
        Known(Duration),
    }

    impl Counted {
        fn launches(&self) -> Launches {
            let mut kernels: BTreeMap<String, Kernel> = BTreeMap::new();
            let short = |name: &str| type_name_format(name, TypeNameFormatLevel::Short);
            let counts = std::mem::take(&mut *self.counts.lock().unwrap_or_else(PoisonError::into_inner));
            for (name, count) in counts {
                let name = short(name);
                let kernel = kernels.entry(name.clone()).or_insert(Kernel { name, launches: 0, seconds: None });
                kernel.launches += count;
            }
            let times = std::mem::take(&mut *self.times.lock().unwrap_or_else(PoisonError::into_inner));
            for (name, time) in times {
                let duration = match time {
                    Time::Pending(profile) => block_on(profile.resolve()).map(|ticks| ticks.duration()),
                    Time::Known(duration) => Some(duration),
                };
                if let (Some(kernel), Some(duration)) = (kernels.get_mut(&short(name)), duration) {
                    *kernel.seconds.get_or_insert(0.0) += duration.as_secs_f64();
                }
            }
            let mut by_name: Vec<Kernel> = kernels.into_values().collect();
            by_name.sort_by(|a, b| {
                let seconds = |kernel: &Kernel| kernel.seconds.unwrap_or(0.0);
                seconds(b).total_cmp(&seconds(a)).then(b.launches.cmp(&a.launches))
            });
            Launches {
                kernels: by_name.iter().map(|kernel| kernel.launches).sum(),
                operations: self.operations.load(Relaxed),
                drops: self.drops.load(Relaxed),
                blocks: self.blocks.load(Relaxed),
                by_name,
            }
        }
    }

    impl LaunchObserver for Counted {
        fn launched(&self, kernel: &'static str) {
            *self.counts.lock().unwrap_or_else(PoisonError::into_inner).entry(kernel).or_default() += 1;
        }

        fn timing(&self) -> TimingRequest {
            if self.timed { TimingRequest::Deferred } else { TimingRequest::None }
        }

        fn profiled(&self, kernel: &'static str, profile: ProfileDuration) {
            self.times.lock().unwrap_or_else(PoisonError::into_inner).push((kernel, Time::Pending(profile)));
        }

        fn timed(&self, kernel: &'static str, duration: Duration, _method: TimingMethod) {
            self.times.lock().unwrap_or_else(PoisonError::into_inner).push((kernel, Time::Known(duration)));
        }
    }

    impl FusionObserver for Counted {
        fn registered(&self, operation: &OperationIr) {
            let counter = if matches!(operation, OperationIr::Drop(_)) { &self.drops } else { &self.operations };
            counter.fetch_add(1, Relaxed);
        }

        fn block_starts(&self, _block: BlockOperations<'_>) {
            self.blocks.fetch_add(1, Relaxed);
        }

        fn block_ran(&self) {}
    }
}

/// Runs `work`; without a backend for GPUs there is nothing to count.
///
/// # Errors
/// The device's.
#[cfg(not(gpu))]
pub fn watch<R>(
    _device: &burn::tensor::Device,
    _timed: bool,
    work: impl FnOnce() -> Result<R, burn::tensor::ExecutionError>,
) -> Result<(R, Launches), burn::tensor::ExecutionError> {
    Ok((work()?, Launches::default()))
}
