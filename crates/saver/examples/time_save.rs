//! Times a Saver beside the bundle crate: `time_save FOLDER MIB [ROUNDS]`.
//!
//! Variables of 16 MiB each, MIB in all, are saved and restored by a Saver, and the same tensors are written
//! and read by `flowkeep_bundle` alone, in turns. Prints the fastest of each in seconds, and the ratios.
//! FOLDER gets the two checkpoints, of which every byte is written anew and synced each time.
#![expect(clippy::print_stdout, reason = "a program whose result is what it prints")]

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use flowkeep_bundle::{BundleReader, BundleWriter, WriterOptions};
use flowkeep_graph::builder::{Initializer, Scope, VariableOptions};
use flowkeep_runtime::{Registry, Session, SessionOptions};
use flowkeep_saver::{SaveOptions, Saver, SaverConfig};
use flowkeep_tensor::Tensor;

const N_ELEMENTS: usize = 4 << 20;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (folder, mib, rounds) = match &args[..] {
        [folder, mib] => (folder, mib.parse::<usize>()?, 3),
        [folder, mib, rounds] => (folder, mib.parse()?, rounds.parse()?),
        _ => return Err("usage: time_save FOLDER MIB [ROUNDS]".into()),
    };
    let mut scope = Scope::new();
    let names: Vec<String> = (0..mib.div_ceil(16)).map(|idx| format!("v{idx}")).collect();
    for (idx, name) in names.iter().enumerate() {
        let value = Tensor::from_vec([N_ELEMENTS], vec![idx as f32 + 0.5; N_ELEMENTS])?;
        let zeros = VariableOptions::new().use_resource(true).shape([N_ELEMENTS]);
        let variable = scope.get_variable(name, zeros.initializer(Initializer::Zeros))?;
        let input = scope
            .with_op_name(&format!("in{idx}"))
            .placeholder(value.dtype(), [Some(N_ELEMENTS as u64)])?;
        scope.with_op_name(&format!("set{idx}")).assign(&variable, input)?;
    }
    let mut saver = Saver::new(&mut scope, SaverConfig::default())?;
    let mut registry = Registry::standard();
    flowkeep_saver::register(&mut registry);
    let options = SessionOptions { registry, ..SessionOptions::default() };
    let session = Session::new(Arc::new(scope.into_graph()), options);
    let mut tensors = Vec::new();
    for idx in 0..names.len() {
        let values = (0..N_ELEMENTS).map(|i| (i ^ idx) as f32);
        let value = Tensor::from_vec([N_ELEMENTS], values.collect())?;
        let (input, set) = (format!("in{idx}"), format!("set{idx}"));
        session.run(&[(input.as_str(), value.clone())], &[], &[&set])?;
        tensors.push(value);
    }

    let (by_saver, by_bundle) = (Path::new(folder).join("saver"), Path::new(folder).join("bundle"));
    let save = || Ok(saver.save(&session, &by_saver, &SaveOptions::default()).map(drop)?);
    let write = || {
        let mut writer = BundleWriter::create(&by_bundle, WriterOptions::default())?;
        for (name, tensor) in names.iter().zip(&tensors) {
            writer.add(name, tensor)?;
        }
        Ok(writer.finish()?)
    };
    let [save, write] = fastest(rounds, save, write)?;
    println!("save {save:.3} s, write {write:.3} s: {:.2}", save / write);
    let restore = || Ok(saver.restore(&session, &by_saver).map(drop)?);
    let read = || {
        tensors = BundleReader::open(&by_bundle)?.load(&names)?;
        Ok(())
    };
    let [restore, read] = fastest(rounds, restore, read)?;
    println!("restore {restore:.3} s, read {read:.3} s: {:.2}", restore / read);
    Ok(())
}

/// The fastest of `rounds` of each in seconds. They go in turns, and each is the first of every other
/// round, since what one leaves to be done (pages to free, data to write) slows the next.
fn fastest(
    rounds: usize,
    mut first: impl FnMut() -> Result<(), Box<dyn Error>>,
    mut second: impl FnMut() -> Result<(), Box<dyn Error>>,
) -> Result<[f64; 2], Box<dyn Error>> {
    let mut best = [f64::INFINITY; 2];
    for round in 0..rounds {
        if round % 2 == 0 {
            best[0] = best[0].min(seconds(&mut first)?);
        }
        best[1] = best[1].min(seconds(&mut second)?);
        if round % 2 == 1 {
            best[0] = best[0].min(seconds(&mut first)?);
        }
    }
    Ok(best)
}

fn seconds(f: impl FnOnce() -> Result<(), Box<dyn Error>>) -> Result<f64, Box<dyn Error>> {
    let start = Instant::now();
    f()?;
    Ok(start.elapsed().as_secs_f64())
}
