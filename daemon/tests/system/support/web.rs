//! An HTTP server of this test: it does as it is told, and keeps what it got.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::Value;

/// Says that it was accepted.
pub const ACCEPTS: &str = "HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";
/// What Slack says.
pub const TAKES: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
/// Says that it is busy.
pub const BUSY: &str = "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
/// Says nothing, and keeps the connection.
pub const HANGS: &str = "";

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Got {
    /// The request line and the header fields.
    pub head: String,
    /// The body, JSON.
    pub body: Value,
}

impl Got {
    /// The id that the message carries.
    pub fn id(&self) -> String {
        let fields = self.head.lines().filter_map(|line| line.split_once(": "));
        let mut ids = fields.filter(|(name, _)| name.eq_ignore_ascii_case("idempotency-key"));
        ids.next().expect("every message has an id").1.to_owned()
    }
}

/// See the module. It serves until the process ends.
pub struct Web {
    port: u16,
    says: Arc<Mutex<&'static str>>,
    got: Arc<Mutex<Vec<Got>>>,
}

impl Web {
    /// Serves from now on.
    pub fn serving(says: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let web = Self { port, says: Arc::new(Mutex::new(says)), got: Arc::default() };
        let (says, got) = (web.says.clone(), web.got.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (says, got) = (says.clone(), got.clone());
                // A client that goes away ends its talk.
                std::thread::spawn(move || drop(talk(stream, &says, &got)));
            }
        });
        web
    }

    /// Where it listens.
    pub fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Says something else from now on.
    pub fn say(&self, says: &'static str) {
        *self.says.lock().unwrap() = says;
    }

    /// What has come.
    pub fn got(&self) -> Vec<Got> {
        self.got.lock().unwrap().clone()
    }

    /// How many have come.
    pub fn count(&self) -> usize {
        self.got.lock().unwrap().len()
    }
}

fn talk(stream: TcpStream, says: &Mutex<&'static str>, got: &Mutex<Vec<Got>>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head)? == 0 {
            return Ok(());
        }
    }
    let lengths = head.lines().filter_map(|line| line.split_once(": "));
    let mut lengths = lengths.filter(|(name, _)| name.eq_ignore_ascii_case("content-length")).map(|(_, value)| value);
    let mut body = vec![0; lengths.next().unwrap().parse().unwrap()];
    reader.read_exact(&mut body)?;
    got.lock().unwrap().push(Got { head, body: serde_json::from_slice(&body).unwrap() });
    let says = *says.lock().unwrap();
    if says == HANGS {
        // Until the other side has had enough.
        return reader.read(&mut [0]).map(drop);
    }
    (&stream).write_all(says.as_bytes())
}
