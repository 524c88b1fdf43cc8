//! Hostile text in every field that takes any text.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// A word to find again, orders to a terminal, and a change of direction.
pub const HOSTILE: &str = "hostile\u{1b}]0;x\u{7}\u{1b}[2J\u{202e}\u{200b}\u{9b}31m";

/// The same value with [`HOSTILE`] in place of every text that its type lets be any text.
pub fn everywhere<T: Serialize + DeserializeOwned>(value: &T) -> T {
    let mut tree = serde_json::to_value(value).unwrap();
    let mut paths = Vec::new();
    texts(&tree, String::new(), &mut paths);
    let mut replaced = 0;
    for path in &paths {
        let leaf = tree.pointer_mut(path).unwrap();
        let before = std::mem::replace(leaf, HOSTILE.into());
        match serde_json::from_value::<T>(tree.clone()) {
            Ok(_) => replaced += 1,
            Err(_) => *tree.pointer_mut(path).unwrap() = before,
        }
    }
    assert!(replaced > 0, "no field takes any text");
    serde_json::from_value(tree).unwrap()
}

fn texts(value: &Value, path: String, paths: &mut Vec<String>) {
    match value {
        Value::String(_) => paths.push(path),
        Value::Array(values) => {
            for (index, value) in values.iter().enumerate() {
                texts(value, format!("{path}/{index}"), paths);
            }
        }
        Value::Object(fields) => {
            for (name, value) in fields {
                texts(value, format!("{path}/{name}"), paths);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
