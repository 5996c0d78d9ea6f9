//! Signatures of TensorFlow 1 as functions: what they feed and fetch.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use flowkeep_graph::{Element, Encoding, Graph, NodeId, Signature, TensorInfo};
use flowkeep_runtime::RunKey;
use flowkeep_tensor::{Code, DType, PartialShape};

use super::calls::Call;
use crate::python_text::python_shape;
use crate::structured::{StructuredValue, TensorSpec, TypeSpec};
use crate::{ConcreteFunction, Error};

/// The call of a signature, and the names of what it takes, sorted.
///
/// Sparse inputs are taken as `KEY_indices`, `KEY_values` and `KEY_dense_shape`, other composites as
/// `KEY_component_0` and so on; outputs that name an op are run and give `None`.
///
/// Errors: `NOT_FOUND`, with TensorFlow's text, for names that are not in the graph; `INVALID_ARGUMENT`
/// for inputs that are no tensors, and, with its text, for outputs that need a placeholder that is no
/// input.
pub(super) fn call(
    key: &str,
    signature: &Signature,
    graph: &Graph,
) -> Result<(Call, Vec<String>), Error> {
    let mut inputs = BTreeMap::new();
    for (key, info) in &signature.inputs {
        add_inputs(key, info, graph, &mut inputs)?;
    }
    let mut outputs = Outputs { graph, key: RunKey::default(), nodes: Vec::new() };
    let mut structure = BTreeMap::new();
    for (key, info) in &signature.outputs {
        structure.insert(key.clone(), outputs.add(key, info)?);
    }
    let Outputs { key: mut run, nodes, .. } = outputs;
    run.feeds = inputs.values().map(|input| input.tensor.clone()).collect();
    let fed: Vec<NodeId> = inputs.values().map(|input| input.node).collect();
    check_reach(key, graph, &fed, &nodes)?;

    let arg_types = inputs.values().map(|input| input.spec.dtype).collect();
    let names: Vec<String> = inputs.keys().cloned().collect();
    let specs =
        inputs.into_iter().map(|(name, input)| (name, StructuredValue::TensorSpec(input.spec)));
    let function = ConcreteFunction {
        name: key.to_owned(),
        bound_inputs: Vec::new(),
        input_signature: StructuredValue::Tuple(vec![
            StructuredValue::Tuple(Vec::new()),
            StructuredValue::Dict(specs.collect()),
        ]),
        output_signature: StructuredValue::Dict(structure),
    };
    let call = Call { function: Arc::new(function), key: run, arg_types, captures: Vec::new() };
    Ok((call, names))
}

/// A tensor that is fed.
struct Input {
    tensor: String,
    node: NodeId,
    spec: TensorSpec,
}

fn add_inputs(
    key: &str,
    info: &TensorInfo,
    graph: &Graph,
    inputs: &mut BTreeMap<String, Input>,
) -> Result<(), Error> {
    let mut add = |key: String, tensor: &str, dtype: Option<DType>, shape: PartialShape| {
        let Element::Output(output) = graph.as_graph_element(tensor)? else {
            return Err(refuse(format!(
                "All members of argument `feeds` must be tensors. Got name: \"{tensor}\""
            )));
        };
        let of_graph = graph.get(output.node).and_then(|node| node.output_dtype(output.index));
        let dtype = of_graph.or(dtype).ok_or_else(|| {
            refuse(format!("input \"{key}\" is fed to {tensor}, whose type is not known"))
        })?;
        let spec = TensorSpec { name: key.clone(), shape, dtype, bounds: None };
        inputs.insert(key, Input { tensor: tensor.to_owned(), node: output.node, spec });
        Ok(())
    };
    let dtype = info.dtype();
    match &info.encoding {
        Encoding::Dense(name) => add(key.to_owned(), name, dtype, info.shape.clone()),
        Encoding::CooSparse { values, indices, dense_shape } => {
            let rank = info.shape.rank();
            let dim = |n: Option<usize>| n.and_then(|n| u64::try_from(n).ok());
            let shape = |dims: Vec<Option<u64>>| PartialShape::new(dims);
            add(format!("{key}_indices"), indices, Some(DType::I64), shape(vec![None, dim(rank)]))?;
            add(format!("{key}_values"), values, dtype, shape(vec![None]))?;
            add(format!("{key}_dense_shape"), dense_shape, Some(DType::I64), shape(vec![dim(rank)]))
        }
        Encoding::Composite { components, .. } => {
            let mut flat = Vec::new();
            flatten(components, &mut flat);
            for (idx, component) in flat.into_iter().enumerate() {
                let name = component.name().ok_or_else(|| no_encoding(key))?;
                let (dtype, shape) = (component.dtype(), component.shape.clone());
                add(format!("{key}_component_{idx}"), name, dtype, shape)?;
            }
            Ok(())
        }
        _ => Err(no_encoding(key)),
    }
}

/// What is fetched and run.
struct Outputs<'a> {
    graph: &'a Graph,
    key: RunKey,
    /// The nodes of outputs, each with what TensorFlow prints of the output.
    nodes: Vec<(NodeId, String)>,
}

impl Outputs<'_> {
    /// Adds an output; gives what stands for it in the structure of the result.
    fn add(&mut self, key: &str, info: &TensorInfo) -> Result<StructuredValue, Error> {
        let dtype = info.dtype();
        match &info.encoding {
            Encoding::Dense(name) => match self.graph.as_graph_element(name)? {
                Element::Node(node) => {
                    let op = self.graph.node(node).op();
                    self.nodes.push((node, format!("<tf.Operation '{name}' type={op}>")));
                    self.key.targets.push(name.clone());
                    Ok(StructuredValue::None)
                }
                Element::Output(output) => {
                    self.fetch(name, info)?;
                    let of_graph = self.graph.node(output.node).output_dtype(output.index);
                    Ok(StructuredValue::TensorSpec(TensorSpec {
                        name: key.to_owned(),
                        shape: info.shape.clone(),
                        dtype: of_graph.or(dtype).unwrap_or(DType::F32),
                        bounds: None,
                    }))
                }
            },
            Encoding::CooSparse { values, indices, dense_shape } => {
                for name in [indices, values, dense_shape] {
                    self.fetch(name, info)?;
                }
                let dtype = dtype.unwrap_or(DType::F32);
                Ok(StructuredValue::TypeSpec(TypeSpec::sparse(info.shape.clone(), dtype)))
            }
            Encoding::Composite { type_spec, components } => {
                let mut flat = Vec::new();
                flatten(components, &mut flat);
                for component in &flat {
                    self.fetch(component.name().ok_or_else(|| no_encoding(key))?, component)?;
                }
                let spec = type_spec.as_deref().cloned().unwrap_or_default();
                let mut spec = TypeSpec::from_proto(&spec)?;
                spec.n_components = flat.len();
                Ok(StructuredValue::TypeSpec(spec))
            }
            _ => Err(no_encoding(key)),
        }
    }

    fn fetch(&mut self, name: &str, info: &TensorInfo) -> Result<(), Error> {
        let output = self.graph.get_tensor_by_name(name)?;
        let (shape, dtype) = (python_shape(&info.shape), info.dtype());
        let dtype = dtype.map_or("unknown", DType::python_name);
        self.nodes.push((output.node, format!("<tf.Tensor '{name}' shape={shape} dtype={dtype}>")));
        self.key.fetches.push(name.to_owned());
        Ok(())
    }
}

fn flatten<'a>(components: &'a [TensorInfo], flat: &mut Vec<&'a TensorInfo>) {
    // Messages nest no deeper than the decoder lets them.
    for component in components {
        match &component.encoding {
            Encoding::Composite { components, .. } => flatten(components, flat),
            _ => flat.push(component),
        }
    }
}

/// No output may depend on a placeholder that is not fed.
fn check_reach(
    key: &str,
    graph: &Graph,
    fed: &[NodeId],
    outputs: &[(NodeId, String)],
) -> Result<(), Error> {
    unfed_placeholder(graph, fed, outputs).map_or(Ok(()), |path| {
        Err(refuse(format!(
            "A SavedModel signature needs an input for each placeholder the signature's outputs use. An output for \
             signature '{key}' depends on a placeholder which is not an input (i.e. the placeholder is not fed a \
             value).\n\n{path}"
        )))
    })
}

/// What TensorFlow says of outputs that depend on a placeholder that is not fed.
pub(super) fn unfed_placeholder(
    graph: &Graph,
    fed: &[NodeId],
    outputs: &[(NodeId, String)],
) -> Option<String> {
    let mut visited: HashSet<NodeId> = fed.iter().copied().collect();
    // Ops are looked at before tensors.
    let is_op = |text: &str| text.starts_with("<tf.Operation");
    let (ops, tensors): (Vec<_>, Vec<_>) = outputs.iter().partition(|(_, text)| is_op(text));
    for (output, text) in ops.into_iter().chain(tensors) {
        let mut consumers: BTreeMap<NodeId, NodeId> = BTreeMap::new();
        let mut stack = vec![*output];
        while let Some(id) = stack.pop() {
            if !visited.insert(id) {
                continue;
            }
            let node = graph.node(id);
            if node.op() == "Placeholder" {
                let mut path = vec![id];
                let mut at = id;
                while let Some(consumer) = consumers.get(&at).filter(|_| at != *output) {
                    path.push(*consumer);
                    at = *consumer;
                }
                let path = path.iter().rev().map(|id| {
                    let node = graph.node(*id);
                    format!("{} ({})", node.name(), node.op())
                });
                return Some(format!(
                    "Unable to lift tensor {text} because it depends transitively on placeholder <tf.Operation '{}' \
                     type=Placeholder> via at least one path, e.g.: {}",
                    node.name(),
                    path.collect::<Vec<_>>().join(" <- ")
                ));
            }
            let inputs = node.inputs().iter().map(|input| input.node);
            for input in inputs.chain(node.control_inputs().iter().copied()) {
                if !visited.contains(&input) {
                    consumers.insert(input, id);
                    stack.push(input);
                }
            }
        }
    }
    None
}

fn no_encoding(key: &str) -> Error {
    refuse(format!("\"{key}\" names no tensor"))
}

fn refuse(message: String) -> Error {
    Error::Model { code: Code::InvalidArgument, message }
}
