//! Elementary functions without branches, so that loops over them can be vectorized.
//!
//! Called on single values they cost as much as the standard library's; in a loop compiled for
//! wide registers (see [`elementwise`](crate::elementwise)) many times less.

/// Adding this to a float of moderate size rounds it to an integer, kept in the low mantissa bits.
const ROUNDER: f32 = 12_582_912.0;

/// e to the power of `x`.
///
/// Error below 2 units in the last place where the result is a normal number. Results too small
/// for one are 0, as in TensorFlow, whose threads flush denormals.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    // ln 2 in two parts; the first has few enough bits for an exact product with the exponent.
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    // The logarithms of the smallest normal and the largest number.
    const SMALLEST: f32 = -87.336_54;
    const LARGEST: f32 = 88.722_84;

    let clamped = if x < SMALLEST { SMALLEST } else { x };
    let clamped = if clamped > LARGEST { LARGEST } else { clamped };
    let rounded = clamped * std::f32::consts::LOG2_E + ROUNDER;
    let n = rounded - ROUNDER;
    let r = (clamped - n * LN_2_HIGH) - n * LN_2_LOW;
    // The Taylor series up to r^7: |r| <= 0.3466, so that the rest is below 6e-9.
    let mut p = 1.0 / 5040.0;
    for c in [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5] {
        p = p * r + c;
    }
    let p = p * r * r + r + 1.0;
    // Two steps, since n goes up to 128, which is no exponent of a finite number.
    let n = (rounded.to_bits() as i32).wrapping_sub(ROUNDER.to_bits() as i32);
    let half = n >> 1;
    let value = p * power_of_two(half) * power_of_two(n.wrapping_sub(half));
    let value = if x > LARGEST { f32::INFINITY } else { value };
    if x < SMALLEST { 0.0 } else { value }
}

/// 2 to the power of `n`, for the exponents of normal numbers.
#[inline(always)]
fn power_of_two(n: i32) -> f32 {
    f32::from_bits((n.wrapping_add(127) << 23) as u32)
}

#[cfg(test)]
mod tests {
    use super::exp;

    #[test]
    fn exp_is_within_two_ulps_of_the_exact_value() {
        let mut x = -87.33_f32;
        while x < 88.72 {
            let exact = f64::from(x).exp();
            let ulp = f64::from((exact as f32).next_up()) - f64::from(exact as f32);
            let error = (f64::from(exp(x)) - exact).abs() / ulp;
            assert!(error < 2.0, "exp({x}) is off by {error} ulps");
            x += 0.001_37;
        }
    }

    #[test]
    fn exp_of_special_values() {
        assert_eq!(exp(0.0), 1.0);
        assert_eq!(exp(-0.0), 1.0);
        assert_eq!(exp(f32::INFINITY), f32::INFINITY);
        assert_eq!(exp(f32::NEG_INFINITY), 0.0);
        assert_eq!(exp(89.0), f32::INFINITY);
        assert_eq!(exp(-88.0), 0.0);
        assert!(exp(f32::NAN).is_nan());
    }
}
