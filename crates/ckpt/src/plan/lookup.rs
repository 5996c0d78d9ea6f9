use flowkeep_bundle::ObjectGraph;

use super::is_object_graph;
use super::target::Target;
use super::wanted::Wanted;
use crate::{Checkpoint, Error, TensorInfo};

/// By which names tensors were looked up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Names {
    /// Their own.
    #[default]
    Same,
    /// The checkpoint is object-based: by the names that its variables have in a graph.
    FullNamesOfSource,
    /// What is to be restored is object-based: by the names that its variables have in a graph.
    FullNamesOfTarget,
    /// Both are object-based: by the paths of objects, where these have other keys.
    Paths,
}

/// Finds the tensors of a checkpoint for those that are wanted.
pub(super) struct Lookup<'a> {
    pub(super) names: Names,
    /// The tensor for each that is wanted.
    pub(super) sources: Vec<Option<&'a TensorInfo>>,
    /// The objects of the checkpoint, if they had to be looked at.
    pub(super) objects: Option<ObjectGraph>,
}

impl<'a> Lookup<'a> {
    /// Looks everything up by its own name; if something is missing, and objects tell of other names,
    /// by those that find the most.
    ///
    /// Errors: those of [`Checkpoint::object_graph`].
    pub(super) fn new(from: &'a Checkpoint, to: &Target) -> Result<Lookup<'a>, Error> {
        let find = |name: &dyn Fn(&Wanted) -> Option<String>| -> Vec<Option<&TensorInfo>> {
            to.wanted.iter().map(|wanted| from.get(name(wanted)?)).collect()
        };
        let same = to.wanted.iter().map(|wanted| from.get(&wanted.name)).collect();
        let mut best = Lookup { names: Names::Same, sources: same, objects: None };
        if best.sources.iter().all(Option::is_some) {
            return Ok(best);
        }
        best.objects = from.object_graph()?;
        let others = match (&best.objects, &to.objects) {
            (Some(objects), None) => {
                (Names::FullNamesOfSource, find(&|wanted| by_full_name(objects, wanted)))
            }
            (None, Some(objects)) => {
                (Names::FullNamesOfTarget, find(&|wanted| full_name(objects, wanted)))
            }
            (Some(objects), Some(target)) => {
                (Names::Paths, find(&|wanted| by_path(objects, target, wanted)))
            }
            (None, None) => return Ok(best),
        };
        let n_found = |sources: &[Option<_>]| sources.iter().flatten().count();
        if n_found(&others.1) > n_found(&best.sources) {
            (best.names, best.sources) = others;
        }
        Ok(best)
    }
}

/// The key of the variable that a graph knows by the name that is wanted, or by that of its node.
fn by_full_name(objects: &ObjectGraph, wanted: &Wanted) -> Option<String> {
    let names = wanted.name.as_str().into_iter();
    let mut names = names.chain(wanted.variables.iter().map(String::as_str));
    let variable = names.find_map(|name| objects.by_full_name(name))?;
    Some(variable.attribute.checkpoint_key.clone())
}

/// The name that a graph has for the variable of a key.
pub(super) fn full_name(objects: &ObjectGraph, wanted: &Wanted) -> Option<String> {
    let variable = objects.by_key(wanted.name.as_str()?)?;
    Some(variable.attribute.full_name.clone()).filter(|name| !name.is_empty())
}

/// The key in `objects` of what has the same path as the owner of the wanted key in `target`.
fn by_path(objects: &ObjectGraph, target: &ObjectGraph, wanted: &Wanted) -> Option<String> {
    let key = wanted.name.as_str()?;
    if is_object_graph(&wanted.name) {
        return Some(key.into());
    }
    let variable = target.attribute_of_entry(key)?;
    let rest = key.strip_prefix(&*variable.attribute.checkpoint_key)?;
    let node = objects.node(objects.find(&variable.path?)?)?;
    let attribute = node.attribute(&variable.attribute.name)?;
    Some(format!("{}{rest}", attribute.checkpoint_key))
}
