use std::fmt;

use flowkeep_proto::pb;
use flowkeep_proto::pb::type_spec_proto::TypeSpecClass as WireClass;
use flowkeep_tensor::{DType, PartialShape, Shape, Tensor};

use super::{StructuredValue, bad, dtype, shape};
use crate::Error;

/// What a tensor of a signature is.
#[derive(Clone, Debug)]
pub struct TensorSpec {
    /// The name of the argument or result; may be empty.
    pub name: String,
    /// The shape, as far as it is known.
    pub shape: PartialShape,
    /// The element type.
    pub dtype: DType,
    /// The least and the greatest value, of a `BoundedTensorSpec`.
    pub bounds: Option<(Tensor, Tensor)>,
}

impl TensorSpec {
    pub(super) fn from_proto(spec: &pb::TensorSpecProto) -> Result<TensorSpec, Error> {
        let (name, shape) = (spec.name.clone(), shape(spec.shape.as_ref())?);
        Ok(TensorSpec { name, shape, dtype: dtype(spec.dtype)?, bounds: None })
    }

    pub(super) fn from_bounded(spec: &pb::BoundedTensorSpecProto) -> Result<TensorSpec, Error> {
        let bound = |bound: &Option<pb::TensorProto>| {
            let bound = bound.as_ref().map(Tensor::try_from).transpose();
            bound.map_err(|error| bad(format!("structured value: {error}")))
        };
        let bounds = bound(&spec.minimum)?.zip(bound(&spec.maximum)?);
        let (name, shape) = (spec.name.clone(), shape(spec.shape.as_ref())?);
        Ok(TensorSpec { name, shape, dtype: dtype(spec.dtype)?, bounds })
    }

    /// Whether a tensor is of this type and of a shape that fits.
    pub fn is_compatible_with(&self, tensor: &Tensor) -> bool {
        self.dtype == tensor.dtype() && self.shape.matches(tensor.shape())
    }
}

/// The class of a composite tensor's spec.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TypeSpecClass {
    /// `tf.SparseTensorSpec`: indices, values, dense shape.
    Sparse,
    /// `tf.IndexedSlicesSpec`.
    IndexedSlices,
    /// `tf.RaggedTensorSpec`: flat values, then row splits from the outermost on.
    Ragged,
    /// `VariableSpec`: a variable, by its handle.
    Variable,
    /// Any other class, by the name that TensorFlow has for it.
    Other(String),
}

/// What a composite tensor of a signature is.
#[derive(Clone, Debug)]
pub struct TypeSpec {
    /// The class.
    pub class: TypeSpecClass,
    /// What the class is made from: for ragged tensors the shape, the type, the ragged rank and the type
    /// of the row splits; for sparse ones the shape and the type.
    pub state: Box<StructuredValue>,
    /// How many tensors a value has.
    pub n_components: usize,
}

/// More tensors than that no composite has.
const MAX_COMPONENTS: usize = 1 << 10;

impl TypeSpec {
    /// The spec of a message.
    ///
    /// Errors: as [`StructuredValue::from_proto`].
    pub(crate) fn from_proto(spec: &pb::TypeSpecProto) -> Result<TypeSpec, Error> {
        let state = spec.type_state.as_deref().map(StructuredValue::from_proto).transpose()?;
        TypeSpec::new(spec, state.unwrap_or_default())
    }

    pub(super) fn new(spec: &pb::TypeSpecProto, state: StructuredValue) -> Result<TypeSpec, Error> {
        let class = match WireClass::try_from(spec.type_spec_class) {
            Ok(WireClass::SparseTensorSpec) => TypeSpecClass::Sparse,
            Ok(WireClass::IndexedSlicesSpec) => TypeSpecClass::IndexedSlices,
            Ok(WireClass::RaggedTensorSpec) => TypeSpecClass::Ragged,
            Ok(WireClass::VariableSpec) => TypeSpecClass::Variable,
            _ if !spec.type_spec_class_name.is_empty() => {
                TypeSpecClass::Other(spec.type_spec_class_name.clone())
            }
            Ok(class) => TypeSpecClass::Other(class.as_str_name().to_owned()),
            Err(_) => return Err(bad(format!("type spec of class {}", spec.type_spec_class))),
        };
        // Old files do not say how many tensors there are.
        let n_components = match (&class, usize::try_from(spec.num_flat_components)) {
            (_, Ok(n @ 1..)) => n,
            (TypeSpecClass::Sparse, _) => 3,
            (TypeSpecClass::Ragged, _) => match state_item(&state, 2) {
                Some(StructuredValue::Int(rank)) => {
                    usize::try_from(*rank).unwrap_or(0).saturating_add(1)
                }
                _ => 2,
            },
            (TypeSpecClass::IndexedSlices, _) => match state_item(&state, 3) {
                Some(StructuredValue::DType(_)) => 3,
                _ => 2,
            },
            (TypeSpecClass::Variable | TypeSpecClass::Other(_), _) => 1,
        };
        if n_components > MAX_COMPONENTS {
            return Err(bad(format!("type spec of {n_components} components")));
        }
        Ok(TypeSpec { class, state: Box::new(state), n_components })
    }

    /// The spec of ragged tensors of this type, with row splits of type `int64`.
    pub fn ragged(shape: PartialShape, dtype: DType, ragged_rank: usize) -> TypeSpec {
        let rank = i64::try_from(ragged_rank).unwrap_or(i64::MAX);
        let state = vec![
            StructuredValue::Shape(shape),
            StructuredValue::DType(dtype),
            StructuredValue::Int(rank),
            StructuredValue::DType(DType::I64),
        ];
        TypeSpec {
            class: TypeSpecClass::Ragged,
            state: Box::new(StructuredValue::Tuple(state)),
            n_components: ragged_rank.saturating_add(1),
        }
    }

    /// The spec of sparse tensors of this type and dense shape.
    pub fn sparse(shape: PartialShape, dtype: DType) -> TypeSpec {
        let state = vec![StructuredValue::Shape(shape), StructuredValue::DType(dtype)];
        TypeSpec {
            class: TypeSpecClass::Sparse,
            state: Box::new(StructuredValue::Tuple(state)),
            n_components: 3,
        }
    }

    /// The shape that the spec declares, if its class has one.
    pub fn shape(&self) -> Option<&PartialShape> {
        match state_item(&self.state, 0) {
            Some(StructuredValue::Shape(shape)) => Some(shape),
            _ => None,
        }
    }

    /// The element type that the spec declares, if its class has one.
    pub fn dtype(&self) -> Option<DType> {
        match state_item(&self.state, 1) {
            Some(StructuredValue::DType(dtype)) => Some(*dtype),
            _ => None,
        }
    }

    /// Whether a value of `other` may be passed where this spec is asked for: the class, the type and the
    /// number of tensors are the same, and the shapes do not contradict each other.
    pub fn is_compatible_with(&self, other: &TypeSpec) -> bool {
        let shapes = self.shape().zip(other.shape());
        self.class == other.class
            && self.n_components == other.n_components
            && self.dtype() == other.dtype()
            && shapes.is_none_or(|(a, b)| may_be_equal(a, b))
    }
}

fn state_item(state: &StructuredValue, idx: usize) -> Option<&StructuredValue> {
    match state {
        StructuredValue::Tuple(items) | StructuredValue::List(items) => items.get(idx),
        StructuredValue::NamedTuple(_, fields) => fields.get(idx).map(|(_, value)| value),
        _ => None,
    }
}

fn may_be_equal(a: &PartialShape, b: &PartialShape) -> bool {
    let (Some(a), Some(b)) = (a.dims(), b.dims()) else { return true };
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.is_none() || b.is_none() || a == b)
}

impl StructuredValue {
    /// A ragged tensor: its flat values, and its row splits from the outermost on.
    pub fn ragged(flat_values: Tensor, row_splits: Vec<Tensor>) -> StructuredValue {
        let n_rows = row_splits.first().map(|splits| splits.n_elements().saturating_sub(1));
        let inner = flat_values.dims().iter().skip(1);
        let known = |n: usize| u64::try_from(n).ok();
        let ragged = std::iter::repeat_n(None, row_splits.len());
        let dims = std::iter::once(n_rows.and_then(known)).chain(ragged);
        let shape = PartialShape::new(dims.chain(inner.map(|dim| known(*dim))).collect());
        let spec = TypeSpec::ragged(shape, flat_values.dtype(), row_splits.len());
        let components = std::iter::once(flat_values).chain(row_splits).collect();
        StructuredValue::Composite(spec, components)
    }

    /// A sparse tensor: indices `[N, rank]`, values `[N]` and dense shape `[rank]`, as of
    /// `tf.SparseTensor`.
    pub fn sparse(indices: Tensor, values: Tensor, dense_shape: Tensor) -> StructuredValue {
        let dims = dense_shape.as_slice::<i64>().ok();
        let shape = dims.map_or(PartialShape::unknown(), |dims| {
            PartialShape::new(dims.iter().map(|dim| u64::try_from(*dim).ok()).collect())
        });
        let spec = TypeSpec::sparse(shape, values.dtype());
        StructuredValue::Composite(spec, vec![indices, values, dense_shape])
    }
}

impl fmt::Display for TypeSpecClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TypeSpecClass::Sparse => "SparseTensorSpec",
            TypeSpecClass::IndexedSlices => "IndexedSlicesSpec",
            TypeSpecClass::Ragged => "RaggedTensorSpec",
            TypeSpecClass::Variable => "VariableSpec",
            TypeSpecClass::Other(name) => name,
        })
    }
}

/// The shape of a tensor as a partial one.
pub(crate) fn partial(shape: &Shape) -> PartialShape {
    PartialShape::new(shape.dims().iter().map(|dim| u64::try_from(*dim).ok()).collect())
}
