//! `Select` and `SelectV2`: one of two values, by a condition.

use flowkeep_linalg::Pool;
use flowkeep_tensor::{Shape, Tensor};

use crate::kernel::{KernelInit, Status};
use crate::ops::args::{Built, kernel};
use crate::ops::broadcast::{Broadcast, broadcast_shape};
use crate::ops::cells::{Cell, Move, copy, fill_from};

/// Cells per task.
const GRAIN: usize = 32 << 10;

/// Takes elements of `t` where `condition` is true, of `e` elsewhere; nothing is broadcast.
///
/// Shapes: `condition` `[]`, `[D0]` (for whole rows) or `[D..]`; `t`, `e` `[D..]` → `[D..]`.
/// Types: `T` any.
/// Errors: `INVALID_ARGUMENT` for other shapes.  Source: OpDef `Select`.
pub(super) fn select(_: &KernelInit<'_>) -> Built {
    kernel(|cx| {
        let pool = cx.pool();
        let condition = cx.input(0)?;
        if let [yes] = *condition.as_slice::<bool>()?
            && condition.shape().is_scalar()
        {
            check_same(cx.input(1)?, cx.input(2)?)?;
            let chosen = cx.take_input(if yes { 1 } else { 2 })?;
            return cx.set_output(0, chosen);
        }
        let (t, e) = (cx.input(1)?, cx.input(2)?);
        if condition.shape().rank() == 1 && t.shape().rank() != 1 {
            check_rows(condition, t)?;
            check_same(t, e)?;
        } else if let Some((idx, other)) =
            [(1, t), (2, e)].into_iter().find(|(_, other)| other.shape() != condition.shape())
        {
            return Err(Status::invalid_argument(format!(
                "Inputs to operation {} of type Select must have the same size and shape.  Input 0: \
                 {} != input {idx}: {}",
                cx.node_name(),
                condition.shape(),
                other.shape()
            )));
        }
        let job = SelectRows { condition: condition.as_slice()?, pool };
        let output = fill_from(t.dtype(), &[t, e], t.shape(), job)?;
        cx.set_output(0, output)
    })
}

/// Checks that there is a condition for each row.
fn check_rows(condition: &Tensor, t: &Tensor) -> Result<(), Status> {
    let message = match t.dims().first() {
        Some(&rows) if rows == condition.n_elements() => return Ok(()),
        Some(&rows) => format!(
            "Number of batches of 'then' must match size of 'cond', but saw: {rows} vs. {}",
            condition.n_elements()
        ),
        None => format!("'then' must be at least a vector, but saw shape: {}", t.shape()),
    };
    Err(Status::invalid_argument(message))
}

fn check_same(t: &Tensor, e: &Tensor) -> Result<(), Status> {
    if t.shape() == e.shape() {
        return Ok(());
    }
    Err(Status::invalid_argument(format!(
        "'then' and 'else' must have the same size.  but received: {} vs. {}",
        t.shape(),
        e.shape()
    )))
}

/// Chooses equally many cells for each condition.
struct SelectRows<'a> {
    condition: &'a [bool],
    pool: &'a Pool,
}

impl Move for SelectRows<'_> {
    fn run<C: Cell>(self, from: &[&[C]], to: &mut [C]) -> Result<(), Status> {
        let [t, e] = from else { return Ok(()) };
        if to.is_empty() {
            return Ok(());
        }
        let row = to.len() / self.condition.len();
        let rows = (GRAIN / row).max(1);
        self.pool.parallel_chunks(to, rows * row, |idx, to| {
            let start = idx * rows;
            for (i, to) in to.chunks_exact_mut(row).enumerate() {
                let from = if self.condition[start + i] { t } else { e };
                copy(&from[(start + i) * row..][..row], to);
            }
        });
        Ok(())
    }
}

/// Takes elements of `t` where `condition` is true, of `e` elsewhere.
///
/// Shapes: `condition`, `t`, `e` of any shapes → broadcast, NumPy's rules.  Types: `T` any.
/// Errors: `INVALID_ARGUMENT` if the shapes do not fit together.  Source: OpDef `SelectV2`.
pub(super) fn select_v2(_: &KernelInit<'_>) -> Built {
    kernel(|cx| {
        let pool = cx.pool();
        let (condition, t, e) = (cx.input(0)?, cx.input(1)?, cx.input(2)?);
        let shape = broadcast_shape(t.dims(), e.dims());
        let shape = shape.and_then(|shape| broadcast_shape(shape.dims(), condition.dims()));
        let shape: Shape = shape.ok_or_else(|| {
            Status::invalid_argument(format!(
                "condition {}, then {}, and else {} must be broadcastable",
                condition.shape(),
                t.shape(),
                e.shape()
            ))
        })?;
        if let [yes] = *condition.as_slice::<bool>()? {
            let idx = if yes { 1 } else { 2 };
            if cx.input(idx)?.shape() == &shape {
                let chosen = cx.take_input(idx)?;
                return cx.set_output(0, chosen);
            }
        }
        let dims = [condition.dims(), t.dims(), e.dims()];
        let job = SelectBroadcast { condition: condition.as_slice()?, shape: &shape, dims, pool };
        let output = fill_from(t.dtype(), &[t, e], &shape, job)?;
        cx.set_output(0, output)
    })
}

struct SelectBroadcast<'a> {
    condition: &'a [bool],
    shape: &'a Shape,
    dims: [&'a [usize]; 3],
    pool: &'a Pool,
}

impl Move for SelectBroadcast<'_> {
    fn run<C: Cell>(self, from: &[&[C]], to: &mut [C]) -> Result<(), Status> {
        let [t, e] = from else { return Ok(()) };
        if to.is_empty() {
            return Ok(());
        }
        let walk = Broadcast::new(self.shape.dims(), self.dims);
        self.pool.parallel_chunks(to, GRAIN, |idx, to| {
            walk.for_each_row(idx * GRAIN, to.len(), |position, [at_c, at_t, at_e], n| {
                let to = &mut to[position..position + n];
                let (t, e) = (row(t, at_t, n, walk.repeats(1)), row(e, at_e, n, walk.repeats(2)));
                if walk.repeats(0) {
                    fill(to, if self.condition[at_c] { t } else { e });
                } else {
                    choose(to, &self.condition[at_c..at_c + n], t, e);
                }
            });
        });
        Ok(())
    }
}

/// The cells that a row takes from `at` on: `n`, or the one that repeats.
fn row<C>(from: &[C], at: usize, n: usize, repeats: bool) -> &[C] {
    &from[at..at + if repeats { 1 } else { n }]
}

fn fill<C: Cell>(to: &mut [C], from: &[C]) {
    match from {
        [one] => to.fill(one.clone()),
        _ => copy(from, to),
    }
}

/// Takes cells of `t` where the condition is true, of `e` elsewhere; either may be one for all.
fn choose<C: Cell>(to: &mut [C], condition: &[bool], t: &[C], e: &[C]) {
    let places = to.iter_mut().zip(condition);
    match (t, e) {
        ([t], [e]) => places.for_each(|(to, &yes)| to.clone_from(if yes { t } else { e })),
        ([t], _) => {
            places.zip(e).for_each(|((to, &yes), e)| to.clone_from(if yes { t } else { e }))
        }
        (_, [e]) => {
            places.zip(t).for_each(|((to, &yes), t)| to.clone_from(if yes { t } else { e }))
        }
        _ => {
            let places = places.zip(t.iter().zip(e));
            places.for_each(|((to, &yes), (t, e))| to.clone_from(if yes { t } else { e }))
        }
    }
}
