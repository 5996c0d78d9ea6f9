//! Tensors whose elements are read when something first looks at them.

use std::fmt;
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::{Error, Tensor};

/// Elements that are read when they are first looked at.
pub(crate) struct Deferred {
    read: Box<dyn Fn() -> Result<Tensor, Error> + Send + Sync>,
    pub(crate) len_bytes: usize,
    value: OnceLock<Tensor>,
    /// Held by who reads, so that others wait for the result.
    reading: Mutex<()>,
}

impl Deferred {
    pub(crate) fn new(
        len_bytes: usize,
        read: impl Fn() -> Result<Tensor, Error> + Send + Sync + 'static,
    ) -> Deferred {
        let (value, reading) = (OnceLock::new(), Mutex::new(()));
        Deferred { read: Box::new(read), len_bytes, value, reading }
    }

    /// The tensor, read now if it was not read before. What cannot be read is tried again.
    #[inline]
    pub(crate) fn tensor(&self) -> Result<&Tensor, Error> {
        match self.value.get() {
            Some(tensor) => Ok(tensor),
            None => self.read(),
        }
    }

    #[cold]
    fn read(&self) -> Result<&Tensor, Error> {
        let _reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        match self.value.get() {
            Some(tensor) => Ok(tensor),
            None => {
                let tensor = (self.read)()?;
                Ok(self.value.get_or_init(|| tensor))
            }
        }
    }

    /// The tensor, if it was read.
    pub(crate) fn present(&self) -> Option<&Tensor> {
        self.value.get()
    }
}

impl fmt::Debug for Deferred {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deferred").field("value", &self.value).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::{Code, DType, Shape};

    fn counted(dims: [usize; 1], fails: usize) -> (Tensor, Arc<AtomicUsize>) {
        let n_reads = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&n_reads);
        let read = move || match counter.fetch_add(1, Ordering::Relaxed) {
            n if n < fails => Err(Error::Unreadable { code: Code::DataLoss, message: "no".into() }),
            _ => Tensor::from_vec([3], vec![1.5f32, 2.0, 3.0]),
        };
        (Tensor::deferred(DType::F32, Shape::from(dims), read).unwrap(), n_reads)
    }

    #[test]
    fn elements_are_read_once_by_whoever_looks_first() {
        let (tensor, n_reads) = counted([3], 0);
        assert_eq!((tensor.dtype(), tensor.dims(), tensor.len_bytes()), (DType::F32, &[3][..], 12));
        let column = tensor.reshape([3, 1]).unwrap();
        tensor.release_memory();
        assert_eq!(n_reads.load(Ordering::Relaxed), 0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    assert_eq!(tensor.clone().as_slice::<f32>().unwrap(), &[1.5, 2.0, 3.0])
                });
            }
        });
        assert_eq!(column.as_bytes().unwrap()[..4], 1.5f32.to_le_bytes());
        assert_eq!(n_reads.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn what_cannot_be_read_is_an_error_on_every_path() {
        let (tensor, n_reads) = counted([3], 10);
        let mut own = tensor.clone();
        let errors = [
            tensor.check().err(),
            tensor.as_slice::<f32>().err(),
            tensor.as_bytes().err(),
            tensor.to_le_bytes().err(),
            tensor.to_scalar::<f32>().err(),
            tensor.bitcast(DType::I32).err(),
            own.make_mut::<f32>().err(),
        ];
        for error in errors {
            assert_eq!(error.unwrap().code(), Code::DataLoss);
        }
        assert_eq!(tensor.numpy_str(), "<no>");
        assert_ne!(tensor, tensor.clone());
        assert_eq!(n_reads.load(Ordering::Relaxed), 10);
        assert_eq!(tensor.as_slice::<f32>().unwrap()[2], 3.0);
    }

    #[test]
    fn another_tensor_than_promised_is_refused() {
        let (tensor, _) = counted([2], 0);
        assert_eq!(tensor.check().unwrap_err().code(), Code::Internal);
        let strings = Tensor::deferred(DType::String, [1], || unreachable!("it has no elements"));
        assert_eq!(strings.unwrap_err().code(), Code::Unimplemented);
    }

    #[test]
    fn writing_copies_what_others_share() {
        let (mut tensor, _) = counted([3], 0);
        let other = tensor.clone();
        tensor.make_mut::<f32>().unwrap()[0] = 9.0;
        assert_eq!(tensor.as_slice::<f32>().unwrap(), &[9.0, 2.0, 3.0]);
        assert_eq!(other.as_slice::<f32>().unwrap(), &[1.5, 2.0, 3.0]);
    }
}
