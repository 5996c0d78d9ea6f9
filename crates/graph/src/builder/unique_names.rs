use std::collections::HashMap;

/// The names in use in a graph, and how one that is asked for again is told apart.
///
/// A name that was asked for before gets `_1`, `_2` and so on, the first that is free. Names clash
/// whatever their case: `a` and then `A` are `a` and `A_1`. Scopes and nodes share the names. A name
/// `a/b` does not take `a`.
///
/// ```
/// use flowkeep_graph::builder::UniqueNames;
///
/// let mut names = UniqueNames::default();
/// let unique: Vec<String> = ["a", "a", "A_1", "a"].map(|name| names.unique(name)).into();
/// assert_eq!(unique, ["a", "a_1", "A_1_1", "a_2"]);
/// ```
#[derive(Clone, Debug, Default)]
pub struct UniqueNames {
    /// By name in lower case: the number to try when the name is asked for again.
    used: HashMap<String, u64>,
}

impl UniqueNames {
    /// A name like `name` that nothing has yet; it is taken afterwards.
    pub fn unique(&mut self, name: &str) -> String {
        let key = name.to_lowercase();
        let Some(number) = self.used.get(&key).copied() else {
            self.used.insert(key, 1);
            return name.to_owned();
        };
        let (taken, number_found) = self.free(&key, number);
        // Only the counter of the name that was asked for moves.
        self.used.insert(key, number + 1);
        self.used.insert(taken, 1);
        format!("{name}_{number_found}")
    }

    /// What [`UniqueNames::unique`] would give, without taking it.
    pub fn peek(&self, name: &str) -> String {
        let key = name.to_lowercase();
        match self.used.get(&key) {
            None => name.to_owned(),
            Some(number) => format!("{name}_{}", self.free(&key, *number).1),
        }
    }

    /// Takes a name that a node has, such as one that was imported.
    pub fn insert(&mut self, name: &str) {
        self.used.entry(name.to_lowercase()).or_insert(1);
    }

    /// The first of `key_number`, `key_number+1`, … that is free, and its number.
    fn free(&self, key: &str, mut number: u64) -> (String, u64) {
        loop {
            let composed = format!("{key}_{number}");
            if !self.used.contains_key(&composed) {
                return (composed, number);
            }
            number += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clashing_names_get_the_first_free_number_whatever_their_case() {
        // As TensorFlow's Graph.unique_name gives them.
        let mut names = UniqueNames::default();
        for (name, unique) in [
            ("a", "a"),
            ("a", "a_1"),
            ("A", "A_2"),
            ("a_1", "a_1_1"),
            ("a", "a_3"),
            ("A_2", "A_2_1"),
            ("a_2", "a_2_2"),
            ("a", "a_4"),
        ] {
            assert_eq!(names.peek(name), unique);
            assert_eq!(names.unique(name), unique);
        }
    }

    #[test]
    fn a_nested_name_does_not_take_its_parents() {
        let mut names = UniqueNames::default();
        names.unique("a/b");
        assert_eq!(names.unique("a"), "a");
    }

    #[test]
    fn names_of_imported_nodes_are_taken_once() {
        let mut names = UniqueNames::default();
        names.insert("A");
        names.insert("a");
        assert_eq!(names.unique("a"), "a_1");
    }

    #[test]
    fn asking_often_for_one_name_takes_linear_time() {
        let mut names = UniqueNames::default();
        let last = (0..100_000).map(|_| names.unique("x")).last();
        assert_eq!(last.as_deref(), Some("x_99999"));
    }
}
