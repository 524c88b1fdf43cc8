//! What is asked of the ledger, as it is typed: words, and `field:value`.

use std::str::FromStr;

use countersign_shared::protocol::{AuditAction, AuditCountParams, AuditEvent, Category, ListAuditParams};
use countersign_shared::time::{Span, Timestamp};

/// The fields that can be named, for the line below the filter.
pub const FIELDS: &str = "actor: action: category: about: from: to: (2h, 7d or 2027-01-31), other words are text";

/// The filters of `audit.list`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    actor: Option<String>,
    action: Option<AuditAction>,
    category: Option<Category>,
    about: Option<String>,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
    text: Option<String>,
}

impl Query {
    /// Reads `actor:bob action:approval_refused from:2h some words`. A value with spaces stands in double quotes; an action or
    /// category may be cut where only one begins so; a span counts back from `now`. On a demo an actor is written without its
    /// mark.
    pub fn parse(raw: &str, now: Timestamp, demo: bool) -> Result<Self, String> {
        let mut query = Self::default();
        let mut text: Vec<String> = Vec::new();
        for word in words(raw) {
            match word.split_once(':') {
                Some(("actor", name)) => query.actor = given(name).map(|name| account(name, demo)),
                Some(("action", name)) => query.action = one_of("action", name, AuditAction::ALL, AuditAction::as_str)?,
                Some(("category", name)) => query.category = one_of("category", name, Category::ALL, Category::as_str)?,
                Some(("about", id)) => query.about = given(id),
                Some(("from", time)) => query.from = moment(time, now)?,
                Some(("to", time)) => query.to = moment(time, now)?,
                _ => text.push(word),
            }
        }
        query.text = given(&text.join(" "));
        Ok(query)
    }

    /// True where nothing is filtered.
    pub fn is_all(&self) -> bool {
        *self == Self::default()
    }

    /// True where the daemon can count what it filters.
    pub fn is_counted(&self) -> bool {
        self.text.is_none() && !self.is_all()
    }

    /// True where a text is looked for: a page may then be short, or empty, and not be the last.
    pub fn has_text(&self) -> bool {
        self.text.is_some()
    }

    /// The page that begins at this cursor.
    pub fn page(&self, limit: u32, cursor: Option<String>) -> ListAuditParams {
        let Self { actor, action, category, about, from, to, text } = self.clone();
        ListAuditParams { actor, action, category, resource_id: about, from, to, text, limit: Some(limit), cursor }
    }

    /// How many there are.
    pub fn count(&self) -> AuditCountParams {
        let Self { actor, action, category, about, from, to, text: _ } = self.clone();
        AuditCountParams { actor, action, category, resource_id: about, from, to }
    }

    /// True where a loaded record passes, as far as it can be told without the daemon.
    pub fn holds(&self, row: &AuditEvent) -> bool {
        let wanted = self.text.as_ref().map(|text| text.to_lowercase());
        self.actor.as_ref().is_none_or(|actor| row.actor == *actor)
            && self.action.is_none_or(|action| row.action == action)
            && self.category.is_none_or(|category| row.category == category)
            && self.about.as_ref().is_none_or(|about| row.resource_id == *about)
            && self.from.is_none_or(|from| row.created_at >= from)
            && self.to.is_none_or(|to| row.created_at < to)
            && wanted.is_none_or(|wanted| has_text(row, &wanted))
    }
}

fn has_text(row: &AuditEvent, wanted: &str) -> bool {
    let has = |field: &str| field.to_lowercase().contains(wanted);
    has(&row.actor)
        || has(row.action.as_str())
        || has(&row.resource_id)
        || row.text.as_ref().is_some_and(|text| has(text.raw()))
        || has(&row.details.to_string())
}

/// Words apart at spaces, but for those in quotes.
fn words(raw: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted) = (Vec::new(), String::new(), false);
    for c in raw.chars() {
        match c {
            '"' => quoted = !quoted,
            c if c.is_whitespace() && !quoted => words.extend(given(&std::mem::take(&mut word))),
            c => word.push(c),
        }
    }
    words.extend(given(&word));
    words
}

fn given(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// The actor as the records of a demo name it.
fn account(name: String, demo: bool) -> String {
    let marked = name.ends_with(" (DEMO)") || name.starts_with("system-");
    if demo && !marked { format!("{name} (DEMO)") } else { name }
}

/// The value, or the only one that begins so; nothing yet where nothing is typed.
fn one_of<T: Copy>(field: &str, raw: &str, all: &[T], name: impl Fn(T) -> &'static str) -> Result<Option<T>, String> {
    if raw.is_empty() {
        return Ok(None);
    }
    let begins: Vec<T> = all.iter().copied().filter(|one| name(*one).starts_with(raw)).collect();
    let exact = all.iter().copied().find(|one| name(*one) == raw);
    match (exact, begins.as_slice()) {
        (Some(one), _) => Ok(Some(one)),
        (None, [one]) => Ok(Some(*one)),
        (None, []) => {
            let near: Vec<&str> = all.iter().map(|one| name(*one)).filter(|name| name.contains(raw)).collect();
            let near = if near.is_empty() { all.iter().map(|one| name(*one)).collect() } else { near };
            Err(format!("no {field} is called so; there are {}", near.join(", ")))
        }
        (None, many) => {
            let names: Vec<&str> = many.iter().map(|one| name(*one)).collect();
            Err(format!("which {field}: {}", names.join(", ")))
        }
    }
}

/// A time, a day, or a span that counts back from now.
fn moment(raw: &str, now: Timestamp) -> Result<Option<Timestamp>, String> {
    if raw.is_empty() {
        return Ok(None);
    }
    let ago = Span::from_str(raw).ok().and_then(|span| {
        let millis = i64::try_from(span.millis()).ok()?;
        Timestamp::from_unix_millis(now.unix_millis().checked_sub(millis)?)
    });
    let day = || format!("{raw}T00:00:00Z").parse().ok();
    let minute = || format!("{raw}:00Z").parse().ok();
    let time = ago.or_else(|| raw.parse().ok()).or_else(day).or_else(minute);
    time.map(Some).ok_or_else(|| "a time is 2h or 7d back from now, 2027-01-31, 2027-01-31T08:00 or RFC 3339".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(raw: &str) -> Result<Query, String> {
        Query::parse(raw, "2027-01-31T08:00:00Z".parse().unwrap(), false)
    }

    #[test]
    fn fields_and_words_are_told_apart() {
        let query =
            parse("actor:bob  not this action:approval_refu host category:auth about:ar-1 from:2h to:2027-01-31T07:30")
                .unwrap();
        let page = query.page(200, Some("c".into()));
        assert_eq!(page.actor.as_deref(), Some("bob"));
        assert_eq!(page.action, Some(AuditAction::ApprovalRefused));
        assert_eq!((page.category, page.resource_id.as_deref()), (Some(Category::Auth), Some("ar-1")));
        assert_eq!(page.from, Some("2027-01-31T06:00:00Z".parse().unwrap()));
        assert_eq!(page.to, Some("2027-01-31T07:30:00Z".parse().unwrap()));
        assert_eq!((page.text.as_deref(), page.cursor.as_deref()), (Some("not this host"), Some("c")));
        assert!(query.has_text() && !query.is_counted());
    }

    #[test]
    fn what_is_half_typed_filters_nothing_or_says_so() {
        for raw in ["", "   ", "actor:", "action: from:", "category:"] {
            assert!(parse(raw).unwrap().is_all(), "{raw}");
        }
        assert!(parse("action:approval").unwrap_err().starts_with("which action: approval_requested"));
        assert!(parse("action:zzz").unwrap_err().contains("daemon_started"));
        assert!(parse("from:yesterday").is_err());
        // A word with a colon that is no field is text, and so is an address.
        assert_eq!(parse("https://a:b").unwrap().page(1, None).text.as_deref(), Some("https://a:b"));
    }

    #[test]
    fn an_actor_of_a_demo_needs_no_mark_and_quotes_hold_words_together() {
        let actor = |raw: &str, demo| {
            Query::parse(raw, "2027-01-31T08:00:00Z".parse().unwrap(), demo).unwrap().page(1, None).actor.unwrap()
        };
        assert_eq!(actor("actor:bob", true), "bob (DEMO)");
        assert_eq!(actor("\"actor:bob (DEMO)\"", true), "bob (DEMO)");
        assert_eq!(actor("actor:\"uid:7 x\"", false), "uid:7 x");
        assert_eq!(actor("actor:system-reaper", true), "system-reaper");
    }
}
