use std::collections::BTreeMap;

use flowkeep_graph::Output;
use flowkeep_graph::builder::{Scope, Variable};
use flowkeep_proto::pb;
use flowkeep_proto::pb::structured_value::Kind;
use flowkeep_proto::pb::type_spec_proto::TypeSpecClass;
use flowkeep_tensor::{DType, PartialShape};

/// Something of a graph that a signature may take or give.
#[derive(Clone, Debug, PartialEq)]
pub enum SignatureTensor {
    /// A tensor.
    Dense(Output),
    /// A variable: the reference, or the handle of a resource.
    Variable(Variable),
    /// A sparse tensor.
    Sparse(SparseTensor),
    /// Several tensors that make up one value.
    Composite {
        /// What they make up.
        type_spec: Box<pb::TypeSpecProto>,
        /// The tensors, in the order of the specification.
        components: Vec<Output>,
    },
}

/// The tensors that make up a sparse one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SparseTensor {
    /// Where values are: `[n, rank]`, `int64`.
    pub indices: Output,
    /// The values: `[n]`.
    pub values: Output,
    /// The shape of the whole: `[rank]`, `int64`.
    pub dense_shape: Output,
}

impl SignatureTensor {
    /// A ragged tensor: the innermost values, and for each ragged dimension where its rows begin, the
    /// outermost first.
    pub fn ragged(scope: &Scope, flat_values: Output, row_splits: &[Output]) -> SignatureTensor {
        let dtype = |tensor: Output| {
            let dtype =
                scope.graph().get(tensor.node).and_then(|node| node.output_dtype(tensor.index));
            Kind::TensorDtypeValue(dtype.map_or(0, DType::number))
        };
        let ragged_rank = i64::try_from(row_splits.len()).unwrap_or(i64::MAX);
        let splits_dtype = row_splits
            .first()
            .map_or(Kind::TensorDtypeValue(DType::I64.number()), |splits| dtype(*splits));
        let state = [
            Kind::TensorShapeValue(ragged_shape(scope, flat_values, row_splits).to_proto()),
            dtype(flat_values),
            Kind::Int64Value(ragged_rank),
            splits_dtype,
        ];
        let values = state.map(|kind| pb::StructuredValue { kind: Some(kind) }).into();
        let state = Kind::TupleValue(pb::TupleValue { values });
        let components: Vec<Output> = [flat_values].iter().chain(row_splits).copied().collect();
        let type_spec = pb::TypeSpecProto {
            type_spec_class: TypeSpecClass::RaggedTensorSpec.into(),
            type_state: Some(Box::new(pb::StructuredValue { kind: Some(state) })),
            type_spec_class_name: "RaggedTensorSpec".to_owned(),
            num_flat_components: i32::try_from(components.len()).unwrap_or(i32::MAX),
        };
        SignatureTensor::Composite { type_spec: Box::new(type_spec), components }
    }
}

/// The shape of a ragged tensor: the number of rows, the ragged dimensions, those of each value.
fn ragged_shape(scope: &Scope, flat_values: Output, row_splits: &[Output]) -> PartialShape {
    let Some([_, value_dims @ ..]) = scope.shape(flat_values).dims() else {
        return PartialShape::unknown();
    };
    let outermost =
        row_splits.first().and_then(|splits| scope.shape(*splits).dims()?.first().copied());
    let n_rows = outermost.flatten().map(|n| n.saturating_sub(1));
    let mut dims = vec![n_rows];
    dims.extend(row_splits.iter().map(|_| None));
    dims.extend(value_dims);
    PartialShape::new(dims)
}

impl From<Output> for SignatureTensor {
    fn from(tensor: Output) -> SignatureTensor {
        SignatureTensor::Dense(tensor)
    }
}

impl From<Variable> for SignatureTensor {
    fn from(variable: Variable) -> SignatureTensor {
        SignatureTensor::Variable(variable)
    }
}

impl From<&Variable> for SignatureTensor {
    fn from(variable: &Variable) -> SignatureTensor {
        SignatureTensor::Variable(variable.clone())
    }
}

impl From<SparseTensor> for SignatureTensor {
    fn from(tensor: SparseTensor) -> SignatureTensor {
        SignatureTensor::Sparse(tensor)
    }
}

/// Tensors by key: the inputs or outputs of a signature.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NamedTensors(pub BTreeMap<String, SignatureTensor>);

impl<K: Into<String>, T: Into<SignatureTensor>> FromIterator<(K, T)> for NamedTensors {
    fn from_iter<I: IntoIterator<Item = (K, T)>>(tensors: I) -> NamedTensors {
        let tensors = tensors.into_iter();
        NamedTensors(tensors.map(|(key, tensor)| (key.into(), tensor.into())).collect())
    }
}

impl<K: Into<String>, T: Into<SignatureTensor>, const N: usize> From<[(K, T); N]> for NamedTensors {
    fn from(tensors: [(K, T); N]) -> NamedTensors {
        tensors.into_iter().collect()
    }
}
