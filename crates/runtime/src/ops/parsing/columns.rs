//! From the features of one key, one for each example, to tensors: dense, sparse or ragged.

use bytes::Bytes;
use flowkeep_tensor::{DType, Error, PartialShape, Shape, Tensor};

use super::wire::{Value, feature_list};
use crate::kernel::Status;
use crate::ops::args::product;

/// What is wanted of the features of a key.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Column {
    /// The type of the values: f32, i64 or string.
    pub(super) dtype: DType,
    pub(super) form: Form,
}

/// The tensors that a column becomes.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Form {
    /// Values of one shape per example: `[batch, shape..]`.
    Dense(Vec<usize>),
    /// Any number of rows of one shape per example, padded: `[batch, most rows, row..]`.
    DenseRows(Vec<usize>),
    /// Indices, values and shape of a sparse matrix.
    Sparse,
    /// Values and row splits, of this type.
    Ragged(DType),
}

impl Form {
    /// The dense form of an attribute of `dense_shapes`.
    ///
    /// Errors: `INVALID_ARGUMENT` for unknown ranks and unknown inner dimensions.
    pub(super) fn dense(idx: usize, shape: &PartialShape) -> Result<Form, Status> {
        let known = |dims: &[Option<u64>]| -> Option<Vec<usize>> {
            dims.iter().map(|dim| usize::try_from((*dim)?).ok()).collect()
        };
        let form = match shape.dims() {
            Some([None, row @ ..]) => known(row).map(Form::DenseRows),
            Some(dims) => known(dims).map(Form::Dense),
            None => None,
        };
        form.ok_or_else(|| {
            Status::invalid_argument(format!(
                "dense_shapes[{idx}] has unknown rank or unknown inner dimensions: {shape}"
            ))
        })
    }
}

/// The features of one key.
pub(super) struct Features<'a> {
    pub(super) key: &'a [u8],
    /// The serialized examples.
    pub(super) serialized: &'a [Bytes],
    /// The encoded feature of each example, or `None` where the key is missing.
    pub(super) encoded: Vec<Option<&'a [u8]>>,
    /// The value of missing features; no elements if there must be none missing. Checked.
    pub(super) default: Option<&'a Tensor>,
    /// How examples are called in messages; `None` for a single example.
    pub(super) names: Option<&'a [Bytes]>,
}

/// Makes the tensors of a column.
///
/// Errors: `INVALID_ARGUMENT` for a missing feature without default, values of another type or
/// number, or bytes that are no list of values.
pub(super) fn build(column: &Column, features: &Features<'_>) -> Result<Vec<Tensor>, Status> {
    match column.dtype {
        DType::F32 => build_typed::<f32>(&column.form, features),
        DType::I64 => build_typed::<i64>(&column.form, features),
        DType::String => build_typed::<Bytes>(&column.form, features),
        other => {
            let message = format!("{other} features can not be parsed from examples");
            Err(Status::invalid_argument(message))
        }
    }
}

fn build_typed<T: Value>(form: &Form, features: &Features<'_>) -> Result<Vec<Tensor>, Status> {
    match form {
        Form::Dense(shape) => Ok(vec![features.dense::<T>(shape)?]),
        Form::DenseRows(row) => Ok(vec![features.dense_rows::<T>(row)?]),
        Form::Sparse => features.sparse::<T>(),
        Form::Ragged(split) => features.ragged::<T>(*split),
    }
}

impl Features<'_> {
    fn is_batch(&self) -> bool {
        self.names.is_some()
    }

    /// Appends the values of example `idx`; false if it has none of any type.
    fn read<T: Value>(
        &self,
        idx: usize,
        out: &mut Vec<T>,
        mismatch: impl Fn(DType) -> String,
    ) -> Result<bool, Status> {
        let broken = || self.error(idx, "Can't parse serialized Example.");
        let Some(encoded) = self.encoded[idx] else { return Ok(false) };
        let Some((dtype, list)) = feature_list(encoded).ok_or_else(broken)? else {
            return Ok(false);
        };
        if dtype != T::DTYPE {
            return Err(self.error(idx, &format!("Data types don't match. {}", mismatch(dtype))));
        }
        T::read(list, &self.serialized[idx], out).ok_or_else(broken)?;
        Ok(true)
    }

    fn dense<T: Value>(&self, shape: &[usize]) -> Result<Tensor, Status> {
        let n = product(shape);
        let mut out_shape = shape.to_vec();
        if self.is_batch() {
            out_shape.insert(0, self.encoded.len());
        }
        let mut values = reserved::<T>(&out_shape)?;
        let default = self.default.map(T::elements).transpose()?.unwrap_or_default();
        for idx in 0..self.encoded.len() {
            let before = values.len();
            let found = self.read(idx, &mut values, |got| {
                format!("Data type: {got} but expected type: {}", T::DTYPE)
            })?;
            if !found {
                if default.is_empty() {
                    return Err(self.missing(idx, T::DTYPE));
                }
                values.extend_from_slice(default);
            } else if values.len() - before != n {
                return Err(self.error(
                    idx,
                    &format!(
                        "Number of {} values != expected.  Values size: {} but output shape: {}",
                        T::DTYPE,
                        values.len() - before,
                        Shape::new(shape)
                    ),
                ));
            }
        }
        T::tensor(out_shape, values)
    }

    fn dense_rows<T: Value>(&self, row: &[usize]) -> Result<Tensor, Status> {
        let row_len = product(row);
        let mut values = Vec::new();
        let mut ends = Vec::with_capacity(self.encoded.len());
        for idx in 0..self.encoded.len() {
            let before = values.len();
            self.read::<T>(idx, &mut values, |got| {
                format!("Data type: {got} but expected type: {}", T::DTYPE)
            })?;
            let n = values.len() - before;
            if n.checked_rem(row_len).is_none_or(|rest| rest != 0) && n > 0 {
                let dims = [None].into_iter().chain(row.iter().map(|dim| Some(*dim as u64)));
                let shape = PartialShape::new(dims.collect());
                return Err(self.error(
                    idx,
                    &format!(
                        "Number of {} values is not a multiple of stride length. Saw {n} values but \
                         output shape is: {shape}",
                        T::DTYPE
                    ),
                ));
            }
            ends.push(values.len());
        }
        let n_rows = |n: usize| n.checked_div(row_len).unwrap_or(0);
        if !self.is_batch() {
            return T::tensor([&[n_rows(values.len())], row].concat(), values);
        }
        let starts = [0].into_iter().chain(ends.iter().copied());
        let most = starts.clone().zip(&ends).map(|(start, end)| end - start).max().unwrap_or(0);
        let shape = [&[self.encoded.len(), n_rows(most)], row].concat();
        let default = self.default.map(T::elements).transpose()?;
        let padding = default.and_then(|default| default.first()).cloned().unwrap_or_default();
        let mut padded = reserved::<T>(&shape)?;
        for (n, (start, end)) in starts.zip(&ends).enumerate() {
            padded.extend_from_slice(&values[start..*end]);
            padded.resize((n + 1) * most, padding.clone());
        }
        T::tensor(shape, padded)
    }

    fn sparse<T: Value>(&self) -> Result<Vec<Tensor>, Status> {
        let (mut values, mut indices) = (Vec::new(), Vec::new());
        let mut most = 0;
        for idx in 0..self.encoded.len() {
            let before = values.len();
            self.read::<T>(idx, &mut values, expected_actual::<T>)?;
            let n = values.len() - before;
            most = n.max(most);
            for at in 0..n {
                if self.is_batch() {
                    indices.push(as_i64(idx));
                }
                indices.push(as_i64(at));
            }
        }
        let (n, n_examples) = (values.len(), as_i64(self.encoded.len()));
        let shape = if self.is_batch() { vec![n_examples, as_i64(most)] } else { vec![as_i64(n)] };
        let indices = Tensor::from_vec([n, shape.len()], indices)?;
        Ok(vec![indices, T::tensor(vec![n], values)?, Tensor::from_elements(shape)])
    }

    fn ragged<T: Value>(&self, split: DType) -> Result<Vec<Tensor>, Status> {
        let mut values = Vec::new();
        // A single example has one row, which needs no splits.
        let mut splits = if self.is_batch() { vec![0] } else { Vec::new() };
        for idx in 0..self.encoded.len() {
            self.read::<T>(idx, &mut values, expected_actual::<T>)?;
            if self.is_batch() {
                splits.push(as_i64(values.len()));
            }
        }
        let splits = if split == DType::I32 {
            let narrow: Result<Vec<i32>, _> = splits.into_iter().map(i32::try_from).collect();
            let too_many = |_| Status::invalid_argument("the row splits do not fit int32");
            Tensor::from_elements(narrow.map_err(too_many)?)
        } else {
            Tensor::from_elements(splits)
        };
        Ok(vec![T::tensor(vec![values.len()], values)?, splits])
    }

    fn name(&self, idx: usize) -> String {
        let name = self.names.and_then(|names| names.get(idx));
        name.map_or("<unknown>".into(), |name| String::from_utf8_lossy(name).into_owned())
    }

    fn error(&self, idx: usize, what: &str) -> Status {
        let key = String::from_utf8_lossy(self.key);
        Status::invalid_argument(match self.is_batch() {
            true => format!("Name: {}, Key: {key}, Index: {idx}.  {what}", self.name(idx)),
            false => format!("Key: {key}.  {what}"),
        })
    }

    fn missing(&self, idx: usize, dtype: DType) -> Status {
        let key = String::from_utf8_lossy(self.key);
        let what =
            format!("Feature: {key} (data type: {dtype}) is required but could not be found.");
        Status::invalid_argument(match self.is_batch() {
            true => format!("Name: {}, {what}", self.name(idx)),
            false => what,
        })
    }
}

fn expected_actual<T: Value>(got: DType) -> String {
    format!("Expected type: {}, Actual type: {got}", T::DTYPE)
}

/// Numbers of elements in memory fit 63 bits.
fn as_i64(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// A vector with room for a tensor of this shape.
///
/// Errors: `RESOURCE_EXHAUSTED` if there is no memory for it.
fn reserved<T: Value>(shape: &[usize]) -> Result<Vec<T>, Status> {
    let shape = Shape::new(shape);
    let too_large = || Error::TooLarge { dtype: T::DTYPE, shape: shape.clone() };
    let n = shape.checked_n_elements().ok_or_else(too_large)?;
    let mut values = Vec::new();
    values.try_reserve_exact(n).map_err(|_| too_large())?;
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A feature with this list of floats.
    fn floats(values: &[f32]) -> Vec<u8> {
        let len = values.len() as u8 * 4;
        let mut feature = vec![0x12, len + 2, 0x0a, len];
        values.iter().for_each(|value| feature.extend(value.to_le_bytes()));
        feature
    }

    fn message(form: Form, feature: Option<&[u8]>, names: Option<&[Bytes]>) -> String {
        let serialized = [Bytes::new()];
        let encoded = vec![feature];
        let features =
            Features { key: b"x", serialized: &serialized, encoded, default: None, names };
        let column = Column { dtype: DType::F32, form };
        build(&column, &features).unwrap_err().message().to_owned()
    }

    /// The texts of TensorFlow 2.21.
    #[test]
    fn errors_name_example_and_key() {
        let one = Form::Dense(vec![2]);
        assert_eq!(
            message(one.clone(), None, Some(&[])),
            "Name: <unknown>, Feature: x (data type: float) is required but could not be found."
        );
        assert_eq!(
            message(one.clone(), None, Some(&["b".into()])),
            "Name: b, Feature: x (data type: float) is required but could not be found."
        );
        assert_eq!(
            message(one.clone(), None, None),
            "Feature: x (data type: float) is required but could not be found."
        );
        assert_eq!(
            message(one.clone(), Some(&floats(&[1.0, 2.0, 3.0])), Some(&[])),
            "Name: <unknown>, Key: x, Index: 0.  Number of float values != expected.  Values size: 3 \
             but output shape: [2]"
        );
        let ints = [0x1a, 3, 0x0a, 1, 7];
        assert_eq!(
            message(one.clone(), Some(&ints), None),
            "Key: x.  Data types don't match. Data type: int64 but expected type: float"
        );
        assert_eq!(
            message(Form::Sparse, Some(&ints), Some(&[])),
            "Name: <unknown>, Key: x, Index: 0.  Data types don't match. Expected type: float, Actual \
             type: int64"
        );
        assert_eq!(
            message(one, Some(&[0x12, 2, 0x0a, 0xff]), Some(&[])),
            "Name: <unknown>, Key: x, Index: 0.  Can't parse serialized Example."
        );
        assert_eq!(
            message(Form::DenseRows(vec![2]), Some(&floats(&[1.0, 2.0, 3.0])), Some(&[])),
            "Name: <unknown>, Key: x, Index: 0.  Number of float values is not a multiple of stride \
             length. Saw 3 values but output shape is: [?,2]"
        );
    }

    /// Values of TensorFlow 2.21.
    #[test]
    fn ragged_columns_have_splits_only_in_a_batch() {
        let (two, one) = (floats(&[1.0, 2.0]), floats(&[3.0]));
        let serialized = [Bytes::new(), Bytes::new(), Bytes::new()];
        let column = Column { dtype: DType::F32, form: Form::Ragged(DType::I32) };
        let batch = Features {
            key: b"x",
            serialized: &serialized,
            encoded: vec![Some(&two), None, Some(&one)],
            default: None,
            names: Some(&[]),
        };
        let expected = Tensor::from_elements(vec![1.0f32, 2.0, 3.0]);
        let splits = Tensor::from_elements(vec![0i32, 2, 2, 3]);
        assert_eq!(build(&column, &batch).unwrap(), [expected, splits]);
        let single = Features { encoded: vec![Some(&two)], names: None, ..batch };
        assert_eq!(build(&column, &single).unwrap()[1].dims(), [0]);
    }
}
