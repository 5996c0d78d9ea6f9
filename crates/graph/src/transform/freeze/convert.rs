//! The nodes of one graph, of the main one or a function's, with values in the place of variables.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use flowkeep_tensor::{DType, Shape, Tensor};

use super::calls::Functions;
use super::carry::Carrier;
use super::{VariableInfo, VariableValues};
use crate::node::CLASS;
use crate::transform::reach::{constant, unused_name};
use crate::{Attr, Error, GraphEdit, Node, NodeId, NodeSpec, Output};

/// Which variables are frozen, and what their values are.
#[derive(Clone, Copy)]
pub(super) struct Selection<'a> {
    pub(super) values: &'a dyn VariableValues,
    pub(super) allow: Option<&'a BTreeSet<String>>,
    pub(super) deny: &'a BTreeSet<String>,
}

impl Selection<'_> {
    fn is_frozen(&self, variable: &VariableInfo<'_>) -> bool {
        self.allow.is_none_or(|allow| allow.contains(variable.name))
            && !self.deny.contains(variable.name)
    }

    /// The value of a variable, checked against its type and shape.
    fn value(&self, variable: &VariableInfo<'_>) -> Result<Tensor, Error> {
        let value = self.values.value(variable)?.ok_or_else(|| {
            Error::NoSuchElement(format!("variable '{}' has no value", variable.name))
        })?;
        if value.dtype() != variable.dtype || !variable.shape().matches(value.shape()) {
            return Err(Error::Arguments(format!(
                "variable '{}' is {} of shape {}, its value is {} of shape {}",
                variable.name,
                variable.dtype,
                variable.shape(),
                value.dtype(),
                value.shape()
            )));
        }
        Ok(value)
    }
}

/// A value where a handle or a reference was.
#[derive(Clone, Debug)]
pub(super) struct Frozen {
    pub(super) dtype: DType,
    pub(super) shape: Shape,
    /// Whether it was a reference, which all ops that want values take as well.
    pub(super) is_ref: bool,
    /// The variable, for messages.
    pub(super) variable: Arc<str>,
}

/// A node that needs a frozen variable as a variable.
pub(super) struct Stuck {
    pub(super) node: NodeId,
    pub(super) error: Error,
}

/// Converts the nodes of one graph, in its order.
pub(super) struct Converter<'a, 'v> {
    pub(super) edit: &'a mut GraphEdit,
    pub(super) functions: &'a mut Functions<'v>,
    /// The outputs that are values now.
    pub(super) frozen: HashMap<Output, Frozen>,
    stuck: Vec<Stuck>,
}

impl<'a, 'v> Converter<'a, 'v> {
    pub(super) fn new(edit: &'a mut GraphEdit, functions: &'a mut Functions<'v>) -> Self {
        Converter { edit, functions, frozen: HashMap::new(), stuck: Vec::new() }
    }

    pub(super) fn into_stuck(self) -> Vec<Stuck> {
        self.stuck
    }

    /// Converts all nodes. Those that cannot be are errors only if they are still needed then.
    pub(super) fn convert_all(&mut self) -> Result<(), Error> {
        let ids = self.edit.ids();
        for id in &ids {
            self.convert(*id)?;
        }
        // What comes back into a loop is known only now.
        for id in ids {
            let Some(node) = self.edit.node(id).filter(|node| node.is_merge()) else { continue };
            let is_frozen = |input: &Output| self.frozen.contains_key(input);
            let Some(frozen) = self.frozen.get(&id.output(0)) else {
                if node.inputs().iter().any(is_frozen) {
                    let inputs = self.frozen_inputs(node);
                    self.get_stuck(id, inputs.into_iter().flatten().next());
                }
                continue;
            };
            if !node.inputs().iter().all(is_frozen) {
                let frozen = frozen.clone();
                self.get_stuck(id, Some(frozen));
            }
        }
        Ok(())
    }

    fn convert(&mut self, id: NodeId) -> Result<(), Error> {
        let Some(node) = self.edit.node(id) else { return Ok(()) };
        if let Some(variable) = VariableInfo::of(node) {
            return match self.functions.selection.is_frozen(&variable) {
                true => self.convert_variable(id),
                false => {
                    self.functions.report.kept.push(node.shared_name().clone());
                    Ok(())
                }
            };
        }
        let inputs = self.frozen_inputs(node);
        if inputs.iter().all(Option::is_none) {
            return Ok(());
        }
        if let Some(carrier) = Carrier::of(node.op()) {
            for (idx, input) in inputs.iter().enumerate() {
                let Some(frozen) = input else { continue };
                for output in carrier.outputs(id, node, idx) {
                    self.frozen.insert(output, frozen.clone());
                }
            }
            carrier.convert(self.edit, id, &inputs);
            return Ok(());
        }
        if self.convert_call(id, &inputs)? {
            return Ok(());
        }
        match inputs.into_iter().next().flatten() {
            Some(frozen) if self.convert_use(id, &frozen) => {}
            frozen => self.get_stuck(id, frozen),
        }
        Ok(())
    }

    /// The inputs of a node that are values now and that it wants as they were.
    fn frozen_inputs(&self, node: &Node) -> Vec<Option<Frozen>> {
        let inputs = node.inputs().iter().enumerate().map(|(idx, input)| {
            let frozen = self.frozen.get(input)?;
            let wants_value =
                frozen.is_ref && node.input_types().get(idx).is_some_and(|port| !port.is_ref);
            (!wants_value).then(|| frozen.clone())
        });
        inputs.collect()
    }

    fn convert_variable(&mut self, id: NodeId) -> Result<(), Error> {
        let Some(variable) = self.edit.node(id).and_then(VariableInfo::of) else { return Ok(()) };
        let value = self.functions.selection.value(&variable)?;
        let name = variable.node.shared_name().clone();
        let is_ref = !variable.is_resource;
        let shape = value.shape().clone();
        let frozen = Frozen { dtype: value.dtype(), shape, is_ref, variable: name.clone() };
        self.frozen.insert(id.output(0), frozen);
        self.edit.replace(id, constant(name.clone(), &value));
        self.functions.report.frozen.push(super::FrozenVariable::new(name, &value));
        Ok(())
    }

    /// Converts a node that does something with a variable; says whether that is known.
    fn convert_use(&mut self, id: NodeId, frozen: &Frozen) -> bool {
        let Some(node) = self.edit.node(id) else { return true };
        let dtype = Attr::Type(frozen.dtype);
        let spec = |op: &str| {
            let mut spec = NodeSpec::new(node.shared_name().clone(), op);
            spec.inputs = node.inputs().to_vec();
            if let Some(class) = node.attr(CLASS) {
                spec = spec.attr(CLASS, class.clone());
            }
            spec
        };
        let kept = |spec: NodeSpec, from: &str, to: &str| match node.attr(from) {
            Some(attr) => spec.attr(to, attr.clone()),
            None => spec,
        };
        let waits = !node.control_inputs().is_empty();
        let name = node.shared_name().clone();
        let spec = match node.op() {
            "ReadVariableOp" => spec("Identity").attr("T", dtype),
            "ResourceGatherNd" => {
                kept(spec("GatherNd").attr("Tparams", dtype), "Tindices", "Tindices")
            }
            "ResourceGather" => {
                let indices = node.attrs().dtype("Tindices").unwrap_or(DType::I32);
                let batch_dims = node.attrs().int("batch_dims").unwrap_or(0);
                let mut spec = spec("GatherV2")
                    .attr("Tparams", dtype)
                    .attr("Tindices", Attr::Type(indices))
                    .attr("Taxis", Attr::Type(indices))
                    .attr("batch_dims", Attr::Int(batch_dims));
                let axis = match indices {
                    DType::I64 => Tensor::scalar(batch_dims),
                    _ => Tensor::scalar(i32::try_from(batch_dims).unwrap_or_default()),
                };
                let axis_name = unused_name(self.edit, &format!("{name}/axis"));
                spec.inputs.push(self.edit.add(constant(axis_name, &axis)).output(0));
                spec
            }
            "VariableShape" => kept(spec("Shape").attr("T", dtype), "out_type", "out_type"),
            "VarIsInitializedOp" | "IsVariableInitialized" => {
                constant(name.clone(), &Tensor::scalar(true))
            }
            _ => return false,
        };
        if waits {
            self.functions.report.freed.push(name);
        }
        self.edit.replace(id, spec);
        true
    }

    /// Notes that a node needs a frozen variable as a variable.
    pub(super) fn get_stuck(&mut self, id: NodeId, frozen: Option<Frozen>) {
        let Some(node) = self.edit.node(id) else { return };
        let (name, op) = (node.name(), node.op());
        let what = match frozen {
            Some(frozen) => format!("variable '{}'", frozen.variable),
            None => "a variable".to_owned(),
        };
        let error = Error::Arguments(format!(
            "{what} cannot be frozen: node '{name}' ({op}) needs it as a variable"
        ));
        self.stuck.push(Stuck { node: id, error });
    }
}
