//! TensorFlow's math ops.

mod arg_extreme;
mod arithmetic;
mod binary;
mod cast;
mod compare;
mod complex;
mod count;
mod einsum;
mod equation;
mod functions;
mod matmul;
mod nary;
mod norm;
mod range;
mod reduce;
mod scalar;
mod scan;
mod segment;
mod select;
mod sparse_segment;
mod special;
mod unary;
mod unary_grad;

use flowkeep_tensor::DType;

use crate::kernel::{OpRegistration, op};
use crate::ops::dispatch::{FLOATS, INDICES, NUMBERS, REALS};
use crate::ops::types::{ADDENDS, CASTABLE, COMPARABLE, INEXACT, ORDERED, SUMMABLE};

const WIDE: &[DType] = &[DType::I32, DType::I64, DType::F32, DType::F64];
const WIDE_FLOATS: &[DType] = &[DType::F32, DType::F64];
const SPARSE: &[DType] = &[DType::BF16, DType::F32];

/// The table of this family, sorted by op.
pub(super) const OPS: &[OpRegistration] = &[
    op("Abs").types(&[("T", REALS)]).cpu(functions::abs).elementwise(),
    op("Acos").types(&[("T", INEXACT)]).cpu(functions::acos).elementwise(),
    op("Acosh").types(&[("T", INEXACT)]).cpu(functions::acosh).elementwise(),
    op("Add").types(&[("T", SUMMABLE)]).cpu(arithmetic::add).elementwise(),
    op("AddN").types(&[("T", ADDENDS)]).cpu(nary::add_n),
    op("AddV2").types(&[("T", NUMBERS)]).cpu(arithmetic::add_v2).elementwise(),
    op("All").cpu(reduce::all),
    op("Any").cpu(reduce::any),
    op("ApproximateEqual").types(&[("T", WIDE_FLOATS)]).cpu(count::approximate_equal),
    op("ArgMax").types(&[("T", ORDERED)]).cpu(arg_extreme::arg_max),
    op("ArgMin").types(&[("T", ORDERED)]).cpu(arg_extreme::arg_min),
    op("Asin").types(&[("T", INEXACT)]).cpu(functions::asin).elementwise(),
    op("Asinh").types(&[("T", INEXACT)]).cpu(functions::asinh).elementwise(),
    op("Atan").types(&[("T", INEXACT)]).cpu(functions::atan).elementwise(),
    op("Atan2").types(&[("T", FLOATS)]).cpu(arithmetic::atan2).elementwise(),
    op("Atanh").types(&[("T", INEXACT)]).cpu(functions::atanh).elementwise(),
    op("BatchMatMul").types(&[("T", NUMBERS)]).cpu(matmul::batch_mat_mul),
    op("BatchMatMulV2").types(&[("T", NUMBERS)]).cpu(matmul::batch_mat_mul_v2),
    op("BatchMatMulV3").types(&[("Ta", NUMBERS), ("Tb", NUMBERS)]).cpu(matmul::batch_mat_mul_v2),
    op("Bincount").types(&[("T", WIDE)]).cpu(count::bincount),
    op("Bucketize").types(&[("T", WIDE)]).cpu(count::bucketize),
    op("Cast").types(&[("SrcT", CASTABLE), ("DstT", CASTABLE)]).cpu(cast::cast),
    op("Ceil").types(&[("T", FLOATS)]).cpu(functions::ceil).elementwise(),
    op("CheckNumerics").types(&[("T", FLOATS)]).cpu(functions::check_numerics),
    op("CheckNumericsV2").types(&[("T", FLOATS)]).cpu(functions::check_numerics),
    op("ClipByValue").types(&[("T", REALS)]).cpu(nary::clip_by_value),
    op("Cos").types(&[("T", INEXACT)]).cpu(functions::cos).elementwise(),
    op("Cosh").types(&[("T", INEXACT)]).cpu(functions::cosh).elementwise(),
    op("Cumprod").types(&[("T", NUMBERS)]).cpu(scan::cumprod),
    op("Cumsum").types(&[("T", NUMBERS)]).cpu(scan::cumsum),
    op("DenseBincount").types(&[("T", WIDE), ("Tidx", INDICES)]).cpu(count::dense_bincount),
    op("Div").types(&[("T", NUMBERS)]).cpu(arithmetic::div).elementwise(),
    op("DivNoNan").types(&[("T", INEXACT)]).cpu(arithmetic::div_no_nan).elementwise(),
    op("Einsum").types(&[("T", NUMBERS)]).cpu(einsum::einsum),
    op("Equal").types(&[("T", COMPARABLE)]).cpu(compare::equal),
    op("Erf").types(&[("T", FLOATS)]).cpu(functions::erf).elementwise(),
    op("Erfc").types(&[("T", FLOATS)]).cpu(functions::erfc).elementwise(),
    op("Erfinv").types(&[("T", WIDE_FLOATS)]).cpu(functions::erfinv).elementwise(),
    op("EuclideanNorm").types(&[("T", NUMBERS)]).cpu(norm::euclidean_norm),
    op("Exp").types(&[("T", INEXACT)]).cpu(functions::exp).elementwise(),
    op("Expm1").types(&[("T", INEXACT)]).cpu(functions::expm1).elementwise(),
    op("Floor").types(&[("T", FLOATS)]).cpu(functions::floor).elementwise(),
    op("FloorDiv").types(&[("T", REALS)]).cpu(arithmetic::floor_div).elementwise(),
    op("FloorMod").types(&[("T", REALS)]).cpu(arithmetic::floor_mod).elementwise(),
    op("Greater").types(&[("T", REALS)]).cpu(compare::greater).elementwise(),
    op("GreaterEqual").types(&[("T", REALS)]).cpu(compare::greater_equal).elementwise(),
    op("Inv").types(&[("T", NUMBERS)]).cpu(functions::reciprocal).elementwise(),
    op("InvGrad").types(&[("T", INEXACT)]).cpu(unary_grad::reciprocal_grad),
    op("IsFinite").types(&[("T", FLOATS)]).cpu(functions::is_finite).elementwise(),
    op("IsInf").types(&[("T", FLOATS)]).cpu(functions::is_inf).elementwise(),
    op("IsNan").types(&[("T", FLOATS)]).cpu(functions::is_nan).elementwise(),
    op("Less").types(&[("T", REALS)]).cpu(compare::less).elementwise(),
    op("LessEqual").types(&[("T", REALS)]).cpu(compare::less_equal).elementwise(),
    op("LinSpace").types(&[("T", FLOATS)]).cpu(range::lin_space),
    op("Log").types(&[("T", INEXACT)]).cpu(functions::log).elementwise(),
    op("Log1p").types(&[("T", INEXACT)]).cpu(functions::log1p).elementwise(),
    op("LogicalAnd").cpu(compare::logical_and).elementwise(),
    op("LogicalNot").cpu(compare::logical_not).elementwise(),
    op("LogicalOr").cpu(compare::logical_or).elementwise(),
    op("MatMul").types(&[("T", NUMBERS)]).cpu(matmul::mat_mul),
    op("Max").types(&[("T", REALS)]).cpu(reduce::max),
    op("Maximum").types(&[("T", REALS)]).cpu(arithmetic::maximum).elementwise(),
    op("Mean").types(&[("T", NUMBERS)]).cpu(reduce::mean),
    op("Min").types(&[("T", REALS)]).cpu(reduce::min),
    op("Minimum").types(&[("T", REALS)]).cpu(arithmetic::minimum).elementwise(),
    op("Mod").types(&[("T", REALS)]).cpu(arithmetic::modulo).elementwise(),
    op("Mul").types(&[("T", NUMBERS)]).cpu(arithmetic::mul).elementwise(),
    op("MulNoNan").types(&[("T", INEXACT)]).cpu(arithmetic::mul_no_nan).elementwise(),
    op("Ndtri").types(&[("T", WIDE_FLOATS)]).cpu(functions::ndtri).elementwise(),
    op("Neg").types(&[("T", NUMBERS)]).cpu(functions::neg).elementwise(),
    op("NotEqual").types(&[("T", COMPARABLE)]).cpu(compare::not_equal),
    op("Pow").types(&[("T", NUMBERS)]).cpu(arithmetic::pow).elementwise(),
    op("Prod").types(&[("T", NUMBERS)]).cpu(reduce::prod),
    op("Range").types(&[("Tidx", REALS)]).cpu(range::range),
    op("RealDiv").types(&[("T", INEXACT)]).cpu(arithmetic::real_div).elementwise(),
    op("Reciprocal").types(&[("T", NUMBERS)]).cpu(functions::reciprocal).elementwise(),
    op("ReciprocalGrad").types(&[("T", INEXACT)]).cpu(unary_grad::reciprocal_grad),
    op("Rint").types(&[("T", FLOATS)]).cpu(functions::rint).elementwise(),
    op("Round").types(&[("T", REALS)]).cpu(functions::round).elementwise(),
    op("Rsqrt").types(&[("T", INEXACT)]).cpu(functions::rsqrt).elementwise(),
    op("RsqrtGrad").types(&[("T", INEXACT)]).cpu(unary_grad::rsqrt_grad),
    op("SegmentMax").types(&[("T", REALS), ("Tindices", INDICES)]).cpu(segment::segment_max),
    op("SegmentMean").types(&[("T", NUMBERS), ("Tindices", INDICES)]).cpu(segment::segment_mean),
    op("SegmentMin").types(&[("T", REALS), ("Tindices", INDICES)]).cpu(segment::segment_min),
    op("SegmentProd").types(&[("T", NUMBERS), ("Tindices", INDICES)]).cpu(segment::segment_prod),
    op("SegmentSum").types(&[("T", NUMBERS), ("Tindices", INDICES)]).cpu(segment::segment_sum),
    op("Select").cpu(select::select),
    op("SelectV2").cpu(select::select_v2),
    op("Sigmoid").types(&[("T", INEXACT)]).cpu(functions::sigmoid).elementwise(),
    op("SigmoidGrad").types(&[("T", INEXACT)]).cpu(unary_grad::sigmoid_grad),
    op("Sign").types(&[("T", NUMBERS)]).cpu(functions::sign).elementwise(),
    op("Sin").types(&[("T", INEXACT)]).cpu(functions::sin).elementwise(),
    op("Sinh").types(&[("T", INEXACT)]).cpu(functions::sinh).elementwise(),
    op("SparseMatMul").types(&[("Ta", SPARSE), ("Tb", SPARSE)]).cpu(matmul::sparse_mat_mul),
    op("SparseSegmentMean").types(&[("T", FLOATS)]).cpu(sparse_segment::sparse_segment),
    op("SparseSegmentMeanGrad").types(&[("T", FLOATS)]).cpu(sparse_segment::sparse_segment_grad),
    op("SparseSegmentMeanGradV2").types(&[("T", FLOATS)]).cpu(sparse_segment::sparse_segment_grad),
    op("SparseSegmentMeanWithNumSegments")
        .types(&[("T", FLOATS)])
        .cpu(sparse_segment::sparse_segment),
    op("SparseSegmentSqrtN").types(&[("T", FLOATS)]).cpu(sparse_segment::sparse_segment),
    op("SparseSegmentSqrtNGrad").types(&[("T", FLOATS)]).cpu(sparse_segment::sparse_segment_grad),
    op("SparseSegmentSqrtNGradV2").types(&[("T", FLOATS)]).cpu(sparse_segment::sparse_segment_grad),
    op("SparseSegmentSqrtNWithNumSegments")
        .types(&[("T", FLOATS)])
        .cpu(sparse_segment::sparse_segment),
    op("SparseSegmentSum").types(&[("T", FLOATS)]).cpu(sparse_segment::sparse_segment),
    op("SparseSegmentSumGrad").types(&[("T", FLOATS)]).cpu(sparse_segment::sparse_segment_grad),
    op("SparseSegmentSumGradV2").types(&[("T", FLOATS)]).cpu(sparse_segment::sparse_segment_grad),
    op("SparseSegmentSumWithNumSegments")
        .types(&[("T", FLOATS)])
        .cpu(sparse_segment::sparse_segment),
    op("Sqrt").types(&[("T", INEXACT)]).cpu(functions::sqrt).elementwise(),
    op("SqrtGrad").types(&[("T", INEXACT)]).cpu(unary_grad::sqrt_grad),
    op("Square").types(&[("T", NUMBERS)]).cpu(functions::square).elementwise(),
    op("SquaredDifference")
        .types(&[("T", NUMBERS)])
        .cpu(arithmetic::squared_difference)
        .elementwise(),
    op("Sub").types(&[("T", NUMBERS)]).cpu(arithmetic::sub).elementwise(),
    op("Sum").types(&[("T", NUMBERS)]).cpu(reduce::sum),
    op("Tan").types(&[("T", INEXACT)]).cpu(functions::tan).elementwise(),
    op("Tanh").types(&[("T", INEXACT)]).cpu(functions::tanh).elementwise(),
    op("TanhGrad").types(&[("T", INEXACT)]).cpu(unary_grad::tanh_grad),
    op("ToBool").cpu(count::to_bool).cheap(),
    op("TruncateDiv").types(&[("T", NUMBERS)]).cpu(arithmetic::truncate_div).elementwise(),
    op("TruncateMod").types(&[("T", REALS)]).cpu(arithmetic::truncate_mod).elementwise(),
    op("UnsortedSegmentMax")
        .types(&[("T", REALS), ("Tindices", INDICES)])
        .cpu(segment::unsorted_max),
    op("UnsortedSegmentMin")
        .types(&[("T", REALS), ("Tindices", INDICES)])
        .cpu(segment::unsorted_min),
    op("UnsortedSegmentProd")
        .types(&[("T", NUMBERS), ("Tindices", INDICES)])
        .cpu(segment::unsorted_prod),
    op("UnsortedSegmentSum")
        .types(&[("T", NUMBERS), ("Tindices", INDICES)])
        .cpu(segment::unsorted_sum),
    op("Xdivy").types(&[("T", INEXACT)]).cpu(arithmetic::xdivy).elementwise(),
    op("Xlog1py").types(&[("T", INEXACT)]).cpu(arithmetic::xlog1py).elementwise(),
    op("Xlogy").types(&[("T", INEXACT)]).cpu(arithmetic::xlogy).elementwise(),
];
