//! Lists the tensors of any checkpoint, and reads each of them: `list_tensors PATH`.
//!
//! PATH is a prefix, a V1 file or pattern, a directory, a SavedModel, or any file of a checkpoint.

use std::error::Error;
use std::path::Path;

use flowkeep_bundle::{CheckpointReader, Location};

#[expect(clippy::print_stdout, reason = "an example that prints")]
fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("usage: list_tensors PATH")?;
    let location = Location::find(Path::new(&path))?;
    println!("{location}");
    let reader = CheckpointReader::open(&location.prefix)?;
    for (key, entry) in reader.entries() {
        let entry = entry?;
        let n_bytes = reader.tensor(&key)?.len_bytes();
        print!("{key}: {} {}, {n_bytes} bytes", entry.dtype, entry.shape);
        match entry.is_partitioned() {
            true => println!(" in {} slices", entry.parts.len()),
            false => println!(),
        }
    }
    Ok(())
}
