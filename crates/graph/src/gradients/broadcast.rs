//! Sums along the axes along which an operand was broadcast.

use flowkeep_tensor::PartialShape;

use super::Gradient;
use crate::builder::{Operand, Scope};
use crate::{Attr, Error, Output};

impl Scope {
    /// The gradients of two operands that were broadcast to each other, from those of their result's
    /// shape.
    pub(super) fn reduced_to(
        &mut self,
        x: Output,
        y: Output,
        grads: [Option<Gradient>; 2],
    ) -> Result<[Option<Gradient>; 2], Error> {
        if grads.iter().all(Option::is_none) {
            return Ok(grads);
        }
        let [sx, sy] = [self.shape_of(x)?, self.shape_of(y)?];
        let ranks = [self.shape(x).rank(), self.shape(y).rank()];
        let sums: [Option<Operand>; 2] = match broadcast_axes(self.shape(x), self.shape(y)) {
            None => self.broadcast_gradient_args(sx, sy)?.map(|axes| Some(axes.into())),
            Some([x_axes, y_axes]) => {
                let sum = |axes: Vec<i32>, is_shorter: bool| {
                    (!axes.is_empty() || is_shorter).then(|| Operand::from(axes))
                };
                [sum(x_axes, ranks[0] < ranks[1]), sum(y_axes, ranks[1] < ranks[0])]
            }
        };
        let [x_axes, y_axes] = sums;
        let [gx, gy] = grads;
        Ok([self.reduced(gx, x_axes, sx)?, self.reduced(gy, y_axes, sy)?])
    }

    fn reduced(
        &mut self,
        grad: Option<Gradient>,
        axes: Option<Operand>,
        shape: Output,
    ) -> Result<Option<Gradient>, Error> {
        match (grad, axes) {
            (Some(grad), Some(axes)) => Ok(Some(self.summed_to(grad, axes, shape, true)?.into())),
            (grad, _) => Ok(grad),
        }
    }

    /// The sum along axes, in another shape.
    pub(super) fn summed_to(
        &mut self,
        x: impl Into<Operand>,
        axes: impl Into<Operand>,
        shape: Output,
        keep_dims: bool,
    ) -> Result<Output, Error> {
        let sum = self.sum(x, axes, keep_dims)?;
        self.reshape(sum, shape)
    }

    /// The sum along axes.
    pub(super) fn sum(
        &mut self,
        x: impl Into<Operand>,
        axes: impl Into<Operand>,
        keep_dims: bool,
    ) -> Result<Output, Error> {
        let sum = self.op("Sum").input(x).input(axes);
        sum.attr("keep_dims", Attr::Bool(keep_dims)).build_one()
    }

    /// The axes along which two shapes are broadcast to each other.
    pub(super) fn broadcast_gradient_args(
        &mut self,
        x: Output,
        y: Output,
    ) -> Result<[Output; 2], Error> {
        let node = self.op("BroadcastGradientArgs").input(x).input(y).build()?;
        Ok([node.output(0), node.output(1)])
    }
}

/// The axes along which either shape is broadcast, of those that both have; `None` if that depends on
/// dimensions that are not known.
fn broadcast_axes(x: &PartialShape, y: &PartialShape) -> Option<[Vec<i32>; 2]> {
    let (x, y) = (x.dims()?, y.dims()?);
    let rank = x.len().max(y.len());
    let (mut x_axes, mut y_axes) = (Vec::new(), Vec::new());
    for axis in 0..rank {
        let dim = |dims: &[Option<u64>]| match (axis + dims.len()).checked_sub(rank) {
            None => Some(1),
            Some(place) => dims.get(place).copied().flatten(),
        };
        let number = i32::try_from(axis).ok()?;
        match (dim(x), dim(y)) {
            (Some(1), Some(1)) => {}
            (Some(1), _) => x_axes.push(number),
            (_, Some(1)) => y_axes.push(number),
            (None, _) | (_, None) => return None,
            _ => {}
        }
    }
    Some([x_axes, y_axes])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_are_those_of_one_element_and_unknown_dimensions_decide_nothing() {
        let shape = |dims: &[Option<u64>]| PartialShape::new(dims.to_vec());
        let axes = |x: &[Option<u64>], y: &[Option<u64>]| broadcast_axes(&shape(x), &shape(y));
        assert_eq!(axes(&[Some(2), Some(3)], &[Some(3)]), Some([vec![], vec![0]]));
        assert_eq!(axes(&[Some(2), Some(1)], &[Some(1), Some(3)]), Some([vec![1], vec![0]]));
        assert_eq!(axes(&[None, Some(3)], &[Some(1), Some(3)]), Some([vec![], vec![0]]));
        assert_eq!(axes(&[None], &[None]), None);
        assert_eq!(axes(&[None], &[Some(3)]), None);
        assert_eq!(broadcast_axes(&PartialShape::unknown(), &shape(&[])), None);
    }
}
