//! Tensors as TensorFlow's messages show them, and the op whose message that is.

use bytes::Bytes;
use flowkeep_tensor::{DType, Element, Tensor};

use super::printf::{short_f32, short_f64};
use crate::kernel::{KernelInit, Status};
use crate::ops::args::{Built, kernel};
use crate::ops::dispatch::with_type;

/// Fails if a condition does not hold, with a message that shows some tensors.
///
/// Shapes: `condition []`, `data` any → no output.  Types: `condition` bool, `data` any.
/// Errors: `INVALID_ARGUMENT` if `condition` is false or no scalar; the message shows the first
/// `summarize` elements of each tensor, all for a negative number.
/// Source: OpDef `Assert`.
pub(super) fn assert(init: &KernelInit<'_>) -> Built {
    let limit = usize::try_from(init.attr_int("summarize")?).unwrap_or(usize::MAX);
    kernel(move |cx| {
        let condition = cx.input(0)?;
        if !condition.shape().is_scalar() {
            let message = format!("In[0] should be a scalar: {}", condition.shape());
            return Err(Status::invalid_argument(message));
        }
        if condition.to_scalar()? {
            return Ok(());
        }
        let mut message = "assertion failed:".to_owned();
        for idx in 1..cx.n_inputs() {
            message.push_str(&format!(" [{}]", summarize(cx.input(idx)?, limit)?));
        }
        Err(Status::invalid_argument(message))
    })
}

/// The first `limit` elements of a tensor, rows in brackets: `[1.5 2][3...]...`.
fn summarize(tensor: &Tensor, limit: usize) -> Result<String, Status> {
    if tensor.dtype() == DType::String {
        let text = |string: &Bytes| String::from_utf8_lossy(string).into_owned();
        return Ok(Summary::of(tensor, tensor.as_strings()?, limit, &text));
    }
    with_type!(
        tensor.dtype(),
        T in [
            F16 => flowkeep_tensor::f16,
            BF16 => flowkeep_tensor::bf16,
            F32 => f32,
            F64 => f64,
            I8 => i8,
            I16 => i16,
            I32 => i32,
            I64 => i64,
            U8 => u8,
            U16 => u16,
            U32 => u32,
            U64 => u64,
            Bool => bool,
        ] => Ok(Summary::of(tensor, tensor.as_slice::<T>()?, limit, &T::text)),
        else {
            let n = tensor.n_elements();
            Ok(Summary::of(tensor, &vec![(); n.min(limit)], limit, &|()| "?".to_owned()))
        }
    )
}

/// An element that messages can show.
trait Show: Element {
    fn text(&self) -> String;
}

macro_rules! show {
    ($($t:ty => $text:expr),* $(,)?) => {$(
        impl Show for $t {
            fn text(&self) -> String {
                let text: fn($t) -> String = $text;
                text(*self)
            }
        }
    )*};
}

show! {
    f32 => short_f32,
    f64 => short_f64,
    flowkeep_tensor::f16 => |x| short_f32(x.to_f32()),
    flowkeep_tensor::bf16 => |x| short_f32(x.to_f32()),
    i8 => |x| x.to_string(),
    i16 => |x| x.to_string(),
    i32 => |x| x.to_string(),
    i64 => |x| x.to_string(),
    u8 => |x| x.to_string(),
    u16 => |x| x.to_string(),
    u32 => |x| x.to_string(),
    u64 => |x| x.to_string(),
    bool => |x| u8::from(x).to_string(),
}

/// A summary in the making.
struct Summary<'a, T> {
    values: &'a [T],
    /// Elements shown so far, and at most.
    n_shown: usize,
    limit: usize,
    show: &'a dyn Fn(&T) -> String,
    text: String,
}

impl<'a, T> Summary<'a, T> {
    fn of(
        tensor: &Tensor,
        values: &'a [T],
        limit: usize,
        show: &'a dyn Fn(&T) -> String,
    ) -> String {
        let n = tensor.n_elements();
        let limit = limit.min(n);
        let mut summary = Summary { values, n_shown: 0, limit, show, text: String::new() };
        match tensor.dims() {
            [] => summary.row(1, true),
            dims => summary.block(dims, true),
        }
        if n > limit {
            summary.text.push_str("...");
        }
        summary.text
    }

    fn block(&mut self, dims: &[usize], is_outermost: bool) {
        match dims {
            [n] => self.row(*n, is_outermost),
            [n, inner @ ..] => {
                // What lies beyond the limit leaves no trace.
                for _ in 0..*n {
                    if self.n_shown >= self.limit {
                        return;
                    }
                    self.text.push('[');
                    self.block(inner, false);
                    self.text.push(']');
                }
            }
            [] => {}
        }
    }

    fn row(&mut self, n: usize, is_outermost: bool) {
        for i in 0..n {
            if self.n_shown >= self.limit {
                if !is_outermost && i > 0 {
                    self.text.push_str("...");
                }
                return;
            }
            if i > 0 {
                self.text.push(' ');
            }
            if let Some(value) = self.values.get(self.n_shown) {
                self.text.push_str(&(self.show)(value));
            }
            self.n_shown += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(tensor: Tensor, limit: usize, expected: &str) {
        assert_eq!(summarize(&tensor, limit).unwrap(), expected);
    }

    fn count(shape: &[usize]) -> Tensor {
        let n: usize = shape.iter().product();
        Tensor::from_vec(shape.to_vec(), (0..n as i32).collect()).unwrap()
    }

    /// From messages of TensorFlow 2.21.
    #[test]
    fn summaries_are_cut_as_in_tensorflow() {
        check(
            Tensor::from_vec([2, 2], vec![1.5f32, 2.0, 3.0, 4.0]).unwrap(),
            3,
            "[1.5 2][3...]...",
        );
        check(Tensor::from_elements(vec![true, false]), 3, "1 0");
        check(count(&[5]), 3, "0 1 2...");
        check(count(&[5]), usize::MAX, "0 1 2 3 4");
        check(Tensor::scalar(7), 3, "7");
        check(Tensor::scalar(2), 0, "...");
        check(count(&[2, 3, 4]), 3, "[[0 1 2...]]...");
        check(
            count(&[2, 3, 4]),
            20,
            "[[0 1 2 3][4 5 6 7][8 9 10 11]][[12 13 14 15][16 17 18 19]]...",
        );
        check(count(&[2, 0]), 3, "");
        check(Tensor::scalar_string("x is bad:"), 3, "x is bad:");
    }

    #[test]
    fn numbers_are_short() {
        let values = vec![1e30f32, 1e-9, 0.1, 123_456.7, f32::NAN, f32::INFINITY];
        check(Tensor::from_elements(values), 9, "1e+30 1e-09 0.1 123456.703 nan inf");
        check(Tensor::from_elements(vec![0.1f64, 1.0 / 3.0]), 9, "0.1 0.33333333333333331");
        let complex = flowkeep_tensor::Complex { re: 1f32, im: 2.0 };
        check(Tensor::from_elements(vec![complex]), 9, "?");
    }
}
