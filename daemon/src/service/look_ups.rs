//! Look-ups of callers, which may block on a remote name service, off the threads that serve sockets.

use std::sync::atomic::{AtomicUsize, Ordering};

use countersign_shared::error::{ApiError, ErrorKind};
use tokio::runtime::{Handle, RuntimeFlavor};

/// Look-ups under way at once. Each may hold a thread, of which the runtime has twice as many.
const MOST: usize = 256;

/// Counts those that are under way.
#[derive(Debug)]
pub struct LookUps {
    under_way: AtomicUsize,
    most: usize,
}

impl Default for LookUps {
    fn default() -> Self {
        Self { under_way: AtomicUsize::new(0), most: MOST }
    }
}

impl LookUps {
    /// Runs one where it holds up no other task of its worker: those go to another thread meanwhile. That adds some
    /// 25 µs to a local look-up of 17 µs, as moving the look-up itself to another thread and back does, and what it
    /// needs may be borrowed. A runtime of one thread has no other worker to hand tasks to.
    ///
    /// `unavailable` where so many hang already that more would take the last threads.
    pub fn run<T>(&self, look_up: impl FnOnce() -> Result<T, ApiError>) -> Result<T, ApiError> {
        let one = UnderWay(&self.under_way);
        if self.under_way.fetch_add(1, Ordering::Relaxed) >= self.most {
            return Err(ApiError::new(
                ErrorKind::Unavailable,
                format!("{} look-ups of callers wait for the name service", self.most),
            )
            .hint("see whether the host's name service answers: getent passwd"));
        }
        let result = match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
            Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(look_up),
            _ => look_up(),
        };
        drop(one);
        result
    }
}

/// Counts one off when it is dropped, also where a look-up panics.
struct UnderWay<'a>(&'a AtomicUsize);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, mpsc};
    use std::time::Duration;

    use super::*;

    #[test]
    fn those_that_hang_hold_up_no_other_task_and_are_limited_in_number() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
        let look_ups = Arc::new(LookUps { most: 2, ..LookUps::default() });
        let (begun, begins) = mpsc::channel();
        let hangs: Vec<_> = (0..2)
            .map(|_| {
                let (look_ups, begun) = (look_ups.clone(), begun.clone());
                let (answer, answers) = mpsc::channel();
                let hang = async move {
                    look_ups.run(|| {
                        begun.send(()).unwrap();
                        Ok(answers.recv_timeout(Duration::from_secs(20)))
                    })
                };
                let hang = runtime.spawn(hang);
                begins.recv_timeout(Duration::from_secs(10)).unwrap();
                (hang, answer)
            })
            .collect();
        assert_eq!(look_ups.run(|| Ok(())).unwrap_err().kind, ErrorKind::Unavailable);
        for (hang, answer) in hangs {
            runtime.spawn(async move { answer.send(5) });
            assert_eq!(runtime.block_on(hang).unwrap().unwrap(), Ok(5));
        }
        look_ups.run(|| Ok(())).unwrap();
    }

    #[tokio::test]
    async fn a_runtime_of_one_thread_looks_up_where_it_is() {
        assert_eq!(LookUps::default().run(|| Ok(5)).unwrap(), 5);
    }
}
