//! Variables in parts.

use std::fmt;
use std::sync::Arc;

use flowkeep_tensor::{DType, PartialShape, Shape};

use super::text::python_shape;
use super::{SaveSlice, Variable};
use crate::Error;

type Function = dyn Fn(&Shape, DType) -> Vec<i64> + Send + Sync;

/// Says into how many parts a variable is cut along each dimension, of which only one may be cut.
#[derive(Clone)]
pub struct Partitioner(Arc<Function>);

impl fmt::Debug for Partitioner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Partitioner")
    }
}

impl Partitioner {
    /// A function from a variable's shape and type to the number of parts along each dimension.
    pub fn new(
        function: impl Fn(&Shape, DType) -> Vec<i64> + Send + Sync + 'static,
    ) -> Partitioner {
        Partitioner(Arc::new(function))
    }

    /// So many parts along `axis`, or as many as there are rows: `tf.compat.v1.fixed_size_partitioner`.
    pub fn fixed_size(n_parts: usize, axis: usize) -> Partitioner {
        Partitioner::new(move |shape, _| {
            let dims = shape.dims().iter().enumerate();
            dims.map(|(idx, dim)| {
                let n = if idx == axis { n_parts.min(*dim) } else { 1 };
                i64::try_from(n).unwrap_or(i64::MAX)
            })
            .collect()
        })
    }

    /// The number of parts along each dimension of a variable.
    ///
    /// Errors: `INVALID_ARGUMENT`, with TensorFlow's texts, for a variable that cannot be cut, and for
    /// cuts that cannot be.
    pub(super) fn partitions(
        &self,
        name: &str,
        shape: &PartialShape,
        dtype: DType,
    ) -> Result<(Shape, Vec<usize>), Error> {
        let refused = |message| Error::Variable { name: name.to_owned(), message };
        let Some(known) = shape.to_shape() else {
            return Err(refused(format!(
                "Shape of a new partitioned variable must be fully defined, but instead was {}.",
                python_shape(shape)
            )));
        };
        let shape = python_shape(shape);
        if known.rank() == 0 {
            return Err(refused(format!(
                "A partitioned Variable must have rank at least 1, shape: {shape}"
            )));
        }
        let cuts = (self.0)(&known, dtype);
        if cuts.len() != known.rank() {
            return Err(refused(format!(
                "Partitioner returned a partition list that does not match the Variable's rank: {cuts:?} vs. {shape}"
            )));
        }
        let parts: Vec<usize> = cuts.iter().filter_map(|n| usize::try_from(*n).ok()).collect();
        if parts.len() < cuts.len() || parts.contains(&0) {
            return Err(refused(format!(
                "Partitioner returned zero partitions for some axes: {cuts:?}"
            )));
        }
        if parts.iter().filter(|n| **n > 1).count() > 1 {
            return Err(refused(format!(
                "Can only slice a variable along one dimension: shape: {shape}, partitioning: {cuts:?}"
            )));
        }
        Ok((known, parts))
    }
}

/// A variable in parts, each of which is a variable named `name/part_0`, `name/part_1`, ….
#[derive(Clone, Debug)]
pub struct PartitionedVariable {
    pub(super) name: String,
    pub(super) shape: Shape,
    pub(super) dtype: DType,
    pub(super) parts: Vec<Variable>,
    pub(super) partitions: Vec<usize>,
}

impl PartitionedVariable {
    /// The name of the whole.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The shape of the whole.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// The type of the elements.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// The parts, in the order in which they make up the whole.
    pub fn parts(&self) -> &[Variable] {
        &self.parts
    }

    pub(super) fn parts_mut(&mut self) -> &mut [Variable] {
        &mut self.parts
    }

    /// The number of parts along each dimension.
    pub fn partitions(&self) -> &[usize] {
        &self.partitions
    }

    /// The dimension that is cut; the first if none is.
    pub fn axis(&self) -> usize {
        cut_axis(&self.partitions)
    }
}

fn cut_axis(partitions: &[usize]) -> usize {
    partitions.iter().position(|n| *n > 1).unwrap_or(0)
}

/// The slices of the parts; the first ones are longer where the rows do not divide evenly.
pub(super) fn slices(name: &str, shape: &Shape, partitions: &[usize]) -> Vec<SaveSlice> {
    let axis = cut_axis(partitions);
    let n_parts = partitions.get(axis).copied().unwrap_or(1).max(1);
    let n_rows = shape.dims().get(axis).copied().unwrap_or(0);
    let mut offset = vec![0; shape.rank()];
    let mut slices = Vec::new();
    for idx in 0..n_parts {
        let length = n_rows / n_parts + usize::from(idx < n_rows % n_parts);
        let mut dims = shape.dims().to_vec();
        if let Some(dim) = dims.get_mut(axis) {
            *dim = length;
        }
        slices.push(SaveSlice {
            full_name: name.to_owned(),
            full_shape: shape.clone(),
            offset: offset.clone(),
            shape: Shape::from(dims),
        });
        if let Some(start) = offset.get_mut(axis) {
            *start += length;
        }
    }
    slices
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_parts_are_longer_where_rows_do_not_divide() {
        let slices = slices("p", &Shape::from([7, 2]), &[3, 1]);
        let offsets: Vec<&[usize]> = slices.iter().map(|slice| &slice.offset[..]).collect();
        assert_eq!(offsets, [[0, 0], [3, 0], [5, 0]]);
        let rows: Vec<usize> = slices.iter().map(|slice| slice.shape.dims()[0]).collect();
        assert_eq!(rows, [3, 2, 2]);
    }

    #[test]
    fn a_fixed_number_of_parts_is_no_more_than_there_are_rows() {
        let partitioner = Partitioner::fixed_size(3, 1);
        let cut = |dims: &[usize]| {
            let shape = PartialShape::from(&Shape::new(dims));
            partitioner.partitions("p", &shape, DType::F32).unwrap().1
        };
        assert_eq!(cut(&[4, 5]), [1, 3]);
        assert_eq!(cut(&[4, 2]), [1, 2]);
    }

    #[test]
    fn cuts_that_cannot_be_are_refused() {
        let shape = PartialShape::from(&Shape::from([4, 3]));
        for (cuts, error) in [
            (
                vec![2],
                "Partitioner returned a partition list that does not match the Variable's rank: [2] vs. (4, 3)",
            ),
            (vec![0, 1], "Partitioner returned zero partitions for some axes: [0, 1]"),
            (
                vec![2, 2],
                "Can only slice a variable along one dimension: shape: (4, 3), partitioning: [2, 2]",
            ),
        ] {
            let partitioner = Partitioner::new(move |_, _| cuts.clone());
            let refused = partitioner.partitions("p", &shape, DType::F32).unwrap_err();
            assert_eq!(refused.to_string(), error);
        }
    }
}
