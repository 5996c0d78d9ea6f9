use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::buffer::{Buffer, Piece};
use crate::tensor::Data;
use crate::{DType, Error, Shape, Tensor};

/// The fewest bytes that are worth keeping: smaller memory the system's allocator gives as fast.
const MIN_BYTES: usize = 32 << 10;
/// The most pieces of one size that memory is cut into: a piece that stays keeps all of it, beside which
/// large tensors need other memory.
const MAX_PIECES: usize = 3;
/// Memory for all of a run has a part of what was in use at once beside it, for what tensors of many sizes
/// leave between them: with an eighth, the layers of ResNet50 find their places; with a tenth they do not.
const SLACK: usize = 8;
/// A tensor is small in the memory of a whole run if so many of its size would fit.
const MANY_PIECES: usize = 5;
/// How many pieces of memory that is much too large are looked at.
const MAX_LOOKS: usize = 16;
/// Pieces begin at multiples of so many bytes.
const ALIGNMENT: usize = 64;

/// Keeps the memory of tensors that are gone for those to come.
///
/// Large memory is dear to ask the system for: it is cleared, and mapped page by page at the first touch.
/// Memory of a large tensor is cut for several small ones, and joined again when they are gone. Where nothing
/// is in use, as between the runs of a model, all that was kept becomes one: then no run asks the system for
/// anything. What is kept and what is in use are together little more than what was in use at once before,
/// but for what lies in one piece of memory with something in use.
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

    fn clear(&mut self) {
        self.idle.clear();
        self.by_size.clear();
        self.idle_bytes = 0;
    }

    /// Memory of so many bytes out of what is kept.
    fn cut(&mut self, size: usize) -> Option<Piece> {
        let (address, is_high) = match self.high(size) {
            Some(address) => (address, true),
            None => (self.fit(size)?, false),
        };
        let piece = self.remove(address)?;
        Some(self.part(piece, size, is_high))
    }

    /// The lower or higher part of a piece, of so many bytes; the rest is kept, unless it is worth nothing.
    fn part(&mut self, mut piece: Piece, size: usize, is_high: bool) -> Piece {
        let n_left = piece.size() - size;
        if n_left < MIN_BYTES {
            return piece;
        }
        let mut other = piece.cut(if is_high { n_left } else { size });
        if is_high {
            std::mem::swap(&mut piece, &mut other);
        }
        self.insert(other);
        piece
    }

    /// The address of the smallest memory that has so many bytes and may be cut to them.
    fn fit(&self, size: usize) -> Option<usize> {
        let largest = size.saturating_mul(MAX_PIECES);
        let slab_size = |address| self.idle.get(address).map_or(usize::MAX, Piece::slab_size);
        let near = self.by_size.range((size, 0)..=(largest, usize::MAX)).find(|(_, address)| {
            let slab_size = slab_size(address);
            slab_size <= largest || self.is_common(slab_size)
        });
        let far = || {
            let mut far = self.by_size.range((largest.saturating_add(1), 0)..).take(MAX_LOOKS);
            far.find(|(_, address)| self.is_common(slab_size(address)))
        };
        near.or_else(far).map(|(_, address)| *address)
    }

    /// The address of the highest memory in that of whole runs which has so many bytes, if these are few
    /// there: small tensors lie at its end, so that large ones find room side by side.
    fn high(&self, size: usize) -> Option<usize> {
        let is_fit = |piece: &Piece| {
            let slab_size = piece.slab_size();
            self.is_common(slab_size) && piece.size() >= size && size <= slab_size / MANY_PIECES
        };
        let mut pieces = self.idle.iter().rev().take(MAX_LOOKS);
        pieces.find(|(_, piece)| is_fit(piece)).map(|(address, _)| *address)
    }

    /// Whether memory of this size is that of whole runs.
    fn is_common(&self, slab_size: usize) -> bool {
        slab_size != usize::MAX && slab_size > self.peak_bytes
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

    /// As [`Tensor::from_fill`], in memory that was used before if there is some.
    ///
    /// Errors: as [`Tensor::from_fill`].
    pub fn from_fill<E: From<Error>>(
        self: &Arc<Self>,
        dtype: DType,
        shape: impl Into<Shape>,
        fill: impl FnOnce(&mut [u8]) -> Result<(), E>,
    ) -> Result<Tensor, E> {
        let shape = shape.into();
        if dtype.size_bytes().is_none() {
            return Err(Error::NotPlain(dtype).into());
        }
        let mut tensor = self.zeros(dtype, shape.clone())?;
        match &mut tensor.data {
            Data::Plain(buffer) if dtype != DType::Bool => {
                fill(buffer.as_mut_slice::<u8>().unwrap_or_default())?;
                Ok(tensor)
            }
            _ => Tensor::from_fill(dtype, shape, fill),
        }
    }

    /// Memory of at least so many bytes that was used before, if there is some that is not much larger.
    pub(crate) fn take(&self, len_bytes: usize) -> Option<Piece> {
        let size = len_bytes.next_multiple_of(ALIGNMENT);
        let mut state = self.lock();
        if state.used_bytes == 0 && state.idle.len() > 1 {
            state.clear();
            return None;
        }
        let piece = state.cut(size)?;
        state.used_bytes += piece.size();
        Some(piece)
    }

    /// New memory of so many bytes, or `None` if the system has it not; lets go of what is kept beyond the
    /// limit.
    pub(crate) fn make(&self, len_bytes: usize) -> Option<Piece> {
        let size = len_bytes.checked_next_multiple_of(ALIGNMENT)?;
        let mut slab_size = size;
        {
            let mut state = self.lock();
            if state.used_bytes == 0 && state.idle.is_empty() {
                let room = state.peak_bytes + state.peak_bytes / SLACK;
                slab_size = size.max(room.next_multiple_of(ALIGNMENT));
            }
            state.used_bytes = state.used_bytes.checked_add(size)?;
            let limit = state.peak_bytes.max(state.used_bytes);
            while let Some(excess) = (state.used_bytes + state.idle_bytes).checked_sub(limit + 1)
                && let Some(address) = state.spare(excess + 1)
            {
                state.remove(address);
            }
        }
        let piece = Piece::zeroed(slab_size).or_else(|| Piece::zeroed(size));
        let mut state = self.lock();
        let Some(mut piece) = piece else {
            state.used_bytes -= size;
            return None;
        };
        let is_small = size <= piece.size() / MANY_PIECES;
        piece = state.part(piece, size, is_small);
        state.used_bytes += piece.size() - size;
        state.peak_bytes = state.peak_bytes.max(state.used_bytes);
        Some(piece)
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
        let _other = recycler.tensor(DType::F32, [9 << 10]).unwrap();
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
        let parts = [(); 2].map(|()| recycler.tensor(DType::U8, [300 << 10]).unwrap());
        assert_eq!(kept(&recycler), 40 << 10);
        // Too small for memory that would stay for it.
        let tiny = recycler.tensor(DType::U8, [36 << 10]).unwrap();
        assert_eq!(kept(&recycler), 40 << 10);
        drop(parts);
        assert_eq!(kept(&recycler), 640 << 10);
        // Beyond the limit, memory that nobody has a piece of goes.
        let _large = recycler.tensor(DType::U8, [660 << 10]).unwrap();
        assert_eq!(kept(&recycler), 0);
        drop(tiny);
    }

    #[test]
    fn what_is_kept_between_runs_becomes_one() {
        let recycler = Arc::new(Recycler::default());
        let sizes = [100 << 10, 300 << 10, 40 << 10, 500 << 10];
        let run = || {
            // Two at once, as a layer has its input and its output.
            let mut last: Option<Tensor> = None;
            let mut addresses = Vec::new();
            for size in sizes {
                let tensor = recycler.tensor(DType::U8, [size]).unwrap();
                addresses.push(tensor.as_bytes().unwrap().as_ptr().addr());
                last = Some(tensor);
            }
            drop(last);
            addresses
        };
        run();
        assert!(recycler.0.lock().unwrap().idle.len() > 1);
        let second = run();
        for _ in 0..3 {
            assert_eq!(run(), second);
            let state = recycler.0.lock().unwrap();
            assert_eq!((state.idle.len(), state.used_bytes), (1, 0));
            assert!(state.idle_bytes <= state.peak_bytes * 9 / 8 + ALIGNMENT);
        }
    }

    /// Takes and gives back memory as the layers of ResNet50 do, with the shortcut of a stage before, between
    /// or behind its other layers.
    fn run_resnet50(recycler: &Arc<Recycler>, order: usize) {
        let of = |size: usize, channels: usize| {
            recycler.tensor(DType::F32, [size, size, channels]).unwrap()
        };
        let padded = of(230, 3);
        let first = of(112, 64);
        drop(padded);
        let again = of(114, 64);
        drop(first);
        let mut x = of(56, 64);
        drop(again);
        for (idx, n_blocks) in [3, 4, 6, 3].into_iter().enumerate() {
            let (size, depth) = (56 >> idx, 64 << idx);
            for block in 0..n_blocks {
                let shortcut = |at: usize| (block == 0 && order == at).then(|| of(size, 4 * depth));
                let before = shortcut(0);
                let a = of(size, depth);
                let b = of(size, depth);
                drop(a);
                let between = shortcut(1);
                let c = of(size, 4 * depth);
                drop(b);
                let behind = shortcut(2);
                drop((before, between, behind));
                x = c;
            }
        }
        drop(x);
    }

    #[test]
    fn layers_find_their_places_in_the_memory_of_one_run() {
        for order in 0..3 {
            let recycler = Arc::new(Recycler::default());
            let slab = || {
                let state = recycler.0.lock().unwrap();
                let slabs: Vec<_> =
                    state.idle.iter().map(|(at, piece)| (*at, piece.size())).collect();
                assert_eq!((slabs.len(), state.used_bytes), (1, 0), "order {order}: {slabs:?}");
                assert!(slabs[0].1 <= state.peak_bytes * 9 / 8 + ALIGNMENT);
                slabs[0]
            };
            run_resnet50(&recycler, order);
            run_resnet50(&recycler, order);
            let first = slab();
            run_resnet50(&recycler, order);
            assert_eq!(slab(), first);
        }
    }

    #[test]
    fn memory_that_was_cut_is_joined_again() {
        let recycler = Arc::new(Recycler::default());
        let address = |tensor: &Tensor| tensor.as_bytes().unwrap().as_ptr().addr();
        let whole = address(&recycler.tensor(DType::U8, [1020 << 10]).unwrap());
        let n_idle = || recycler.0.lock().unwrap().idle.len();
        let mut parts = [340; 3].map(|kib| recycler.tensor(DType::U8, [kib << 10]).unwrap());
        assert_eq!(parts.each_ref().map(address), [0, 340, 680].map(|kib| whole + (kib << 10)));
        for (i, part) in parts.iter_mut().enumerate() {
            part.make_mut::<u8>().unwrap().fill(i as u8);
        }
        let [first, middle, last] = parts;
        drop(middle);
        drop(first);
        assert_eq!(n_idle(), 1);
        assert!(last.as_bytes().unwrap().iter().all(|byte| *byte == 2));
        let zeros = recycler.zeros(DType::U8, [680 << 10]).unwrap();
        assert_eq!(address(&zeros), whole);
        assert!(zeros.as_bytes().unwrap().iter().all(|byte| *byte == 0));
        drop(last);
        drop(zeros);
        assert_eq!(n_idle(), 1);
        let again = recycler.tensor(DType::U8, [1020 << 10]).unwrap();
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
            if live.len() > 12 || choice.is_multiple_of(3) && !live.is_empty() {
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
    fn memory_is_zero_before_it_is_filled() {
        let recycler = Arc::new(Recycler::default());
        let mut tensor = recycler.tensor(DType::F32, [100, 100]).unwrap();
        tensor.make_mut::<f32>().unwrap().fill(1.0);
        let memory = tensor.as_bytes().unwrap().as_ptr();
        drop(tensor);
        let fill = |bytes: &mut [u8]| {
            assert!(bytes.iter().all(|byte| *byte == 0));
            bytes[4..8].copy_from_slice(&2f32.to_ne_bytes());
            Ok::<(), Error>(())
        };
        let tensor = recycler.from_fill(DType::F32, [100, 100], fill).unwrap();
        assert_eq!(tensor.as_bytes().unwrap().as_ptr(), memory);
        assert_eq!(tensor.as_slice::<f32>().unwrap()[..3], [0.0, 2.0, 0.0]);
        let one = recycler.from_fill(DType::Bool, [1], |bytes| {
            bytes[0] = 2;
            Ok::<(), Error>(())
        });
        assert_eq!(one.unwrap_err().code(), crate::Code::InvalidArgument);
        let strings = recycler.from_fill(DType::String, [1], |_| Ok::<(), Error>(()));
        assert_eq!(strings.unwrap_err().code(), crate::Code::Unimplemented);
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
        let state = recycler.0.lock().unwrap();
        assert_eq!((state.used_bytes, state.peak_bytes, state.idle_bytes), (0, 0, 0));
    }
}
