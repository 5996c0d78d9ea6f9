use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::buffer::{Allocation, Buffer};
use crate::tensor::Data;
use crate::{DType, Error, Shape, Tensor};

/// The fewest bytes that are worth keeping: smaller memory the system's allocator gives as fast.
const MIN_BYTES: usize = 32 << 10;

/// Keeps the memory of tensors that are gone for those to come.
///
/// Large memory is dear to ask the system for: it is cleared, and mapped page by page at the first touch.
/// What is kept and what is in use are together never more than what was in use at once before.
///
/// ```
/// use std::sync::Arc;
/// use flowkeep_tensor::{DType, Recycler};
///
/// let recycler = Arc::new(Recycler::default());
/// let tensor = recycler.zeros(DType::F32, [100, 100])?;
/// let memory = tensor.as_bytes()?.as_ptr();
/// drop(tensor);
/// assert_eq!(recycler.zeros(DType::F32, [50, 200])?.as_bytes()?.as_ptr(), memory);
/// # Ok::<(), flowkeep_tensor::Error>(())
/// ```
#[derive(Default)]
pub struct Recycler(Mutex<State>);

#[derive(Default)]
struct State {
    /// What is kept, by its size in bytes.
    idle: BTreeMap<usize, Vec<Allocation>>,
    idle_bytes: usize,
    used_bytes: usize,
    /// The most bytes that were in use at once.
    peak_bytes: usize,
}

impl Recycler {
    /// The tensor of zeros of this type and shape.
    ///
    /// Errors: as [`Tensor::zeros`].
    pub fn zeros(self: &Arc<Self>, dtype: DType, shape: impl Into<Shape>) -> Result<Tensor, Error> {
        let mut tensor = self.memory(dtype, shape.into())?;
        if let Data::Plain(buffer) = &mut tensor.data
            && let Some(bytes) = buffer.recycled_bytes()
        {
            bytes.fill(0);
        }
        Ok(tensor)
    }

    /// A tensor of this type and shape, for somebody who writes each of its elements: until then they
    /// are zeros, those of a tensor that is gone or, where assertions are on, large numbers that show up
    /// in results.
    ///
    /// Errors: as [`Tensor::zeros`].
    pub fn tensor(
        self: &Arc<Self>,
        dtype: DType,
        shape: impl Into<Shape>,
    ) -> Result<Tensor, Error> {
        let mut tensor = self.memory(dtype, shape.into())?;
        if cfg!(debug_assertions)
            && dtype != DType::Bool
            && let Data::Plain(buffer) = &mut tensor.data
            && let Some(bytes) = buffer.as_mut_slice::<u8>()
        {
            bytes.fill(0x7f);
        }
        Ok(tensor)
    }

    /// A tensor of zeros, or of what is in memory that was used before.
    fn memory(self: &Arc<Self>, dtype: DType, shape: Shape) -> Result<Tensor, Error> {
        let size = dtype.size_bytes().filter(|_| dtype != DType::Bool);
        let len_bytes =
            size.zip(shape.checked_n_elements()).and_then(|(size, n)| n.checked_mul(size));
        let Some(len_bytes) = len_bytes.filter(|len| *len >= MIN_BYTES) else {
            return Tensor::zeros(dtype, shape);
        };
        let buffer = Buffer::recycled(len_bytes, self);
        let buffer = buffer.ok_or_else(|| Error::TooLarge { dtype, shape: shape.clone() })?;
        Ok(Tensor { dtype, shape, data: Data::Plain(buffer) })
    }

    /// Memory of at least so many bytes that was used before, if there is some of about this size.
    pub(crate) fn take(&self, len_bytes: usize) -> Option<Allocation> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let largest = len_bytes.saturating_add(len_bytes / 4);
        let (&size, list) = state.idle.range_mut(len_bytes..=largest).next()?;
        let allocation = list.pop();
        if list.is_empty() {
            state.idle.remove(&size);
        }
        state.idle_bytes -= size;
        state.used_bytes += size;
        allocation
    }

    /// Notes that new memory is in use; lets go of what is kept beyond the limit.
    pub(crate) fn note_new(&self, size: usize) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.used_bytes += size;
        state.peak_bytes = state.peak_bytes.max(state.used_bytes);
        while state.used_bytes + state.idle_bytes > state.peak_bytes
            && let Some(mut largest) = state.idle.last_entry()
        {
            let size = *largest.key();
            largest.get_mut().pop();
            if largest.get().is_empty() {
                largest.remove();
            }
            state.idle_bytes -= size;
        }
    }

    /// Keeps memory that is no longer in use.
    pub(crate) fn give_back(&self, allocation: Allocation) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let size = allocation.size();
        state.used_bytes -= size;
        state.idle_bytes += size;
        state.idle.entry(size).or_default().push(allocation);
    }
}

impl std::fmt::Debug for Recycler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        write!(f, "Recycler({} bytes kept, {} in use)", state.idle_bytes, state.used_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(recycler: &Recycler) -> usize {
        recycler.0.lock().unwrap().idle_bytes
    }

    #[test]
    fn memory_is_used_again_for_tensors_of_about_its_size() {
        let recycler = Arc::new(Recycler::default());
        let mut tensor = recycler.tensor(DType::F32, [16 << 10]).unwrap();
        let half = recycler.tensor(DType::F32, [8 << 10]).unwrap();
        tensor.make_mut::<f32>().unwrap().fill(1.0);
        let memory = [&tensor, &half].map(|tensor| tensor.as_bytes().unwrap().as_ptr());
        drop((tensor, half));
        assert_eq!(kept(&recycler), 96 << 10);
        let half = recycler.tensor(DType::F32, [8 << 10]).unwrap();
        assert_eq!(half.as_bytes().unwrap().as_ptr(), memory[1]);
        let again = recycler.zeros(DType::I64, [7 << 10]).unwrap();
        assert_eq!(again.as_bytes().unwrap().as_ptr(), memory[0]);
        assert!(again.as_slice::<i64>().unwrap().iter().all(|x| *x == 0));
        assert_eq!(kept(&recycler), 0);
    }

    #[test]
    #[cfg(debug_assertions)]
    fn what_nobody_wrote_is_no_zero() {
        let recycler = Arc::new(Recycler::default());
        for n in [3, 16 << 10] {
            let tensor = recycler.tensor(DType::F32, [n]).unwrap();
            assert!(tensor.as_slice::<f32>().unwrap().iter().all(|x| *x > 1e38));
            assert!(
                recycler.tensor(DType::I32, [n]).unwrap().as_slice::<i32>().unwrap()[0] > 1 << 30
            );
            let tensor = recycler.zeros(DType::F64, [n]).unwrap();
            assert!(tensor.as_slice::<f64>().unwrap().iter().all(|x| *x == 0.0));
            assert!(!recycler.tensor(DType::Bool, [n]).unwrap().as_slice::<bool>().unwrap()[0]);
        }
    }

    #[test]
    fn no_more_is_kept_than_was_used_at_once() {
        let recycler = Arc::new(Recycler::default());
        for kib in [40, 80, 160, 320, 640] {
            let _one = recycler.tensor(DType::U8, [kib << 10]).unwrap();
            assert!(kept(&recycler) + (kib << 10) <= recycler.0.lock().unwrap().peak_bytes);
        }
        assert_eq!(kept(&recycler), 640 << 10);
        let small = [(); 4].map(|()| recycler.tensor(DType::U8, [150 << 10]).unwrap());
        assert_eq!(kept(&recycler), 0);
        drop(small);
        assert_eq!(kept(&recycler), 600 << 10);
    }

    #[test]
    fn tensors_outlive_their_recycler() {
        let recycler = Arc::new(Recycler::default());
        let tensor = recycler.zeros(DType::F64, [100, 100]).unwrap();
        let copy = tensor.clone();
        drop(recycler);
        drop(tensor);
        assert_eq!(copy.as_slice::<f64>().unwrap()[9_999], 0.0);
    }

    #[test]
    fn small_tensors_and_those_of_other_kinds_are_made_anew() {
        let recycler = Arc::new(Recycler::default());
        drop(recycler.tensor(DType::F32, [10]).unwrap());
        drop(recycler.tensor(DType::Bool, [1 << 20]).unwrap());
        drop(recycler.tensor(DType::String, [1 << 16]).unwrap());
        assert_eq!(kept(&recycler), 0);
        let too_large = recycler.tensor(DType::F32, [usize::MAX / 8]).unwrap_err();
        assert_eq!(too_large.code(), crate::Code::ResourceExhausted);
    }
}
