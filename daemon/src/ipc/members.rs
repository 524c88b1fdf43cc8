//! The members of a call's object as they stand there, each with its own text. [`super::envelope`] judges them.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::params::shown;

/// The members of the object, before they are judged: one bad member must not hide the id.
#[derive(Default)]
pub(super) struct Members<'a> {
    pub(super) jsonrpc: Option<&'a RawValue>,
    pub(super) id: Option<&'a RawValue>,
    pub(super) method: Option<&'a RawValue>,
    pub(super) params: Option<&'a RawValue>,
    /// The first member that should not be there.
    pub(super) problem: Option<String>,
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a call object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
        let mut members = Members::default();
        while let Some(Name(name)) = map.next_key::<Name>()? {
            let slot = match name.as_str() {
                "jsonrpc" => &mut members.jsonrpc,
                "id" => &mut members.id,
                "method" => &mut members.method,
                "params" => &mut members.params,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    let problem = || format!("unknown member `{}`", shown(&name));
                    members.problem.get_or_insert_with(problem);
                    continue;
                }
            };
            if slot.replace(map.next_value()?).is_some() {
                // Of two ids neither is the call's own.
                members.id = members.id.filter(|_| name != "id");
                members.problem.get_or_insert_with(|| format!("member `{name}` stands there twice"));
            }
        }
        Ok(members)
    }
}

#[derive(Deserialize)]
#[serde(transparent)]
struct Name(String);
