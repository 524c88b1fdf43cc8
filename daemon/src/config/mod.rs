//! Settings: flags over environment over `countersign.toml` over defaults, each judged once, at boot.
//!
//! Errors name the file, line and key, the flag, or the variable.

mod checkpoint;
mod environment;
mod file;
mod flags;
mod forward;
mod inventory;
mod settings;
mod value;

pub use checkpoint::CheckpointSettings;
pub use environment::Environment;
pub use file::{Reread, reread};
pub use flags::Flags;
pub use forward::ForwardSettings;
pub use inventory::InventorySettings;
pub use settings::{ConfigError, Settings};
pub use value::{LogLevel, SocketMode};
