use std::any::Any;

use flowkeep_graph::{Attr, Node};
use flowkeep_tensor::{DType, PartialShape, Tensor};

use crate::kernel::settings::Settings;
use crate::kernel::{FileAccess, Status};

/// What a kernel is made from: its node, with attributes whose kinds were checked at import.
#[derive(Clone, Copy, Debug)]
pub struct KernelInit<'a> {
    pub(crate) node: &'a Node,
    pub(crate) path: &'a str,
    pub(crate) settings: &'a Settings,
}

impl<'a> KernelInit<'a> {
    /// The node's name, with those of the calls that lead to it.
    pub fn node_name(&self) -> &'a str {
        self.path
    }

    /// The node's own name, without those of the calls that lead to it.
    pub fn base_name(&self) -> &'a str {
        self.node.name()
    }

    /// The node's op.
    pub fn op(&self) -> &'a str {
        self.node.op()
    }

    /// The number of data inputs.
    pub fn n_inputs(&self) -> usize {
        self.node.inputs().len()
    }

    /// The number of outputs.
    pub fn n_outputs(&self) -> usize {
        self.node.n_outputs().unwrap_or(0)
    }

    /// The types of the inputs.
    pub fn input_types(&self) -> Vec<DType> {
        self.node.input_types().iter().map(|port| port.dtype).collect()
    }

    /// The types of the outputs.
    pub fn output_types(&self) -> Vec<DType> {
        self.node.output_types().into_iter().flatten().map(|port| port.dtype).collect()
    }

    /// The value of this type that was set in the registry ([`Registry::set`]), if one was.
    ///
    /// [`Registry::set`]: crate::kernel::Registry::set
    pub fn setting<T: Any>(&self) -> Option<&'a T> {
        self.settings.get()
    }

    /// Which files this kernel may touch.
    pub fn file_access(&self) -> FileAccess {
        self.setting().cloned().unwrap_or_default()
    }

    /// The attribute `name`, of whatever kind.
    pub fn attr(&self, name: &str) -> Option<&'a Attr> {
        self.node.attr(name)
    }

    /// The type attribute `name`.
    ///
    /// Errors (of all these accessors): `INVALID_ARGUMENT` if there is no such attribute of that
    /// kind.
    pub fn attr_type(&self, name: &str) -> Result<DType, Status> {
        Ok(self.node.attrs().dtype(name)?)
    }

    /// The attribute `name`, a list of types.
    pub fn attr_types(&self, name: &str) -> Result<&'a [DType], Status> {
        Ok(self.node.attrs().types(name)?)
    }

    /// The integer attribute `name`.
    pub fn attr_int(&self, name: &str) -> Result<i64, Status> {
        Ok(self.node.attrs().int(name)?)
    }

    /// The attribute `name`, a list of integers.
    pub fn attr_ints(&self, name: &str) -> Result<&'a [i64], Status> {
        Ok(self.node.attrs().ints(name)?)
    }

    /// The float attribute `name`.
    pub fn attr_float(&self, name: &str) -> Result<f32, Status> {
        Ok(self.node.attrs().float(name)?)
    }

    /// The attribute `name`, a list of floats.
    pub fn attr_floats(&self, name: &str) -> Result<&'a [f32], Status> {
        Ok(self.node.attrs().floats(name)?)
    }

    /// The boolean attribute `name`.
    pub fn attr_bool(&self, name: &str) -> Result<bool, Status> {
        Ok(self.node.attrs().bool(name)?)
    }

    /// The string attribute `name`, which must be UTF-8.
    pub fn attr_str(&self, name: &str) -> Result<&'a str, Status> {
        std::str::from_utf8(self.node.attrs().str(name)?).map_err(|_| not_utf8(name))
    }

    /// The attribute `name`, a list of strings, which must be UTF-8.
    pub fn attr_strs(&self, name: &str) -> Result<Vec<&'a str>, Status> {
        let strs = self.node.attrs().strs(name)?;
        strs.iter().map(|value| std::str::from_utf8(value).map_err(|_| not_utf8(name))).collect()
    }

    /// The shape attribute `name`.
    pub fn attr_shape(&self, name: &str) -> Result<PartialShape, Status> {
        Ok(self.node.attrs().shape(name)?)
    }

    /// The attribute `name`, a list of shapes.
    pub fn attr_shapes(&self, name: &str) -> Result<Vec<PartialShape>, Status> {
        Ok(self.node.attrs().shapes(name)?)
    }

    /// The tensor attribute `name`; its elements are shared with the graph.
    ///
    /// Errors: also those of decoding the stored tensor.
    pub fn attr_tensor(&self, name: &str) -> Result<Tensor, Status> {
        Ok(self.node.attrs().tensor(name)?)
    }
}

fn not_utf8(name: &str) -> Status {
    Status::invalid_argument(format!("attribute '{name}' is not UTF-8"))
}
