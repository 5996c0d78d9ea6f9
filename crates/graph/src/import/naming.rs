//! Names that imported nodes get.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::{Error, Graph, ImportOptions, NodeId, is_valid_node_name};

/// Names with more scopes than this are not taken apart.
const MAX_SCOPES: usize = 32;

/// Names of nodes and the scopes that they are in.
struct Used<'a> {
    names: &'a HashMap<Arc<str>, NodeId>,
    scopes: HashSet<&'a str>,
    /// The names with very many scopes; all that are in one stand together.
    deep: Vec<&'a str>,
}

impl<'a> Used<'a> {
    fn new(names: &'a HashMap<Arc<str>, NodeId>) -> Used<'a> {
        let mut used = Used { names, scopes: HashSet::new(), deep: Vec::new() };
        for name in names.keys() {
            if name.bytes().filter(|byte| *byte == b'/').count() > MAX_SCOPES {
                used.deep.push(name);
                continue;
            }
            let mut rest = &**name;
            while let Some((scope, _)) = rest.rsplit_once('/')
                && used.scopes.insert(scope)
            {
                rest = scope;
            }
        }
        used.deep.sort_unstable();
        used
    }

    /// Whether `name` is the name of a node, or a scope that some are in.
    fn contains(&self, name: &str) -> bool {
        self.names.contains_key(name) || self.scopes.contains(name) || self.is_deep_scope(name)
    }

    fn is_deep_scope(&self, name: &str) -> bool {
        if self.deep.is_empty() {
            return false;
        }
        let scope = format!("{name}/");
        let first = self.deep.partition_point(|other| **other < *scope);
        self.deep.get(first).is_some_and(|other| other.starts_with(&scope))
    }
}

/// The scope of an import, and the names of nodes that do not simply begin with it.
#[derive(Clone, Debug, Default)]
pub(super) struct Naming {
    /// With its slash, or empty.
    pub(super) prefix: String,
    /// Names by those in the message.
    pub(super) renamed: HashMap<Arc<str>, Arc<str>>,
}

impl Naming {
    /// Chooses the scope; `names` are those of the message.
    pub(super) fn new<'a>(
        names: impl Iterator<Item = &'a str>,
        graph: &Graph,
        options: &ImportOptions,
    ) -> Result<Naming, Error> {
        let scope = options.prefix.strip_suffix('/').unwrap_or(&options.prefix);
        if !options.prefix.is_empty() && !is_valid_node_name(scope) {
            return Err(Error::Import(format!(
                "Imported node name prefix '{scope}/' would lead to invalid node names"
            )));
        }
        let mut naming = Naming::default();
        if graph.is_empty() {
            naming.set_scope(scope);
            return Ok(naming);
        }
        let used = Used::new(&graph.by_name);
        if options.uniquify_prefix && !scope.is_empty() {
            naming.set_scope(&unique(scope, &used, |_| false));
            return Ok(naming);
        }
        naming.set_scope(scope);
        if !options.uniquify_names {
            for name in names {
                let name = naming.prefixed(name);
                if used.contains(&name) {
                    return Err(Error::NameExists { node: name.into() });
                }
            }
        }
        Ok(naming)
    }

    /// Numbers the names that are in use, if that is wanted; `names` are those of the message.
    pub(super) fn number(
        &mut self,
        names: &HashMap<Arc<str>, NodeId>,
        graph: &Graph,
        options: &ImportOptions,
    ) {
        let has_own_scope = options.uniquify_prefix && !self.prefix.is_empty();
        if graph.is_empty() || !options.uniquify_names || has_own_scope {
            return;
        }
        let used = Used::new(&graph.by_name);
        let mut in_message: Option<Used<'_>> = None;
        for name in names.keys() {
            let prefixed = self.prefixed(name);
            if !used.contains(&prefixed) {
                continue;
            }
            let in_message = in_message.get_or_insert_with(|| Used::new(names));
            let is_taken = |candidate: &str| {
                let bare = candidate.strip_prefix(&*self.prefix);
                in_message.contains(candidate)
                    || bare.is_some_and(|bare| in_message.names.contains_key(bare))
            };
            let unique = unique(&prefixed, &used, is_taken);
            self.renamed.insert(name.clone(), unique.into());
        }
    }

    /// The name that a node gets.
    pub(super) fn name(&self, name: &Arc<str>) -> Arc<str> {
        if self.is_identity() {
            return name.clone();
        }
        self.renamed.get(name).cloned().unwrap_or_else(|| self.prefixed(name).into())
    }

    /// The name that a node gets, or would get if there was one.
    pub(super) fn any_name(&self, name: &str) -> String {
        self.renamed.get(name).map_or_else(|| self.prefixed(name).into(), |name| name.to_string())
    }

    /// Whether all nodes keep their names.
    pub(super) fn is_identity(&self) -> bool {
        self.prefix.is_empty() && self.renamed.is_empty()
    }

    fn set_scope(&mut self, scope: &str) {
        if !scope.is_empty() {
            self.prefix = format!("{scope}/");
        }
    }

    fn prefixed<'a>(&self, name: &'a str) -> Cow<'a, str> {
        match &*self.prefix {
            "" => name.into(),
            prefix => format!("{prefix}{name}").into(),
        }
    }
}

/// `name`, or the first of `name_1`, `name_2`, … that is not in use and not `is_taken`.
fn unique(name: &str, used: &Used<'_>, is_taken: impl Fn(&str) -> bool) -> String {
    if !used.contains(name) {
        return name.to_owned();
    }
    (1u64..)
        .map(|number| format!("{name}_{number}"))
        .find(|candidate| !used.contains(candidate) && !is_taken(candidate))
        .unwrap_or_default()
}
