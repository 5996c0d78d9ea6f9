//! Arithmetic of polynomials over GF(2) modulo crc32c's, at compile time and for joining checksums.
//!
//! Bits are reflected, as in the checksum itself: the most significant bit of a `u32` is the
//! coefficient of x^0.

/// Castagnoli's polynomial without its leading term.
const CASTAGNOLI: u32 = 0x82f6_3b78;
/// The least `n > 0` with `x^n = 1`.
const ORDER: u64 = (1 << 31) - 1;

/// `a * x`.
const fn times_x(a: u32) -> u32 {
    (a >> 1) ^ if a & 1 == 1 { CASTAGNOLI } else { 0 }
}

/// `a * b`.
const fn product(a: u32, mut b: u32) -> u32 {
    let mut sum = 0;
    let mut bit = 1 << 31;
    while bit != 0 {
        if a & bit != 0 {
            sum ^= b;
        }
        b = times_x(b);
        bit >>= 1;
    }
    sum
}

/// `x^n`.
pub(super) const fn power_of_x(mut n: u64) -> u32 {
    // x^0 and x^1.
    let (mut result, mut square) = (1 << 31, 1 << 30);
    while n != 0 {
        if n & 1 == 1 {
            result = product(result, square);
        }
        square = product(square, square);
        n >>= 1;
    }
    result
}

/// Joins checksums of parts to that of the whole, from the first on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Joined {
    crc: u32,
    /// A length in bytes, and x to the power of its bits: parts are often of the same length.
    power: (u64, u32),
}

impl Joined {
    /// The checksum of nothing.
    pub(crate) fn new() -> Joined {
        Joined { crc: 0, power: (0, power_of_x(0)) }
    }

    /// Adds the checksum of the next `len_bytes` bytes.
    pub(crate) fn add(&mut self, crc: u32, len_bytes: u64) {
        if self.power.0 != len_bytes {
            self.power = (len_bytes, power_of_x(len_bytes % ORDER * 8));
        }
        self.crc = product(self.crc, self.power.1) ^ crc;
    }

    /// The checksum of everything.
    pub(crate) fn crc(&self) -> u32 {
        self.crc
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_follow_from_each_other() {
        let mut power = 1 << 31;
        for n in 0..200 {
            assert_eq!(power_of_x(n), power, "{n}");
            power = times_x(power);
        }
        assert_eq!(power_of_x(ORDER), 1 << 31);
        assert_eq!(power_of_x(u64::from(u32::MAX)), power_of_x(1));
    }
}
