//! Who somebody is when `su` and `sudo` stand between the login and the call.

use countersign_shared::error::ErrorKind;
use countersign_shared::protocol::NoParams;
use countersign_shared::protocol::method::{DaemonWhoami, JobGet, RequestApprove, RequestReject, RequestSubmit};
use countersign_shared::protocol::{JobIdParams, Outcome};

use crate::support::{
    ALICE, ALICE_ADM, BOB, CAROL, Host, MALLORY, account, ask, can_be_people, on, policy, policy_with, skipped,
};

/// The overflow user: everybody whom the daemon's user namespace cannot name.
const OVERFLOW: u32 = 65_534;

pub fn can_have_logins() -> bool {
    let kept = std::path::Path::new("/proc/self/loginuid").exists();
    if !kept {
        skipped("this kernel keeps no login uid");
    }
    kept && can_be_people()
}

#[test]
fn a_decision_counts_only_in_ones_own_login_session() {
    if !can_have_logins() {
        return;
    }
    let host = Host::serving(&policy());
    let mut alice = host.user(ALICE);
    for (at, (login, uid, rule)) in [
        // alice, by `sudo -u bob`
        (ALICE, BOB, Some("login_mismatch")),
        (ALICE_ADM, BOB, Some("login_mismatch")),
        (CAROL, BOB, Some("login_mismatch")),
        (MALLORY, BOB, Some("login_mismatch")),
        (0, BOB, Some("login_mismatch")),
        (BOB, MALLORY, Some("login_mismatch")),
        // a root shell, whoever logged in to it
        (BOB, 0, Some("root_decides_nothing")),
        (0, 0, Some("root_decides_nothing")),
        // alice through her own other account
        (ALICE, ALICE_ADM, Some("requester_decides")),
        // themselves
        (BOB, BOB, None),
        (CAROL, CAROL, None),
    ]
    .into_iter()
    .enumerate()
    {
        let request = alice.request(&[&format!("web{at}.corp.example")]);
        let mut decider = host.user_by(login, uid);
        let whoami = decider.call::<DaemonWhoami>(&NoParams {});
        assert_eq!((whoami.uid, whoami.login_uid), (uid, Some(login)));
        let own = matches!(rule, None | Some("requester_decides"));
        assert_eq!(whoami.cannot_decide.is_none(), own, "{login} as {uid}: {whoami:?}");
        let Some(rule) = rule else {
            decider.approve(&request);
            assert_eq!(alice.wait(&request.id).outcome, Outcome::Issued);
            continue;
        };
        for error in [
            decider.refused::<RequestApprove>(&on(&request), ErrorKind::TwoPersonIntegrity),
            decider.refused::<RequestReject>(&on(&request), ErrorKind::TwoPersonIntegrity),
        ] {
            assert_eq!(error.data.rule.as_deref(), Some(rule), "{login} as {uid}: {error:?}");
            assert!(error.message.contains("two-person integrity"), "{error:?}");
            if rule == "login_mismatch" {
                assert_eq!(error.data.hint, format!("log in as {}", account(uid)), "{error:?}");
            }
        }
        let records = host.user(CAROL).records(&request.id);
        let last = records.last().unwrap();
        assert_eq!(last.action.as_str(), "approval_refused");
        assert_eq!((&last.details["uid"], &last.details["login_uid"]), (&uid.into(), &login.into()));
    }
    assert_eq!(host.value::<i64>("SELECT count(*) FROM decisions"), 2);
}

#[test]
fn a_request_made_through_somebody_elses_account_belongs_to_both() {
    if !can_have_logins() {
        return;
    }
    let host = Host::serving(&policy());
    // alice, by `sudo -u bob`, asks; neither of the two decides on it.
    let request = host.user_by(ALICE, BOB).request(&["web1.corp.example"]);
    for mut decider in [host.user(BOB), host.user_by(BOB, BOB), host.user(ALICE), host.user_by(ALICE, ALICE_ADM)] {
        let error = decider.refused::<RequestApprove>(&on(&request), ErrorKind::TwoPersonIntegrity);
        assert_eq!(error.data.rule.as_deref(), Some("requester_decides"), "{error:?}");
    }
    host.user_by(CAROL, CAROL).approve(&request);
}

#[test]
fn the_overflow_user_is_nobody_and_a_user_without_a_name_is_its_number() {
    if !can_be_people() {
        return;
    }
    let host = Host::serving(&policy().replace(&format!("uid:{MALLORY}"), &format!("uid:{OVERFLOW}")));
    let mut nobody = host.user(OVERFLOW);
    let error = nobody.refused::<DaemonWhoami>(&NoParams {}, ErrorKind::Forbidden);
    assert_eq!(error.data.rule.as_deref(), Some("peer_unmapped"), "{error:?}");
    let error = nobody.refused::<RequestSubmit>(&ask(&["web1.corp.example"]), ErrorKind::Forbidden);
    assert_eq!(error.data.rule.as_deref(), Some("peer_unmapped"), "{error:?}");
    let mut nameless = host.user(4_000_000_123);
    let whoami = nameless.call::<DaemonWhoami>(&NoParams {});
    assert_eq!((whoami.account.as_str(), whoami.person, whoami.roles.len()), ("uid:4000000123", None, 0));
    nameless.refused::<RequestSubmit>(&ask(&["web1.corp.example"]), ErrorKind::Forbidden);
    nameless.refused::<JobGet>(&JobIdParams { id: "job-00000000000000".parse().unwrap() }, ErrorKind::Forbidden);
}

#[test]
fn a_profile_can_demand_a_login_session() {
    if !can_have_logins() {
        return;
    }
    let host = Host::serving(&policy_with(1, "require_login_session = true", ""));
    let error = host.user(ALICE).refused::<RequestSubmit>(&ask(&["web1.corp.example"]), ErrorKind::Forbidden);
    assert_eq!(error.data.rule.as_deref(), Some("login_required"), "{error:?}");
    let request = host.user_by(ALICE, ALICE).request(&["web1.corp.example"]);
    let error = host.user(BOB).refused::<RequestApprove>(&on(&request), ErrorKind::Forbidden);
    assert_eq!(error.data.rule.as_deref(), Some("login_required"), "{error:?}");
    host.user_by(BOB, BOB).approve(&request);
}

/// Accounts that every Debian has: the policy names people's accounts by name, as real ones do.
#[test]
fn a_human_behind_a_service_account_decides_through_none_of_their_own() {
    const GAMES: u32 = 5;
    const MAN: u32 = 6;
    const MAIL: u32 = 8;
    const NEWS: u32 = 9;
    if !can_have_logins() {
        return;
    }
    if [GAMES, MAN, MAIL, NEWS].map(account) != ["games", "man", "mail", "news"] {
        return skipped("the system accounts games, man, mail and news have other numbers here");
    }
    let named = policy()
        .replace(&format!("\"uid:{ALICE}\", \"uid:{ALICE_ADM}\""), "\"games\", \"man\"")
        .replace(&format!("\"uid:{BOB}\""), "\"mail\"")
        .replacen("[[grant]]", "[[grant]]\nrole = \"requester\"\nto = \"user:news\"\n[[grant]]", 1);
    let host = Host::serving(&named);
    // alice, logged in as games, asks by `sudo -u news`, an account of nobody in the policy.
    let request = host.user_by(GAMES, NEWS).request(&["web1.corp.example"]);
    for mut decider in [host.user(GAMES), host.user_by(GAMES, GAMES), host.user(MAN), host.user_by(MAN, MAN)] {
        let error = decider.refused::<RequestApprove>(&on(&request), ErrorKind::TwoPersonIntegrity);
        assert_eq!(error.data.rule.as_deref(), Some("requester_decides"), "{error:?}");
        assert_eq!(error.data.hint, "could decide instead: bob, carol");
    }
    host.user(MAIL).approve(&request);
}
