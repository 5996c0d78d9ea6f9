use std::io::Write;
use std::path::Path;

use flowkeep_bundle::{BundleReader, CheckpointReader, DebugForm, Declared, Error, Key};
use flowkeep_tensor::{DType, REF_OFFSET, Shape};

use super::{InspectOptions, PythonRegex, Stop, tensorflow_text};

/// What was printed.
pub(super) struct Printed {
    /// Whether the file is the index of a V2 checkpoint, in which TensorFlow sees a V1 checkpoint
    /// without tensors.
    pub(super) is_index: bool,
}

/// A tensor as TensorFlow's maps of shapes and types have it.
struct Listed {
    name: String,
    declared: Declared,
}

pub(super) fn print(options: &InspectOptions, out: &mut dyn Write) -> Result<Printed, Stop> {
    let file = &options.file_name;
    let reader = match CheckpointReader::open(file) {
        Ok(reader) => reader,
        Err(_) if is_index(file) => return print_nothing(options, out),
        Err(error) => return Err(error.into()),
    };
    let name = &options.tensor_name;
    if options.all_tensors || options.all_tensor_names {
        let tensors = listed(&reader)?;
        let names: Result<Vec<_>, _> = tensors.iter().map(|one| type_name(&one.declared)).collect();
        for (tensor, type_name) in tensors.iter().zip(names?) {
            writeln!(out, "{}", headline(tensor, &type_name))?;
            if options.all_tensors {
                let value = value(options, &reader, tensor)?;
                writeln!(
                    out,
                    "{}",
                    value.as_deref().unwrap_or("<not convertible to a numpy dtype>")
                )?;
            }
        }
        count(options, &tensors, out)?;
    } else if name.is_empty() {
        let text = reader.debug_string(DebugForm::TensorFlow)?;
        writeln!(out, "{}", valid_text(&text))?;
        count(options, &listed(&reader)?, out)?;
    } else if !reader.contains(name) {
        writeln!(out, "Tensor {name} not found in checkpoint")?;
    } else {
        let tensors = listed(&reader)?;
        let Some(tensor) = tensors.iter().find(|tensor| tensor.name == *name) else {
            // What is there is a slice.
            return Err(tensorflow_text::of_missing_name(name).into());
        };
        writeln!(out, "{}", headline(tensor, &type_name(&tensor.declared)?))?;
        match value(options, &reader, tensor)? {
            Some(value) => writeln!(out, "{value}")?,
            None => {
                let number = DType::Variant.number();
                let text = format!("Tensorflow type {number} not convertible to numpy dtype.");
                return Err(text.into());
            }
        }
        count(options, &tensors, out)?;
    }
    Ok(Printed { is_index: false })
}

/// What TensorFlow makes of an index.
fn print_nothing(options: &InspectOptions, out: &mut dyn Write) -> Result<Printed, Stop> {
    if options.all_tensors || options.all_tensor_names {
        count(options, &[], out)?;
    } else if options.tensor_name.is_empty() {
        writeln!(out)?;
        count(options, &[], out)?;
    } else {
        writeln!(out, "Tensor {} not found in checkpoint", options.tensor_name)?;
    }
    Ok(Printed { is_index: true })
}

/// All tensors in order of their names, which Python wants as text.
fn listed(reader: &CheckpointReader) -> Result<Vec<Listed>, Stop> {
    let tensors = reader.declared().map(|(key, declared)| {
        let name = name_text(&key)?.to_owned();
        Ok(Listed { name, declared: declared? })
    });
    tensors.collect()
}

fn headline(tensor: &Listed, type_name: &str) -> String {
    format!("tensor: {} ({type_name}) {}", tensor.name, list(&tensor.declared.shape))
}

/// Python's name of a type.
fn type_name(declared: &Declared) -> Result<String, Stop> {
    let number = declared.dtype;
    let dtype = DType::from_number(number)
        .map_err(|_| format!("{number} does not correspond to a valid tensorflow::DataType"))?;
    let suffix = if number > REF_OFFSET { "_ref" } else { "" };
    Ok(format!("{}{suffix}", dtype.python_name()))
}

/// A shape as Python prints a list.
fn list(shape: &Shape) -> String {
    let dims: Vec<_> = shape.dims().iter().map(usize::to_string).collect();
    format!("[{}]", dims.join(", "))
}

/// The value of a tensor, as `print` has it; `None` for variants, of which NumPy knows nothing.
fn value(
    options: &InspectOptions,
    reader: &CheckpointReader,
    tensor: &Listed,
) -> Result<Option<String>, Stop> {
    let name = &tensor.name;
    let Some(bundle) = reader.as_bundle() else {
        return v1_value(options, reader, tensor).map(Some);
    };
    if tensor.declared.dtype == DType::Variant.number() {
        bundle.variants(name)?;
        return Ok(None);
    }
    Ok(Some(bundle.tensor(name)?.numpy_str_with(&options.print_options)))
}

/// The value of a tensor of a V1 checkpoint, as far as TensorFlow reads them.
fn v1_value(
    options: &InspectOptions,
    reader: &CheckpointReader,
    Listed { name, declared }: &Listed,
) -> Result<String, Stop> {
    use DType::{Bool, F32, F64, I8, I16, I32, I64, String, U8};
    let read = [F32, F64, I32, U8, I16, I8, String, I64, Bool];
    if declared.n_slices > 1 {
        return Err("Sliced checkpoints are not supported".to_owned().into());
    }
    if !read.iter().any(|dtype| dtype.number() == declared.dtype) {
        return Err("Data type not supported".to_owned().into());
    }
    match reader.tensor(name) {
        Ok(tensor) => Ok(tensor.numpy_str_with(&options.print_options)),
        // Of the rest of such a tensor, TensorFlow prints what lay in memory.
        Err(error @ Error::InsufficientSlices { .. }) => Err(error.into()),
        Err(_) => Err(format!("{name} not found in checkpoint file").into()),
    }
}

/// Prints how many elements there are.
fn count(options: &InspectOptions, tensors: &[Listed], out: &mut dyn Write) -> Result<(), Stop> {
    let pattern = options.count_exclude_pattern.as_ref();
    let (mut total, mut excluded, mut n_excluded) = (0i64, 0i64, 0);
    for Listed { name, declared } in tensors {
        // As NumPy multiplies.
        let dims = declared.shape.dims().iter().map(|dim| *dim as i64);
        let n_params = dims.fold(1i64, i64::wrapping_mul);
        if is_excluded(pattern, name)? {
            excluded = excluded.wrapping_add(n_params);
            n_excluded += 1;
        } else {
            total = total.wrapping_add(n_params);
        }
    }
    if let Some(pattern) = pattern.filter(|pattern| !pattern.as_str().is_empty()) {
        is_excluded(Some(pattern), "")?;
        let text = pattern.as_str();
        writeln!(
            out,
            "# Excluding {n_excluded} tensors ({excluded} params) that match {text} when counting."
        )?;
    }
    writeln!(out, "# Total number of params: {total}")?;
    Ok(())
}

fn is_excluded(pattern: Option<&PythonRegex>, name: &str) -> Result<bool, Stop> {
    match pattern.filter(|pattern| !pattern.as_str().is_empty()) {
        Some(pattern) => Ok(pattern.search(name).map_err(str::to_owned)?),
        None => Ok(false),
    }
}

/// A name as text.
fn name_text(name: &Key) -> Result<&str, Stop> {
    str::from_utf8(name).map_err(|error| tensorflow_text::of_decoding(name, error).into())
}

/// Bytes as text, without those that make none.
fn valid_text(bytes: &[u8]) -> String {
    bytes.utf8_chunks().map(|chunk| chunk.valid()).collect()
}

/// Whether a file is the index of a V2 checkpoint.
fn is_index(file: &Path) -> bool {
    file.extension().is_some_and(|extension| extension == "index")
        && BundleReader::open(&file.with_extension("")).is_ok()
}

/// Whether a name looks like that of a file of a V2 checkpoint.
pub(super) fn is_file_of_v2(file: &Path) -> bool {
    let name = file.to_string_lossy();
    [".index", ".meta", ".data"].iter().any(|part| name.contains(part))
}

pub(super) fn hint(file: &Path) -> String {
    format!(
        "\nIt's likely that this is a V2 checkpoint and you need to provide the filename\n\
         *prefix*.  Try removing the '.' and extension.  Try:\n\
         inspect checkpoint --file_name = {}",
        file.with_extension("").display()
    )
}
