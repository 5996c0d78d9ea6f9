//! Constants, placeholders, what is filled or drawn at random, and what is told of shapes.

use flowkeep_tensor::PartialShape;

use super::InferenceContext;
use super::builtin::ShapeFn;
use super::dims::{Dim, debug, known, multiply, scalar, with_rank};
use super::values::to_i64;

pub(super) const OPS: &[(&str, ShapeFn)] = &[
    ("Const", constant),
    ("Fill", fill),
    ("MirrorPad", pad),
    ("OneHot", one_hot),
    ("Pad", pad),
    ("PadV2", pad),
    ("Placeholder", placeholder),
    ("PlaceholderWithDefault", placeholder_with_default),
    ("RandomGamma", random_gamma),
    ("RandomStandardNormal", random),
    ("RandomUniform", random),
    ("RandomUniformInt", random_int),
    ("Rank", to_scalar),
    ("Shape", shape),
    ("Size", to_scalar),
    ("Tile", tile),
    ("TruncatedNormal", random),
];

/// Graphs up to this version wrote scalars for placeholders of any shape.
const LAST_VERSION_WITHOUT_SCALARS: i32 = 21;

fn constant(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    let stored = cx.node().attr("value").and_then(|attr| attr.as_tensor());
    let shape = stored.and_then(|stored| stored.proto().tensor_shape.as_ref());
    let shape = shape.map_or_else(|| Ok(scalar()), PartialShape::from_proto);
    if let Ok(shape) = shape {
        cx.set_output(0, shape);
    }
    Ok(())
}

fn placeholder(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    let shape = cx.attrs().shape("shape").unwrap_or_default();
    let is_open = shape.rank() == Some(0) && cx.producer() <= LAST_VERSION_WITHOUT_SCALARS;
    cx.set_output(0, if is_open { PartialShape::unknown() } else { shape });
    Ok(())
}

fn placeholder_with_default(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    let wanted = cx.attrs().shape("shape").unwrap_or_default();
    // The default is only used as far as the shape allows, so that it says nothing itself.
    let fits = match (cx.input(0).dims(), wanted.dims()) {
        (Some(given), Some(wanted)) => {
            given.len() == wanted.len()
                && given.iter().zip(wanted).all(|(a, b)| a.is_none() || b.is_none() || a == b)
        }
        _ => true,
    };
    if !fits {
        super::dims::merge(cx.input(0), &wanted)?;
    }
    cx.set_output(0, wanted);
    Ok(())
}

pub(super) fn to_scalar(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    cx.set_output(0, scalar());
    Ok(())
}

fn shape(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    let rank = cx.input(0).rank().and_then(|rank| u64::try_from(rank).ok());
    cx.set_output(0, PartialShape::new(vec![rank]));
    Ok(())
}

fn fill(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    with_rank(cx.input(0), 1)?;
    with_rank(cx.input(1), 0)?;
    let shape = cx.constant_as_shape(0)?;
    let sizes = cx.constant(0);
    if sizes.is_some_and(|sizes| to_i64(&sizes).iter().any(|size| *size < 0)) {
        return Err("Fill dimensions must be >= 0".to_owned());
    }
    cx.set_output(0, shape);
    Ok(())
}

fn random(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    let shape = cx.constant_as_shape(0)?;
    cx.set_output(0, shape);
    Ok(())
}

/// So many numbers for each parameter.
fn random_gamma(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    let shape = cx.constant_as_shape(0)?;
    if let (Some(dims), Some(parameters)) = (shape.dims(), cx.input(1).dims()) {
        cx.set_output(0, PartialShape::new(dims.iter().chain(parameters).copied().collect()));
    }
    Ok(())
}

fn random_int(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    for (index, name) in [(1, "minval"), (2, "maxval")] {
        with_rank(cx.input(index), 0).map_err(|_| {
            format!("{name} must be a scalar; got a tensor of shape {}", debug(cx.input(index)))
        })?;
    }
    random(cx)
}

fn one_hot(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    let at = cx.attrs().int("axis").unwrap_or(-1);
    if at < -1 {
        return Err("axis must be >= -1".to_owned());
    }
    with_rank(cx.input(1), 0)?;
    let depth = cx.constant(1).and_then(|value| to_i64(&value).first().copied());
    let depth: Dim = match depth {
        Some(depth) => Some(u64::try_from(depth).map_err(|_| {
            format!("Dimension size, given by scalar input 1, must be non-negative but is {depth}")
        })?),
        None => None,
    };
    let Some(dims) = cx.input(0).dims() else { return Ok(()) };
    let mut dims = dims.to_vec();
    // Axes beyond the last one start over.
    let n = i64::try_from(dims.len() + 1).unwrap_or(i64::MAX);
    let place = usize::try_from(at.rem_euclid(n)).unwrap_or(0);
    dims.insert(place, depth);
    cx.set_output(0, PartialShape::new(dims));
    Ok(())
}

fn pad(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    let paddings = with_rank(cx.input(1), 2)?;
    if let [_, columns] = *paddings {
        expect_dim(columns, 2)?;
    }
    let value = cx.constant(1);
    let Some(value) = value else {
        let rows = paddings.first().copied().flatten().and_then(|n| usize::try_from(n).ok());
        let rank = rows.or(cx.input(0).rank());
        if let Some(rank) = rank.filter(|rank| *rank <= flowkeep_tensor::MAX_RANK) {
            with_rank(cx.input(0), rank)?;
            cx.set_output(0, PartialShape::new(vec![None; rank]));
        }
        return Ok(());
    };
    let amounts = to_i64(&value);
    let dims = with_rank(cx.input(0), amounts.len() / 2)?;
    let mut padded = Vec::with_capacity(dims.len());
    for (dim, amounts) in dims.iter().zip(amounts.chunks_exact(2)) {
        let mut total: u64 = 0;
        for amount in amounts {
            let amount =
                u64::try_from(*amount).map_err(|_| "Paddings must be non-negative".to_owned())?;
            total = total.saturating_add(amount);
        }
        padded.push(dim.map(|dim| dim.saturating_add(total)));
    }
    cx.set_output(0, PartialShape::new(padded));
    Ok(())
}

fn tile(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    let multiples = cx.constant_as_shape(1)?;
    let Some(rank) = cx.input(0).rank().or(multiples.rank()) else { return Ok(()) };
    let dims = with_rank(cx.input(0), rank)?;
    let multiples = with_rank(&multiples, rank)?;
    let tiled = dims.iter().zip(multiples).map(|(dim, multiple)| multiply(*dim, multiple));
    cx.set_output(0, PartialShape::new(tiled.collect()));
    Ok(())
}

/// Fails when a dimension is known to be another size.
pub(super) fn expect_dim(dim: Dim, size: u64) -> Result<(), String> {
    match dim {
        Some(dim) if dim != size => Err(format!("Dimension must be {size} but is {dim}")),
        _ => Ok(()),
    }
}

/// A vector of this length.
pub(super) fn vector(length: Option<u64>) -> PartialShape {
    match length {
        Some(length) => known([length]),
        None => PartialShape::new(vec![None]),
    }
}
