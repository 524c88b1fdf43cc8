//! A mail server that takes everything and keeps it.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// A mail as it came.
#[derive(Clone, Debug)]
pub struct Mail {
    /// The recipients of the envelope, sorted.
    pub to: Vec<String>,
    /// Header and body, lines ending in CRLF.
    pub text: String,
}

impl Mail {
    /// The value of a header, unfolded.
    pub fn header(&self, name: &str) -> Option<String> {
        let head = self.text.split("\r\n\r\n").next()?.replace("\r\n ", " ");
        let mut lines = head.split("\r\n").filter_map(|line| line.split_once(": "));
        lines.find(|(known, _)| *known == name).map(|(_, value)| value.to_owned())
    }

    /// The names of all headers.
    pub fn headers(&self) -> Vec<String> {
        let head = self.text.split("\r\n\r\n").next().unwrap_or_default();
        let begins = head.split("\r\n").filter(|line| !line.starts_with([' ', '\t']));
        begins.map(|line| line.split(':').next().unwrap_or_default().to_owned()).collect()
    }
}

/// Listens until the test is over.
pub struct MailServer {
    /// Where.
    pub port: u16,
    kept: Arc<Mutex<Vec<Mail>>>,
}

impl MailServer {
    /// On a free port of this host.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let kept: Arc<Mutex<Vec<Mail>>> = Arc::default();
        let into = kept.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let into = into.clone();
                std::thread::spawn(move || talk(&stream, &into));
            }
        });
        Self { port, kept }
    }

    /// `[notify.email]` of a daemon that sends by it.
    pub fn table(&self) -> String {
        format!(
            "[notify.email]\nhost = \"127.0.0.1\"\nport = {}\ntls = \"none\"\nfrom = \"countersign <pki@corp.example>\"\n",
            self.port
        )
    }

    /// What came so far.
    pub fn kept(&self) -> Vec<Mail> {
        self.kept.lock().unwrap().clone()
    }

    /// Those whose subject begins so.
    pub fn about(&self, subject: &str) -> Vec<Mail> {
        let begins = |mail: &Mail| mail.header("Subject").is_some_and(|line| line.starts_with(subject));
        self.kept().into_iter().filter(begins).collect()
    }

    /// Waits for one.
    pub fn wait_for(&self, subject: &str) -> Mail {
        super::until(subject, || !self.about(subject).is_empty());
        self.about(subject).remove(0)
    }
}

/// RFC 5321 as far as a sender without extensions needs it.
fn talk(stream: &TcpStream, into: &Mutex<Vec<Mail>>) -> Option<()> {
    let mut lines = BufReader::new(stream);
    let say = |answer: &str| (&*stream).write_all(format!("{answer}\r\n").as_bytes()).ok();
    let mut next = || {
        let mut line = String::new();
        lines.read_line(&mut line).ok().filter(|octets| *octets > 0).map(|_| line)
    };
    say("220 mail.corp.example")?;
    let mut to = Vec::new();
    loop {
        let line = next()?;
        let upper = line.to_uppercase();
        if upper.starts_with("RCPT TO:") {
            to.push(line[8..].trim().trim_matches(['<', '>']).to_owned());
        } else if upper.starts_with("QUIT") {
            return say("221 bye");
        } else if upper.starts_with("DATA") {
            say("354 go on")?;
            let mut text = String::new();
            loop {
                let line = next()?;
                if line == ".\r\n" {
                    break;
                }
                text.push_str(line.strip_prefix('.').unwrap_or(&line));
            }
            to.sort();
            into.lock().unwrap().push(Mail { to: std::mem::take(&mut to), text });
        }
        say("250 ok")?;
    }
}
