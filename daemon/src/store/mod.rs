//! The one database: settings, migrations, one writer that commits in groups, readers that cannot write.

pub mod group;
pub mod health;
pub mod integrity;
pub mod migrations;
pub mod open;
pub mod readers;
pub mod routing;
pub mod rows;
pub mod settings;
pub mod shares;
pub mod sight;
pub mod transaction;
pub mod writer;

pub use health::Health;
pub use readers::{CallerReaders, Readers};
pub use routing::{Routes, Routing};
pub use transaction::{Effect, Transaction};
pub use writer::Writer;
