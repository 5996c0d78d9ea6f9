//! Printing tensors, and parts of them.
//!
//! ```
//! use std::path::Path;
//!
//! use flowkeep_ckpt::cat::{CatOptions, Request, cat};
//! use flowkeep_ckpt::Checkpoint;
//!
//! let checkpoint = Checkpoint::open(Path::new("../../fixtures/bundles/partitioned"))?;
//! let requests = Request::find(&checkpoint, "w[1:3,::2]")?;
//! let part = requests[0].read(&checkpoint)?;
//! assert_eq!(part.as_slice::<f32>()?, [3.0, 5.0, 6.0, 8.0]);
//! let mut out = Vec::new();
//! cat(&checkpoint, &requests, &CatOptions::default(), &mut out)?;
//! assert_eq!(out, b"[[3. 5.]\n [6. 8.]]\n");
//! # Ok::<(), flowkeep_ckpt::Error>(())
//! ```

//!
//! Modules in reading order: `request` ([`Request`], what is asked for), `part` (reading parts).

mod part;
mod request;

use std::io::{self, Write};

use flowkeep_tensor::PrintOptions;

use crate::text::shown;
use crate::{Checkpoint, Error};

pub use request::Request;

/// How tensors are printed.
#[derive(Clone, Debug, Default)]
pub struct CatOptions {
    /// The form of values.
    pub print_options: PrintOptions,
    /// Whether each value has a line with name, type and shape above it; where several tensors are
    /// asked for, they always do.
    pub headlines: bool,
}

/// Writes the values of tensors as NumPy prints them, and gives those that could not be read, with the
/// reason; these do not keep the others from being written.
///
/// Errors: if `out` cannot be written to.
pub fn cat<'r>(
    checkpoint: &Checkpoint,
    requests: &'r [Request],
    options: &CatOptions,
    out: &mut dyn Write,
) -> Result<Vec<(&'r Request, Error)>, Error> {
    let mut failures = Vec::new();
    let headlines = options.headlines || requests.len() > 1;
    for request in requests {
        let tensor = match request.read(checkpoint) {
            Ok(tensor) => tensor,
            Err(error) => {
                failures.push((request, error));
                continue;
            }
        };
        let written = if headlines {
            let name = shown(request.to_string().as_bytes());
            let dims: Vec<_> = tensor.dims().iter().map(usize::to_string).collect();
            let dtype = tensor.dtype().python_name();
            writeln!(out, "tensor: {name} ({dtype}) [{}]", dims.join(", "))
        } else {
            Ok(())
        };
        let text = |out: &mut dyn Write| {
            writeln!(out, "{}", tensor.numpy_str_with(&options.print_options))
        };
        written.and_then(|()| text(out)).map_err(output_error)?;
    }
    Ok(failures)
}

fn output_error(source: io::Error) -> Error {
    Error::Io { path: "output".into(), source }
}
