//! Variable scopes: what is put before the names of variables that are got by name.

use std::collections::HashMap;

use flowkeep_tensor::DType;

use super::{DeviceSpec, Initializer, Partitioner};

/// Whether variables that are asked for by name are new or there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Reuse {
    /// All are new; one that is there is an error.
    #[default]
    No,
    /// All are there; one that is not is an error.
    Yes,
    /// One that is there is reused, one that is not is created.
    Auto,
}

/// A variable scope: a prefix for the names of variables, and defaults for them.
///
/// A value of its own: changing the scope that is entered does not change copies of it. Entered
/// again with [`Scope::variable_scope`](super::Scope::variable_scope), it leads to the same variables.
#[derive(Clone, Debug)]
pub struct VariableScope {
    pub(super) name: String,
    pub(super) original_name_scope: String,
    pub(super) reuse: Reuse,
    pub(super) defaults: VariableDefaults,
}

/// What variables of a scope are unless they say otherwise. `None` is what the scope around says.
#[derive(Clone, Debug, Default)]
pub struct VariableDefaults {
    /// The type; without any, `float`.
    pub dtype: Option<DType>,
    /// The initializer; without any, [`Initializer::glorot_uniform`] for floats and zeros for other
    /// numbers.
    pub initializer: Option<Initializer>,
    /// Whether variables are resources; without any, as the graph says, see
    /// [`Scope::disable_resource_variables`](super::Scope::disable_resource_variables).
    pub use_resource: Option<bool>,
    /// How variables are cut into parts; without any, they are not.
    pub partitioner: Option<Partitioner>,
    /// The device that reads are cached on; without any, the variable's.
    pub caching_device: Option<DeviceSpec>,
}

/// How to enter a variable scope.
#[derive(Clone, Debug)]
pub struct VariableScopeOptions {
    /// Whether variables are new; `None`, and [`Reuse::No`], leave it to the scope around.
    pub reuse: Option<Reuse>,
    /// Defaults for variables.
    pub defaults: VariableDefaults,
    /// Whether a name scope is opened too, as it is by default. Without, nodes keep the name scope
    /// that is there.
    pub auxiliary_name_scope: bool,
}

impl Default for VariableScopeOptions {
    fn default() -> VariableScopeOptions {
        VariableScopeOptions {
            reuse: None,
            defaults: VariableDefaults::default(),
            auxiliary_name_scope: true,
        }
    }
}

/// Which variable scope to enter.
#[derive(Clone, Copy, Debug)]
pub enum ScopeTarget<'a> {
    /// One of this name within the current one, whether or not it was entered before.
    Name(&'a str),
    /// A new one, with a name like this.
    Default(&'a str),
    /// This one, wherever it is entered from.
    Scope(&'a VariableScope),
}

impl<'a> From<&'a str> for ScopeTarget<'a> {
    fn from(name: &'a str) -> ScopeTarget<'a> {
        ScopeTarget::Name(name)
    }
}

impl<'a> From<&'a VariableScope> for ScopeTarget<'a> {
    fn from(scope: &'a VariableScope) -> ScopeTarget<'a> {
        ScopeTarget::Scope(scope)
    }
}

impl VariableScope {
    /// The prefix of names of variables, without a slash at its end; empty at the root.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name scope that was opened with this scope, with a slash at its end. It can be entered
    /// again, which the scope itself does not do.
    pub fn original_name_scope(&self) -> &str {
        &self.original_name_scope
    }

    /// Whether variables are new or there already.
    pub fn reuse(&self) -> Reuse {
        self.reuse
    }

    /// The defaults for variables.
    pub fn defaults(&self) -> &VariableDefaults {
        &self.defaults
    }

    /// The full name of the variable that is called `name` in this scope.
    pub(super) fn full_name(&self, name: &str) -> String {
        if self.name.is_empty() { name.to_owned() } else { format!("{}/{name}", self.name) }
    }
}

impl VariableDefaults {
    /// These, and what they leave open from `outer`.
    fn over(self, outer: &VariableDefaults) -> VariableDefaults {
        VariableDefaults {
            dtype: self.dtype.or(outer.dtype),
            initializer: self.initializer.or_else(|| outer.initializer.clone()),
            use_resource: self.use_resource.or(outer.use_resource),
            partitioner: self.partitioner.or_else(|| outer.partitioner.clone()),
            caching_device: self.caching_device.or_else(|| outer.caching_device.clone()),
        }
    }
}

/// The variable scope that is entered, and how often scopes of each name have been.
#[derive(Clone, Debug)]
pub(super) struct VariableScopes {
    current: VariableScope,
    counts: HashMap<String, u64>,
}

/// What is restored when a variable scope is left.
#[derive(Clone, Debug)]
pub(super) struct LeftScope {
    scope: VariableScope,
    /// For a scope that was jumped to: the counts as they were.
    counts: Option<HashMap<String, u64>>,
}

impl Default for VariableScopes {
    fn default() -> VariableScopes {
        let current = VariableScope {
            name: String::new(),
            original_name_scope: String::new(),
            reuse: Reuse::No,
            defaults: VariableDefaults::default(),
        };
        VariableScopes { current, counts: HashMap::new() }
    }
}

impl VariableScopes {
    pub(super) fn current(&self) -> &VariableScope {
        &self.current
    }

    pub(super) fn current_mut(&mut self) -> &mut VariableScope {
        &mut self.current
    }

    /// Enters a scope within the current one.
    pub(super) fn enter_name(
        &mut self,
        name: &str,
        original_name_scope: String,
        reuse: Option<Reuse>,
        defaults: VariableDefaults,
    ) -> LeftScope {
        let scope = VariableScope {
            name: self.current.full_name(name),
            original_name_scope,
            reuse: decided(reuse).unwrap_or(self.current.reuse),
            defaults: defaults.over(&self.current.defaults),
        };
        *self.counts.entry(scope.name.clone()).or_default() += 1;
        LeftScope { scope: std::mem::replace(&mut self.current, scope), counts: None }
    }

    /// Enters a scope that is given.
    pub(super) fn enter_scope(
        &mut self,
        scope: &VariableScope,
        reuse: Option<Reuse>,
        defaults: VariableDefaults,
    ) -> LeftScope {
        let scope = VariableScope {
            name: scope.name.clone(),
            original_name_scope: scope.original_name_scope.clone(),
            reuse: decided(reuse).unwrap_or(scope.reuse),
            defaults: defaults.over(&scope.defaults),
        };
        *self.counts.entry(scope.name.clone()).or_default() += 1;
        let counts = Some(self.counts.clone());
        LeftScope { scope: std::mem::replace(&mut self.current, scope), counts }
    }

    pub(super) fn leave(&mut self, left: LeftScope) {
        let closed = std::mem::replace(&mut self.current, left.scope);
        match left.counts {
            Some(counts) => self.counts = counts,
            // Names of scopes within start anew when this one is entered again.
            None => {
                let prefix = format!("{}/", closed.name);
                let within = self.counts.iter_mut().filter(|(name, _)| name.starts_with(&prefix));
                within.for_each(|(_, count)| *count = 0);
            }
        }
    }

    /// A name like `prefix` that no scope within the current one has.
    pub(super) fn unique(&self, prefix: &str) -> String {
        let is_free = |name: &str| {
            self.counts.get(&self.current.full_name(name)).is_none_or(|count| *count == 0)
        };
        if is_free(prefix) {
            return prefix.to_owned();
        }
        let mut number: u64 = 1;
        loop {
            let name = format!("{prefix}_{number}");
            if is_free(&name) {
                return name;
            }
            number += 1;
        }
    }
}

/// `No` says no more than nothing does.
fn decided(reuse: Option<Reuse>) -> Option<Reuse> {
    reuse.filter(|reuse| *reuse != Reuse::No)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn enter(scopes: &mut VariableScopes, name: &str, reuse: Option<Reuse>) -> LeftScope {
        scopes.enter_name(name, String::new(), reuse, VariableDefaults::default())
    }

    #[test]
    fn reuse_is_inherited_and_cannot_be_switched_off_within() {
        let mut scopes = VariableScopes::default();
        enter(&mut scopes, "a", Some(Reuse::Yes));
        enter(&mut scopes, "b", Some(Reuse::No));
        assert_eq!((scopes.current().name(), scopes.current().reuse()), ("a/b", Reuse::Yes));
        enter(&mut scopes, "c", Some(Reuse::Auto));
        assert_eq!(scopes.current().reuse(), Reuse::Auto);
    }

    #[test]
    fn default_names_are_counted_per_parent_and_start_anew_with_it() {
        let mut scopes = VariableScopes::default();
        let parent = enter(&mut scopes, "p", None);
        for unique in ["d", "d_1", "d_2"] {
            assert_eq!(scopes.unique("d"), unique);
            let left = enter(&mut scopes, unique, None);
            scopes.leave(left);
        }
        scopes.leave(parent);
        enter(&mut scopes, "p", None);
        assert_eq!(scopes.unique("d"), "d");
    }

    #[test]
    fn a_jump_restores_the_counts() {
        let mut scopes = VariableScopes::default();
        let left = enter(&mut scopes, "a", None);
        let a = scopes.current().clone();
        scopes.leave(left);
        let jump = scopes.enter_scope(&a, None, VariableDefaults::default());
        let inner = enter(&mut scopes, "d", None);
        scopes.leave(inner);
        assert_eq!(scopes.unique("d"), "d_1");
        scopes.leave(jump);
        scopes.enter_scope(&a, None, VariableDefaults::default());
        assert_eq!(scopes.unique("d"), "d");
    }

    #[test]
    fn inner_defaults_win_one_by_one() {
        let mut scopes = VariableScopes::default();
        let outer = VariableDefaults {
            dtype: Some(DType::F64),
            use_resource: Some(true),
            ..Default::default()
        };
        scopes.enter_name("a", String::new(), None, outer);
        let inner = VariableDefaults { use_resource: Some(false), ..Default::default() };
        scopes.enter_name("b", String::new(), None, inner);
        let defaults = scopes.current().defaults();
        assert_eq!((defaults.dtype, defaults.use_resource), (Some(DType::F64), Some(false)));
    }
}
