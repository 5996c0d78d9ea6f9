use flowkeep_graph::{Graph, TensorName};
use flowkeep_proto::pb;
use flowkeep_tensor::{Extent, PartialShape, TensorSlice};

use super::super::wanted::{Assignment, Wanted, WantedSet};
use super::variable::Variable;
use crate::Error;

/// What a saver for the variables of a collection would ask for: by the names of their nodes, or the
/// full names of partitioned ones.
///
/// Errors: `INVALID_ARGUMENT` for impossible slices.
pub(in crate::plan) fn of_collection(
    graph: &Graph,
    variables: &[pb::VariableDef],
) -> Result<WantedSet, Error> {
    let mut set = WantedSet::default();
    for def in variables {
        let name = def.variable_name.parse().map(|name: TensorName| name.node);
        let name = name.unwrap_or_else(|_| def.variable_name.clone());
        let node = graph.node_by_name(&name).and_then(|id| graph.get(id));
        let mut wanted = wanted(&name, node.and_then(Variable::of));
        if let Some(info) = &def.save_slice_info_def
            && !info.full_name.is_empty()
        {
            wanted.name = info.full_name.clone().into_bytes().into();
            wanted.shape = PartialShape::new(
                info.full_shape.iter().map(|dim| u64::try_from(*dim).ok()).collect(),
            );
            wanted.slices.push(slice(info)?);
            wanted.assignment = Assignment::Checked;
        }
        set.add(wanted);
    }
    Ok(set)
}

/// What a saver for all variables of a graph would ask for, by the names of their nodes.
pub(in crate::plan) fn of_nodes(graph: &Graph) -> WantedSet {
    let mut set = WantedSet::default();
    for variable in graph.nodes().iter().filter_map(Variable::of) {
        set.add(wanted(&variable.name.clone(), Some(variable)));
    }
    set
}

fn wanted(name: &str, variable: Option<Variable>) -> Wanted {
    let mut wanted = Wanted { variables: vec![name.into()], ..Wanted::new(name) };
    if let Some(variable) = variable {
        wanted.dtype = variable.dtype;
        wanted.shape = variable.shape;
        wanted.assignment = match variable.is_resource {
            true => Assignment::Unchecked,
            false => Assignment::Checked,
        };
    }
    wanted
}

fn slice(info: &pb::SaveSliceInfoDef) -> Result<TensorSlice, Error> {
    let extents = info.var_offset.iter().zip(&info.var_shape).map(|(start, length)| {
        let number = |n: i64| {
            u64::try_from(n).map_err(|_| {
                Error::Invalid(format!("a part of {} begins or ends at {n}", info.full_name))
            })
        };
        Ok(Extent::Range { start: number(*start)?, length: number(*length)? })
    });
    let extents = extents.collect::<Result<Vec<_>, Error>>()?;
    Ok(TensorSlice::new(extents)?)
}
