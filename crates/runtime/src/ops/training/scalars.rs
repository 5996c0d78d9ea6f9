//! What the scalars of optimizers must be, in TensorFlow's words.

use flowkeep_tensor::{DType, Tensor};

use super::number::{Number, Stored};
use crate::kernel::Status;

/// The values that a scalar may have.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Bound {
    None,
    Positive,
    NonNegative,
    NonPositive,
}

/// One scalar of an optimizer.
#[derive(Clone, Copy, Debug)]
pub(super) struct ScalarSpec {
    label: &'static str,
    /// What it is not, when it is refused.
    what: &'static str,
    separator: &'static str,
    bound: Bound,
}

impl ScalarSpec {
    /// The scalar `name` of `op`; `zero_rate` says that the rate may be 0 where it is looked at.
    pub(super) fn new(op: &str, name: &'static str, zero_rate: bool) -> ScalarSpec {
        let op = op.trim_start_matches("Resource");
        let is_sparse = op.starts_with("Sparse");
        let rule = op.trim_start_matches("Sparse").trim_start_matches("Apply");
        let is_ftrl = matches!(rule, "Ftrl" | "FtrlV2");
        let is_strict = rule == "ProximalAdagrad" || is_sparse && is_ftrl;
        let label = match (name, rule) {
            ("l1", _) => "l1 regularization strength",
            ("l2", _) => "l2 regularization strength",
            ("l2_shrinkage", _) => "l2 shrinkage regularization strength",
            ("alpha", "ProximalGradientDescent") if is_sparse => "lr",
            _ => name,
        };
        let (what, bound) = match name {
            _ if !is_strict => ("scalar", Bound::None),
            "lr" if is_ftrl && zero_rate => (FTRL_RATE, Bound::NonNegative),
            "lr" if is_ftrl => (FTRL_RATE, Bound::Positive),
            "lr" => ("positive scalar", Bound::Positive),
            "lr_power" => ("non-positive scalar", Bound::NonPositive),
            _ => ("non-negative scalar", Bound::NonNegative),
        };
        let separator = match (name, rule) {
            ("lr", "Adam" | "AdamWithAmsgrad" | "AdaMax") => " : ",
            ("lr", "RMSProp" | "CenteredRMSProp") if !is_sparse => " : ",
            ("lr", "Momentum" | "KerasMomentum") if is_sparse => " : ",
            ("lr_power", _) if !is_sparse => "",
            _ => ": ",
        };
        ScalarSpec { label, what, separator, bound }
    }

    /// The value of `tensor`, which may be a step count.
    ///
    /// Errors: `INVALID_ARGUMENT` for another shape, or a value out of bounds.
    pub(super) fn read<T: Stored>(&self, tensor: &Tensor) -> Result<T::Number, Status> {
        let value = match tensor.shape().is_scalar() {
            false => None,
            true if tensor.dtype() == DType::I64 => {
                tensor.as_slice::<i64>()?.first().map(|n| T::Number::from_int(*n))
            }
            true => tensor.as_slice::<T>()?.first().map(|x| x.widen()),
        };
        let zero = T::Number::ZERO;
        let is_in_bounds = |value: &T::Number| match self.bound {
            Bound::None => true,
            Bound::Positive => *value > zero,
            Bound::NonNegative => *value >= zero,
            Bound::NonPositive => *value <= zero,
        };
        value.filter(is_in_bounds).ok_or_else(|| {
            let ScalarSpec { label, what, separator, .. } = self;
            let shape = tensor.shape();
            Status::invalid_argument(format!("{label} is not a {what}{separator}{shape}"))
        })
    }
}

const FTRL_RATE: &str = "positive scalar (or zero if multiply_linear_by_lr is set)";
