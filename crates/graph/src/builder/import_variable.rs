//! Variables whose nodes are there, from the messages that describe them.

use flowkeep_proto::pb;
use flowkeep_tensor::{DType, PartialShape, Shape};

use super::variable::Nodes;
use super::{SaveSlice, Variable};
use crate::meta_graph::scope_names::prepend_name_scope;
use crate::{Error, Graph, Node, Output};

/// How many nodes may be between the read of a resource and its snapshot on another device.
const MAX_STEPS: usize = 64;

impl Variable {
    /// The variable that a message describes, whose nodes are in the graph under `scope`; the empty
    /// scope is the root.
    ///
    /// Errors, with TensorFlow's texts: `NOT_FOUND` and `INVALID_ARGUMENT` for names that name
    /// nothing; `INVALID_ARGUMENT` for modes that there are not, sizes below zero, a handle without
    /// type and shape.
    pub fn from_proto(
        def: &pb::VariableDef,
        graph: &Graph,
        scope: &str,
    ) -> Result<Variable, Error> {
        let full = |name: &str| prepend_name_scope(name, scope);
        let tensor = |name: &str| graph.get_tensor_by_name(&full(name));
        let handle = tensor(&def.variable_name)?;
        let (dtype, shape) = if def.is_resource {
            of_handle(graph, handle)?
        } else {
            of_reference(graph, handle, &def.variable_name)?
        };
        let initializer = graph.as_graph_element(&full(&def.initializer_name))?;
        let initial_value = match &*def.initial_value_name {
            "" => None,
            name => Some(tensor(name)?),
        };
        let (synchronization, aggregation) = modes(def)?;
        let (snapshot, cached) = match &*def.snapshot_name {
            "" if def.is_resource => {
                let name = graph.get(handle.node).map_or("", Node::name);
                (graph.get_tensor_by_name(&format!("{name}/Read/ReadVariableOp:0"))?, None)
            }
            name if def.is_resource => read_behind(graph, tensor(name)?)?,
            name => (tensor(name)?, None),
        };
        let slice = def.save_slice_info_def.as_ref();
        Ok(Variable::new(Nodes {
            handle,
            initializer,
            initial_value,
            snapshot,
            cached,
            is_resource: def.is_resource,
            is_initialized: None,
            dtype,
            shape,
            trainable: def.trainable,
            slice: slice.map(|slice| SaveSlice::from_proto(slice, scope)).transpose()?,
            synchronization,
            aggregation,
        }))
    }
}

impl SaveSlice {
    fn from_proto(def: &pb::SaveSliceInfoDef, scope: &str) -> Result<SaveSlice, Error> {
        let sizes = |sizes: &[i64]| -> Result<Vec<usize>, Error> {
            let sizes = sizes.iter().map(|size| usize::try_from(*size));
            sizes.collect::<Result<_, _>>().map_err(|_| {
                Error::MetaGraph(format!(
                    "slice of variable '{}' has a size below 0",
                    def.full_name
                ))
            })
        };
        Ok(SaveSlice {
            full_name: prepend_name_scope(&def.full_name, scope),
            full_shape: Shape::from(sizes(&def.full_shape)?),
            offset: sizes(&def.var_offset)?,
            shape: Shape::from(sizes(&def.var_shape)?),
        })
    }
}

/// What the handle of a resource says of it.
fn of_handle(graph: &Graph, handle: Output) -> Result<(DType, PartialShape), Error> {
    let name = graph.get(handle.node).map_or("", Node::name);
    let missing =
        |attr: &str| Error::MetaGraph(format!("Operation '{name}' has no attr named '{attr}'."));
    let node = graph.get(handle.node).ok_or_else(|| missing("shape"))?;
    let shape = node.attrs().shape("shape").map_err(|_| missing("shape"))?;
    let dtype = node.attrs().dtype("dtype").map_err(|_| missing("dtype"))?;
    Ok((dtype, shape))
}

/// What the node of a reference says of it.
fn of_reference(
    graph: &Graph,
    reference: Output,
    name: &str,
) -> Result<(DType, PartialShape), Error> {
    let node = graph.get(reference.node);
    let dtype = node
        .and_then(|node| node.output_dtype(reference.index))
        .ok_or_else(|| Error::MetaGraph(format!("the type of variable '{name}' is not known")))?;
    let shape = node.filter(|node| matches!(node.op(), "Variable" | "VariableV2"));
    let shape = shape.and_then(|node| {
        let shape = node.attrs().shape("shape").ok()?;
        // Variables of old stood for any shape where they said that they are scalars.
        (node.op() == "VariableV2" || shape.rank() != Some(0)).then_some(shape)
    });
    Ok((dtype, shape.unwrap_or_default()))
}

/// The read of a resource that a snapshot is made from, and the snapshot if it is another tensor.
fn read_behind(graph: &Graph, snapshot: Output) -> Result<(Output, Option<Output>), Error> {
    let mut read = snapshot;
    for _ in 0..=MAX_STEPS {
        let Some(node) = graph.get(read.node) else { break };
        if node.op() == "ReadVariableOp" {
            return Ok((read, (read != snapshot).then_some(snapshot)));
        }
        let Some(input) = node.inputs().first() else { break };
        read = *input;
    }
    let name = graph.tensor_name(snapshot);
    Err(Error::MetaGraph(format!("snapshot '{name}' of a variable is made from no ReadVariableOp")))
}

fn modes(
    def: &pb::VariableDef,
) -> Result<(pb::VariableSynchronization, pb::VariableAggregation), Error> {
    let invalid = |what: &str, mode: i32| {
        let name = &def.variable_name;
        Error::MetaGraph(format!("Invalid variable {what} mode: {mode} for variable: {name}"))
    };
    let aggregation = pb::VariableAggregation::try_from(def.aggregation)
        .map_err(|_| invalid("aggregation", def.aggregation))?;
    let synchronization = pb::VariableSynchronization::try_from(def.synchronization)
        .map_err(|_| invalid("synchronization", def.synchronization))?;
    Ok((synchronization, aggregation))
}
