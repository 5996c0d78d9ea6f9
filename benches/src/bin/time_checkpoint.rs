//! Times reading, listing and writing one checkpoint in this process; prints one JSON object.
//!
//! `time_checkpoint PREFIX MANY FILE.safetensors THREADS ROUNDS`
//!
//! PREFIX is a checkpoint of one data file, MANY one of many small tensors, and the file has the tensors of
//! PREFIX. Prints the median milliseconds of each, taken in turns; `compare_checkpoints.py` sets these beside
//! TensorFlow's.
#![expect(clippy::print_stdout, reason = "a program whose result is what it prints")]

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use flowkeep_benches::{mapped, sum, sum_mapped, write_raw};
use flowkeep_bundle::{
    BundleReader, BundleWriter, Durability, Key, ReaderOptions, VerifyOptions, WriterOptions,
};
use flowkeep_tensor::Tensor;
use serde_json::json;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [prefix, many, safetensors, threads, rounds] = &args[..] else {
        return Err("usage: time_checkpoint PREFIX MANY FILE.safetensors THREADS ROUNDS".into());
    };
    let files = Files {
        prefix: prefix.into(),
        many: many.into(),
        data: format!("{prefix}.data-00000-of-00001").into(),
        safetensors: safetensors.into(),
        threads: threads.parse()?,
        tensors: load(Path::new(prefix), false, 1)?,
    };
    let len = fs::metadata(&files.data)?.len();
    let scratch = files.prefix.with_extension("scratch");
    fs::create_dir(&scratch)?;

    let mut times: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for _ in 0..rounds.parse()? {
        let mut time = |what, work: &dyn Fn() -> Result<()>| -> Result<()> {
            let start = Instant::now();
            work()?;
            times.entry(what).or_default().push(start.elapsed().as_secs_f64() * 1e3);
            Ok(())
        };
        files.time_reading(&mut time)?;
        files.time_writing(&scratch, len, &mut time)?;
    }
    fs::remove_dir_all(scratch)?;
    let median = |mut times: Vec<f64>| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    };
    let medians: BTreeMap<_, _> =
        times.into_iter().map(|(what, times)| (what, median(times))).collect();
    println!("{}", json!({"bytes": len, "tensors": files.tensors.len(), "ms": medians}));
    Ok(())
}

struct Files {
    prefix: PathBuf,
    many: PathBuf,
    data: PathBuf,
    safetensors: PathBuf,
    threads: usize,
    /// Those of `prefix`, in memory.
    tensors: Vec<(Key, Tensor)>,
}

type Time<'a> = dyn FnMut(&'static str, &dyn Fn() -> Result<()>) -> Result<()> + 'a;

impl Files {
    fn time_reading(&self, time: &mut Time<'_>) -> Result<()> {
        let check = |total: u64| if total == 0 { Err("all zeros".into()) } else { Ok(()) };
        time("machine: mapped sum, 1 thread", &|| check(sum_mapped(&self.data, 1)))?;
        time("read: mapped, 1 thread", &|| load(&self.prefix, true, 1).map(drop))?;
        time("read: safetensors, mapped, every byte summed, 1 thread", &|| {
            let mapping = mapped(&self.safetensors);
            let tensors = safetensors::SafeTensors::deserialize(&mapping)?;
            check(tensors.iter().fold(0, |total, (_, view)| sum(view.data()).wrapping_add(total)))
        })?;
        time("machine: mapped sum, all threads", &|| check(sum_mapped(&self.data, self.threads)))?;
        time("read: mapped, all threads", &|| load(&self.prefix, true, self.threads).map(drop))?;
        time("verify, all threads", &|| {
            let options = VerifyOptions { threads: self.threads, ..VerifyOptions::default() };
            let verification = BundleReader::open(&self.prefix)?.verify(options);
            if verification.is_sound() { Ok(()) } else { Err("damaged".into()) }
        })?;
        time("read: into memory, 1 thread", &|| load(&self.prefix, false, 1).map(drop))?;
        time("read: into memory, all threads", &|| {
            load(&self.prefix, false, self.threads).map(drop)
        })?;
        time("read: safetensors, into memory, 1 thread", &|| {
            let content = fs::read(&self.safetensors)?;
            safetensors::SafeTensors::deserialize(&content)?;
            Ok(())
        })?;
        time("open and list many", &|| {
            let reader = BundleReader::open(&self.many)?;
            let n_elements = reader.entries().try_fold(0, |n, (_, entry)| {
                Ok::<_, flowkeep_bundle::Error>(n + entry?.shape.n_elements())
            })?;
            if n_elements > 0 { Ok(()) } else { Err("nothing there".into()) }
        })
    }

    fn time_writing(&self, scratch: &Path, len: u64, time: &mut Time<'_>) -> Result<()> {
        let raw = scratch.join("raw");
        let bundle = scratch.join("bundle");
        for (sync, what) in [
            (false, ["machine: raw write", "write"]),
            (true, ["machine: raw write, synced", "write, synced"]),
        ] {
            time(what[0], &|| Ok(write_raw(&raw, len, sync)?))?;
            fs::remove_file(&raw)?;
            time(what[1], &|| {
                let durability = if sync { Durability::Synced } else { Durability::Unsynced };
                let options =
                    WriterOptions { durability, threads: self.threads, ..WriterOptions::default() };
                let mut writer = BundleWriter::create(&bundle.join("p"), options)?;
                for (key, tensor) in &self.tensors {
                    writer.add(key.clone(), tensor)?;
                }
                writer.finish()?;
                Ok(())
            })?;
            fs::remove_dir_all(&bundle)?;
        }
        Ok(())
    }
}

/// All tensors of a checkpoint, verified.
fn load(prefix: &Path, mmap: bool, threads: usize) -> Result<Vec<(Key, Tensor)>> {
    let options = ReaderOptions { mmap, verify: true, threads };
    let reader = BundleReader::open_with(prefix, options)?;
    let keys: Vec<Key> = reader.keys().collect();
    let tensors = reader.load(&keys)?;
    Ok(keys.into_iter().zip(tensors).collect())
}
