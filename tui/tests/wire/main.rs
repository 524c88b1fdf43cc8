//! The client and the command line against a daemon that answers whatever a test wants.

#[cfg(test)]
mod alerts;
#[cfg(test)]
mod answers;
#[cfg(test)]
mod batches;
#[cfg(test)]
mod checkpoints;
#[cfg(test)]
mod client;
#[cfg(test)]
mod decisions;
#[cfg(test)]
mod delegations;
#[cfg(test)]
mod evidence;
mod exports;
#[cfg(test)]
mod fake_daemon;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod imports;
#[cfg(test)]
mod life;
#[cfg(test)]
mod many;
#[cfg(test)]
mod policies;
#[cfg(test)]
mod requests;
#[cfg(test)]
mod revocations;
#[cfg(test)]
mod samples;
#[cfg(test)]
mod stories;
#[cfg(test)]
mod tampering;
#[cfg(test)]
mod terminal;
#[cfg(test)]
mod waits;
#[cfg(test)]
mod witness;
