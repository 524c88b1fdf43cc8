//! The published files agree with the types.

use std::path::Path;

use super::document::PolicyDocument;
use super::*;

const EXAMPLE: &str = include_str!("../../../packaging/policy.example.toml");

/// `COUNTERSIGN_WRITE_SCHEMA=1` writes the file anew.
#[test]
fn the_published_schema_is_generated_from_the_types() {
    let mut schema = serde_json::to_string_pretty(&schemars::schema_for!(PolicyDocument)).unwrap();
    schema.push('\n');
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/policy.schema.json");
    if std::env::var_os("COUNTERSIGN_WRITE_SCHEMA").is_some() {
        std::fs::write(&path, &schema).unwrap();
    }
    let published = std::fs::read_to_string(&path).unwrap();
    assert!(
        published == schema,
        "docs/policy.schema.json is stale: COUNTERSIGN_WRITE_SCHEMA=1 cargo test -p countersignd schema"
    );
}

#[test]
fn the_schema_and_the_reader_know_the_same_tables() {
    let schema = serde_json::to_value(schemars::schema_for!(PolicyDocument)).unwrap();
    let mut keys: Vec<&str> = schema["properties"].as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    assert_eq!(
        keys,
        [
            "calendar",
            "change_control",
            "grant",
            "group",
            "inventory",
            "issuer",
            "ledger",
            "messages",
            "person",
            "profile",
            "recipients",
            "renewal_policy",
            "role",
            "version"
        ]
    );
    assert_eq!(schema["additionalProperties"], false);
    assert_eq!(schema["required"], serde_json::json!(["version"]));
}

#[test]
fn the_example_is_a_policy_without_a_warning() {
    let (policy, warnings) = Policy::parse(EXAMPLE).unwrap();
    assert_eq!(warnings, Vec::<String>::new());
    assert_eq!(policy.profiles().len(), 3);
    assert!(policy.needs_unix_groups());
    assert_eq!(policy.unix_groups().collect::<Vec<_>>(), ["webadmins"]);
    assert_eq!(policy.profile("p-web").unwrap().rules().deliver.as_ref().unwrap().mode, 0o644);
}

#[test]
fn every_key_of_a_profile_stands_in_the_example() {
    let schema = serde_json::to_value(schemars::schema_for!(PolicyDocument)).unwrap();
    for key in schema["$defs"]["Profile"]["properties"].as_object().unwrap().keys() {
        // What weakens a profile is shown as a comment.
        let shown = EXAMPLE.contains(&format!("\n{key} = ")) || EXAMPLE.contains(&format!("\n# {key} = "));
        assert!(shown, "{key} is not in packaging/policy.example.toml");
    }
}
