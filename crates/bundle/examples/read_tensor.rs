//! Prints the type, the shape and the first bytes of a tensor: `read_tensor PREFIX KEY`.

use std::error::Error;
use std::path::Path;

use flowkeep_bundle::BundleReader;

#[expect(clippy::print_stdout, reason = "an example that prints")]
fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [prefix, key] = args.as_slice() else { return Err("usage: read_tensor PREFIX KEY".into()) };
    let tensor = BundleReader::open(Path::new(prefix))?.tensor(key)?;
    println!("{key}: {} {}", tensor.dtype(), tensor.shape());
    match tensor.as_strings() {
        Ok(strings) => println!("{strings:?}"),
        Err(_) => println!("{:02x?}", tensor.as_bytes()?.iter().take(64).collect::<Vec<_>>()),
    }
    Ok(())
}
