use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use crate::buffer::{Backing, Buffer};
use crate::deferred::Deferred;
use crate::meter::{Charge, Meter, OverLimit};
use crate::{Code, DType, Element, Error, Shape};

/// A tensor in host memory: data type, shape, and shared elements in row-major order.
///
/// Cloning shares the elements. They can be changed only through [`Tensor::make_mut`], which copies
/// them first when they are shared.
#[derive(Clone)]
pub struct Tensor {
    pub(crate) dtype: DType,
    pub(crate) shape: Shape,
    pub(crate) data: Data,
}

#[derive(Clone)]
pub(crate) enum Data {
    Plain(Buffer),
    Strings(Arc<Strings>),
}

pub(crate) struct Strings {
    values: Vec<Bytes>,
    /// Who counts the bytes, if anybody does.
    charge: Option<Charge>,
}

impl Strings {
    /// The data of a tensor of these.
    fn of(values: Vec<Bytes>) -> Data {
        Data::Strings(Arc::new(Strings { values, charge: None }))
    }

    /// The memory of handles and contents.
    fn len_bytes(&self) -> usize {
        self.values.iter().map(|value| size_of::<Bytes>() + value.len()).sum()
    }

    /// Has `meter` count the bytes as they are now, as long as they are there.
    pub(crate) fn charge(&mut self, meter: &Arc<Meter>) -> Result<(), OverLimit> {
        self.charge = None;
        self.charge = Some(meter.charge_bytes(self.len_bytes())?);
        Ok(())
    }
}

/// A copy is for its owner to count.
impl Clone for Strings {
    fn clone(&self) -> Strings {
        Strings { values: self.values.clone(), charge: None }
    }
}

impl Tensor {
    /// The tensor of these elements, which are not copied.
    ///
    /// Errors: `INVALID_ARGUMENT` if `shape` does not hold `values.len()` elements.
    pub fn from_vec<T: Element>(shape: impl Into<Shape>, values: Vec<T>) -> Result<Tensor, Error> {
        let shape = shape.into();
        check_len(&shape, values.len())?;
        Ok(Tensor { dtype: T::DTYPE, shape, data: Data::Plain(Buffer::from_vec(values)) })
    }

    /// The rank 1 tensor of these elements.
    pub fn from_elements<T: Element>(values: Vec<T>) -> Tensor {
        let shape = Shape::from([values.len()]);
        Tensor { dtype: T::DTYPE, shape, data: Data::Plain(Buffer::from_vec(values)) }
    }

    /// The scalar of this value.
    pub fn scalar<T: Element>(value: T) -> Tensor {
        Tensor {
            dtype: T::DTYPE,
            shape: Shape::SCALAR,
            data: Data::Plain(Buffer::from_element(value)),
        }
    }

    /// The string tensor of these byte strings.
    ///
    /// Errors: `INVALID_ARGUMENT` if `shape` does not hold `values.len()` elements.
    pub fn from_strings(shape: impl Into<Shape>, values: Vec<Bytes>) -> Result<Tensor, Error> {
        let shape = shape.into();
        check_len(&shape, values.len())?;
        Ok(Tensor { dtype: DType::String, shape, data: Strings::of(values) })
    }

    /// The scalar of this byte string.
    pub fn scalar_string(value: impl Into<Bytes>) -> Tensor {
        Tensor { dtype: DType::String, shape: Shape::SCALAR, data: Strings::of(vec![value.into()]) }
    }

    /// The tensor whose little-endian, row-major elements are `bytes`: a view where they are
    /// aligned for `dtype`, else a copy.
    ///
    /// Errors: `INVALID_ARGUMENT` if the length does not fit the shape or a bool byte is not 0 or 1;
    /// `UNIMPLEMENTED` for strings, resources and variants, which have no such form.
    pub fn from_bytes(
        dtype: DType,
        shape: impl Into<Shape>,
        bytes: Bytes,
    ) -> Result<Tensor, Error> {
        let shape = shape.into();
        let size = dtype.size_bytes().ok_or(Error::NotPlain(dtype))?;
        let expected = shape.checked_n_elements().and_then(|n| n.checked_mul(size));
        if expected != Some(bytes.len()) {
            return Err(Error::LengthMismatch { shape, n_elements: bytes.len() / size });
        }
        if dtype == DType::Bool && bytes.iter().any(|byte| *byte > 1) {
            return Err(Error::BadProto("a bool is neither 0 nor 1".into()));
        }
        Ok(Tensor { dtype, shape, data: Data::Plain(native_endian(dtype, bytes)) })
    }

    /// As [`Tensor::from_bytes`], for bytes that can be had again, so that
    /// [`Tensor::release_memory`] can let go of them.
    ///
    /// Errors: as [`Tensor::from_bytes`].
    pub fn from_backing(
        dtype: DType,
        shape: impl Into<Shape>,
        bytes: Bytes,
        backing: Arc<dyn Backing>,
    ) -> Result<Tensor, Error> {
        let mut tensor = Tensor::from_bytes(dtype, shape, bytes.clone())?;
        if cfg!(target_endian = "little") {
            tensor.data = Data::Plain(Buffer::from_backing(dtype, bytes, backing));
        }
        Ok(tensor)
    }

    /// A tensor whose elements `read` gives when somebody first looks at them: a weight of a large
    /// model, which costs nothing until it is used.
    ///
    /// Any number of threads may look; one reads, and all get the result. All ways to the elements
    /// give the error of `read`, if it has one, and ask it again the next time; [`Tensor::check`] does
    /// so without looking. `INTERNAL` if what it gives is of another type or shape.
    ///
    /// Errors: `UNIMPLEMENTED` for strings, resources and variants; `RESOURCE_EXHAUSTED` for a shape
    /// that no memory can hold.
    pub fn deferred(
        dtype: DType,
        shape: impl Into<Shape>,
        read: impl Fn() -> Result<Tensor, Error> + Send + Sync + 'static,
    ) -> Result<Tensor, Error> {
        let shape = shape.into();
        let size = dtype.size_bytes().ok_or(Error::NotPlain(dtype))?;
        let len_bytes = shape.checked_n_elements().and_then(|n| n.checked_mul(size));
        let len_bytes = len_bytes.ok_or_else(|| Error::TooLarge { dtype, shape: shape.clone() })?;
        let expected = shape.clone();
        let read = move || {
            let tensor = read()?;
            if tensor.dtype == dtype && tensor.shape == expected {
                return Ok(tensor);
            }
            let message =
                format!("a tensor of type {dtype} and shape {expected} was read as {tensor:?}");
            Err(Error::Unreadable { code: Code::Internal, message })
        };
        let buffer = Buffer::deferred(Deferred::new(len_bytes, read));
        Ok(Tensor { dtype, shape, data: Data::Plain(buffer) })
    }

    /// Reads the elements now, if that was deferred.
    ///
    /// Errors: those of reading them.
    pub fn check(&self) -> Result<(), Error> {
        match &self.data {
            Data::Plain(buffer) => buffer.as_bytes().map(|_| ()),
            Data::Strings(_) => Ok(()),
        }
    }

    /// Lets go of the elements' memory if they are a view of a mapped file; reading them again is
    /// possible, and brings it back.
    ///
    /// For kernels that keep another form of a weight and will not need this one soon.
    pub fn release_memory(&self) {
        if let Data::Plain(buffer) = &self.data {
            buffer.release(None);
        }
    }

    /// As [`Tensor::release_memory`], of some bytes only.
    pub fn release_part(&self, bytes: Range<usize>) {
        if let Data::Plain(buffer) = &self.data {
            buffer.release(Some(bytes));
        }
    }

    /// The tensor whose elements `fill` writes, as bytes in the machine's order, into zeroed memory
    /// aligned for them: a way to read a file straight into a tensor.
    ///
    /// Errors: what `fill` returns; `RESOURCE_EXHAUSTED` when there is not that much memory;
    /// `INVALID_ARGUMENT` if a bool byte ends up as neither 0 nor 1; `UNIMPLEMENTED` for strings,
    /// resources and variants.
    pub fn from_fill<E: From<Error>>(
        dtype: DType,
        shape: impl Into<Shape>,
        fill: impl FnOnce(&mut [u8]) -> Result<(), E>,
    ) -> Result<Tensor, E> {
        let shape = shape.into();
        let size = dtype.size_bytes().ok_or(Error::NotPlain(dtype))?;
        let len_bytes = shape.checked_n_elements().and_then(|n| n.checked_mul(size));
        let buffer = len_bytes.filter(|len| isize::try_from(*len).is_ok()).and_then(Buffer::zeroed);
        let mut buffer = buffer.ok_or_else(|| Error::TooLarge { dtype, shape: shape.clone() })?;
        let bytes = buffer.as_mut_slice::<u8>().unwrap_or_default();
        fill(bytes)?;
        if dtype == DType::Bool && bytes.iter().any(|byte| *byte > 1) {
            return Err(Error::BadProto("a bool is neither 0 nor 1".into()).into());
        }
        Ok(Tensor { dtype, shape, data: Data::Plain(buffer) })
    }

    /// The tensor of zeros (empty strings) of this type and shape.
    ///
    /// Errors: `RESOURCE_EXHAUSTED` when it cannot be addressed; `UNIMPLEMENTED` for resources and
    /// variants.
    pub fn zeros(dtype: DType, shape: impl Into<Shape>) -> Result<Tensor, Error> {
        let shape = shape.into();
        let too_large = || Error::TooLarge { dtype, shape: shape.clone() };
        let n = shape.checked_n_elements().ok_or_else(too_large)?;
        if dtype == DType::String {
            let mut values = Vec::new();
            values.try_reserve_exact(n).map_err(|_| too_large())?;
            values.resize(n, Bytes::new());
            return Tensor::from_strings(shape, values);
        }
        let size = dtype.size_bytes().ok_or(Error::NotPlain(dtype))?;
        n.checked_mul(size).filter(|len| isize::try_from(*len).is_ok()).ok_or_else(too_large)?;
        let data = match size {
            1 => zeroed::<u8>(n),
            2 => zeroed::<u16>(n),
            4 => zeroed::<u32>(n),
            8 => zeroed::<u64>(n),
            _ => zeroed::<crate::Complex<f64>>(n),
        };
        let data = Data::Plain(data.ok_or_else(too_large)?);
        Ok(Tensor { dtype, shape, data })
    }

    /// The element type.
    #[inline]
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// The shape.
    #[inline]
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// The dimensions, outermost first.
    #[inline]
    pub fn dims(&self) -> &[usize] {
        self.shape.dims()
    }

    /// The number of elements.
    #[inline]
    pub fn n_elements(&self) -> usize {
        self.shape.n_elements()
    }

    /// The memory of the elements in bytes; for strings, their handles and contents.
    pub fn len_bytes(&self) -> usize {
        match &self.data {
            Data::Plain(buffer) => buffer.len_bytes(),
            Data::Strings(strings) => strings.len_bytes(),
        }
    }

    /// The elements, in row-major order.
    ///
    /// Errors: `INVALID_ARGUMENT` if the tensor is not one of `T`.
    #[inline]
    pub fn as_slice<T: Element>(&self) -> Result<&[T], Error> {
        match &self.data {
            Data::Plain(buffer) if self.dtype == T::DTYPE => buffer.as_slice(),
            _ => Err(Error::DTypeMismatch { expected: T::DTYPE, got: self.dtype }),
        }
    }

    /// The byte strings of a string tensor, in row-major order.
    ///
    /// Errors: `INVALID_ARGUMENT` if the tensor is not one of strings.
    pub fn as_strings(&self) -> Result<&[Bytes], Error> {
        match &self.data {
            Data::Strings(strings) => Ok(&strings.values),
            Data::Plain(_) => {
                Err(Error::DTypeMismatch { expected: DType::String, got: self.dtype })
            }
        }
    }

    /// The elements as bytes in the machine's order.
    ///
    /// Errors: `UNIMPLEMENTED` for strings.
    pub fn as_bytes(&self) -> Result<&[u8], Error> {
        match &self.data {
            Data::Plain(buffer) => buffer.as_bytes(),
            Data::Strings(_) => Err(Error::NotPlain(self.dtype)),
        }
    }

    /// The elements as little-endian bytes, which on most machines are those in memory.
    ///
    /// Errors: `UNIMPLEMENTED` for strings.
    pub fn to_le_bytes(&self) -> Result<Cow<'_, [u8]>, Error> {
        let bytes = self.as_bytes()?;
        let size = self.dtype.size_bytes().unwrap_or(1);
        let word = if self.dtype.is_complex() { size / 2 } else { size };
        if cfg!(target_endian = "little") || word <= 1 {
            return Ok(Cow::Borrowed(bytes));
        }
        let mut bytes = bytes.to_vec();
        bytes.chunks_exact_mut(word).for_each(<[u8]>::reverse);
        Ok(Cow::Owned(bytes))
    }

    /// The first element of a tensor of one element.
    ///
    /// Errors: `INVALID_ARGUMENT` if the tensor is not one of `T` or has no or several elements.
    pub fn to_scalar<T: Element>(&self) -> Result<T, Error> {
        match self.as_slice::<T>()? {
            [value] => Ok(*value),
            values => Err(Error::LengthMismatch { shape: Shape::SCALAR, n_elements: values.len() }),
        }
    }

    /// The only element, if it is a `T` and lies in the tensor itself, as one of at most eight bytes does
    /// that was computed. For loops over many tensors of one element.
    #[inline]
    pub fn single<T: Element>(&self) -> Option<T> {
        match &self.data {
            Data::Plain(buffer) if self.dtype == T::DTYPE => buffer.single().copied(),
            _ => None,
        }
    }

    /// As [`Tensor::single`], for writing.
    #[inline]
    pub fn single_mut<T: Element>(&mut self) -> Option<&mut T> {
        match &mut self.data {
            Data::Plain(buffer) if self.dtype == T::DTYPE => buffer.single_mut(),
            _ => None,
        }
    }

    /// The elements for writing, copied first if other tensors share them.
    ///
    /// Errors: `INVALID_ARGUMENT` if the tensor is not one of `T`.
    #[inline]
    pub fn make_mut<T: Element>(&mut self) -> Result<&mut [T], Error> {
        let got = self.dtype;
        let mismatch = || Error::DTypeMismatch { expected: T::DTYPE, got };
        match &mut self.data {
            Data::Plain(buffer) if got == T::DTYPE => {
                if !buffer.is_unique() {
                    *buffer = Buffer::from_vec(buffer.as_slice::<T>()?.to_vec());
                }
                buffer.as_mut_slice().ok_or_else(mismatch)
            }
            _ => Err(mismatch()),
        }
    }

    /// The byte strings for writing, copied first if other tensors share them.
    ///
    /// Errors: `INVALID_ARGUMENT` if the tensor is not one of strings.
    pub fn make_mut_strings(&mut self) -> Result<&mut Vec<Bytes>, Error> {
        match &mut self.data {
            Data::Strings(strings) => Ok(&mut Arc::make_mut(strings).values),
            Data::Plain(_) => {
                Err(Error::DTypeMismatch { expected: DType::String, got: self.dtype })
            }
        }
    }

    /// Whether no other tensor shares the elements, so that they may be reused for a result.
    #[inline]
    pub fn is_unique(&mut self) -> bool {
        match &mut self.data {
            Data::Plain(buffer) => buffer.is_unique(),
            Data::Strings(strings) => Arc::get_mut(strings).is_some(),
        }
    }

    /// The same elements under another shape.
    ///
    /// Errors: `INVALID_ARGUMENT` if `shape` holds another number of elements.
    pub fn reshape(&self, shape: impl Into<Shape>) -> Result<Tensor, Error> {
        let shape = shape.into();
        check_len(&shape, self.n_elements())?;
        Ok(Tensor { dtype: self.dtype, shape, data: self.data.clone() })
    }

    /// The same bits read as another type of the same element size.
    ///
    /// Errors: `INVALID_ARGUMENT` when the sizes differ, a type has no plain elements, or the new
    /// type is bool.
    pub fn bitcast(&self, dtype: DType) -> Result<Tensor, Error> {
        let same =
            self.dtype.size_bytes().is_some() && self.dtype.size_bytes() == dtype.size_bytes();
        if !same || (dtype == DType::Bool && self.dtype != DType::Bool) {
            return Err(Error::DTypeMismatch { expected: dtype, got: self.dtype });
        }
        let data = match &self.data {
            Data::Plain(buffer) => Data::Plain(Buffer::copy_of(buffer.as_bytes()?)),
            Data::Strings(_) => return Err(Error::NotPlain(self.dtype)),
        };
        Ok(Tensor { dtype, shape: self.shape.clone(), data })
    }
}

impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tensor({}, {})", self.dtype, self.shape)
    }
}

/// Equal types, shapes and elements; floats compare by bits, so that NaN equals itself. A deferred
/// tensor that cannot be read equals none.
impl PartialEq for Tensor {
    fn eq(&self, other: &Tensor) -> bool {
        self.dtype == other.dtype
            && self.shape == other.shape
            && match (&self.data, &other.data) {
                (Data::Plain(a), Data::Plain(b)) => {
                    matches!((a.as_bytes(), b.as_bytes()), (Ok(a), Ok(b)) if a == b)
                }
                (Data::Strings(a), Data::Strings(b)) => a.values == b.values,
                _ => false,
            }
    }
}

fn check_len(shape: &Shape, n_elements: usize) -> Result<(), Error> {
    if shape.checked_n_elements() == Some(n_elements) {
        return Ok(());
    }
    Err(Error::LengthMismatch { shape: shape.clone(), n_elements })
}

/// A vector of zeros, or `None` when the system has not that much memory to give.
fn zeroed<T: Element>(n: usize) -> Option<Buffer> {
    if n == 1 {
        return Some(Buffer::from_element(T::default()));
    }
    // Asking first turns an absurd size into an error; the zeroed allocation itself stays lazy.
    Vec::<T>::new().try_reserve_exact(n).ok()?;
    Some(Buffer::from_vec(vec![T::default(); n]))
}

#[cfg(target_endian = "little")]
fn native_endian(dtype: DType, bytes: Bytes) -> Buffer {
    Buffer::from_bytes(dtype, bytes)
}

#[cfg(target_endian = "big")]
fn native_endian(dtype: DType, bytes: Bytes) -> Buffer {
    let word = match dtype {
        DType::Complex64 => 4,
        DType::Complex128 => 8,
        _ => dtype.size_bytes().unwrap_or(1),
    };
    let mut swapped = bytes.to_vec();
    swapped.chunks_exact_mut(word).for_each(<[u8]>::reverse);
    Buffer::from_bytes(dtype, swapped.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_checked_against_the_type() {
        let tensor = Tensor::from_vec([2, 2], vec![1i32, 2, 3, 4]).unwrap();
        assert_eq!(tensor.as_slice::<i32>().unwrap(), &[1, 2, 3, 4]);
        assert!(tensor.as_slice::<u32>().is_err());
        assert!(tensor.as_strings().is_err());
        assert!(Tensor::from_vec([3], vec![1i32]).is_err());
    }

    #[test]
    fn only_one_element_of_the_right_type_lies_in_a_tensor() {
        let mut tensor = Tensor::scalar(2.0f32);
        let copy = tensor.clone();
        *tensor.single_mut::<f32>().unwrap() = 3.0;
        assert_eq!((tensor.single::<f32>(), copy.single::<f32>()), (Some(3.0), Some(2.0)));
        assert_eq!(tensor.single::<i32>(), None);
        assert!(tensor.single_mut::<u32>().is_none());
        assert_eq!(Tensor::from_vec([1, 1], vec![7i64]).unwrap().single::<i64>(), Some(7));
        assert_eq!(Tensor::from_vec([2], vec![7i64, 8]).unwrap().single::<i64>(), None);
        assert_eq!(Tensor::scalar(crate::Complex { re: 0.0, im: 1.0f64 }).single::<f64>(), None);
        assert_eq!(Tensor::scalar_string("x").single::<u8>(), None);
    }

    #[test]
    fn writing_copies_shared_elements() {
        let mut a = Tensor::from_elements(vec![1.0f32, 2.0]);
        let b = a.clone();
        a.make_mut::<f32>().unwrap()[0] = 9.0;
        assert_eq!(a.as_slice::<f32>().unwrap(), &[9.0, 2.0]);
        assert_eq!(b.as_slice::<f32>().unwrap(), &[1.0, 2.0]);
    }

    #[test]
    fn bytes_must_fit_the_shape() {
        let bytes = Bytes::from_static(&[0, 0, 128, 63, 0, 0, 0, 64]);
        let tensor = Tensor::from_bytes(DType::F32, [2], bytes.clone()).unwrap();
        assert_eq!(tensor.as_slice::<f32>().unwrap(), &[1.0, 2.0]);
        assert!(Tensor::from_bytes(DType::F32, [3], bytes.clone()).is_err());
        assert!(Tensor::from_bytes(DType::String, [1], bytes).is_err());
        assert!(Tensor::from_bytes(DType::Bool, [1], Bytes::from_static(&[2])).is_err());
    }

    #[test]
    fn memory_can_be_filled_in_place() {
        let fill = |bytes: &mut [u8]| {
            bytes.copy_from_slice(
                &[1.5f32.to_ne_bytes(), 2.5f32.to_ne_bytes(), 3.5f32.to_ne_bytes()].concat(),
            );
            Ok::<(), Error>(())
        };
        let mut tensor = Tensor::from_fill(DType::F32, [3], fill).unwrap();
        assert_eq!(tensor.as_slice::<f32>().unwrap(), &[1.5, 2.5, 3.5]);
        assert!(tensor.is_unique());
        let two = |bytes: &mut [u8]| {
            bytes.fill(2);
            Ok::<(), Error>(())
        };
        assert!(Tensor::from_fill(DType::Bool, [1], two).is_err());
        assert!(Tensor::from_fill(DType::F64, [usize::MAX / 64], two).is_err());
        assert_eq!(Tensor::from_fill(DType::Complex128, [0], two).unwrap().n_elements(), 0);
    }

    #[test]
    fn absurd_sizes_are_refused() {
        let error = Tensor::zeros(DType::F32, [usize::MAX / 16, 8]).unwrap_err();
        assert_eq!(error.code(), crate::Code::ResourceExhausted);
        assert!(Tensor::zeros(DType::String, [usize::MAX]).is_err());
        assert_eq!(Tensor::zeros(DType::F64, [0, usize::MAX]).unwrap().n_elements(), 0);
    }
}
