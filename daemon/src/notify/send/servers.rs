//! Servers for tests: they listen on this host, do as they are told, and keep what they got.

use std::sync::{Arc, Mutex};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}
type Talk = BufReader<Box<dyn Stream>>;

/// A test authority, a server's certificate for `localhost` by it, and who trusts it.
pub struct Pki {
    pub ca_pem: String,
    pub trust: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
}

pub fn pki() -> Pki {
    let ca_key = KeyPair::generate().unwrap();
    let mut ca = CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca_cert = ca.self_signed(&ca_key).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let leaf = leaf.signed_by(&key, &Issuer::from_params(&ca, &ca_key)).unwrap();
    let provider = || Arc::new(rustls::crypto::ring::default_provider());
    let server = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().unwrap();
    let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let server = server.with_no_client_auth().with_single_cert(vec![leaf.der().clone()], private).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(ca_cert.der().clone()).unwrap();
    let client = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().unwrap();
    Pki {
        ca_pem: ca_cert.pem(),
        trust: Arc::new(client.with_root_certificates(roots).with_no_client_auth()),
        server: Arc::new(server),
    }
}

impl Pki {
    pub async fn accept(&self, tcp: TcpStream) -> std::io::Result<Box<dyn Stream>> {
        let tls = TlsAcceptor::from(self.server.clone()).accept(tcp).await?;
        Ok(Box::new(tls))
    }
}

/// What a mail server does.
#[derive(Clone, Default)]
pub struct Mta {
    pub starttls: Option<Arc<Pki>>,
    pub implicit: Option<Arc<Pki>>,
    /// Sent behind the answer to STARTTLS, before TLS begins.
    pub injected: &'static str,
    /// The base 64 of AUTH PLAIN that is taken.
    pub login: Option<&'static str>,
    /// Recipients that begin with the first get the second as the answer.
    pub recipients: Vec<(&'static str, &'static str)>,
    /// Said once the mail is in; `None` hangs up.
    pub after_data: Option<&'static str>,
    /// Says nothing more from here on: `greeting`, `MAIL`, `DATA`, `.`
    pub hangs_at: &'static str,
    /// Sends octets without a line feed from here on.
    pub floods_at: &'static str,
}

/// A mail as it came.
#[derive(Clone, Debug)]
pub struct Kept {
    pub from: String,
    pub to: Vec<String>,
    pub octets: String,
    pub login: bool,
    pub tls: bool,
}

pub struct MailServer {
    pub port: u16,
    pub kept: Arc<Mutex<Vec<Kept>>>,
}

/// Serves every connection until the runtime ends.
pub async fn mail_server(mta: Mta) -> MailServer {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let kept = Arc::new(Mutex::new(Vec::new()));
    let keeps = kept.clone();
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let (mta, keeps) = (mta.clone(), keeps.clone());
            // A client that goes away ends its talk.
            tokio::spawn(async move { drop(talk(tcp, &mta, &keeps).await) });
        }
    });
    MailServer { port, kept }
}

async fn say(talk: &mut Talk, text: &str) -> std::io::Result<()> {
    talk.write_all(text.as_bytes()).await?;
    talk.flush().await
}

async fn hear(talk: &mut Talk) -> std::io::Result<String> {
    let mut line = String::new();
    if talk.read_line(&mut line).await? == 0 { Err(std::io::ErrorKind::UnexpectedEof.into()) } else { Ok(line) }
}

async fn stall(mta: &Mta, at: &str, talk: &mut Talk) -> std::io::Result<()> {
    if mta.hangs_at == at {
        std::future::pending::<()>().await;
    }
    if mta.floods_at == at {
        loop {
            say(talk, &"250-x".repeat(1000)).await?;
        }
    }
    Ok(())
}

async fn talk(tcp: TcpStream, mta: &Mta, keeps: &Mutex<Vec<Kept>>) -> std::io::Result<()> {
    let mut tls = mta.implicit.is_some();
    let stream: Box<dyn Stream> = match (&mta.implicit, &mta.starttls) {
        (Some(pki), _) => pki.accept(tcp).await?,
        (None, Some(pki)) => {
            // STARTTLS is asked for before anything else, so the plain part is this.
            let mut plain = BufReader::new(Box::new(tcp));
            plain.write_all(b"220-localhost\r\n220 ready\r\n").await?;
            let mut line = String::new();
            plain.read_line(&mut line).await?;
            assert!(line.starts_with("EHLO "), "{line:?}");
            plain.write_all(b"250-localhost\r\n250-STARTTLS\r\n250 8BITMIME\r\n").await?;
            line.clear();
            plain.read_line(&mut line).await?;
            assert_eq!(line, "STARTTLS\r\n");
            plain.write_all(format!("220 go\r\n{}", mta.injected).as_bytes()).await?;
            tls = true;
            pki.accept(*plain.into_inner()).await?
        }
        (None, None) => Box::new(tcp),
    };
    let mut talk = BufReader::new(stream);
    if mta.starttls.is_none() {
        stall(mta, "greeting", &mut talk).await?;
        say(&mut talk, "220 localhost ready\r\n").await?;
    }
    let (mut from, mut to, mut login) = (String::new(), Vec::new(), false);
    loop {
        let line = hear(&mut talk).await?;
        let line = line.trim_end();
        match line.split([' ', ':']).next().unwrap_or_default() {
            "EHLO" => say(&mut talk, "250-localhost\r\n250 AUTH PLAIN LOGIN\r\n").await?,
            "AUTH" => {
                login = mta.login.is_some_and(|expected| line == format!("AUTH PLAIN {expected}"));
                let refusal = format!("535 5.7.8 wrong: {line}\r\n");
                say(&mut talk, if login { "235 welcome\r\n" } else { &refusal }).await?;
            }
            "MAIL" => {
                stall(mta, "MAIL", &mut talk).await?;
                if !from.is_empty() {
                    say(&mut talk, "503 5.5.1 nested MAIL\r\n").await?;
                    continue;
                }
                (from, to) = (line.to_owned(), Vec::new());
                say(&mut talk, "250 ok\r\n").await?;
            }
            "RCPT" => {
                let address = line.trim_start_matches("RCPT TO:<").trim_end_matches('>');
                let refusal = mta.recipients.iter().find(|(begin, _)| address.starts_with(begin));
                if refusal.is_none() {
                    to.push(address.to_owned());
                }
                say(&mut talk, &format!("{}\r\n", refusal.map_or("250 ok", |(_, answer)| answer))).await?;
            }
            "DATA" => {
                stall(mta, "DATA", &mut talk).await?;
                say(&mut talk, "354 go\r\n").await?;
                let mut octets = String::new();
                while !octets.ends_with("\r\n.\r\n") {
                    octets.push_str(&hear(&mut talk).await?);
                }
                stall(mta, ".", &mut talk).await?;
                let Some(answer) = mta.after_data else { return Ok(()) };
                if answer.starts_with('2') {
                    let kept =
                        Kept { from: std::mem::take(&mut from), to: std::mem::take(&mut to), octets, login, tls };
                    keeps.lock().unwrap().push(kept);
                }
                from.clear();
                say(&mut talk, &format!("{answer}\r\n")).await?;
            }
            "RSET" => {
                from.clear();
                say(&mut talk, "250 ok\r\n").await?;
            }
            "QUIT" => return say(&mut talk, "221 bye\r\n").await,
            other => panic!("{other:?} is not spoken"),
        }
    }
}

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Got {
    /// The request line and the header fields.
    pub head: String,
    pub body: Vec<u8>,
}

impl Got {
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut fields = self.head.lines().filter_map(|line| line.split_once(": "));
        fields.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// What an HTTP server does with a request.
#[derive(Clone)]
pub enum Web {
    /// Sends this and hangs up.
    Says(String),
    /// Sends what stands here at that moment and hangs up.
    SaysNow(Arc<Mutex<String>>),
    /// Sends this and nothing more, and keeps the connection.
    Hangs(&'static str),
    /// Sends this, then octets without an end.
    Floods(&'static str),
}

pub struct WebServer {
    pub port: u16,
    pub got: Arc<Mutex<Vec<Got>>>,
}

/// Serves every connection until the runtime ends, over TLS where a PKI is given.
pub async fn web_server(web: Web, pki: Option<Arc<Pki>>) -> WebServer {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let got = Arc::new(Mutex::new(Vec::new()));
    let keeps = got.clone();
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let (web, keeps, pki) = (web.clone(), keeps.clone(), pki.clone());
            tokio::spawn(async move { drop(answer(tcp, &web, &keeps, pki).await) });
        }
    });
    WebServer { port, got }
}

async fn answer(tcp: TcpStream, web: &Web, keeps: &Mutex<Vec<Got>>, pki: Option<Arc<Pki>>) -> std::io::Result<()> {
    let stream: Box<dyn Stream> = match pki {
        Some(pki) => pki.accept(tcp).await?,
        None => Box::new(tcp),
    };
    let mut talk = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        head.push_str(&hear(&mut talk).await?);
    }
    let length = Got { head: head.clone(), body: Vec::new() };
    let mut body = vec![0; length.header("content-length").unwrap_or("0").parse().unwrap()];
    talk.read_exact(&mut body).await?;
    keeps.lock().unwrap().push(Got { head, body });
    match web {
        Web::Says(text) => {
            say(&mut talk, text).await?;
            talk.shutdown().await
        }
        Web::SaysNow(text) => {
            let text = text.lock().unwrap().clone();
            say(&mut talk, &text).await?;
            talk.shutdown().await
        }
        Web::Hangs(text) => {
            say(&mut talk, text).await?;
            std::future::pending().await
        }
        Web::Floods(text) => {
            say(&mut talk, text).await?;
            loop {
                talk.write_all(&[b'x'; 16 * 1024]).await?;
            }
        }
    }
}
