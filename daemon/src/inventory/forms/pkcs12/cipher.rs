//! The password-based encryption schemes that PKCS#12 files are found with: PBES2 with PBKDF2 and AES or Triple DES
//! in CBC mode (RFC 8018), and the older ones of RFC 7292 appendix C with Triple DES or RC2.

use std::num::NonZeroU32;

use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockCipherDecrypt, BlockModeDecrypt as _, InnerIvInit as _, KeyInit};
use ring::{digest, pbkdf2};

use super::super::der::{Elements, INTEGER, OCTET_STRING, OID, SEQUENCE};
use super::kdf::{Purpose, derive};
use super::mac::MAX_SALT;
use super::{Password, Work};

/// 1.2.840.113549.1.5.13
const PBES2: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 5, 13];
/// 1.2.840.113549.1.5.12
const PBKDF2: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 5, 12];
/// 1.2.840.113549.2, before the number of the HMAC
const HMAC: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 2];
/// 1.2.840.113549.1.12.1, before the number of the scheme
const PKCS12_PBE: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 12, 1];
/// 2.16.840.1.101.3.4.1, before the number of key length and mode
const AES: &[u8] = &[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 1];
/// 1.2.840.113549.3.7
const TRIPLE_DES_CBC: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 3, 7];

/// A block cipher in CBC mode, and its key length in octets.
#[derive(Clone, Copy)]
enum Cipher {
    Aes128,
    Aes192,
    Aes256,
    TripleDes,
    /// With a key of so many octets, all of them effective.
    Rc2(usize),
}

impl Cipher {
    const fn key_length(self) -> usize {
        match self {
            Self::Aes128 => 16,
            Self::Aes192 | Self::TripleDes => 24,
            Self::Aes256 => 32,
            Self::Rc2(length) => length,
        }
    }

    /// `None` where key, vector, length or padding do not fit.
    fn open(self, key: &[u8], iv: &[u8], data: &[u8]) -> Option<Vec<u8>> {
        fn cbc<C: KeyInit + BlockCipherDecrypt>(cipher: C, iv: &[u8], data: &[u8]) -> Option<Vec<u8>> {
            cbc::Decryptor::inner_iv_slice_init(cipher, iv).ok()?.decrypt_padded_vec::<Pkcs7>(data).ok()
        }
        match self {
            Self::Aes128 => cbc(aes::Aes128::new_from_slice(key).ok()?, iv, data),
            Self::Aes192 => cbc(aes::Aes192::new_from_slice(key).ok()?, iv, data),
            Self::Aes256 => cbc(aes::Aes256::new_from_slice(key).ok()?, iv, data),
            Self::TripleDes => cbc(des::TdesEde3::new_from_slice(key).ok()?, iv, data),
            Self::Rc2(_) => cbc(rc2::Rc2::new_from_slice(key).ok()?, iv, data),
        }
    }
}

/// How key and vector come from the password.
enum Derivation<'a> {
    Pbkdf2 { prf: pbkdf2::Algorithm, iv: &'a [u8] },
    Pkcs12,
}

/// One scheme with its parameters.
pub(super) struct Scheme<'a> {
    cipher: Cipher,
    derivation: Derivation<'a>,
    salt: &'a [u8],
    iterations: u32,
}

impl<'a> Scheme<'a> {
    /// Reads an AlgorithmIdentifier.
    pub fn read(mut algorithm: Elements<'a>) -> Result<Self, String> {
        let unknown = || "it is encrypted in a way that is not known here".to_owned();
        let kind = algorithm.expect(OID)?;
        let mut parameters = algorithm.inside(SEQUENCE)?;
        let scheme = if kind == PBES2 {
            Self::pbes2(&mut parameters)?
        } else {
            let cipher = match kind.strip_prefix(PKCS12_PBE) {
                Some([3]) => Cipher::TripleDes,
                Some([5]) => Cipher::Rc2(16),
                Some([6]) => Cipher::Rc2(5),
                _ => return Err(unknown()),
            };
            let salt = parameters.expect(OCTET_STRING)?;
            Self { cipher, derivation: Derivation::Pkcs12, salt, iterations: parameters.number()? }
        };
        if scheme.salt.len() > MAX_SALT {
            return Err(format!("its salt has {} octets; at most {MAX_SALT} are allowed", scheme.salt.len()));
        }
        Ok(scheme)
    }

    fn pbes2(parameters: &mut Elements<'a>) -> Result<Self, String> {
        let mut derivation = parameters.inside(SEQUENCE)?;
        if derivation.expect(OID)? != PBKDF2 {
            return Err("its key is derived in another way than PBKDF2".to_owned());
        }
        let mut derivation = derivation.inside(SEQUENCE)?;
        let salt = derivation.expect(OCTET_STRING)?;
        let iterations = derivation.number()?;
        let length = if derivation.0.first() == Some(&INTEGER) { Some(derivation.number()? as usize) } else { None };
        let prf = match derivation.optional(SEQUENCE)? {
            None => pbkdf2::PBKDF2_HMAC_SHA1,
            Some(prf) => match Elements(prf).expect(OID)?.strip_prefix(HMAC) {
                Some([7]) => pbkdf2::PBKDF2_HMAC_SHA1,
                Some([9]) => pbkdf2::PBKDF2_HMAC_SHA256,
                Some([10]) => pbkdf2::PBKDF2_HMAC_SHA384,
                Some([11]) => pbkdf2::PBKDF2_HMAC_SHA512,
                _ => return Err("its key is derived with a hash that is not known here".to_owned()),
            },
        };
        let mut encryption = parameters.inside(SEQUENCE)?;
        let kind = encryption.expect(OID)?;
        let cipher = match kind.strip_prefix(AES) {
            Some([2]) => Cipher::Aes128,
            Some([22]) => Cipher::Aes192,
            Some([42]) => Cipher::Aes256,
            _ if kind == TRIPLE_DES_CBC => Cipher::TripleDes,
            _ => return Err("it is encrypted with a cipher that is not known here".to_owned()),
        };
        if length.is_some_and(|length| length != cipher.key_length()) {
            return Err("its key does not have the length that its cipher wants".to_owned());
        }
        let iv = encryption.expect(OCTET_STRING)?;
        Ok(Self { cipher, derivation: Derivation::Pbkdf2 { prf, iv }, salt, iterations })
    }

    /// The data in clear, or `None` where the password does not fit. The error is about the scheme.
    pub fn open(&self, data: &[u8], password: &Password, work: &mut Work) -> Result<Option<Vec<u8>>, String> {
        let iterations = work.take(self.iterations)?;
        Ok(match self.derivation {
            Derivation::Pbkdf2 { prf, iv } => {
                let iterations = NonZeroU32::new(iterations).ok_or("its password is hashed no time at all")?;
                let mut key = vec![0; self.cipher.key_length()];
                pbkdf2::derive(prf, iterations, self.salt, &password.utf8, &mut key);
                self.cipher.open(&key, iv, data)
            }
            Derivation::Pkcs12 => {
                // The vector is another run of the same length.
                work.take(iterations)?;
                let octets = |purpose, length| {
                    let sha1 = &digest::SHA1_FOR_LEGACY_USE_ONLY;
                    derive(sha1, purpose, &password.bmp, self.salt, iterations, length)
                };
                let key = octets(Purpose::Key, self.cipher.key_length());
                self.cipher.open(&key, &octets(Purpose::Iv, 8), data)
            }
        })
    }
}
