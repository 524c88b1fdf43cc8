//! The wire protocol: JSON-RPC 2.0, one object a line. Every method's parameters and result are types here;
//! the OpenRPC document is generated from them.

pub mod alert;
pub mod archive;
pub mod audit;
pub mod certificate;
pub mod checkpoint;
pub mod daemon;
pub mod decision;
pub mod delegation;
pub mod detail;
pub mod event;
pub mod evidence;
pub mod export;
pub mod frame;
pub mod inventory;
pub mod life;
pub mod method;
pub mod policy;
pub mod proposal;
pub mod renewal;
pub mod repair;
pub mod request;
pub mod revocation;
pub mod signature;
pub mod terms;
pub mod wait;

pub use alert::*;
pub use archive::*;
pub use audit::*;
pub use certificate::*;
pub use checkpoint::*;
pub use daemon::*;
pub use decision::*;
pub use delegation::*;
pub use detail::*;
pub use event::*;
pub use evidence::*;
pub use export::*;
pub use inventory::*;
pub use life::*;
pub use policy::*;
pub use proposal::*;
pub use renewal::*;
pub use repair::*;
pub use request::*;
pub use revocation::*;
pub use signature::*;
pub use terms::*;
pub use wait::*;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The protocol's version; it changes when the contract does.
pub const PROTOCOL_VERSION: u32 = 1;
/// The largest page of a list.
pub const MAX_LIMIT: u32 = 500;
/// The page size where none is named.
pub const DEFAULT_LIMIT: u32 = 100;
/// The largest note or reason, in octets: 4 KiB.
pub const MAX_TEXT: usize = 4096;
/// The largest filter text, in octets: looking for it costs the product of its size and that of what is searched.
pub const MAX_FILTER: usize = 128;
/// The largest CSR, in octets of PEM or DER in base 64: 128 KiB.
pub const MAX_CSR: usize = 128 * 1024;

/// Parameters of a method that takes none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NoParams {}

/// A human who acted, as the kernel and the policy named them at that moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PersonRef {
    /// The account's name, `uid:N` where the system knows none; followed by ` (DEMO)` on a demo daemon.
    pub account: String,
    /// The person of the policy that the account belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<String>,
    /// The user id.
    pub uid: u32,
}
