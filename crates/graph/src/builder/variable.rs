use std::sync::Arc;

use flowkeep_proto::pb;
use flowkeep_tensor::{DType, PartialShape, Shape};

use super::{DeviceSpec, Initializer, Partitioner};
use crate::{Element, Graph, Node, NodeId, Output};

/// A variable of a graph, in one of two forms.
///
/// As a reference, it is a node of op `VariableV2`, whose output is the memory itself; it is read once,
/// by `v/read`. As a resource, it is a node of op `VarHandleOp`, whose output is a handle; whoever reads
/// it adds a `ReadVariableOp`.
///
/// Cheap to clone.
#[derive(Clone, Debug, PartialEq)]
pub struct Variable(Arc<Nodes>);

/// What a variable is made of.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Nodes {
    /// The reference, or the handle of the resource.
    pub(super) handle: Output,
    pub(super) initializer: Element,
    /// What the variable starts with; the messages of old writers do not say it.
    pub(super) initial_value: Option<Output>,
    /// What reads the variable once: `v/read`, or `v/Read/ReadVariableOp`.
    pub(super) snapshot: Output,
    /// The value on the caching device.
    pub(super) cached: Option<Output>,
    pub(super) is_resource: bool,
    pub(super) is_initialized: Option<Output>,
    pub(super) dtype: DType,
    pub(super) shape: PartialShape,
    pub(super) trainable: bool,
    pub(super) slice: Option<SaveSlice>,
    pub(super) synchronization: pb::VariableSynchronization,
    pub(super) aggregation: pb::VariableAggregation,
}

/// Which slice of a whole a part of a partitioned variable is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SaveSlice {
    /// The name of the whole.
    pub full_name: String,
    /// The shape of the whole.
    pub full_shape: Shape,
    /// Where the part starts, in each dimension.
    pub offset: Vec<usize>,
    /// The shape of the part.
    pub shape: Shape,
}

impl SaveSlice {
    /// The slice as checkpoints are asked for it: the whole's sizes, then start and length in each
    /// dimension, `4 3 2,2:0,3`.
    ///
    /// ```
    /// use flowkeep_graph::builder::SaveSlice;
    ///
    /// let slice = SaveSlice {
    ///     full_name: "p".to_owned(),
    ///     full_shape: [4, 3].into(),
    ///     offset: vec![2, 0],
    ///     shape: [2, 3].into(),
    /// };
    /// assert_eq!(slice.spec(), "4 3 2,2:0,3");
    /// ```
    pub fn spec(&self) -> String {
        let sizes = self.full_shape.dims().iter().map(|size| format!("{size} "));
        let extents = self.offset.iter().zip(self.shape.dims());
        let extents = extents.map(|(start, length)| format!("{start},{length}"));
        sizes.collect::<String>() + &extents.collect::<Vec<_>>().join(":")
    }
}

impl Variable {
    pub(super) fn new(nodes: Nodes) -> Variable {
        Variable(Arc::new(nodes))
    }

    /// The value on the caching device.
    pub(super) fn cached(&self) -> Option<Output> {
        self.0.cached
    }

    /// The node that is the variable.
    pub fn op(&self) -> NodeId {
        self.0.handle.node
    }

    /// The name of the tensor that is the variable, `v:0`.
    pub fn name(&self, graph: &Graph) -> String {
        graph.tensor_name(self.0.handle).to_string()
    }

    /// The reference, or the handle of the resource.
    pub fn handle(&self) -> Output {
        self.0.handle
    }

    /// Whether the variable is a resource, not a reference.
    pub fn is_resource(&self) -> bool {
        self.0.is_resource
    }

    /// The node that assigns the initial value.
    pub fn initializer(&self) -> NodeId {
        self.0.initializer.node()
    }

    /// The initial value; `None` of a variable that was imported from an old writer.
    pub fn initial_value(&self) -> Option<Output> {
        self.0.initial_value
    }

    /// The tensor that saves and exports read the variable by.
    pub fn snapshot(&self) -> Output {
        self.0.cached.unwrap_or(self.0.snapshot)
    }

    /// The tensor that stands for the variable where it is saved whole: the reference, or the read of
    /// the resource that is there already, not its value on a caching device.
    pub fn graph_element(&self) -> Output {
        if self.0.is_resource { self.0.snapshot } else { self.0.handle }
    }

    /// The variable with another initial value, which `initializer` assigns.
    pub(super) fn with_initializer(&self, initializer: Element, initial_value: Output) -> Variable {
        Variable::new(Nodes {
            initializer,
            initial_value: Some(initial_value),
            ..(*self.0).clone()
        })
    }

    /// The variable as a slice of a whole.
    pub(super) fn with_save_slice(&self, slice: SaveSlice) -> Variable {
        Variable::new(Nodes { slice: Some(slice), ..(*self.0).clone() })
    }

    /// The tensor that says whether a resource is initialized; `None` of a reference, and of a variable
    /// that was imported.
    pub fn is_initialized(&self) -> Option<Output> {
        self.0.is_initialized
    }

    /// The type of the elements.
    pub fn dtype(&self) -> DType {
        self.0.dtype
    }

    /// The shape, as far as it is fixed.
    pub fn shape(&self) -> &PartialShape {
        &self.0.shape
    }

    /// Whether training changes the variable.
    pub fn trainable(&self) -> bool {
        self.0.trainable
    }

    /// Which slice of a partitioned variable this is; `None` for a whole one.
    pub fn save_slice(&self) -> Option<&SaveSlice> {
        self.0.slice.as_ref()
    }

    /// The message that collections keep of the variable, in the graph that it is of.
    pub fn to_proto(&self, graph: &Graph) -> pb::VariableDef {
        let tensor = |output| graph.tensor_name(output).to_string();
        pb::VariableDef {
            variable_name: tensor(self.handle()),
            initial_value_name: self.0.initial_value.map(tensor).unwrap_or_default(),
            initializer_name: match self.0.initializer {
                Element::Output(output) => tensor(output),
                Element::Node(id) => graph.get(id).map_or("", Node::name).to_owned(),
            },
            snapshot_name: tensor(self.snapshot()),
            save_slice_info_def: self.0.slice.as_ref().map(SaveSlice::to_proto),
            is_resource: self.is_resource(),
            trainable: self.0.trainable,
            synchronization: self.0.synchronization.into(),
            aggregation: self.0.aggregation.into(),
        }
    }
}

impl SaveSlice {
    fn to_proto(&self) -> pb::SaveSliceInfoDef {
        let sizes = |sizes: &[usize]| {
            sizes.iter().map(|size| i64::try_from(*size).unwrap_or(i64::MAX)).collect()
        };
        pb::SaveSliceInfoDef {
            full_name: self.full_name.clone(),
            full_shape: sizes(self.full_shape.dims()),
            var_offset: sizes(&self.offset),
            var_shape: sizes(self.shape.dims()),
        }
    }
}

/// What a variable is to be.
///
/// ```
/// use flowkeep_graph::builder::{Initializer, Scope, VariableOptions};
///
/// let mut scope = Scope::new();
/// let options = VariableOptions::new().initializer(1.5f32).trainable(false).use_resource(true);
/// let v = scope.with_op_name("v").variable(options)?;
/// assert_eq!(v.to_proto(scope.graph()).snapshot_name, "v/Read/ReadVariableOp:0");
/// # Ok::<(), flowkeep_graph::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct VariableOptions {
    pub(super) shape: Option<PartialShape>,
    pub(super) dtype: Option<DType>,
    pub(super) initializer: Option<Initializer>,
    pub(super) trainable: Option<bool>,
    pub(super) collections: Option<Vec<String>>,
    pub(super) use_resource: Option<bool>,
    pub(super) caching_device: Option<DeviceSpec>,
    pub(super) partitioner: Option<Partitioner>,
    pub(super) may_change_shape: bool,
    pub(super) aggregation: pb::VariableAggregation,
}

impl VariableOptions {
    /// Whatever the variable scope says.
    pub fn new() -> VariableOptions {
        VariableOptions::default()
    }

    /// Of this shape. Not to be given with an initial value that has one.
    pub fn shape(mut self, dims: impl Into<Shape>) -> VariableOptions {
        self.shape = Some(PartialShape::from(&dims.into()));
        self
    }

    /// Of this shape, as far as it is known.
    pub fn partial_shape(mut self, shape: PartialShape) -> VariableOptions {
        self.shape = Some(shape);
        self
    }

    /// Of this type.
    pub fn dtype(mut self, dtype: DType) -> VariableOptions {
        self.dtype = Some(dtype);
        self
    }

    /// With this initial value.
    pub fn initializer(mut self, initializer: impl Into<Initializer>) -> VariableOptions {
        self.initializer = Some(initializer.into());
        self
    }

    /// Whether training changes it, as it does by default.
    pub fn trainable(mut self, trainable: bool) -> VariableOptions {
        self.trainable = Some(trainable);
        self
    }

    /// In these collections instead of [`GLOBAL_VARIABLES`](super::GLOBAL_VARIABLES).
    pub fn collections<S: Into<String>>(
        mut self,
        names: impl IntoIterator<Item = S>,
    ) -> VariableOptions {
        self.collections = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// Whether it is a resource, not a reference.
    pub fn use_resource(mut self, use_resource: bool) -> VariableOptions {
        self.use_resource = Some(use_resource);
        self
    }

    /// With its value cached on this device.
    pub fn caching_device(mut self, device: DeviceSpec) -> VariableOptions {
        self.caching_device = Some(device);
        self
    }

    /// Cut into parts; for [`Scope::get_partitioned_variable`](super::Scope::get_partitioned_variable).
    pub fn partitioner(mut self, partitioner: Partitioner) -> VariableOptions {
        self.partitioner = Some(partitioner);
        self
    }

    /// How replicas of it would be put together, which is only noted.
    pub(crate) fn aggregation(mut self, aggregation: pb::VariableAggregation) -> VariableOptions {
        self.aggregation = aggregation;
        self
    }

    /// Whether the initial value fixes the shape, as it does by default.
    pub fn validate_shape(mut self, validate_shape: bool) -> VariableOptions {
        self.may_change_shape = !validate_shape;
        self
    }
}
