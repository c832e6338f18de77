//! The thread pool every long call runs on: outside the GIL, interruptible, and safe after a fork.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;

/// 0 means: as many as the machine has cores.
static THREADS: AtomicUsize = AtomicUsize::new(0);
static POOL: Mutex<Option<Pool>> = Mutex::new(None);
const SIGNAL_POLL: Duration = Duration::from_millis(100);
const ENVIRONMENT: &str = "NEATFOOL_THREADS";

#[derive(Clone)]
struct Pool {
    process: u32,
    threads: usize,
    workers: Arc<rayon::ThreadPool>,
}

fn available() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The number of threads the next call will use.
pub fn threads() -> PyResult<usize> {
    let set = THREADS.load(Ordering::Relaxed);
    if set > 0 {
        return Ok(set);
    }
    match std::env::var(ENVIRONMENT) {
        Ok(text) => text.parse().ok().filter(|&n: &usize| n > 0).ok_or_else(|| {
            PyValueError::new_err(format!(
                "the environment variable {ENVIRONMENT} is {text:?}; set it to a positive number"
            ))
        }),
        Err(_) => Ok(available()),
    }
}

/// Sets the number of threads; 0 returns to the environment variable or the number of cores.
pub fn set_threads(count: usize) {
    THREADS.store(count, Ordering::Relaxed);
}

/// The pool of this process. A forked child inherits the pool's memory but none of its threads: it is left behind
/// unjoined, and the child builds its own.
fn pool() -> PyResult<Arc<rayon::ThreadPool>> {
    let threads = threads()?;
    let process = std::process::id();
    let mut slot = POOL.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(pool) = slot.as_ref().filter(|p| p.process == process && p.threads == threads) {
        return Ok(Arc::clone(&pool.workers));
    }
    let built = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(|i| format!("neatfool-{i}"))
        .build()
        .map_err(|e| PyRuntimeError::new_err(format!("could not start {threads} threads: {e}")))?;
    let new = Pool { process, threads, workers: Arc::new(built) };
    let pool = Arc::clone(&new.workers);
    if let Some(old) = slot.replace(new).filter(|old| old.process != process) {
        std::mem::forget(old);
    }
    Ok(pool)
}

/// Runs `work` on the pool without the GIL. Meanwhile this thread answers signals, so that Ctrl-C raises
/// `KeyboardInterrupt` as soon as `work` notices the flag it is given.
#[expect(clippy::redundant_closure_for_method_calls, reason = "the method's lifetimes are too narrow for `attach`")]
pub fn run<T, F>(py: Python<'_>, work: F) -> PyResult<T>
where
    T: Send,
    F: FnOnce(&AtomicBool) -> T + Send,
{
    let pool = pool()?;
    let cancel = AtomicBool::new(false);
    let done = (Mutex::new(None), Condvar::new());
    py.detach(|| {
        pool.in_place_scope(|scope| {
            scope.spawn(|_| {
                // A panic must wake the waiting thread too, and reaches Python as an ordinary error.
                let result = catch_unwind(AssertUnwindSafe(|| work(&cancel)));
                *done.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
                done.1.notify_one();
            });
            let mut interrupted = Ok(());
            let mut slot = done.0.lock().unwrap_or_else(PoisonError::into_inner);
            while slot.is_none() {
                let (next, wait) = done.1.wait_timeout(slot, SIGNAL_POLL).unwrap_or_else(PoisonError::into_inner);
                slot = next;
                if wait.timed_out() && slot.is_none() && interrupted.is_ok() {
                    drop(slot);
                    interrupted = Python::attach(|py| py.check_signals());
                    cancel.store(interrupted.is_err(), Ordering::Relaxed);
                    slot = done.0.lock().unwrap_or_else(PoisonError::into_inner);
                }
            }
            interrupted?;
            match slot.take() {
                Some(Ok(result)) => Ok(result),
                _ => Err(PyRuntimeError::new_err(
                    "internal error in neatfool's Rust core; please report it with the message above",
                )),
            }
        })
    })
}
