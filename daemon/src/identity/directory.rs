//! The system's name service: accounts and groups, looked up at each decision.

/// An account at the moment of a look-up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The user id.
    pub uid: u32,
    /// The name; `None` where the system knows none.
    pub name: Option<String>,
    /// Names of the unix groups it is in, the primary one included (`getgrouplist`).
    pub unix_groups: Vec<String>,
}
