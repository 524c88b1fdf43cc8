//! The reference part of `docs/protocol.md` is generated from the types that serve the socket.
//!
//! `COUNTERSIGN_WRITE_DOCS=1 cargo test -p countersignd --test protocol_doc` writes it anew.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use countersign_shared::protocol::{Event, MAX_FILTER, MAX_ITEMS};
use countersignd::ipc::Limits;
use countersignd::service::amend::MOST_VERSIONS;
use countersignd::service::comment::MOST_REMARKS;
use countersignd::service::discover::document;
use countersignd::service::events::MAX_STREAMS;
use serde_json::Value;

const BEGIN: &str = "<!-- generated: from here on, see daemon/tests/protocol_doc.rs -->\n";

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/protocol.md")
}

#[test]
fn the_reference_is_generated_from_the_types() {
    let published = std::fs::read_to_string(path()).unwrap();
    let (prose, _) = published.split_once(BEGIN).expect("docs/protocol.md has lost its mark");
    let wanted = format!("{prose}{BEGIN}{}", reference().unwrap());
    if std::env::var_os("COUNTERSIGN_WRITE_DOCS").is_some() {
        std::fs::write(path(), &wanted).unwrap();
    }
    assert!(
        std::fs::read_to_string(path()).unwrap() == wanted,
        "docs/protocol.md is stale: COUNTERSIGN_WRITE_DOCS=1 cargo test -p countersignd --test protocol_doc"
    );
}

#[test]
fn the_limits_in_the_prose_are_those_of_the_socket() {
    let prose = std::fs::read_to_string(path()).unwrap();
    let limits = Limits::default();
    let quota = countersignd::service::quota::Limits::default();
    for (name, value) in [
        ("connections", limits.connections.to_string()),
        ("connections of one user", limits.connections_per_uid.to_string()),
        ("memory of one user", format!("{} MiB", limits.memory_per_uid / (1024 * 1024))),
        ("frame", format!("{} MiB", limits.frame / (1024 * 1024))),
        ("oversized frame", format!("{} MiB", limits.oversized_frame / (1024 * 1024))),
        ("time for a frame", format!("{} s", limits.frame_time.as_secs())),
        ("calls aside", limits.aside.to_string()),
        ("subscriptions of a connection", limits.streams.to_string()),
        ("answers not read", format!("{} MiB", limits.queued / (1024 * 1024))),
        ("time to read answers", format!("{} s", limits.write_time.as_secs())),
        ("subscriptions of one user", MAX_STREAMS.to_string()),
        ("filter text", format!("{MAX_FILTER} octets")),
        ("requests of one requester that wait", quota.pending.to_string()),
        (
            "submissions, amendments and remarks of one user",
            format!("{} at once, {} more each minute", quota.burst, quota.per_minute),
        ),
        ("remarks on a request", MOST_REMARKS.to_string()),
        ("versions of a request", MOST_VERSIONS.to_string()),
        ("items of `request.decide`", format!("1 to {MAX_ITEMS}, each request once")),
        ("time to drain", format!("{} s", limits.drain_time.as_secs())),
    ] {
        let row = format!("| {name} | {value} |");
        assert!(prose.contains(&row), "docs/protocol.md lacks the row {row}");
    }
}

fn reference() -> Result<String, std::fmt::Error> {
    let document = document();
    let mut out = String::from("\n## Errors\n\n| kind | code | exit status |\n| --- | --- | --- |\n");
    for error in array(&document["x-error-kinds"]) {
        let kind = text(&error["kind"]);
        writeln!(out, "| `{kind}` | {} | {} |", error["code"], error["exit"])?;
    }
    out.push_str("\n## Methods\n\n| method | takes | answers | |\n| --- | --- | --- | --- |\n");
    for method in array(&document["methods"]) {
        let [takes, answers] = [&method["params"][0]["schema"], &method["result"]["schema"]].map(shape);
        writeln!(out, "| `{}` | {takes} | {answers} | {} |", text(&method["name"]), text(&method["summary"]))?;
    }
    let later: Vec<String> = array(&document["x-not-built"]).iter().map(|name| format!("`{}`", text(name))).collect();
    write!(out, "\nRefused as `unavailable` in this version: {}.\n\n## Types\n", later.join(", "))?;
    for (name, schema) in object(&document["components"]["schemas"]) {
        describe(&mut out, name, schema)?;
    }
    let event = schemars::generate::SchemaSettings::draft07()
        .with(|settings| settings.inline_subschemas = true)
        .into_generator()
        .into_root_schema_for::<Event>();
    describe(&mut out, "Event", &Value::from(event))?;
    Ok(out)
}

fn describe(out: &mut String, name: &str, schema: &Value) -> std::fmt::Result {
    write!(out, "\n### {name}\n\n{}\n", schema["description"].as_str().unwrap_or_default())?;
    if let Some(alternatives) = schema["oneOf"].as_array() {
        out.push('\n');
        for one in alternatives {
            alternative(out, one)?;
        }
    }
    members(out, schema)
}

/// One value of a closed set, or one form of a tagged object.
fn alternative(out: &mut String, one: &Value) -> std::fmt::Result {
    let description = one["description"].as_str().unwrap_or_default();
    match one["const"].as_str() {
        Some(value) => writeln!(out, "- `{value}`: {description}"),
        None => {
            let tag = text(&one["properties"]["type"]["const"]);
            let rest = object(&one["properties"]).filter(|(key, _)| *key != "type");
            let rest: Vec<String> = rest.map(|(key, schema)| format!("`{key}` {}", shape(schema))).collect();
            writeln!(out, "- `\"type\": \"{tag}\"`, {}: {description}", rest.join(", "))
        }
    }
}

fn members(out: &mut String, schema: &Value) -> std::fmt::Result {
    if object(&schema["properties"]).next().is_none() {
        return Ok(());
    }
    out.push_str("\n| field | type | always there | |\n| --- | --- | --- | --- |\n");
    let required = array(&schema["required"]);
    for (key, schema) in object(&schema["properties"]) {
        let always = if required.iter().any(|name| name == key) { "yes" } else { "no" };
        let description = schema["description"].as_str().unwrap_or_default().replace('\n', " ").replace('|', "\\|");
        writeln!(out, "| `{key}` | {} | {always} | {description} |", shape(schema))?;
    }
    Ok(())
}

/// A schema in a few words; a named type is a link.
fn shape(schema: &Value) -> String {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = reference.rsplit('/').next().unwrap_or_default();
        return format!("[{name}](#{})", name.to_lowercase());
    }
    for key in ["allOf", "anyOf"] {
        if let Some(one) = schema[key].as_array().and_then(|all| all.iter().find(|one| one["type"] != "null")) {
            return shape(one);
        }
    }
    match (&schema["type"], &schema["items"]) {
        (Value::String(kind), Value::Array(items)) if kind == "array" => {
            format!("[{}]", items.iter().map(shape).collect::<Vec<_>>().join(", "))
        }
        (Value::String(kind), items) if kind == "array" => format!("list of {}", shape(items)),
        (Value::String(kind), _) => kind.clone(),
        (Value::Array(kinds), _) => kinds.iter().map(text).find(|kind| *kind != "null").unwrap_or("any").to_owned(),
        _ => "any JSON".to_owned(),
    }
}

fn object(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
