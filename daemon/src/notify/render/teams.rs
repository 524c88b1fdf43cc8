//! A Teams message: an adaptive card in the envelope that incoming webhooks and workflows take. `TextBlock` reads
//! Markdown; foreign text stands in `TextRun`s, which do not.

use serde_json::{Value, json};

use super::super::message::Message;
use super::plain;
use crate::policy::Severity;

/// The most characters of a value.
const MAX_VALUE: usize = 160;
/// The most octets of all lines together: with its envelope a card stays below Teams' 28 KiB.
const MAX_LINES: usize = 26 * 1024;

/// The JSON of the message.
pub fn teams(message: &Message) -> Value {
    let colour = match message.severity {
        Severity::Informational => "default",
        Severity::Warning => "warning",
        Severity::Critical => "attention",
    };
    let run = |text: String| json!({ "type": "TextRun", "text": text });
    let mut title = run(plain::title(message));
    title["weight"] = json!("bolder");
    title["size"] = json!("large");
    title["color"] = json!(colour);
    let mut body = vec![json!({ "type": "RichTextBlock", "inlines": [title] })];
    let lines = plain::lines(message);
    let mut size = 0;
    for (at, line) in lines.iter().enumerate() {
        let mut label = run(format!("{}: ", line.label));
        label["weight"] = json!("bolder");
        let mut value = run(plain::clip(&line.value, MAX_VALUE));
        if line.label == "Command" {
            value["fontType"] = json!("monospace");
        }
        let block = json!({ "type": "RichTextBlock", "spacing": "small", "inlines": [label, value] });
        size += block.to_string().len();
        if size > MAX_LINES {
            let rest = run(format!("and {} lines more", lines.len() - at));
            body.push(json!({ "type": "RichTextBlock", "spacing": "small", "inlines": [rest] }));
            break;
        }
        body.push(block);
    }
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": null,
            "content": {
                "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                "type": "AdaptiveCard",
                "version": "1.2",
                "msteams": { "width": "Full" },
                "body": body,
            },
        }],
    })
}
