use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};

use flowkeep_ckpt::cat::{CatOptions, Request, cat};
use flowkeep_ckpt::inspect::{InspectOptions, PythonRegex, inspect};
use flowkeep_saved_model::json_tensor;
use flowkeep_tensor::{Code, PrintOptions};
use serde_json::{Map, Value, json};

use super::Context;
use super::flags::{Read, Select};
use crate::args::{Format, bool_value};
use crate::error::Error;
use crate::render::json;

/// Print tensors, or parts of them
///
/// A part is given as NumPy has it: `w[0:3,:]`, `w[-1]`, `w[...,::2]`. Only what is needed of the file is
/// read.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  flowkeep ckpt cat train dense/kernel
  flowkeep ckpt cat train 'embedding[0:3,:]' 'dense/*'
  flowkeep ckpt cat --all-tensors --printoptions threshold=20 train
  flowkeep ckpt cat --raw train dense/kernel > kernel.bin
  flowkeep ckpt cat --compat --all-tensors train/model.ckpt-100   # the text of inspect_checkpoint")]
pub(super) struct Args {
    /// The checkpoint
    #[arg(required_unless_present_any = ["compat", "file_name"])]
    path: Option<PathBuf>,
    /// Names, names with an index, or patterns of names
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// All tensors
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true",
          default_value = "false", hide_default_value = true, hide_possible_values = true,
          value_parser = bool_value, value_name = "BOOL")]
    all_tensors: bool,
    /// How NumPy prints arrays: precision=4 threshold=20 edgeitems=2 linewidth=120 suppress=true
    #[arg(long, value_name = "K=V", num_args = 1..)]
    printoptions: Vec<String>,
    /// Write the elements alone: little-endian, in row-major order; of strings, their bytes
    #[arg(long, conflicts_with = "compat")]
    raw: bool,
    /// Print what TensorFlow's inspect_checkpoint prints, to the byte; PATH is then just the prefix
    #[arg(long)]
    compat: bool,
    /// With --compat: the checkpoint, as inspect_checkpoint has it
    #[arg(long, requires = "compat", conflicts_with = "path", value_name = "PATH")]
    file_name: Option<OsString>,
    /// With --compat: the tensor to print
    #[arg(long, requires = "compat", value_name = "NAME")]
    tensor_name: Option<String>,
    /// With --compat: only names, types and shapes
    #[arg(long, requires = "compat", num_args = 0..=1, require_equals = true,
          default_missing_value = "true", default_value = "false", hide_default_value = true,
          hide_possible_values = true, value_parser = bool_value, value_name = "BOOL")]
    all_tensor_names: bool,
    /// With --compat: count no parameters of tensors in whose names this is found
    #[arg(long, requires = "compat", value_name = "REGEX")]
    count_exclude_pattern: Option<String>,
    #[command(flatten)]
    select: Select,
    #[command(flatten)]
    read: Read,
}

impl Args {
    pub(super) fn run(&self, cx: &mut Context<'_>) -> Result<u8, Error> {
        let mut print_options = PrintOptions::default();
        for option in &self.printoptions {
            print_options.set(option)?;
        }
        if self.compat {
            return self.inspect(print_options, cx);
        }
        let path = self.path.as_deref().unwrap_or(Path::new(""));
        let checkpoint = self.read.open(path)?;
        let mut requests = Vec::new();
        for name in &self.names {
            let found = Request::find(&checkpoint, name);
            requests.extend(found.map_err(|error| with_listing(error, path))?);
        }
        if self.all_tensors || (self.names.is_empty() && self.select.is_given()) {
            requests.extend(Request::all(&checkpoint, &self.select.selection()?));
        }
        if requests.is_empty() && !self.all_tensors {
            return Err(Error::invalid(
                "nothing is asked for: give names, --match or --all-tensors",
            ));
        }
        if self.raw {
            for request in &requests {
                write_raw(&request.read(&checkpoint)?, cx.out)?;
            }
            return Ok(0);
        }
        let failures = match cx.format {
            Format::Text => {
                let options = CatOptions { print_options, headlines: self.all_tensors };
                cat(&checkpoint, &requests, &options, cx.out)
                    .map_err(output_error)?
                    .into_iter()
                    .map(|(request, error)| Failure::new(request.to_string(), &error))
                    .collect()
            }
            Format::Json => write_json(&checkpoint, &requests, cx)?,
        };
        let Some(Failure { name, code, message }) = failures.first() else { return Ok(0) };
        let more = match failures.len() {
            1 => String::new(),
            n => format!(", and {} more", n - 1),
        };
        Err(Error::Reported { code: *code, message: format!("tensor {name}: {message}{more}") })
    }

    fn inspect(&self, print_options: PrintOptions, cx: &mut Context<'_>) -> Result<u8, Error> {
        let pattern = self.count_exclude_pattern.as_deref().filter(|pattern| !pattern.is_empty());
        let file_name = self.file_name.as_ref().map(PathBuf::from);
        let options = InspectOptions {
            file_name: self.path.clone().or(file_name).unwrap_or_default(),
            tensor_name: self
                .tensor_name
                .clone()
                .or(self.names.first().cloned())
                .unwrap_or_default(),
            all_tensors: self.all_tensors,
            all_tensor_names: self.all_tensor_names,
            count_exclude_pattern: pattern.map(PythonRegex::new).transpose()?,
            print_options,
        };
        let inspection = inspect(&options, cx.out).map_err(output_error)?;
        if let Some(hint) = inspection.hint {
            cx.note(hint.trim());
        }
        Ok(inspection.exit_status)
    }
}

fn write_raw(tensor: &flowkeep_tensor::Tensor, out: &mut dyn Write) -> Result<(), Error> {
    let result = match tensor.as_strings() {
        Ok(strings) => strings.iter().try_for_each(|string| out.write_all(string)),
        Err(_) => out.write_all(&tensor.to_le_bytes()?),
    };
    result.map_err(Error::Output)
}

/// A tensor that cannot be printed: the others are.
struct Failure {
    name: String,
    code: Code,
    message: String,
}

impl Failure {
    fn new(name: String, error: &flowkeep_ckpt::Error) -> Failure {
        Failure { name, code: error.code(), message: error.to_string() }
    }
}

fn write_json(
    checkpoint: &flowkeep_ckpt::Checkpoint,
    requests: &[Request],
    cx: &mut Context<'_>,
) -> Result<Vec<Failure>, Error> {
    let (mut tensors, mut failures) = (Map::new(), Vec::new());
    for request in requests {
        let name = request.to_string();
        let found = match json_of(request, checkpoint) {
            Ok(found) => found,
            Err((code, message)) => {
                let about = json!({"error": {"code": code.name(), "message": &message}});
                failures.push(Failure { name: name.clone(), code, message });
                about
            }
        };
        tensors.insert(name, found);
    }
    json::document(&json!({"tensors": tensors}), cx.out)?;
    Ok(failures)
}

fn json_of(
    request: &Request,
    checkpoint: &flowkeep_ckpt::Checkpoint,
) -> Result<Value, (Code, String)> {
    let tensor = request.read(checkpoint).map_err(|error| (error.code(), error.to_string()))?;
    let value: Value =
        json_tensor::write(&tensor).map_err(|error| (error.code(), error.to_string()))?;
    let dtype = tensor.dtype().python_name();
    Ok(json!({"dtype": dtype, "shape": tensor.dims(), "value": value}))
}

/// Says how to list what there is, if it is not what was asked for.
fn with_listing(error: flowkeep_ckpt::Error, path: &Path) -> Error {
    match error {
        flowkeep_ckpt::Error::NotFound { .. } => Error::Failed {
            code: error.code(),
            message: format!("{error}; 'flowkeep ckpt ls {}' lists them", path.display()),
        },
        error => error.into(),
    }
}

/// What the toolkit says of a place that it only knows as somewhere to write to.
fn output_error(error: flowkeep_ckpt::Error) -> Error {
    match error {
        flowkeep_ckpt::Error::Io { source, .. } => Error::Output(source),
        error => error.into(),
    }
}
