//! Which answers are waited for. An answer whose generation is not the newest of its slot is dropped.

/// What a call is for; each has one answer that counts at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// The header's state.
    Status,
    /// The header's person.
    Whoami,
    /// A page of the queue.
    Queue,
    /// One row of the queue.
    Row,
    /// The open request.
    Detail,
    /// The requests under review.
    Review,
    /// What a person does to requests.
    Deed,
    /// A page of the ledger.
    Audit,
    /// How many records a filter has.
    Count,
    /// The record that is open.
    Record,
    /// A verification.
    Verify,
    /// The checkpoint that is shown.
    Checkpoint,
    /// The proof that is shown.
    Proof,
    /// A page of anchors.
    Anchors,
    /// A file that is read or written.
    File,
    /// What a signature is made with, or the signature.
    Sign,
    /// Another acting person.
    ActAs,
    /// A page of certificates.
    Certificates,
    /// The certificate that is open.
    Certificate,
    /// The certificate that something is about to be done to.
    Errand,
    /// A page of messages.
    Alerts,
    /// The event stream.
    Events,
}

const SLOTS: usize = Slot::Events as usize + 1;

/// Generations, and which of them is waited for in each slot.
#[derive(Clone, Debug, Default)]
pub struct Calls {
    last: u64,
    awaited: [Option<u64>; SLOTS],
}

impl Calls {
    /// Begins a call: its generation, in place of any before in the slot.
    pub fn begin(&mut self, slot: Slot) -> u64 {
        self.last += 1;
        self.awaited[slot as usize] = Some(self.last);
        self.last
    }

    /// True where this generation is waited for in the slot.
    pub fn is_awaited(&self, slot: Slot, generation: u64) -> bool {
        self.awaited[slot as usize] == Some(generation)
    }

    /// True, once, where this generation is waited for in the slot.
    pub fn finish(&mut self, slot: Slot, generation: u64) -> bool {
        let awaited = self.is_awaited(slot, generation);
        if awaited {
            self.awaited[slot as usize] = None;
        }
        awaited
    }

    /// True while an answer is waited for.
    pub fn is_open(&self, slot: Slot) -> bool {
        self.awaited[slot as usize].is_some()
    }

    /// Waits no more for this slot.
    pub fn drop_slot(&mut self, slot: Slot) {
        self.awaited[slot as usize] = None;
    }

    /// Waits for nothing any more but what is always answered: the fate of what a person did, a verification, which has a
    /// connection of its own, files, and signatures.
    pub fn drop_reads(&mut self) {
        let kept = [Slot::Deed, Slot::Verify, Slot::File, Slot::Sign].map(|slot| (slot, self.awaited[slot as usize]));
        self.awaited = [None; SLOTS];
        for (slot, generation) in kept {
            self.awaited[slot as usize] = generation;
        }
    }
}
