//! Policies that were in force before: requests are judged under the one that they were made under as well.

use std::sync::{Arc, Mutex, PoisonError};

use countersign_shared::digest::Digest;

use super::Policy;

/// Parsed documents that are kept: reading one again costs a decision some milliseconds.
const KEPT: usize = 8;
static PARSED: Mutex<Vec<Arc<Policy>>> = Mutex::new(Vec::new());

/// One that was parsed before, without its document.
pub fn known(sha256: &str) -> Option<Arc<Policy>> {
    let parsed = PARSED.lock().unwrap_or_else(PoisonError::into_inner);
    parsed.iter().find(|policy| policy.sha256().to_string() == sha256).cloned()
}

/// The policy of a document that was in force; none where it is another document than its digest says, or one that
/// this program does not read any more.
pub fn past(sha256: Digest, document: &str) -> Option<Arc<Policy>> {
    let mut parsed = PARSED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = parsed.iter().find(|policy| policy.sha256() == sha256) {
        return Some(known.clone());
    }
    let policy = Arc::new(Policy::parse_stored(document).ok()?.0);
    if policy.sha256() != sha256 {
        return None;
    }
    if parsed.len() >= KEPT {
        parsed.remove(0);
    }
    parsed.push(policy.clone());
    Some(policy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_read_once_and_only_as_what_its_digest_says() {
        let document = "version = 1\n# kept\n";
        let sha256 = Digest::of(&[document.as_bytes()]);
        let first = past(sha256, document).unwrap();
        assert!(Arc::ptr_eq(&first, &past(sha256, document).unwrap()));
        assert!(Arc::ptr_eq(&first, &known(&sha256.to_string()).unwrap()));
        assert!(known(&Digest::of(&[b"never read"]).to_string()).is_none());
        assert!(past(Digest::of(&[b"other"]), document).is_none());
        assert!(past(Digest::of(&[b"version = 2"]), "version = 2").is_none());
    }
}
