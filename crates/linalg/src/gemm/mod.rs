//! Matrix multiplication: `C = A·B + beta·C`.
//!
//! [`Mat`] describes an operand, transposed ones by their strides. `C` is always row-major and
//! dense. The work is cut into blocks of `C` by shape alone, so results do not depend on the
//! number of threads.

mod batch;
mod few_rows;
mod float;
mod generic;
mod mat;
mod packed;
mod vector;

pub use self::batch::{Batch, batch_gemm};
pub use self::float::{gemm, gemm_f32, gemm_f64};
pub use self::generic::{GemmScalar, gemm_generic, gemm_with};
pub use self::mat::Mat;
pub use self::packed::{PackedMatrix, gemm_packed};

#[cfg(test)]
mod tests;
