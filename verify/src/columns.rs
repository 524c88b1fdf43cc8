//! The columns of a record, and the bytes that they make.

use countersign_shared::canonical::write_string;
use countersign_shared::digest::Digest;

/// The format of records; a reader that meets another refuses it.
pub const FORMAT: u64 = 1;

/// What the first record carries as the hash before it.
pub const GENESIS: Digest = Digest::from_bytes([0; 32]);

/// The columns of a record: together with the hash before it, they determine its bytes.
#[derive(Clone, Copy, Debug)]
pub struct Columns<'a> {
    /// See [`countersign_shared::protocol::AuditEvent`] for each.
    pub seq: u64,
    /// See `seq`.
    pub event_id: &'a [u8],
    /// See `seq`.
    pub created_at: &'a [u8],
    /// See `seq`.
    pub actor: &'a [u8],
    /// See `seq`.
    pub actor_type: &'a [u8],
    /// See `seq`.
    pub action: &'a [u8],
    /// See `seq`.
    pub category: &'a [u8],
    /// See `seq`.
    pub resource_type: &'a [u8],
    /// See `seq`.
    pub resource_id: &'a [u8],
    /// Canonical JSON, stands in the record to the letter.
    pub details: &'a [u8],
}

impl Columns<'_> {
    /// Writes the record's exact bytes: one canonical object. Sealing and verifying both come here, so that
    /// a record verifies only if its columns make the very bytes that were hashed.
    pub fn write_record(&self, prev: &Digest, out: &mut Vec<u8>) {
        member(out, "{\"action\":", self.action);
        member(out, ",\"actor\":", self.actor);
        member(out, ",\"actor_type\":", self.actor_type);
        member(out, ",\"at\":", self.created_at);
        member(out, ",\"category\":", self.category);
        out.extend_from_slice(b",\"details\":");
        out.extend_from_slice(self.details);
        member(out, ",\"event_id\":", self.event_id);
        out.extend_from_slice(b",\"prev\":\"");
        out.extend_from_slice(&prev.hex());
        out.push(b'"');
        member(out, ",\"resource_id\":", self.resource_id);
        member(out, ",\"resource_type\":", self.resource_type);
        out.extend_from_slice(b",\"seq\":");
        write_number(out, self.seq);
        out.extend_from_slice(b",\"v\":");
        write_number(out, FORMAT);
        out.push(b'}');
    }
}

fn write_number(out: &mut Vec<u8>, number: u64) {
    let mut digits = [0; 20];
    let (mut begin, mut rest) = (digits.len(), number);
    loop {
        begin -= 1;
        digits[begin] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            return out.extend_from_slice(&digits[begin..]);
        }
    }
}

fn member(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    write_string(out, value);
}
