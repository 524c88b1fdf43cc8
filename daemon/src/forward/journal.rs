//! The journal, in its own protocol: an entry is a datagram of fields (systemd, "Native Journal Protocol").

use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::Duration;

use super::Forwarded;

/// How long the journal may take for one entry before it is tried again.
const PATIENCE: Duration = Duration::from_secs(10);

/// See the module.
pub struct Journal(UnixDatagram);

impl Journal {
    /// Connects to the journal's socket.
    pub fn connect(socket: &Path) -> io::Result<Self> {
        let datagrams = UnixDatagram::unbound()?;
        datagrams
            .connect(socket)
            .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", socket.display())))?;
        datagrams.set_write_timeout(Some(PATIENCE))?;
        Ok(Self(datagrams))
    }

    /// Sends an entry for each record; the journal's taking it is all that can be known.
    pub fn write(&mut self, records: &[Forwarded]) -> io::Result<()> {
        records.iter().try_for_each(|record| self.0.send(&entry(record)).map(drop))
    }
}

/// The fields of an entry. A line has no line feed, so that every value stands on one line.
fn entry(record: &Forwarded) -> Vec<u8> {
    let (seq, hash) = (record.seq, record.hash);
    format!(
        "SYSLOG_IDENTIFIER=countersign-ledger\nPRIORITY=6\nCOUNTERSIGN_SEQ={seq}\nCOUNTERSIGN_SHA256={hash}\nMESSAGE={}\n",
        record.line.get()
    )
    .into_bytes()
}
