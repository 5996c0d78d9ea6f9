//! From bytes to numbers, some thousand at a time: loops over such a block stay in the first cache and
//! are ones that compilers turn into vector instructions.

/// The elements of a block.
pub(crate) const BLOCK_LEN: usize = 1024;

/// Calls `work` with the elements of a stretch, block by block.
pub(crate) fn blocks<const N: usize, T: Copy + Default>(
    bytes: &[u8],
    decode: impl Fn([u8; N]) -> T,
    mut work: impl FnMut(&[T]),
) {
    let mut block = [T::default(); BLOCK_LEN];
    for bytes in bytes.chunks(BLOCK_LEN * N) {
        work(decode_into(bytes, &mut block, &decode));
    }
}

/// Writes the elements that bytes hold into a block, and gives those.
pub(super) fn decode_into<'o, const N: usize, T>(
    bytes: &[u8],
    out: &'o mut [T; BLOCK_LEN],
    decode: impl Fn([u8; N]) -> T,
) -> &'o [T] {
    let (elements, _) = bytes.as_chunks::<N>();
    for (value, element) in out.iter_mut().zip(elements) {
        *value = decode(*element);
    }
    &out[..elements.len().min(BLOCK_LEN)]
}

/// The value of a half, without branches.
pub(crate) fn f16_value(element: [u8; 2]) -> f32 {
    /// 2¹¹², the ratio of what the same exponent means in both types.
    const REBIAS: f32 = f32::from_bits(0x7780_0000);
    let bits = u32::from(u16::from_ne_bytes(element));
    let magnitude = (bits & 0x7fff) << 13;
    let finite = (f32::from_bits(magnitude) * REBIAS).to_bits();
    let special = magnitude | 0x7f80_0000;
    let magnitude = if magnitude < 0x0f80_0000 { finite } else { special };
    f32::from_bits((bits & 0x8000) << 16 | magnitude)
}

/// The value of a brain float.
pub(crate) fn bf16_value(element: [u8; 2]) -> f32 {
    f32::from_bits(u32::from(u16::from_ne_bytes(element)) << 16)
}

#[cfg(test)]
mod tests {
    use flowkeep_tensor::{bf16, f16};

    use super::*;

    #[test]
    fn every_16_bit_float_has_its_value() {
        for bits in 0..=u16::MAX {
            let element = bits.to_ne_bytes();
            let cases = [
                (f16_value(element), f16::from_bits(bits).to_f32()),
                (bf16_value(element), bf16::from_bits(bits).to_f32()),
            ];
            for (value, expected) in cases {
                let is_same = value.to_bits() == expected.to_bits();
                assert!(is_same || value.is_nan() && expected.is_nan(), "{bits:#x}");
            }
        }
    }

    #[test]
    fn blocks_cover_a_stretch() {
        let bytes: Vec<u8> = (0..4 * (2 * BLOCK_LEN as u32 + 3)).map(|i| i as u8).collect();
        let (mut lens, mut values) = (Vec::new(), Vec::new());
        blocks(&bytes, u32::from_ne_bytes, |block| {
            lens.push(block.len());
            values.extend(block.iter().flat_map(|value| value.to_ne_bytes()));
        });
        assert_eq!((lens, values), (vec![BLOCK_LEN, BLOCK_LEN, 3], bytes));
    }
}
