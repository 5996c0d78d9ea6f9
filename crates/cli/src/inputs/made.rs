//! Values of inputs that nobody gave: zeros, or random ones.

use bytes::Bytes;
use flowkeep_graph::TensorInfo;
use flowkeep_tensor::{DType, Element, Shape, Tensor, bf16, f16};

use crate::args::Made;
use crate::error::Error;

/// The most bytes of a made input.
const MAX_BYTES: usize = 1 << 32;

/// A value for the input `key`, in which dimensions that are open have the size `dim`.
///
/// Random floats are from [0, 1), bytes are any; other integers are 0 or 1, which are ids in any vocabulary;
/// strings are words. Of unknown rank, a scalar is made. Errors: `INVALID_ARGUMENT` for inputs that are too large;
/// `UNIMPLEMENTED` for types that have no values.
pub(crate) fn make(key: &str, info: &TensorInfo, made: Made, dim: u64) -> Result<Tensor, Error> {
    let Some(dtype) = info.dtype.map(|port| port.dtype) else {
        return Err(Error::invalid(format!(
            "input \"{key}\" is an operation, which takes no value"
        )));
    };
    // Of unknown rank are mostly rates and switches.
    let dims = info.shape.dims().unwrap_or_default();
    let dims = dims.iter().map(|known| usize::try_from(known.unwrap_or(dim)).ok());
    let shape = dims.collect::<Option<Vec<usize>>>().map(|dims| Shape::new(&dims));
    let too_large =
        || Error::invalid(format!("input \"{key}\" would be larger than {MAX_BYTES} bytes"));
    let shape = shape.ok_or_else(too_large)?;
    let size = dtype.size_bytes().unwrap_or(16);
    let n =
        shape.checked_n_elements().filter(|n| n.checked_mul(size).is_some_and(|n| n <= MAX_BYTES));
    let n = n.ok_or_else(too_large)?;
    match made {
        Made::Zeros if dtype == DType::String => {
            Ok(Tensor::from_strings(shape, vec![Bytes::new(); n])?)
        }
        Made::Zeros => Ok(Tensor::zeros(dtype, shape)?),
        Made::Random(seed) => random(&mut Random::new(seed, key), dtype, shape, n),
    }
}

fn random(random: &mut Random, dtype: DType, shape: Shape, n: usize) -> Result<Tensor, Error> {
    fn of<T: Element>(n: usize, shape: Shape, next: impl FnMut() -> T) -> Result<Tensor, Error> {
        Ok(Tensor::from_vec(shape, std::iter::repeat_with(next).take(n).collect())?)
    }
    match dtype {
        DType::F32 => of(n, shape, || random.unit() as f32),
        DType::F64 => of(n, shape, || random.unit()),
        DType::F16 => of(n, shape, || f16::from_f64(random.unit())),
        DType::BF16 => of(n, shape, || bf16::from_f64(random.unit())),
        DType::U8 => of(n, shape, || random.below(256) as u8),
        DType::I8 => of(n, shape, || random.below(2) as i8),
        DType::I16 => of(n, shape, || random.below(2) as i16),
        DType::U16 => of(n, shape, || random.below(2) as u16),
        DType::I32 => of(n, shape, || random.below(2) as i32),
        DType::U32 => of(n, shape, || random.below(2) as u32),
        DType::I64 => of(n, shape, || random.below(2) as i64),
        DType::U64 => of(n, shape, || random.below(2)),
        DType::Bool => of(n, shape, || random.below(2) == 1),
        DType::String => {
            let word = |random: &mut Random| {
                let letters = 3 + random.below(6);
                (0..letters).map(|_| b'a' + random.below(26) as u8).collect::<Vec<u8>>().into()
            };
            Ok(Tensor::from_strings(shape, (0..n).map(|_| word(random)).collect())?)
        }
        // Of the others there are too few models for random values to be missed.
        _ => Ok(Tensor::zeros(dtype, shape)?),
    }
}

/// SplitMix64, of a seed and the input's key.
struct Random(u64);

impl Random {
    fn new(seed: u64, key: &str) -> Random {
        let mut random = Random(seed);
        for byte in key.bytes() {
            random.0 = random.next() ^ u64::from(byte);
        }
        random
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number in [0, 1).
    fn unit(&mut self) -> f64 {
        (self.next() >> 40) as f64 / (1u64 << 24) as f64
    }

    fn below(&mut self, n: u64) -> u64 {
        (self.next() >> 32) % n
    }
}

#[cfg(test)]
mod tests {
    use flowkeep_graph::{Encoding, PortType};
    use flowkeep_tensor::PartialShape;

    use super::*;

    fn info(dtype: DType, shape: PartialShape) -> TensorInfo {
        TensorInfo {
            encoding: Encoding::Dense("x:0".into()),
            dtype: Some(PortType::value(dtype)),
            shape,
        }
    }

    #[test]
    fn values_have_the_type_and_shape_of_the_input() {
        for dtype in DType::ALL {
            let info = info(*dtype, PartialShape::new(vec![None, Some(3)]));
            for made in [Made::Zeros, Made::Random(1)] {
                match make("x", &info, made, 2) {
                    Ok(tensor) => {
                        assert_eq!((tensor.dtype(), tensor.dims()), (*dtype, &[2, 3][..]))
                    }
                    Err(error) => {
                        assert!(
                            dtype.size_bytes().is_none() && *dtype != DType::String,
                            "{dtype} {error}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn a_seed_and_a_key_tell_the_values() {
        let info = info(DType::F32, PartialShape::new(vec![Some(8)]));
        let values = |key: &str, seed: u64| {
            let tensor = make(key, &info, Made::Random(seed), 1).unwrap();
            tensor.as_slice::<f32>().unwrap().to_vec()
        };
        assert_eq!(values("x", 1), values("x", 1));
        assert_ne!(values("x", 1), values("x", 2));
        assert_ne!(values("x", 1), values("y", 1));
        assert!(values("x", 1).iter().all(|value| (0.0..1.0).contains(value)));
    }

    #[test]
    fn what_cannot_be_made_is_said() {
        let unknown = info(DType::F32, PartialShape::unknown());
        assert!(make("x", &unknown, Made::Zeros, 1).unwrap().shape().is_scalar());
        let huge = info(DType::F32, PartialShape::new(vec![Some(1 << 40)]));
        assert!(make("x", &huge, Made::Zeros, 1).unwrap_err().to_string().contains("larger than"));
    }
}
