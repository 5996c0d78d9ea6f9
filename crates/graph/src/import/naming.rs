//! Names that imported nodes get.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::{Error, Graph, ImportOptions, is_valid_node_name};

/// The names that are in use in the graph that is imported into.
struct Used<'a> {
    graph: &'a Graph,
    /// The scopes that the graph's nodes are in.
    scopes: HashSet<&'a str>,
}

impl<'a> Used<'a> {
    fn new(graph: &'a Graph) -> Used<'a> {
        let mut scopes = HashSet::new();
        graph.nodes().iter().for_each(|node| add_scopes(node.name(), &mut scopes));
        Used { graph, scopes }
    }

    fn contains(&self, name: &str) -> bool {
        self.graph.by_name.contains_key(name) || self.scopes.contains(name)
    }
}

/// Adds the scopes that `name` is in, without their slashes.
fn add_scopes<'a>(name: &'a str, scopes: &mut HashSet<&'a str>) {
    let mut rest = name;
    while let Some((scope, _)) = rest.rsplit_once('/') {
        if !scopes.insert(scope) {
            return;
        }
        rest = scope;
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
    /// Chooses the names of nodes; `names` are those of the message.
    pub(super) fn new(
        names: &[Arc<str>],
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
        let used = Used::new(graph);
        if options.uniquify_prefix && !scope.is_empty() {
            naming.set_scope(&unique(scope, &used, |_| false));
            return Ok(naming);
        }
        naming.set_scope(scope);
        if options.uniquify_names {
            naming.number(names, &used);
            return Ok(naming);
        }
        for name in names {
            let name = naming.prefixed(name);
            if used.contains(&name) {
                return Err(Error::NameExists { node: name });
            }
        }
        Ok(naming)
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
        self.renamed.get(name).map_or_else(|| self.prefixed(name), |name| name.to_string())
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

    fn prefixed(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// Numbers the names that are in use.
    fn number(&mut self, names: &[Arc<str>], used: &Used<'_>) {
        let mut in_message: Option<HashSet<&str>> = None;
        for name in names {
            let prefixed = self.prefixed(name);
            if !used.contains(&prefixed) {
                continue;
            }
            let in_message = in_message.get_or_insert_with(|| {
                let mut all: HashSet<&str> = HashSet::with_capacity(names.len());
                names.iter().for_each(|name| add_scopes(name, &mut all));
                all.extend(names.iter().map(|name| &**name));
                all
            });
            let is_taken = |candidate: &str| {
                let bare = candidate.strip_prefix(&*self.prefix).unwrap_or(candidate);
                in_message.contains(bare) || in_message.contains(candidate)
            };
            let unique = unique(&prefixed, used, is_taken);
            self.renamed.insert(name.clone(), unique.into());
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
