//! Whatever is called, by whomever, whatever time, signals, and the owner of the file do: no issuer is asked but for
//! what another person agreed to.
//!
//! The issuer here is a program that writes down every order before it signs. Each method, task and signal has its
//! entry in a table, and a new one without an entry fails here.

mod compiled;
mod forged;
mod methods;
mod scene;
mod sources;
mod tasks;
