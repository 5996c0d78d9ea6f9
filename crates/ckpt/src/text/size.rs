/// How sizes in bytes are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sizes {
    /// With a unit, and three or four digits: `1.5 MiB`.
    #[default]
    Human,
    /// In bytes: `1572864`.
    Exact,
}

const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

impl Sizes {
    /// The text of a size.
    pub fn text(self, len_bytes: u64) -> String {
        if self == Sizes::Exact {
            return len_bytes.to_string();
        }
        if len_bytes < 1024 {
            return format!("{len_bytes} B");
        }
        // In tenths of the unit, rounded: from 1024.0 on, the next unit is due.
        let tenths = |unit: u32| {
            let unit = 1u128 << (10 * (unit + 1));
            (u128::from(len_bytes) * 10 + unit / 2) / unit
        };
        let unit = (0..5).find(|unit| tenths(*unit) < 10_240).unwrap_or(5);
        let tenths = tenths(unit);
        format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit as usize])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_the_largest_unit_that_leaves_a_whole_part() {
        for (len, expected) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1536, "1.5 KiB"),
            (1075, "1.0 KiB"),
            (1076, "1.1 KiB"),
            (1_048_524, "1023.9 KiB"),
            (1_048_525, "1.0 MiB"),
            (1 << 20, "1.0 MiB"),
            (25 << 30, "25.0 GiB"),
            (u64::MAX, "16.0 EiB"),
        ] {
            assert_eq!(Sizes::Human.text(len), expected, "{len}");
        }
        assert_eq!(Sizes::Exact.text(1536), "1536");
    }
}
