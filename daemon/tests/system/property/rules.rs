//! A policy document as the oracle reads it: plain TOML, with the few words that the documents of these tests use.

use toml::{Table, Value};

/// So many people of a group; `*` is any operator of the profile.
pub type Step = (String, usize);

/// See the module.
pub struct Rules {
    document: Table,
}

impl Rules {
    pub fn of(document: &str) -> Self {
        Self { document: document.parse().unwrap() }
    }

    fn tables<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a Table> {
        self.document.get(name).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_table)
    }

    pub fn profile(&self, id: &str) -> Option<&Table> {
        self.tables("profile").find(|profile| text(profile, "id") == id)
    }

    pub fn asks_somebody(&self, profile: &str) -> bool {
        // A profile that is not there asks for more than anybody can give.
        self.profile(profile).is_none_or(|profile| profile.get("requires_approval") == Some(&Value::Boolean(true)))
    }

    pub fn passes_by_time(&self, profile: &str) -> bool {
        self.profile(profile).is_some_and(|profile| profile.contains_key("auto_approve_after"))
    }

    /// Who has to agree under a profile for a certificate of this owner.
    pub fn quorum(&self, profile: &str, owner: u32) -> Vec<Step> {
        let Some(profile) = self.profile(profile) else { return vec![("nobody".to_owned(), 1)] };
        let routes = profile.get("route").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_table);
        let route = routes.into_iter().find(|route| self.is_member(owner, text(route, "owner")));
        let quorum = route.unwrap_or(profile).get("quorum").and_then(Value::as_array);
        let steps = quorum.into_iter().flatten().filter_map(Value::as_table).map(|step| {
            let need = step.get("need").and_then(Value::as_integer).unwrap();
            (text(step, "group").to_owned(), usize::try_from(need).unwrap())
        });
        let steps: Vec<Step> = steps.collect();
        if steps.is_empty() { vec![("*".to_owned(), 1)] } else { steps }
    }

    /// Whether somebody fills places of a group under a profile by a right of their own.
    pub fn fills(&self, uid: u32, group: &str, profile: &str) -> bool {
        let decides = self.may(uid, "operator", "request.approve", profile);
        self.is_admin(uid) || (decides && (group == "*" || self.is_in_group(uid, group)))
    }

    pub fn is_admin(&self, uid: u32) -> bool {
        self.has_role(uid, "admin", "")
    }

    /// Whether somebody agrees to another policy where change control asks no group.
    pub fn agrees_to_policies(&self, uid: u32) -> bool {
        self.is_admin(uid) || self.may(uid, "operator", "policy.approve", "")
    }

    /// Whether somebody has a role that gives a permission: the built-in one, or one of the document that lists it.
    fn may(&self, uid: u32, built_in: &str, permission: &str, profile: &str) -> bool {
        let lists = |role: &&Table| {
            let listed = role.get("permissions").and_then(Value::as_array);
            listed.into_iter().flatten().any(|name| name.as_str() == Some(permission))
        };
        let mut own = self.tables("role").filter(lists).map(|role| text(role, "name"));
        self.has_role(uid, built_in, profile) || own.any(|name| self.has_role(uid, name, profile))
    }

    fn has_role(&self, uid: u32, role: &str, profile: &str) -> bool {
        self.tables("grant").any(|grant| {
            let scope = grant.get("profiles").and_then(Value::as_array);
            let within = scope.is_none_or(|scope| scope.iter().any(|id| id.as_str() == Some(profile)));
            text(grant, "role") == role && within && self.is_member(uid, text(grant, "to"))
        })
    }

    pub fn is_in_group(&self, uid: u32, name: &str) -> bool {
        let group = self.tables("group").find(|group| text(group, "name") == name);
        let members = group.and_then(|group| group.get("members")).and_then(Value::as_array);
        members.into_iter().flatten().filter_map(Value::as_str).any(|member| self.is_member(uid, member))
    }

    fn is_member(&self, uid: u32, name: &str) -> bool {
        match name.split_once(':') {
            Some(("uid", number)) => number.parse() == Ok(uid),
            Some(("person", person)) => self.is_person(uid, person),
            Some(("group", group)) => self.is_in_group(uid, group),
            _ => panic!("a member that these tests do not use: {name}"),
        }
    }

    /// Whether the document says that the account is this person's.
    pub fn is_person(&self, uid: u32, name: &str) -> bool {
        let person = self.tables("person").find(|person| text(person, "name") == name);
        let accounts = person.and_then(|person| person.get("accounts")).and_then(Value::as_array);
        let account = format!("uid:{uid}");
        accounts.into_iter().flatten().any(|known| known.as_str() == Some(&account))
    }
}

fn text<'a>(table: &'a Table, key: &str) -> &'a str {
    table.get(key).and_then(Value::as_str).unwrap_or_default()
}
