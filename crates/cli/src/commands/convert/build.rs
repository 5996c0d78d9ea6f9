//! A SavedModel of a GraphDef, or of a MetaGraph and its checkpoint.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flowkeep_graph::builder::Scope;
use flowkeep_graph::file::{GraphFile, GraphMessage};
use flowkeep_graph::{
    ImportMetaGraphOptions, ImportOptions, InputRef, Output, Signature, collection_keys,
};
use flowkeep_proto::pb;
use flowkeep_runtime::{Session, SessionOptions};
use flowkeep_saved_model::constants::{
    CLASSIFY_METHOD_NAME, DEFAULT_SERVING_SIGNATURE_DEF_KEY, PREDICT_METHOD_NAME,
    REGRESS_METHOD_NAME, SERVING,
};
use flowkeep_saved_model::{MetaGraphOptions, SavedModelBuilder, build_tensor_info, main_op};
use flowkeep_saver::{Saver, import_meta_graph};
use flowkeep_tensor::Code;
use serde_json::{Value, json};

use super::guess::guess;
use super::{Done, Invocation, Made};
use crate::commands::freeze::{Wanted, frozen};
use crate::commands::graph::source::with_meant;
use crate::error::Error;

/// Imports the graph and builds a model with one signature, or those it has; the checkpoint is copied.
pub(super) fn convert(invocation: &Invocation, file: GraphFile) -> Result<Done, Error> {
    if invocation.all {
        return Err(Error::invalid("--all is for SavedModels, which have several MetaGraphs"));
    }
    let checkpoint = invocation.checkpoint.clone().or_else(|| checkpoint_of(&file));
    let is_graph = matches!(file.message, GraphMessage::GraphDef(_));
    let mut lines = Vec::new();
    let mut data = json!({});
    // Nothing tells how a GraphDef restores its variables.
    let message = match invocation.freeze || is_graph && checkpoint.is_some() {
        true => {
            let (graph, of_freeze, value) = freeze(invocation, &file, checkpoint.as_deref())?;
            (lines, data) = (of_freeze, value);
            GraphMessage::GraphDef(Box::new(graph))
        }
        false => file.message,
    };
    let mut scope = Scope::new();
    let (mut saver, stored) = import(&mut scope, message)?;
    if saver.is_some() && checkpoint.is_none() {
        return Err(Error::invalid("the values of variables are missing: give --checkpoint"));
    }
    let (signatures, is_guessed) = signatures(invocation, &scope, stored)?;

    let has_saver = saver.is_some();
    let tables = scope.collections().get(collection_keys::TABLE_INITIALIZERS).len();
    let options = MetaGraphOptions {
        signatures: signatures.clone(),
        assets: scope.collections().get(collection_keys::ASSET_FILEPATHS).to_vec(),
        main_op: if tables > 0 { Some(main_op::tables_initializer(&mut scope)?) } else { None },
        strip_default_attrs: true,
        saver: saver.as_mut(),
        ..MetaGraphOptions::default()
    };
    let tags = invocation.new_tags.clone().unwrap_or_else(|| vec![SERVING.to_owned()]);
    let borrowed: Vec<&str> = tags.iter().map(String::as_str).collect();
    let replaced = Replaced::make_room(&invocation.dst, invocation.overwrite)?;
    let mut builder = SavedModelBuilder::new(&invocation.dst)?;
    match &checkpoint {
        Some(checkpoint) if has_saver => {
            builder.add_meta_graph_and_checkpoint(&mut scope, checkpoint, &borrowed, options)?;
            lines.push(format!("variables of {}", checkpoint.display()));
        }
        _ => {
            let session = Session::new(Arc::new(scope.graph().clone()), SessionOptions::default());
            builder.add_meta_graph_and_variables(&mut scope, &session, &borrowed, options)?;
        }
    }
    builder.save(false)?;
    replaced.finish();
    let n_nodes = scope.graph().nodes().len();
    let made = vec![Made { tags, signatures, n_nodes }];
    Ok(Done { made, is_guessed, lines, data: vec![data] })
}

/// The checkpoint that a `.meta` file belongs to, if it is there.
fn checkpoint_of(file: &GraphFile) -> Option<PathBuf> {
    let prefix = file.path.with_extension("");
    let is_meta = file.path.extension().is_some_and(|extension| extension == "meta");
    let mut index = prefix.clone().into_os_string();
    index.push(".index");
    (is_meta && (Path::new(&index).is_file() || prefix.is_file())).then_some(prefix)
}

/// The graph without variables that the outputs need, with what was done as lines and as data.
fn freeze(
    invocation: &Invocation,
    file: &GraphFile,
    checkpoint: Option<&Path>,
) -> Result<(pb::GraphDef, Vec<String>, Value), Error> {
    let named: Vec<String> = invocation.outputs.iter().map(|(_, tensor)| tensor.clone()).collect();
    if named.is_empty() && invocation.signature.is_none() {
        return Err(Error::invalid(
            "freezing needs to know the outputs: name them with --outputs key=tensor",
        ));
    }
    let wanted = Wanted {
        tags: None,
        signature: invocation.signature.as_deref(),
        checkpoint,
        outputs: &named,
        only: &[],
        keep: &[],
        initializers: &[],
        keep_devices: false,
        keep_functions: false,
    };
    let frozen = frozen(file, &wanted)?;
    Ok((frozen.graph.to_graph_def(), frozen.lines, frozen.data))
}

/// Imports a graph; gives what saves its variables, if it has any, and the signatures that it has.
fn import(
    scope: &mut Scope,
    message: GraphMessage,
) -> Result<(Option<Saver>, BTreeMap<String, pb::SignatureDef>), Error> {
    match message {
        GraphMessage::GraphDef(graph) => {
            scope.import_graph_def(*graph, &ImportOptions::default())?;
            let is_variable = |op: &str| matches!(op, "VarHandleOp" | "Variable" | "VariableV2");
            match scope.graph().nodes().iter().find(|node| is_variable(node.op())) {
                Some(node) => Err(Error::Failed {
                    code: Code::FailedPrecondition,
                    message: format!(
                        "the graph has variables ({}): give --checkpoint, or a MetaGraph in its place",
                        node.name()
                    ),
                }),
                None => Ok((None, BTreeMap::new())),
            }
        }
        GraphMessage::MetaGraphDef(def) => {
            let stored = def.signature_def.clone();
            let (saver, _) = import_meta_graph(scope, *def, &ImportMetaGraphOptions::default())?;
            Ok((saver, stored))
        }
        GraphMessage::SavedModel(_) => Err(Error::invalid("a SavedModel is none already")),
    }
}

/// The signature that the flags name, or else those that are there, or else a guess; and whether it is one.
fn signatures(
    invocation: &Invocation,
    scope: &Scope,
    stored: BTreeMap<String, pb::SignatureDef>,
) -> Result<(BTreeMap<String, Signature>, bool), Error> {
    let is_named = !invocation.outputs.is_empty();
    if !is_named && invocation.inputs.is_empty() && !stored.is_empty() {
        let chosen =
            |key: &String| invocation.signature.as_ref().is_none_or(|wanted| wanted == key);
        let signatures = stored.into_iter().filter(|(key, _)| chosen(key));
        let signatures = signatures.map(|(key, def)| Ok((key, Signature::from_proto(def)?)));
        return Ok((signatures.collect::<Result<_, Error>>()?, false));
    }
    let named = |pairs: &[(String, String)]| {
        let output = |(key, name): &(String, String)| Ok((key.clone(), output(scope, name)?));
        pairs.iter().map(output).collect::<Result<BTreeMap<_, _>, Error>>()
    };
    let (mut inputs, mut outputs) = (named(&invocation.inputs)?, named(&invocation.outputs)?);
    let is_guessed = outputs.is_empty() || inputs.is_empty();
    if is_guessed {
        let ends: Vec<Output> = outputs.values().copied().collect();
        let guess = guess(scope.graph(), &ends)?;
        if outputs.is_empty() {
            outputs = guess.outputs;
        }
        if inputs.is_empty() {
            inputs = guess.inputs;
        }
    }
    let infos = |tensors: BTreeMap<String, Output>| {
        let info = |(key, output)| Ok((key, build_tensor_info(scope, output)?));
        tensors.into_iter().map(info).collect::<Result<BTreeMap<_, _>, Error>>()
    };
    let method = match invocation.method.as_str() {
        "predict" => PREDICT_METHOD_NAME,
        "classify" => CLASSIFY_METHOD_NAME,
        "regress" => REGRESS_METHOD_NAME,
        other => other,
    };
    let signature = Signature {
        inputs: infos(inputs)?,
        outputs: infos(outputs)?,
        method_name: method.to_owned(),
        defaults: BTreeMap::new(),
    };
    let key = invocation.signature.as_deref().unwrap_or(DEFAULT_SERVING_SIGNATURE_DEF_KEY);
    Ok(([(key.to_owned(), signature)].into(), is_guessed))
}

/// The tensor of this name; the first one of a node.
fn output(scope: &Scope, name: &str) -> Result<Output, Error> {
    let full = if name.contains(':') { name.to_owned() } else { format!("{name}:0") };
    scope.graph().get_tensor_by_name(&full).map_err(|error| Error::Failed {
        code: error.code(),
        message: with_meant(&error, scope.graph(), InputRef::parse(name).node()),
    })
}

/// The model that another one takes the place of; it comes back unless that is finished.
struct Replaced(Option<(PathBuf, PathBuf)>);

impl Replaced {
    /// Sets aside the model in `dst`, if there is one and it may be replaced.
    fn make_room(dst: &Path, overwrite: bool) -> Result<Replaced, Error> {
        let is_model = ["saved_model.pb", "saved_model.cpb", "saved_model.pbtxt"]
            .iter()
            .any(|name| dst.join(name).is_file());
        if !overwrite || !is_model {
            return Ok(Replaced(None));
        }
        let mut aside = dst.as_os_str().to_owned();
        aside.push(format!(".old-{}", std::process::id()));
        let aside = PathBuf::from(aside);
        let moved = fs::rename(dst, &aside);
        moved.map_err(|source| Error::Io { path: dst.to_owned(), source })?;
        Ok(Replaced(Some((dst.to_owned(), aside))))
    }

    /// Lets the old model go.
    fn finish(mut self) {
        if let Some((_, aside)) = self.0.take() {
            // The new one is there; what is left of the old one is in nobody's way.
            let _ = fs::remove_dir_all(aside);
        }
    }
}

impl Drop for Replaced {
    fn drop(&mut self) {
        if let Some((dst, aside)) = self.0.take() {
            // The error that counts is the one of building.
            let _ = fs::rename(aside, dst);
        }
    }
}
