//! The client and the command line against a daemon that answers whatever a test wants.

#[cfg(test)]
mod answers;
#[cfg(test)]
mod client;
#[cfg(test)]
mod decisions;
#[cfg(test)]
mod fake_daemon;
#[cfg(test)]
mod requests;
#[cfg(test)]
mod samples;
#[cfg(test)]
mod terminal;
#[cfg(test)]
mod waits;
