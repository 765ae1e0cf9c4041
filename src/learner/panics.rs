//! A panic of the thread that trains ends the run with its message, not the process with a trace; where the program asks for it,
//! so does one inside a backend or on another of Burn's threads.

use super::options::Panics;
use crate::device::Adapters;
use std::any::Any;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, set_hook, take_hook};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Builder;
use std::time::Duration;

/// What `work` came to, and the panic that counts as its error.
pub(super) struct Caught<T> {
    /// What `work` returned, if it did.
    pub value: Option<T>,
    /// Message and place of the first panic that is kept, or of that of `work`.
    pub panic: Option<String>,
}

/// Runs `work`.
pub(super) fn caught<T>(panics: Panics, work: impl FnOnce() -> T) -> Caught<T> {
    let Panics::Kept { except } = panics else {
        return match catch_unwind(AssertUnwindSafe(work)) {
            Ok(value) => Caught { value: Some(value), panic: None },
            Err(payload) => Caught { value: None, panic: Some(message(&*payload).to_owned()) },
        };
    };
    let first: Arc<Mutex<Option<String>>> = Arc::default();
    let keep = first.clone();
    let before = take_hook();
    set_hook(Box::new(move |info| {
        if std::thread::current().name() == Some(except) {
            return;
        }
        keep.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| describe(info));
    }));
    let value = catch_unwind(AssertUnwindSafe(work)).ok();
    set_hook(before);
    let panic = first.lock().unwrap_or_else(PoisonError::into_inner).take();
    Caught { value, panic }
}

/// [`caught`], for work on `adapters`. Burn waits for ever for the answer of a worker that has gone away; where that
/// happens the thread that waits is left behind, and the reason takes the place of a panic.
pub(super) fn caught_on<T: Send + 'static>(
    adapters: &Adapters,
    panics: Panics,
    work: impl FnOnce() -> T + Send + 'static,
) -> Caught<T> {
    if !adapters.iter().any(|adapter| adapter.link.is_remote()) {
        return caught(panics, work);
    }
    let (sender, result) = channel();
    let training =
        Builder::new().name("training".into()).stack_size(STACK).spawn(move || _ = sender.send(caught(panics, work)));
    if let Err(error) = training {
        return Caught { value: None, panic: Some(error.to_string()) };
    }
    let mut patience = PATIENCE;
    loop {
        match result.recv_timeout(LOOK) {
            Ok(caught) => return caught,
            Err(RecvTimeoutError::Disconnected) => return Caught { value: None, panic: adapters.broken() },
            Err(RecvTimeoutError::Timeout) => match adapters.broken() {
                Some(reason) if patience.is_zero() => return Caught { value: None, panic: Some(reason) },
                Some(_) => patience = patience.saturating_sub(LOOK),
                None => {}
            },
        }
    }
}

/// Why a device of `adapters` can no longer be reached. A broken connection shows itself as some failure of the training
/// before it is known as what it is, so this waits a moment.
pub(super) fn lost(adapters: &Adapters) -> Option<String> {
    let looks = if adapters.iter().any(|adapter| adapter.link.is_remote()) { 25 } else { 0 };
    for _ in 0..looks {
        if adapters.broken().is_some() {
            break;
        }
        std::thread::sleep(LOOK);
    }
    adapters.broken()
}

/// The main thread's stack on most systems.
const STACK: usize = 8 << 20;

/// How often a broken link is looked for, and how long training may continue after it.
const LOOK: Duration = Duration::from_millis(200);
const PATIENCE: Duration = Duration::from_secs(5);

fn describe(info: &PanicHookInfo) -> String {
    let place = info.location().map(|place| format!(" ({}:{})", place.file(), place.line())).unwrap_or_default();
    format!("{}{place}", message(info.payload()))
}

fn message(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<String>().map(String::as_str).or_else(|| payload.downcast_ref().copied());
    text.unwrap_or("a panic without a message")
}

/// What to do about an error of a device, where its message says that memory ran out.
pub(super) fn advice(message: &str, batch_size: usize, accumulation: usize) -> String {
    let lower = message.to_lowercase();
    let memory = ["out of memory", "outofmemory", "out_of_memory", "not enough memory", "alloc", "buffer size"];
    if !memory.iter().any(|word| lower.contains(word)) {
        return message.to_owned();
    }
    let (batch, times) = (batch_size.div_ceil(2), accumulation * 2);
    format!(
        "{message}. The device seems to have run out of memory: with --set data.batch_size={batch} \
         training.accumulation={times} a step sees the same sequences in half of the memory; \
         training.gradient_checkpointing=true saves some more"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_of_any_thread_is_kept_and_a_value_too() {
        let kept = Panics::Kept { except: "apart" };
        let here = caught(kept, || -> usize { panic!("on {}", "purpose") });
        assert!(here.value.is_none());
        assert!(here.panic.unwrap().starts_with("on purpose (src/learner/panics.rs:"));
        let elsewhere = caught(kept, || {
            let apart = Builder::new().name("apart".into()).spawn(|| panic!("apart")).unwrap();
            assert!(apart.join().is_err());
            assert!(std::thread::spawn(|| panic!("there")).join().is_err());
            7
        });
        assert_eq!(elsewhere.value, Some(7));
        assert!(elsewhere.panic.unwrap().starts_with("there ("));
    }

    #[test]
    fn without_a_hook_the_panic_of_the_work_alone_counts() {
        let here = caught(Panics::Reported, || -> usize { panic!("on {}", "purpose") });
        assert_eq!((here.value, here.panic.as_deref()), (None, Some("on purpose")));
        let elsewhere = caught(Panics::Reported, || std::thread::spawn(|| panic!("there")).join().is_err());
        assert_eq!((elsewhere.value, elsewhere.panic), (Some(true), None));
    }

    #[test]
    fn memory_that_ran_out_brings_a_proposal() {
        let said = advice("wgpu error: Out of Memory", 33, 2);
        assert!(said.contains("data.batch_size=17 training.accumulation=4"), "{said}");
        assert_eq!(advice("a shape is wrong", 32, 1), "a shape is wrong");
    }
}
