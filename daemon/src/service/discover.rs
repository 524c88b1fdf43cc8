//! `rpc.discover`: the interface as an OpenRPC document, generated from the types that serve it.

use countersign_shared::error::ErrorKind;
use countersign_shared::protocol::method::{METHODS, NOT_BUILT};
use countersign_shared::protocol::{Event, PROTOCOL_VERSION};
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

/// The document (OpenRPC 1.3).
pub fn document() -> Value {
    let settings = SchemaSettings::draft07().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
    });
    let mut generator = SchemaGenerator::new(settings);
    let methods: Vec<Value> = METHODS
        .iter()
        .map(|method| {
            json!({
                "name": method.name,
                "summary": method.summary,
                "paramStructure": "by-name",
                "params": [{ "name": "params", "required": true, "schema": (method.params)(&mut generator) }],
                "result": { "name": "result", "schema": (method.result)(&mut generator) },
            })
        })
        .collect();
    // What follows a subscription is part of the interface, though no method answers it.
    generator.subschema_for::<Event>();
    let schemas: Value = generator.take_definitions(true).into_iter().collect::<serde_json::Map<_, _>>().into();
    json!({
        "openrpc": "1.3.2",
        "info": {
            "title": "countersign",
            "version": env!("CARGO_PKG_VERSION"),
            "x-protocol": PROTOCOL_VERSION,
        },
        "methods": methods,
        "components": { "schemas": schemas },
        "x-error-kinds": kinds(),
        "x-not-built": NOT_BUILT,
    })
}

fn kinds() -> Vec<Value> {
    ErrorKind::ALL.iter().map(|kind| json!({ "kind": kind, "code": kind.code(), "exit": kind.exit_code() })).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_is_described_and_every_reference_resolves() {
        let document = document();
        assert_eq!(document["methods"].as_array().unwrap().len(), METHODS.len());
        let text = document.to_string();
        let schemas = document["components"]["schemas"].as_object().unwrap();
        for reference in text.split("\"$ref\":\"").skip(1) {
            let target = reference.split('"').next().unwrap();
            let name = target.strip_prefix("#/components/schemas/").unwrap_or_else(|| panic!("{target}"));
            assert!(schemas.contains_key(name), "{name}");
        }
        assert!(schemas.len() > 30);
    }
}
