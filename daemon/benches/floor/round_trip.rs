//! `daemon.whoami` beside a bare echo of the same octets.

use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::time::Instant;

use countersign_shared::protocol::NoParams;
use countersign_shared::protocol::method::DaemonWhoami;

use crate::caller::{Caller, frame};
use crate::daemon::Daemon;
use crate::disk::DISKS;
use crate::table::{Aim, Table};
use crate::{Bench, Result, measure, prefill};

const ROUNDS: usize = 9;
/// Calls of one round.
const CALLS: u32 = 2000;

/// Measures it.
pub fn measure(bench: &Bench, table: &mut Table) -> Result<()> {
    let state = bench.work.join("whoami");
    prefill::fill(&state, 1)?;
    let daemon = Daemon::start(bench, &state, DISKS[0])?;
    let question = frame::<DaemonWhoami>(&NoParams {})?;
    let runtime = &bench.runtime;
    let mut caller = runtime.block_on(Caller::acting_as(&daemon.socket, "bob"))?;
    let answer = runtime.block_on(caller.ask(&question))?.to_vec();

    let path = bench.work.join("echo.sock");
    let listener = UnixListener::bind(&path)?;
    let echo = std::thread::spawn(move || echo(&listener, &answer));
    let mut echoed = runtime.block_on(Caller::connect(&path))?;
    let pair = measure::in_turns(
        ROUNDS,
        || runtime.block_on(micros(&mut caller, &question, CALLS)),
        || runtime.block_on(micros(&mut echoed, &question, CALLS)),
    )?;
    drop(echoed);
    echo.join().map_err(|_| "the echo failed")??;
    table.add("daemon.whoami, round trip", "us", &pair, Aim::None);
    Ok(())
}

/// The time of one call, averaged over a round.
pub async fn micros(caller: &mut Caller, question: &[u8], calls: u32) -> Result<f64> {
    let begin = Instant::now();
    for _ in 0..calls {
        caller.ask(question).await?;
    }
    Ok(begin.elapsed().as_secs_f64() * 1e6 / f64::from(calls))
}

/// Answers each line of one connection with `answer`.
fn echo(listener: &UnixListener, answer: &[u8]) -> std::io::Result<()> {
    let (mut stream, _) = listener.accept()?;
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer)? {
            0 => return Ok(()),
            octets if buffer[octets - 1] == b'\n' => stream.write_all(answer)?,
            _ => {}
        }
    }
}
