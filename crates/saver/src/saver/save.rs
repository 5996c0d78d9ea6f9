//! Writing checkpoints.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flowkeep_bundle::CheckpointState;
use flowkeep_bundle::checkpoint_state::{
    LATEST_FILENAME, UpdateOptions, meta_graph_filename, update_checkpoint_state,
};
use flowkeep_graph::builder::{Scope, Variable};
use flowkeep_graph::file::{Form, write_meta_graph};
use flowkeep_graph::{ExportOptions, Exported, Output};
use flowkeep_proto::pb;
use flowkeep_runtime::Session;
use flowkeep_tensor::{Code, DType, Tensor};

use super::Saver;
use super::config::format_of;
use crate::Error;

/// How a checkpoint is saved: the arguments of `Saver.save`.
#[derive(Clone, Debug)]
pub struct SaveOptions {
    /// The step that is put behind the prefix.
    pub global_step: Option<GlobalStep>,
    /// The name of the state file; `checkpoint` if there is none.
    pub latest_filename: Option<String>,
    /// What the MetaGraph beside the checkpoint is called, behind a dot. Default: `meta`.
    pub meta_graph_suffix: String,
    /// Whether a MetaGraph is written. Default: true.
    pub write_meta_graph: bool,
    /// Whether the checkpoint is put into the state file, counted, and deleted when it is old. Default:
    /// true.
    pub write_state: bool,
    /// Whether attributes that have their defaults are left out of the MetaGraph.
    pub strip_default_attrs: bool,
}

impl Default for SaveOptions {
    fn default() -> SaveOptions {
        SaveOptions {
            global_step: None,
            latest_filename: None,
            meta_graph_suffix: "meta".to_owned(),
            write_meta_graph: true,
            write_state: true,
            strip_default_attrs: false,
        }
    }
}

impl SaveOptions {
    /// With this step.
    pub fn at_step(global_step: impl Into<GlobalStep>) -> SaveOptions {
        SaveOptions { global_step: Some(global_step.into()), ..SaveOptions::default() }
    }
}

/// The number of a step, or where the session has it.
#[derive(Clone, Debug, PartialEq)]
pub enum GlobalStep {
    /// The number.
    Value(i64),
    /// The name of a tensor.
    Name(String),
    /// A tensor.
    Tensor(Output),
}

impl From<i64> for GlobalStep {
    fn from(step: i64) -> GlobalStep {
        GlobalStep::Value(step)
    }
}

impl From<&str> for GlobalStep {
    fn from(name: &str) -> GlobalStep {
        GlobalStep::Name(name.to_owned())
    }
}

impl From<Output> for GlobalStep {
    fn from(tensor: Output) -> GlobalStep {
        GlobalStep::Tensor(tensor)
    }
}

impl From<&Variable> for GlobalStep {
    fn from(variable: &Variable) -> GlobalStep {
        GlobalStep::Tensor(variable.graph_element())
    }
}

impl Saver {
    /// Saves the variables, and gives the path that [`Saver::restore`] takes; `None` if there are none.
    ///
    /// The checkpoint comes first, then the MetaGraph beside it, then the state file that names both;
    /// at most one old checkpoint is deleted after that. Whenever this is cut off, the state file names
    /// checkpoints that are whole.
    ///
    /// Errors, with TensorFlow's texts: `INVALID_ARGUMENT` for names that collide, and when there is no
    /// directory to save to; `FAILED_PRECONDITION` for a Saver that is not built and for variables
    /// without values; those of the session, of checkpoints and of files.
    pub fn save(
        &mut self,
        session: &Session,
        save_path: impl AsRef<Path>,
        options: &SaveOptions,
    ) -> Result<Option<PathBuf>, Error> {
        let save_path = save_path.as_ref();
        if !self.is_built {
            return Err(Error::NotReady(
                "`build()` should be called before save if defer_build==True".to_owned(),
            ));
        }
        let latest_filename = options.latest_filename.as_deref().unwrap_or(LATEST_FILENAME);
        if latest_filename.contains(std::path::is_separator) {
            return Err(Error::Saver(
                "'latest_filename' must not contain path components".to_owned(),
            ));
        }
        let (dir, name) = split(save_path);
        let checkpoint_file = match &options.global_step {
            Some(step) => {
                let step = value_of(session, step)?;
                let padded = self.config.pad_step_number;
                let step = if padded { format!("-{step:08}") } else { format!("-{step}") };
                let mut file = OsString::from(save_path);
                file.push(step);
                PathBuf::from(file)
            }
            None if name == latest_filename && !self.config.sharded => {
                return Err(Error::Saver(format!(
                    "'latest_filename' collides with 'save_path': '{latest_filename}' and '{}'",
                    save_path.display()
                )));
            }
            None => save_path.to_owned(),
        };
        let no_parent = |error: Error| {
            let is_about_files = matches!(error.code(), Code::FailedPrecondition | Code::NotFound);
            match is_about_files && !dir.as_os_str().is_empty() && !dir.is_dir() {
                true => Error::NoParentDirectory { path: save_path.into(), source: error.into() },
                false => error,
            }
        };
        let saved = match self.saver_def.clone() {
            None => None,
            Some(def) => Some(run_save(session, &def, &checkpoint_file).map_err(no_parent)?),
        };
        if options.write_meta_graph {
            let path = meta_graph_filename(&checkpoint_file, &options.meta_graph_suffix);
            let def = self.meta_graph(session, options.strip_default_attrs)?;
            write_meta_graph(def, &path, Form::Binary)?;
        }
        if let Some(saved) = saved.as_ref().filter(|_| options.write_state) {
            self.publish(dir, saved, latest_filename).map_err(no_parent)?;
            if let Some(def) = &self.saver_def {
                self.last.maybe_delete(format_of(def), &options.meta_graph_suffix);
            }
        }
        Ok(saved)
    }

    /// Puts a checkpoint into the state file.
    fn publish(&mut self, dir: &Path, saved: &Path, latest_filename: &str) -> Result<(), Error> {
        let max_to_keep = self.saver_def.as_ref().map_or(0, |def| def.max_to_keep);
        self.last.record(saved, self.config.clock.now(), max_to_keep);
        let state = CheckpointState {
            model_checkpoint_path: saved.to_owned(),
            all_model_checkpoint_paths: self.last.paths(),
            ..CheckpointState::default()
        };
        let options = UpdateOptions {
            latest_filename: Some(latest_filename),
            save_relative_paths: self.config.save_relative_paths,
            durability: self.config.durability,
        };
        Ok(update_checkpoint_state(dir, state, options)?)
    }

    /// The MetaGraph of a session's graph with this Saver, made once for a graph.
    fn meta_graph(&mut self, session: &Session, strip: bool) -> Result<&pb::MetaGraphDef, Error> {
        let graph = session.graph();
        let same =
            |(of, stripped, _): &(Arc<_>, bool, _)| Arc::ptr_eq(of, graph) && *stripped == strip;
        let exported = match self.exported.take().filter(same) {
            Some(exported) => exported,
            None => {
                let mut scope = Scope::from_graph((**graph).clone());
                *scope.collections_mut() = self.collections.clone();
                let mut options = ExportOptions::default();
                options.strip_default_attrs = strip;
                (graph.clone(), strip, self.export_meta_graph(&scope, options)?.meta_graph_def)
            }
        };
        Ok(&self.exported.insert(exported).2)
    }

    /// The graph of a scope as a MetaGraph with this Saver: `Saver.export_meta_graph`.
    ///
    /// Errors: as [`Scope::export_meta_graph`].
    pub fn export_meta_graph(
        &self,
        scope: &Scope,
        options: ExportOptions,
    ) -> Result<Exported, Error> {
        let mut options = options;
        options.saver_def.clone_from(&self.saver_def);
        Ok(scope.export_meta_graph(&options)?)
    }
}

/// Runs the nodes that save, and gives the path that they give.
fn run_save(session: &Session, def: &pb::SaverDef, prefix: &Path) -> Result<PathBuf, Error> {
    let filename = (&*def.filename_tensor_name, filename_tensor(prefix));
    let saved = session.run(&[filename], &[&def.save_tensor_name], &[])?;
    let path = saved.first().and_then(|path| path.as_strings().ok()?.first().cloned());
    let path = path.and_then(|path| String::from_utf8(path.to_vec()).ok());
    let name = &def.save_tensor_name;
    path.map(PathBuf::from)
        .ok_or_else(|| Error::Saver(format!("{name} gives no path that is UTF-8")))
}

/// The tensor that is fed for a prefix.
pub(crate) fn filename_tensor(prefix: &Path) -> Tensor {
    Tensor::scalar_string(prefix.as_os_str().as_encoded_bytes().to_vec())
}

/// The number of a step.
pub(crate) fn value_of(session: &Session, step: &GlobalStep) -> Result<i64, Error> {
    let name = match step {
        GlobalStep::Value(step) => return Ok(*step),
        GlobalStep::Name(name) => name.clone(),
        GlobalStep::Tensor(tensor) => session.graph().tensor_name(*tensor).to_string(),
    };
    let fetched = session.run(&[], &[&name], &[])?;
    let value = fetched.first().filter(|value| value.n_elements() == 1);
    let number = value.and_then(|value| {
        let value = value.reshape([]).ok()?;
        match value.dtype() {
            DType::I64 => value.to_scalar::<i64>().ok(),
            DType::I32 => value.to_scalar::<i32>().ok().map(i64::from),
            DType::I16 => value.to_scalar::<i16>().ok().map(i64::from),
            DType::U8 => value.to_scalar::<u8>().ok().map(i64::from),
            _ => None,
        }
    });
    number.ok_or_else(|| Error::Saver(format!("global_step {name} is no single whole number")))
}

/// Directory and name, as `os.path.split` has them.
fn split(path: &Path) -> (&Path, &OsStr) {
    let is_dir = path.as_os_str().as_encoded_bytes().last().is_some_and(|last| *last == b'/');
    match path.parent() {
        Some(parent) if !is_dir => (parent, path.file_name().unwrap_or_default()),
        _ => (path, OsStr::new("")),
    }
}
