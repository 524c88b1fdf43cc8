//! Answers and notifications as lines.

use countersign_shared::error::{ApiError, ErrorObject};
use countersign_shared::json;
use countersign_shared::protocol::frame::CallId;

/// Appends the answer of a call that succeeded; `result` is one line of JSON text.
pub(super) fn result(out: &mut Vec<u8>, id: &CallId, result: &str) {
    debug_assert!(!result.contains('\n'), "a result is one line");
    out.extend_from_slice(b"{\"jsonrpc\":\"2.0\",\"id\":");
    push_id(out, Some(id));
    out.extend_from_slice(b",\"result\":");
    out.extend_from_slice(result.as_bytes());
    out.extend_from_slice(b"}\n");
}

/// Appends the answer of a call that was refused or failed; without `id` where none could be read.
pub(super) fn error(out: &mut Vec<u8>, id: Option<&CallId>, error: ApiError) {
    out.extend_from_slice(b"{\"jsonrpc\":\"2.0\",\"id\":");
    push_id(out, id);
    out.extend_from_slice(b",\"error\":");
    out.extend_from_slice(line(&ErrorObject::from(error)).as_bytes());
    out.extend_from_slice(b"}\n");
}

/// Appends an `event` notification; `params` is one line of JSON text.
pub(super) fn event(out: &mut Vec<u8>, params: &str) {
    debug_assert!(!params.contains('\n'), "an event is one line");
    out.extend_from_slice(b"{\"jsonrpc\":\"2.0\",\"method\":\"event\",\"params\":");
    out.extend_from_slice(params.as_bytes());
    out.extend_from_slice(b"}\n");
}

fn push_id(out: &mut Vec<u8>, id: Option<&CallId>) {
    match id {
        Some(CallId::Number(number)) => out.extend_from_slice(number.to_string().as_bytes()),
        Some(CallId::Text(text)) => out.extend_from_slice(line(text).as_bytes()),
        None => out.extend_from_slice(b"null"),
    }
}

fn line(value: &impl serde::Serialize) -> String {
    // Strings and integers alone: the serializer has nothing to fail on. Should it ever, the peer still gets JSON.
    json::to_line(value).unwrap_or_else(|_| "null".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use countersign_shared::protocol::frame::Incoming;

    #[test]
    fn answers_are_one_line_that_a_client_reads() {
        let mut out = Vec::new();
        result(&mut out, &CallId::Number(-7), "{\"a\":1}");
        error(&mut out, Some(&CallId::Text("x\n\u{1b}\"".into())), ApiError::invalid("no").hint("do"));
        error(&mut out, None, ApiError::internal("broken"));
        event(&mut out, "{\"seq\":3}");
        let text = String::from_utf8(out).unwrap();
        let lines: Vec<Incoming<'_>> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 4);
        assert_eq!((lines[0].id.clone(), lines[0].result.unwrap().get()), (Some(CallId::Number(-7)), "{\"a\":1}"));
        assert_eq!(lines[1].id, Some(CallId::Text("x\n\u{1b}\"".into())));
        assert_eq!(lines[1].error.as_ref().unwrap().code, -32602);
        assert!(text.lines().nth(2).unwrap().contains("\"id\":null"));
        assert_eq!(lines[3].method.as_deref(), Some("event"));
        assert!(!text.contains('\u{1b}'));
    }
}
