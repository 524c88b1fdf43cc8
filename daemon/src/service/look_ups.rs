//! Look-ups of callers, which may block on a remote name service, off the threads that serve sockets: once for each
//! call, before its verb.

use std::time::Duration;

use countersign_shared::error::{ApiError, ErrorKind};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::Semaphore;

use crate::identity::Caller;

/// Look-ups under way at once. Each may hold a thread, of which there are several times as many.
const MOST: usize = 32;
/// How long a call waits for its turn.
const WAIT: Duration = Duration::from_secs(10);

tokio::task_local! {
    static ATTESTED: Result<Caller, ApiError>;
}

/// The look-ups that are under way.
#[derive(Debug)]
pub struct LookUps {
    turns: Semaphore,
    wait: Duration,
}

impl Default for LookUps {
    fn default() -> Self {
        Self { turns: Semaphore::new(MOST), wait: WAIT }
    }
}

impl LookUps {
    /// Runs one in its turn where it holds up no other task of its worker: those go to another thread meanwhile. That
    /// adds some 25 µs to a local look-up of 17 µs, as moving the look-up itself to another thread and back does, and
    /// what it needs may be borrowed. A runtime of one thread has no other worker to hand tasks to.
    ///
    /// `unavailable` where no turn comes because the name service does not answer.
    pub async fn run<T>(&self, look_up: impl FnOnce() -> Result<T, ApiError>) -> Result<T, ApiError> {
        let turn = tokio::time::timeout(self.wait, self.turns.acquire()).await;
        let Ok(Ok(_turn)) = turn else {
            let message = "the look-ups of other callers have waited for the name service for too long";
            return Err(ApiError::new(ErrorKind::Unavailable, message)
                .hint("see whether the host's name service answers: getent passwd"));
        };
        match Handle::current().runtime_flavor() {
            RuntimeFlavor::MultiThread => tokio::task::block_in_place(look_up),
            _ => look_up(),
        }
    }
}

/// Carries a call out whose caller has been attested, or could not be.
pub async fn attested<T>(caller: Result<Caller, ApiError>, call: impl Future<Output = T>) -> T {
    ATTESTED.scope(caller, call).await
}

/// The caller of the call that is being carried out, as attested when it began; `None` outside a call.
pub fn caller() -> Option<Result<Caller, ApiError>> {
    ATTESTED.try_with(Clone::clone).ok()
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, mpsc};

    use super::*;

    #[test]
    fn those_that_hang_hold_up_no_other_task_and_are_limited_in_number() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build().unwrap();
        let look_ups = Arc::new(LookUps { turns: Semaphore::new(2), wait: Duration::from_millis(20) });
        let (begun, begins) = mpsc::channel();
        let hangs: Vec<_> = (0..2)
            .map(|_| {
                let (look_ups, begun) = (look_ups.clone(), begun.clone());
                let (answer, answers) = mpsc::channel();
                let hang = async move {
                    let look_up = move || {
                        begun.send(()).unwrap();
                        Ok(answers.recv_timeout(Duration::from_secs(20)))
                    };
                    look_ups.run(look_up).await
                };
                let hang = runtime.spawn(hang);
                begins.recv_timeout(Duration::from_secs(10)).unwrap();
                (hang, answer)
            })
            .collect();
        assert_eq!(runtime.block_on(look_ups.run(|| Ok(()))).unwrap_err().kind, ErrorKind::Unavailable);
        for (hang, answer) in hangs {
            runtime.spawn(async move { answer.send(5) });
            assert_eq!(runtime.block_on(hang).unwrap().unwrap(), Ok(5));
        }
        runtime.block_on(look_ups.run(|| Ok(()))).unwrap();
    }

    #[tokio::test]
    async fn a_runtime_of_one_thread_looks_up_where_it_is() {
        assert_eq!(LookUps::default().run(|| Ok(5)).await.unwrap(), 5);
        assert!(caller().is_none());
        let refused = attested(Err(ApiError::invalid("x")), async { caller() }).await;
        assert_eq!(refused, Some(Err(ApiError::invalid("x"))));
    }
}
