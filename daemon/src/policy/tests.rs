use super::*;

/// A policy that has everything once; tests change one line of it.
pub(super) const POLICY: &str = r#"
version = 1
[[person]]
name = "alice"
accounts = ["alice", "uid:61001"]
[[person]]
name = "bob"
accounts = ["bob"]
[[group]]
name = "pki"
members = ["person:alice", "person:bob"]
[[group]]
name = "outer"
members = ["group:pki", "user:erin"]
[[grant]]
role = "requester"
to = "group:outer"
[[grant]]
role = "operator"
to = "group:pki"
profiles = ["p-web"]
[[profile]]
id = "p-web"
name = "Web"
environment = "production"
names = ["*.corp.example"]
requires_approval = true
quorum = [{ group = "pki", need = 1 }]
issuer = "local-ca"
keys = ["rsa-2048"]
max_validity = "90d"
renewal_policy = "rp-std"
[[renewal_policy]]
id = "rp-std"
[[issuer]]
id = "local-ca"
type = "local-ca"
"#;

pub(super) fn errors(document: &str) -> Vec<String> {
    match Policy::parse(document) {
        Ok(_) => Vec::new(),
        Err(errors) => errors,
    }
}

#[test]
fn defaults_are_those_of_the_documentation() {
    let (policy, warnings) = Policy::parse(POLICY).unwrap();
    assert!(warnings.is_empty(), "{warnings:?}");
    let rules = policy.profile("p-web").unwrap().rules().clone();
    assert_eq!(rules.extended_key_usage, [countersign_shared::content::ExtendedKeyUsage::ServerAuth]);
    assert_eq!(rules.justification, Justification::Optional);
    assert!(!(rules.allow_ca || rules.allow_ip || rules.allow_wildcards || rules.require_login_session));
    let renewal = policy.renewal_policy("rp-std").unwrap();
    assert_eq!((renewal.renewal_window_days, renewal.max_retries, renewal.retry_interval_seconds), (30, 3, 300));
    assert_eq!(renewal.alert_thresholds_days, [30, 14, 7, 0]);
    assert_eq!(renewal.alert_severity_map[&14], Severity::Warning);
    assert_eq!(policy.issuer("local-ca").unwrap().kind, IssuerKind::LocalCa);
    assert_eq!(rules.quorum, [QuorumStep { group: "pki".to_owned(), need: 1 }]);
    assert_eq!((rules.quorum_order, rules.reject_threshold, rules.extra_for_scheduler), (QuorumOrder::Parallel, 1, 0));
    assert_eq!(rules.carry_out_within().to_string(), "7d");
    assert!(rules.allow_delegation && rules.routes.is_empty() && rules.escalations.is_empty());
    assert_eq!((rules.calendar, rules.auto_approve_after), (None, None));
    assert_eq!(policy.change_control(), &ChangeControl::default());
    assert_eq!(policy.change_control().approval_timeout.to_string(), "7d");
    assert_eq!(policy.sha256(), Digest::of(&[POLICY.as_bytes()]));
    assert!(!policy.needs_unix_groups());
}

#[test]
fn a_mistake_names_its_line_table_and_key() {
    for (from, to, expected) in [
        ("max_validity = \"90d\"", "max_validity = \"90x\"", "line 31: [[profile]] p-web: max_validity: a span is"),
        (
            "max_validity = \"90d\"",
            "max_vailidity = \"90d\"",
            "line 31: [[profile]] p-web: max_vailidity: unknown field",
        ),
        ("max_validity = \"90d\"\n", "", "line 22: [[profile]] p-web: missing field `max_validity`"),
        ("max_validity = \"90d\"", "max_validity = 90", "max_validity: invalid type"),
        ("max_validity = \"90d\"", "max_validity = \"1m\"", "max_validity: 1m is not within 1h to 825d"),
        ("max_validity = \"90d\"", "max_validity = \"826d\"", "max_validity: 826d is not within"),
        ("version = 1", "version = 2", "line 2: version: this program reads version = 1"),
        ("version = 1", "", "version is missing"),
        ("version = 1", "version = 1\ncolour = 3", "line 3: unknown key `colour`"),
        ("version = 1", "version = 1\nperson = 3", "line 4: "),
        ("keys = [\"rsa-2048\"]", "keys = [\"rsa-1024\"]", "line 30: [[profile]] p-web: keys: a key is one of"),
        ("keys = [\"rsa-2048\"]", "keys = []", "keys: at least one"),
        ("keys = [\"rsa-2048\"]", "keys = [\"rsa-2048\", \"rsa-4096\"]", "keys: `rsa-4096`: each kind once"),
        ("names = [\"*.corp.example\"]", "names = [\"*\"]", "line 26: [[profile]] p-web: names: a name pattern is"),
        ("names = [\"*.corp.example\"]", "names = []", "names: 1 to 256 patterns"),
        ("environment = \"production\"", "environment = \"Prod\"", "environment: a name is"),
        ("id = \"p-web\"", "id = \"web\"", "id: an id is p- and a name"),
        ("issuer = \"local-ca\"", "issuer = \"hsm\"", "issuer: there is no [[issuer]] `hsm`"),
        (
            "issuer = \"local-ca\"",
            "issuer = \"local-ca\"\nallow_ca = true",
            "allow_ca: a local-ca issuer signs no authorities",
        ),
        ("renewal_policy = \"rp-std\"", "renewal_policy = \"rp-x\"", "there is no [[renewal_policy]] `rp-x`"),
        (
            "renewal_policy = \"rp-std\"",
            "decision_signature = \"ssh\"",
            "decision_signature: 1 have to sign, and 0 people have an SSH key",
        ),
        ("renewal_policy = \"rp-std\"", "ticket_pattern = \"(\"", "ticket_pattern: not a regular expression"),
        ("renewal_policy = \"rp-std\"", "approval_timeout = \"0s\"", "approval_timeout: 0s is not within 1s"),
        ("renewal_policy = \"rp-std\"", "extended_key_usage = []", "extended_key_usage: an empty list"),
        ("renewal_policy = \"rp-std\"", "extended_key_usage = [\"any\"]", "extended_key_usage: unknown variant"),
        ("renewal_policy = \"rp-std\"", "subject = { country = \"de\" }", "subject: country: two capital letters"),
        ("renewal_policy = \"rp-std\"", "subject = { organization = \"e\u{301}\" }", "normalization form C"),
        ("renewal_policy = \"rp-std\"", "subject = { common_name = \"x\" }", "subject: unknown field `common_name`"),
        ("renewal_policy = \"rp-std\"", "deliver = { path = \"/etc/../{certificate}\" }", "deliver: path is absolute"),
        ("renewal_policy = \"rp-std\"", "deliver = { path = \"/etc/x.pem\" }", "deliver: path is absolute"),
        ("renewal_policy = \"rp-std\"", "deliver = { path = \"{certificate}\" }", "deliver: path is absolute"),
        (
            "renewal_policy = \"rp-std\"",
            "deliver = { path = \"/{certificate}\", mode = \"0666\" }",
            "deliver: mode is octal",
        ),
        (
            "renewal_policy = \"rp-std\"",
            "deliver = { path = \"/{certificate}\", mode = \"4755\" }",
            "deliver: mode is octal",
        ),
        (
            "renewal_policy = \"rp-std\"",
            "deliver = { path = \"/{certificate}\", owner = \"a:b:c\" }",
            "deliver: owner is",
        ),
        (
            "renewal_policy = \"rp-std\"",
            "deliver = { path = \"/{certificate}.pem\", key_path = \"/x.key\" }",
            "deliver: key_path is absolute",
        ),
        ("renewal_policy = \"rp-std\"", "renew_key = \"new\"", "renew_key: \"new\" needs `deliver`"),
        ("renewal_policy = \"rp-std\"", "renew_key = \"other\"", "renew_key: unknown variant"),
        (
            "renewal_policy = \"rp-std\"",
            "renew_key = \"new\"\ndeliver = { path = \"/{certificate}.pem\" }",
            "renew_key: \"new\": the daemon makes no RSA keys",
        ),
        (
            "renewal_policy = \"rp-std\"",
            "renew_key = \"new\"\nallow_ca = true\ndeliver = { path = \"/{certificate}.key\" }",
            "renew_key: \"new\": the key would take the place of the chain",
        ),
        ("need = 1", "need = 3", "quorum: 3 different people have to agree, but only 2 could decide"),
        ("need = 1", "need = 0", "quorum: need is at least 1"),
        ("[{ group = \"pki\", need = 1 }]", "[]", "quorum: an empty quorum"),
        ("quorum = [{ group = \"pki\"", "quorum = [{ group = \"none\"", "quorum: there is no [[group]] `none`"),
        ("requires_approval = true\n", "", "quorum: a quorum without requires_approval = true"),
        ("role = \"operator\"", "role = \"auditor\"", "profiles: an auditor is not limited to profiles"),
        ("role = \"operator\"", "role = \"approver\"", "role: `approver`: there is no [[role]] of that name"),
        (
            "profiles = [\"p-web\"]",
            "profiles = [\"p-x\"]",
            "line 21: [[grant]] number 2: profiles: there is no [[profile]] `p-x`",
        ),
        ("profiles = [\"p-web\"]", "profiles = []", "profiles: an empty list"),
        ("profiles = [\"p-web\"]", "until = 2030-01-01", "until: expected a date-time with an offset"),
        ("role = \"operator\"", "role = \"requester\"", "p-web requires approval, but nobody could decide"),
        ("to = \"group:outer\"", "to = \"group:none\"", "to: group:none: there is no [[group]]"),
        ("to = \"group:outer\"", "to = \"everybody\"", "to: `everybody`: expected person:NAME"),
        ("\"user:erin\"", "\"user:root\"", "members: `user:root`: root is nobody in particular"),
        ("\"user:erin\"", "\"uid:0\"", "root is nobody in particular"),
        ("\"user:erin\"", "\"group:outer\"", "members: the group contains itself"),
        (
            "members = [\"person:alice\", \"person:bob\"]",
            "members = [\"group:outer\", \"person:bob\"]",
            "the group contains itself, through",
        ),
        (
            "accounts = [\"bob\"]",
            "accounts = [\"alice\"]",
            "line 8: [[person]] bob: accounts: `alice` is an account of alice already",
        ),
        ("accounts = [\"bob\"]", "accounts = [\"root\"]", "root is nobody in particular"),
        ("accounts = [\"bob\"]", "accounts = [\"bob\", \"bob\"]", "`bob` is there twice"),
        ("accounts = [\"bob\"]", "accounts = [\"bob\"]\nemail = \"x\"", "email: expected one address"),
        ("accounts = [\"bob\"]", "accounts = [\"bob\"]\nkeys = [\"x\"]", "keys: a key is one line"),
        ("name = \"bob\"", "name = \"alice\"", "name: a second [[person]] of that name"),
        ("type = \"local-ca\"", "type = \"acme\"", "type: unknown variant `acme`"),
        ("type = \"local-ca\"", "type = \"exec\"", "command: an exec issuer needs a program by its absolute path"),
        ("type = \"local-ca\"", "type = \"exec\"\ncommand = [\"sign\"]", "command: an exec issuer needs"),
        (
            "type = \"local-ca\"",
            "type = \"exec\"\ncommand = [\"/sign\"]\ntimeout = \"601s\"",
            "line 39: [[issuer]] local-ca: timeout: 601s is not within 1s to 10m",
        ),
        ("type = \"local-ca\"", "type = \"local-ca\"\ncommand = [\"/sign\"]", "command: only an issuer of type exec"),
        (
            "id = \"rp-std\"",
            "id = \"rp-std\"\nrenewal_window_days = 0",
            "renewal_window_days: 0 is not within 1 to 365",
        ),
        ("id = \"rp-std\"", "id = \"rp-std\"\nmax_retries = 11", "max_retries: 11 is not within 0 to 10"),
        ("id = \"rp-std\"", "id = \"rp-std\"\nretry_interval_seconds = 59", "retry_interval_seconds: 59 is not"),
        ("id = \"rp-std\"", "id = \"rp-std\"\nalert_thresholds_days = [-1]", "alert_thresholds_days: -1 is not"),
        (
            "id = \"rp-std\"",
            "id = \"rp-std\"\nalert_severity_map = { \"366\" = \"warning\" }",
            "`366` is not a number of days",
        ),
        (
            "id = \"rp-std\"",
            "id = \"rp-std\"\nalert_channels = { warning = [\"Pigeon\"] }",
            "alert_channels: unknown variant `Pigeon`",
        ),
        ("version = 1", "version = 1\n[[role]]\nname = \"x\"", "[[role]] x: missing field `permissions`"),
        ("version = 1", "version = 1\n[[delegation]]\nto = \"x\"", "a delegation is no policy"),
        ("[[person]]", "[[person]", "line 3: "),
    ] {
        assert!(POLICY.contains(from), "{from}");
        let found = errors(&POLICY.replacen(from, to, 1));
        assert!(found.iter().any(|error| error.contains(expected)), "{to}: expected {expected:?}, found {found:#?}");
    }
}

#[test]
fn every_mistake_is_reported_and_none_that_follows_from_another() {
    let document = POLICY
        .replace("max_validity = \"90d\"", "max_validity = \"90x\"\ncolour = 1")
        .replace("accounts = [\"bob\"]", "accounts = [\"root\"]")
        .replace("id = \"rp-std\"", "id = \"rp-std\"\nmax_retries = 11");
    let found = errors(&document);
    assert_eq!(found.len(), 4, "{found:#?}");
}

#[test]
fn warnings_say_what_deserves_a_look() {
    for (from, to, expected) in [
        ("need = 1", "need = 2", "only 2 could decide, and what one of them submits"),
        ("role = \"requester\"", "role = \"auditor\"", "no grant lets anybody submit"),
        ("renewal_policy = \"rp-std\"", "ticket_pattern = \"SECOPS\"", "without ^ and $"),
        ("names = [\"*.corp.example\"]", "names = [\"*.example\"]", "whole top-level domain"),
        ("names = [\"*.corp.example\"]", "names = [\"10.0.0.0/8\"]", "no effect without allow_ip"),
        ("accounts = [\"bob\"]", "accounts = []", "a person without an account"),
        (
            "need = 1",
            "need = 1 }, { group = \"outer\", need = 1",
            "only 2 could decide, and what one of them submits could not be approved",
        ),
        (
            "renewal_policy = \"rp-std\"",
            "auto_approve_after = \"24h\"",
            "line 32: [[profile]] p-web: auto_approve_after: renewals with the same names",
        ),
    ] {
        assert!(POLICY.contains(from), "{from}");
        let (_, warnings) = Policy::parse(&POLICY.replacen(from, to, 1)).unwrap();
        assert!(warnings.iter().any(|warning| warning.contains(expected)), "{to}: {warnings:#?}");
    }
}

#[test]
fn what_unix_groups_may_add_is_a_warning_and_not_an_error() {
    let with_group = POLICY.replace("\"person:bob\"]", "\"unixgroup:ops\"]");
    let (policy, warnings) = Policy::parse(&with_group.replace("need = 1", "need = 2")).unwrap();
    assert!(warnings.iter().any(|warning| warning.contains("depends on unix groups")), "{warnings:#?}");
    assert!(policy.needs_unix_groups());
    assert_eq!(Policy::parse(&with_group).unwrap().1, Vec::<String>::new());
}

#[test]
fn hostile_documents_get_an_error_and_nothing_deceiving_in_it() {
    let deep = format!("version = 1\nx = {}", "[".repeat(100_000));
    let many = format!("version = 1\n{}", "[[person]]\nname = \"A\"\naccounts = []\n".repeat(1024));
    let chain: String =
        (0..255).map(|i| format!("[[group]]\nname = \"g{i}\"\nmembers = [\"group:g{}\"]\n", i + 1)).collect();
    let chain = format!("version = 1\n{chain}[[group]]\nname = \"g255\"\nmembers = [\"group:g0\"]\n");
    for document in [
        "",
        "\0",
        "version = 1\n\"\u{202e}x\" = 1",
        "version = 1\n[[person]]\nname = \"\\u001b[2J\"\naccounts = [\"\\u202e\"]",
        "version = 1\n[[person]]\nname = 1\naccounts = 2\nemail = 3\nkeys = 4\nx = 5",
        "version = 1\n[person]\nname = \"a\"",
        "version = 1\nperson = [1, 2]",
        &"x".repeat(MAX_DOCUMENT + 1),
        &deep,
        &many,
        &chain,
    ] {
        let found = errors(document);
        assert!(!found.is_empty() && found.len() <= 201);
        for error in &found {
            assert!(!error.chars().any(countersign_shared::text::is_deceiving), "{error:?}");
            assert!(error.chars().count() <= 401);
        }
    }
}

proptest::proptest! {
    #[test]
    fn a_document_with_anything_in_it_is_read_or_refused(at in 0..POLICY.len(), noise in "[\\[\\]{}\"=,a-z0-9\\n\u{202e}]{0,6}") {
        let mut document = POLICY.to_owned();
        if document.is_char_boundary(at) {
            document.insert_str(at, &noise);
        }
        for error in errors(&document) {
            proptest::prop_assert!(error.starts_with("line ") || error.starts_with("and "), "{error}");
            proptest::prop_assert!(!error.chars().any(countersign_shared::text::is_deceiving), "{error}");
        }
    }
}

#[test]
fn the_largest_documents_are_checked_in_bounded_time() {
    let mut document = "version = 1\n[[issuer]]\nid = \"ca\"\ntype = \"local-ca\"\n".to_owned();
    let members: Vec<String> = (0..1024).map(|i| format!("\"person:{i}\"")).collect();
    document += &format!("[[group]]\nname = \"all\"\nmembers = [{}]\n", members.join(","));
    for i in 0..1024 {
        document += &format!("[[person]]\nname = \"{i}\"\naccounts = [\"u{i}\"]\n");
    }
    for i in 0..512 {
        document += &format!("[[grant]]\nrole = \"operator\"\nto = \"group:all\"\nprofiles = [\"p-{}\"]\n", i % 256);
    }
    for i in 0..256 {
        document += &format!(
            "[[profile]]\nid = \"p-{i}\"\nname = \"x\"\nenvironment = \"e\"\nnames = [\".x.example\"]\nissuer = \"ca\"\n\
             requires_approval = true\nquorum = [{{ group = \"all\", need = 2 }}]\nkeys = [\"ed25519\"]\nmax_validity = \"1d\"\n"
        );
    }
    assert!(document.len() <= MAX_DOCUMENT);
    let began = std::time::Instant::now();
    let (policy, warnings) = Policy::parse(&document).unwrap();
    assert_eq!((policy.profiles().len(), warnings.len()), (256, 200), "nobody may submit");
    // A few seconds without optimisation; the bound is against growth with the product of all tables.
    assert!(began.elapsed().as_secs() < 60, "{:?}", began.elapsed());
}
