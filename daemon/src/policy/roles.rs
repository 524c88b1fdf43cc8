//! Roles: the four that are built in, and those of the document. Each is a set of permissions, and nothing besides.

use std::fmt;
use std::sync::Arc;

use countersign_shared::text::Untrusted;

use super::check::Declared;
use super::document::RoleTable;
use super::parts::Grant;
use super::permission::{Breadth, Permission, PermissionSet};
use super::read::{Entry, Reading};
use super::report::{Place, Report};
use super::subject::{IDENTIFIER_SHAPE, is_identifier};

/// A name, and what it gives.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Role {
    origin: Origin,
    name: String,
    permissions: PermissionSet,
}

/// Where a role comes from; roles are listed in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Origin {
    /// One of the four, by its position.
    BuiltIn(usize),
    /// The document.
    Document,
}

/// The roles that every policy has.
const BUILT_IN: [(&str, PermissionSet); 4] = [
    (
        "requester",
        PermissionSet::of(&[
            Permission::Submit(""),
            Permission::ReadOwnRequests,
            Permission::ImportCertificates,
            Permission::ReadProfile(""),
        ]),
    ),
    (
        "operator",
        PermissionSet::of(&[
            Permission::ReadAllRequests(""),
            Permission::Decide(""),
            Permission::RevokeCertificates(""),
            Permission::RetireCertificates(""),
            Permission::ManageAlerts(""),
            Permission::ReadProfile(""),
            Permission::ReadLedger,
            Permission::AgreeToPolicy,
        ]),
    ),
    (
        "admin",
        PermissionSet::of(&[
            Permission::ReadOwnRequests,
            Permission::ReadAllRequests(""),
            Permission::Decide(""),
            Permission::Void(""),
            Permission::RevokeCertificates(""),
            Permission::RetireCertificates(""),
            Permission::ManageFound,
            Permission::ManageAlerts(""),
            Permission::ReceiveAlarms,
            Permission::ReadProfile(""),
            Permission::ReadLedger,
            Permission::ExportLedger,
            Permission::ReadPolicy,
            Permission::ProposePolicy,
            Permission::AgreeToPolicy,
            Permission::EndDelegations,
            Permission::EveryGroup,
        ]),
    ),
    (
        "auditor",
        PermissionSet::of(&[
            Permission::ReadProfile(""),
            Permission::ReadLedger,
            Permission::ExportLedger,
            Permission::ReadPolicy,
        ]),
    ),
];

/// The built-in roles that lose what is about everything where a grant names profiles, and keep the rest.
const NARROWED: [&str; 2] = ["requester", "operator"];

impl Role {
    /// The four, in the order in which they are listed.
    pub fn built_in() -> [Self; 4] {
        let mut position = 0..;
        BUILT_IN.map(|(name, permissions)| {
            let origin = Origin::BuiltIn(position.next().unwrap_or(0));
            Self { origin, name: name.to_owned(), permissions }
        })
    }

    /// As grants name it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it gives.
    pub fn permissions(&self) -> PermissionSet {
        self.permissions
    }

    /// True for a role that the document defines.
    pub fn is_of_document(&self) -> bool {
        self.origin == Origin::Document
    }

    /// Whether a grant of it that names these profiles gives the permission; without a list it names all. This is where
    /// each permission is looked up.
    pub(super) fn gives(&self, profiles: Option<&[String]>, permission: Permission<'_>) -> bool {
        self.permissions.has(permission)
            && match permission.breadth() {
                Breadth::Profile(profile) => profiles.is_none_or(|ids| ids.iter().any(|id| id == profile)),
                Breadth::Beside => true,
                Breadth::Everything => profiles.is_none(),
            }
    }

    /// What keeps a grant of it from naming profiles, in words.
    pub(super) fn is_for_everything(&self) -> Option<String> {
        let name = &self.name;
        match self.origin {
            Origin::BuiltIn(_) if NARROWED.contains(&name.as_str()) => None,
            Origin::BuiltIn(_) => {
                Some(format!("an {name} is not limited to profiles: remove the key, or grant another role"))
            }
            Origin::Document => {
                let whole = self.permissions.iter().find(|permission| permission.breadth() == Breadth::Everything)?;
                let whole = whole.as_str();
                Some(format!(
                    "{name} gives {whole}, which is about everything: remove the key, or {whole} from the role"
                ))
            }
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.name)
    }
}

impl Permission<'_> {
    /// What somebody without it is told: which roles give it.
    pub fn needed(self) -> String {
        let name = self.as_str();
        let giving: Vec<&str> =
            BUILT_IN.iter().filter(|(_, permissions)| permissions.has(self)).map(|(role, _)| *role).collect();
        let (giving, verb) = match giving.as_slice() {
            [one] => ((*one).to_owned(), "gives"),
            several => (several.join(" and "), "give"),
        };
        format!("the permission {name} is needed: {giving} {verb} it, and so does a role of the policy that lists it")
    }
}

/// The four and those of the document, in its order.
pub(super) fn roles(entries: &[Entry<RoleTable>], reading: Reading, report: &mut Report) -> Vec<Arc<Role>> {
    let mut roles: Vec<Arc<Role>> = Role::built_in().map(Arc::new).into();
    for Entry { value: table, place } in entries {
        if !is_identifier(&table.name) {
            report.error(place, "name", IDENTIFIER_SHAPE);
        }
        if BUILT_IN.iter().any(|(name, _)| *name == table.name) {
            let what = format!("{} is built in, and means the same in every policy: choose another name", table.name);
            report.error(place, "name", what);
        }
        let permissions = permissions(table, place, reading, report);
        roles.push(Arc::new(Role { origin: Origin::Document, name: table.name.clone(), permissions }));
    }
    roles
}

fn permissions(table: &RoleTable, place: &Place, reading: Reading, report: &mut Report) -> PermissionSet {
    let mut set = PermissionSet::default();
    let mut error = |what: String| report.error(place, "permissions", what);
    let mut unknown = Vec::new();
    if table.permissions.is_empty() {
        error("the list is empty, and gives nothing: name permissions, or remove the role".to_owned());
    }
    for raw in &table.permissions {
        let shown = Untrusted::from(raw.as_str());
        let shown = shown.safe();
        match Permission::named(raw) {
            Some(permission) if permission.is_reserved() => {
                error(format!("{raw} is what admins alone have: remove it, or grant the role admin"));
            }
            Some(permission) if set.add(permission) => {}
            Some(_) => error(format!("{raw} is there twice")),
            None if reading == Reading::Strict => {
                error(format!("`{shown:.64}` is no permission: expected {}", listed()));
            }
            None => unknown.push(format!("`{shown:.64}` is no permission that this program knows: nobody has it")),
        }
    }
    // A role of a document in force may come from a program that knew more, and asked for less.
    if reading == Reading::Strict {
        for permission in set.iter() {
            for needed in permission.needs().iter().filter(|needed| !sees(set, **needed)) {
                let (name, needed) = (permission.as_str(), needed.as_str());
                error(format!("{name} without {needed}: nobody acts on what they cannot see; add {needed}"));
            }
        }
    }
    unknown.iter().for_each(|what| report.warning(place, "permissions", what));
    set
}

/// Whoever reads all requests reads their own.
fn sees(set: PermissionSet, needed: Permission<'_>) -> bool {
    set.has(needed) || (needed == Permission::ReadOwnRequests && set.has(Permission::ReadAllRequests("")))
}

/// The permissions that a document can name.
pub(super) fn listed() -> String {
    let names = Permission::ALL.into_iter().filter(|permission| !permission.is_reserved()).map(Permission::as_str);
    names.collect::<Vec<_>>().join(", ")
}

/// The role that a grant names. One that is declared and could not be read is no mistake of the grant's.
pub(super) fn granted(
    name: &str,
    roles: &[Arc<Role>],
    (place, declared): (&Place, &Declared),
    report: &mut Report,
) -> Option<Arc<Role>> {
    let found = roles.iter().find(|role| role.name() == name).cloned();
    if found.is_none() && !declared.has("role", name) {
        let names = roles.iter().map(|role| role.name()).collect::<Vec<_>>().join(", ");
        let shown = Untrusted::from(name);
        let what = format!("`{:.64}`: there is no [[role]] of that name: expected one of {names}", shown.safe());
        report.error(place, "role", what);
    }
    found
}

/// Warns of roles that nobody has.
pub(super) fn check_granted(entries: &[Entry<RoleTable>], grants: &[Grant], report: &mut Report) {
    for Entry { value: table, place } in entries {
        if !grants.iter().any(|grant| grant.role.name() == table.name) {
            report.warning(place, "", "no grant gives it to anybody: grant it, or remove it");
        }
    }
}

#[cfg(test)]
#[path = "roles_tests.rs"]
mod tests;
