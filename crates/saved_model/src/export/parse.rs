use std::collections::BTreeMap;

use flowkeep_graph::builder::{Operand, Scope};
use flowkeep_graph::{Attr, AttrList, Output};
use flowkeep_tensor::{DType, PartialShape, Shape, Tensor};

use super::invalid;
use crate::{Error, SignatureTensor, SparseTensor};

/// How a feature is read out of serialized examples.
#[derive(Clone, Debug, PartialEq)]
pub enum FeatureSpec {
    /// Of one shape in every example: `tf.io.FixedLenFeature`.
    FixedLen {
        /// The shape in one example.
        shape: Shape,
        /// The type: `float32`, `int64` or `string`.
        dtype: DType,
        /// The value where an example does not have the feature, which is an error without it.
        default: Option<Tensor>,
    },
    /// Any number of values, which become a sparse tensor: `tf.io.VarLenFeature`.
    VarLen {
        /// The type: `float32`, `int64` or `string`.
        dtype: DType,
    },
}

impl FeatureSpec {
    /// A feature of one shape that every example has.
    pub fn fixed_len(shape: impl Into<Shape>, dtype: DType) -> FeatureSpec {
        FeatureSpec::FixedLen { shape: shape.into(), dtype, default: None }
    }
}

/// The features of serialized examples, by name: `tf.io.parse_example`. Nodes are those that TensorFlow
/// adds.
///
/// Errors: `INVALID_ARGUMENT` without features, for a default of another type or size than its feature,
/// and for types that examples do not have.
pub fn parse_example(
    scope: &mut Scope,
    serialized: Output,
    features: &BTreeMap<String, FeatureSpec>,
) -> Result<BTreeMap<String, SignatureTensor>, Error> {
    if features.is_empty() {
        return Err(invalid("Missing features specification."));
    }
    let mut scope = scope.name_scope("ParseExample")?;
    let (mut sparse, mut dense) = (Vec::new(), Vec::new());
    let (mut sparse_types, mut shapes, mut defaults) = (Vec::new(), Vec::new(), Vec::new());
    for (name, spec) in features {
        match spec {
            FeatureSpec::VarLen { dtype } => {
                sparse.push(name);
                sparse_types.push(*dtype);
            }
            FeatureSpec::FixedLen { shape, dtype, default } => {
                dense.push(name);
                shapes.push(PartialShape::from(shape));
                defaults.push(default_value(&mut scope, name, shape, *dtype, default.as_ref())?);
            }
        }
    }
    let list =
        |list: AttrList, is_empty: bool| Attr::List(if is_empty { AttrList::Empty } else { list });
    let n_sparse = i64::try_from(sparse.len()).unwrap_or(i64::MAX);
    let op = scope.op("ParseExampleV2").input(serialized).input(strings(&[])?);
    let op = op.input(strings(&sparse)?).input(strings(&dense)?).input(strings(&[])?);
    let op = op.input_list(defaults).attr("num_sparse", Attr::Int(n_sparse));
    let is_empty = sparse_types.is_empty();
    let op = op.attr("sparse_types", list(AttrList::Type(sparse_types.into()), is_empty));
    let op = op.attr("ragged_value_types", Attr::List(AttrList::Empty));
    let op = op.attr("ragged_split_types", Attr::List(AttrList::Empty));
    let is_empty = shapes.is_empty();
    let op = if dense.is_empty() { op.attr("Tdense", Attr::List(AttrList::Empty)) } else { op };
    let parsed = op.attr("dense_shapes", list(AttrList::Shape(shapes.into()), is_empty)).build()?;

    let output = |at: usize| parsed.output(u32::try_from(at).unwrap_or(u32::MAX));
    let n = sparse.len();
    let sparse = sparse.into_iter().enumerate().map(|(at, name)| {
        let [indices, values, dense_shape] = [at, n + at, 2 * n + at].map(output);
        (name.clone(), SparseTensor { indices, values, dense_shape }.into())
    });
    let dense = dense.into_iter().enumerate();
    let dense = dense.map(|(at, name)| (name.clone(), output(3 * n + at).into()));
    Ok(sparse.chain(dense).collect())
}

/// The tensor with the default of a feature; an empty one if there is none.
fn default_value(
    scope: &mut Scope,
    name: &str,
    shape: &Shape,
    dtype: DType,
    default: Option<&Tensor>,
) -> Result<Operand, Error> {
    let Some(value) = default else {
        let nothing = match dtype {
            DType::F32 => Tensor::from_elements(Vec::<f32>::new()),
            DType::I64 => Tensor::from_elements(Vec::<i64>::new()),
            DType::String => strings(&[])?,
            other => {
                return Err(invalid(format!(
                    "feature '{name}' is of type {other}, which examples do not have"
                )));
            }
        };
        return Ok(scope.constant(nothing)?.into());
    };
    if value.dtype() != dtype {
        return Err(invalid(format!(
            "feature '{name}' is of type {dtype}, its default of type {}",
            value.dtype()
        )));
    }
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "_.-/".contains(letter);
    let key: String = name.chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
    let value = scope.with_op_name(&format!("key_{key}")).constant(value.clone())?;
    let sizes = shape.dims().iter().map(|size| i32::try_from(*size).unwrap_or(i32::MAX));
    Ok(scope.reshape(value, sizes.collect::<Vec<i32>>())?.into())
}

fn strings(texts: &[&String]) -> Result<Tensor, Error> {
    let bytes = texts.iter().map(|text| text.as_bytes().to_vec().into()).collect();
    Tensor::from_strings([texts.len()], bytes).map_err(|error| invalid(error.to_string()))
}
