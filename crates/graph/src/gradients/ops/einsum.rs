//! Sums of products by names of axes.
//!
//! Source: `linalg_grad.py`. Where several axes are summed up, TensorFlow takes them in the order in which
//! a set of Python has them, another one in each process; here, in that of the equation.

use std::collections::HashSet;

use super::super::forward::{Forward, Gradients, all};
use super::super::operators::Index;
use super::super::table::Entry;
use crate::builder::{Operand, Scope};
use crate::{Attr, Error, Output};

pub(in super::super) const OPS: &[Entry] = &[("Einsum", einsum)];

const ELLIPSIS: &str = "...";

fn einsum(scope: &mut Scope, op: &Forward) -> Gradients {
    let equation = String::from_utf8_lossy(op.attrs.str("equation")?).into_owned();
    let wrong = || Error::Gradient(format!("the equation '{equation}' is none of its op"));
    let (inputs, output) = equation.split_once("->").ok_or_else(wrong)?;
    let grad = scope.summed_up(op.grad(0)?)?;
    if op.inputs.len() == 1 {
        return all([of_one(scope, op.input(0)?, grad, inputs, output)?]);
    }
    let (x_axes, y_axes) = inputs.split_once(',').ok_or_else(wrong)?;
    of_two(scope, op, grad, [x_axes, y_axes], output)
}

fn product(scope: &mut Scope, factors: Vec<Output>, equation: String) -> Result<Output, Error> {
    let node = scope.op("Einsum").input_list(factors);
    node.attr("equation", Attr::Str(equation.into_bytes().into())).build_one()
}

fn of_one(
    scope: &mut Scope,
    x: Output,
    grad: Output,
    input: &str,
    output: &str,
) -> Result<Output, Error> {
    let shape = scope.shape_of(x)?;
    let summed = axes_beside(input, output);
    if summed.is_empty() {
        return product(scope, vec![grad], format!("{output}->{input}"));
    }
    spread(scope, Side { axes: input, shape }, grad, output, &summed)
}

fn of_two(
    scope: &mut Scope,
    op: &Forward,
    grad: Output,
    inputs: [&str; 2],
    output: &str,
) -> Gradients {
    // The axes that an ellipsis stands for may be those of the other factor alone.
    let is_batch = output.contains(ELLIPSIS);
    let [x_axes, y_axes] = inputs.map(|axes| match is_batch && !axes.contains(ELLIPSIS) {
        true => format!("{axes}{ELLIPSIS}"),
        false => axes.to_owned(),
    });
    let (mut x, mut y) = (op.input(0)?, op.input(1)?);
    if scope.dtype(grad).is_some_and(|dtype| dtype.is_complex()) {
        x = scope.conj(x)?;
        y = scope.conj(y)?;
    }
    let of_x = Side { axes: &x_axes, shape: scope.shape_of(x)? };
    let of_y = Side { axes: &y_axes, shape: scope.shape_of(y)? };
    let gx = of_factor(scope, grad, of_x, (y, &y_axes), output)?;
    let gy = of_factor(scope, grad, of_y, (x, &x_axes), output)?;
    if !is_batch {
        return all([gx, gy]);
    }
    let (x_batch, y_batch) = (Batch::of(&x_axes), Batch::of(&y_axes));
    if let (Some(a), Some(b)) = (x_batch.dims(scope, x), y_batch.dims(scope, y))
        && a == b
    {
        return all([gx, gy]);
    }
    let sx = x_batch.slice(scope, of_x.shape)?;
    let sy = y_batch.slice(scope, of_y.shape)?;
    let [rx, ry] = scope.broadcast_gradient_args(sx, sy)?;
    let rx = scope.plus(x_batch.begin, rx)?;
    let gx = scope.summed_to(gx, rx, of_x.shape, false)?;
    let ry = scope.plus(y_batch.begin, ry)?;
    let gy = scope.summed_to(gy, ry, of_y.shape, false)?;
    all([gx, gy])
}

/// A factor whose gradient is made: the names of its axes and its shape.
#[derive(Clone, Copy)]
struct Side<'a> {
    axes: &'a str,
    shape: Output,
}

/// The gradient of a factor, before sums along the axes along which it was broadcast.
fn of_factor(
    scope: &mut Scope,
    grad: Output,
    side: Side<'_>,
    other: (Output, &str),
    output: &str,
) -> Result<Output, Error> {
    let (other, other_axes) = other;
    let summed = axes_beside(side.axes, &format!("{output}{other_axes}"));
    let left: String = side.axes.chars().filter(|axis| !summed.contains(axis)).collect();
    let equation = format!("{output},{other_axes}->{left}");
    let grad = product(scope, vec![grad, other], equation)?;
    if summed.is_empty() {
        return Ok(grad);
    }
    spread(scope, side, grad, &left, &summed)
}

/// The names of axes that are not among others, in their order.
fn axes_beside(axes: &str, others: &str) -> Vec<char> {
    let mut beside: Vec<char> = Vec::new();
    for axis in axes.chars() {
        if axis != '.' && !others.contains(axis) && !beside.contains(&axis) {
            beside.push(axis);
        }
    }
    beside
}

/// The gradient of what was summed up along some axes: repeated along these.
fn spread(
    scope: &mut Scope,
    side: Side<'_>,
    grad: Output,
    output: &str,
    summed: &[char],
) -> Result<Output, Error> {
    let Side { axes, shape } = side;
    let places: Vec<i32> = summed.iter().filter_map(|axis| place_of(axes, *axis)).collect();
    let mut sizes: Vec<Operand> = Vec::with_capacity(places.len());
    for place in &places {
        sizes.push(scope.item(shape, Index::At(*place))?.into());
    }
    let sizes = scope.tensor(Operand::packed(sizes), "stack")?;
    let left: String = axes.chars().filter(|axis| !summed.contains(axis)).collect();
    let is_simple = !repeats(axes) && !repeats(output);
    if is_simple && left == output {
        let places = scope.tensor(places, "Const")?;
        let kept = scope.reduced_shape(shape, places)?;
        let grad = scope.reshape(grad, kept)?;
        return scope.op("BroadcastTo").input(grad).input(shape).build_one();
    }
    // The axes come to the front, from where a product takes them to their places.
    let grad_shape = scope.shape_of(grad)?;
    let whole = scope.concat([sizes, grad_shape], 0)?;
    let ones = scope.scoped("ones", |scope, name| {
        let n = i32::try_from(summed.len()).unwrap_or(i32::MAX);
        let shape = scope.tensor(vec![n], "shape_as_tensor")?;
        let one = scope.tensor(1i32, "Const")?;
        scope.op("Fill").input(shape).input(one).name(name).build_one()
    })?;
    let grad_shape = scope.shape_of(grad)?;
    let kept = scope.concat([ones, grad_shape], 0)?;
    let grad = scope.reshape(grad, kept)?;
    let grad = scope.op("BroadcastTo").input(grad).input(whole).build_one()?;
    let summed: String = summed.iter().collect();
    product(scope, vec![grad], format!("{summed}{output}->{axes}"))
}

/// Whether a name occurs twice; an ellipsis counts as that.
fn repeats(axes: &str) -> bool {
    let mut seen = HashSet::new();
    axes.chars().any(|axis| !seen.insert(axis))
}

/// The place of an axis, counted from the end behind an ellipsis.
fn place_of(axes: &str, axis: char) -> Option<i32> {
    let (before, behind) = axes.split_once(ELLIPSIS).unwrap_or((axes, ""));
    let find = |axes: &str| axes.chars().position(|other| other == axis);
    let number = |n: usize| i32::try_from(n).ok();
    match find(before) {
        Some(place) => number(place),
        None => Some(number(find(behind)?)? - number(behind.chars().count())?),
    }
}

/// The axes that the ellipsis of a factor stands for.
struct Batch {
    begin: i32,
    /// Counted from the end: how many axes are behind.
    n_behind: i32,
}

impl Batch {
    fn of(axes: &str) -> Batch {
        let (before, behind) = axes.split_once(ELLIPSIS).unwrap_or((axes, ""));
        let number = |axes: &str| i32::try_from(axes.chars().count()).unwrap_or(i32::MAX);
        Batch { begin: number(before), n_behind: number(behind) }
    }

    fn slice(&self, scope: &mut Scope, shape: Output) -> Result<Output, Error> {
        let end = (self.n_behind > 0).then_some(Index::At(-self.n_behind));
        scope.between(shape, Some(Index::At(self.begin)), end)
    }

    /// Their sizes, if all of the factor's are known.
    fn dims(&self, scope: &Scope, factor: Output) -> Option<Vec<usize>> {
        let shape = scope.shape(factor).to_shape()?;
        let end = shape.dims().len().checked_sub(usize::try_from(self.n_behind).ok()?)?;
        let dims = shape.dims().get(usize::try_from(self.begin).ok()?..end);
        Some(dims.unwrap_or_default().to_vec())
    }
}
