//! Keys from passwords by RFC 7292 appendix B.2.

use ring::digest;

/// What the octets are for (RFC 7292 appendix B.3).
#[derive(Clone, Copy)]
pub(super) enum Purpose {
    Key = 1,
    Iv = 2,
    Mac = 3,
}

/// `length` octets from a password in UTF-16, a salt and a number of iterations.
pub(super) fn derive(
    algorithm: &'static digest::Algorithm,
    purpose: Purpose,
    password: &[u8],
    salt: &[u8],
    iterations: u32,
    length: usize,
) -> Vec<u8> {
    let block = algorithm.block_len();
    let filled = |octets: &[u8]| -> Vec<u8> {
        octets.iter().copied().cycle().take(octets.len().div_ceil(block) * block).collect()
    };
    let diversifier = vec![purpose as u8; block];
    let mut input = filled(salt);
    input.extend(filled(password));
    let mut out = Vec::with_capacity(length + algorithm.output_len());
    while out.len() < length {
        let mut context = digest::Context::new(algorithm);
        context.update(&diversifier);
        context.update(&input);
        let mut hash = context.finish();
        for _ in 1..iterations {
            hash = digest::digest(algorithm, hash.as_ref());
        }
        out.extend_from_slice(hash.as_ref());
        let addend: Vec<u8> = hash.as_ref().iter().copied().cycle().take(block).collect();
        for number in input.chunks_exact_mut(block) {
            // number + addend + 1, modulo 2^(8 block)
            let mut carry = 1_u16;
            for (digit, addend) in number.iter_mut().zip(&addend).rev() {
                let sum = u16::from(*digit) + u16::from(*addend) + carry;
                *digit = sum.to_be_bytes()[1];
                carry = sum >> 8;
            }
        }
    }
    out.truncate(length);
    out
}
