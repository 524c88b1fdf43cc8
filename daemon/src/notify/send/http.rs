//! One POST over a connection of its own: no redirects, no proxies, no cookies, a bound for the time and the answer.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, DATE, HOST, HeaderMap, HeaderValue, RETRY_AFTER, USER_AGENT};
use hyper::{Request, StatusCode};
use rustls::ClientConfig;
use tokio::time::{Instant, timeout_at};

use super::address::BaseAddress;
use super::line::{Line, connect};

/// What is read of an answer's body, in octets: 16 KiB.
pub(super) const MAX_ANSWER: usize = 16 * 1024;
/// The most header fields of an answer.
const MAX_HEADERS: usize = 64;
/// The longest wait that a server may ask for: a day.
const MAX_WAIT: Duration = Duration::from_secs(86_400);

/// How requests are made.
#[derive(Clone, Debug)]
pub(in crate::notify) struct HttpClient {
    /// `None` where only plain addresses are called.
    pub trust: Option<Arc<ClientConfig>>,
    /// For everything together.
    pub timeout: Duration,
}

/// What a server said.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub status: StatusCode,
    /// How long it asks to wait.
    pub retry_after: Option<Duration>,
    /// The beginning of the body.
    pub body: Vec<u8>,
    /// True where that is all of it.
    pub whole: bool,
}

impl HttpClient {
    /// Sends JSON. An answer counts from its head on: a body that never ends does not take it back.
    ///
    /// # Errors
    /// There was no answer in time; the sentence may have foreign text in it.
    pub(super) async fn post(
        &self,
        to: &BaseAddress,
        headers: &[(&'static str, String)],
        json: Vec<u8>,
    ) -> Result<Answer, String> {
        let path = if to.path.is_empty() { "/" } else { &to.path };
        let mut request = Request::post(path)
            .header(HOST, &to.authority)
            .header(USER_AGENT, concat!("countersign/", env!("CARGO_PKG_VERSION")))
            .header(CONTENT_TYPE, "application/json");
        for (name, value) in headers {
            let mut value = HeaderValue::from_str(value).map_err(|_| format!("the header {name} cannot be written"))?;
            value.set_sensitive(true);
            request = request.header(*name, value);
        }
        let request = request.body(Full::new(Bytes::from(json))).map_err(|error| error.to_string())?;
        let deadline = Instant::now() + self.timeout;
        let late = || format!("no answer within {}s", self.timeout.as_secs());
        let opening = async {
            let tcp = connect(&to.host, to.port).await?;
            match &self.trust {
                Some(trust) if to.tls => Line::tls(tcp, &to.host, trust.clone()).await,
                None if to.tls => Err(std::io::Error::other("no authorities are trusted")),
                _ => Line::plain(tcp),
            }
        };
        let line = timeout_at(deadline, opening).await.map_err(|_| late())?.map_err(|error| error.to_string())?;
        exchange(line, request, deadline).await.map_err(|failed| failed.unwrap_or_else(late))
    }
}

/// The answer to `request`. An error is what went wrong; `None` where only the time was up.
async fn exchange(line: Line, request: Request<Full<Bytes>>, deadline: Instant) -> Result<Answer, Option<String>> {
    let said = |error: hyper::Error| Some(described(&error));
    let mut builder = http1::Builder::new();
    builder.max_headers(MAX_HEADERS);
    let (mut server, connection) = builder.handshake(line).await.map_err(said)?;
    // The connection moves octets for as long as the answer is read; its own end says nothing more.
    let moved = async {
        let _ = connection.await;
        std::future::pending::<Infallible>().await
    };
    let asked = async {
        let answer = timeout_at(deadline, server.send_request(request)).await.map_err(|_| None)?.map_err(said)?;
        let (head, body) = answer.into_parts();
        let (body, whole) = beginning(body, deadline).await;
        Ok(Answer { status: head.status, retry_after: wait(&head.headers), body, whole })
    };
    tokio::select! {
        answer = asked => answer,
        never = moved => match never {},
    }
}

/// The first octets of a body, and whether they are all of it.
async fn beginning(mut body: Incoming, deadline: Instant) -> (Vec<u8>, bool) {
    let mut kept = Vec::new();
    loop {
        match timeout_at(deadline, body.frame()).await {
            Ok(None) => return (kept, true),
            Ok(Some(Ok(frame))) => {
                let data = frame.into_data().unwrap_or_default();
                let room = MAX_ANSWER - kept.len();
                kept.extend_from_slice(data.get(..room.min(data.len())).unwrap_or_default());
                if data.len() > room {
                    return (kept, false);
                }
            }
            Ok(Some(Err(_))) | Err(_) => return (kept, false),
        }
    }
}

/// `Retry-After` (RFC 9110, 10.2.3): seconds, or a date, which is taken relative to the answer's own.
fn wait(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let after = text(RETRY_AFTER)?.trim();
    let seconds = match after.parse::<u64>() {
        Ok(seconds) => seconds,
        Err(_) => {
            let date = |raw: &str| chrono::DateTime::parse_from_rfc2822(raw).ok();
            u64::try_from((date(after)? - date(text(DATE)?)?).num_seconds()).ok()?
        }
    };
    Some(Duration::from_secs(seconds).min(MAX_WAIT))
}

/// An error and its causes, which hyper keeps apart.
fn described(error: &hyper::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_read_without_a_clock() {
        for (date, after, expected) in [
            (None, "7", Some(7)),
            (None, " 120 ", Some(120)),
            (None, "999999999999", Some(86_400)),
            (None, "-1", None),
            (None, "soon", None),
            (None, "Sun, 24 Jan 2027 08:00:30 GMT", None),
            (Some("Sun, 24 Jan 2027 08:00:00 GMT"), "Sun, 24 Jan 2027 08:00:30 GMT", Some(30)),
            (Some("Sun, 24 Jan 2027 08:00:00 GMT"), "Sun, 24 Jan 2027 07:00:00 GMT", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, after.parse().unwrap());
            if let Some(date) = date {
                headers.insert(DATE, date.parse().unwrap());
            }
            assert_eq!(wait(&headers).map(|wait| wait.as_secs()), expected, "{after}");
        }
    }
}
