//! `Email`: SMTP (RFC 5321) by lettre, one transaction for up to a hundred recipients, a result for each of them.

use std::sync::Arc;
use std::time::Duration;

use countersign_shared::text::Untrusted;
use lettre::Address;
use lettre::message::Mailbox;
use lettre::transport::smtp::Error as SmtpError;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::commands::{Data, Mail, Rcpt, Rset};
use lettre::transport::smtp::extension::ClientId;
use rustls::ClientConfig;
use tokio::time::{Instant, timeout, timeout_at};

use super::line::{Line, connect};
use super::starttls::starttls;
use crate::notify::message::{Audience, Message};
use crate::notify::outcome::{Outcome, Reached, Receipt};
use crate::notify::render::mail::mail;
use crate::notify::secret::Secret;

/// The recipients of one transaction: what every server takes (RFC 5321, 4.5.3.1.8).
const MAX_RECIPIENTS: usize = 100;
/// How long a server may take over QUIT, when everything is said.
const GOODBYE: Duration = Duration::from_secs(2);

/// How the connection is protected.
#[derive(Clone, Debug)]
pub(in crate::notify) enum Protection {
    /// Not at all: a relay on the same host.
    Plain,
    /// TLS after STARTTLS; without it nothing is sent.
    StartTls(Arc<ClientConfig>),
    /// TLS from the first octet (RFC 8314).
    Implicit(Arc<ClientConfig>),
}

/// A mail server and how it is spoken to.
#[derive(Clone, Debug)]
pub(in crate::notify) struct Email {
    pub host: String,
    pub port: u16,
    pub protection: Protection,
    pub login: Option<(String, Secret)>,
    pub from: Mailbox,
    /// Who gets what is addressed to nobody.
    pub to: Vec<Address>,
    /// What EHLO says.
    pub hello: String,
    /// For everything together.
    pub timeout: Duration,
}

/// The recipients, each with what came of it; `None` while that is open.
struct Post {
    to: Vec<(Untrusted, Option<Address>, Option<Outcome>)>,
}

impl Post {
    /// Settles those that are open.
    fn settle(&mut self, outcome: &Outcome) {
        for (_, _, settled) in &mut self.to {
            settled.get_or_insert_with(|| outcome.clone());
        }
    }

    fn open(&self) -> Vec<usize> {
        (0..self.to.len()).filter(|at| self.to.get(*at).is_some_and(|(_, _, settled)| settled.is_none())).collect()
    }
}

impl Email {
    /// Sends `message` to each address of the audience.
    pub async fn send(&self, message: &Message, audience: &Audience) -> Receipt {
        let mut post = self.addressed(audience);
        if !post.open().is_empty() {
            let deadline = Instant::now() + self.timeout;
            let ended = match timeout_at(deadline, self.deliver(message, &mut post)).await {
                Ok(Ok(())) => Outcome::later("the mail server did not say what became of it"),
                Ok(Err(outcome)) => outcome,
                Err(_) => Outcome::later(format!("the mail server took longer than {}s", self.timeout.as_secs())),
            };
            post.settle(&ended);
        }
        let each = post.to.into_iter();
        let each = each.filter_map(|(to, _, outcome)| outcome.map(|outcome| Reached { to, outcome }));
        Receipt::of("Email", each.collect())
    }

    fn addressed(&self, audience: &Audience) -> Post {
        let mut to = audience.mail.clone();
        if to.is_empty() || audience.and_default {
            let house = self.to.iter().map(|address| Untrusted::new(address.to_string()));
            let known = |address: &Untrusted| audience.mail.contains(address) || audience.never.contains(address);
            to.extend(house.filter(|address| !known(address)));
        }
        let to = to.into_iter().map(|raw| match raw.raw().parse::<Address>() {
            // Other letters need SMTPUTF8 all the way to the reader.
            Ok(address) if raw.raw().is_ascii() => (raw, Some(address), None),
            _ => (raw, None, Some(Outcome::never("is no mail address in ASCII"))),
        });
        Post { to: to.collect() }
    }

    async fn open(&self) -> std::io::Result<Line> {
        let tcp = connect(&self.host, self.port).await?;
        match &self.protection {
            Protection::Plain => Line::plain(tcp),
            Protection::StartTls(trust) => starttls(tcp, &self.host, &self.hello, trust.clone()).await,
            Protection::Implicit(trust) => Line::tls(tcp, &self.host, trust.clone()).await,
        }
    }

    /// Settles recipients as the server speaks. An error holds for all that are still open.
    async fn deliver(&self, message: &Message, post: &mut Post) -> Result<(), Outcome> {
        let line = self.open().await;
        let line = line.map_err(|error| Outcome::later(format!("the mail server cannot be used: {error}")))?;
        let hello = ClientId::Domain(self.hello.clone());
        let connected = AsyncSmtpConnection::connect_with_transport(Box::new(line), &hello).await;
        let mut server = connected.map_err(|error| self.refused("the greeting", &error))?;
        if let Some((user, password)) = &self.login {
            let credentials = Credentials::new(user.clone(), password.reveal().to_owned());
            let answer = server.auth(DEFAULT_MECHANISMS, &credentials).await;
            answer.map_err(|error| login_refused(&error))?;
        }
        for part in post.open().chunks(MAX_RECIPIENTS) {
            self.transact(&mut server, message, post, part).await?;
        }
        // The answers are in; what happens to the connection changes nothing.
        let _ = timeout(GOODBYE, server.quit()).await;
        Ok(())
    }

    /// One mail to the recipients at the places `part`.
    async fn transact(
        &self,
        server: &mut AsyncSmtpConnection,
        message: &Message,
        post: &mut Post,
        part: &[usize],
    ) -> Result<(), Outcome> {
        let addresses = |post: &Post, part: &[usize]| -> Vec<Mailbox> {
            let known = part.iter().filter_map(|at| post.to.get(*at));
            known.filter_map(|(_, address, _)| address.clone().map(Mailbox::from)).collect()
        };
        let octets = mail(message, &self.from, &addresses(post, part)).map_err(Outcome::never)?;
        let from = Mail::new(Some(self.from.email.clone()), Vec::new());
        server.command(from).await.map_err(|error| self.refused("MAIL", &error))?;
        let mut accepted = Vec::with_capacity(part.len());
        for at in part {
            let Some((_, Some(address), settled)) = post.to.get_mut(*at) else { continue };
            match server.command(Rcpt::new(address.clone(), Vec::new())).await {
                Ok(_) => accepted.push(*at),
                // The server goes on after a refusal, and not after anything else.
                Err(error) if error.status().is_some() => *settled = Some(self.refused("the recipient", &error)),
                Err(error) => return Err(self.refused("the recipient", &error)),
            }
        }
        if accepted.is_empty() {
            // Nobody of these: the next ones are another mail (RFC 5321, 4.1.1.5).
            server.command(Rset).await.map_err(|error| self.refused("RSET", &error))?;
            return Ok(());
        }
        server.command(Data).await.map_err(|error| self.refused("DATA", &error))?;
        let answer = server.message(&octets).await;
        let outcome = match &answer {
            Ok(_) => Outcome::Delivered,
            Err(error) => self.refused("the mail", error),
        };
        for at in accepted {
            if let Some((_, _, settled)) = post.to.get_mut(at) {
                *settled = Some(outcome.clone());
            }
        }
        match answer {
            Err(error) if error.status().is_none() => Err(outcome),
            _ => Ok(()),
        }
    }

    fn refused(&self, what: &str, error: &SmtpError) -> Outcome {
        let text = format!("the mail server and {what}: {error}");
        let text = self.login.as_ref().map_or(text.clone(), |(_, password)| password.redact(&text));
        if error.is_permanent() { Outcome::never(text) } else { Outcome::later(text) }
    }
}

/// The server's words are left out: they may repeat the credentials in an encoding.
fn login_refused(error: &SmtpError) -> Outcome {
    match error.status() {
        Some(code) if error.is_permanent() => Outcome::never(format!("the mail server refused the login ({code})")),
        Some(code) => Outcome::later(format!("the mail server put the login off ({code})")),
        None if error.is_client() => Outcome::never("the mail server offers neither AUTH PLAIN nor AUTH LOGIN"),
        None => Outcome::later("the connection to the mail server failed during the login"),
    }
}
