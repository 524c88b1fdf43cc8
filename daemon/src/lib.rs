//! The countersign daemon. Data flows one way: `ipc → service → store`; `schedule → service`; a signature
//! needs the proof that only [`gate`] makes.

pub mod deliver;
pub mod gate;
pub mod identity;
pub mod issuer;
pub mod x509;
