//! The two orders of dimensions of images, and the way from one to the other.

use flowkeep_linalg::Pool;
use flowkeep_tensor::{Element, Tensor};

use crate::kernel::{KernelInit, Status};
use crate::ops::args::product;

/// Where the channels of images are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DataFormat {
    /// In the last dimension: `NHWC`, and `NDHWC` for volumes.
    ChannelsLast,
    /// In dimension 1: `NCHW`, and `NCDHW` for volumes.
    ChannelsFirst,
}

impl DataFormat {
    /// Reads the attribute `data_format`.
    ///
    /// Errors: `INVALID_ARGUMENT` for another name.
    pub(super) fn new(init: &KernelInit<'_>) -> Result<DataFormat, Status> {
        match init.attr_str("data_format")? {
            "NHWC" | "NDHWC" => Ok(DataFormat::ChannelsLast),
            "NCHW" | "NCDHW" => Ok(DataFormat::ChannelsFirst),
            _ => Err(Status::invalid_argument("Invalid data format")),
        }
    }

    /// The dimension of the channels of a tensor of rank `rank`, at least 2.
    pub(super) fn channel_axis(self, rank: usize) -> usize {
        match self {
            DataFormat::ChannelsLast => rank - 1,
            DataFormat::ChannelsFirst => 1,
        }
    }

    /// The sizes in the order batch, rows, columns, channels, of four in this order.
    pub(super) fn nhwc<T: Copy>(self, sizes: [T; 4]) -> [T; 4] {
        let [a, b, c, d] = sizes;
        match self {
            DataFormat::ChannelsLast => sizes,
            DataFormat::ChannelsFirst => [a, c, d, b],
        }
    }

    /// The sizes in this order, of those of batch, rows, columns, channels.
    pub(super) fn of_nhwc<T: Copy>(self, sizes: [T; 4]) -> [T; 4] {
        let [n, h, w, c] = sizes;
        match self {
            DataFormat::ChannelsLast => sizes,
            DataFormat::ChannelsFirst => [n, c, h, w],
        }
    }

    /// The image `tensor` with its channels last, copied if need be.
    ///
    /// Errors: `INVALID_ARGUMENT` if it is not one of `T`.
    pub(super) fn to_last<T: Element>(
        self,
        pool: &Pool,
        tensor: &Tensor,
    ) -> Result<Tensor, Status> {
        match (self, tensor.dims()) {
            (DataFormat::ChannelsFirst, &[n, c, ref rest @ ..]) => {
                let shape: Vec<usize> = [n].iter().chain(rest).chain([&c]).copied().collect();
                swap_inner::<T>(pool, tensor, c, product(rest), shape)
            }
            _ => Ok(tensor.clone()),
        }
    }

    /// The tensor in this order, of one with its channels last, copied if need be.
    ///
    /// Errors: `INVALID_ARGUMENT` if it is not one of `T`.
    pub(super) fn of_last<T: Element>(self, pool: &Pool, tensor: Tensor) -> Result<Tensor, Status> {
        match (self, tensor.dims()) {
            (DataFormat::ChannelsFirst, &[n, ref rest @ .., c]) => {
                let shape: Vec<usize> = [n, c].iter().chain(rest).copied().collect();
                swap_inner::<T>(pool, &tensor, product(rest), c, shape)
            }
            _ => Ok(tensor),
        }
    }
}

/// Transposes each of the matrices `[rows, cols]` that `tensor` is made of.
fn swap_inner<T: Element>(
    pool: &Pool,
    tensor: &Tensor,
    rows: usize,
    cols: usize,
    shape: Vec<usize>,
) -> Result<Tensor, Status> {
    let mut output = Tensor::zeros(T::DTYPE, shape)?;
    let from = tensor.as_slice::<T>()?;
    if from.is_empty() {
        return Ok(output);
    }
    pool.parallel_chunks(output.make_mut::<T>()?, rows, |i, line| {
        let (matrix, col) = (i / cols, i % cols);
        let from = from[matrix * rows * cols + col..].iter().step_by(cols);
        line.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
    });
    Ok(output)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_go_to_the_other_order_and_back() {
        let pool = Pool::new(1);
        let nchw = Tensor::from_vec([2, 2, 1, 3], (0..12).collect::<Vec<i32>>()).unwrap();
        let nhwc = DataFormat::ChannelsFirst.to_last::<i32>(&pool, &nchw).unwrap();
        assert_eq!(nhwc.dims(), [2, 1, 3, 2]);
        assert_eq!(nhwc.as_slice::<i32>().unwrap(), [0, 3, 1, 4, 2, 5, 6, 9, 7, 10, 8, 11]);
        assert_eq!(DataFormat::ChannelsFirst.of_last::<i32>(&pool, nhwc).unwrap(), nchw);
    }

    #[test]
    fn sizes_go_to_the_order_of_nhwc() {
        let format = DataFormat::ChannelsFirst;
        assert_eq!(format.nhwc(['n', 'c', 'h', 'w']), ['n', 'h', 'w', 'c']);
    }
}
