//! The parts without which the daemon would only seem to work: where one of them ends unasked, the process ends,
//! and the service manager starts it anew.

use std::io;

use tokio::task::JoinSet;

use crate::store::Writer;

/// Every such part.
pub struct Vital {
    writer: Writer,
    tasks: JoinSet<(&'static str, io::Result<()>)>,
}

impl Vital {
    /// The writer, and nothing else yet.
    pub fn new(writer: Writer) -> Self {
        Self { writer, tasks: JoinSet::new() }
    }

    /// Starts a part that ends only when it is told to.
    pub fn start(&mut self, name: &'static str, part: impl Future<Output = io::Result<()>> + Send + 'static) {
        self.tasks.spawn(async move { (name, part.await) });
    }

    /// Returns when the first of them has ended, and says which.
    pub async fn ended(&mut self) -> String {
        tokio::select! {
            () = self.writer.ended() => "the writer ended unasked".to_owned(),
            Some(ended) = self.tasks.join_next() => match ended {
                Ok((name, Ok(()))) => format!("the {name} ended unasked"),
                Ok((name, Err(error))) => format!("the {name} ended unasked: {error}"),
                Err(error) => format!("a part of the daemon ended unasked: {error}"),
            },
        }
    }

    /// Waits for all but the writer, which were told to end.
    pub async fn join(mut self) {
        while self.tasks.join_next().await.is_some() {}
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::clock::{SystemClock, TimeLine};
    use crate::ledger::Tail;
    use crate::store::Health;

    fn writer() -> Writer {
        let line = TimeLine::resume(Arc::new(SystemClock), None, 0);
        let connection = rusqlite::Connection::open_in_memory().unwrap();
        Writer::start(connection, Tail::default(), line, Health::default(), |_| {}).unwrap().0
    }

    #[tokio::test]
    async fn the_first_part_that_ends_is_named() {
        let mut vital = Vital::new(writer());
        vital.start("executor", std::future::pending());
        let idle = tokio::time::timeout(std::time::Duration::from_millis(50), vital.ended());
        assert!(idle.await.is_err(), "nothing has ended");
        vital.start("reaper", async { Err(io::Error::other("no timer")) });
        assert_eq!(vital.ended().await, "the reaper ended unasked: no timer");
        vital.start("executor", async { panic!("a fault that the test makes") });
        assert!(vital.ended().await.contains("panicked"));
    }
}
