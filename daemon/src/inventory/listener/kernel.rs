//! Which TCP sockets listen, from the kernel's tables `/proc/net/tcp` and `/proc/net/tcp6` (proc_pid_net(5)).

use std::fs::File;
use std::io::{self, Read as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The most octets of one table; a host with more sockets than this holds is told so by an error.
const MAX_TABLE: u64 = 16 << 20;

/// A socket that listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Listening {
    /// On which address.
    pub address: SocketAddr,
    /// The uid of whoever made it.
    pub uid: u32,
}

/// The sockets that listen now in the daemon's network namespace.
pub fn listening_now() -> io::Result<Vec<Listening>> {
    let mut sockets = Vec::new();
    for path in ["/proc/net/tcp", "/proc/net/tcp6"] {
        let file = match File::open(path) {
            // A kernel without IPv6.
            Err(error) if error.kind() == io::ErrorKind::NotFound && path.ends_with('6') => continue,
            file => file?,
        };
        let mut table = String::new();
        file.take(MAX_TABLE + 1).read_to_string(&mut table)?;
        if table.len() as u64 > MAX_TABLE {
            return Err(io::Error::other("the kernel's table of sockets is too long"));
        }
        sockets.extend(listening(&table));
    }
    Ok(sockets)
}

/// The listening sockets of a table. Lines that are not as the kernel writes them are none.
pub fn listening(table: &str) -> Vec<Listening> {
    table.lines().filter_map(socket).collect()
}

fn socket(line: &str) -> Option<Listening> {
    const LISTEN: &str = "0A";
    let mut fields = line.split_ascii_whitespace();
    let (address, port) = fields.nth(1)?.split_once(':')?;
    let state = fields.nth(1)?;
    // Queues, timer, retransmissions stand before the uid.
    let uid = fields.nth(3)?.parse().ok()?;
    let port = u16::from_str_radix(port, 16).ok()?;
    (state == LISTEN).then_some(Listening { address: SocketAddr::new(ip(address)?, port), uid })
}

/// Words of 32 bits, each as the host's processor holds it.
fn ip(raw: &str) -> Option<IpAddr> {
    let word = |raw: &str| u32::from_str_radix(raw, 16).ok().map(u32::to_ne_bytes);
    match raw.len() {
        8 => word(raw).map(|octets| Ipv4Addr::from(octets).into()),
        32 => {
            let mut octets = [0; 16];
            for (place, start) in octets.chunks_exact_mut(4).zip((0..32).step_by(8)) {
                place.copy_from_slice(&word(raw.get(start..start + 8)?)?);
            }
            Some(Ipv6Addr::from(octets).into())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[cfg(target_endian = "little")]
    #[test]
    fn the_kernels_table() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 12345 1 0 100 0 0 10 0
   1: 00000000:01BB 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 12346 1 0 100 0 0 10 0
   2: 0100007F:1F90 0100007F:C350 01 00000000:00000000 00:00000000 00000000  1000        0 12347 1 0 100 0 0 10 0
   3: 00000000000000000000000001000000:0CEA 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000    33        0 1 1 0 100 0 0 10 0
   4: 0100007F:1F9 junk
";
        let found: Vec<String> =
            listening(table).iter().map(|socket| format!("{} {}", socket.address, socket.uid)).collect();
        assert_eq!(found, ["127.0.0.1:8080 1000", "0.0.0.0:443 0", "[::1]:3306 33"]);
    }

    #[test]
    fn a_socket_of_our_own_is_found() {
        let own = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = own.local_addr().unwrap();
        assert!(listening_now().unwrap().iter().any(|socket| socket.address == address));
    }

    proptest! {
        #[test]
        fn any_table_is_read_without_a_panic(table in "\\PC{0,200}", line in "[0-9A-F: é]{0,120}") {
            let _ = listening(&table);
            let _ = listening(&line);
        }
    }
}
