//! Carries tensors from one format to another: `interchange SRC DST`.
//!
//! The kind of `SRC` is told by its content, that of `DST` by its extension: `.npy`, `.npz`,
//! `.safetensors`, or none for a folder of raw bytes. Without `DST`, lists what is in `SRC`.

use std::path::Path;

use flowkeep_ckpt::interchange::{Format, Reader, TensorSpec, WriterOptions, write};
use flowkeep_ckpt::{Error, ReaderOptions};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let (src, dst) = match &arguments[..] {
        [src] => (Path::new(src), None),
        [src, dst] => (Path::new(src), Some(Path::new(dst))),
        _ => return Err("usage: interchange SRC [DST]".into()),
    };
    // Nobody may write into `SRC` meanwhile.
    let reader = Reader::open_with(src, ReaderOptions { mmap: true, ..Default::default() })?;
    match dst {
        None => list(&reader),
        Some(dst) => convert(&reader, dst)?,
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "an example")]
fn list(reader: &Reader) {
    for member in reader.members() {
        let dtype = member.dtype.map_or("?", |dtype| dtype.python_name());
        println!("{} {dtype} {} {}", member.name, member.shape, member.len_bytes);
    }
    for (key, text) in reader.metadata() {
        println!("{key}: {text}");
    }
}

fn convert(reader: &Reader, dst: &Path) -> Result<(), Error> {
    let mut specs = Vec::new();
    for member in reader.members() {
        // Reading says why it cannot be done.
        let dtype = match member.dtype {
            Some(dtype) => dtype,
            None => reader.tensor(&member.name)?.dtype(),
        };
        specs.push(TensorSpec::new(&*member.name, dtype, &member.shape));
    }
    let options = WriterOptions { metadata: reader.metadata().to_vec(), ..Default::default() };
    let format = Format::of_path(dst).unwrap_or(Format::Raw);
    write(dst, format, &specs, &options, |spec| reader.tensor(&spec.name))
}
