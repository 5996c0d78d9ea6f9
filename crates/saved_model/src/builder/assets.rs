//! The files that a model reads when it is initialized.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use flowkeep_graph::builder::Scope;
use flowkeep_graph::{CollectionItem, Output};
use flowkeep_proto::pb;
use flowkeep_tensor::{Code, DType};
use prost::Message;

use crate::Error;
use crate::python_text::python_tensor;

/// What `AssetFileDef`s are called where a collection holds them.
const TYPE_URL: &str = "type.googleapis.com/tensorflow.AssetFileDef";

/// The assets of one MetaGraph.
#[derive(Debug, Default)]
pub(super) struct Assets {
    /// One for each tensor.
    pub(super) defs: Vec<pb::AssetFileDef>,
    /// The names under which files are copied, and where they are now.
    pub(super) files: Vec<(String, PathBuf)>,
}

impl Assets {
    /// The assets whose paths these tensors hold. A file keeps its name, unless another one of that
    /// name and of other content came before it, behind which it gets a number.
    ///
    /// Errors: `INVALID_ARGUMENT`, with TensorFlow's texts, for what is no constant string.
    pub(super) fn of(scope: &Scope, items: &[CollectionItem]) -> Result<Assets, Error> {
        let mut assets = Assets::default();
        for item in items {
            let (tensor, path) = path_of(scope, item)?;
            let basename = path.rsplit(std::path::is_separator).next().unwrap_or_default();
            if basename.is_empty() {
                let tensor = python_tensor(scope, tensor);
                return Err(invalid(format!("Asset filepath tensor {tensor} in is invalid.")));
            }
            let filename = assets.name_for(basename, Path::new(&path))?;
            let name = scope.graph().tensor_name(tensor).to_string();
            let encoding = Some(pb::tensor_info::Encoding::Name(name));
            assets.defs.push(pb::AssetFileDef {
                tensor_info: Some(pb::TensorInfo { encoding, ..Default::default() }),
                filename: filename.clone(),
            });
            match assets.files.iter_mut().find(|(other, _)| *other == filename) {
                Some((_, source)) => *source = path.into(),
                None => assets.files.push((filename, path.into())),
            }
        }
        Ok(assets)
    }

    /// The name of a file below `assets/`.
    fn name_for(&self, basename: &str, path: &Path) -> Result<String, Error> {
        let of = |name: &str| self.files.iter().find(|(other, _)| other == name);
        match of(basename) {
            Some((_, other)) if path != other && !is_same_content(path, other)? => {
                let names = (1u64..).map(|number| format!("{basename}_{number}"));
                let mut free = names.filter(|name| of(name).is_none());
                Ok(free.next().unwrap_or_default())
            }
            _ => Ok(basename.to_owned()),
        }
    }

    /// The assets as the items of a collection.
    pub(super) fn collection_items(&self) -> impl Iterator<Item = CollectionItem> {
        self.defs.iter().map(|def| {
            let value = def.encode_to_vec();
            CollectionItem::Any(prost_types::Any { type_url: TYPE_URL.to_owned(), value })
        })
    }
}

/// The tensor of an asset, and the path that it holds.
fn path_of(scope: &Scope, item: &CollectionItem) -> Result<(Output, String), Error> {
    let CollectionItem::Tensor(tensor) = *item else {
        let what = item.name(scope.graph()).unwrap_or_else(|| item.to_string());
        return Err(invalid(format!("Asset path tensor {what} must be a Tensor.")));
    };
    let Some(node) = scope.graph().get(tensor.node) else {
        return Err(invalid(format!("the graph has no node #{}", tensor.node.0)));
    };
    let printed = || python_tensor(scope, tensor);
    if node.op() != "Const" {
        return Err(invalid(format!(
            "Asset path tensor {} must be of type constant.Has type {} instead.",
            printed(),
            node.op()
        )));
    }
    let value = node.attrs().get("value").and_then(|attr| attr.as_tensor()?.tensor().ok());
    let dtype = node.output_dtype(tensor.index).unwrap_or(DType::Variant);
    let Some(value) = value.filter(|_| dtype == DType::String) else {
        return Err(invalid(format!(
            "Asset path tensor {}` must be of dtype string.Has type <dtype: '{}'> instead.",
            printed(),
            dtype.python_name()
        )));
    };
    match value.as_strings() {
        Ok([path]) => match String::from_utf8(path.to_vec()) {
            Ok(path) => Ok((tensor, path)),
            Err(_) => Err(invalid(format!("Asset filepath tensor {} in is invalid.", printed()))),
        },
        _ => Err(invalid(format!("Asset path tensor {} must be a scalar.", printed()))),
    }
}

/// Whether two files have the same bytes.
fn is_same_content(a: &Path, b: &Path) -> Result<bool, Error> {
    let open = |path: &Path| -> Result<_, Error> {
        let failed = |source| Error::Io { path: path.to_owned(), source };
        let file = File::open(path).map_err(failed)?;
        let len = file.metadata().map_err(failed)?.len();
        Ok((BufReader::new(file), len))
    };
    let ((mut a, len), (mut b, other_len)) = (open(a)?, open(b)?);
    if len != other_len {
        return Ok(false);
    }
    let mut compare = || -> io::Result<bool> {
        let (mut left, mut right) = ([0; 8192], [0; 8192]);
        let mut rest = len;
        while rest > 0 {
            let n = usize::try_from(rest).unwrap_or(usize::MAX).min(left.len());
            a.read_exact(&mut left[..n])?;
            b.read_exact(&mut right[..n])?;
            if left[..n] != right[..n] {
                return Ok(false);
            }
            rest -= n as u64;
        }
        Ok(true)
    };
    // A file that became shorter meanwhile is another one.
    Ok(compare().unwrap_or(false))
}

fn invalid(message: String) -> Error {
    Error::Build { code: Code::InvalidArgument, message }
}
