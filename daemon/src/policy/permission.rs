//! The closed list of permissions, and sets of them. A role is such a set, a built-in one like one of the document.

/// A thing that somebody may do. The text is the id of the profile that it is about: that of the object at hand, empty for
/// one that belongs to none, and empty where a role lists its permissions, since the grant says which profiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission<'a> {
    /// Submit under a profile, and take back or amend what was submitted.
    Submit(&'a str),
    /// Read what the caller submitted.
    ReadOwnRequests,
    /// Read every request and certificate under a profile.
    ReadAllRequests(&'a str),
    /// Approve and reject under a profile, and have what failed there tried again.
    Decide(&'a str),
    /// End a pending request.
    Void(&'a str),
    /// Ask for the end of any certificate under a profile.
    RevokeCertificates(&'a str),
    /// Say of an expired certificate under a profile that nobody looks after it any more.
    RetireCertificates(&'a str),
    /// Bring certificates that were issued elsewhere.
    ImportCertificates,
    /// Look after certificates that were found and belong to no profile, and after what others brought.
    ManageFound,
    /// Try channels, and have messages sent again.
    ManageAlerts(&'a str),
    /// Be told of what the daemon wants looked at.
    ReceiveAlarms,
    /// See a profile.
    ReadProfile(&'a str),
    /// Read ledger records.
    ReadLedger,
    /// Take ledger records out.
    ExportLedger,
    /// Read the policy document.
    ReadPolicy,
    /// Propose another policy.
    ProposePolicy,
    /// Agree to another policy where change control asks no group.
    AgreeToPolicy,
    /// End the delegations of others.
    EndDelegations,
    /// Count as a member of every group that a quorum asks, and have a voice where the ledger itself is mended.
    EveryGroup,
}

/// How a grant's list of profiles bears on a permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Breadth<'a> {
    /// It is given for the profiles of the list.
    Profile(&'a str),
    /// It is about no profile, and given whatever the list says.
    Beside,
    /// It is about everything, and given where there is no list.
    Everything,
}

impl<'a> Permission<'a> {
    /// Every one, in the order of the documentation.
    pub const ALL: [Permission<'static>; 19] = [
        Permission::Submit(""),
        Permission::ReadOwnRequests,
        Permission::ReadAllRequests(""),
        Permission::Decide(""),
        Permission::Void(""),
        Permission::RevokeCertificates(""),
        Permission::RetireCertificates(""),
        Permission::ImportCertificates,
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
    ];

    /// As a policy lists it.
    pub const fn as_str(self) -> &'static str {
        self.facts().1
    }

    /// That of a name.
    pub fn named(name: &str) -> Option<Permission<'static>> {
        Permission::ALL.into_iter().find(|permission| permission.as_str() == name)
    }

    /// The same about another profile.
    pub(super) const fn about<'b>(self, profile: &'b str) -> Permission<'b>
    where
        'a: 'b,
    {
        match self {
            Self::Submit(_) => Permission::Submit(profile),
            Self::ReadAllRequests(_) => Permission::ReadAllRequests(profile),
            Self::Decide(_) => Permission::Decide(profile),
            Self::Void(_) => Permission::Void(profile),
            Self::RevokeCertificates(_) => Permission::RevokeCertificates(profile),
            Self::RetireCertificates(_) => Permission::RetireCertificates(profile),
            Self::ManageAlerts(_) => Permission::ManageAlerts(profile),
            Self::ReadProfile(_) => Permission::ReadProfile(profile),
            about_none => about_none,
        }
    }

    /// True for what an admin alone has: no role of a document can list it.
    pub const fn is_reserved(self) -> bool {
        matches!(self, Self::EveryGroup)
    }

    /// What a role has to list beside it: nobody does well what they cannot see, or takes back what is not in their sight.
    pub(super) const fn needs(self) -> &'static [Permission<'static>] {
        match self {
            Self::Submit(_) | Self::ImportCertificates => &[Permission::ReadOwnRequests],
            Self::Decide(_)
            | Self::Void(_)
            | Self::RevokeCertificates(_)
            | Self::RetireCertificates(_)
            | Self::ManageAlerts(_)
            | Self::ManageFound => &[Permission::ReadAllRequests("")],
            Self::ExportLedger => &[Permission::ReadLedger],
            Self::ProposePolicy => &[Permission::ReadPolicy, Permission::ReadOwnRequests],
            Self::ReadOwnRequests
            | Self::ReadAllRequests(_)
            | Self::ReceiveAlarms
            | Self::ReadProfile(_)
            | Self::ReadLedger
            | Self::ReadPolicy
            | Self::AgreeToPolicy
            | Self::EndDelegations
            | Self::EveryGroup => &[],
        }
    }

    pub(super) const fn breadth(self) -> Breadth<'a> {
        match self {
            Self::Submit(profile)
            | Self::ReadAllRequests(profile)
            | Self::Decide(profile)
            | Self::Void(profile)
            | Self::RevokeCertificates(profile)
            | Self::RetireCertificates(profile)
            | Self::ManageAlerts(profile)
            | Self::ReadProfile(profile) => Breadth::Profile(profile),
            Self::ReadOwnRequests | Self::ImportCertificates | Self::ReadLedger => Breadth::Beside,
            Self::ManageFound
            | Self::ReceiveAlarms
            | Self::ExportLedger
            | Self::ReadPolicy
            | Self::ProposePolicy
            | Self::AgreeToPolicy
            | Self::EndDelegations
            | Self::EveryGroup => Breadth::Everything,
        }
    }

    /// The position in the list, and the name.
    const fn facts(self) -> (u32, &'static str) {
        match self {
            Self::Submit(_) => (0, "request.submit"),
            Self::ReadOwnRequests => (1, "request.read_own"),
            Self::ReadAllRequests(_) => (2, "request.read"),
            Self::Decide(_) => (3, "request.approve"),
            Self::Void(_) => (4, "request.void"),
            Self::RevokeCertificates(_) => (5, "certificate.revoke"),
            Self::RetireCertificates(_) => (6, "certificate.retire"),
            Self::ImportCertificates => (7, "certificate.import"),
            Self::ManageFound => (8, "inventory.manage"),
            Self::ManageAlerts(_) => (9, "alert.manage"),
            Self::ReceiveAlarms => (10, "alarm.receive"),
            Self::ReadProfile(_) => (11, "profile.read"),
            Self::ReadLedger => (12, "ledger.read"),
            Self::ExportLedger => (13, "ledger.export"),
            Self::ReadPolicy => (14, "policy.read"),
            Self::ProposePolicy => (15, "policy.propose"),
            Self::AgreeToPolicy => (16, "policy.approve"),
            Self::EndDelegations => (17, "delegation.revoke"),
            Self::EveryGroup => (18, "quorum.every_group"),
        }
    }
}

/// Some of the permissions, whatever profiles they are about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PermissionSet(u32);

impl PermissionSet {
    /// These.
    pub const fn of(permissions: &[Permission<'_>]) -> Self {
        let (mut set, mut at) = (0, 0);
        while at < permissions.len() {
            set |= 1 << permissions[at].facts().0;
            at += 1;
        }
        Self(set)
    }

    /// Adds one; false where it was there.
    pub(super) fn add(&mut self, permission: Permission<'_>) -> bool {
        let fresh = !self.has(permission);
        self.0 |= Self::of(&[permission]).0;
        fresh
    }

    /// Whether it is among them.
    pub const fn has(self, permission: Permission<'_>) -> bool {
        self.0 & Self::of(&[permission]).0 != 0
    }

    /// Each, in the order of the documentation.
    pub fn iter(self) -> impl Iterator<Item = Permission<'static>> {
        Permission::ALL.into_iter().filter(move |permission| self.has(*permission))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_permission_has_one_place_and_one_name() {
        for (at, permission) in (0..).zip(Permission::ALL) {
            assert_eq!(permission.facts().0, at, "{permission:?}");
            assert_eq!(Permission::named(permission.as_str()), Some(permission));
            let (noun, verb) = permission.as_str().split_once('.').unwrap();
            assert!([noun, verb].iter().all(|word| word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')));
        }
        for foreign in ["", "request", "request.", "REQUEST.APPROVE", "request.approve ", "*", "request.*"] {
            assert_eq!(Permission::named(foreign), None, "{foreign}");
        }
    }

    #[test]
    fn a_set_holds_what_was_added_whatever_the_profile() {
        let mut set = PermissionSet::of(&[Permission::Decide("p-web"), Permission::ReadLedger]);
        assert!(set.has(Permission::Decide("p-api")) && set.has(Permission::ReadLedger));
        assert!(!set.has(Permission::Submit("p-web")) && !set.has(Permission::EveryGroup));
        assert!(set.add(Permission::EveryGroup) && !set.add(Permission::Decide("")));
        let names: Vec<&str> = set.iter().map(Permission::as_str).collect();
        assert_eq!(names, ["request.approve", "ledger.read", "quorum.every_group"]);
        assert_eq!(PermissionSet::of(&Permission::ALL).iter().count(), Permission::ALL.len());
    }
}
