use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::buffer::{Buffer, Piece};
use crate::tensor::Data;
use crate::{DType, Error, Shape, Tensor};

/// The fewest bytes that are worth keeping: smaller memory the system's allocator gives as fast.
const MIN_BYTES: usize = 32 << 10;
/// The most pieces of the smallest size that memory is cut into: one that lives long keeps all of it.
const MAX_PIECES: usize = 16;
/// Pieces begin at multiples of so many bytes.
const ALIGNMENT: usize = 64;

/// Keeps the memory of tensors that are gone for those to come.
///
/// Large memory is dear to ask the system for: it is cleared, and mapped page by page at the first touch.
/// Memory of a large tensor is cut for several small ones, and joined again when they are gone.
/// What is kept and what is in use are together no more than what was in use at once before, but for what
/// lies in one piece of memory with something in use.
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
    /// What is kept, by its address.
    idle: BTreeMap<usize, Piece>,
    /// Sizes in bytes and addresses of what is kept.
    by_size: BTreeSet<(usize, usize)>,
    idle_bytes: usize,
    used_bytes: usize,
    /// The most bytes that were in use at once.
    peak_bytes: usize,
}

impl State {
    fn insert(&mut self, piece: Piece) {
        self.idle_bytes += piece.size();
        self.by_size.insert((piece.size(), piece.address()));
        self.idle.insert(piece.address(), piece);
    }

    fn remove(&mut self, address: usize) -> Option<Piece> {
        let piece = self.idle.remove(&address)?;
        self.by_size.remove(&(piece.size(), address));
        self.idle_bytes -= piece.size();
        Some(piece)
    }

    /// The address of the smallest memory that is kept whole and has so many bytes, else of the largest.
    fn spare(&self, len_bytes: usize) -> Option<usize> {
        let is_whole = |(_, address): &&(usize, usize)| {
            self.idle.get(address).is_some_and(|piece| piece.size() == piece.slab_size())
        };
        let fit = self.by_size.range((len_bytes, 0)..).find(is_whole);
        fit.or_else(|| self.by_size.iter().rev().find(is_whole)).map(|(_, address)| *address)
    }
}

impl Recycler {
    /// The tensor of zeros of this type and shape.
    ///
    /// Errors: as [`Tensor::zeros`].
    pub fn zeros(self: &Arc<Self>, dtype: DType, shape: impl Into<Shape>) -> Result<Tensor, Error> {
        let mut tensor = self.tensor(dtype, shape)?;
        if let Data::Plain(buffer) = &mut tensor.data
            && let Some(bytes) = buffer.recycled_bytes()
        {
            bytes.fill(0);
        }
        Ok(tensor)
    }

    /// A tensor of this type and shape, for somebody who writes each of its elements: until then they
    /// are zeros or those of a tensor that is gone.
    ///
    /// Errors: as [`Tensor::zeros`].
    pub fn tensor(
        self: &Arc<Self>,
        dtype: DType,
        shape: impl Into<Shape>,
    ) -> Result<Tensor, Error> {
        let shape = shape.into();
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

    /// Memory of at least so many bytes that was used before, if there is some that is not much larger.
    pub(crate) fn take(&self, len_bytes: usize) -> Option<Piece> {
        let size = len_bytes.next_multiple_of(ALIGNMENT);
        let largest = size.saturating_mul(MAX_PIECES);
        let mut state = self.lock();
        let is_fit = |(_, address): &&(usize, usize)| {
            state.idle.get(address).is_some_and(|piece| piece.slab_size() <= largest)
        };
        let fits = (size, 0)..=(largest, usize::MAX);
        let (_, address) = *state.by_size.range(fits).find(is_fit)?;
        let mut piece = state.remove(address)?;
        if piece.size() - size >= MIN_BYTES {
            let rest = piece.cut(size);
            state.insert(rest);
        }
        state.used_bytes += piece.size();
        Some(piece)
    }

    /// New memory of so many bytes, or `None` if the system has it not; lets go of what is kept beyond the
    /// limit.
    pub(crate) fn make(&self, len_bytes: usize) -> Option<Piece> {
        let size = len_bytes.checked_next_multiple_of(ALIGNMENT)?;
        {
            let mut state = self.lock();
            state.used_bytes = state.used_bytes.checked_add(size)?;
            state.peak_bytes = state.peak_bytes.max(state.used_bytes);
            while let Some(excess) =
                (state.used_bytes + state.idle_bytes).checked_sub(state.peak_bytes + 1)
                && let Some(address) = state.spare(excess + 1)
            {
                state.remove(address);
            }
        }
        let piece = Piece::zeroed(size);
        if piece.is_none() {
            self.lock().used_bytes -= size;
        }
        piece
    }

    /// Keeps memory that is no longer in use.
    pub(crate) fn give_back(&self, mut piece: Piece) {
        let mut state = self.lock();
        state.used_bytes -= piece.size();
        let next = piece.address() + piece.size();
        if let Some(next) = state.remove(next)
            && let Err(other) = piece.join(next)
        {
            state.insert(other);
        }
        let before = state.idle.range(..piece.address()).next_back().map(|(address, _)| *address);
        if let Some(mut before) = before.and_then(|address| state.remove(address)) {
            match before.join(piece) {
                Ok(()) => piece = before,
                Err(own) => {
                    piece = own;
                    state.insert(before);
                }
            }
        }
        state.insert(piece);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Recycler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = self.lock();
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
    fn no_more_is_kept_than_was_used_at_once() {
        let recycler = Arc::new(Recycler::default());
        for kib in [40, 80, 160, 320, 640] {
            let _one = recycler.tensor(DType::U8, [kib << 10]).unwrap();
            assert!(kept(&recycler) + (kib << 10) <= recycler.0.lock().unwrap().peak_bytes);
        }
        assert_eq!(kept(&recycler), 640 << 10);
        let small = [(); 4].map(|()| recycler.tensor(DType::U8, [150 << 10]).unwrap());
        assert_eq!(kept(&recycler), 40 << 10);
        // Too small for memory that would stay for it.
        let tiny = recycler.tensor(DType::U8, [36 << 10]).unwrap();
        assert_eq!(kept(&recycler), 40 << 10);
        drop((small, tiny));
        assert_eq!(kept(&recycler), (640 + 36) << 10);
        // Beyond the limit, memory that nobody has a piece of goes.
        let _large = recycler.tensor(DType::U8, [660 << 10]).unwrap();
        assert_eq!(kept(&recycler), 0);
    }

    #[test]
    fn memory_that_was_cut_is_joined_again() {
        let recycler = Arc::new(Recycler::default());
        let address = |tensor: &Tensor| tensor.as_bytes().unwrap().as_ptr().addr();
        let whole = address(&recycler.tensor(DType::U8, [1 << 20]).unwrap());
        let mut parts: Vec<Tensor> =
            (0..4).map(|_| recycler.tensor(DType::U8, [256 << 10]).unwrap()).collect();
        for (i, part) in parts.iter_mut().enumerate() {
            assert_eq!(address(part), whole + (i << 18));
            part.make_mut::<u8>().unwrap().fill(i as u8);
        }
        let last = parts.pop().unwrap();
        // Middle, first, and the one between both and the last.
        for (i, n_pieces) in [(1, 1), (0, 1), (0, 1)] {
            parts.remove(i);
            assert_eq!(recycler.0.lock().unwrap().idle.len(), n_pieces);
        }
        assert!(last.as_bytes().unwrap().iter().all(|byte| *byte == 3));
        let zeros = recycler.zeros(DType::U8, [700 << 10]).unwrap();
        assert_eq!(address(&zeros), whole);
        assert!(zeros.as_bytes().unwrap().iter().all(|byte| *byte == 0));
        drop((zeros, last));
        let again = recycler.tensor(DType::U8, [1 << 20]).unwrap();
        assert_eq!(address(&again), whole);
    }

    #[test]
    fn tensors_never_share_memory() {
        let recycler = Arc::new(Recycler::default());
        let mut live: Vec<(u8, Tensor)> = Vec::new();
        let mut random = 1u64;
        for i in 0..2000u32 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let choice = (random >> 40) as usize;
            if live.len() > 12 || choice % 3 == 0 && !live.is_empty() {
                let (value, tensor) = live.swap_remove(choice / 3 % live.len());
                assert!(tensor.as_bytes().unwrap().iter().all(|byte| *byte == value), "step {i}");
                continue;
            }
            let len = (40 << 10) + (choice % 997) * (1 << (choice % 9));
            let mut tensor = recycler.tensor(DType::U8, [len]).unwrap();
            tensor.make_mut::<u8>().unwrap().fill(i as u8);
            live.push((i as u8, tensor));
        }
        drop(live);
        let state = recycler.0.lock().unwrap();
        assert_eq!(state.used_bytes, 0);
        assert_eq!(state.idle_bytes, state.idle.values().map(Piece::size).sum::<usize>());
        assert!(state.idle.values().all(|piece| piece.size() == piece.slab_size()));
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
