//! Nodes whose attributes and types are settled, and whose inputs are not.

use std::collections::HashMap;
use std::sync::Arc;

use super::Source;
use crate::attr::AttrsBuilder;
use crate::few::Few;
use crate::node::Extra;
use crate::op_def::{self, OpDef, Ports};
use crate::{Attr, Attrs, Error, Library, Node, NodeId, Output};

/// A graph has at most this many outputs, and edges that stand for lists of them.
const MAX_PORTS_PER_GRAPH: usize = 1 << 24;

/// A node without its edges.
#[derive(Debug)]
pub(crate) struct Draft<'a> {
    name: Arc<str>,
    op: Arc<str>,
    def: Option<&'static OpDef>,
    is_stateful: bool,
    /// The definition of the op, or the signature of the function; `None` for unknown ops.
    signature: Option<&'a OpDef>,
    attrs: Attrs,
    device: Arc<str>,
    /// `None` for unknown ops.
    ports: Option<DraftPorts>,
    extra: Option<Box<Extra>>,
}

#[derive(Debug)]
struct DraftPorts {
    inputs: Ports,
    outputs: Ports,
}

/// What a stored node says beside its attributes and inputs.
pub(crate) struct NodeParts<'a> {
    pub(crate) name: Arc<str>,
    pub(crate) op: &'a str,
    pub(crate) device: Arc<str>,
    pub(crate) extra: Option<Box<Extra>>,
}

/// What is used for one draft after the other.
#[derive(Debug, Default)]
pub(crate) struct Drafting {
    n_ports: usize,
    attrs: AttrsBuilder,
    /// Those of the last node of each op: many nodes have the same.
    last_attrs: HashMap<Arc<str>, Attrs>,
}

impl Drafting {
    /// Fails when `n` more outputs are too many: bounds the memory that a few numbers in a file can
    /// claim.
    pub(crate) fn spend(&mut self, n: usize) -> Result<(), Error> {
        self.n_ports = self.n_ports.saturating_add(n);
        if self.n_ports > MAX_PORTS_PER_GRAPH {
            return Err(Error::Arguments(format!(
                "Number of outputs is too big: {}",
                self.n_ports
            )));
        }
        Ok(())
    }
}

impl<'a> Draft<'a> {
    /// Checks a node's attributes, which are sorted by name, fills in defaults, and finds out the types
    /// of its ports.
    pub(crate) fn new<N: AsRef<str> + Into<Arc<str>>>(
        parts: NodeParts<'_>,
        attrs: impl IntoIterator<Item = (N, Attr)>,
        library: &'a Library,
        drafting: &mut Drafting,
    ) -> Result<Draft<'a>, Error> {
        let NodeParts { name, op, device, extra } = parts;
        let def = op_def::lookup(op);
        let signature: Option<&'a OpDef> = match def {
            Some(def) => Some(def),
            None => library.get(op).map(|function| function.signature()).or_else(|| library.op(op)),
        };
        let is_stateful = def.or_else(|| library.op(op)).is_some_and(|def| def.is_stateful);
        let (op, attrs, ports) = match signature {
            Some(signature) => {
                let Drafting { attrs: builder, last_attrs, .. } = drafting;
                let known = last_attrs.get_mut(&signature.name);
                let attrs =
                    signature.complete_sorted_attrs(&name, attrs, builder, known.as_deref())?;
                match known {
                    Some(known) => known.clone_from(&attrs),
                    None => drop(last_attrs.insert(signature.name.clone(), attrs.clone())),
                }
                let ports = DraftPorts {
                    inputs: signature.input_ports(&attrs)?,
                    outputs: signature.output_ports(&attrs)?,
                };
                drafting.spend(ports.outputs.types().len())?;
                (signature.name.clone(), attrs, Some(ports))
            }
            None => (op.into(), attrs.into_iter().collect(), None),
        };
        Ok(Draft { name, op, def, is_stateful, signature, attrs, device, ports, extra })
    }

    pub(crate) fn name(&self) -> &Arc<str> {
        &self.name
    }

    pub(crate) fn op(&self) -> &str {
        &self.op
    }

    /// The definition of the op, or the signature of the function; `None` for unknown ops.
    pub(crate) fn signature(&self) -> Option<&'a OpDef> {
        self.signature
    }

    /// The outputs; `None` for unknown ops.
    pub(crate) fn outputs(&self) -> Option<&Ports> {
        self.ports.as_ref().map(|ports| &ports.outputs)
    }

    /// Checks that the node has as many data inputs as its op wants.
    pub(crate) fn check_arity(&self, n_inputs: usize) -> Result<(), Error> {
        match (&self.ports, self.signature) {
            (Some(ports), Some(signature)) if ports.inputs.types().len() != n_inputs => {
                Err(signature.arity_error(&self.name, ports.inputs.types(), n_inputs))
            }
            _ => Ok(()),
        }
    }

    /// Fails when graphs of version `producer` may no longer use the op.
    pub(crate) fn check_deprecation(&self, producer: i32) -> Result<(), Error> {
        self.signature.map_or(Ok(()), |signature| signature.check_deprecation(producer))
    }

    /// The node with these edges.
    pub(crate) fn finish(self, inputs: Few<Output, 2>, control_inputs: Box<[NodeId]>) -> Node {
        let (input_types, output_types) = match self.ports {
            None => (Default::default(), None),
            Some(ports) => (ports.inputs.into_types(), Some(ports.outputs.into_types())),
        };
        Node {
            name: self.name,
            op: self.op,
            def: self.def,
            is_stateful: self.is_stateful,
            inputs,
            control_inputs,
            attrs: self.attrs,
            device: self.device,
            input_types,
            output_types,
            extra: self.extra,
        }
    }
}

impl<'b> From<&'b Draft<'_>> for Source<'b> {
    fn from(draft: &'b Draft<'_>) -> Source<'b> {
        let ports = draft.ports.as_ref();
        Source {
            name: &draft.name,
            input_types: ports.map_or(&[], |ports| ports.inputs.types()),
            output_types: ports.map(|ports| ports.outputs.types()),
        }
    }
}
