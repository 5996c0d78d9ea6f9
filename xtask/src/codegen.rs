//! `cargo xtask codegen [--check]`: message types and descriptors from the `.proto` files.
//!
//! Reads `crates/proto/protos/**/*.proto` with a proto compiler written in Rust and writes
//! `crates/proto/src/gen/`: one Rust file per protobuf package, and `descriptors.bin`, a
//! FileDescriptorSet of all files and their imports for the text format. Both are committed.
//! Then the table of ops, see [`crate::op_table`].
//! With `--check` nothing is written: the task fails when what lies there is not what it makes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use prost_build::Module;
use protox::Compiler;
use protox::prost::Message;

use crate::TaskResult;

/// Large variants of the attribute value, the saved object and what signatures of functions are made of,
/// of which most are small: a model has thousands, and maps and lists reserve room for several at once.
const BOXED: [&str; 7] = [
    ".tensorflow.AttrValue.value.tensor",
    ".tensorflow.AttrValue.value.list",
    ".tensorflow.SavedObject.kind.function",
    ".tensorflow.SavedObject.kind.bare_concrete_function",
    ".tensorflow.StructuredValue.kind.bounded_tensor_spec_value",
    ".tensorflow.StructuredValue.kind.tensor_value",
    ".tensorflow.StructuredValue.kind.numpy_value",
];

/// Fields that are shared views of the message they were decoded from, not copies.
const SHARED_BYTES: [&str; 3] = [
    ".tensorflow.AttrValue.s",
    ".tensorflow.TensorProto.string_val",
    ".tensorflow.TensorProto.tensor_content",
];

/// Runs the task.
pub(crate) fn run(args: &[String]) -> TaskResult {
    let check = match args {
        [] => false,
        [flag] if flag == "--check" => true,
        _ => return Err("usage: cargo xtask codegen [--check]".into()),
    };
    crate::op_table::run(check)?;
    let proto_crate = crate::root().join("crates/proto");
    let wanted = generate(&proto_crate.join("protos"))?;
    let gen_dir = proto_crate.join("src/gen");
    let present = read_dir(&gen_dir)?;
    if check {
        return match first_difference(&wanted, &present) {
            None => Ok(()),
            Some(name) => {
                Err(format!("{name} in crates/proto/src/gen is stale: run `cargo xtask codegen`")
                    .into())
            }
        };
    }
    fs::create_dir_all(&gen_dir)?;
    for name in present.keys().filter(|name| !wanted.contains_key(*name)) {
        fs::remove_file(gen_dir.join(name))?;
    }
    for (name, content) in &wanted {
        if present.get(name) != Some(content) {
            fs::write(gen_dir.join(name), content)?;
        }
    }
    Ok(())
}

/// Makes all files of the generated folder, by name.
fn generate(protos: &Path) -> Result<BTreeMap<String, Vec<u8>>, Box<dyn std::error::Error>> {
    let mut compiler = Compiler::new([protos])?;
    compiler.include_imports(true);
    compiler.open_files(proto_files(protos)?)?;

    let mut files = BTreeMap::new();
    let descriptors = compiler.file_descriptor_set();
    files.insert("descriptors.bin".to_owned(), descriptors.encode_to_vec());

    compiler.include_source_info(true);
    let requests = compiler
        .file_descriptor_set()
        .file
        .into_iter()
        .map(|file| (Module::from_protobuf_package_name(file.package()), file))
        .collect();
    let mut config = prost_build::Config::new();
    config.btree_map(["."]).bytes(SHARED_BYTES).enable_type_names();
    for field in BOXED {
        config.boxed(field);
    }
    let modules = config.generate(requests)?;
    for (module, code) in modules {
        files.insert(module.to_file_name_or("root"), code.into_bytes());
    }
    Ok(files)
}

/// All `.proto` files below `dir`, sorted.
fn proto_files(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(proto_files(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "proto") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// The files of `dir` by name; none when it does not exist.
fn read_dir(dir: &Path) -> io::Result<BTreeMap<String, Vec<u8>>> {
    let mut files = BTreeMap::new();
    if !dir.exists() {
        return Ok(files);
    }
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        files.insert(entry.file_name().to_string_lossy().into_owned(), fs::read(entry.path())?);
    }
    Ok(files)
}

/// The first name, in order, under which the two differ.
fn first_difference<'a>(
    wanted: &'a BTreeMap<String, Vec<u8>>,
    present: &'a BTreeMap<String, Vec<u8>>,
) -> Option<&'a str> {
    let mut names: Vec<&String> = wanted.keys().chain(present.keys()).collect();
    names.sort();
    names.into_iter().find(|name| wanted.get(*name) != present.get(*name)).map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(entries: &[(&str, &str)]) -> BTreeMap<String, Vec<u8>> {
        entries.iter().map(|(name, text)| (name.to_string(), text.as_bytes().to_vec())).collect()
    }

    #[test]
    fn committed_code_is_what_the_protos_generate() {
        run(&["--check".to_owned()]).unwrap();
    }

    #[test]
    fn difference_sees_changed_missing_and_left_over_files() {
        let wanted = files(&[("a.rs", "x"), ("b.rs", "y")]);
        assert_eq!(first_difference(&wanted, &wanted.clone()), None);
        assert_eq!(
            first_difference(&wanted, &files(&[("a.rs", "x"), ("b.rs", "z")])),
            Some("b.rs")
        );
        assert_eq!(first_difference(&wanted, &files(&[("b.rs", "y")])), Some("a.rs"));
        let left_over = files(&[("a.rs", "x"), ("b.rs", "y"), ("c.rs", "")]);
        assert_eq!(first_difference(&wanted, &left_over), Some("c.rs"));
    }
}
