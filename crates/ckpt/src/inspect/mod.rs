//! The text of TensorFlow's `inspect_checkpoint`, to the byte.
//!
//! [`inspect`] is the command, [`print_tensors_in_checkpoint_file`] the function beneath it, which
//! other programs call. Scripts parse their output, so it is reproduced with all its oddities: a
//! tensor in slices is listed by them under their binary keys and not at all itself, a V1 checkpoint
//! is only read as far as TensorFlow's reader goes, and whatever goes wrong is printed where it went
//! wrong, with an exit status of 0.
//!
//! ```
//! use flowkeep_ckpt::inspect::{InspectOptions, inspect};
//!
//! let mut out = Vec::new();
//! let options = InspectOptions {
//!     file_name: "../../fixtures/bundles/partitioned".into(),
//!     all_tensors: true,
//!     ..InspectOptions::default()
//! };
//! assert_eq!(inspect(&options, &mut out)?.exit_status, 0);
//! assert!(out.starts_with(b"tensor: w (float32) [4, 3]\n[[ 0.  1.  2.]\n"));
//! assert!(out.ends_with(b"\n# Total number of params: 13\n"));
//! # Ok::<(), flowkeep_ckpt::Error>(())
//! ```
//!
//! Two things differ: the lines of a V1 checkpoint, which TensorFlow lists in the order of a hash
//! table, come in order of their names; and files on which TensorFlow dies, or reads what is not
//! there, get an error's text.
//!
//! Modules in reading order: `print`, `tensorflow_text` (errors), [`PythonRegex`].

mod print;
mod python_regex;
mod tensorflow_text;

use std::io::{self, Write};
use std::path::PathBuf;

use flowkeep_tensor::{Code, PrintOptions};

use crate::Error;

pub use python_regex::PythonRegex;

/// What `inspect_checkpoint` is asked for, by its flags.
#[derive(Clone, Debug, Default)]
pub struct InspectOptions {
    /// `--file_name`: the prefix of a V2 checkpoint, the path or the pattern of a V1 checkpoint.
    pub file_name: PathBuf,
    /// `--tensor_name`: the only tensor to print.
    pub tensor_name: String,
    /// `--all_tensors`: print the values of all tensors.
    pub all_tensors: bool,
    /// `--all_tensor_names`: print names, types and shapes of all tensors.
    pub all_tensor_names: bool,
    /// `--count_exclude_pattern`: the tensors in whose names it is found are not counted. An empty
    /// pattern is none.
    pub count_exclude_pattern: Option<PythonRegex>,
    /// `--printoptions`: see [`PrintOptions::set`].
    pub print_options: PrintOptions,
}

/// How an inspection ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inspection {
    /// The exit status: 1 if no file was named, else 0, for errors are part of the text.
    pub exit_status: u8,
    /// What to try if a file of a V2 checkpoint was named and not its prefix. TensorFlow means to
    /// print this, but looks for words that its errors no longer have; so it is not in the text.
    pub hint: Option<String>,
}

/// What `inspect_checkpoint` prints when no file is named.
const USAGE: &str = "Usage: inspect_checkpoint --file_name=checkpoint_file_name [--tensor_name=tensor_to_print] \
                     [--all_tensors] [--all_tensor_names] [--count_exclude_pattern] [--printoptions]";

/// Writes what `inspect_checkpoint` prints on its standard output.
///
/// Errors: if `out` cannot be written to.
pub fn inspect(options: &InspectOptions, out: &mut dyn Write) -> Result<Inspection, Error> {
    if options.file_name.as_os_str().is_empty() {
        writeln!(out, "{USAGE}").map_err(output_error)?;
        return Ok(Inspection { exit_status: 1, hint: None });
    }
    print_tensors_in_checkpoint_file(options, out)
}

/// Writes what the function of this name prints.
///
/// Errors: if `out` cannot be written to.
pub fn print_tensors_in_checkpoint_file(
    options: &InspectOptions,
    out: &mut dyn Write,
) -> Result<Inspection, Error> {
    let failure = match print::print(options, out) {
        Ok(printed) => {
            let hint = printed.is_index.then(|| print::hint(&options.file_name));
            return Ok(Inspection { exit_status: 0, hint });
        }
        Err(Stop::Output(error)) => return Err(output_error(error)),
        Err(Stop::Failed(failure)) => failure,
    };
    let mut text = failure.text;
    text.push('\n');
    if text.contains("corrupted compressed block contents") {
        text.push_str("It's likely that your checkpoint file has been compressed with SNAPPY.\n");
    }
    out.write_all(text.as_bytes()).map_err(output_error)?;
    let is_file = print::is_file_of_v2(&options.file_name);
    let hint = (failure.is_data_loss && is_file).then(|| print::hint(&options.file_name));
    Ok(Inspection { exit_status: 0, hint })
}

fn output_error(source: io::Error) -> Error {
    Error::Io { path: "output".into(), source }
}

/// Why printing ended early.
enum Stop {
    Output(io::Error),
    Failed(Failure),
}

/// What TensorFlow would catch, and print.
struct Failure {
    text: String,
    is_data_loss: bool,
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Stop {
        Stop::Output(error)
    }
}

impl From<String> for Stop {
    fn from(text: String) -> Stop {
        Stop::Failed(Failure { text, is_data_loss: false })
    }
}

impl From<flowkeep_bundle::Error> for Stop {
    fn from(error: flowkeep_bundle::Error) -> Stop {
        let is_data_loss = error.code() == Code::DataLoss;
        Stop::Failed(Failure { text: tensorflow_text::of(&error), is_data_loss })
    }
}
