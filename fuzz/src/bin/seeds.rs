//! Writes the first inputs of every target into `corpus/<target>/`, from the golden files of
//! `fixtures/`.
#![forbid(unsafe_code)]

use std::error::Error;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flowkeep_bundle::source::BytesSource;
use flowkeep_bundle::table::LazyTable;
use flowkeep_bundle::{BundleReader, V1Entry, V1Reader, list_checkpoints, slice_key};
use flowkeep_fuzz::{bundle_open, bundle_recover, text_format};
use flowkeep_proto::pb;
use prost::Message;
use serde_json::Value;

fn main() -> Result<(), Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let corpus = root.join("corpus/bundle_open");
    fs::create_dir_all(&corpus)?;
    let mut n_written = 0;
    for file in fs::read_dir(root.join("../fixtures/bundles"))? {
        let path = file?.path();
        if path.extension().is_none_or(|extension| extension != "index") {
            continue;
        }
        n_written += bundle_seeds(&corpus, &path)?;
    }
    println!("{n_written} inputs in {}", corpus.display());
    let corpus = root.join("corpus/bundle_recover");
    println!("{} inputs in {}", recover_seeds(root, &corpus)?, corpus.display());
    let corpus = root.join("corpus/saved_model_open");
    println!("{} inputs in {}", saved_model_seeds(root, &corpus)?, corpus.display());
    let corpus = root.join("corpus/checkpoint_state");
    println!("{} inputs in {}", checkpoint_state_seeds(root, &corpus)?, corpus.display());
    let corpus = root.join("corpus/graph_import");
    println!("{} inputs in {}", graph_seeds(root, &corpus)?, corpus.display());
    let corpus = root.join("corpus/object_graph");
    println!("{} inputs in {}", object_graph_seeds(root, &corpus)?, corpus.display());
    let corpus = root.join("corpus/text_format");
    println!("{} inputs in {}", text_format_seeds(root, &corpus)?, corpus.display());
    let corpus = root.join("corpus/v1_open");
    println!("{} inputs in {}", v1_seeds(root, &corpus)?, corpus.display());
    let corpus = root.join("corpus/meta_graph_import");
    println!("{} inputs in {}", meta_graph_seeds(root, &corpus)?, corpus.display());
    for target in ["npz", "safetensors"] {
        let corpus = root.join("corpus").join(target);
        println!("{} inputs in {}", interchange_seeds(root, target, &corpus)?, corpus.display());
    }
    println!("{} inputs that fuzzing found", found_seeds(root)?);
    Ok(())
}

/// The files of `fixtures/hostile/<target>`, for every target.
fn found_seeds(root: &Path) -> Result<usize, Box<dyn Error>> {
    let mut n_written = 0;
    for entry in fs::read_dir(root.join("../fixtures/hostile"))? {
        let dir = entry?.path();
        if !dir.is_dir() {
            continue;
        }
        let corpus = root.join("corpus").join(file_name(&dir));
        fs::create_dir_all(&corpus)?;
        for file in fs::read_dir(&dir)? {
            let path = file?.path();
            fs::copy(&path, corpus.join(file_name(&path)))?;
            n_written += 1;
        }
    }
    Ok(n_written)
}

/// Arrays by NumPy, a header by hand.
fn interchange_seeds(root: &Path, target: &str, corpus: &Path) -> Result<usize, Box<dyn Error>> {
    fs::create_dir_all(corpus)?;
    let fixtures = root.join("../fixtures");
    let mut inputs = Vec::new();
    if target == "safetensors" {
        inputs.push(("header".to_owned(), [&[1], HEADER.as_bytes()].concat()));
    } else {
        for file in fs::read_dir(fixtures.join("npy"))? {
            let path = file?.path();
            let modes: &[u8] = match path.extension().and_then(OsStr::to_str) {
                Some("npz") => &[0, 1],
                Some("npy") => &[2, 3],
                _ => &[],
            };
            for mode in modes {
                let input = [&[*mode][..], &fs::read(&path)?].concat();
                inputs.push((format!("{}-{mode}", file_name(&path)), input));
            }
        }
    }
    for (name, input) in &inputs {
        fs::write(corpus.join(name), input)?;
    }
    Ok(inputs.len())
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The header of tensors that fill a kilobyte.
const HEADER: &str = r#"{"__metadata__":{"key":"text"},
"a":{"dtype":"F64","shape":[2,3],"data_offsets":[0,48]},"b":{"dtype":"BF16","shape":[],"data_offsets":[48,50]},
"c":{"dtype":"BOOL","shape":[974],"data_offsets":[50,1024]},"d":{"dtype":"I8","shape":[0],"data_offsets":[50,50]}}"#;

/// One input for each golden bundle with one data file.
fn recover_seeds(root: &Path, corpus: &Path) -> Result<usize, Box<dyn Error>> {
    fs::create_dir_all(corpus)?;
    let mut n_written = 0;
    for file in fs::read_dir(root.join("../fixtures/bundles"))? {
        let path = file?.path();
        let Ok(data) = fs::read(path.with_extension("data-00000-of-00001")) else { continue };
        let index = fs::read(path.with_extension("index"))?;
        if let Some(input) = bundle_recover::join(&index, &data[..data.len().min(4096)]) {
            fs::write(corpus.join(path.file_stem().unwrap_or_default()), input)?;
            n_written += 1;
        }
    }
    Ok(n_written)
}

/// Inputs with small V1 files, with their data blocks, and with their records.
fn v1_seeds(root: &Path, corpus: &Path) -> Result<usize, Box<dyn Error>> {
    fs::create_dir_all(corpus)?;
    let mut n_written = 0;
    let mut write = |name: &str, mode: u8, first: &[u8], second: &[u8]| {
        let input = bundle_open::join(mode, first, second).ok_or("too long")?;
        fs::write(corpus.join(format!("{name}-{mode}")), input)?;
        n_written += 1;
        Ok::<_, Box<dyn Error>>(())
    };
    let read = |name: &str| fs::read(root.join("../fixtures/v1").join(name));
    for name in ["example", "saver", "by_hand", "snappy", "dtypes"] {
        let bytes = read(name)?;
        write(name, 0, &bytes, &[])?;
        write(name, 1, data_block(&bytes), &[])?;
        let table = LazyTable::open(Arc::new(BytesSource::new(bytes)), true)?;
        let reader = V1Reader::open(&root.join("../fixtures/v1").join(name))?;
        for key in reader.keys() {
            let slice = &reader.entry(&key)?.slices[0];
            let record = table.get(&slice_key::encode(&key, slice))?.unwrap_or_default();
            if record.len() < 4096 {
                let meta = meta_of_v(&reader.entry(&key)?);
                let file = format!("{name}-{}", key.to_string().replace(['/', '\0'], "_"));
                write(&file, 2, &meta, &record)?;
            }
        }
    }
    let [first, second] = ["sharded-00001-of-00003", "sharded-00002-of-00003"].map(read);
    let (first, second) = (first?, second?);
    write("sharded", 0, &first, &second)?;
    write("sharded", 1, data_block(&first), data_block(&second))?;
    Ok(n_written)
}

/// The record of the empty key for a tensor `v` like this one.
fn meta_of_v(entry: &V1Entry) -> Vec<u8> {
    let mut tensor = b"\x0a\x01v".to_vec();
    let mut put = |tag: u8, message: Vec<u8>| {
        tensor.extend([tag, message.len() as u8]);
        tensor.extend(message);
    };
    put(0x12, entry.shape.to_proto().encode_to_vec());
    put(0x22, entry.slices[0].to_proto().encode_to_vec());
    tensor.extend([0x18, entry.dtype.number() as u8]);
    let mut meta = vec![0x0a, tensor.len() as u8];
    meta.extend(tensor);
    [&[0x0a, meta.len() as u8][..], &meta].concat()
}

/// The contents of the only data block of a table.
fn data_block(table: &[u8]) -> &[u8] {
    // The data block is the first thing in a table, and ends where its restart array does: at the
    // trailer before the empty metaindex block.
    let metaindex = [0, 0, 0, 0, 1, 0, 0, 0, 0, 0xc0, 0xf2, 0xa1, 0xb0];
    let end = table.windows(metaindex.len()).position(|window| window == metaindex);
    end.and_then(|end| table.get(..end.checked_sub(5)?)).unwrap_or_default()
}

/// One input for each state file.
fn checkpoint_state_seeds(root: &Path, corpus: &Path) -> Result<usize, Box<dyn Error>> {
    fs::create_dir_all(corpus)?;
    let files = [
        "../fixtures/object_graphs/manager/checkpoint",
        "../fixtures/saved_models/bad_half_plus_two/00000123/checkpoint",
        "../fixtures/text_format/checkpoint_state.pbtxt",
    ];
    for (idx, file) in files.iter().enumerate() {
        fs::copy(root.join(file), corpus.join(format!("state-{idx}")))?;
    }
    Ok(files.len())
}

/// Of the golden texts and messages those that are short and of a type that the target knows.
fn text_format_seeds(root: &Path, corpus: &Path) -> Result<usize, Box<dyn Error>> {
    fs::create_dir_all(corpus)?;
    let fixtures = root.join("../fixtures");
    let mut n_written = 0;
    for (name, mode) in [("read", 0), ("print", 1)] {
        let lines = fs::read_to_string(fixtures.join(format!("text_format/{name}.jsonl")))?;
        for (idx, line) in lines.lines().enumerate() {
            let case: Value = serde_json::from_str(line)?;
            let message = case["message"].as_str().unwrap_or_default();
            let content = match (&case["text"], &case["wire"]) {
                (_, Value::String(hex)) if mode == 1 => from_hex(hex)?,
                (Value::String(text), _) => text.as_bytes().to_vec(),
                _ => continue,
            };
            if let Some(input) = text_format::join(mode, message, &content)
                && content.len() < 2000
            {
                fs::write(corpus.join(format!("{name}-{idx}")), input)?;
                n_written += 1;
            }
        }
    }
    Ok(n_written)
}

fn from_hex(text: &str) -> Result<Vec<u8>, Box<dyn Error>> {
    let digits = |pair: &[u8]| Ok(u8::from_str_radix(std::str::from_utf8(pair)?, 16)?);
    text.as_bytes().chunks(2).map(digits).collect()
}

/// One input for each checkpoint with an object graph.
fn object_graph_seeds(root: &Path, corpus: &Path) -> Result<usize, Box<dyn Error>> {
    fs::create_dir_all(corpus)?;
    let mut n_written = 0;
    for checkpoint in list_checkpoints(&root.join("../fixtures/object_graphs"))? {
        let reader = BundleReader::open(&checkpoint.prefix)?;
        let Some(graph) = reader.object_graph()? else { continue };
        let name = checkpoint.prefix.file_name().unwrap_or_default();
        fs::write(corpus.join(name), graph.encode())?;
        n_written += 1;
    }
    Ok(n_written)
}

/// The graphs of views and those of small models, for every mode.
fn graph_seeds(root: &Path, corpus: &Path) -> Result<usize, Box<dyn Error>> {
    fs::create_dir_all(corpus)?;
    let fixtures = root.join("../fixtures");
    let mut graphs = Vec::new();
    for file in fs::read_dir(fixtures.join("graph_views"))? {
        let path = file?.path();
        let is_message = path.extension().is_some_and(|extension| extension == "pb");
        if is_message && !file_name(&path).ends_with("saved_model.pb") {
            graphs.push((file_name(&path), fs::read(&path)?));
        }
    }
    for entry in fs::read_dir(fixtures.join("saved_models"))? {
        let dir = entry?.path();
        let Ok(message) = fs::read(dir.join("saved_model.pb")) else { continue };
        let model = pb::SavedModel::decode(&*message)?;
        let graph = model.meta_graphs.into_iter().next().and_then(|def| def.graph_def);
        graphs.push((file_name(&dir), graph.unwrap_or_default().encode_to_vec()));
    }
    for (name, graph) in &graphs {
        for mode in 0..3 {
            fs::write(corpus.join(format!("{name}-{mode}")), [&[mode, 1][..], graph].concat())?;
        }
    }
    Ok(graphs.len() * 3)
}

/// One input for each small model, in its own form: binary, text or in chunks.
fn saved_model_seeds(root: &Path, corpus: &Path) -> Result<usize, Box<dyn Error>> {
    fs::create_dir_all(corpus)?;
    let mut n_written = 0;
    for folder in ["saved_models", "object_models", "chunked"] {
        for entry in fs::read_dir(root.join("../fixtures").join(folder))? {
            let dir = entry?.path();
            let forms = [(0, "saved_model.pb"), (1, "saved_model.pbtxt"), (3, "saved_model.cpb")];
            for (mode, file) in forms {
                let Ok(message) = fs::read(dir.join(file)) else { continue };
                let input = [&[mode][..], &message].concat();
                fs::write(corpus.join(format!("{folder}-{}", file_name(&dir))), input)?;
                n_written += 1;
            }
        }
    }
    Ok(n_written)
}

/// The MetaGraphs that were written with checkpoints.
fn meta_graph_seeds(root: &Path, corpus: &Path) -> Result<usize, Box<dyn Error>> {
    fs::create_dir_all(corpus)?;
    let mut n_written = 0;
    for folder in ["plans", "savers"] {
        for file in fs::read_dir(root.join("../fixtures").join(folder))? {
            let path = file?.path();
            if path.extension().is_some_and(|extension| extension == "meta") {
                let input = [&[1][..], &fs::read(&path)?].concat();
                fs::write(corpus.join(file_name(&path)), input)?;
                n_written += 1;
            }
        }
    }
    Ok(n_written)
}

/// One input with the whole index, one with the contents of its data block alone.
fn bundle_seeds(corpus: &Path, index: &PathBuf) -> Result<usize, Box<dyn Error>> {
    let name = index.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let bytes = fs::read(index)?;
    let data = fs::read(index.with_extension("data-00000-of-00001")).unwrap_or_default();
    let data = &data[..data.len().min(4096)];
    let block = data_block(&bytes);
    let mut n_written = 0;
    for (mode, index) in [(0, &bytes[..]), (1, block)] {
        if let Some(input) = bundle_open::join(mode, index, data) {
            fs::write(corpus.join(format!("{name}-{mode}")), input)?;
            n_written += 1;
        }
    }
    Ok(n_written)
}
