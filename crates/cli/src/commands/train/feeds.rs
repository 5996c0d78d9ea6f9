//! `--feed`: batches from `.npz` files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use flowkeep_bundle::source::{FileSource, Source as _};
use flowkeep_ckpt::interchange::FormatError;
use flowkeep_ckpt::interchange::npy::{Array, MAGIC};
use flowkeep_ckpt::interchange::npz::Archive;
use flowkeep_graph::view::Shapes;
use flowkeep_graph::{Encoding, Graph, PortType, TensorInfo};
use flowkeep_saver::train::StackedBatches;
use flowkeep_tensor::{Code, PartialShape, Tensor};

use crate::commands::graph::source::with_meant;
use crate::error::Error;
use crate::inputs;

/// Reads the batches of all files, and says what is odd about them.
///
/// Errors: those of the files; `NOT_FOUND` for arrays that are called like no tensor; `INVALID_ARGUMENT`
/// for arrays that are not of a tensor's type and shape, with an axis in front that counts steps.
pub(super) fn read(
    paths: &[PathBuf],
    graph: &Graph,
) -> Result<(StackedBatches, Vec<String>), Error> {
    let mut notes = Vec::new();
    let mut feeds: Vec<(String, Tensor)> = Vec::new();
    let shapes = Shapes::new(graph, None);
    for path in paths {
        for (name, array) in arrays(path)? {
            let (name, tensor) = feed(&name, &array, graph, &shapes, &mut notes)
                .map_err(|error| in_file(path, error))?;
            if feeds.iter().any(|(known, _)| *known == name) {
                let what = format!("{name} is given twice");
                return Err(in_file(path, Error::invalid(what)));
            }
            feeds.push((name, tensor));
        }
    }
    let files: Vec<_> = paths.iter().map(|path| path.display().to_string()).collect();
    let rows = rows(&feeds, graph, &shapes);
    let batches = StackedBatches::new(feeds).map_err(|error| Error::Failed {
        code: error.code(),
        message: format!("{}: {error}", files.join(", ")),
    })?;
    let longest = batches.n_steps().map(|(_, n)| n).max().unwrap_or(1);
    for (name, n) in batches.n_steps().filter(|(_, n)| *n != 1 && *n != longest) {
        notes.push(format!(
            "warning: {name} has {n} steps, others have {longest}: each begins anew by itself"
        ));
    }
    notes.extend(uneven(&rows));
    Ok((batches, notes))
}

/// How many rows each batch has: the second dimension of what is fed, where the graph leaves the first one open.
fn rows(feeds: &[(String, Tensor)], graph: &Graph, shapes: &Shapes) -> Vec<(String, usize)> {
    let rows = feeds.iter().filter_map(|(name, tensor)| {
        let shape = shapes.get(graph.get_tensor_by_name(name).ok()?);
        let is_open = matches!(shape.dims()?.first(), Some(None));
        Some((name.clone(), *tensor.dims().get(1).filter(|_| is_open)?))
    });
    rows.collect()
}

/// A warning of batches that have other numbers of rows than the first.
fn uneven(rows: &[(String, usize)]) -> Option<String> {
    let (_, first) = rows.first()?;
    if rows.iter().all(|(_, n)| n == first) {
        return None;
    }
    let all = rows.iter().map(|(name, n)| format!("{n} of {name}"));
    let all: Vec<String> = all.collect();
    Some(format!("warning: the batches have different numbers of rows: {}", all.join(", ")))
}

/// The arrays of a file, by name.
fn arrays(path: &Path) -> Result<Vec<(String, Array)>, Error> {
    let io = |source| Error::Io { path: path.to_owned(), source };
    let damaged = |error: FormatError| in_file(path, error.into());
    let source = FileSource::new(std::fs::File::open(path).map_err(io)?).map_err(io)?;
    let start = source.read_at(0, usize::try_from(source.len().min(8)).unwrap_or(0)).map_err(io)?;
    if !Archive::is_one(&start) {
        let what = match start.starts_with(MAGIC) {
            true => {
                "is a single array without a name; --feed takes an .npz file, as numpy.savez writes"
            }
            false => "is no .npz file, which is what --feed takes",
        };
        return Err(in_file(path, Error::Failed { code: Code::DataLoss, message: what.into() }));
    }
    let archive = Archive::open(Arc::new(source)).map_err(damaged)?;
    let array = |member| {
        let array = archive.content(member).and_then(|content| Array::read(&content));
        let name = member.name();
        Ok((name.strip_suffix(".npy").unwrap_or(name).to_owned(), array.map_err(damaged)?))
    };
    archive.members().iter().map(array).collect()
}

/// The tensor that is fed by an array, by its full name, and its values for all steps.
fn feed(
    name: &str,
    array: &Array,
    graph: &Graph,
    shapes: &Shapes,
    notes: &mut Vec<String>,
) -> Result<(String, Tensor), Error> {
    let full = if name.contains(':') { name.to_owned() } else { format!("{name}:0") };
    let output = graph.get_tensor_by_name(&full).map_err(|error| Error::Failed {
        code: error.code(),
        message: with_meant(&error, graph, name),
    })?;
    let dtype = graph.node(output.node).output_dtype(output.index).ok_or_else(|| {
        Error::invalid(format!("nobody knows the type of {full}, so that it cannot be fed"))
    })?;
    let of_step = shapes.get(output);
    let with_steps = of_step.dims().map(|dims| [&[None][..], dims].concat());
    let info = TensorInfo {
        encoding: Encoding::Dense(full.clone()),
        dtype: Some(PortType { dtype, is_ref: false }),
        shape: with_steps.map_or_else(PartialShape::unknown, PartialShape::new),
    };
    if let Err(error) = inputs::check_kind(&full, array, dtype) {
        let both = match info.shape.matches(array.shape()) {
            true => String::new(),
            false => format!(
                "; nor has it a shape that fits: {} instead of {} for each step",
                array.shape(),
                of_step
            ),
        };
        return Err(Error::Failed { code: error.code(), message: format!("{error}{both}") });
    }
    let tensor = inputs::to_tensor(&full, &inputs::Given::Array(array.clone()), &info, notes)
        .map_err(|error| match info.shape.matches(array.shape()) {
            true => error,
            false => Error::invalid(format!("{error}, counting steps along the first axis")),
        })?;
    Ok((full, tensor))
}

fn in_file(path: &Path, error: Error) -> Error {
    Error::Failed { code: error.code(), message: format!("{}: {error}", path.display()) }
}
