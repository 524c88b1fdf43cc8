//! Damage that is done under a running daemon.
