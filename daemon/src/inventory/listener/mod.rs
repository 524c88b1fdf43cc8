//! What TLS listeners of this host present, read and not trusted.
//!
//! The handshake ends where the certificates have come: nothing is verified, no key is agreed on, no octet of the
//! application is sent. The listener sees a client that did not like its certificate, once a scan.

mod kernel;
mod verifier;

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};

pub use self::kernel::{Listening, listening, listening_now};
use self::verifier::Recorder;
use super::{Limits, Place, Problem};

/// A listener to look at.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Target {
    /// Where it listens.
    pub address: SocketAddr,
    /// Which name to ask for (RFC 6066 §3); without one it shows what it shows to those who ask for none.
    pub server_name: Option<String>,
}

impl Target {
    /// The place that this is.
    pub fn place(&self) -> Place {
        Place::Listener(self.address, self.server_name.clone())
    }
}

/// What to look at without being told: sockets that listen on a loopback address or on all addresses, the latter
/// through loopback; and those that are left, which have to be listed.
///
/// `except` are ports that are not touched.
pub fn discovered(sockets: &[Listening], except: &[u16]) -> (Vec<Target>, Vec<SocketAddr>) {
    let (mut near, mut not_listed) = (Vec::new(), Vec::new());
    for socket in sockets.iter().filter(|socket| !except.contains(&socket.address.port())) {
        match loopback(socket.address) {
            Some(address) => near.push(Target { address, server_name: None }),
            None => not_listed.push(socket.address),
        }
    }
    near.sort();
    near.dedup();
    not_listed.sort();
    not_listed.dedup();
    (near, not_listed)
}

/// The loopback address by which a socket can be reached.
fn loopback(address: SocketAddr) -> Option<SocketAddr> {
    let ip = address.ip().to_canonical();
    if ip.is_loopback() {
        return Some(SocketAddr::new(ip, address.port()));
    }
    let near = match address {
        SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
        SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
    };
    address.ip().is_unspecified().then_some(SocketAddr::new(near, address.port()))
}

/// Connects and reads the certificates in the order in which they are presented, as DER.
///
/// `until` bounds it beside [`Limits::listener_time`] and [`Limits::listener_size`]. TLS 1.2 and 1.3 are spoken, with
/// the key exchanges of today; protocols that begin in clear (STARTTLS) are not.
pub fn probe(target: &Target, limits: &Limits, until: Instant) -> Result<Vec<Vec<u8>>, Problem> {
    let now = Instant::now();
    let until = now.checked_add(limits.listener_time).map_or(until, |end| end.min(until));
    let left = until.saturating_duration_since(now);
    if left.is_zero() {
        return Err(Problem::OutOfTime);
    }
    let name = match &target.server_name {
        None => ServerName::IpAddress(target.address.ip().into()),
        Some(name) => ServerName::try_from(name.clone())
            .map_err(|_| Problem::Failed("the server name to ask for is not a DNS name".to_owned()))?,
    };
    let recorder = Arc::new(Recorder::default());
    let unusable = |error: rustls::Error| Problem::Failed(format!("TLS cannot be spoken: {error}"));
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(unusable)?
        .dangerous()
        .with_custom_certificate_verifier(recorder.clone())
        .with_no_client_auth();
    let mut connection = ClientConnection::new(Arc::new(config), name).map_err(unusable)?;
    let stream = TcpStream::connect_timeout(&target.address, left).map_err(|error| problem(&error))?;
    let mut stream = Bounded { stream, until, left: limits.listener_size };
    let ended = connection.complete_io(&mut stream);
    let chain = recorder.taken();
    if !chain.is_empty() {
        return Ok(chain);
    }
    match ended {
        Ok(_) => Err(Problem::NotTls("it has none".to_owned())),
        Err(error) => Err(problem(&error)),
    }
}

fn problem(error: &io::Error) -> Problem {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    if let Some(tls) = tls {
        return Problem::NotTls(match tls {
            rustls::Error::InvalidMessage(_) => "it does not speak TLS".to_owned(),
            rustls::Error::AlertReceived(alert) => format!("it ended the handshake with the alert {alert:?}"),
            rustls::Error::PeerIncompatible(_) => {
                "it speaks no version of TLS, or no key exchange, that is spoken here (TLS 1.2 with ECDHE, TLS 1.3)"
                    .to_owned()
            }
            _ => "it broke the rules of TLS".to_owned(),
        });
    }
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Problem::Refused,
        io::ErrorKind::TimedOut => Problem::NoAnswer,
        io::ErrorKind::PermissionDenied => Problem::PermissionDenied,
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
            Problem::NotTls("it closed the connection".to_owned())
        }
        io::ErrorKind::FileTooLarge => Problem::NotTls("it sends more than a handshake".to_owned()),
        _ => {
            let why =
                error.raw_os_error().map_or("it cannot be reached", |code| nix::errno::Errno::from_raw(code).desc());
            Problem::Failed(format!("it cannot be reached: {why}"))
        }
    }
}

/// A connection that ends at a time and after so many octets, however slowly they come.
struct Bounded {
    stream: TcpStream,
    until: Instant,
    left: usize,
}

impl Bounded {
    fn time(&self) -> io::Result<Duration> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
    }
}

/// A socket's time limit shows as "would block", which a handshake takes for a reason to come back later.
fn timed_out(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::WouldBlock { io::ErrorKind::TimedOut.into() } else { error }
}

impl Read for Bounded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.stream.set_read_timeout(Some(self.time()?))?;
        let most = buffer.len().min(self.left);
        let count = self.stream.read(&mut buffer[..most]).map_err(timed_out)?;
        self.left -= count;
        Ok(count)
    }
}

impl Write for Bounded {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(Some(self.time()?))?;
        self.stream.write(octets).map_err(timed_out)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}
