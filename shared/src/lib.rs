//! What daemon, console and command line agree on: words, lifecycles, the wire protocol and the one
//! way untrusted text reaches a surface. Nothing in here performs I/O or reads a clock.

pub mod canonical;
pub mod content;
pub mod decision_text;
pub mod digest;
pub mod error;
pub mod id;
pub mod json;
pub mod lifecycle;
pub mod protocol;
pub mod revocation;
pub mod text;
pub mod time;
pub mod voice_text;

/// Makes a type that is a string on the wire from its `Display` and `FromStr`.
macro_rules! string_on_the_wire {
    ($type:ty, $name:expr, $description:expr) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let raw = std::borrow::Cow::<str>::deserialize(deserializer)?;
                raw.parse().map_err(serde::de::Error::custom)
            }
        }
        impl schemars::JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                $name.into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "description": $description })
            }
        }
    };
}
pub(crate) use string_on_the_wire;
