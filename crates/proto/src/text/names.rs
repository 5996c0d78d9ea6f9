//! A table of names, made once, that finds one with hardly more than a single comparison.

/// Places in a list of names, by name.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// As many as a power of two, of which at most every second is taken. A name is in the first
    /// slot from its own on that was free.
    slots: Vec<Slot>,
}

/// A name with its hash and its place in the list, or nothing.
type Slot = Option<(u32, Box<[u8]>, usize)>;

impl Names {
    /// The table of these names; of equal ones the first counts.
    pub(super) fn new<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> Self {
        let n_slots = names.len().saturating_mul(2).next_power_of_two();
        let mut table = Self { slots: vec![None; n_slots] };
        for (place, name) in names.enumerate() {
            let name = name.as_bytes();
            if table.get(name).is_none()
                && let Some(free) = table.slots_from(hash(name)).find(|idx| table.is_free(*idx))
                && let Some(slot) = table.slots.get_mut(free)
            {
                *slot = Some((hash(name), Box::from(name), place));
            }
        }
        table
    }

    /// The place of that name.
    pub(super) fn get(&self, name: &[u8]) -> Option<usize> {
        let hash = hash(name);
        for idx in self.slots_from(hash) {
            let (other, found, place) = self.slots.get(idx)?.as_ref()?;
            if *other == hash && **found == *name {
                return Some(*place);
            }
        }
        None
    }

    /// All slots, from the one that names of that hash belong to.
    fn slots_from(&self, hash: u32) -> impl Iterator<Item = usize> + use<> {
        let n_slots = self.slots.len();
        let first = usize::try_from(hash).unwrap_or_default();
        (0..n_slots).map(move |step| first.wrapping_add(step) & n_slots.wrapping_sub(1))
    }

    fn is_free(&self, idx: usize) -> bool {
        self.slots.get(idx).is_some_and(Option::is_none)
    }
}

fn hash(name: &[u8]) -> u32 {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let mix = |hash: u64, word: u64| (hash ^ word).wrapping_mul(FACTOR).rotate_left(32);
    let (words, rest) = name.as_chunks::<8>();
    let hash = words.iter().fold(0, |hash, word| mix(hash, u64::from_le_bytes(*word)));
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
    u32::from_le_bytes([a, b, c, d])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_and_others_are_not() {
        let all: Vec<String> =
            (0..500).map(|i| format!("some_long_name_{i}_and_its_end")).collect();
        let names = Names::new(all.iter().map(String::as_str));
        for (place, name) in all.iter().enumerate() {
            assert_eq!(names.get(name.as_bytes()), Some(place));
            assert_eq!(names.get(&name.as_bytes()[1..]), None);
        }
        assert_eq!(names.get(b""), None);
        assert_eq!(Names::new([].into_iter()).get(b"a"), None);
        assert_eq!(Names::default().get(b"a"), None);
    }

    #[test]
    fn the_first_of_equal_names_counts() {
        let names = Names::new(["a", "b", "a"].into_iter());
        assert_eq!(names.get(b"a"), Some(0));
        assert_eq!(names.get(b"b"), Some(1));
    }

    #[test]
    fn all_bytes_of_a_name_count() {
        let all = ["abcdefgh", "abcdefghi", "abcdefg", ""];
        let names = Names::new(all.into_iter());
        for (place, name) in all.iter().enumerate() {
            assert_eq!(names.get(name.as_bytes()), Some(place));
        }
    }
}
