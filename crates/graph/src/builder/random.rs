//! Random tensors, and the seeds that random ops get.

use flowkeep_tensor::{Complex, DType, Shape, Tensor, bf16, f16};

use super::{Operand, Scope};
use crate::{Attr, Error, Output};

/// The first seed of an op that has its own, in a graph that has none.
const GRAPH_SEED: i64 = 87_654_321;
/// Seeds are taken modulo this.
const MAX_SEED: i64 = (1 << 31) - 1;

/// Where random ops get their seeds from.
#[derive(Clone, Debug, Default)]
pub(super) struct Seeds {
    graph: Option<i64>,
    /// How many ops have got one.
    n_given: i64,
}

impl Seeds {
    pub(super) fn set(&mut self, seed: Option<i64>) {
        self.graph = seed;
    }

    /// The two seeds of an op; zeros for one that is to differ from run to run.
    fn next(&mut self, own: Option<i64>) -> (i64, i64) {
        let truncated = |seed: i64| seed.rem_euclid(MAX_SEED);
        let seeds = match (self.graph, own) {
            (None, None) => return (0, 0),
            (None, Some(own)) => (GRAPH_SEED, truncated(own)),
            (Some(graph), Some(own)) => (truncated(graph), truncated(own)),
            (Some(graph), None) => {
                self.n_given += 1;
                (truncated(graph), truncated(self.n_given - 1))
            }
        };
        // Zeros would stand for no seeds at all.
        if seeds == (0, 0) { (0, MAX_SEED) } else { seeds }
    }
}

impl Scope {
    /// Numbers drawn evenly from `[min, max)`: `tf.random.uniform`.
    ///
    /// Errors: `INVALID_ARGUMENT` for types other than floats, `int32` and `int64`.
    pub fn random_uniform(
        &mut self,
        shape: impl Into<Operand>,
        range: std::ops::Range<f64>,
        dtype: DType,
        seed: Option<i64>,
    ) -> Result<Output, Error> {
        const ACCEPTED: [DType; 6] =
            [DType::F16, DType::BF16, DType::F32, DType::F64, DType::I32, DType::I64];
        if !ACCEPTED.contains(&dtype) {
            let accepted: Vec<String> =
                ACCEPTED.iter().map(|dtype| format!("tf.{}", dtype.python_name())).collect();
            return Err(Error::Inputs {
                op: "RandomUniform".to_owned(),
                message: format!(
                    "Argument `dtype` got invalid value <dtype: '{}'>. Accepted dtypes are ({}).",
                    dtype.python_name(),
                    accepted.join(", ")
                ),
            });
        }
        let name = self.take_op_name("random_uniform");
        let mut inner = self.name_scope(&name)?;
        let name = inner.current_name_scope();
        let shape = inner.tensor(shape, "shape")?;
        let min = inner.constant_named(&number(dtype, range.start)?, "min")?;
        let max = inner.constant_named(&number(dtype, range.end)?, "max")?;
        let seeds = inner.seeds.next(seed);
        if dtype.is_integer() {
            let op = inner.op("RandomUniformInt").input(shape).input(min).input(max);
            return op.seeds(seeds).name(&name).build_one();
        }
        let drawn = inner.op("RandomUniform").input(shape).attr("dtype", Attr::Type(dtype));
        let drawn = drawn.seeds(seeds).build_one()?;
        let width = inner.with_op_name("sub").sub(max, min)?;
        let scaled = inner.with_op_name("mul").mul(drawn, width)?;
        inner.with_op_name(&name).add(scaled, min)
    }

    /// Numbers drawn evenly from `[0, 1)`.
    pub(super) fn unit_uniform(
        &mut self,
        shape: Output,
        dtype: DType,
        seed: Option<i64>,
    ) -> Result<Output, Error> {
        let name = self.take_op_name("random_uniform");
        let mut inner = self.name_scope(&name)?;
        let seeds = inner.seeds.next(seed);
        let drawn = inner.op("RandomUniform").input(shape).attr("dtype", Attr::Type(dtype));
        drawn.seeds(seeds).build_one()
    }

    /// Leaves out an op, with the seed that it would get.
    pub(super) fn skip_seed(&mut self, seed: Option<i64>) {
        self.seeds.next(seed);
    }

    /// Numbers of the normal distribution: `tf.random.normal`.
    ///
    /// Errors: `INVALID_ARGUMENT` for types other than floats.
    pub fn random_normal(
        &mut self,
        shape: impl Into<Operand>,
        mean: f64,
        stddev: f64,
        dtype: DType,
        seed: Option<i64>,
    ) -> Result<Output, Error> {
        self.normal(
            "random_normal",
            "RandomStandardNormal",
            shape.into(),
            [mean, stddev],
            dtype,
            seed,
        )
    }

    /// Numbers of the normal distribution that are within two standard deviations of its mean:
    /// `tf.random.truncated_normal`.
    ///
    /// Errors: `INVALID_ARGUMENT` for types other than floats.
    pub fn truncated_normal(
        &mut self,
        shape: impl Into<Operand>,
        mean: f64,
        stddev: f64,
        dtype: DType,
        seed: Option<i64>,
    ) -> Result<Output, Error> {
        self.normal(
            "truncated_normal",
            "TruncatedNormal",
            shape.into(),
            [mean, stddev],
            dtype,
            seed,
        )
    }

    fn normal(
        &mut self,
        default_name: &str,
        op: &str,
        shape: Operand,
        [mean, stddev]: [f64; 2],
        dtype: DType,
        seed: Option<i64>,
    ) -> Result<Output, Error> {
        let name = self.take_op_name(default_name);
        let mut inner = self.name_scope(&name)?;
        let name = inner.current_name_scope();
        let shape = inner.tensor(shape, "shape")?;
        let mean = inner.constant_named(&number(dtype, mean)?, "mean")?;
        let stddev = inner.constant_named(&number(dtype, stddev)?, "stddev")?;
        let seeds = inner.seeds.next(seed);
        let drawn = inner.op(op).input(shape).attr("dtype", Attr::Type(dtype));
        let drawn = drawn.seeds(seeds).build_one()?;
        let scaled = inner.with_op_name("mul").mul(drawn, stddev)?;
        inner.with_op_name(&name).add(scaled, mean)
    }
}

/// A shape as what ops take for one: a vector of `int32`.
pub(crate) fn shape_operand(shape: &Shape) -> Result<Operand, Error> {
    let dims = shape.dims().iter().map(|dim| i32::try_from(*dim));
    let dims: Vec<i32> = dims.collect::<Result<_, _>>().map_err(|_| Error::Inputs {
        op: "Const".to_owned(),
        message: format!("shape {shape} has a dimension beyond 32 bits"),
    })?;
    Ok(dims.into())
}

/// A scalar of this type.
///
/// Errors: `INVALID_ARGUMENT` for types that are no numbers, and for integers that `value` is not.
pub(crate) fn number(dtype: DType, value: f64) -> Result<Tensor, Error> {
    let is_integer = value.fract() == 0.0 && value.abs() < 9e15;
    #[expect(
        clippy::as_conversions,
        reason = "whether the value is a small integer is asked before the result counts"
    )]
    let integer = value as i64;
    #[expect(clippy::as_conversions, reason = "rounding to the nearest float is meant")]
    let single = value as f32;
    let refused = || Error::Inputs {
        op: "Const".to_owned(),
        message: format!("Expected {}, but got {value:?} of type 'float'.", dtype.python_name()),
    };
    let exact = || if is_integer { Ok(integer) } else { Err(refused()) };
    Ok(match dtype {
        DType::F32 => Tensor::scalar(single),
        DType::F64 => Tensor::scalar(value),
        DType::F16 => Tensor::scalar(f16::from_f64(value)),
        DType::BF16 => Tensor::scalar(bf16::from_f64(value)),
        DType::Complex64 => Tensor::scalar(Complex { re: single, im: 0.0 }),
        DType::Complex128 => Tensor::scalar(Complex { re: value, im: 0.0 }),
        DType::I64 => Tensor::scalar(exact()?),
        DType::I32 => Tensor::scalar(i32::try_from(exact()?).map_err(|_| refused())?),
        DType::I16 => Tensor::scalar(i16::try_from(exact()?).map_err(|_| refused())?),
        DType::I8 => Tensor::scalar(i8::try_from(exact()?).map_err(|_| refused())?),
        DType::U8 => Tensor::scalar(u8::try_from(exact()?).map_err(|_| refused())?),
        DType::U16 => Tensor::scalar(u16::try_from(exact()?).map_err(|_| refused())?),
        DType::U32 => Tensor::scalar(u32::try_from(exact()?).map_err(|_| refused())?),
        DType::U64 => Tensor::scalar(u64::try_from(exact()?).map_err(|_| refused())?),
        _ => return Err(refused()),
    })
}

impl super::NodeBuilder<'_> {
    fn seeds(self, (seed, seed2): (i64, i64)) -> Self {
        self.attr("seed", Attr::Int(seed)).attr("seed2", Attr::Int(seed2))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_those_of_the_graph_and_of_the_op() {
        let mut seeds = Seeds::default();
        assert_eq!(seeds.next(None), (0, 0));
        assert_eq!(seeds.next(Some(3)), (87_654_321, 3));
        assert_eq!(seeds.next(Some(-1)), (87_654_321, (1 << 31) - 2));
        seeds.set(Some(0));
        assert_eq!(seeds.next(None), (0, (1 << 31) - 1));
        assert_eq!(seeds.next(None), (0, 1));
        assert_eq!(seeds.next(Some(0)), (0, (1 << 31) - 1));
    }

    #[test]
    fn numbers_are_of_the_type_that_is_asked_for() {
        assert_eq!(number(DType::I32, 3.0).unwrap().as_slice::<i32>().unwrap(), [3]);
        assert_eq!(
            number(DType::F16, 0.5).unwrap().as_slice::<f16>().unwrap(),
            [f16::from_f32(0.5)]
        );
        assert_eq!(
            number(DType::I32, 0.5).unwrap_err().to_string(),
            "Expected int32, but got 0.5 of type 'float'."
        );
        assert!(number(DType::U8, 256.0).is_err());
        assert!(number(DType::Bool, 1.0).is_err());
    }
}
