//! Integers that are known before anything runs.
//!
//! Source: `tensor_util.constant_value`, which decides what gradient functions make; it knows less than
//! shape functions do.

use flowkeep_tensor::{DType, Tensor};

use crate::builder::{Scope, number_range};
use crate::{Node, Output};

/// How many nodes may feed one the next.
const MAX_DEPTH: usize = 64;
/// How many nodes are looked at for one value: what feeds a node twice is looked at twice.
const MAX_NODES: usize = 1 << 12;
/// Values with more elements than this are not looked at.
const MAX_ELEMENTS: usize = 1 << 16;

/// Integers in a tensor.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Numbers {
    dims: Vec<usize>,
    pub(super) values: Vec<i64>,
}

impl Numbers {
    fn vector(values: Vec<i64>) -> Numbers {
        Numbers { dims: vec![values.len()], values }
    }

    fn scalar(value: i64) -> Numbers {
        Numbers { dims: Vec::new(), values: vec![value] }
    }

    /// Whether they are in a vector.
    pub(super) fn is_vector(&self) -> bool {
        self.dims.len() == 1
    }

    /// The only one.
    pub(super) fn only(&self) -> Option<i64> {
        match *self.values {
            [only] => Some(only),
            _ => None,
        }
    }

    /// The tensor, of one of the two types of indices.
    pub(super) fn to_tensor(&self, dtype: DType) -> Option<Tensor> {
        let shape = flowkeep_tensor::Shape::from(self.dims.clone());
        match dtype {
            DType::I64 => Tensor::from_vec(shape, self.values.clone()).ok(),
            _ => {
                let values = self.values.iter().map(|value| i32::try_from(*value));
                Tensor::from_vec(shape, values.collect::<Result<Vec<_>, _>>().ok()?).ok()
            }
        }
    }
}

impl Scope {
    /// The value of a tensor of integers, if `tf.get_static_value` gives it.
    pub(super) fn static_numbers(&self, tensor: Output) -> Option<Numbers> {
        let mut n_left = MAX_NODES;
        self.numbers(tensor, 0, &mut n_left)
    }

    fn numbers(&self, tensor: Output, depth: usize, n_left: &mut usize) -> Option<Numbers> {
        *n_left = n_left.checked_sub(1)?;
        if depth >= MAX_DEPTH {
            return None;
        }
        let node = self.graph().get(tensor.node)?;
        let mut input = |index: usize| self.numbers(*node.inputs().get(index)?, depth + 1, n_left);
        let shape = || Some(self.shape(*node.inputs().first()?));
        match node.op() {
            "Const" => constant(node),
            "Shape" => {
                let shape = shape()?.to_shape()?;
                let dims = shape.dims().iter().map(|dim| i64::try_from(*dim).ok());
                dims.collect::<Option<_>>().map(Numbers::vector)
            }
            "Size" => {
                let n = shape()?.to_shape()?.checked_n_elements()?;
                i64::try_from(n).ok().map(Numbers::scalar)
            }
            "Rank" => i64::try_from(shape()?.rank()?).ok().map(Numbers::scalar),
            "Range" => {
                let (start, limit, delta) =
                    (input(0)?.only()?, input(1)?.only()?, input(2)?.only()?);
                number_range(start, limit, delta, MAX_ELEMENTS).map(Numbers::vector)
            }
            "Cast" => {
                let kinds = [node.attrs().dtype("SrcT"), node.attrs().dtype("DstT")];
                let are_indices =
                    kinds.iter().all(|kind| matches!(kind, Ok(DType::I32 | DType::I64)));
                are_indices.then(|| input(0))?
            }
            "Concat" => self.joined(node.inputs().get(1..)?, depth, n_left),
            "ConcatV2" => self.joined(node.inputs().split_last()?.1, depth, n_left),
            "Pack" if node.attrs().int("axis") == Ok(0) => {
                let mut values = Vec::with_capacity(node.inputs().len());
                for index in 0..node.inputs().len() {
                    let part = input(index)?;
                    values.push(part.dims.is_empty().then(|| part.only())??);
                }
                Some(Numbers::vector(values))
            }
            "Unpack" if node.attrs().int("axis") == Ok(0) => {
                let whole = input(0)?;
                let index = usize::try_from(tensor.index).ok()?;
                let value = whole.is_vector().then(|| whole.values.get(index).copied())??;
                Some(Numbers::scalar(value))
            }
            "Fill" => {
                let shape = self.shape(tensor).to_shape()?;
                let n = shape.checked_n_elements().filter(|n| *n <= MAX_ELEMENTS)?;
                let values = vec![input(1)?.only()?; n];
                Some(Numbers { dims: shape.dims().to_vec(), values })
            }
            "StopGradient" | "Identity" => input(0),
            _ => None,
        }
    }

    /// Vectors one behind the other.
    fn joined(&self, parts: &[Output], depth: usize, n_left: &mut usize) -> Option<Numbers> {
        let mut values = Vec::new();
        for part in parts {
            let part = self.numbers(*part, depth + 1, n_left)?;
            if !part.is_vector() || values.len() + part.values.len() > MAX_ELEMENTS {
                return None;
            }
            values.extend(part.values);
        }
        Some(Numbers::vector(values))
    }
}

fn constant(node: &Node) -> Option<Numbers> {
    if !matches!(node.attrs().dtype("dtype"), Ok(DType::I32 | DType::I64)) {
        return None;
    }
    let value = node.attr("value")?.as_tensor()?;
    let shape = flowkeep_tensor::PartialShape::from_proto(value.proto().tensor_shape.as_ref()?);
    let n = shape.ok()?.to_shape()?.checked_n_elements()?;
    if n > MAX_ELEMENTS {
        return None;
    }
    let value = value.tensor().ok()?;
    let values = match value.as_slice::<i32>() {
        Ok(values) => values.iter().map(|value| i64::from(*value)).collect(),
        Err(_) => value.as_slice::<i64>().ok()?.to_vec(),
    };
    Some(Numbers { dims: value.dims().to_vec(), values })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_ranges_and_what_is_put_together_are_known() {
        let mut scope = Scope::new();
        let x = scope.placeholder(DType::F32, [Some(2), None]).unwrap();
        let y = scope.placeholder(DType::F32, [Some(2), Some(3)]).unwrap();
        let unknown = scope.op("Shape").input(x).build_one().unwrap();
        let shape = scope.op("Shape").input(y).build_one().unwrap();
        let rank = scope.op("Rank").input(x).build_one().unwrap();
        let places = scope.range(0i32, rank, 1i32).unwrap();
        let joined = scope.concat([shape, places], 0).unwrap();
        let known = |scope: &Scope, tensor| scope.static_numbers(tensor).map(|n| n.values);
        assert_eq!(known(&scope, unknown), None);
        assert_eq!(known(&scope, joined), Some(vec![2, 3, 0, 1]));
        let sum = scope.add(rank, 1i32).unwrap();
        assert_eq!(known(&scope, sum), None, "sums are not looked into");
    }

    #[test]
    fn values_that_are_looked_at_twice_at_each_step_are_given_up() {
        let mut scope = Scope::new();
        let mut empty = scope.constant(Tensor::from_elements(Vec::<i32>::new())).unwrap();
        for _ in 0..60 {
            empty = scope.concat([empty, empty], 0).unwrap();
        }
        assert_eq!(scope.static_numbers(empty), None);
    }
}
