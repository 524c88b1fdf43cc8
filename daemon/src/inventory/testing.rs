//! Certificates and containers made by OpenSSL and, where it is installed, keytool.

use std::path::{Path, PathBuf};
use std::process::Command;

use countersign_shared::time::Timestamp;

/// A directory with an authority (`ca.pem`), an intermediate (`sub.pem`) and a leaf under it (`leaf.pem`, key in
/// `leaf.key`, both with what leads up in `bundle.pem`).
pub(crate) struct Pki {
    pub directory: tempfile::TempDir,
}

impl Pki {
    pub fn new() -> Self {
        let pki = Self { directory: tempfile::tempdir().unwrap() };
        let new = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650";
        pki.openssl(&format!("{new} -subj /CN=Root -keyout ca.key -out ca.pem"));
        let ca = "-addext basicConstraints=critical,CA:TRUE";
        pki.openssl(&format!("{new} -subj /CN=Sub -keyout sub.key -out sub.pem -CA ca.pem -CAkey ca.key {ca}"));
        pki.leaf("leaf", "www.corp.example", 90);
        let all: String = ["leaf.pem", "sub.pem", "ca.pem"].map(|name| pki.text(name)).concat();
        pki.write("bundle.pem", all);
        pki
    }

    /// Makes `NAME.key` and `NAME.pem`.
    pub fn leaf(&self, name: &str, dns: &str, days: u32) {
        let new = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
        self.openssl(&format!(
            "{new} -days {days} -subj /CN={dns} -addext subjectAltName=DNS:{dns} -addext basicConstraints=CA:FALSE \
             -keyout {name}.key -out {name}.pem -CA sub.pem -CAkey sub.key"
        ));
    }

    pub fn openssl(&self, arguments: &str) {
        self.run("openssl", arguments);
    }

    pub fn run(&self, program: &str, arguments: &str) {
        let output = Command::new(program)
            .args(arguments.split_ascii_whitespace().map(|argument| if argument == "''" { "" } else { argument }))
            .current_dir(self.directory.path())
            .output()
            .unwrap_or_else(|error| panic!("{program} has to be installed: {error}"));
        assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn bytes(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }

    pub fn text(&self, name: &str) -> String {
        String::from_utf8(self.bytes(name)).unwrap()
    }

    pub fn write(&self, name: &str, octets: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), octets).unwrap();
    }
}

/// 2027-01-15T08:00:00Z
pub(super) fn now() -> Timestamp {
    Timestamp::from_unix_millis(1_800_000_000_000).unwrap()
}

/// A file below a directory as the text of its place.
pub(super) fn place(directory: &Path, name: &str) -> String {
    super::Place::File(directory.join(name)).to_string()
}
