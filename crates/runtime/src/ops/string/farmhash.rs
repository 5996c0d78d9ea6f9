//! FarmHash's 64-bit fingerprint, which never changes: buckets of strings are made of it.
//!
//! Words are read in little-endian order; all arithmetic wraps.

const K0: u64 = 0xc3a5_c85c_97cb_3127;
const K1: u64 = 0xb492_b66f_be98_f273;
const K2: u64 = 0x9ae1_6a3b_2f90_404f;

/// FarmHash's 64-bit fingerprint of a string, `farmhash::Fingerprint64`, which never changes.
pub fn fingerprint64(text: &[u8]) -> u64 {
    match text.len() {
        0..=16 => up_to_16(text),
        17..=32 => up_to_32(text),
        33..=64 => up_to_64(text),
        _ => long(text),
    }
}

/// The 8 bytes from `at` on.
fn word(text: &[u8], at: usize) -> u64 {
    text[at..].first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

/// The 4 bytes from `at` on.
fn half_word(text: &[u8], at: usize) -> u64 {
    text[at..].first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes).into())
}

fn shift_mix(x: u64) -> u64 {
    x ^ x >> 47
}

/// Joins two words.
fn join(a: u64, b: u64, factor: u64) -> u64 {
    let low = shift_mix((a ^ b).wrapping_mul(factor));
    shift_mix((b ^ low).wrapping_mul(factor)).wrapping_mul(factor)
}

/// The sum of words.
fn sum<const N: usize>(words: [u64; N]) -> u64 {
    words.into_iter().fold(0, u64::wrapping_add)
}

/// The factor for strings of this length.
fn factor_of(len: usize) -> u64 {
    K2.wrapping_add(2 * len as u64)
}

fn up_to_16(text: &[u8]) -> u64 {
    let n = text.len();
    match n {
        8.. => {
            let factor = factor_of(n);
            let a = word(text, 0).wrapping_add(K2);
            let b = word(text, n - 8);
            let c = b.rotate_right(37).wrapping_mul(factor).wrapping_add(a);
            let d = a.rotate_right(25).wrapping_add(b).wrapping_mul(factor);
            join(c, d, factor)
        }
        4.. => {
            let first = (half_word(text, 0) << 3).wrapping_add(n as u64);
            join(first, half_word(text, n - 4), factor_of(n))
        }
        1.. => {
            let byte = |at: usize| u64::from(text[at]);
            let y = byte(0) + (byte(n / 2) << 8);
            let z = n as u64 + (byte(n - 1) << 2);
            shift_mix(y.wrapping_mul(K2) ^ z.wrapping_mul(K0)).wrapping_mul(K2)
        }
        0 => K2,
    }
}

fn up_to_32(text: &[u8]) -> u64 {
    let n = text.len();
    let factor = factor_of(n);
    let a = word(text, 0).wrapping_mul(K1);
    let b = word(text, 8);
    let c = word(text, n - 8).wrapping_mul(factor);
    let d = word(text, n - 16).wrapping_mul(K2);
    mixed(a, b, c, d, factor, K2)
}

/// Joins four words, `b` once more with `extra`.
fn mixed(a: u64, b: u64, c: u64, d: u64, factor: u64, extra: u64) -> u64 {
    let first = sum([a.wrapping_add(b).rotate_right(43), c.rotate_right(30), d]);
    let second = sum([a, b.wrapping_add(extra).rotate_right(18), c]);
    join(first, second, factor)
}

fn up_to_64(text: &[u8]) -> u64 {
    let n = text.len();
    let factor = factor_of(n);
    let a = word(text, 0).wrapping_mul(K2);
    let b = word(text, 8);
    let c = word(text, n - 8).wrapping_mul(factor);
    let d = word(text, n - 16).wrapping_mul(K2);
    let y = sum([a.wrapping_add(b).rotate_right(43), c.rotate_right(30), d]);
    let z = mixed(a, b, c, d, factor, K2);
    let e = word(text, 16).wrapping_mul(factor);
    let f = word(text, 24);
    let g = y.wrapping_add(word(text, n - 32)).wrapping_mul(factor);
    let h = z.wrapping_add(word(text, n - 24)).wrapping_mul(factor);
    mixed(e, f, g, h, factor, a)
}

/// The state of a long string.
struct State {
    x: u64,
    y: u64,
    z: u64,
    v: (u64, u64),
    w: (u64, u64),
}

fn long(text: &[u8]) -> u64 {
    const SEED: u64 = 81;
    let y = SEED.wrapping_mul(K1).wrapping_add(113);
    let mut state = State {
        x: SEED.wrapping_mul(K2).wrapping_add(word(text, 0)),
        y,
        z: shift_mix(y.wrapping_mul(K2).wrapping_add(113)).wrapping_mul(K2),
        v: (0, 0),
        w: (0, 0),
    };
    let n_whole = (text.len() - 1) / 64;
    for block in text.chunks(64).take(n_whole) {
        state.absorb(block, K1, 1);
    }
    // The last 64 bytes, some of which were there already.
    let factor = K1.wrapping_add((state.z & 0xff) << 1);
    state.w.0 = state.w.0.wrapping_add((text.len() as u64 - 1) & 63);
    state.v.0 = state.v.0.wrapping_add(state.w.0);
    state.w.0 = state.w.0.wrapping_add(state.v.0);
    state.absorb(&text[text.len() - 64..], factor, 9);
    let State { x, y, z, v, w } = state;
    let first = sum([join(v.0, w.0, factor), shift_mix(y).wrapping_mul(K0), z]);
    let second = join(v.1, w.1, factor).wrapping_add(x);
    join(first, second, factor)
}

impl State {
    /// Mixes a block of 64 bytes in.
    fn absorb(&mut self, block: &[u8], factor: u64, weight: u64) {
        let State { x, y, z, v, w } = self;
        *x = sum([*x, *y, v.0, word(block, 8)]).rotate_right(37).wrapping_mul(factor);
        *y = sum([*y, v.1, word(block, 48)]).rotate_right(42).wrapping_mul(factor);
        *x ^= w.1.wrapping_mul(weight);
        *y = sum([*y, v.0.wrapping_mul(weight), word(block, 40)]);
        *z = z.wrapping_add(w.0).rotate_right(33).wrapping_mul(factor);
        *v = weak(&block[..32], v.1.wrapping_mul(factor), x.wrapping_add(w.0));
        let seed = y.wrapping_add(word(block, 16));
        *w = weak(&block[32..], z.wrapping_add(w.1), seed);
        std::mem::swap(z, x);
    }
}

/// A quick hash of 32 bytes.
fn weak(block: &[u8], a: u64, b: u64) -> (u64, u64) {
    let [first, second, third, fourth] = [0, 8, 16, 24].map(|at| word(block, at));
    let a = a.wrapping_add(first);
    let b = sum([b, a, fourth]).rotate_right(21);
    let start = a;
    let a = sum([a, second, third]);
    let b = b.wrapping_add(a.rotate_right(44));
    (a.wrapping_add(fourth), b.wrapping_add(start))
}

#[cfg(test)]
mod tests {
    use super::fingerprint64;

    /// `StringToHashBucketFast` of TensorFlow 2.21 with 2^63 - 1 buckets.
    #[test]
    fn every_length_gives_tensorflows_bucket() {
        let expected: [(usize, u64); 21] = [
            (0, 1_936_946_117_179_621_456),
            (1, 5_161_771_770_385_946_686),
            (3, 4_662_423_180_930_907_492),
            (4, 4_685_977_051_251_400_297),
            (7, 8_010_051_901_585_887_497),
            (8, 3_403_648_104_430_010_921),
            (15, 3_575_310_498_258_597_009),
            (16, 663_651_183_927_826_905),
            (17, 7_736_696_382_783_243_920),
            (31, 2_801_713_092_741_292_787),
            (32, 3_992_320_350_721_670_009),
            (33, 3_233_698_670_931_835_598),
            (63, 5_814_893_019_130_172_778),
            (64, 1_859_692_024_977_922_285),
            (65, 444_801_980_686_921_533),
            (127, 5_926_385_096_735_868_780),
            (128, 6_615_484_076_916_436_426),
            (129, 5_067_021_833_811_671_751),
            (192, 2_449_078_334_170_002_338),
            (193, 4_612_927_330_425_457_275),
            (300, 3_886_849_482_814_154_723),
        ];
        for (len, bucket) in expected {
            let text: Vec<u8> = (0..len).map(|i| ((i * 7 + len) % 256) as u8).collect();
            assert_eq!(fingerprint64(&text) % ((1 << 63) - 1), bucket, "{len} bytes");
        }
    }
}
