//! From a method's name to its verb.

use std::sync::Arc;

use countersign_shared::error::{ApiError, ErrorKind};
use countersign_shared::json::to_line;
use countersign_shared::lifecycle::Verdict;
use countersign_shared::protocol::NoParams;
use countersign_shared::protocol::method::NOT_BUILT;
use serde::Serialize;
use serde_json::value::RawValue;

use super::end::Ending;
use super::{
    Service, alerts, amend, archive, assign, audit, certificates, checkpoint, comment, daemon, decide, decide_many,
    delegations, demo, detail, discover, end, erase, events, evidence, export, inventory, jobs, list, look_ups,
    policies, propose, renew, repair, retire, revoke, submit, wait,
};
use crate::ipc::{self, Connection, Reply, params};

/// The service as the socket sees it.
pub struct Answers(pub Arc<Service>);

impl ipc::Service for Answers {
    async fn call(&self, connection: &Connection, method: &str, raw: &RawValue) -> Result<Reply, ApiError> {
        if matches!(method, "daemon.status" | "rpc.discover") {
            // For everybody who may connect, and to be answered also where the name service hangs.
            return self.carry_out(connection, method, raw).await;
        }
        let caller = self.0.attest(connection).await;
        look_ups::attested(caller, self.carry_out(connection, method, raw)).await
    }

    fn runs_aside(&self, method: &str) -> bool {
        matches!(method, "request.wait" | "alert.test" | "audit.verify" | "audit.repair")
    }
}

impl Answers {
    async fn carry_out(&self, connection: &Connection, method: &str, raw: &RawValue) -> Result<Reply, ApiError> {
        let service = &self.0;
        match method {
            "request.submit" => reply(submit::submit(service, connection, params(raw)?).await),
            "request.list" => reply(list::list(service, connection, params(raw)?).await),
            "request.get" => reply(detail::get(service, connection, params(raw)?).await),
            "request.approve" => reply(decide::decide(service, connection, params(raw)?, Verdict::Approve).await),
            "request.reject" => reply(decide::decide(service, connection, params(raw)?, Verdict::Reject).await),
            "request.decide" => reply(decide_many::decide_many(service, connection, params(raw)?).await),
            "request.void" => reply(end::end(service, connection, params(raw)?, Ending::Void).await),
            "request.withdraw" => reply(end::end(service, connection, params(raw)?, Ending::Withdraw).await),
            "request.amend" => reply(amend::amend(service, connection, params(raw)?).await),
            "request.comment" => reply(comment::comment(service, connection, params(raw)?).await),
            "request.wait" => reply(wait::wait(service, connection, params(raw)?).await),
            "certificate.list" => reply(certificates::list(service, connection, params(raw)?).await),
            "certificate.get" => reply(certificates::get(service, connection, params(raw)?).await),
            "certificate.assign" => reply(assign::assign(service, connection, params(raw)?).await),
            "certificate.renew" => reply(renew::renew(service, connection, params(raw)?).await),
            "certificate.retire" => reply(retire::retire(service, connection, &params(raw)?).await),
            "certificate.revoke" => reply(revoke::revoke(service, connection, params(raw)?).await),
            "certificate.import" => reply(inventory::import::import(service, connection, params(raw)?).await),
            "job.list" => reply(jobs::list(service, connection, params(raw)?).await),
            "job.get" => reply(jobs::get(service, connection, params(raw)?).await),
            "job.retry" => reply(jobs::retry(service, connection, params(raw)?).await),
            "profile.list" => {
                let NoParams {} = params(raw)?;
                reply(policies::profiles(service, connection))
            }
            "profile.get" => reply(policies::profile(service, connection, &params(raw)?)),
            "policy.get" => {
                let NoParams {} = params(raw)?;
                reply(policies::get(service, connection).await)
            }
            "policy.propose" => reply(propose::propose(service, connection, params(raw)?).await),
            "policy.check" => reply(policies::check(service, connection, params(raw)?).await),
            "delegation.grant" => reply(delegations::grant(service, connection, params(raw)?).await),
            "delegation.list" => reply(delegations::list(service, connection, params(raw)?).await),
            "delegation.revoke" => reply(delegations::revoke(service, connection, params(raw)?).await),
            "alert.list" => reply(alerts::list(service, connection, params(raw)?).await),
            "alert.test" => reply(alerts::test(service, connection, params(raw)?).await),
            "alert.requeue" => reply(alerts::requeue(service, connection, params(raw)?).await),
            "alert.plan" => reply(alerts::plan(service, connection, params(raw)?).await),
            "audit.list" => reply(audit::list(service, connection, params(raw)?).await),
            "audit.get" => reply(audit::get(service, connection, params(raw)?).await),
            "audit.count" => reply(audit::count(service, connection, params(raw)?).await),
            "audit.export" => reply(export::export(service, connection, params(raw)?).await),
            "audit.evidence" => reply(evidence::evidence(service, connection, params(raw)?).await),
            "audit.archive" => reply(archive::archive(service, connection, params(raw)?).await),
            "audit.archives" => reply(archive::archives(service, connection, params(raw)?).await),
            "audit.verify" => {
                let NoParams {} = params(raw)?;
                reply(audit::verify(service, connection).await)
            }
            "audit.checkpoint" => {
                let NoParams {} = params(raw)?;
                reply(checkpoint::checkpoint(service, connection).await)
            }
            "audit.proof" => reply(checkpoint::proof(service, connection, params(raw)?).await),
            "audit.anchor" => reply(checkpoint::anchor(service, connection, params(raw)?).await),
            "audit.anchors" => reply(checkpoint::anchors(service, connection, params(raw)?).await),
            "audit.erase" => reply(erase::erase(service, connection, params(raw)?).await),
            "audit.repair" => reply(repair::repair(service, connection, params(raw)?).await),
            "daemon.status" => {
                let NoParams {} = params(raw)?;
                reply(daemon::status(service).await)
            }
            "daemon.whoami" => {
                let NoParams {} = params(raw)?;
                reply(daemon::whoami(service, connection).await)
            }
            "daemon.metrics" => {
                let NoParams {} = params(raw)?;
                reply(daemon::metrics(service, connection).await)
            }
            "events.subscribe" => events::subscribe(service, connection, &params(raw)?).await,
            "rpc.discover" => {
                let NoParams {} = params(raw)?;
                reply(Ok(discover::document()))
            }
            "demo.act_as" => reply(demo::act_as(service, connection, &params(raw)?).await),
            method if NOT_BUILT.contains(&method) => {
                Err(ApiError::new(ErrorKind::Unavailable, format!("{method} is not built in this version"))
                    .hint("rpc.discover lists what is"))
            }
            method => Err(ipc::unknown_method(method)),
        }
    }
}

fn reply(result: Result<impl Serialize, ApiError>) -> Result<Reply, ApiError> {
    let line =
        to_line(&result?).map_err(|error| ApiError::internal(format!("the answer has no JSON form: {error}")))?;
    Ok(Reply::Result(line))
}

#[cfg(test)]
mod tests {
    use countersign_shared::protocol::method::METHODS;

    #[test]
    fn every_method_of_the_table_has_its_line_above() {
        let source = include_str!("answer.rs");
        for method in METHODS {
            assert!(source.contains(&format!("\"{}\" =>", method.name)), "{}", method.name);
        }
    }
}
