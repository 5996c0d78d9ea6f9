//! Names in the order in which people count.

use std::cmp::Ordering;

/// Compares two names by their runs of digits as numbers, and by bytes between these: `layer_2` comes
/// before `layer_10`. What belongs to a scope stays together: `/` comes before all other bytes.
pub(super) fn compare(a: &[u8], b: &[u8]) -> Ordering {
    let (mut left, mut right) = (a, b);
    loop {
        let (Some((x, left_rest)), Some((y, right_rest))) =
            (left.split_first(), right.split_first())
        else {
            // One has ended. Numbers of another form may still make a difference.
            return left.len().cmp(&right.len()).then_with(|| a.cmp(b));
        };
        let order;
        if x.is_ascii_digit() && y.is_ascii_digit() {
            let (n, left_after) = number(left);
            let (m, right_after) = number(right);
            order = n.len().cmp(&m.len()).then_with(|| n.cmp(m));
            (left, right) = (left_after, right_after);
        } else {
            order = (*x != b'/', x).cmp(&(*y != b'/', y));
            (left, right) = (left_rest, right_rest);
        }
        if order != Ordering::Equal {
            return order;
        }
    }
}

/// The digits at the beginning without leading zeros, and the rest.
fn number(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    let n_zeros = digits.iter().take_while(|digit| **digit == b'0').count();
    (&digits[n_zeros..], rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_names_count_as_numbers() {
        let names = [
            "",
            "0",
            "a/b",
            "a-1/b",
            "a01",
            "a1",
            "a1/x",
            "a2",
            "a10",
            "layer_2/bias",
            "layer_2/kernel",
            "layer_2b",
            "layer_010",
            "layer_10",
            "layer_99999999999999999999999",
            "layer_100000000000000000000000",
            "w",
            "w/Adam",
            "w_1",
        ];
        for (i, a) in names.iter().enumerate() {
            for (j, b) in names.iter().enumerate() {
                assert_eq!(compare(a.as_bytes(), b.as_bytes()), i.cmp(&j), "{a} {b}");
            }
        }
    }
}
