//! From a plain SMTP connection to an encrypted one (RFC 3207).

use std::io;
use std::sync::Arc;

use countersign_shared::text::Untrusted;
use rustls::ClientConfig;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::line::Line;

/// The most octets of one reply: RFC 5321 has 512 for a line.
const MAX_REPLY: usize = 16 * 1024;

/// Says EHLO, asks for TLS and takes it. What comes out begins like a fresh connection, with a greeting of ours.
///
/// # Errors
/// The server offers no STARTTLS, refuses it, proves to be somebody else, or has sent more than its reply before TLS
/// began: that would be read as if it had been said under TLS (CVE-2011-0411).
pub(super) async fn starttls(
    mut tcp: TcpStream,
    host: &str,
    hello: &str,
    trust: Arc<ClientConfig>,
) -> io::Result<Line> {
    expect(&mut tcp, 220).await?;
    tcp.write_all(format!("EHLO {hello}\r\n").as_bytes()).await?;
    let offers = expect(&mut tcp, 250).await?;
    let offers_tls = offers.lines().any(|line| line.get(4..).is_some_and(|word| word.eq_ignore_ascii_case("STARTTLS")));
    if !offers_tls {
        return Err(io::Error::other("it offers no STARTTLS, and nothing is sent without"));
    }
    tcp.write_all(b"STARTTLS\r\n").await?;
    expect(&mut tcp, 220).await?;
    Ok(Line::tls(tcp, host, trust).await?.reading_first(b"220 encrypted\r\n"))
}

/// Reads one reply of the code `code`, and makes sure that nothing came behind it.
async fn expect(tcp: &mut TcpStream, code: u16) -> io::Result<String> {
    let mut reply = Vec::new();
    loop {
        let mut buffer = [0; 1024];
        let read = tcp.read(&mut buffer).await?;
        if read == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it hung up before TLS began"));
        }
        reply.extend_from_slice(buffer.get(..read).unwrap_or_default());
        if reply.len() > MAX_REPLY {
            return Err(io::Error::other(format!("its reply is longer than {MAX_REPLY} octets")));
        }
        if let Some(end) = end_of_reply(&reply) {
            if end != reply.len() {
                return Err(io::Error::other("it spoke out of turn before TLS began"));
            }
            let reply = String::from_utf8_lossy(&reply).into_owned();
            if reply.get(..3) != Some(code.to_string().as_str()) {
                let shown = Untrusted::new(reply.trim_end());
                return Err(io::Error::other(format!("it answered {} before TLS began", shown.safe())));
            }
            return Ok(reply);
        }
    }
}

/// Where the first whole reply ends: behind the line whose code is followed by no `-` (RFC 5321, 4.2.1).
fn end_of_reply(octets: &[u8]) -> Option<usize> {
    let mut begin = 0;
    while let Some(length) = octets.get(begin..)?.iter().position(|octet| *octet == b'\n') {
        let end = begin + length + 1;
        if octets.get(begin + 3) != Some(&b'-') {
            return Some(end);
        }
        begin = end;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::end_of_reply;

    #[test]
    fn replies_end_where_rfc_5321_says() {
        for (octets, end) in [
            (&b"220 ready\r\n"[..], Some(11)),
            (b"250-a\r\n250 b\r\n", Some(14)),
            (b"250-a\r\n250-b\r\n", None),
            (b"220 ready\r\n250 injected\r\n", Some(11)),
            (b"220", None),
            (b"", None),
            (b"\n", Some(1)),
        ] {
            assert_eq!(end_of_reply(octets), end, "{octets:?}");
        }
    }
}
