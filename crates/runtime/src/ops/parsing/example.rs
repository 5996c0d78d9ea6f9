//! The ops that parse serialized `tf.train.Example`s.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use flowkeep_linalg::Pool;
use flowkeep_tensor::{PartialShape, Shape, Tensor};

use super::columns::{Column, Features, Form, build};
use super::wire::each_feature;
use crate::kernel::{KernelContext, KernelInit, OpKernel, Status};

/// Parses serialized examples into one tensor for each dense key, and several for each sparse or
/// ragged one.
///
/// Shapes: `serialized [B]` (for V2 also a scalar, for Single only that: without `B` below), `names
/// [0]` or as `serialized`, keys, `dense_defaults` → sparse indices `[n, 2]`, values `[n]` and shape
/// `[2]`; dense `[B, shape..]`, or with an unknown first dimension `[B, most rows, row..]`; ragged
/// values `[n]` and row splits `[B + 1]`, by kind and then by key.
/// Types: values f32, i64 or string; row splits i32 or i64.
/// Errors: `INVALID_ARGUMENT` for bytes that are no example, a dense feature that is missing without
/// a default, and values of another type or number than asked for.
/// Source: OpDefs `ParseExample`, `ParseExampleV2`, `ParseSingleExample`.
struct ParseExample {
    form: OpForm,
    sparse: Vec<Column>,
    dense: Vec<Column>,
    ragged: Vec<Column>,
    /// The shapes of the dense columns, for messages.
    dense_shapes: Vec<PartialShape>,
}

/// Which of the ops it is.
enum OpForm {
    /// One input for each key.
    V1,
    /// One input for each kind of keys.
    V2,
    /// One example, keys as attributes: sparse ones, then dense ones.
    Single(Vec<Bytes>),
}

pub(super) fn parse_example(init: &KernelInit<'_>) -> Result<Box<dyn OpKernel>, Status> {
    new(init, OpForm::V1)
}

pub(super) fn parse_example_v2(init: &KernelInit<'_>) -> Result<Box<dyn OpKernel>, Status> {
    new(init, OpForm::V2)
}

pub(super) fn parse_single_example(init: &KernelInit<'_>) -> Result<Box<dyn OpKernel>, Status> {
    let mut keys = init.attr_strs("sparse_keys")?;
    keys.extend(init.attr_strs("dense_keys")?);
    let keys = keys.into_iter().map(|key| Bytes::copy_from_slice(key.as_bytes())).collect();
    new(init, OpForm::Single(keys))
}

fn new(init: &KernelInit<'_>, form: OpForm) -> Result<Box<dyn OpKernel>, Status> {
    let dense_shapes = init.attr_shapes("dense_shapes")?.to_vec();
    let dense_types = init.attr_types("Tdense")?;
    if dense_types.len() != dense_shapes.len() {
        return Err(Status::invalid_argument("len(dense_keys) != len(dense_shapes)"));
    }
    let mut dense = Vec::new();
    for (idx, (dtype, shape)) in dense_types.iter().zip(&dense_shapes).enumerate() {
        dense.push(Column { dtype: *dtype, form: Form::dense(idx, shape)? });
    }
    let sparse_types = init.attr_types("sparse_types")?;
    let sparse = sparse_types.iter().map(|dtype| Column { dtype: *dtype, form: Form::Sparse });
    let mut ragged = Vec::new();
    if matches!(form, OpForm::V2) {
        let value_types = init.attr_types("ragged_value_types")?;
        let split_types = init.attr_types("ragged_split_types")?;
        if value_types.len() != split_types.len() {
            return Err(Status::invalid_argument(
                "len(ragged_value_types) != len(ragged_split_types)",
            ));
        }
        let types = value_types.iter().zip(split_types);
        ragged.extend(types.map(|(dtype, split)| {
            let form = Form::Ragged(*split);
            Column { dtype: *dtype, form }
        }));
    }
    Ok(Box::new(ParseExample { form, sparse: sparse.collect(), dense, ragged, dense_shapes }))
}

/// The inputs of a run.
struct Inputs<'a> {
    serialized: &'a Tensor,
    /// Empty, or a name for each example.
    names: Option<&'a Tensor>,
    /// The keys of sparse, dense and ragged columns.
    keys: Vec<&'a Bytes>,
    dense_defaults: Vec<&'a Tensor>,
}

impl OpKernel for ParseExample {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let inputs = self.inputs(cx)?;
        let names = self.check(&inputs)?;
        let serialized = inputs.serialized.as_strings()?;
        let columns: Vec<&Column> =
            self.sparse.iter().chain(&self.dense).chain(&self.ragged).collect();
        let found = find_features(cx.pool(), serialized, &inputs.keys)?;
        let features = |idx: usize| {
            let dense_idx = idx.checked_sub(self.sparse.len());
            Features {
                key: inputs.keys[idx],
                serialized,
                encoded: found.iter().skip(idx).step_by(columns.len()).copied().collect(),
                default: dense_idx.and_then(|idx| inputs.dense_defaults.get(idx)).copied(),
                names,
            }
        };
        let mut results: Vec<_> = columns.iter().map(|_| Ok(Vec::new())).collect();
        cx.pool().parallel_chunks(&mut results, 1, |idx, result| {
            result[0] = build(columns[idx], &features(idx));
        });
        let tensors: Vec<Vec<Tensor>> = results.into_iter().collect::<Result<_, _>>()?;
        self.set_outputs(cx, tensors)
    }
}

impl ParseExample {
    fn inputs<'a>(&'a self, cx: &'a KernelContext<'_>) -> Result<Inputs<'a>, Status> {
        let (n_sparse, n_dense) = (self.sparse.len(), self.dense.len());
        let tensors = |first: usize, n: usize| {
            (first..first + n).map(|idx| cx.input(idx)).collect::<Result<Vec<&Tensor>, Status>>()
        };
        let mut keys: Vec<&Bytes> = Vec::new();
        let (names, dense_defaults) = match &self.form {
            OpForm::V1 => {
                for key in tensors(2, n_sparse + n_dense)? {
                    keys.extend(key.as_strings()?);
                }
                (Some(cx.input(1)?), tensors(2 + n_sparse + n_dense, n_dense))
            }
            OpForm::V2 => {
                for idx in 2..5 {
                    keys.extend(cx.input(idx)?.as_strings()?);
                }
                (Some(cx.input(1)?), tensors(5, n_dense))
            }
            OpForm::Single(attrs) => {
                keys.extend(attrs);
                (None, tensors(1, n_dense))
            }
        };
        if keys.len() != n_sparse + n_dense + self.ragged.len() {
            return Err(Status::invalid_argument(format!(
                "{} keys do not fit {n_sparse} sparse, {n_dense} dense and {} ragged features",
                keys.len(),
                self.ragged.len()
            )));
        }
        Ok(Inputs { serialized: cx.input(0)?, names, keys, dense_defaults: dense_defaults? })
    }

    /// Checks shapes and defaults; gives the names of the examples, or `None` if there is just one
    /// without a batch dimension.
    fn check<'a>(&self, inputs: &Inputs<'a>) -> Result<Option<&'a [Bytes]>, Status> {
        let shape = inputs.serialized.shape();
        let (expected, fits) = match self.form {
            OpForm::V1 => ("a vector", shape.rank() == 1),
            OpForm::V2 => ("a scalar or vector", shape.rank() <= 1),
            OpForm::Single(_) => ("a scalar", shape.rank() == 0),
        };
        if !fits {
            let message = format!("Expected serialized to be {expected}, got shape: {shape}");
            return Err(Status::invalid_argument(message));
        }
        let mut names: &[Bytes] = &[];
        if let Some(tensor) = inputs.names
            && tensor.n_elements() > 0
        {
            if tensor.shape() != shape {
                return Err(Status::invalid_argument(format!(
                    "Expected names have the same shape as serialized: name.shape={}, \
                     serialized.shape={shape}",
                    tensor.shape()
                )));
            }
            names = tensor.as_strings()?;
        }
        let columns = self.dense.iter().zip(&self.dense_shapes).zip(&inputs.dense_defaults);
        for (idx, ((column, shape), default)) in columns.enumerate() {
            check_default(idx, column, shape, default)?;
        }
        Ok((shape.rank() == 1).then_some(names))
    }

    fn set_outputs(
        &self,
        cx: &mut KernelContext<'_>,
        tensors: Vec<Vec<Tensor>>,
    ) -> Result<(), Status> {
        let n_sparse = self.sparse.len();
        let (sparse, rest) = tensors.split_at(n_sparse);
        let (dense, ragged) = rest.split_at(self.dense.len());
        // All indices, then all values, then all shapes; and so on.
        let parts = |columns: &[Vec<Tensor>], part: usize| -> Vec<Tensor> {
            columns.iter().filter_map(|column| column.get(part).cloned()).collect()
        };
        let mut outputs = Vec::new();
        (0..3).for_each(|part| outputs.extend(parts(sparse, part)));
        outputs.extend(parts(dense, 0));
        (0..2).for_each(|part| outputs.extend(parts(ragged, part)));
        for (idx, output) in outputs.into_iter().enumerate() {
            cx.set_output(idx, output)?;
        }
        Ok(())
    }
}

fn check_default(
    idx: usize,
    column: &Column,
    shape: &PartialShape,
    default: &Tensor,
) -> Result<(), Status> {
    let got = default.shape();
    if default.dtype() != column.dtype {
        return Err(Status::invalid_argument(format!(
            "dense_defaults[{idx}].dtype() == {} != dense_types_[{idx}] == {}",
            default.dtype(),
            column.dtype
        )));
    }
    match &column.form {
        Form::DenseRows(_) if default.n_elements() != 1 => Err(Status::invalid_argument(format!(
            "dense_shape[{idx}] is a variable length shape: {shape}, therefore def_value[{idx}] must \
             contain a single element (the padding element).  But its shape is: {got}"
        ))),
        Form::Dense(dims) if default.n_elements() > 0 && *got != Shape::new(dims) => {
            Err(Status::invalid_argument(format!(
                "def_value[{idx}].shape() == {got} is not compatible with dense_shapes_[{idx}] == \
                 {shape}"
            )))
        }
        _ => Ok(()),
    }
}

/// The encoded features of `keys` in every example, an example's side by side. A key that comes
/// twice has the value that comes last.
///
/// Errors: `INVALID_ARGUMENT` for the first of the examples that is none.
fn find_features<'a>(
    pool: &Pool,
    serialized: &'a [Bytes],
    keys: &[&'a Bytes],
) -> Result<Vec<Option<&'a [u8]>>, Status> {
    /// Examples per task.
    const GRAIN: usize = 16;
    let mut columns: HashMap<&[u8], Vec<usize>> = HashMap::new();
    for (column, key) in keys.iter().enumerate() {
        columns.entry(key).or_default().push(column);
    }
    let first_bad = Mutex::new(None);
    let read = |example: usize, found: &mut [Option<&'a [u8]>]| {
        let ok = each_feature(&serialized[example], |key, feature| {
            for column in columns.get(key).into_iter().flatten() {
                found[*column] = Some(feature);
            }
        });
        if ok.is_none() {
            let mut first = first_bad.lock().unwrap_or_else(PoisonError::into_inner);
            *first = Some(first.map_or(example, |other: usize| other.min(example)));
        }
    };
    let n = serialized.len().checked_mul(keys.len()).ok_or_else(too_many)?;
    let mut found = Vec::new();
    found.try_reserve_exact(n).map_err(|_| too_many())?;
    found.resize(n, None);
    if keys.is_empty() {
        (0..serialized.len()).for_each(|example| read(example, &mut []));
    } else {
        pool.parallel_chunks(&mut found, GRAIN * keys.len(), |i, found| {
            for (n, found) in found.chunks_mut(keys.len()).enumerate() {
                read(i * GRAIN + n, found);
            }
        });
    }
    match first_bad.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(example) => Err(Status::invalid_argument(format!(
            "Could not parse example input, value: '{}'",
            String::from_utf8_lossy(&serialized[example])
        ))),
        None => Ok(found),
    }
}

fn too_many() -> Status {
    Status::resource_exhausted("too many examples and keys to be parsed at once")
}
