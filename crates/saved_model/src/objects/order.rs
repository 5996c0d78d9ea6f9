use std::collections::BTreeSet;

use super::{ObjectKind, SavedObjects};
use crate::Error;
use crate::structured::bad;

/// The objects to create, each behind those that it needs.
///
/// `wanted` limits them; `None` means all.
///
/// Errors, with TensorFlow's texts: `DATA_LOSS` for a cycle; `INVALID_ARGUMENT` when an object is needed
/// and not wanted.
pub(crate) fn creation_order(
    objects: &SavedObjects,
    wanted: Option<&BTreeSet<usize>>,
) -> Result<Vec<usize>, Error> {
    let mut order = Vec::with_capacity(objects.objects().len());
    let mut marks = vec![Mark::New; objects.objects().len()];
    for root in 0..objects.objects().len() {
        if wanted.is_some_and(|wanted| !wanted.contains(&root)) {
            continue;
        }
        let mut stack = vec![Visit::Enter(root)];
        while let Some(visit) = stack.pop() {
            let id = match visit {
                Visit::Leave(id) => {
                    order.push(id);
                    set(&mut marks, id, Mark::Done);
                    continue;
                }
                Visit::Enter(id) => id,
            };
            match marks.get(id) {
                Some(Mark::New) => {}
                Some(Mark::Open) => return Err(cycle()),
                _ => continue,
            }
            set(&mut marks, id, Mark::Open);
            stack.push(Visit::Leave(id));
            for needed in needs(objects, id) {
                if wanted.is_some_and(|wanted| !wanted.contains(&needed)) {
                    return Err(not_wanted(objects, needed));
                }
                match marks.get(needed) {
                    Some(Mark::Open) => return Err(cycle()),
                    Some(Mark::New) => stack.push(Visit::Enter(needed)),
                    _ => {}
                }
            }
        }
    }
    Ok(order)
}

#[derive(Clone, Copy)]
enum Visit {
    Enter(usize),
    Leave(usize),
}

#[derive(Clone, Copy)]
enum Mark {
    New,
    /// What it needs is being visited.
    Open,
    Done,
}

fn set(marks: &mut [Mark], id: usize, mark: Mark) {
    if let Some(place) = marks.get_mut(id) {
        *place = mark;
    }
}

/// The objects that an object needs, each once.
fn needs(objects: &SavedObjects, id: usize) -> BTreeSet<usize> {
    let Some(object) = objects.object(id) else { return BTreeSet::new() };
    let mut needed: BTreeSet<usize> =
        object.dependencies.iter().map(|child| child.node_id).collect();
    let captures = |name: &String| {
        let function = objects.concrete_functions().get(name);
        function.map(|function| function.bound_inputs.clone()).unwrap_or_default()
    };
    match &object.kind {
        ObjectKind::Function { concrete_functions, .. } => {
            needed.extend(concrete_functions.iter().flat_map(captures));
        }
        ObjectKind::BareConcreteFunction(function) => {
            needed.extend(captures(&function.concrete_function));
        }
        ObjectKind::Resource { .. } => needed.extend(object.child("_create_resource")),
        _ => {}
    }
    needed
}

fn cycle() -> Error {
    // As TensorFlow spells it.
    bad(concat!(
        "Encountered a cycle in the deserialization dependenciesin the SavedModel. This is extremely unexpected, ",
        "pleasefile a bug and make sure you are not manually modifying the SavedModel."
    ))
}

fn not_wanted(objects: &SavedObjects, id: usize) -> Error {
    let path = objects.path(id).unwrap_or_else(|| format!("node {id}"));
    Error::Model {
        code: flowkeep_tensor::Code::InvalidArgument,
        message: format!(
            "Unable to partially load SavedModel since the specified filter does not include all required objects for \
             loading (e.g. variables used in functions or deserialization dependencies). Please include this path in \
             the filter: {path}"
        ),
    }
}
