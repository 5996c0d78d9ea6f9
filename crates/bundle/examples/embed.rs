//! Writes a checkpoint and reads it back: `embed PREFIX`.

use std::path::Path;

use flowkeep_bundle::{BundleReader, BundleWriter, WriterOptions};
use flowkeep_tensor::Tensor;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let prefix = std::env::args().nth(1).ok_or("usage: embed PREFIX")?;
    let mut writer = BundleWriter::create(Path::new(&prefix), WriterOptions::default())?;
    writer.add("bias", &Tensor::from_elements(vec![1.0f32, 2.0]))?;
    writer.finish()?;
    let bias = BundleReader::open(Path::new(&prefix))?.tensor("bias")?;
    assert_eq!(bias.as_slice::<f32>()?, [1.0, 2.0]);
    Ok(())
}
