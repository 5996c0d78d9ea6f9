//! A mutable slice cut into disjoint chunks that different tasks may hold at the same time.
#![expect(unsafe_code, reason = "disjoint chunks of one slice are handed to concurrent tasks")]

use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, Ordering};

/// A slice cut into chunks of equal length, the last one possibly shorter.
pub(super) struct Chunks<'a, T> {
    base: *mut T,
    len: usize,
    chunk_len: usize,
    /// One flag per chunk: set while a task holds it, so that no chunk is lent twice.
    lent: Vec<AtomicBool>,
    data: PhantomData<&'a mut [T]>,
}

// SAFETY: `with` lends each chunk to one task at a time (checked by `lent`), and `T: Send` allows
// that task to run on another thread.
unsafe impl<T: Send> Sync for Chunks<'_, T> {}

impl<'a, T> Chunks<'a, T> {
    pub(super) fn new(data: &'a mut [T], chunk_len: usize) -> Self {
        let chunk_len = chunk_len.max(1);
        let n_chunks = data.len().div_ceil(chunk_len);
        let lent = (0..n_chunks).map(|_| AtomicBool::new(false)).collect();
        Chunks { base: data.as_mut_ptr(), len: data.len(), chunk_len, lent, data: PhantomData }
    }

    /// The number of chunks.
    pub(super) fn len(&self) -> usize {
        self.lent.len()
    }

    /// Calls `f` with chunk `i`; with an empty chunk when there is none, or when it is lent.
    pub(super) fn with<R>(&self, i: usize, f: impl FnOnce(&mut [T]) -> R) -> R {
        let Some(flag) = self.lent.get(i) else { return f(&mut []) };
        if flag.swap(true, Ordering::Acquire) {
            return f(&mut []);
        }
        let start = i * self.chunk_len;
        let len = self.chunk_len.min(self.len - start);
        // SAFETY: `i < n_chunks`, so `start < self.len` and the range lies within the slice that
        // `base` was taken from and that is mutably borrowed for `'a`. Chunks of different `i` do
        // not overlap, and the flag stays set, so no second reference to this one is ever made.
        let chunk = unsafe { std::slice::from_raw_parts_mut(self.base.add(start), len) };
        f(chunk)
    }
}
