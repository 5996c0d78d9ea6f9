use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::tensor::Data;
use crate::{DType, Error, Shape, Tensor};

/// Counts the bytes of tensors that are there, up to a limit.
///
/// Memory counts once, however many tensors share it, from [`Meter::charge`] until the last of them is
/// gone. An element that lies in its tensor does not count.
///
/// ```
/// use std::sync::Arc;
/// use flowkeep_tensor::{DType, Meter, Tensor};
///
/// let meter = Arc::new(Meter::new(1000));
/// let mut tensor = Tensor::zeros(DType::F32, [200])?;
/// meter.charge(&mut tensor)?;
/// assert_eq!(meter.used_bytes(), 800);
/// assert!(meter.check(DType::F32, &[51].into()).is_err());
/// drop(tensor);
/// assert_eq!(meter.used_bytes(), 0);
/// # Ok::<(), flowkeep_tensor::Error>(())
/// ```
pub struct Meter {
    max_bytes: usize,
    used_bytes: AtomicUsize,
}

impl Meter {
    /// A meter that has counted nothing yet and allows so many bytes.
    pub fn new(max_bytes: usize) -> Meter {
        Meter { max_bytes, used_bytes: AtomicUsize::new(0) }
    }

    /// The bytes that are counted now.
    pub fn used_bytes(&self) -> usize {
        self.used_bytes.load(Ordering::Relaxed)
    }

    /// Checks that one more tensor of this type and shape would be allowed.
    ///
    /// Errors: `RESOURCE_EXHAUSTED`, with the numbers of bytes.
    pub fn check(&self, dtype: DType, shape: &Shape) -> Result<(), Error> {
        let n_elements = shape.n_elements();
        let Some(size) = dtype.size_bytes().filter(|_| n_elements != 1) else { return Ok(()) };
        let used_bytes = self.used_bytes();
        let len_bytes = n_elements.saturating_mul(size);
        if used_bytes.saturating_add(len_bytes) <= self.max_bytes {
            return Ok(());
        }
        Err(self.error(dtype, shape, OverLimit { len_bytes, used_bytes }))
    }

    /// Counts the elements of `tensor` as long as they are there, unless other tensors share them or
    /// they are counted already.
    ///
    /// Those of a mapped file, or that are still to be read, do not count.
    ///
    /// Errors: `RESOURCE_EXHAUSTED`, with the numbers of bytes; then they are not counted.
    pub fn charge(self: &Arc<Self>, tensor: &mut Tensor) -> Result<(), Error> {
        let charged = match &mut tensor.data {
            Data::Plain(buffer) => buffer.charge(self),
            Data::Strings(strings) => {
                Arc::get_mut(strings).map_or(Ok(()), |strings| strings.charge(self))
            }
        };
        charged.map_err(|over| self.error(tensor.dtype, &tensor.shape, over))
    }

    /// Counts so many bytes as long as there is what this gives.
    pub(crate) fn charge_bytes(self: &Arc<Self>, len_bytes: usize) -> Result<Charge, OverLimit> {
        let add = |used: usize| used.checked_add(len_bytes).filter(|n| *n <= self.max_bytes);
        let added = self.used_bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
        added.map_err(|used_bytes| OverLimit { len_bytes, used_bytes })?;
        Ok(Charge { meter: self.clone(), len_bytes })
    }

    fn error(&self, dtype: DType, shape: &Shape, over: OverLimit) -> Error {
        let OverLimit { len_bytes, used_bytes } = over;
        let shape = Box::new(shape.clone());
        Error::OverLimit { dtype, shape, len_bytes, used_bytes, max_bytes: self.max_bytes }
    }
}

impl fmt::Debug for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Meter({} of {} bytes)", self.used_bytes(), self.max_bytes)
    }
}

/// What would be more than a meter allows.
#[derive(Debug)]
pub(crate) struct OverLimit {
    len_bytes: usize,
    used_bytes: usize,
}

/// Bytes that a meter counts until this is dropped.
pub(crate) struct Charge {
    meter: Arc<Meter>,
    len_bytes: usize,
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.meter.used_bytes.fetch_sub(self.len_bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn floats(n: usize) -> Tensor {
        Tensor::zeros(DType::F32, [n]).unwrap()
    }

    #[test]
    fn memory_counts_once_and_as_long_as_it_is_there() {
        let meter = Arc::new(Meter::new(usize::MAX));
        let mut a = floats(100);
        meter.charge(&mut a).unwrap();
        meter.charge(&mut a).unwrap();
        let mut b = a.reshape([10, 10]).unwrap();
        meter.charge(&mut b).unwrap();
        assert_eq!(meter.used_bytes(), 400);
        drop(a);
        assert_eq!(meter.used_bytes(), 400);
        b.make_mut::<f32>().unwrap()[0] = 1.0;
        meter.charge(&mut b).unwrap();
        assert_eq!(meter.used_bytes(), 400);
        drop(b);
        assert_eq!(meter.used_bytes(), 0);
    }

    #[test]
    fn what_others_hold_and_what_takes_no_memory_does_not_count() {
        let meter = Arc::new(Meter::new(3));
        let held = floats(100);
        meter.charge(&mut held.clone()).unwrap();
        meter.charge(&mut Tensor::scalar(1.0f64)).unwrap();
        let read = || Ok(floats(100));
        meter.charge(&mut Tensor::deferred(DType::F32, [100], read).unwrap()).unwrap();
        meter.check(DType::F64, &Shape::SCALAR).unwrap();
        meter.check(DType::F64, &Shape::from([0, 9])).unwrap();
        assert_eq!(meter.used_bytes(), 0);
    }

    #[test]
    fn more_than_is_allowed_is_an_error_and_not_counted() {
        let meter = Arc::new(Meter::new(1000));
        let (mut a, mut b) = (floats(200), floats(51));
        meter.charge(&mut a).unwrap();
        let expected = "a tensor of type float and shape [51] has 204 bytes, which with the 800 of others are more \
                        than the 1000 that are allowed";
        for error in [meter.charge(&mut b), meter.check(DType::F32, b.shape())] {
            let error = error.unwrap_err();
            assert_eq!(error.code(), crate::Code::ResourceExhausted);
            assert_eq!(error.to_string(), expected);
        }
        assert!(meter.check(DType::F32, &Shape::from([usize::MAX, 2])).is_err());
        assert_eq!(meter.used_bytes(), 800);
        meter.charge(&mut floats(50)).unwrap();
        drop(a);
        meter.charge(&mut b).unwrap();
        assert_eq!(meter.used_bytes(), 204);
    }

    #[test]
    fn strings_count_as_they_are_when_they_are_looked_at() {
        let meter = Arc::new(Meter::new(1000));
        let handle = size_of::<Bytes>();
        let mut tensor = Tensor::from_strings([2], vec!["abc".into(), "".into()]).unwrap();
        meter.charge(&mut tensor).unwrap();
        assert_eq!(meter.used_bytes(), 2 * handle + 3);
        tensor.make_mut_strings().unwrap()[1] = "abcdefg".into();
        meter.charge(&mut tensor).unwrap();
        assert_eq!(meter.used_bytes(), 2 * handle + 10);
        let mut copy = tensor.clone();
        copy.make_mut_strings().unwrap()[0] = "".into();
        meter.charge(&mut copy).unwrap();
        assert_eq!(meter.used_bytes(), 4 * handle + 17);
        tensor.make_mut_strings().unwrap()[1] = vec![0; 1000].into();
        assert!(meter.charge(&mut tensor).is_err());
        drop((tensor, copy));
        assert_eq!(meter.used_bytes(), 0);
    }
}
