//! A table of names, made once, that finds one with a single comparison.

/// Numbers by name. No two names share a slot.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// As many as a power of two.
    slots: Vec<Slot>,
    seed: u64,
}

/// A name and its number, or nothing.
type Slot = Option<(Box<[u8]>, usize)>;

/// How many seeds are tried before the table grows.
const N_SEEDS: u64 = 64;

impl Names {
    /// The table of these names; of equal ones the first counts.
    pub(super) fn new<'a>(names: impl IntoIterator<Item = (&'a str, usize)>) -> Self {
        let mut distinct: Vec<(&str, usize)> = Vec::new();
        for (name, number) in names {
            if distinct.iter().all(|(other, _)| *other != name) {
                distinct.push((name, number));
            }
        }
        let mut n_slots = distinct.len().saturating_mul(2).next_power_of_two();
        loop {
            for seed in 0..N_SEEDS {
                if let Some(slots) = place(&distinct, n_slots, seed) {
                    return Self { slots, seed };
                }
            }
            n_slots = n_slots.saturating_mul(2);
        }
    }

    /// The number of that name.
    pub(super) fn get(&self, name: &[u8]) -> Option<usize> {
        let (found, number) = self.slots.get(slot(name, self.seed, self.slots.len()))?.as_ref()?;
        (**found == *name).then_some(*number)
    }
}

/// The slots with every name in its own; none if two would share one.
fn place(names: &[(&str, usize)], n_slots: usize, seed: u64) -> Option<Vec<Slot>> {
    let mut slots = vec![None; n_slots];
    for (name, number) in names {
        let taken = slots.get_mut(slot(name.as_bytes(), seed, n_slots))?;
        if taken.is_some() {
            return None;
        }
        *taken = Some((Box::from(name.as_bytes()), *number));
    }
    Some(slots)
}

/// Which of `n_slots`, a power of two, a name belongs to.
fn slot(name: &[u8], seed: u64, n_slots: usize) -> usize {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let mix = |hash: u64, word: u64| (hash ^ word).wrapping_mul(FACTOR).rotate_left(32);
    let (words, rest) = name.as_chunks::<8>();
    let hash = words.iter().fold(seed, |hash, word| mix(hash, u64::from_le_bytes(*word)));
    let last = match (name.last_chunk::<8>(), rest.first_chunk::<4>(), rest.last_chunk::<4>()) {
        (Some(last), ..) => u64::from_le_bytes(*last),
        (_, Some(first), Some(last)) => {
            u64::from(u32::from_le_bytes(*first)) << 32 | u64::from(u32::from_le_bytes(*last))
        }
        _ => rest.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)),
    };
    // Names of equal bytes may still differ in their length.
    let len = u64::try_from(name.len()).unwrap_or(u64::MAX);
    let [a, b, c, d, ..] = mix(mix(hash, last), len).to_le_bytes();
    usize::try_from(u32::from_le_bytes([a, b, c, d])).unwrap_or_default() & n_slots.wrapping_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_and_others_are_not() {
        let all: Vec<String> =
            (0..500).map(|i| format!("some_long_name_{i}_and_its_end")).collect();
        let names = Names::new(all.iter().enumerate().map(|(i, name)| (name.as_str(), i)));
        for (i, name) in all.iter().enumerate() {
            assert_eq!(names.get(name.as_bytes()), Some(i));
            assert_eq!(names.get(&name.as_bytes()[1..]), None);
        }
        assert_eq!(names.get(b""), None);
        assert_eq!(Names::new([]).get(b"a"), None);
        assert_eq!(Names::default().get(b"a"), None);
    }

    #[test]
    fn the_first_of_equal_names_counts() {
        let names = Names::new([("a", 1), ("b", 2), ("a", 3)]);
        assert_eq!(names.get(b"a"), Some(1));
        assert_eq!(names.get(b"b"), Some(2));
    }

    #[test]
    fn all_bytes_of_a_name_count() {
        let names = Names::new([("abcdefgh", 1), ("abcdefghi", 2), ("abcdefg", 3), ("", 4)]);
        for (name, number) in [("abcdefgh", 1), ("abcdefghi", 2), ("abcdefg", 3), ("", 4)] {
            assert_eq!(names.get(name.as_bytes()), Some(number));
        }
    }
}
