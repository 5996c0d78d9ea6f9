/// An unsigned integer of 256 bits, for sums of squares of 64-bit integers without rounding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Wide {
    high: u128,
    low: u128,
}

impl Wide {
    pub(crate) const ZERO: Wide = Wide { high: 0, low: 0 };

    /// The product of two numbers.
    pub(crate) fn product(a: u128, b: u128) -> Wide {
        const MASK: u128 = u64::MAX as u128;
        let (a_high, a_low, b_high, b_low) = (a >> 64, a & MASK, b >> 64, b & MASK);
        let (low, carry) = (a_low * b_low).overflowing_add((a_low * b_high) << 64);
        let (low, other_carry) = low.overflowing_add((a_high * b_low) << 64);
        let high = a_high * b_high + ((a_low * b_high) >> 64) + ((a_high * b_low) >> 64);
        Wide { high: high + u128::from(carry) + u128::from(other_carry), low }
    }

    pub(crate) fn add(self, other: Wide) -> Wide {
        let (low, carry) = self.low.overflowing_add(other.low);
        let high = self.high.wrapping_add(other.high).wrapping_add(u128::from(carry));
        Wide { high, low }
    }

    /// Adds a small number in place.
    pub(crate) fn accumulate(&mut self, value: u128) {
        let (low, carry) = self.low.overflowing_add(value);
        self.low = low;
        self.high += u128::from(carry);
    }

    /// The difference; zero if that were negative.
    pub(crate) fn saturating_sub(self, other: Wide) -> Wide {
        if self <= other {
            return Wide::ZERO;
        }
        let (low, borrow) = self.low.overflowing_sub(other.low);
        let high = self.high.wrapping_sub(other.high).wrapping_sub(u128::from(borrow));
        Wide { high, low }
    }

    /// The product with a number, where it fits.
    pub(crate) fn times(self, factor: u64) -> Wide {
        let low = Wide::product(self.low, u128::from(factor));
        Wide { high: low.high.wrapping_add(self.high.wrapping_mul(u128::from(factor))), ..low }
    }

    /// The number, to within one unit in the last place.
    pub(crate) fn to_f64(self) -> f64 {
        self.high as f64 * 2f64.powi(128) + self.low as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Expected numbers are Python's integers.
    #[test]
    fn products_and_sums_are_exact() {
        let max = u128::MAX;
        assert_eq!(Wide::product(max, max), Wide { high: max - 1, low: 1 });
        let cube = Wide { high: 0, low: 1 << 127 }.times(6);
        assert_eq!(cube, Wide { high: 3, low: 0 });
        let mut sum = Wide { high: 7, low: max };
        sum.accumulate(2);
        assert_eq!(sum, Wide { high: 8, low: 1 });
        assert_eq!(sum.saturating_sub(Wide { high: 0, low: 2 }), Wide { high: 7, low: max });
        assert_eq!(sum.add(sum), Wide { high: 16, low: 2 });
        assert_eq!(cube.saturating_sub(sum), Wide::ZERO);
        // (2**64 - 1)**2 * (2**63 - 1)
        let squares = Wide::product(u128::from(u64::MAX), u128::from(u64::MAX));
        let total = squares.times(u64::MAX >> 1);
        assert_eq!(total.high, 0x7fff_ffff_ffff_fffe);
        assert_eq!(total.low, 0x0000_0000_0000_0002_7fff_ffff_ffff_ffff);
        assert_eq!(total.to_f64(), 3.138_550_867_693_340_4e57);
    }
}
