//! `demo.act_as`: the acting person of a connection, on a demo daemon alone.

use countersign_shared::error::{ApiError, ErrorKind};
use countersign_shared::protocol::{ActAsParams, WhoamiResult};
use countersign_shared::text::Untrusted;

use super::Service;
use super::daemon::described;
use crate::ipc::Connection;

/// Chooses. Who calls is never a field of a message, except where nothing is at stake and every surface says so.
pub async fn act_as(
    service: &Service,
    connection: &Connection,
    params: &ActAsParams,
) -> Result<WhoamiResult, ApiError> {
    if !service.facts.demo {
        return Err(ApiError::new(
            ErrorKind::Forbidden,
            "only a demo daemon lets a caller choose who acts; here the kernel says",
        )
        .hint("log in as the person who is to act")
        .rule("not_a_demo"));
    }
    let policy = service.policy.now();
    if !policy.people().iter().any(|person| person.name == params.person) {
        let names: Vec<&str> = policy.people().iter().map(|person| person.name.as_str()).collect();
        let message = format!("the demo has nobody called {:.64}", Untrusted::from(params.person.as_str()).safe());
        return Err(ApiError::new(ErrorKind::NotFound, message).hint(format!("one of: {}", names.join(", "))));
    }
    connection.act_as(Some(params.person.clone()));
    described(service, service.actor(connection)?).await
}
