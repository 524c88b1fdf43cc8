//! The countersign daemon. Data flows one way: `ipc → service → store`; `schedule → service`; a signature
//! needs the proof that only [`gate`] makes.

pub mod gate;
pub mod identity;
pub mod intake;
pub mod policy;
pub mod x509;
