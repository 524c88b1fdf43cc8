//! A Slack message (`chat.postMessage` blocks, incoming webhooks). Foreign text stands in `plain_text` objects, which
//! have no mark-up, and `&`, `<`, `>` are escaped, with which mentions and links begin.

use serde_json::{Value, json};

use super::super::message::Message;
use super::plain::{self, clip};

/// The most characters of a header block.
const MAX_HEADER: usize = 150;
/// The most characters of a section's text, after escaping.
const MAX_SECTION: usize = 3000;

/// Slack's escaping of its three control characters.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// The JSON of the message.
pub fn slack(message: &Message) -> Value {
    let title = plain::title(message);
    let plain_text = |text: String| json!({ "type": "plain_text", "text": text, "emoji": false });
    let mut blocks = vec![json!({ "type": "header", "text": plain_text(escape(&clip(&title, MAX_HEADER - 20))) })];
    let mut section = String::new();
    for line in plain::lines(message) {
        let line = format!("{}: {}\n", line.label, escape(&line.value));
        if section.chars().count() + line.chars().count() > MAX_SECTION {
            blocks.push(json!({ "type": "section", "text": plain_text(std::mem::take(&mut section)) }));
        }
        section.push_str(&line);
    }
    blocks.push(json!({ "type": "section", "text": plain_text(section) }));
    if let Some(command) = plain::command(message) {
        let text = json!({ "type": "text", "text": command });
        let preformatted = json!({ "type": "rich_text_preformatted", "elements": [text] });
        blocks.push(json!({ "type": "rich_text", "elements": [preformatted] }));
    }
    // What a notification shows; blocks replace it elsewhere.
    json!({ "text": escape(&title), "mrkdwn": false, "unfurl_links": false, "unfurl_media": false, "blocks": blocks })
}
