//! Where the diagonals of a matrix lie, in it and in a tensor of diagonals.

use flowkeep_tensor::Tensor;

use crate::kernel::{KernelInit, Status};
use crate::ops::args;

/// At which end shorter diagonals than the longest are filled up: whether those above, and those
/// below, the main diagonal start at the left.
#[derive(Clone, Copy, Debug)]
pub(super) struct Align {
    upper_left: bool,
    lower_left: bool,
}

impl Align {
    /// Reads the attribute `align`, which the first two versions of the ops lack.
    ///
    /// Errors: `INVALID_ARGUMENT` for an unknown name.
    pub(super) fn new(init: &KernelInit<'_>) -> Result<Align, Status> {
        let name = match init.attr("align") {
            Some(_) => init.attr_str("align")?,
            None => "LEFT_LEFT",
        };
        let (upper_left, lower_left) = match name {
            "LEFT_LEFT" => (true, true),
            "LEFT_RIGHT" => (true, false),
            "RIGHT_LEFT" => (false, true),
            "RIGHT_RIGHT" => (false, false),
            _ => {
                let message = format!("unknown alignment of diagonals: {name}");
                return Err(Status::invalid_argument(message));
            }
        };
        Ok(Align { upper_left, lower_left })
    }
}

/// The first and last diagonal of a range; 0 is the main one, those above it are positive.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) lower: i64,
    pub(super) upper: i64,
}

/// Reads `k`, which holds one or two diagonals.
///
/// Errors: `INVALID_ARGUMENT` for another shape, or bounds in the wrong order.
pub(super) fn bounds(k: &Tensor) -> Result<Bounds, Status> {
    if k.shape().rank() > 1 {
        return Err(Status::invalid_argument(format!(
            "diag_index must be a scalar or vector, received shape: {}",
            k.shape()
        )));
    }
    let (lower, upper) = match args::ints(k)?[..] {
        [] => {
            return Err(Status::invalid_argument("Expected diag_index to have at least 1 element"));
        }
        [k] => (k, k),
        [lower, upper] => (lower, upper),
        ref more => {
            return Err(Status::invalid_argument(format!(
                "diag_index must have only one or two elements, received {} elements.",
                more.len()
            )));
        }
    };
    if lower > upper {
        return Err(Status::invalid_argument(format!(
            "lower_diag_index must not be larger than upper_diag_index: {lower} > {upper}"
        )));
    }
    Ok(Bounds { lower, upper })
}

impl Bounds {
    /// The main diagonal.
    pub(super) const MAIN: Bounds = Bounds { lower: 0, upper: 0 };

    /// The number of diagonals.
    pub(super) fn n(self) -> u64 {
        self.upper.abs_diff(self.lower).saturating_add(1)
    }

    /// Checks that these are diagonals of matrices of this size; `between` is how the message about
    /// the lower bound goes on.
    pub(super) fn check(self, rows: usize, cols: usize, between: &str) -> Result<(), Status> {
        let size = |size: usize| i64::try_from(size).unwrap_or(i64::MAX);
        let (low, high) = (-size(rows), size(cols));
        let inside = |k: i64| k == 0 || (low < k && k < high);
        let (bound, k, between) = match (inside(self.lower), inside(self.upper)) {
            (true, true) => return Ok(()),
            (false, _) => ("lower", self.lower, between),
            _ => ("upper", self.upper, " "),
        };
        Err(Status::invalid_argument(format!(
            "{bound}_diag_index is out of bound: {k}{between}It must be between {low} and {high}"
        )))
    }
}

/// Diagonals of a matrix and their places in a tensor of diagonals, which holds the last one first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Diagonals {
    pub(super) bounds: Bounds,
    pub(super) rows: usize,
    pub(super) cols: usize,
    /// The elements that each diagonal has room for.
    pub(super) longest: usize,
    pub(super) align: Align,
}

/// One diagonal that has elements.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Diagonal {
    /// Its first element in the matrix; the next one is a row and a column further.
    pub(super) first: usize,
    /// Its first element among the diagonals.
    pub(super) at: usize,
    pub(super) len: usize,
}

impl Diagonals {
    /// Diagonals of a matrix of this size, with room for the longest one.
    pub(super) fn new(bounds: Bounds, rows: usize, cols: usize, align: Align) -> Diagonals {
        let distance = |k: i64| usize::try_from(k.unsigned_abs()).unwrap_or(usize::MAX);
        let longest = rows
            .saturating_sub(distance(bounds.upper.min(0)))
            .min(cols.saturating_sub(distance(bounds.lower.max(0))));
        Diagonals { bounds, rows, cols, longest, align }
    }

    /// The dimensions of the diagonals of one matrix.
    pub(super) fn shape(&self) -> Vec<usize> {
        match self.bounds.n() {
            1 => vec![self.longest],
            n => vec![usize::try_from(n).unwrap_or(usize::MAX), self.longest],
        }
    }

    /// All diagonals that have elements; there is a matrix, or a tensor of diagonals, in memory.
    pub(super) fn all(&self) -> Vec<Diagonal> {
        let size = |size: usize| i64::try_from(size).unwrap_or(i64::MAX);
        let (rows, cols, longest) = (size(self.rows), size(self.cols), size(self.longest));
        let Bounds { lower, upper } = self.bounds;
        let found = lower.max(1 - rows)..=upper.min(cols - 1);
        let diagonal = |k: i64| {
            let len = (rows + k.min(0)).min(cols - k.max(0)).min(longest);
            let is_left = (k >= 0 && self.align.upper_left) || (k <= 0 && self.align.lower_left);
            let first = if k >= 0 { k } else { -k * cols };
            let at = (upper - k) * longest + if is_left { 0 } else { longest - len };
            Some(Diagonal {
                first: usize::try_from(first).ok()?,
                at: usize::try_from(at).ok()?,
                len: usize::try_from(len).ok().filter(|len| *len > 0)?,
            })
        };
        found.filter_map(diagonal).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn diagonals_are_found_from_the_last_row_to_the_last_column() {
        let align = Align { upper_left: false, lower_left: true };
        let diagonals = Diagonals::new(Bounds { lower: -1, upper: 1 }, 2, 3, align);
        assert_eq!(diagonals.shape(), [3, 2]);
        assert_eq!(
            diagonals.all(),
            [
                Diagonal { first: 3, at: 4, len: 1 },
                Diagonal { first: 0, at: 2, len: 2 },
                Diagonal { first: 1, at: 0, len: 2 },
            ]
        );
    }

    #[test]
    fn bounds_lie_inside_the_matrix() {
        let bounds = |lower, upper| Bounds { lower, upper }.check(2, 3, ". ");
        assert!(bounds(-1, 2).is_ok() && bounds(0, 0).is_ok());
        assert!(bounds(-2, 0).is_err() && bounds(0, 3).is_err());
        assert!(Bounds::MAIN.check(0, 0, " ").is_ok());
    }
}
