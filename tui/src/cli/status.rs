//! `status`, `whoami` and `metrics`.

use countersign_shared::protocol::NoParams;
use countersign_shared::protocol::method::{DaemonMetrics, DaemonStatus, DaemonWhoami};

use super::context::Context;
use super::failure::Failure;
use super::render::{self, text};

pub(super) fn status(context: &mut Context) -> Result<u8, Failure> {
    context.answer::<DaemonStatus>(&NoParams {}, render::daemon::status)?;
    Ok(0)
}

pub(super) fn whoami(context: &mut Context) -> Result<u8, Failure> {
    context.answer::<DaemonWhoami>(&NoParams {}, render::daemon::whoami)?;
    Ok(0)
}

pub(super) fn metrics(context: &mut Context) -> Result<u8, Failure> {
    context.answer::<DaemonMetrics>(&NoParams {}, |metrics, _| text::document(&metrics.text))?;
    Ok(0)
}
