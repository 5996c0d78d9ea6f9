//! Strings dealt out to buckets.

use bytes::Bytes;
use flowkeep_tensor::Tensor;

use super::farmhash::fingerprint64;
use crate::kernel::{KernelInit, Status};
use crate::ops::args::{Built, kernel};

/// The bucket of each string: its FarmHash fingerprint modulo `num_buckets`.
///
/// Shapes: `input [D..]` → `[D..]`, i64.
/// Errors: `INVALID_ARGUMENT` without a bucket.
/// Source: OpDef `StringToHashBucketFast`.
pub(super) fn fast(init: &KernelInit<'_>) -> Built {
    buckets(init, fingerprint64)
}

/// As [`fast`], with the hash of early versions, a form of MurmurHash.
///
/// Source: OpDef `StringToHashBucket`.
pub(super) fn legacy(init: &KernelInit<'_>) -> Built {
    buckets(init, murmur)
}

/// As [`fast`], with SipHash under a key of two words, which others cannot foresee.
///
/// Errors: also `INVALID_ARGUMENT` for a key of another length.
/// Source: OpDef `StringToHashBucketStrong`.
pub(super) fn strong(init: &KernelInit<'_>) -> Built {
    let &[k0, k1] = init.attr_ints("key")? else {
        return Err(Status::invalid_argument("Key must have 2 elements"));
    };
    let key = [k0.cast_unsigned(), k1.cast_unsigned()];
    buckets(init, move |text| sip(key, text))
}

fn buckets(init: &KernelInit<'_>, hash: impl Fn(&[u8]) -> u64 + Send + Sync + 'static) -> Built {
    let n_buckets = init.attr_int("num_buckets")?;
    let n_buckets = u64::try_from(n_buckets).ok().filter(|&n| n > 0).ok_or_else(|| {
        Status::invalid_argument(format!("num_buckets must be at least 1, not {n_buckets}"))
    })?;
    kernel(move |cx| {
        let input = cx.input(0)?;
        // Below `n_buckets`, which is an i64.
        let bucket = |text: &Bytes| (hash(text) % n_buckets).cast_signed();
        let buckets = input.as_strings()?.iter().map(bucket).collect();
        let output = Tensor::from_vec::<i64>(input.shape().clone(), buckets)?;
        cx.set_output(0, output)
    })
}

/// MurmurHash64A with TensorFlow's seed.
fn murmur(text: &[u8]) -> u64 {
    const SEED: u64 = 0x00DE_CAFC_AFFE;
    const FACTOR: u64 = 0xc6a4_a793_5bd1_e995;
    let mix = |x: u64| (x ^ x >> 47).wrapping_mul(FACTOR);
    let mut hash = SEED ^ (text.len() as u64).wrapping_mul(FACTOR);
    let (words, rest) = text.as_chunks::<8>();
    for word in words {
        let word = mix(u64::from_le_bytes(*word).wrapping_mul(FACTOR));
        hash = (hash ^ word).wrapping_mul(FACTOR);
    }
    if !rest.is_empty() {
        hash = (hash ^ partial_word(rest)).wrapping_mul(FACTOR);
    }
    let hash = mix(hash);
    hash ^ hash >> 47
}

/// Up to 7 bytes as the low ones of a word.
fn partial_word(rest: &[u8]) -> u64 {
    rest.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte))
}

/// SipHash-2-4.
pub(in crate::ops) fn sip(key: [u64; 2], text: &[u8]) -> u64 {
    let mut v = [
        key[0] ^ 0x736f_6d65_7073_6575,
        key[1] ^ 0x646f_7261_6e64_6f6d,
        key[0] ^ 0x6c79_6765_6e65_7261,
        key[1] ^ 0x7465_6462_7974_6573,
    ];
    let (words, rest) = text.as_chunks::<8>();
    let last = (text.len() as u64) << 56 | partial_word(rest);
    for word in words.iter().map(|word| u64::from_le_bytes(*word)).chain([last]) {
        v[3] ^= word;
        (0..2).for_each(|_| sip_round(&mut v));
        v[0] ^= word;
    }
    v[2] ^= 0xff;
    (0..4).for_each(|_| sip_round(&mut v));
    v[0] ^ v[1] ^ v[2] ^ v[3]
}

fn sip_round(v: &mut [u64; 4]) {
    v[0] = v[0].wrapping_add(v[1]);
    v[2] = v[2].wrapping_add(v[3]);
    v[1] = v[1].rotate_left(13) ^ v[0];
    v[3] = v[3].rotate_left(16) ^ v[2];
    v[0] = v[0].rotate_left(32);
    v[2] = v[2].wrapping_add(v[1]);
    v[0] = v[0].wrapping_add(v[3]);
    v[1] = v[1].rotate_left(17) ^ v[2];
    v[3] = v[3].rotate_left(21) ^ v[0];
    v[2] = v[2].rotate_left(32);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Buckets of TensorFlow 2.21 among 2^62.
    #[test]
    fn hashes_are_those_of_tensorflow() {
        let among = |hash: u64| hash % (1 << 62);
        assert_eq!(among(fingerprint64(b"abc")), 2_640_714_258_260_161_385);
        assert_eq!(among(fingerprint64(b"")), 1_936_946_117_179_621_455);
        assert_eq!(among(sip([1, 2], b"abc")), 1_250_540_936_487_842_205);
        assert_eq!(among(sip([1, 2], b"a")), 546_566_331_822_570_742);
        assert_eq!(among(sip([1, 2], b"")), 443_797_209_252_341_627);
        assert_eq!(among(murmur(b"abc")), 1_046_625_677_629_754_806);
        assert_eq!(among(murmur(b"")), 105_434_511_174_508_091);
        assert_eq!(among(murmur(b"a")), 2_996_632_905_371_535_868);
        assert_eq!(among(murmur(b"abcdefgh")), 3_429_851_175_771_700_306);
        assert_eq!(among(murmur(b"abcdefghijk")), 165_494_240_574_850_572);
    }
}
