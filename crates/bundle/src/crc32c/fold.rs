//! crc32c by carry-less products of 512 bits: twice as fast as the processor's own instruction.
//!
//! A stretch of the input is a polynomial, of which the checksum is the remainder. Multiplying the
//! part that lies `d` bits before the end by `x^d` modulo crc32c's polynomial shortens the stretch
//! and keeps the remainder, and so does adding the product to what lies there. Four registers
//! of 64 bytes walk over the input that way, 2048 bits a step; in the end they are folded into one,
//! that into 16 bytes, and those go through the processor's instruction for crc32c.
//!
//! Each 128-bit lane is folded as two halves, the first 64 bits further from the end than the second.
//! Source: V. Gopal and others, "Fast CRC Computation for Generic Polynomials Using PCLMULQDQ
//! Instruction", 2009.
#![expect(unsafe_code, reason = "a function compiled for AVX-512 is called after detection")]

use std::arch::x86_64::{
    __m128i, __m512i, _mm_crc32_u64, _mm_cvtsi128_si64, _mm_unpackhi_epi64, _mm_xor_si128,
    _mm512_clmulepi64_epi128, _mm512_extracti32x4_epi32, _mm512_loadu_si512, _mm512_setr_epi64,
    _mm512_setzero_si512, _mm512_ternarylogic_epi64, _mm512_xor_si512,
};

use super::polynomial::power_of_x;

/// Bytes that are folded in one step.
const STEP: usize = 256;
/// Shorter inputs gain nothing.
const MIN_LEN: usize = 4 * STEP;

/// The checksum of what `crc` covers, followed by `bytes`; `None` if the processor lacks the
/// instructions or `bytes` are too few.
pub(super) fn extend(crc: u32, bytes: &[u8]) -> Option<u32> {
    if bytes.len() < MIN_LEN || !is_available() {
        return None;
    }
    let (blocks, rest) = bytes.as_chunks::<STEP>();
    // SAFETY: all features that the function is compiled for have been detected.
    let crc = unsafe { fold_blocks(crc, blocks)? };
    Some(::crc32c::crc32c_append(crc, rest))
}

fn is_available() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("vpclmulqdq")
        && is_x86_feature_detected!("pclmulqdq")
        && is_x86_feature_detected!("sse4.2")
}

/// The factors for halves of lanes that are moved `bits` towards the end.
const fn factors(bits: u64) -> [i64; 2] {
    // Products of reflected numbers come out one bit too low, hence the shift; 32 bits more or
    // less, because the remainder is that of the input times x^32.
    [factor(bits + 32), factor(bits - 32)]
}

#[expect(clippy::as_conversions, reason = "widening, in a constant")]
const fn factor(power: u64) -> i64 {
    (power_of_x(power) as i64) << 1
}

const BY_2048: [i64; 2] = factors(2048);
const BY_512: [i64; 2] = factors(512);
/// For the first three lanes of a register, on their way to the last.
const BY_384: [i64; 2] = factors(384);
const BY_256: [i64; 2] = factors(256);
const BY_128: [i64; 2] = factors(128);

#[target_feature(enable = "avx512f,vpclmulqdq,pclmulqdq,sse4.2")]
fn fold_blocks(crc: u32, blocks: &[[u8; STEP]]) -> Option<u32> {
    let (first, blocks) = blocks.split_first()?;
    let mut registers = load(first);
    // What came before is a remainder that belongs to the first 32 bits.
    let before = _mm512_setr_epi64(i64::from(!crc), 0, 0, 0, 0, 0, 0, 0);
    registers[0] = _mm512_xor_si512(registers[0], before);

    let factors = lanes([BY_2048; 4]);
    for block in blocks {
        let next = load(block);
        registers = [
            fold(registers[0], factors, next[0]),
            fold(registers[1], factors, next[1]),
            fold(registers[2], factors, next[2]),
            fold(registers[3], factors, next[3]),
        ];
    }

    let factors = lanes([BY_512; 4]);
    let [a, b, c, d] = registers;
    let last = fold(fold(fold(a, factors, b), factors, c), factors, d);
    let folded = fold(last, lanes([BY_384, BY_256, BY_128, [0; 2]]), _mm512_setzero_si512());
    let sum = xor(
        xor(_mm512_extracti32x4_epi32::<0>(folded), _mm512_extracti32x4_epi32::<1>(folded)),
        xor(_mm512_extracti32x4_epi32::<2>(folded), _mm512_extracti32x4_epi32::<3>(last)),
    );
    let crc = _mm_crc32_u64(0, _mm_cvtsi128_si64(sum).cast_unsigned());
    let crc = _mm_crc32_u64(crc, _mm_cvtsi128_si64(_mm_unpackhi_epi64(sum, sum)).cast_unsigned());
    // The instruction gives 32 bits.
    Some(!u32::try_from(crc).unwrap_or(0))
}

/// `value` with each half of a lane multiplied, and `next` added.
#[inline]
#[target_feature(enable = "avx512f,vpclmulqdq")]
fn fold(value: __m512i, factors: __m512i, next: __m512i) -> __m512i {
    const ADD_ALL: i32 = 0x96;
    let first = _mm512_clmulepi64_epi128::<0x00>(value, factors);
    let second = _mm512_clmulepi64_epi128::<0x11>(value, factors);
    _mm512_ternarylogic_epi64::<ADD_ALL>(first, second, next)
}

#[inline]
#[target_feature(enable = "sse2")]
fn xor(a: __m128i, b: __m128i) -> __m128i {
    _mm_xor_si128(a, b)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn lanes([a, b, c, d]: [[i64; 2]; 4]) -> __m512i {
    _mm512_setr_epi64(a[0], a[1], b[0], b[1], c[0], c[1], d[0], d[1])
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load(block: &[u8; STEP]) -> [__m512i; 4] {
    let (registers, _) = block.as_chunks::<64>();
    let registers = <&[[u8; 64]; 4]>::try_from(registers).unwrap_or(&[[0; 64]; 4]);
    // SAFETY: each pointer is to 64 bytes that are borrowed; the load needs no alignment.
    registers.each_ref().map(|bytes| unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) })
}
