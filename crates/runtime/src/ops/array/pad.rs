//! Ops that add a border around a tensor.

use flowkeep_tensor::Tensor;

use crate::kernel::{KernelInit, Status};
use crate::ops::args::{self, Built, kernel};
use crate::ops::cells::{Cell, Move, copy, fill_from, fill_in, fill_zeroed};

/// Surrounds a tensor with zeros (empty strings).
///
/// Shapes: `input [D..]`, `paddings [rank, 2]` → `[before_0 + D0 + after_0, ..]`.  Types: `T` any;
/// `paddings` i32 or i64.
/// Errors: `INVALID_ARGUMENT` for paddings of another shape or negative ones; `RESOURCE_EXHAUSTED`
/// if the result is too large.  Source: OpDef `Pad`.
pub(super) fn pad(_: &KernelInit<'_>) -> Built {
    kernel(|cx| {
        let input = cx.input(0)?;
        let layout = Layout::new(cx.input(1)?, input, "Paddings")?;
        let output = fill_in(cx, input.dtype(), &[input], layout.shape.clone(), Inset(&layout))?;
        cx.set_output(0, output)
    })
}

/// As [`pad`], with the scalar `constant_values` in the border.
///
/// Source: OpDef `PadV2`.
pub(super) fn pad_v2(_: &KernelInit<'_>) -> Built {
    kernel(|cx| {
        let (input, value) = (cx.input(0)?, cx.input(2)?);
        if !value.shape().is_scalar() {
            return Err(Status::invalid_argument(format!(
                "constant_values must be a scalar. Found: {}",
                value.shape()
            )));
        }
        let layout = Layout::new(cx.input(1)?, input, "Paddings")?;
        let inputs = [input, value];
        let output = fill_in(cx, input.dtype(), &inputs, layout.shape.clone(), Inset(&layout))?;
        cx.set_output(0, output)
    })
}

/// Surrounds a tensor with its mirror image; with `mode` `REFLECT` the edge itself is not repeated.
///
/// Shapes and types: as [`pad`].
/// Errors: as [`pad`], and `INVALID_ARGUMENT` if a padding is wider than there are elements.
/// Source: OpDef `MirrorPad`.
pub(super) fn mirror_pad(init: &KernelInit<'_>) -> Built {
    let mirroring = Mirroring::new(init)?;
    kernel(move |cx| {
        let output = mirroring.padded(cx.input(0)?, cx.input(1)?)?;
        cx.set_output(0, output)
    })
}

/// A way to surround a tensor with its mirror image.
#[derive(Clone, Copy, Debug)]
pub(in crate::ops) struct Mirroring {
    /// Elements at the edge that are not repeated: 1 or 0.
    skip: usize,
}

impl Mirroring {
    /// Reads the attribute `mode`.
    ///
    /// Errors: `INVALID_ARGUMENT` for another one than `REFLECT` and `SYMMETRIC`.
    pub(in crate::ops) fn new(init: &KernelInit<'_>) -> Result<Mirroring, Status> {
        match init.attr_str("mode")? {
            "REFLECT" => Ok(Mirroring { skip: 1 }),
            "SYMMETRIC" => Ok(Mirroring { skip: 0 }),
            mode => Err(Status::invalid_argument(format!(
                "mode must be either REFLECT or SYMMETRIC, not {mode}"
            ))),
        }
    }

    /// The padded tensor.
    ///
    /// Errors: as [`mirror_pad`].
    pub(in crate::ops) fn padded(
        self,
        input: &Tensor,
        paddings: &Tensor,
    ) -> Result<Tensor, Status> {
        let skip = self.skip;
        let layout = Layout::new(paddings, input, "paddings")?;
        for (&(before, after), &dim) in layout.paddings.iter().zip(input.dims()) {
            if before.max(after).saturating_add(skip) > dim {
                return Err(Status::invalid_argument(if skip == 1 {
                    format!(
                        "paddings must be less than the dimension size: {before}, {after} not less than {dim}"
                    )
                } else {
                    format!(
                        "paddings must be no greater than the dimension size: {before}, {after} greater than {dim}"
                    )
                }));
            }
        }
        let job = Mirror { layout: &layout, dims: input.dims(), skip };
        fill_from(input.dtype(), &[input], layout.shape.clone(), job)
    }
}

/// Where the input lies in the output.
struct Layout {
    /// Elements before and after, per dimension.
    paddings: Vec<(usize, usize)>,
    shape: Vec<usize>,
}

impl Layout {
    /// Reads the paddings, which messages call `name`.
    fn new(paddings: &Tensor, input: &Tensor, name: &str) -> Result<Layout, Status> {
        let rank = input.shape().rank();
        if paddings.shape().rank() != 2 || paddings.dims()[1] != 2 {
            return Err(Status::invalid_argument(format!(
                "paddings must be a matrix with 2 columns: {}",
                paddings.shape()
            )));
        }
        if paddings.dims()[0] != rank {
            return Err(Status::invalid_argument(format!(
                "The first dimension of paddings must be the rank of inputs{} {}",
                paddings.shape(),
                input.shape()
            )));
        }
        let mut layout =
            Layout { paddings: Vec::with_capacity(rank), shape: Vec::with_capacity(rank) };
        for (pair, &dim) in args::ints(paddings)?.chunks_exact(2).zip(input.dims()) {
            let (Ok(before), Ok(after)) = (usize::try_from(pair[0]), usize::try_from(pair[1]))
            else {
                return Err(Status::invalid_argument(format!(
                    "{} must be non-negative: {} {}",
                    name, pair[0], pair[1]
                )));
            };
            let size = before.checked_add(after).and_then(|border| border.checked_add(dim));
            let too_large = || Status::resource_exhausted("the padded tensor is too large");
            layout.shape.push(size.ok_or_else(too_large)?);
            layout.paddings.push((before, after));
        }
        Ok(layout)
    }
}

/// Copies the first input into the middle of the output; the second, if any, is the border's value.
struct Inset<'a>(&'a Layout);

impl Move for Inset<'_> {
    fn run<C: Cell>(self, from: &[&[C]], to: &mut [C]) -> Result<(), Status> {
        if let Some([value]) = from.get(1) {
            fill_zeroed(to, value);
        }
        if let Some(input) = from.first() {
            inset(input, &self.0.paddings, &self.0.shape, to);
        }
        Ok(())
    }
}

fn inset<C: Cell>(from: &[C], paddings: &[(usize, usize)], shape: &[usize], to: &mut [C]) {
    if from.is_empty() {
        return;
    }
    // Whole dimensions without a border are copied in one piece.
    if paddings.iter().all(|padding| *padding == (0, 0)) {
        return copy(from, to);
    }
    let row = to.len() / shape[0];
    let (before, after) = paddings[0];
    let n_rows = shape[0] - before - after;
    let middle = &mut to[before * row..][..n_rows * row];
    if paddings.len() == 1 {
        return copy(from, middle);
    }
    let from_row = from.len() / n_rows;
    for (from, to) in from.chunks_exact(from_row).zip(middle.chunks_exact_mut(row)) {
        inset(from, &paddings[1..], &shape[1..], to);
    }
}

/// Fills the output with the input and its mirror images.
struct Mirror<'a> {
    layout: &'a Layout,
    dims: &'a [usize],
    skip: usize,
}

impl Move for Mirror<'_> {
    fn run<C: Cell>(self, from: &[&[C]], to: &mut [C]) -> Result<(), Status> {
        if let Some(from) = from.first().filter(|from| !from.is_empty() && !to.is_empty()) {
            mirror(from, self.dims, self.skip, &self.layout.paddings, to);
        }
        Ok(())
    }
}

fn mirror<C: Cell>(
    from: &[C],
    dims: &[usize],
    skip: usize,
    paddings: &[(usize, usize)],
    to: &mut [C],
) {
    let Some((&dim, inner_dims)) = dims.split_first() else { return copy(from, to) };
    let (before, after) = paddings[0];
    let (row, from_row) = (to.len() / (before + dim + after), from.len() / dim);
    for (from, to) in from.chunks_exact(from_row).zip(to[before * row..].chunks_exact_mut(row)) {
        mirror(from, inner_dims, skip, &paddings[1..], to);
    }
    // The borders repeat rows that are complete by now.
    for i in 0..before {
        let source = (before + skip + i) * row;
        copy_within(to, source, (before - 1 - i) * row, row);
    }
    let end = before + dim;
    for i in 0..after {
        let source = (end - 1 - skip - i) * row;
        copy_within(to, source, (end + i) * row, row);
    }
}

/// Copies `len` cells within a slice; the two places do not overlap.
fn copy_within<C: Cell>(cells: &mut [C], from: usize, to: usize, len: usize) {
    if from < to {
        let (low, high) = cells.split_at_mut(to);
        copy(&low[from..][..len], &mut high[..len]);
    } else {
        let (low, high) = cells.split_at_mut(from);
        copy(&high[..len], &mut low[to..][..len]);
    }
}
