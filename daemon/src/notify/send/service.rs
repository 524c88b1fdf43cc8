//! The channels that are one HTTP request: Slack, Teams, PagerDuty, OpsGenie, Webhook.

use countersign_shared::text::Untrusted;
use countersign_shared::time::Timestamp;
use data_encoding::HEXLOWER;
use ring::hmac;
use serde_json::Value;

use super::address::BaseAddress;
use super::http::{Answer, HttpClient};
use crate::notify::message::Message;
use crate::notify::outcome::Outcome;
use crate::notify::render::{opsgenie, pagerduty, slack, structured, teams};
use crate::notify::secret::Secret;

/// The id by which a repeat is recognised.
const ID: &str = "idempotency-key";
/// Seconds since 1970 at the attempt.
const TIMESTAMP: &str = "x-countersign-timestamp";
/// `v1=` and 64 hexadecimal digits: HMAC-SHA256 over timestamp, `.` and body.
const SIGNATURE: &str = "x-countersign-signature";

/// What is spoken, and the secret that goes with it.
#[derive(Clone, Debug)]
pub(in crate::notify) enum Dialect {
    /// The address holds the secret.
    Slack(Secret),
    /// The address holds the secret.
    Teams(Secret),
    /// The routing key.
    PagerDuty(Secret),
    /// The API key.
    OpsGenie(Secret),
    /// The key of the signature.
    Webhook(Secret),
}

/// A service and how it is reached.
#[derive(Clone, Debug)]
pub(in crate::notify) struct Service {
    pub dialect: Dialect,
    pub base: BaseAddress,
    pub http: HttpClient,
}

/// A request that is ready to go.
struct Call {
    to: BaseAddress,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Service {
    /// Sends `message`; `now` is signed, so that an old request cannot be played again.
    pub async fn send(&self, message: &Message, now: Timestamp) -> Outcome {
        let call = match self.call(message, now) {
            Ok(call) => call,
            Err(why) => return Outcome::never(why),
        };
        let outcome = match self.http.post(&call.to, &call.headers, call.body).await {
            Err(why) => Outcome::later(why),
            Ok(answer) => self.judge(&answer),
        };
        self.without_secrets(outcome)
    }

    fn call(&self, message: &Message, now: Timestamp) -> Result<Call, String> {
        let written = |value: &Value| serde_json::to_vec(value).map_err(|error| error.to_string());
        let mut headers = vec![(ID, message.id.to_string())];
        let below = |path: &str| BaseAddress { path: format!("{}{path}", self.base.path), ..self.base.clone() };
        let (to, body) = match &self.dialect {
            Dialect::Slack(_) => (self.base.clone(), written(&slack::slack(message))?),
            Dialect::Teams(_) => (self.base.clone(), written(&teams::teams(message))?),
            Dialect::PagerDuty(key) => {
                let mut event = pagerduty::pagerduty(message);
                event["routing_key"] = Value::from(key.reveal());
                (below("/v2/enqueue"), written(&event)?)
            }
            Dialect::OpsGenie(key) => {
                headers.push(("authorization", format!("GenieKey {}", key.reveal())));
                let call = opsgenie::opsgenie(message);
                (below(&call.path), written(&call.body)?)
            }
            Dialect::Webhook(key) => {
                let body = written(&structured::object(message))?;
                let timestamp = now.unix_millis().div_euclid(1000).to_string();
                headers.push((SIGNATURE, signature(key, &timestamp, &body)));
                headers.push((TIMESTAMP, timestamp));
                (self.base.clone(), body)
            }
        };
        Ok(Call { to, headers, body })
    }

    fn judge(&self, answer: &Answer) -> Outcome {
        let status = answer.status;
        let body = String::from_utf8_lossy(&answer.body);
        let said = Untrusted::new(self.redacted(body.trim()));
        let said = if said.is_blank() { String::new() } else { format!(": {}", said.safe()) };
        match status.as_u16() {
            200..=299 => match self.dialect {
                // Teams' connectors answer 200 and say in the text that they failed (429 among others).
                Dialect::Teams(_) if !answer.whole => {
                    Outcome::later("it did not end its answer, which says what became of it")
                }
                Dialect::Teams(_) if body.to_ascii_lowercase().contains("failed") => {
                    Outcome::later(format!("it answered {status} and a failure{said}"))
                }
                _ => Outcome::Delivered,
            },
            300..=399 => Outcome::never(format!("it answered {status}; redirects are not followed")),
            408 | 425 | 429 | 500..=599 => match Outcome::later(format!("it answered {status}{said}")) {
                Outcome::Temporary { why, .. } => Outcome::Temporary { why, retry_after: answer.retry_after },
                other => other,
            },
            _ => Outcome::never(format!("it answered {status}{said}")),
        }
    }

    fn secret(&self) -> &Secret {
        let (Dialect::Slack(secret)
        | Dialect::Teams(secret)
        | Dialect::PagerDuty(secret)
        | Dialect::OpsGenie(secret)
        | Dialect::Webhook(secret)) = &self.dialect;
        secret
    }

    /// `text` without the secret, and without the path where that is one.
    fn redacted(&self, text: &str) -> String {
        let text = self.secret().redact(text);
        match self.dialect {
            Dialect::Slack(_) | Dialect::Teams(_) if self.base.path.len() > 1 => {
                text.replace(&self.base.path, "[secret]")
            }
            _ => text,
        }
    }

    fn without_secrets(&self, outcome: Outcome) -> Outcome {
        match outcome {
            Outcome::Delivered => Outcome::Delivered,
            Outcome::Temporary { why, retry_after } => Outcome::Temporary { why: self.redacted(&why), retry_after },
            Outcome::Permanent { why } => Outcome::Permanent { why: self.redacted(&why) },
        }
    }
}

/// `v1=` and HMAC-SHA256 over `timestamp`, `.` and `body`, in hexadecimal.
fn signature(key: &Secret, timestamp: &str, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.reveal().as_bytes());
    let mut context = hmac::Context::with_key(&key);
    context.update(timestamp.as_bytes());
    context.update(b".");
    context.update(body);
    format!("v1={}", HEXLOWER.encode(context.sign().as_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `printf '1800000000.{"a":1}' | openssl dgst -sha256 -hmac key`
    #[test]
    fn the_signature_is_what_openssl_computes() {
        let expected = "7330c9cf7d886970cbebbbb5494c04d2aeff06a990adb7d7a75abfeb0159d291";
        assert_eq!(signature(&Secret::from("key"), "1800000000", b"{\"a\":1}"), format!("v1={expected}"));
    }
}
