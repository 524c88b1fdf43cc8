//! The command line of `countersignd`.

use std::path::PathBuf;

use clap::Parser;

use super::{LogLevel, SocketMode};

/// The countersign daemon: approval gate for the certificates of one host.
///
/// Every flag but --config is also a key of countersign.toml; flags win. Runs in the foreground; SIGTERM drains,
/// SIGHUP reloads.
#[derive(Clone, Debug, Default, Parser)]
#[command(name = "countersignd", version)]
pub struct Flags {
    /// Configuration file [default: /etc/countersign/countersign.toml]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Policy adopted at the very first start [default: /etc/countersign/policy.toml]
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
    /// Where the daemon keeps its state [default: $STATE_DIRECTORY, else /var/lib/countersign]
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// Unix socket to serve, also COUNTERSIGN_SOCKET [default: /run/countersign/countersign.sock]
    #[arg(long, value_name = "PATH")]
    pub socket: Option<PathBuf>,
    /// Access mode of the socket, octal [default: 0660]
    #[arg(long, value_name = "MODE")]
    pub socket_mode: Option<SocketMode>,
    /// Group of the socket, a name
    #[arg(long, value_name = "NAME")]
    pub socket_group: Option<String>,
    /// Serve a demo: its own policy and people, on a state directory that only demos use
    #[arg(long)]
    pub demo: bool,
    /// Log from this severity on: error, warn, info, debug, trace [default: info]
    #[arg(long, value_name = "LEVEL")]
    pub log_level: Option<LogLevel>,
}
