//! Takes the elements of a selection out of a tensor.

use bytes::Bytes;

use super::bad;
use super::selection::Selection;
use crate::{DType, Error, Tensor};

impl Selection {
    /// The selected elements of `tensor`.
    ///
    /// They are copied, but for a selection that takes everything in order.
    ///
    /// Errors: `INVALID_ARGUMENT` if the tensor has another shape than [`Selection::source_shape`];
    /// `RESOURCE_EXHAUSTED` when there is no memory for the result.
    pub fn apply(&self, tensor: &Tensor) -> Result<Tensor, Error> {
        if tensor.shape() != self.source_shape() {
            return Err(bad(format!(
                "expected a tensor of shape {}, got {}",
                self.source_shape(),
                tensor.shape()
            )));
        }
        if self.is_full() {
            return tensor.reshape(self.shape());
        }
        if self.is_empty() {
            return Tensor::zeros(tensor.dtype(), self.shape());
        }
        let walk = Walk::new(self);
        if tensor.dtype() == DType::String {
            let mut values = vec![Bytes::new(); self.shape().n_elements()];
            walk.gather(tensor.as_strings()?, &mut values);
            return Tensor::from_strings(self.shape(), values);
        }
        let (dtype, bytes) = (tensor.dtype(), tensor.as_bytes()?);
        let size = dtype.size_bytes().ok_or(Error::NotPlain(dtype))?;
        Tensor::from_fill(dtype, self.shape(), |out| {
            match size {
                1 => walk.gather(bytes, out),
                2 => walk.gather(bytes.as_chunks::<2>().0, out.as_chunks_mut::<2>().0),
                4 => walk.gather(bytes.as_chunks::<4>().0, out.as_chunks_mut::<4>().0),
                8 => walk.gather(bytes.as_chunks::<8>().0, out.as_chunks_mut::<8>().0),
                16 => walk.gather(bytes.as_chunks::<16>().0, out.as_chunks_mut::<16>().0),
                _ => return Err(Error::NotPlain(dtype)),
            }
            Ok(())
        })
    }
}

/// The places of the selected elements in memory: nested loops over row-major indices, with as few
/// loops as will do.
struct Walk {
    /// The first element.
    start: isize,
    /// The innermost loop.
    row: Loop,
    /// The other loops, innermost first.
    outer: Vec<Loop>,
}

#[derive(Clone, Copy)]
struct Loop {
    /// From one element to the next.
    stride: isize,
    length: usize,
}

impl Walk {
    /// The walk of a selection that is not empty, from a tensor that exists: all its places fit `isize`.
    fn new(selection: &Selection) -> Walk {
        let (mut start, mut stride) = (0, 1);
        let mut loops: Vec<Loop> = Vec::new();
        for (steps, dim) in selection.steps().iter().zip(selection.source_shape().dims()).rev() {
            start += steps.start as isize * stride;
            // A step that is not taken may be of any size.
            if steps.length > 1 {
                let this =
                    Loop { stride: steps.step as isize * stride, length: steps.length as usize };
                match loops.last_mut() {
                    Some(inner) if inner.stride * inner.length as isize == this.stride => {
                        inner.length *= this.length;
                    }
                    _ => loops.push(this),
                }
            }
            stride *= *dim as isize;
        }
        let mut loops = loops.into_iter();
        let row = loops.next().unwrap_or(Loop { stride: 1, length: 1 });
        Walk { start, row, outer: loops.collect() }
    }

    /// Copies the selected elements of `from` to `to`, which has room for as many.
    fn gather<T: Clone>(&self, from: &[T], to: &mut [T]) {
        let mut start = self.start;
        let mut counters = vec![0; self.outer.len()];
        for row in to.chunks_exact_mut(self.row.length) {
            self.gather_row(from, start, row);
            for (counter, outer) in counters.iter_mut().zip(&self.outer) {
                *counter += 1;
                start += outer.stride;
                if *counter < outer.length {
                    break;
                }
                start -= outer.stride * outer.length as isize;
                *counter = 0;
            }
        }
    }

    fn gather_row<T: Clone>(&self, from: &[T], start: isize, row: &mut [T]) {
        if self.row.stride == 1 {
            let start = start as usize;
            row.clone_from_slice(&from[start..start + row.len()]);
            return;
        }
        let mut at = start;
        for element in row {
            *element = from[at as usize].clone();
            at += self.row.stride;
        }
    }
}
