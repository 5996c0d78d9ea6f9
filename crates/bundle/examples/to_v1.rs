//! Copies a checkpoint of either format into a V1 file: `to_v1 PATH FILE`.

use std::error::Error;
use std::path::Path;

use flowkeep_bundle::{CheckpointReader, V1Writer, V1WriterOptions};

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [from, to] = args.as_slice() else { return Err("usage: to_v1 PATH FILE".into()) };
    let reader = CheckpointReader::open(Path::new(from))?;
    let mut writer = V1Writer::create(Path::new(to), V1WriterOptions::default())?;
    for key in reader.keys() {
        // Read when its turn comes to be written, one at a time.
        writer.copy(&key, &reader, &key)?;
    }
    Ok(writer.finish()?)
}
