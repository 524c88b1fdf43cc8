//! A line into a call: JSON-RPC 2.0 §4, read strictly. Whatever is wrong is refused by name, under the call's
//! own id where one can be read.

use std::borrow::Cow;

use countersign_shared::error::ApiError;
use countersign_shared::protocol::frame::CallId;
use serde_json::value::RawValue;

use super::members::Members;
use super::params::shown;

/// Not JSON (JSON-RPC 2.0 §5.1).
pub(super) const PARSE_ERROR: i64 = -32700;
/// JSON, but no call (JSON-RPC 2.0 §5.1).
pub(super) const INVALID_REQUEST: i64 = -32600;
/// No such method (JSON-RPC 2.0 §5.1).
const METHOD_NOT_FOUND: i64 = -32601;
/// The deepest nesting of objects and arrays, the call's own object counted.
const MAX_DEPTH: usize = 32;
/// The longest id that is a string, in octets.
const MAX_ID: usize = 128;
/// The longest method name; far above any that exists.
const MAX_METHOD: usize = 128;

/// A call as it stands in a line.
#[derive(Debug)]
pub(super) struct Call<'a> {
    pub(super) id: CallId,
    pub(super) method: Cow<'a, str>,
    pub(super) params: &'a RawValue,
}

/// Why a line is no call, and the id to say it under.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) id: Option<CallId>,
    pub(super) error: ApiError,
}

/// The refusal of a method that the daemon does not have.
pub fn unknown_method(method: &str) -> ApiError {
    ApiError::invalid(format!("unknown method `{}`", shown(method)))
        .code(METHOD_NOT_FOUND)
        .hint("rpc.discover lists the methods")
}

/// Reads one line.
pub(super) fn parse(line: &[u8]) -> Result<Call<'_>, Box<Refusal>> {
    let no_id = |error| Box::new(Refusal { id: None, error });
    let text = text(line).map_err(no_id)?;
    let members: Members<'_> = serde_json::from_str(text).map_err(|error| {
        no_id(match error.classify() {
            serde_json::error::Category::Data => invalid_request("a call is one JSON object"),
            _ => not_json(format!("not JSON: {}", shown(&error.to_string()))),
        })
    })?;
    let id = members.id.map(call_id);
    match members.call(id.clone()) {
        Ok(call) => Ok(call),
        Err(error) => Err(Box::new(Refusal { id: id.and_then(Result::ok), error })),
    }
}

/// The checks that need no parser, and those that protect it.
fn text(line: &[u8]) -> Result<&str, ApiError> {
    let text = std::str::from_utf8(line)
        .map_err(|error| not_json(format!("a frame is UTF-8; octet {} of this one is not", error.valid_up_to())))?;
    if text.trim().is_empty() {
        return Err(invalid_request("a blank line is no call"));
    }
    if let Some(at) = text.find('\0') {
        return Err(not_json(format!("octet {at} of the frame is NUL, which JSON does not allow")));
    }
    if is_deeper_than(text, MAX_DEPTH) {
        return Err(invalid_request(format!("the frame is nested deeper than {MAX_DEPTH} levels")));
    }
    if text.trim_start().starts_with('[') {
        return Err(invalid_request("batches are not served: a frame is one object, not an array")
            .hint("send one object a line; calls can be pipelined without waiting for answers"));
    }
    Ok(text)
}

/// True where objects and arrays stand in each other more than `limit` deep. The parser skips `params` without
/// counting, so this is what bounds them.
fn is_deeper_than(text: &str, limit: usize) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
    for octet in text.bytes() {
        match octet {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'{' | b'[' => {
                depth += 1;
                if depth > limit {
                    return true;
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

impl<'a> Members<'a> {
    fn call(self, id: Option<Result<CallId, ApiError>>) -> Result<Call<'a>, ApiError> {
        if let Some(problem) = self.problem {
            return Err(invalid_request(problem));
        }
        match self.jsonrpc.map(RawValue::get) {
            Some("\"2.0\"") => {}
            Some(_) => {
                return Err(invalid_request("member `jsonrpc` has to be the string \"2.0\""));
            }
            None => {
                return Err(invalid_request("member `jsonrpc` is missing; it has to be \"2.0\""));
            }
        }
        let id = id.unwrap_or_else(|| {
            Err(invalid_request("member `id` is missing: every call is answered, so it needs an id")
                .hint("notifications are not served; give an integer or a string"))
        })?;
        let method = self.method.ok_or_else(|| invalid_request("member `method` is missing"))?;
        let method = string(method).ok_or_else(|| invalid_request("member `method` has to be a string"))?;
        if method.len() > MAX_METHOD {
            return Err(unknown_method(&method));
        }
        let params = match self.params {
            Some(params) if params.get().starts_with('{') => params,
            Some(_) => {
                return Err(ApiError::invalid("member `params` has to be an object with named members")
                    .hint("rpc.discover describes the parameters of each method"));
            }
            None => serde_json::from_str("{}").map_err(|error| ApiError::internal(error.to_string()))?,
        };
        Ok(Call { id, method, params })
    }
}

fn call_id(raw: &RawValue) -> Result<CallId, ApiError> {
    const SHAPE: &str = "member `id` has to be an integer of at most 64 bits or a string of at most 128 octets";
    let refused = || invalid_request(SHAPE);
    match string(raw) {
        Some(text) if text.len() <= MAX_ID => Ok(CallId::Text(text.into_owned())),
        Some(_) => Err(refused()),
        None => raw.get().parse().map(CallId::Number).map_err(|_| refused()),
    }
}

fn string(raw: &RawValue) -> Option<Cow<'_, str>> {
    let inner = raw.get().strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') { serde_json::from_str(raw.get()).ok().map(Cow::Owned) } else { Some(Cow::Borrowed(inner)) }
}

fn invalid_request(message: impl Into<String>) -> ApiError {
    ApiError::invalid(message)
        .code(INVALID_REQUEST)
        .hint("a call is {\"jsonrpc\":\"2.0\",\"id\":…,\"method\":…,\"params\":{…}} on one line")
}

fn not_json(message: String) -> ApiError {
    ApiError::invalid(message).code(PARSE_ERROR).hint("send one JSON object a line, in UTF-8")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(line: &[u8]) -> (Option<CallId>, i64, String) {
        let Refusal { id, error } = *parse(line).unwrap_err();
        assert!(!error.hint.is_empty(), "{error}");
        (id, error.code.unwrap_or(error.kind.code()), error.message)
    }

    #[test]
    fn calls_are_read() {
        let call = parse(br#"{"jsonrpc":"2.0","id":1,"method":"daemon.whoami"}"#).unwrap();
        assert_eq!((call.id, &*call.method, call.params.get()), (CallId::Number(1), "daemon.whoami", "{}"));
        let call =
            parse(b" {\"params\": {\"a\":[1]} , \"method\":\"a\\u002eb\",\"id\":\"x\\\"y\",\"jsonrpc\":\"2.0\"}\r")
                .unwrap();
        assert_eq!((call.id, &*call.method, call.params.get()), (CallId::Text("x\"y".into()), "a.b", "{\"a\":[1]}"));
    }

    #[test]
    fn everything_else_is_refused_by_name() {
        let one = Some(CallId::Number(1));
        for (line, id, code, words) in [
            (&b"hello"[..], None, PARSE_ERROR, "not JSON"),
            (b"", None, INVALID_REQUEST, "blank line"),
            (b" \t\r", None, INVALID_REQUEST, "blank line"),
            (b"\0\0\0", None, PARSE_ERROR, "NUL"),
            (b"{\"jsonrpc\":\"\xff\"}", None, PARSE_ERROR, "octet 12"),
            (b"[]", None, INVALID_REQUEST, "batches"),
            (b"5", None, INVALID_REQUEST, "one JSON object"),
            (b"null", None, INVALID_REQUEST, "one JSON object"),
            (b"{}", None, INVALID_REQUEST, "`jsonrpc` is missing"),
            (b"{\"jsonrpc\":", None, PARSE_ERROR, "not JSON"),
            (br#"{"jsonrpc":"2.0","id":1,"method":"a"} {}"#, None, PARSE_ERROR, "trailing"),
            (br#"{"jsonrpc":"1.0","id":1,"method":"a"}"#, one.clone(), INVALID_REQUEST, "`jsonrpc`"),
            (br#"{"jsonrpc":"2.0","method":"a"}"#, None, INVALID_REQUEST, "`id` is missing"),
            (br#"{"jsonrpc":"2.0","id":null,"method":"a"}"#, None, INVALID_REQUEST, "`id` has to be"),
            (br#"{"jsonrpc":"2.0","id":1.5,"method":"a"}"#, None, INVALID_REQUEST, "`id` has to be"),
            (br#"{"jsonrpc":"2.0","id":99999999999999999999,"method":"a"}"#, None, INVALID_REQUEST, "`id` has to be"),
            (br#"{"jsonrpc":"2.0","id":{},"method":"a"}"#, None, INVALID_REQUEST, "`id` has to be"),
            (br#"{"jsonrpc":"2.0","id":1}"#, one.clone(), INVALID_REQUEST, "`method` is missing"),
            (br#"{"jsonrpc":"2.0","id":1,"method":7}"#, one.clone(), INVALID_REQUEST, "`method` has to be"),
            (br#"{"jsonrpc":"2.0","id":1,"method":"a","params":[1]}"#, one.clone(), -32602, "`params` has to be"),
            (br#"{"jsonrpc":"2.0","id":1,"method":"a","extra":[[{}]]}"#, one.clone(), INVALID_REQUEST, "`extra`"),
            (br#"{"jsonrpc":"2.0","id":1,"id":2,"method":"a"}"#, None, INVALID_REQUEST, "`id` stands there twice"),
            (
                br#"{"jsonrpc":"2.0","id":1,"method":"a","method":"b"}"#,
                one,
                INVALID_REQUEST,
                "`method` stands there twice",
            ),
        ] {
            let (got_id, got_code, message) = refused(line);
            assert_eq!((got_id, got_code), (id, code), "{line:?}: {message}");
            assert!(message.contains(words), "{line:?}: {message}");
        }
    }

    #[test]
    fn ids_have_a_limit() {
        let call = |length: usize| format!(r#"{{"jsonrpc":"2.0","id":"{}","method":"a"}}"#, "x".repeat(length));
        assert!(parse(call(128).as_bytes()).is_ok());
        assert!(refused(call(129).as_bytes()).2.contains("128 octets"));
    }

    #[test]
    fn nesting_is_bounded_in_params_too() {
        let call = |depth: usize| {
            let (open, close) = ("[".repeat(depth), "]".repeat(depth));
            format!(r#"{{"jsonrpc":"2.0","id":1,"method":"a","params":{{"s":"[[\"[[","a":{open}{close}}}}}"#)
        };
        assert!(parse(call(30).as_bytes()).is_ok());
        for depth in [31, 100_000] {
            assert!(refused(call(depth).as_bytes()).2.contains("nested deeper than 32"));
        }
        assert!(refused(&[b'['; 100_000]).2.contains("nested deeper"));
        let unclosed = format!(r#"{{"jsonrpc":"2.0","id":1,"params":{{"a":{}"#, "[".repeat(100_000));
        assert!(refused(unclosed.as_bytes()).2.contains("nested deeper"));
    }

    #[test]
    fn hostile_names_come_back_safe_and_short() {
        let line = format!(r#"{{"jsonrpc":"2.0","id":1,"\u001b[2J{}":1}}"#, "x".repeat(10_000));
        let (_, _, message) = refused(line.as_bytes());
        assert!(message.contains("<U+001B>") && message.len() < 600, "{message}");
        assert!(unknown_method("a\u{202e}b").message.contains("<U+202E>"));
    }
}
