use std::fmt;
use std::path::PathBuf;

use flowkeep_bundle::CheckpointFormat;
use flowkeep_tensor::{Code, DType, PartialShape, Shape};

/// Something that a graph wants of a checkpoint and does not get. Displayed in TensorFlow's words.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum RestoreProblem {
    /// The checkpoint has no such key.
    Missing {
        /// The key.
        key: String,
        /// Keys that it has and that may be meant, best first.
        nearest: Vec<String>,
    },
    /// A tensor is of another type.
    DType {
        /// The key.
        key: String,
        /// The type that the graph restores.
        expected: DType,
        /// The type in the checkpoint.
        found: DType,
    },
    /// A slice is of a tensor of another shape.
    SliceShape {
        /// The key.
        key: String,
        /// The shape of the whole in the graph.
        expected: Shape,
        /// The shape in the checkpoint.
        found: Shape,
    },
    /// A variable is of another shape.
    Shape {
        /// The key.
        key: String,
        /// The variable.
        variable: String,
        /// Its shape.
        expected: PartialShape,
        /// The shape in the checkpoint.
        found: Shape,
    },
    /// A variable that is to be restored in another shape has another number of elements.
    NElements {
        /// The key.
        key: String,
        /// The variable.
        variable: String,
        /// Its shape.
        expected: Shape,
        /// The shape in the checkpoint.
        found: Shape,
    },
    /// What the checkpoint says about a tensor is damaged, or the graph asks for a malformed slice.
    Unreadable {
        /// The key.
        key: String,
        /// What is wrong.
        what: String,
        /// Of which kind that is.
        code: Code,
    },
}

impl RestoreProblem {
    /// The key.
    pub fn key(&self) -> &str {
        match self {
            RestoreProblem::Missing { key, .. }
            | RestoreProblem::DType { key, .. }
            | RestoreProblem::SliceShape { key, .. }
            | RestoreProblem::Shape { key, .. }
            | RestoreProblem::NElements { key, .. }
            | RestoreProblem::Unreadable { key, .. } => key,
        }
    }

    /// The canonical code that TensorFlow has for it.
    pub fn code(&self) -> Code {
        match self {
            RestoreProblem::Missing { .. } => Code::NotFound,
            RestoreProblem::Unreadable { code, .. } => *code,
            _ => Code::InvalidArgument,
        }
    }

    /// TensorFlow finds missing keys first, then types, slices and variables.
    fn rank(&self) -> usize {
        match self {
            RestoreProblem::Missing { .. } => 0,
            RestoreProblem::Unreadable { .. } => 1,
            RestoreProblem::DType { .. } => 2,
            RestoreProblem::SliceShape { .. } => 3,
            RestoreProblem::Shape { .. } | RestoreProblem::NElements { .. } => 4,
        }
    }

    fn write(
        &self,
        f: &mut fmt::Formatter<'_>,
        format: CheckpointFormat,
        prefix: &str,
    ) -> fmt::Result {
        match self {
            RestoreProblem::Missing { key, nearest } => {
                match format {
                    CheckpointFormat::V2 => write!(f, "Key {key} not found in checkpoint")?,
                    CheckpointFormat::V1 => {
                        write!(f, "Tensor name \"{key}\" not found in checkpoint files {prefix}")?
                    }
                }
                match &nearest[..] {
                    [] => Ok(()),
                    names => write!(f, "; nearest: {}", names.join(", ")),
                }
            }
            RestoreProblem::DType { key, expected, found } => write!(
                f,
                "tensor_name = {key}; expected dtype {} does not equal original dtype {}",
                expected.name(),
                found.name()
            ),
            RestoreProblem::SliceShape { key, expected, found } => write!(
                f,
                "tensor_name = {key}; shape in shape_and_slice spec {expected} does not match the shape stored in \
                 checkpoint: {found}"
            ),
            RestoreProblem::Shape { key, variable, expected, found } => write!(
                f,
                "Assign requires shapes of both tensors to match. lhs shape= {expected} rhs shape= {found} (variable \
                 {variable}, key {key})"
            ),
            RestoreProblem::NElements { key, variable, expected, found } => write!(
                f,
                "Input to reshape is a tensor with {} values, but the requested shape has {} (variable {variable}, key \
                 {key})",
                found.n_elements(),
                expected.n_elements()
            ),
            RestoreProblem::Unreadable { key, what, .. } => {
                write!(f, "tensor_name = {key}; {what}")
            }
        }
    }
}

/// How the variables of a graph and an object-based checkpoint differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectMismatch {
    /// Variables of the graph that the checkpoint does not have.
    pub missing: Vec<String>,
    /// Variables of the checkpoint that the graph does not have.
    pub extra: Vec<String>,
    /// How many both have.
    pub n_matching: usize,
}

/// All that keeps a checkpoint from being restored. Nothing was restored.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct RestoreFailure {
    /// The checkpoint.
    pub prefix: PathBuf,
    /// Its format.
    pub format: CheckpointFormat,
    /// What does not fit, in the order in which TensorFlow would come across it. Never empty.
    pub problems: Vec<RestoreProblem>,
    /// For an object-based checkpoint that was to be restored by the names of variables: how those
    /// differ.
    pub objects: Option<ObjectMismatch>,
}

impl RestoreFailure {
    pub(crate) fn new(
        prefix: PathBuf,
        format: CheckpointFormat,
        mut problems: Vec<RestoreProblem>,
        objects: Option<ObjectMismatch>,
    ) -> RestoreFailure {
        problems.sort_by(|a, b| (a.rank(), a.key()).cmp(&(b.rank(), b.key())));
        RestoreFailure { prefix, format, problems, objects }
    }

    /// The canonical code: that of the first problem.
    pub fn code(&self) -> Code {
        self.problems.first().map_or(Code::Internal, RestoreProblem::code)
    }
}

/// What TensorFlow supposes to be the cause of a failure with this code.
pub(crate) fn likely_cause(code: Code) -> &'static str {
    match code {
        Code::NotFound => "a Variable name or other graph key that is missing",
        _ => "a mismatch between the current graph and the graph",
    }
}

impl fmt::Display for RestoreFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.objects {
            Some(objects) => objects.fmt(f)?,
            None => writeln!(
                f,
                "Restoring from checkpoint failed. This is most likely due to {} from the checkpoint. Please ensure that \
                 you have not altered the graph expected based on the checkpoint. Original error:",
                likely_cause(self.code())
            )?,
        }
        let prefix = self.prefix.display().to_string();
        for problem in &self.problems {
            f.write_str("\n")?;
            problem.write(f, self.format, &prefix)?;
        }
        write!(f, "\n(checkpoint {prefix})")
    }
}

impl fmt::Display for ObjectMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "\n\nExisting variables not in the checkpoint: {}\n\n\
             Variables names when this checkpoint was written which don't exist now: {}\n\n\
             ({} variable name(s) did match)\n\n\
             Could not find some variables in the checkpoint (see names above). Saver was attempting to load an \
             object-based checkpoint (saved using tf.train.Checkpoint or tf.keras.Model.save_weights) using variable \
             names. If the checkpoint was written with eager execution enabled, it's possible that variable names have \
             changed (for example missing a '_1' suffix). It's also possible that there are new variables which did not \
             exist when the checkpoint was written. You can construct a Saver(var_list=...) with only the variables \
             which previously existed, and if variable names have changed you may need to make this a dictionary with \
             the old names as keys.\n",
            self.missing.join(", "),
            self.extra.join(", "),
            self.n_matching
        )
    }
}

impl std::error::Error for RestoreFailure {}
