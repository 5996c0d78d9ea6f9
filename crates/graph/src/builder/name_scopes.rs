//! Nested name scopes: what is put before the names of nodes.

use super::UniqueNames;
use crate::Error;

/// How names of nodes, and of scopes where there is none around, are made, as TensorFlow writes it.
const ROOT_PATTERN: &str = r"^[A-Za-z0-9.][A-Za-z0-9_.\\/>-]*$";
/// How names of scopes within others are made.
const NESTED_PATTERN: &str = r"^[A-Za-z0-9_.\\/>-]*$";

/// The name scope that new nodes get their names in, and all names that are taken.
#[derive(Clone, Debug, Default)]
pub(super) struct NameScopes {
    names: UniqueNames,
    current: Current,
}

/// A name scope.
#[derive(Clone, Debug, Default)]
pub(super) struct Current {
    /// Its name without a slash at its end; empty at the root.
    path: String,
    /// The name by which it can be entered again, with the slash; empty for the root.
    absolute: String,
}

impl NameScopes {
    /// The name by which the current scope can be entered again, with a slash at its end; empty for the
    /// root.
    pub(super) fn absolute(&self) -> &str {
        &self.current.absolute
    }

    /// The names that are taken.
    pub(super) fn names_mut(&mut self) -> &mut UniqueNames {
        &mut self.names
    }

    /// A unique name in the current scope.
    pub(super) fn unique(&mut self, name: &str) -> String {
        self.names.unique(&self.full(name))
    }

    /// What [`NameScopes::unique`] would give.
    pub(super) fn peek(&self, name: &str) -> String {
        self.names.peek(&self.full(name))
    }

    /// Enters a scope: a new one with a unique name, or `a/b/`, which is taken as it is, or the root
    /// for the empty name. Gives the scope before.
    ///
    /// Errors: `INVALID_ARGUMENT`, with TensorFlow's texts, for names that may not be.
    pub(super) fn enter(&mut self, name: &str) -> Result<Current, Error> {
        if !name.is_empty() {
            self.check(name)?;
        }
        let next = if name.is_empty() {
            Current::default()
        } else if let Some(path) = name.strip_suffix('/') {
            Current { path: path.to_owned(), absolute: name.to_owned() }
        } else {
            let path = self.unique(name);
            Current { absolute: format!("{path}/"), path }
        };
        Ok(std::mem::replace(&mut self.current, next))
    }

    /// Goes back to the scope before.
    pub(super) fn leave(&mut self, left: Current) {
        self.current = left;
    }

    fn full(&self, name: &str) -> String {
        let path = &self.current.path;
        if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") }
    }

    fn check(&self, name: &str) -> Result<(), Error> {
        let (valid, kind, article, pattern) = if self.current.path.is_empty() {
            (is_root_name(name), "root scope name", "A root scope name", ROOT_PATTERN)
        } else {
            (name.bytes().all(is_name_byte), "scope name", "A scope name", NESTED_PATTERN)
        };
        if valid {
            return Ok(());
        }
        Err(Error::BadName(format!(
            "'{name}' is not a valid {kind}. {article} has to match the following pattern: {pattern}"
        )))
    }
}

/// Fails for what can be no node's name.
///
/// Errors: `INVALID_ARGUMENT`, with TensorFlow's text.
pub(super) fn check_node_name(name: &str) -> Result<(), Error> {
    if is_root_name(name) {
        return Ok(());
    }
    let pattern = ROOT_PATTERN.replace('\\', r"\\");
    Err(Error::BadName(format!(
        "`{name}` is not a valid node name. Accepted names conform to Regex /re.compile('{pattern}')/"
    )))
}

fn is_root_name(name: &str) -> bool {
    name.bytes().all(is_name_byte)
        && name.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '.')
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_.\\/>-".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_nest_and_a_slash_enters_one_again() {
        let mut scopes = NameScopes::default();
        scopes.enter("a").unwrap();
        assert_eq!(scopes.absolute(), "a/");
        let a = scopes.enter("b").unwrap();
        assert_eq!((scopes.unique("x").as_str(), scopes.absolute()), ("a/b/x", "a/b/"));
        let b = scopes.enter("a/").unwrap();
        assert_eq!((scopes.unique("b").as_str(), scopes.absolute()), ("a/b_1", "a/"));
        scopes.leave(b);
        assert_eq!(scopes.absolute(), "a/b/");
        let b = scopes.enter("").unwrap();
        assert_eq!((scopes.unique("a").as_str(), scopes.absolute()), ("a_1", ""));
        scopes.leave(b);
        scopes.leave(a);
        assert_eq!(scopes.absolute(), "a/");
    }

    #[test]
    fn names_that_may_not_be_are_refused() {
        let mut scopes = NameScopes::default();
        for name in ["_a", "-a", "/", "a b", "a:0", "ä"] {
            assert_eq!(
                scopes.enter(name).unwrap_err().to_string(),
                format!(
                    "'{name}' is not a valid root scope name. A root scope name has to match the following pattern: \
                     ^[A-Za-z0-9.][A-Za-z0-9_.\\\\/>-]*$"
                )
            );
        }
        scopes.enter("a").unwrap();
        let a = scopes.enter("_b").unwrap();
        assert_eq!(scopes.absolute(), "a/_b/");
        scopes.leave(a);
        assert_eq!(
            scopes.enter("a b").unwrap_err().to_string(),
            "'a b' is not a valid scope name. A scope name has to match the following pattern: ^[A-Za-z0-9_.\\\\/>-]*$"
        );
    }

    #[test]
    fn nodes_obey_the_rule_of_root_scopes() {
        for name in ["a", ".a", "7", "a/_b", "a>b", "A-b\\c"] {
            check_node_name(name).unwrap();
        }
        assert_eq!(
            check_node_name("_a").unwrap_err().to_string(),
            "`_a` is not a valid node name. Accepted names conform to Regex \
             /re.compile('^[A-Za-z0-9.][A-Za-z0-9_.\\\\\\\\/>-]*$')/"
        );
        assert!(check_node_name("").is_err());
    }
}
