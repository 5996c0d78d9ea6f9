//! Checksums: crc32c, stored masked.
//!
//! A checksum that is stored beside the bytes it covers is rotated and shifted first, so that the
//! checksum of data that holds checksums stays meaningful.
//!
//! Long inputs go through `fold` where the processor has carry-less products of 512 bits, all else
//! through the crate `crc32c`.

#[cfg(target_arch = "x86_64")]
mod fold;
mod polynomial;

pub(crate) use self::polynomial::Joined;

const MASK_DELTA: u32 = 0xa282_ead8;

/// The crc32c (Castagnoli) of `bytes`.
pub(crate) fn crc32c(bytes: &[u8]) -> u32 {
    extend(0, bytes)
}

/// The checksum of what `crc` covers, followed by `bytes`.
pub(crate) fn extend(crc: u32, bytes: &[u8]) -> u32 {
    #[cfg(target_arch = "x86_64")]
    if let Some(crc) = fold::extend(crc, bytes) {
        return crc;
    }
    ::crc32c::crc32c_append(crc, bytes)
}

/// The stored form of a checksum.
pub(crate) fn mask(crc: u32) -> u32 {
    crc.rotate_right(15).wrapping_add(MASK_DELTA)
}

/// The checksum that is stored as `masked`.
pub(crate) fn unmask(masked: u32) -> u32 {
    masked.wrapping_sub(MASK_DELTA).rotate_left(15)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32c(b""), 0);
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(extend(crc32c(b"1234"), b"56789"), 0xe306_9283);
        assert_eq!(mask(0), 0xa282_ead8);
        assert_eq!(mask(0xe306_9283), 0xc78a_b0e5);
        assert_eq!(unmask(0xc78a_b0e5), 0xe306_9283);
    }

    /// One bit after the other, straight from the definition.
    fn naive(mut crc: u32, bytes: &[u8]) -> u32 {
        crc = !crc;
        for byte in bytes {
            crc ^= u32::from(*byte);
            for _ in 0..8 {
                crc = (crc >> 1) ^ if crc & 1 == 1 { 0x82f6_3b78 } else { 0 };
            }
        }
        !crc
    }

    #[test]
    fn any_length_and_place_agrees_with_the_definition() {
        let bytes: Vec<u8> =
            (0..5000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        for start in [0, 1, 7, 63] {
            for len in
                (0..300).chain([511, 512, 513, 767, 1024, 1025, 1500, 2048, 4095, 4096, 4900])
            {
                let bytes = &bytes[start..start + len];
                assert_eq!(extend(0x1234_5678, bytes), naive(0x1234_5678, bytes), "{start} {len}");
            }
        }
    }

    #[test]
    fn checksums_of_parts_can_be_joined() {
        let bytes: Vec<u8> = (0..3000u32).map(|i| ((i * i) >> 3) as u8).collect();
        for at in [0, 1, 17, 1000, 2999, 3000] {
            let (a, b) = bytes.split_at(at);
            let mut joined = Joined::new();
            joined.add(crc32c(a), a.len() as u64);
            joined.add(crc32c(b), b.len() as u64);
            assert_eq!(joined.crc(), crc32c(&bytes), "{at}");
        }
    }
}
