//! Kills a process again and again while it saves over one prefix, lets it meet a full disk, and looks
//! at what is there.
//!
//! A test of its own harness, because it starts itself as the process to be killed. It kills 40 times,
//! or `FLOWKEEP_KILLS` times: `cargo xtask long-kills` does so a thousand times.

use std::error::Error;
use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use flowkeep_bundle::checkpoint_state::{
    CheckpointFormat, UpdateOptions, remove_checkpoint, update_checkpoint_state,
};
use flowkeep_bundle::{
    BundleReader, BundleWriter, CheckpointState, Durability, WriterOptions, latest_checkpoint,
};
use flowkeep_tensor::Tensor;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// The checkpoint that is overwritten all the time.
const OVERWRITTEN: &str = "overwritten";
const DEFAULT_KILLS: usize = 40;

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().collect();
    match args.get(1).map(String::as_str) {
        Some("--save-in") => save_on_and_on(Path::new(&args[2]), args[3].parse()?),
        Some("--save-once-in") => save(&Path::new(&args[2]).join(OVERWRITTEN), args[3].parse()?),
        _ => {
            #[cfg(unix)]
            meet_a_full_disk()?;
            kill_on_and_on()
        }
    }
}

#[expect(clippy::print_stdout, reason = "the harness, and the process that it kills, report")]
fn report(line: std::fmt::Arguments<'_>) {
    println!("{line}");
}

fn random(below: u64) -> u64 {
    RandomState::new().hash_one(below) % below
}

/// Saves one generation after the other until it is killed: over the same prefix, and as the latest
/// of three.
fn save_on_and_on(dir: &Path, first: i32) -> Result<()> {
    for generation in first.. {
        save(&dir.join(OVERWRITTEN), generation)?;
        let prefix = format!("model-{generation}");
        save(&dir.join(&prefix), generation)?;
        let state = CheckpointState {
            model_checkpoint_path: prefix.clone().into(),
            all_model_checkpoint_paths: vec![prefix.into()],
            ..CheckpointState::default()
        };
        let durability = Durability::Unsynced;
        let options = UpdateOptions { durability, ..UpdateOptions::default() };
        update_checkpoint_state(dir, state, options)?;
        for old in first.max(generation - 3)..generation - 2 {
            remove_checkpoint(&dir.join(format!("model-{old}")), CheckpointFormat::V2, "meta")?;
        }
        report(format_args!("{generation}"));
    }
    Ok(())
}

/// Saves tensors all of whose elements are the generation.
fn save(prefix: &Path, generation: i32) -> Result<()> {
    let options = WriterOptions {
        n_shards: 1 + u32::from(random(4) == 0),
        durability: if random(8) == 0 { Durability::Synced } else { Durability::Unsynced },
        ..WriterOptions::default()
    };
    let mut writer = BundleWriter::create(prefix, options)?;
    for (key, len) in [("a", 1), ("b", random(1 << 10)), ("c", random(1 << 18)), ("d", 1 << 18)] {
        writer.add(key, &Tensor::from_elements(vec![generation; len as usize]))?;
    }
    Ok(writer.finish()?)
}

/// The one generation of all tensors of a checkpoint.
fn generation(prefix: &Path) -> Result<i32> {
    let reader = BundleReader::open(prefix)?;
    let [generation] = *reader.tensor("a")?.as_slice::<i32>()? else {
        return Err("not one".into());
    };
    assert_eq!(reader.keys().count(), 4);
    for key in ["b", "c", "d"] {
        let tensor = reader.tensor(key)?;
        assert!(tensor.as_slice::<i32>()?.iter().all(|value| *value == generation), "a mixture");
    }
    Ok(generation)
}

/// Saves with a limit on the length of files, which takes the place of a full disk.
#[cfg(unix)]
fn meet_a_full_disk() -> Result<()> {
    let dir = tempfile::tempdir()?;
    save(&dir.path().join(OVERWRITTEN), 1)?;
    let names = || -> Result<Vec<_>> {
        let mut names: Vec<_> = fs::read_dir(dir.path())?.collect::<std::io::Result<_>>()?;
        names.sort_by_key(fs::DirEntry::file_name);
        Ok(names.into_iter().map(|entry| entry.file_name()).collect())
    };
    let before = names()?;
    // In blocks of 512 bytes: the last tensor alone has a megabyte.
    for n_blocks in [0, 1, 100, 2000] {
        let limited = format!("trap '' XFSZ; ulimit -f {n_blocks}; exec \"$0\" \"$@\"");
        let output = Command::new("sh")
            .args(["-c", &limited])
            .arg(std::env::current_exe()?)
            .arg("--save-once-in")
            .arg(dir.path())
            .arg("2")
            .output()?;
        let message = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && message.contains("Io {"), "{message}");
        assert_eq!(generation(&dir.path().join(OVERWRITTEN))?, 1);
        assert_eq!(names()?, before, "with {n_blocks} blocks");
    }
    Ok(())
}

fn kill_on_and_on() -> Result<()> {
    let n_kills = match std::env::var("FLOWKEEP_KILLS") {
        Ok(number) => number.parse()?,
        Err(_) => DEFAULT_KILLS,
    };
    let dir = tempfile::tempdir()?;
    let mut newest = 0;
    save(&dir.path().join(OVERWRITTEN), newest)?;
    let mut n_unreported = 0;
    for _ in 0..n_kills {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("--save-in")
            .arg(dir.path())
            .arg((newest + 1).to_string())
            .stdout(Stdio::piped())
            .spawn()?;
        thread::sleep(Duration::from_micros(2_000 + random(40_000)));
        child.kill()?;
        child.wait()?;
        let output = BufReader::new(child.stdout.take().ok_or("no output")?);
        let reported = output.lines().map_while(std::result::Result::ok).last();
        let reported: i32 = reported.map_or(Ok(newest), |line| line.parse())?;

        let found = generation(&dir.path().join(OVERWRITTEN))?;
        assert!(found >= reported, "{found} is older than {reported}, which was saved");
        if reported > newest {
            let latest = latest_checkpoint(dir.path(), None)?.ok_or("no latest checkpoint")?;
            assert!(generation(&latest)? >= reported);
        }
        n_unreported += usize::from(found > reported);
        newest = found;
    }
    // What killed processes left behind goes with the next save.
    save(&dir.path().join(OVERWRITTEN), newest + 1)?;
    let mut n_files = 0;
    for entry in fs::read_dir(dir.path())? {
        let name = entry?.file_name().into_string().map_err(|_| "a strange name")?;
        let is_left = name.starts_with(OVERWRITTEN) && name.contains("tempstate");
        assert!(!is_left, "{name} is left behind");
        n_files += usize::from(name.starts_with(OVERWRITTEN));
    }
    assert!((2..=4).contains(&n_files), "{n_files} files");
    report(format_args!(
        "{n_kills} kills, {newest} generations, {n_unreported} caught between the save and its \
         report: always one whole checkpoint"
    ));
    Ok(())
}
