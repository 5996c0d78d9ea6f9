//! Storage of plain tensors: shared bytes, aligned for their elements.
//!
//! The only module of this crate with `unsafe`: it turns vectors of elements into bytes and back
//! without copying. [`Element`] is sealed; each of its types has no padding and no destructor, and
//! but for `bool` accepts every bit pattern. Bytes that come from outside are checked for `bool`
//! before they are viewed as such.
#![expect(
    unsafe_code,
    reason = "casts between bytes and elements, and keeps allocations of vectors"
)]

use std::alloc::Layout;
use std::mem::{ManuallyDrop, align_of, size_of};
use std::ops::Range;
use std::ptr::NonNull;
use std::sync::{Arc, Weak};

use bytes::Bytes;

use crate::deferred::Deferred;
use crate::meter::{Charge, Meter, OverLimit};
use crate::{DType, Element, Error, Recycler};

/// Immutable bytes: shared ones, made from a vector of elements or from a view into a file, or those
/// of one element, held in place.
#[derive(Clone)]
pub(crate) struct Buffer(Repr);

#[derive(Clone)]
enum Repr {
    Small(Small),
    Shared(Arc<Storage>),
}

/// What all handles to shared bytes have in common.
struct Storage {
    memory: Memory,
    /// Who counts the bytes, if anybody does.
    charge: Option<Charge>,
}

enum Memory {
    Owned(Allocation),
    /// Memory that goes back to where it came from.
    Recycled(Recycled),
    Shared(Bytes),
    Backed(Bytes, Arc<dyn Backing>),
    /// A tensor of the same bytes, still to be read.
    Deferred(Deferred),
}

/// One element of at most eight bytes, in the first bytes of a word, without an allocation: its owner
/// may always write it, and nobody counts owners.
#[derive(Clone, Copy)]
struct Small {
    word: u64,
    size: SmallSize,
}

/// The bytes of an element. That few values leave room for the variants of [`Repr`] and its holders.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum SmallSize {
    One = 1,
    Two = 2,
    Four = 4,
    Eight = 8,
}

impl Small {
    /// The bytes of an element, or `None` if there are none or too many.
    #[inline]
    fn of(bytes: &[u8]) -> Option<Small> {
        let size = match bytes.len() {
            1 => SmallSize::One,
            2 => SmallSize::Two,
            4 => SmallSize::Four,
            8 => SmallSize::Eight,
            _ => return None,
        };
        let mut word = [0; 8];
        word[..bytes.len()].copy_from_slice(bytes);
        Some(Small { word: u64::from_ne_bytes(word), size })
    }

    #[inline]
    fn len_bytes(self) -> usize {
        self.size as usize
    }

    #[inline]
    fn as_bytes(&self) -> &[u8] {
        let ptr = std::ptr::from_ref(&self.word).cast::<u8>();
        // SAFETY: the word has eight initialized bytes, and no size is more.
        unsafe { std::slice::from_raw_parts(ptr, self.len_bytes()) }
    }
}

/// Memory of a recycler.
struct Recycled {
    /// There until it is dropped.
    piece: Option<Piece>,
    /// At most the size of the piece.
    len_bytes: usize,
    home: Weak<Recycler>,
    /// Whether another tensor has used it before.
    is_used: bool,
}

impl Recycled {
    fn ptr(&self) -> NonNull<u8> {
        self.piece.as_ref().map_or(NonNull::dangling(), |piece| piece.ptr)
    }
}

impl Drop for Recycled {
    fn drop(&mut self) {
        if let (Some(home), Some(piece)) = (self.home.upgrade(), self.piece.take()) {
            home.give_back(piece);
        }
    }
}

/// A part of an allocation that nobody else has; it can be cut, and joined again.
pub(crate) struct Piece {
    ptr: NonNull<u8>,
    size: usize,
    slab: Arc<Allocation>,
}

// SAFETY: the bytes of a piece are its own, as those of an allocation are, and lie in memory that it keeps.
unsafe impl Send for Piece {}
// SAFETY: as above.
unsafe impl Sync for Piece {}

impl Piece {
    /// All of new memory, zeroed.
    pub(crate) fn zeroed(len_bytes: usize) -> Option<Piece> {
        let allocation = Allocation::zeroed(len_bytes)?;
        let (ptr, size) = (allocation.ptr, allocation.size());
        Some(Piece { ptr, size, slab: Arc::new(allocation) })
    }

    /// The bytes of the memory, in use or not.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// The bytes of the allocation that it is a part of.
    pub(crate) fn slab_size(&self) -> usize {
        self.slab.size()
    }

    /// Where it lies.
    pub(crate) fn address(&self) -> usize {
        self.ptr.as_ptr().addr()
    }

    /// Keeps the first `size` bytes, which are fewer than all, and gives the rest.
    pub(crate) fn cut(&mut self, size: usize) -> Piece {
        assert!(size < self.size, "a cut beyond the piece");
        // SAFETY: the piece has more bytes than `size` from `ptr` on.
        let ptr = unsafe { self.ptr.add(size) };
        let rest = Piece { ptr, size: self.size - size, slab: Arc::clone(&self.slab) };
        self.size = size;
        rest
    }

    /// Joins a piece that begins where this one ends, or gives it back.
    pub(crate) fn join(&mut self, next: Piece) -> Result<(), Piece> {
        if !Arc::ptr_eq(&self.slab, &next.slab) || self.address() + self.size != next.address() {
            return Err(next);
        }
        self.size += next.size;
        Ok(())
    }
}

/// Where a view's bytes come from, if they can be had again: a mapped file.
pub trait Backing: Send + Sync {
    /// Tells that the bytes will not be read again soon, so that their memory may be released.
    /// They stay readable, and the same.
    fn release(&self);

    /// As [`Backing::release`], of some of the bytes; unless it is said how, nothing happens.
    fn release_part(&self, bytes: Range<usize>) {
        let _ = bytes;
    }
}

/// The memory of a vector of elements, freed with the vector's own layout.
pub(crate) struct Allocation {
    ptr: NonNull<u8>,
    len_bytes: usize,
    layout: Layout,
}

// SAFETY: the allocation is owned and holds plain numbers; `&Allocation` gives only `&[u8]`.
unsafe impl Send for Allocation {}
// SAFETY: as above.
unsafe impl Sync for Allocation {}

impl Drop for Allocation {
    fn drop(&mut self) {
        if self.layout.size() != 0 {
            // SAFETY: `ptr` came from the allocator with this layout, or from a `Vec` whose capacity and element
            // alignment gave it.
            unsafe { std::alloc::dealloc(self.ptr.as_ptr(), self.layout) }
        }
    }
}

impl Allocation {
    /// Zeroed bytes, aligned for every element type, or `None` without the memory.
    fn zeroed(len_bytes: usize) -> Option<Allocation> {
        let layout = Layout::array::<u64>(len_bytes.div_ceil(size_of::<u64>())).ok()?;
        if layout.size() == 0 {
            return Some(Allocation::from_vec(Vec::<u64>::new()));
        }
        // SAFETY: the layout has a size.
        let ptr = NonNull::new(unsafe { std::alloc::alloc_zeroed(layout) })?;
        Some(Allocation { ptr, len_bytes, layout })
    }

    fn from_vec<T: Element>(values: Vec<T>) -> Allocation {
        let mut values = ManuallyDrop::new(values);
        let size = values.capacity() * size_of::<T>();
        let layout = Layout::from_size_align(size, align_of::<T>());
        Allocation {
            ptr: NonNull::from(values.as_mut_slice()).cast(),
            len_bytes: values.len() * size_of::<T>(),
            // A vector's own layout is always valid; an impossible one would only leak.
            layout: layout.unwrap_or(Layout::new::<()>()),
        }
    }

    /// The bytes of the memory, in use or not.
    pub(crate) fn size(&self) -> usize {
        self.layout.size()
    }

    #[inline]
    fn as_bytes(&self) -> &[u8] {
        // SAFETY: `ptr` is valid for `len_bytes` initialized bytes as long as `self` lives.
        unsafe { std::slice::from_raw_parts(self.ptr.as_ptr(), self.len_bytes) }
    }
}

impl Buffer {
    pub(crate) fn from_vec<T: Element>(values: Vec<T>) -> Buffer {
        match values[..] {
            [value] if size_of::<T>() <= size_of::<u64>() => Buffer::from_element(value),
            _ => Buffer::new(Memory::Owned(Allocation::from_vec(values))),
        }
    }

    /// The buffer of one element.
    #[inline]
    pub(crate) fn from_element<T: Element>(value: T) -> Buffer {
        let value = [value];
        // SAFETY: an element has no padding (see the module's text), and the bytes are borrowed from it.
        let bytes =
            unsafe { std::slice::from_raw_parts(value.as_ptr().cast::<u8>(), size_of::<T>()) };
        match Small::of(bytes) {
            Some(small) => Buffer(Repr::Small(small)),
            None => Buffer::new(Memory::Owned(Allocation::from_vec(value.to_vec()))),
        }
    }

    fn new(memory: Memory) -> Buffer {
        Buffer(Repr::Shared(Arc::new(Storage { memory, charge: None })))
    }

    /// Has `meter` count the bytes as long as they are there, if nobody shares or counts them and they are
    /// in memory.
    pub(crate) fn charge(&mut self, meter: &Arc<Meter>) -> Result<(), OverLimit> {
        let len_bytes = self.len_bytes();
        let Repr::Shared(storage) = &mut self.0 else { return Ok(()) };
        match Arc::get_mut(storage) {
            Some(Storage { memory: Memory::Backed(..) | Memory::Deferred(_), .. }) => Ok(()),
            Some(storage) if storage.charge.is_none() => {
                storage.charge = Some(meter.charge_bytes(len_bytes)?);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// A view of `bytes` if they are aligned for `dtype`, else a copy.
    pub(crate) fn from_bytes(dtype: DType, bytes: Bytes) -> Buffer {
        if (bytes.as_ptr() as usize).is_multiple_of(alignment(dtype)) {
            Buffer::new(Memory::Shared(bytes))
        } else {
            Buffer::copy_of(&bytes)
        }
    }

    /// As [`Buffer::from_bytes`], for bytes that can be had again.
    pub(crate) fn from_backing(dtype: DType, bytes: Bytes, backing: Arc<dyn Backing>) -> Buffer {
        if (bytes.as_ptr() as usize).is_multiple_of(alignment(dtype)) {
            Buffer::new(Memory::Backed(bytes, backing))
        } else {
            Buffer::copy_of(&bytes)
        }
    }

    /// Lets go of memory that can be had again: of all, or of some bytes.
    pub(crate) fn release(&self, part: Option<Range<usize>>) {
        let Repr::Shared(storage) = &self.0 else { return };
        match (&storage.memory, part) {
            (Memory::Backed(_, backing), None) => backing.release(),
            (Memory::Backed(bytes, backing), Some(part)) if part.end <= bytes.len() => {
                backing.release_part(part);
            }
            (Memory::Deferred(deferred), part) => match (deferred.present(), part) {
                (Some(tensor), None) => tensor.release_memory(),
                (Some(tensor), Some(part)) => tensor.release_part(part),
                (None, _) => {}
            },
            _ => {}
        }
    }

    /// The buffer of bytes that are read when they are first looked at.
    pub(crate) fn deferred(deferred: Deferred) -> Buffer {
        Buffer::new(Memory::Deferred(deferred))
    }

    /// A copy of `bytes`, aligned for every element type.
    pub(crate) fn copy_of(bytes: &[u8]) -> Buffer {
        let mut words =
            vec![Complex128Word::default(); bytes.len().div_ceil(size_of::<Complex128Word>())];
        // SAFETY: the words are at least `bytes.len()` bytes long, initialized, and freely writable.
        unsafe { std::slice::from_raw_parts_mut(words.as_mut_ptr().cast::<u8>(), bytes.len()) }
            .copy_from_slice(bytes);
        let mut allocation = Allocation::from_vec(words);
        allocation.len_bytes = bytes.len();
        Buffer::new(Memory::Owned(allocation))
    }

    /// Zeroed bytes, aligned for every element type, or `None` when the system has not that much
    /// memory to give. The pages stay untouched until they are written.
    pub(crate) fn zeroed(len_bytes: usize) -> Option<Buffer> {
        Some(Buffer::new(Memory::Owned(Allocation::zeroed(len_bytes)?)))
    }

    /// As [`Buffer::zeroed`], but with memory of `home` and what is in it, if there is some.
    pub(crate) fn recycled(len_bytes: usize, home: &Arc<Recycler>) -> Option<Buffer> {
        isize::try_from(len_bytes).ok()?;
        let (piece, is_used) = match home.take(len_bytes) {
            Some(used) => (used, true),
            None => (home.make(len_bytes)?, false),
        };
        assert!(len_bytes <= piece.size(), "the memory is too small");
        let home = Arc::downgrade(home);
        let recycled = Recycled { piece: Some(piece), len_bytes, home, is_used };
        Some(Buffer::new(Memory::Recycled(recycled)))
    }

    /// The bytes for writing, if another tensor may have left something in them.
    pub(crate) fn recycled_bytes(&mut self) -> Option<&mut [u8]> {
        let Repr::Shared(storage) = &mut self.0 else { return None };
        match &mut Arc::get_mut(storage)?.memory {
            Memory::Recycled(recycled) if recycled.is_used => self.as_mut_slice::<u8>(),
            _ => None,
        }
    }

    /// The bytes; fails only for those that are still to be read and cannot be.
    #[inline]
    pub(crate) fn as_bytes(&self) -> Result<&[u8], Error> {
        let storage = match &self.0 {
            Repr::Small(small) => return Ok(small.as_bytes()),
            Repr::Shared(storage) => storage,
        };
        Ok(match &storage.memory {
            Memory::Owned(allocation) => allocation.as_bytes(),
            // SAFETY: the piece has that many initialized bytes, which are its own as long as it lives.
            Memory::Recycled(recycled) => unsafe {
                std::slice::from_raw_parts(recycled.ptr().as_ptr(), recycled.len_bytes)
            },
            Memory::Shared(bytes) | Memory::Backed(bytes, _) => bytes,
            Memory::Deferred(deferred) => return deferred.tensor()?.as_bytes(),
        })
    }

    /// The number of bytes, read or not.
    #[inline]
    pub(crate) fn len_bytes(&self) -> usize {
        let storage = match &self.0 {
            Repr::Small(small) => return small.len_bytes(),
            Repr::Shared(storage) => storage,
        };
        match &storage.memory {
            Memory::Owned(allocation) => allocation.len_bytes,
            Memory::Recycled(recycled) => recycled.len_bytes,
            Memory::Shared(bytes) | Memory::Backed(bytes, _) => bytes.len(),
            Memory::Deferred(deferred) => deferred.len_bytes,
        }
    }

    /// The elements; the caller has checked that the buffer was made for `T`.
    #[inline]
    pub(crate) fn as_slice<T: Element>(&self) -> Result<&[T], Error> {
        let bytes = self.as_bytes()?;
        if bytes.is_empty() {
            return Ok(&[]);
        }
        assert!(
            (bytes.as_ptr() as usize).is_multiple_of(align_of::<T>()),
            "buffers are aligned for their type"
        );
        // SAFETY: aligned (checked above), long enough by construction, valid for every `Element`
        // (see the module's text; bool bytes were checked when they came in), and borrowed from `self`.
        Ok(unsafe {
            std::slice::from_raw_parts(bytes.as_ptr().cast::<T>(), bytes.len() / size_of::<T>())
        })
    }

    /// The element that is held in place, if it is; the caller has checked that the buffer was made for
    /// `T`.
    #[inline]
    pub(crate) fn single<T: Element>(&self) -> Option<&T> {
        const { assert!(align_of::<T>() <= align_of::<u64>()) }
        match &self.0 {
            Repr::Small(small) if small.len_bytes() == size_of::<T>() => {
                // SAFETY: the word is aligned for every `Element`; an element of this size is in its first
                // bytes, valid as in `as_slice`.
                Some(unsafe { &*std::ptr::from_ref(&small.word).cast::<T>() })
            }
            _ => None,
        }
    }

    /// As [`Buffer::single`], for writing.
    #[inline]
    pub(crate) fn single_mut<T: Element>(&mut self) -> Option<&mut T> {
        match &mut self.0 {
            Repr::Small(small) if small.len_bytes() == size_of::<T>() => {
                // SAFETY: as in `single`; exclusive because the word is in place. Writing a `T` leaves valid
                // bytes for `T`.
                Some(unsafe { &mut *std::ptr::from_mut(&mut small.word).cast::<T>() })
            }
            _ => None,
        }
    }

    /// Whether this handle is the only one to memory that may be written.
    #[inline]
    pub(crate) fn is_unique(&mut self) -> bool {
        match &mut self.0 {
            Repr::Small(_) => true,
            Repr::Shared(storage) => {
                matches!(
                    Arc::get_mut(storage),
                    Some(Storage { memory: Memory::Owned(_) | Memory::Recycled(_), .. })
                )
            }
        }
    }

    /// The elements for writing, or `None` when the memory is shared or mapped.
    #[inline]
    pub(crate) fn as_mut_slice<T: Element>(&mut self) -> Option<&mut [T]> {
        let (ptr, len_bytes) = match &mut self.0 {
            Repr::Small(small) => {
                (std::ptr::from_mut(&mut small.word).cast::<u8>(), small.len_bytes())
            }
            Repr::Shared(storage) => match &mut Arc::get_mut(storage)?.memory {
                Memory::Owned(allocation) => (allocation.ptr.as_ptr(), allocation.len_bytes),
                Memory::Recycled(recycled) => (recycled.ptr().as_ptr(), recycled.len_bytes),
                Memory::Shared(_) | Memory::Backed(..) | Memory::Deferred(_) => return None,
            },
        };
        if len_bytes == 0 {
            return Some(&mut []);
        }
        assert!((ptr as usize).is_multiple_of(align_of::<T>()), "aligned for their type");
        // SAFETY: as in `as_slice`; exclusive because the word is in place or the `Arc` is unique,
        // and `self` is borrowed mutably. Writing a `T` leaves valid bytes for `T`.
        Some(unsafe { std::slice::from_raw_parts_mut(ptr.cast::<T>(), len_bytes / size_of::<T>()) })
    }
}

type Complex128Word = crate::Complex<f64>;

/// The alignment in bytes that elements of `dtype` need in memory.
fn alignment(dtype: DType) -> usize {
    dtype.size_bytes().unwrap_or(1).min(align_of::<f64>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_keep_their_memory() {
        let values = vec![1.0f32, 2.0, 3.0];
        let ptr = values.as_ptr();
        let buffer = Buffer::from_vec(values);
        assert_eq!(buffer.as_slice::<f32>().unwrap(), &[1.0, 2.0, 3.0]);
        assert_eq!(buffer.as_slice::<f32>().unwrap().as_ptr(), ptr);
    }

    #[test]
    fn misaligned_views_are_copied() {
        let bytes = Bytes::from(vec![0u8, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]);
        let view = bytes.slice(1..17);
        let buffer = Buffer::from_bytes(DType::F64, view.clone());
        assert_eq!(buffer.as_bytes().unwrap(), &view[..]);
        assert_eq!(buffer.as_slice::<u64>().unwrap().len(), 2);
    }

    #[test]
    fn scalars_of_every_size_are_held_in_place() {
        let value = crate::Complex { re: 1.5f64, im: -2.0 };
        let mut buffer = Buffer::from_element(value);
        assert_eq!(buffer.as_slice::<crate::Complex<f64>>().unwrap(), &[value]);
        buffer.as_mut_slice::<crate::Complex<f64>>().unwrap()[0].re = 3.0;
        assert_eq!(buffer.as_slice::<crate::Complex<f64>>().unwrap()[0].re, 3.0);
        assert_eq!(Buffer::from_element(true).as_bytes().unwrap(), &[1]);
        assert_eq!(Buffer::from_element(0x0102i16).as_slice::<i16>().unwrap(), &[0x0102]);
        let mut buffer = Buffer::from_vec(vec![7u64]);
        let other = buffer.clone();
        buffer.as_mut_slice::<u64>().unwrap()[0] = 8;
        assert_eq!(buffer.as_slice::<u64>().unwrap(), &[8]);
        assert_eq!(other.as_slice::<u64>().unwrap(), &[7]);
        *buffer.single_mut::<u64>().unwrap() += 1;
        assert_eq!(buffer.single::<u64>(), Some(&9));
        assert_eq!(Buffer::from_element(true).single::<bool>(), Some(&true));
        assert_eq!(Buffer::from_vec(vec![1u8, 2]).single::<u8>(), None);
    }

    #[test]
    fn a_buffer_is_as_small_as_its_parts() {
        assert_eq!(size_of::<Buffer>(), 2 * size_of::<u64>());
        assert_eq!(size_of::<Option<Buffer>>(), size_of::<Buffer>());
    }

    #[test]
    fn only_sole_owners_may_write() {
        let mut buffer = Buffer::from_vec(vec![1i32, 2]);
        buffer.as_mut_slice::<i32>().unwrap()[0] = 7;
        let other = buffer.clone();
        assert!(buffer.as_mut_slice::<i32>().is_none());
        assert_eq!(other.as_slice::<i32>().unwrap(), &[7, 2]);
        let mut view = Buffer::from_bytes(DType::U8, Bytes::from_static(&[1, 2]));
        assert!(view.as_mut_slice::<u8>().is_none());
    }
}
