//! Certificates that the daemon finds by itself: in files, keystores and on listeners.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use countersign_shared::error::ErrorKind;
use countersign_shared::protocol::method::{
    AlertList, AuditVerify, CertificateGet, CertificateList, CertificateRetire,
};
use countersign_shared::protocol::{
    AuditAction, CertificateIdParams, CertificateSource, FoundBy, FoundCertificate, InventoryStatus, ListAlertsParams,
    ListCertificatesParams, NoParams, RetireParams, RetireReason,
};
use nix::sys::signal::Signal;

use crate::support::{ALICE, BOB, CAROL, Caller, DAVE, Host, can_be_people, policy, skipped, until};

/// True where there is an openssl to make files with.
pub fn possible() -> bool {
    let openssl = Command::new("openssl").arg("version").output().is_ok();
    if !openssl {
        skipped("openssl is not installed");
    }
    openssl && can_be_people()
}

/// A host, and files that its daemon is to look at below `certs`.
pub struct Found {
    pub host: Host,
}

impl Found {
    /// Not started yet; `more` stands in the table `[inventory]`.
    pub fn prepared(more: &str) -> Self {
        let found = Self { host: Host::prepared(&policy()) };
        std::fs::create_dir(found.host.path("certs")).unwrap();
        found.configure(&format!("paths = [{:?}]\n{more}", found.host.path("certs")));
        found
    }

    pub fn configure(&self, table: &str) {
        std::fs::write(self.host.path("countersign.toml"), format!("[inventory]\n{table}\n")).unwrap();
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.host.path("certs").join(name)
    }

    pub fn openssl(&self, arguments: &str) {
        let output = Command::new("openssl")
            .args(arguments.split_ascii_whitespace())
            .current_dir(self.host.path("certs"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// Makes `NAME.pem` for a name, valid for so many days, with its key outside of what is looked at.
    pub fn certificate(&self, name: &str, dns: &str, days: u32) {
        self.openssl(&format!(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days {days} -subj /CN={dns} -addext \
             subjectAltName=DNS:{dns} -addext basicConstraints=CA:FALSE -keyout ../{name}.key -out {name}.pem"
        ));
    }

    /// Waits for the end of this scan.
    pub fn scanned(&self, number: i64) {
        until("the scan has ended", || {
            let sql = "SELECT coalesce(max(number), 0) FROM inventory_scans WHERE ended_at IS NOT NULL";
            self.host.database().exists() && self.host.value::<i64>(sql) >= number
        });
    }

    /// Looks anew: a reload with another span is no other plan, so the plan is what changes.
    pub fn again(&self, number: i64) {
        let flip = format!("listeners = [\"127.0.0.1:{}\"]", 1 + number % 2);
        self.configure(&format!("paths = [{:?}]\n{flip}", self.host.path("certs")));
        self.host.signal(Signal::SIGHUP);
        self.scanned(number);
    }

    pub fn watched(&self) -> i64 {
        self.host.value("SELECT count(*) FROM expiry_watch")
    }
}

pub fn found(caller: &mut Caller) -> Vec<FoundCertificate> {
    let params = ListCertificatesParams { source: Some(CertificateSource::Found), ..Default::default() };
    caller.call::<CertificateList>(&params).found
}

fn inventory(host: &Host) -> InventoryStatus {
    host.oneself().status().inventory.unwrap()
}

#[test]
fn files_of_every_form_are_found_with_their_places_and_watched() {
    if !possible() {
        return;
    }
    let mut found = Found::prepared("[[inventory.keystore]]\npath = \"KEYSTORE\"\npassword_file = \"PASSWORD\"");
    found.certificate("web", "web.corp.example", 90);
    found.certificate("api", "api.corp.example", 5);
    found.openssl("x509 -in web.pem -outform DER -out web.der");
    found.openssl("pkcs12 -export -in api.pem -inkey ../api.key -out api.p12 -passout pass:s3cret");
    found.openssl("pkcs12 -export -in api.pem -inkey ../api.key -out locked.p12 -passout pass:other");
    std::fs::write(found.path("garbage.pem"), "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
        .unwrap();
    std::os::unix::fs::symlink(found.path("."), found.path("loop")).unwrap();
    nix::unistd::mkfifo(&found.path("pipe.pem"), nix::sys::stat::Mode::from_bits_truncate(0o600)).unwrap();
    std::fs::write(found.host.path("password"), "s3cret\n").unwrap();
    std::fs::set_permissions(found.host.path("password"), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let text = std::fs::read_to_string(found.host.path("countersign.toml")).unwrap();
    let text = text
        .replace("KEYSTORE", found.path("api.p12").to_str().unwrap())
        .replace("PASSWORD", found.host.path("password").to_str().unwrap());
    std::fs::write(found.host.path("countersign.toml"), text).unwrap();
    found.host.start();
    found.scanned(1);

    let mut carol = found.host.user(CAROL);
    let mut list = self::found(&mut carol);
    list.sort_by_key(|found| found.days_left);
    let [api, web] = &list[..] else { panic!("{list:?}") };
    assert_eq!((api.primary_name.raw(), web.primary_name.raw()), ("api.corp.example", "web.corp.example"));
    assert!((4..=5).contains(&api.days_left) && api.watched && api.there);
    assert_eq!((api.places_total, web.places_total), (2, 2));
    assert!(web.places[0].place.raw().ends_with("/certs/web.der"), "{:?}", web.places);
    assert_eq!((web.source, web.key.as_str(), web.issuer.raw()), (FoundBy::Scan, "ecdsa-p256", "CN=web.corp.example"));
    assert_eq!(web.owner.as_ref().unwrap().uid, 0);
    assert_eq!(found.watched(), 2);
    // Nothing is found by a filter that it does not pass.
    let soon = |days, source| {
        let params = ListCertificatesParams { source, expires_within: Some(days), ..Default::default() };
        found.host.user(CAROL).call::<CertificateList>(&params).found.len()
    };
    assert_eq!(
        (soon(30, Some(CertificateSource::Found)), soon(2, Some(CertificateSource::All)), soon(30, None)),
        (1, 0, 0)
    );

    let detail = carol.call::<CertificateGet>(&CertificateIdParams { id: web.id.clone() });
    assert_eq!((detail.found.as_ref(), detail.certificate), (Some(web), None));
    assert!(detail.chain_pem.unwrap().starts_with("-----BEGIN CERTIFICATE-----\n"));
    let record = &found.host.user(DAVE).records(&web.id)[0];
    assert_eq!((record.action, record.actor.as_str()), (AuditAction::CertificateImported, "system-scheduler"));
    assert_eq!(record.details["sha256"], web.sha256.to_string());

    // They belong to no profile: whoever reads every profile reads them, and an auditor reads none.
    assert_eq!(self::found(&mut found.host.user(ALICE)).len(), 2);
    let all = ListCertificatesParams { source: Some(CertificateSource::All), ..Default::default() };
    found.host.user(DAVE).refused::<CertificateList>(&all, ErrorKind::Forbidden);

    let status = inventory(&found.host);
    assert_eq!((status.scans, status.found, status.watched), (1, 2, 2));
    let metrics = carol.metrics();
    for problem in ["needs_password", "unreadable", "special"] {
        let line = format!("countersign_inventory_findings{{problem=\"{problem}\"}} 1");
        assert!(metrics.contains(&line), "{line}\n{metrics}");
    }
    assert!(status.problems >= 3);
    assert!(found.host.user(DAVE).call::<AuditVerify>(&NoParams {}).intact);
    // A start on what is there finds everything in order, and what was taken away beside the daemon is missed.
    found.host.stop();
    found.host.start();
    assert_eq!(found.host.oneself().status().damage, None);
    found.host.stop();
    found.host.tamper("DELETE FROM expiry_watch; DELETE FROM found_certificates WHERE row = 2");
    found.host.start();
    let damage = found.host.oneself().status().damage.unwrap();
    assert!(damage.text.contains("was recorded as found and is there no more"), "{damage:?}");
}

#[test]
fn keystores_of_java_are_found_under_their_aliases() {
    if !possible() {
        return;
    }
    if Command::new("keytool").arg("-help").output().is_err() {
        return skipped("keytool is not installed: keystores of Java are not looked at");
    }
    let mut found = Found::prepared("[[inventory.keystore]]\npath = \"KEYSTORE\"\npassword_file = \"PASSWORD\"");
    found.certificate("web", "web.corp.example", 90);
    found.certificate("api", "api.corp.example", 5);
    found.openssl("pkcs12 -export -in web.pem -inkey ../web.key -name web -out ../web.p12 -passout pass:s3cret");
    let keytool = |arguments: &str| {
        let output = Command::new("keytool")
            .args(arguments.split_ascii_whitespace())
            .current_dir(found.host.path("certs"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stdout));
    };
    for kind in ["JKS", "JCEKS"] {
        let store = format!("-noprompt -keystore {kind}.jks");
        keytool(&format!("-importcert -alias trusted -file api.pem -storetype {kind} -storepass s3cret {store}"));
        keytool(&format!(
            "-importkeystore -srckeystore ../web.p12 -srcstoretype PKCS12 -srcstorepass s3cret -destkeystore {kind}.jks \
             -deststoretype {kind} -deststorepass s3cret -noprompt"
        ));
    }
    std::fs::remove_file(found.path("web.pem")).unwrap();
    std::fs::remove_file(found.path("api.pem")).unwrap();
    // Half a keystore is said to be one.
    let whole = std::fs::read(found.path("JKS.jks")).unwrap();
    std::fs::write(found.path("half.jks"), &whole[..whole.len() / 2]).unwrap();
    // The certificates are in clear; a password that does not fit is said.
    std::fs::write(found.host.path("password"), "other\n").unwrap();
    std::fs::set_permissions(found.host.path("password"), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let text = std::fs::read_to_string(found.host.path("countersign.toml")).unwrap();
    let text = text
        .replace("KEYSTORE", found.path("JCEKS.jks").to_str().unwrap())
        .replace("PASSWORD", found.host.path("password").to_str().unwrap());
    std::fs::write(found.host.path("countersign.toml"), text).unwrap();
    found.host.start();
    found.scanned(1);
    let mut list = self::found(&mut found.host.user(CAROL));
    list.sort_by_key(|found| found.days_left);
    let [api, web] = &list[..] else { panic!("{list:?}") };
    assert_eq!((api.primary_name.raw(), web.primary_name.raw()), ("api.corp.example", "web.corp.example"));
    for (certificate, alias) in [(api, "trusted"), (web, "web")] {
        let places: Vec<_> = certificate
            .places
            .iter()
            .filter(|place| !place.place.raw().ends_with("half.jks"))
            .map(|place| place.alias.as_ref().unwrap().raw())
            .collect();
        assert_eq!(places, [alias, alias]);
    }
    let metrics = found.host.user(CAROL).metrics();
    for problem in ["wrong_password", "unreadable"] {
        assert!(metrics.contains(&format!("countersign_inventory_findings{{problem=\"{problem}\"}} 1")), "{metrics}");
    }
}

#[test]
fn what_was_changed_among_what_was_found_is_damage() {
    if !possible() {
        return;
    }
    for (sql, what) in [
        ("UPDATE found_certificates SET watched = 0; DELETE FROM expiry_watch", None),
        ("DELETE FROM expiry_watch", Some("is not watched as it stands")),
        (
            "UPDATE expiry_watch SET not_after = '2999-01-01T00:00:00.000Z', version = version + 1",
            Some("is not watched"),
        ),
        ("UPDATE found_certificates SET usable_until = '2999-01-01T00:00:00.000Z', version = 2", Some("does not end")),
        ("UPDATE inventory_certificates SET not_after = '2999-01-01T00:00:00.000Z'", Some("does not end")),
        ("UPDATE inventory_certificates SET der = x'3000'", Some("is another certificate")),
        ("UPDATE found_certificates SET owner_uid = 4711, owner_account = 'mallory'", Some("or belong")),
    ] {
        let mut found = Found::prepared("");
        found.certificate("web", "web.corp.example", 90);
        found.host.start();
        found.scanned(1);
        found.host.stop();
        found.host.tamper(sql);
        found.host.start();
        let damage = found.host.oneself().status().damage;
        match what {
            Some(what) => {
                assert!(damage.as_ref().is_some_and(|damage| damage.text.contains(what)), "{sql}: {damage:?}")
            }
            None => assert_eq!(damage, None, "{sql}"),
        }
    }
}

#[test]
fn a_replaced_file_moves_the_watch_and_a_deleted_one_ends_it() {
    if !possible() {
        return;
    }
    let mut found = Found::prepared("");
    found.certificate("web", "web.corp.example", 20);
    std::fs::copy(found.path("web.pem"), found.path("copy.pem")).unwrap();
    found.host.start();
    found.scanned(1);
    let first = self::found(&mut found.host.user(CAROL)).remove(0);
    assert_eq!(first.places_total, 2, "a duplicate is one certificate at two places");

    found.certificate("web", "web.corp.example", 200);
    found.again(2);
    let list = self::found(&mut found.host.user(CAROL));
    assert_eq!(list.len(), 2, "the copy is still listed");
    let get = |id: &countersign_shared::id::CertificateId| {
        let params = CertificateIdParams { id: id.clone() };
        found.host.user(CAROL).call::<CertificateGet>(&params).found.unwrap()
    };
    let (old, new) = (get(&first.id), &list[0]);
    assert_eq!(old.successor.as_ref().unwrap().id.as_ref(), Some(&new.id));
    assert_eq!((old.watched, new.watched, found.watched()), (false, true, 1));

    std::fs::remove_file(found.path("web.pem")).unwrap();
    std::fs::remove_file(found.path("copy.pem")).unwrap();
    found.again(3);
    assert_eq!(self::found(&mut found.host.user(CAROL)), []);
    assert_eq!(found.watched(), 0);
    let gone = get(&new.id);
    assert!(!gone.there && gone.places_total == 1, "{gone:?}");

    // What is looked at no longer is left out.
    found.certificate("web", "web.corp.example", 20);
    found.again(4);
    assert_eq!(found.watched(), 1);
    found.configure("");
    found.host.signal(Signal::SIGHUP);
    found.scanned(5);
    assert_eq!(found.watched(), 0);
}

#[test]
fn wrong_settings_are_refused_with_their_field_at_the_start_and_by_a_reload() {
    if !possible() {
        return;
    }
    let mut found = Found::prepared("every = \"1m\"");
    let refused = found.host.refusal();
    assert!(refused.contains("inventory.every: `1m`: 5m to 30d"), "{refused}");
    found.configure(&format!("paths = [{:?}]", found.host.path("certs")));
    found.host.start();
    found.scanned(1);
    found.configure("paths = [\"certs\"]");
    found.host.signal(Signal::SIGHUP);
    until("the reload is refused", || found.host.log().contains("inventory.paths: `certs`: an absolute path"));
    assert_eq!(found.host.value::<i64>("SELECT number FROM inventory_scans"), 1);
    let params = ListCertificatesParams {
        source: Some(CertificateSource::Found),
        cursor: Some("5".into()),
        ..Default::default()
    };
    found.host.user(CAROL).refused::<CertificateList>(&params, ErrorKind::Invalid);
}

/// A TLS server that presents what stands in these files.
pub struct Server(Child);

impl Server {
    pub fn start(found: &Found, port: u16, name: &str) -> Self {
        let child = Command::new("openssl")
            .args(["s_server", "-quiet", "-accept", &format!("127.0.0.1:{port}"), "-cert"])
            .arg(found.path(&format!("{name}.pem")))
            .arg("-key")
            .arg(found.host.path(&format!("{name}.key")))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        until("the server listens", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
        Self(child)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A port that is free now.
pub fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn a_service_that_was_not_reloaded_goes_on_being_watched() {
    if !possible() {
        return;
    }
    let mut found = Found::prepared("");
    let port = free_port();
    // Another plan each time, so that it is looked at anew.
    let look_at = |found: &Found, number: i64| {
        let paths = format!("paths = [{:?}, \"/nonexistent/{number}\"]", found.host.path("certs"));
        found.configure(&format!("{paths}\nlisteners = [\"127.0.0.1:{port}\"]"));
    };
    look_at(&found, 1);
    found.certificate("web", "web.corp.example", 20);
    let server = Server::start(&found, port, "web");
    found.host.start();
    found.scanned(1);
    let first = self::found(&mut found.host.user(CAROL)).remove(0);
    assert_eq!(first.places_total, 2, "{:?}", first.places);

    // The file is renewed; the service presents what it has.
    found.certificate("web", "web.corp.example", 200);
    look_at(&found, 2);
    found.host.signal(Signal::SIGHUP);
    found.scanned(2);
    let list = self::found(&mut found.host.user(CAROL));
    assert_eq!(list.iter().filter(|found| found.watched).count(), 2, "{list:?}");

    // Now it is reloaded.
    drop(server);
    let _server = Server::start(&found, port, "web");
    look_at(&found, 3);
    found.host.signal(Signal::SIGHUP);
    found.scanned(3);
    let list = self::found(&mut found.host.user(CAROL));
    assert_eq!((list.len(), found.watched()), (1, 1));
    assert_ne!(list[0].id, first.id);
}

#[test]
fn what_was_found_is_named_in_messages_and_an_admin_retires_it_after_its_end() {
    if !possible() {
        return;
    }
    let mut found = Found::prepared("");
    found.certificate("web", "web.corp.example", 5);
    found.host.start();
    found.scanned(1);
    let id = self::found(&mut found.host.user(CAROL)).remove(0).id;
    let about = ListAlertsParams { certificate: Some(id.clone()), ..ListAlertsParams::default() };
    until("its end is told", || !found.host.user(CAROL).call::<AlertList>(&about).alerts.is_empty());
    let named = ListAlertsParams { text: Some("web.corp".into()), ..about };
    let alerts = found.host.user(CAROL).call::<AlertList>(&named).alerts;
    let name = alerts[0].name.as_ref().map(|name| name.raw().to_owned());
    assert_eq!(name.as_deref(), Some("web.corp.example"), "{alerts:?}");

    let params = RetireParams { certificate_id: id, reason: RetireReason::Unused };
    // Somebody who sees it is not told that it is not there.
    let error = found.host.user(BOB).refused::<CertificateRetire>(&params, ErrorKind::Forbidden);
    assert!(error.message.contains("was found here"), "{error:?}");
    let error = found.host.user(CAROL).refused::<CertificateRetire>(&params, ErrorKind::Conflict);
    assert_eq!(error.data.rule.as_deref(), Some("not_expired"));
    assert!(!error.data.hint.contains("revoke"), "what was not issued here is not revoked here: {error:?}");
}

#[test]
fn what_was_found_and_has_ended_is_retired_for_good() {
    if !possible() {
        return;
    }
    let mut found = Found::prepared("");
    ended(&found, "old", "old.corp.example");
    found.certificate("web", "web.corp.example", 5);
    found.host.start();
    found.scanned(1);
    assert_eq!(found.watched(), 2);
    let of = |found: &Found, name: &str| {
        let all = self::found(&mut found.host.user(CAROL));
        all.into_iter().find(|found| found.primary_name.raw() == name).unwrap()
    };
    let old = of(&found, "old.corp.example");
    assert!(old.watched && old.days_left < 0, "{old:?}");
    let params = RetireParams { certificate_id: old.id.clone(), reason: RetireReason::Unused };
    found.host.user(CAROL).call::<CertificateRetire>(&params);
    assert!(!of(&found, "old.corp.example").watched);
    found.host.user(CAROL).refused::<CertificateRetire>(&params, ErrorKind::Conflict);
    found.host.stop();
    found.host.start();
    assert_eq!(found.host.oneself().status().damage, None);
    // It still stands there, and nobody looks after it.
    found.again(2);
    let seen = of(&found, "old.corp.example");
    assert!(seen.there && !seen.watched && found.watched() == 1, "{seen:?}");
    // Gone and back again, it is the same that nobody looks after.
    std::fs::rename(found.path("old.pem"), found.host.path("old.pem")).unwrap();
    found.again(3);
    std::fs::rename(found.host.path("old.pem"), found.path("old.pem")).unwrap();
    found.again(4);
    let seen = of(&found, "old.corp.example");
    assert!(seen.there && !seen.watched && found.watched() == 1, "{seen:?}");
    found.host.stop();
    // Nobody takes a watch off by saying that it was retired.
    found.host.tamper("UPDATE found_certificates SET watched = 0, retired = version; DELETE FROM expiry_watch");
    found.host.start();
    let damage = found.host.oneself().status().damage.expect("it is damage");
    assert!(damage.text.contains("retired"), "{damage:?}");
}

/// Makes `NAME.pem` for a name that ended long ago.
fn ended(found: &Found, name: &str, dns: &str) {
    let mut params = rcgen::CertificateParams::new(vec![dns.to_owned()]).unwrap();
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2021, 1, 1);
    params.distinguished_name.push(rcgen::DnType::CommonName, dns);
    let key = rcgen::KeyPair::generate().unwrap();
    std::fs::write(found.path(&format!("{name}.pem")), params.self_signed(&key).unwrap().pem()).unwrap();
}
