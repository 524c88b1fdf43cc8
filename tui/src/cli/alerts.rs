//! `alerts ls|test|requeue|plan`: what people are told of certificates that end, and trying it.

use std::time::Duration;

use clap::{Args, Subcommand};
use countersign_shared::id::CertificateId;
use countersign_shared::protocol::method::{AlertList, AlertPlan_, AlertRequeue, AlertTest};
use countersign_shared::protocol::{
    AlertChannel, AlertPlanParams, AlertState, ListAlertsParams, RequeueParams, TestAlertParams,
};
use countersign_shared::time::Span;

use super::context::Context;
use super::failure::Failure;
use super::ls::{Page, more};
use super::render;

/// How long a trial waits where nothing is said.
const DEFAULT_WAIT: Span = Span::from_secs(60);
/// What a daemon may take to answer beyond the wait that was asked for.
const GRACE: Duration = Duration::from_secs(30);
/// The exit status of a trial that was not accepted.
const REFUSED: u8 = 3;

#[derive(Debug, Subcommand)]
pub(super) enum AlertsVerb {
    /// List messages and what became of them, newest first
    Ls(LsArgs),
    /// Send an alert for real, marked TEST, and say what the other side answered
    ///
    /// Exit status: 0 the other side accepted it, 3 it did not or nothing was sent, 124 no answer in time.
    Test(TestArgs),
    /// Have dead messages tried again
    Requeue(RequeueArgs),
    /// Print the whole matrix: which alert goes when, to whom, on what; sends nothing
    Plan(PlanArgs),
}

#[derive(Debug, Args)]
pub(super) struct LsArgs {
    /// Only in this state: queued, failed, sent, dead, skipped
    #[arg(long)]
    state: Option<AlertState>,
    /// Only on this channel: Email, Slack, Teams, PagerDuty, OpsGenie, Webhook, Syslog, Command, Wall
    #[arg(long)]
    channel: Option<AlertChannel>,
    /// Only about this certificate
    #[arg(long, value_name = "ID")]
    certificate: Option<CertificateId>,
    /// Only of this kind: expiration_alert, expiration_alert_test, certificate_renewed, certificate_dealt_with, or an
    /// action of the ledger
    #[arg(long)]
    kind: Option<String>,
    /// Only with this text in the object's id, the primary name or the reason
    #[arg(long)]
    text: Option<String>,
    #[command(flatten)]
    page: Page,
}

#[derive(Debug, Args)]
pub(super) struct TestArgs {
    /// As if this certificate came near its end
    #[arg(long, value_name = "ID", required_unless_present = "dry_run")]
    certificate: Option<CertificateId>,
    /// At this threshold, 0 to 365 days
    #[arg(long, value_name = "DAYS", required_unless_present = "dry_run", value_parser = clap::value_parser!(u16).range(0..=365))]
    threshold: Option<u16>,
    /// On this channel: Email, Slack, Teams, PagerDuty, OpsGenie, Webhook, Syslog, Command, Wall
    #[arg(long, required_unless_present = "dry_run")]
    channel: Option<AlertChannel>,
    /// How long to wait for the answer of the other side; 60s where it is left out, 10m at most
    #[arg(long, value_name = "SPAN")]
    timeout: Option<Span>,
    /// Send nothing: print the whole matrix, as `alerts plan` does
    #[arg(long, conflicts_with_all = ["threshold", "channel", "timeout"])]
    dry_run: bool,
}

#[derive(Debug, Args)]
pub(super) struct RequeueArgs {
    /// The message, as `alerts ls --state dead` lists it
    #[arg(value_name = "N", required_unless_present = "all_dead", conflicts_with = "all_dead")]
    id: Option<u64>,
    /// All that are dead, at most 1000 at a time
    #[arg(long)]
    all_dead: bool,
    /// With --all-dead: only on this channel
    #[arg(long, requires = "all_dead", conflicts_with = "id")]
    channel: Option<AlertChannel>,
}

#[derive(Debug, Args)]
pub(super) struct PlanArgs {
    /// Only this certificate
    #[arg(long, value_name = "ID")]
    certificate: Option<CertificateId>,
    /// Only certificates that end within so many days, or have ended
    #[arg(long)]
    days: Option<u32>,
    #[command(flatten)]
    page: Page,
}

pub(super) fn run(verb: &AlertsVerb, context: &mut Context) -> Result<u8, Failure> {
    match verb {
        AlertsVerb::Ls(args) => list(args, context),
        AlertsVerb::Test(args) => test(args, context),
        AlertsVerb::Requeue(args) => requeue(args, context),
        AlertsVerb::Plan(args) => {
            let params = AlertPlanParams {
                certificate: args.certificate.clone(),
                days: args.days,
                limit: args.page.limit,
                cursor: args.page.cursor.clone(),
            };
            plan(&params, context)
        }
    }
}

fn list(args: &LsArgs, context: &mut Context) -> Result<u8, Failure> {
    let params = ListAlertsParams {
        state: args.state,
        channel: args.channel,
        certificate: args.certificate.clone(),
        kind: args.kind.clone(),
        text: args.text.clone(),
        limit: args.page.limit,
        cursor: args.page.cursor.clone(),
    };
    let page = context.answer::<AlertList>(&params, |page, view| render::alert::list(&page.alerts, view))?;
    more(page.next_cursor.as_deref(), context);
    Ok(0)
}

fn test(args: &TestArgs, context: &mut Context) -> Result<u8, Failure> {
    let (Some(certificate), Some(threshold), Some(channel)) = (args.certificate.clone(), args.threshold, args.channel)
    else {
        let params = AlertPlanParams { certificate: args.certificate.clone(), ..AlertPlanParams::default() };
        return plan(&params, context);
    };
    let mut client = context.connect()?;
    client.set_timeout(Some(Duration::from_millis(args.timeout.unwrap_or(DEFAULT_WAIT).millis()) + GRACE));
    let params = TestAlertParams { certificate, threshold, channel, timeout: args.timeout };
    let alert = context.answer_on::<AlertTest>(&mut client, &params, render::alert::tried)?.alert;
    match alert.state {
        AlertState::Sent => Ok(0),
        AlertState::Dead | AlertState::Skipped => Ok(REFUSED),
        AlertState::Queued | AlertState::Failed => {
            Err(Failure::timed_out(format!("{channel} has not answered in time")).hint(format!(
                "message {} goes on without you: countersign alerts ls --kind {}",
                alert.id, "expiration_alert_test"
            )))
        }
    }
}

fn requeue(args: &RequeueArgs, context: &mut Context) -> Result<u8, Failure> {
    let params = RequeueParams { id: args.id, all_dead: args.all_dead, channel: args.channel };
    context.answer::<AlertRequeue>(&params, render::alert::requeued)?;
    Ok(0)
}

fn plan(params: &AlertPlanParams, context: &mut Context) -> Result<u8, Failure> {
    let page = context.answer::<AlertPlan_>(params, render::alert::plan)?;
    more(page.next_cursor.as_deref(), context);
    Ok(0)
}
