//! From TOML text to the tables of [`document`](super::document), table by table, so that every mistake is
//! reported with its line, table and key, and not the first alone.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Deserializer};

use super::calendar::Calendar;
use super::document::{
    ChangeControlTable, GrantTable, GroupTable, InventoryTable, IssuerTable, LedgerTable, MessagesTable, PersonTable,
    ProfileTable, RecipientsTable, RenewalPolicyTable, RoleTable,
};
use super::powers::Mask;
use super::report::{Place, Report};

/// The largest document in octets: 512 KiB.
pub const MAX_DOCUMENT: usize = 512 * 1024;

/// What a document is read for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// To put it in force: whatever is unknown is refused.
    Strict,
    /// It is or was in force: channels that are unknown are left out and named.
    Stored,
}

/// A table that could be read, and where it stands.
#[derive(Debug)]
pub(super) struct Entry<T> {
    pub value: T,
    pub place: Place,
}

/// Every table that could be read.
#[derive(Debug, Default)]
pub(super) struct Source {
    pub people: Vec<Entry<PersonTable>>,
    pub groups: Vec<Entry<GroupTable>>,
    pub roles: Vec<Entry<RoleTable>>,
    pub grants: Vec<Entry<GrantTable>>,
    pub profiles: Vec<Entry<ProfileTable>>,
    pub renewal_policies: Vec<Entry<RenewalPolicyTable>>,
    pub issuers: Vec<Entry<IssuerTable>>,
    pub calendars: Vec<Entry<Calendar>>,
    pub change_control: Option<Entry<ChangeControlTable>>,
    pub inventory: Option<Entry<InventoryTable>>,
    pub ledger: Option<Entry<LedgerTable>>,
    pub messages: Option<Entry<MessagesTable>>,
    pub recipients: Vec<Entry<RecipientsTable>>,
    /// Table and label of those that could not be read: references to them are not mistakes of their own.
    pub unreadable: Vec<(&'static str, String)>,
}

/// The tables, and how many of each a document may have.
const TABLES: [(&str, usize); 9] = [
    ("person", 1024),
    ("group", Mask::GROUPS),
    ("role", 64),
    ("grant", 512),
    ("profile", Mask::PROFILES),
    ("renewal_policy", 256),
    ("issuer", 64),
    ("calendar", 32),
    ("recipients", 256),
];

/// The tables that are no lists.
pub(super) const SINGLE: [&str; 4] = [CHANGE_CONTROL, INVENTORY, LEDGER, MESSAGES];
const CHANGE_CONTROL: &str = "change_control";
const INVENTORY: &str = "inventory";
const LEDGER: &str = "ledger";
const MESSAGES: &str = "messages";

/// What stands elsewhere: refused by name, so that nobody believes it to be in force.
const LATER_TABLES: [(&str, &str); 4] = [
    ("delegation", "a delegation is no policy: an approver hands their say to another in the console"),
    ("routing", "whom messages go to is said by [messages] and [[recipients]]"),
    ("route", "a route is a key of a profile: route = [{ owner = …, quorum = […] }]"),
    ("escalation", "escalation is a key of a profile: escalate = [{ after = …, groups = […] }]"),
];

/// The same for keys of a table.
const LATER_KEYS: [(&str, &str, &str); 2] = [
    ("profile", "escalation", "the key is escalate: escalate = [{ after = …, groups = […] }]"),
    ("grant", "delegate", "a delegation is no policy: an approver hands their say to another in the console"),
];

/// Tries of one table: each reports one mistake and goes on without the key.
const MAX_TRIES: usize = 16;

/// Reads the document; mistakes go to `report`.
pub(super) fn read(document: &str, report: &mut Report) -> Source {
    let mut source = Source::default();
    if document.len() > MAX_DOCUMENT {
        report.line_error(1, format!("the document has {} octets; at most {MAX_DOCUMENT} are allowed", document.len()));
        return source;
    }
    let lines = Lines::of(document);
    let (root, mistakes) = DeTable::parse_recoverable(document);
    for mistake in &mistakes {
        report.line_error(lines.at(mistake.span()), mistake.message());
    }
    if !mistakes.is_empty() {
        return source;
    }
    let root = root.into_inner();
    read_version(&root, &lines, report);
    for (key, value) in &root {
        let line = lines.at(Some(key.span()));
        let name: &str = key.get_ref();
        match TABLES.iter().find(|(table, _)| *table == name) {
            Some((table, limit)) => read_array(table, *limit, value, line, &lines, &mut source, report),
            None if name == "version" => {}
            None if name == CHANGE_CONTROL => {
                let Source { change_control, unreadable, .. } = &mut source;
                *change_control = read_one(CHANGE_CONTROL, value, line, &lines, unreadable, report);
            }
            None if name == INVENTORY => {
                let Source { inventory, unreadable, .. } = &mut source;
                *inventory = read_one(INVENTORY, value, line, &lines, unreadable, report);
            }
            None if name == LEDGER => {
                let Source { ledger, unreadable, .. } = &mut source;
                *ledger = read_one(LEDGER, value, line, &lines, unreadable, report);
            }
            None if name == MESSAGES => {
                let Source { messages, unreadable, .. } = &mut source;
                *messages = read_one(MESSAGES, value, line, &lines, unreadable, report);
            }
            None => match LATER_TABLES.iter().find(|(later, _)| *later == name) {
                Some((_, sentence)) => report.line_error(line, format!("{name}: {sentence}")),
                None => report.line_error(
                    line,
                    format!(
                        "unknown key `{name}`: expected version, {}, {}",
                        SINGLE.join(", "),
                        TABLES.map(|(table, _)| table).join(", ")
                    ),
                ),
            },
        }
    }
    source
}

fn read_version(root: &DeTable<'_>, lines: &Lines, report: &mut Report) {
    match root.get("version") {
        None => report.line_error(1, "version is missing: the document begins with version = 1"),
        Some(value) => {
            let one = value.get_ref().as_integer().is_some_and(|i| i.radix() == 10 && i.as_str() == "1");
            if !one {
                report.line_error(lines.at(Some(value.span())), "version: this program reads version = 1");
            }
        }
    }
}

fn read_array(
    table: &'static str,
    limit: usize,
    value: &Spanned<DeValue<'_>>,
    line: usize,
    lines: &Lines,
    source: &mut Source,
    report: &mut Report,
) {
    let Some(array) = value.get_ref().as_array() else {
        return report.line_error(line, format!("{table} is a list of tables, each written as [[{table}]]"));
    };
    if array.len() > limit {
        return report.line_error(line, format!("{} tables [[{table}]]; at most {limit} are allowed", array.len()));
    }
    for (number, item) in array.iter().enumerate() {
        let Some(fields) = item.get_ref().as_table() else {
            report.line_error(
                lines.at(Some(item.span())),
                format!("{table} is a list of tables, each written as [[{table}]]"),
            );
            continue;
        };
        let place = place(table, number, fields, item.span(), lines);
        let fields = (fields, item.span());
        match table {
            "person" => keep(fields, place, lines, &mut source.people, &mut source.unreadable, report),
            "group" => keep(fields, place, lines, &mut source.groups, &mut source.unreadable, report),
            "role" => keep(fields, place, lines, &mut source.roles, &mut source.unreadable, report),
            "grant" => keep(fields, place, lines, &mut source.grants, &mut source.unreadable, report),
            "profile" => keep(fields, place, lines, &mut source.profiles, &mut source.unreadable, report),
            "renewal_policy" => {
                keep(fields, place, lines, &mut source.renewal_policies, &mut source.unreadable, report)
            }
            "recipients" => keep(fields, place, lines, &mut source.recipients, &mut source.unreadable, report),
            "calendar" => keep(fields, place, lines, &mut source.calendars, &mut source.unreadable, report),
            _ => keep(fields, place, lines, &mut source.issuers, &mut source.unreadable, report),
        }
    }
}

fn read_one<T: DeserializeOwned>(
    table: &'static str,
    value: &Spanned<DeValue<'_>>,
    line: usize,
    lines: &Lines,
    unreadable: &mut Vec<(&'static str, String)>,
    report: &mut Report,
) -> Option<Entry<T>> {
    let Some(fields) = value.get_ref().as_table() else {
        report.line_error(line, format!("{table} is one table, written as [{table}]"));
        return None;
    };
    let keys = key_lines(fields, lines);
    let place = Place { table, label: String::new(), line, keys };
    let mut entries = Vec::new();
    keep((fields, value.span()), place, lines, &mut entries, unreadable, report);
    entries.pop()
}

fn place(table: &'static str, number: usize, fields: &DeTable<'_>, span: Range<usize>, lines: &Lines) -> Place {
    let label = ["id", "name"].iter().find_map(|key| fields.get(*key)?.get_ref().as_str());
    let keys = key_lines(fields, lines);
    let label = label.map_or_else(|| format!("number {}", number + 1), str::to_owned);
    Place { table, label, line: lines.at(Some(span)), keys }
}

fn key_lines(fields: &DeTable<'_>, lines: &Lines) -> BTreeMap<String, usize> {
    fields.keys().map(|key| (key.get_ref().to_string(), lines.at(Some(key.span())))).collect()
}

fn keep<T: DeserializeOwned>(
    (fields, span): (&DeTable<'_>, Range<usize>),
    place: Place,
    lines: &Lines,
    entries: &mut Vec<Entry<T>>,
    unreadable: &mut Vec<(&'static str, String)>,
    report: &mut Report,
) {
    let mut fields = fields.clone();
    let mut clean = true;
    for (_, key, sentence) in LATER_KEYS.iter().filter(|(table, ..)| *table == place.table) {
        if fields.remove(*key).is_some() {
            clean = false;
            report.error(&place, key, sentence);
        }
    }
    let mut removed: BTreeMap<String, ()> = BTreeMap::new();
    for _ in 0..MAX_TRIES {
        let mistake = match T::deserialize(Deserializer::from(Spanned::new(span.clone(), fields.clone()))) {
            Ok(value) if clean => return entries.push(Entry { value, place }),
            Ok(_) => break,
            Err(mistake) => mistake,
        };
        clean = false;
        let consequence = removed.keys().any(|key| mistake.message() == format!("missing field `{key}`"));
        if consequence {
            break;
        }
        let Some(key) = culprit(&fields, mistake.span()) else {
            report.error(&place, "", mistake.message());
            break;
        };
        // The line is that of the value, which may stand below its key.
        let mut at = place.clone();
        at.keys.insert(key.clone(), lines.at(mistake.span()));
        report.error(&at, &key, mistake.message());
        fields.remove(key.as_str());
        removed.insert(key, ());
    }
    unreadable.push((place.table, place.label));
}

/// The key whose name or value the mistake stands in.
fn culprit(fields: &DeTable<'_>, span: Option<Range<usize>>) -> Option<String> {
    let start = span?.start;
    let inside = |range: Range<usize>| range.contains(&start);
    fields
        .iter()
        .find(|(key, value)| inside(key.span()) || inside(value.span()))
        .map(|(key, _)| key.get_ref().to_string())
}

/// Where lines begin.
struct Lines(Vec<usize>);

impl Lines {
    fn of(document: &str) -> Self {
        let feeds = document.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        Self(std::iter::once(0).chain(feeds.map(|(at, _)| at + 1)).collect())
    }

    /// The line of a span's beginning, counted from 1.
    fn at(&self, span: Option<Range<usize>>) -> usize {
        let start = span.map_or(0, |span| span.start);
        self.0.partition_point(|&line| line <= start).max(1)
    }
}
