//! From flags to a loaded model and the inputs of one call, for the commands that run a signature.

use std::time::{Duration, Instant};

use flowkeep_runtime::RunOptions;
use flowkeep_runtime::kernel::FileAccess;
use flowkeep_saved_model::{LoadOptions, SavedModel, SavedModelBundle, Verify};
use flowkeep_tensor::{Code, Tensor};

use super::{choose_signature, choose_tags, never_written};
use crate::args::{Flags, Made};
use crate::error::Error;
use crate::inputs::{self, Inputs};

/// A model that is loaded, and one call of it.
pub(super) struct Call {
    pub(super) bundle: SavedModelBundle,
    /// The signature's key.
    pub(super) key: String,
    /// The inputs by key.
    pub(super) inputs: Vec<(String, Tensor)>,
    pub(super) warnings: Vec<String>,
    /// How long opening, importing, restoring and initializing took.
    pub(super) loaded: Duration,
}

impl Call {
    /// Reads the inputs, opens and checks, and only then restores and initializes the model. Inputs that are not
    /// given are made as the flags say, or as `made` does.
    ///
    /// Errors: whatever is wrong with the flags, the model and its inputs; those of the nodes that run.
    pub(super) fn prepare(flags: &Flags, made: Option<Made>) -> Result<Call, Error> {
        let Inputs { given, mut warnings } = Inputs::read(flags)?;
        let started = Instant::now();
        let model = SavedModel::open_mapped(&flags.dir)?;
        let tags = choose_tags(&model, flags.tag_set.as_deref())?;
        let mut options = LoadOptions::default();
        options.session.threads = flags.threads.unwrap_or(0);
        options.session.registry.set(file_access(flags));
        options.run = limits(flags);
        if flags.verify_at_load {
            options.verify = Verify::AtLoad;
        }
        let wanted: Vec<&str> = tags.iter().map(String::as_str).collect();
        let bundle = SavedModelBundle::prepare(model, &wanted, options)?;

        warnings.extend(never_written(bundle.meta_graph(), &flags.dir));

        // Whatever can be wrong with the call is found before anything runs.
        let key =
            choose_signature(flags.signature_def.as_deref(), bundle.meta_graph().signatures.keys());
        let signature = bundle.signature(&key)?;
        let made = flags.made.or(made);
        // A signature without inputs, which saved_model_cli cannot run, needs no flag.
        if given.is_empty() && made.is_none() && !signature.inputs.is_empty() {
            return Err(Error::invalid(format!(
                "At least one of --inputs, --input_exprs or --input_examples must be required; {key} takes {}",
                inputs::listed(&signature.inputs)
            )));
        }
        // With the keys of the call that follows: it has the same plan.
        let mut keys: Vec<&str> = given.iter().map(|(key, _)| key.as_str()).collect();
        if made.is_some() {
            let others = signature.inputs.keys().map(String::as_str);
            let others: Vec<&str> = others.filter(|key| !keys.contains(key)).collect();
            keys.extend(others);
        }
        bundle.callable(&key, &keys).map_err(allowable)?;
        let mut inputs = Vec::new();
        for (key, given) in &given {
            // The callable has checked that there is such an input.
            let Some(info) = signature.inputs.get(key) else { continue };
            inputs.push((key.clone(), inputs::to_tensor(key, given, info, &mut warnings)?));
        }
        if let Some(made) = made {
            for (key, info) in &signature.inputs {
                if !given.iter().any(|(given, _)| given == key) {
                    inputs.push((key.clone(), inputs::make(key, info, made, flags.dim)?));
                }
            }
        }
        bundle.initialize(&flags.dir).map_err(allowable)?;
        let loaded = started.elapsed();
        Ok(Call { bundle, key, inputs, warnings, loaded })
    }

    /// The keys of the inputs.
    pub(super) fn keys(&self) -> Vec<&str> {
        self.inputs.iter().map(|(key, _)| key.as_str()).collect()
    }

    /// The tensors of the inputs, in the order of their keys.
    pub(super) fn feeds(&self) -> Vec<Tensor> {
        self.inputs.iter().map(|(_, tensor)| tensor.clone()).collect()
    }
}

/// What the model may touch: beside its own folder, which whoever loads it adds, what the flags allow.
pub(super) fn file_access(flags: &Flags) -> FileAccess {
    let access =
        flags.allow_read.iter().fold(FileAccess::none(), |access, path| access.with_read(path));
    flags.allow_write.iter().fold(access, |access, path| access.with_write(path))
}

/// The limits of each run.
pub(super) fn limits(flags: &Flags) -> RunOptions {
    let mut options = RunOptions::default();
    options.timeout = flags.timeout;
    options.max_tensor_bytes = flags.max_tensor_bytes;
    options.max_live_bytes = flags.max_live_bytes;
    options.max_fetched_bytes = flags.max_output_bytes;
    options
}

/// The limits of a run, and the flags that set them.
const LIMITS: [(&str, &str); 3] = [
    ("(max_tensor_bytes)", "--max_tensor_bytes"),
    ("(max_live_bytes)", "--max_live_bytes"),
    ("(max_fetched_bytes)", "--max_output_bytes"),
];

/// The error of loading or calling, with what would allow what was denied.
pub(super) fn allowable(error: flowkeep_saved_model::Error) -> Error {
    let code = error.code();
    let text = error.to_string();
    let more = match code {
        Code::PermissionDenied => "--allow_read and --allow_write allow more".to_owned(),
        Code::DeadlineExceeded => "--timeout allows more".to_owned(),
        Code::ResourceExhausted => match LIMITS.iter().find(|(limit, _)| text.contains(limit)) {
            Some((limit, flag)) => {
                let message = text.replace(&format!(" {limit}"), "");
                return Error::Failed { code, message: format!("{message}; {flag} allows more") };
            }
            None => return error.into(),
        },
        _ => return error.into(),
    };
    Error::Failed { code, message: format!("{text}; {more}") }
}
