//! [`Fingerprint`]: hashes that tell whether two SavedModels are the same, whole or in what they compute.
//!
//! Modules in reading order: `hash` (of what, and how they are joined), `program` (a graph without what
//! varies from export to export).

mod hash;
mod program;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use flowkeep_graph::file::deterministic_bytes;
use flowkeep_proto::pb;
use flowkeep_runtime::fingerprint64;
use prost::Message;

use crate::constants::{FINGERPRINT_FILENAME, VARIABLES_DIRECTORY, VARIABLES_FILENAME};
use crate::{Error, SavedModel};

/// The version of the hashes that TensorFlow 2.21 writes, and that these are.
const PRODUCER: i32 = 4;

/// The hashes of a SavedModel, `fingerprint.pb`: `tf.saved_model.experimental.Fingerprint`.
///
/// All but the first are of the first MetaGraph, and of the checkpoint.
///
/// ```
/// use flowkeep_saved_model::Fingerprint;
///
/// let dir = "../../fixtures/saved_models/half_plus_two_tf2";
/// let stored = Fingerprint::read(dir)?;
/// assert_eq!(Fingerprint::compute(dir)?.singleprint(), stored.singleprint());
/// # Ok::<(), flowkeep_saved_model::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fingerprint {
    /// Of the whole message.
    pub saved_model_checksum: u64,
    /// Of the graph, without functions, versions and what varies from export to export.
    pub graph_def_program_hash: u64,
    /// Of the signatures.
    pub signature_def_hash: u64,
    /// Of the concrete functions of the object graph; 0 if there are none.
    pub saved_object_graph_hash: u64,
    /// Of the checkpoint's index; 0 if there is none.
    pub checkpoint_hash: u64,
    /// A number that is to be of this export alone. TensorFlow draws it at random; here it is made of
    /// the hashes, so that the same model gives the same files.
    pub uuid: String,
    /// The version of the hashes.
    pub producer: i32,
}

impl Fingerprint {
    /// The hashes of a message, and of the content of `variables.index` if there is one.
    pub fn of(model: &pb::SavedModel, variables_index: Option<&[u8]>) -> Fingerprint {
        let nothing = pb::MetaGraphDef::default();
        let meta_graph = model.meta_graphs.first().unwrap_or(&nothing);
        let hashes = [
            fingerprint64(&deterministic_bytes(model)),
            program::graph_def_program_hash(meta_graph.graph_def.as_ref()),
            hash::signature_def_hash(&meta_graph.signature_def),
            hash::saved_object_graph_hash(meta_graph.object_graph_def.as_ref()),
            variables_index.map_or(0, fingerprint64),
        ];
        let [checksum, program, signatures, objects, checkpoint] = hashes;
        let all: Vec<u8> = hashes.iter().flat_map(|hash| hash.to_le_bytes()).collect();
        let uuid =
            u128::from(fingerprint64(&all)) << 64 | u128::from(hash::cat(checksum, checkpoint));
        Fingerprint {
            saved_model_checksum: checksum,
            graph_def_program_hash: program,
            signature_def_hash: signatures,
            saved_object_graph_hash: objects,
            checkpoint_hash: checkpoint,
            uuid: uuid.to_string(),
            producer: PRODUCER,
        }
    }

    /// The hashes of the SavedModel in a directory, whatever its `fingerprint.pb` says.
    ///
    /// Errors: as [`SavedModel::open`]; those of the system.
    pub fn compute(dir: impl AsRef<Path>) -> Result<Fingerprint, Error> {
        let dir = dir.as_ref();
        let model = SavedModel::open(dir)?;
        let index = read(&index_path(dir))?;
        Ok(Fingerprint::of(model.def(), index.as_deref()))
    }

    /// Reads `fingerprint.pb`: `tf.saved_model.experimental.read_fingerprint`.
    ///
    /// Errors: `NOT_FOUND`, with TensorFlow's text, if there is none; `DATA_LOSS` if it cannot be parsed.
    pub fn read(dir: impl AsRef<Path>) -> Result<Fingerprint, Error> {
        let dir = dir.as_ref();
        let path = dir.join(FINGERPRINT_FILENAME);
        let bytes = read(&path)?.ok_or_else(|| Error::NoFingerprint { dir: dir.to_owned() })?;
        match pb::FingerprintDef::decode(&*bytes) {
            Ok(def) => Ok(Fingerprint::from_proto(def)),
            Err(error) => Err(Error::Parse { path, reason: error.to_string() }),
        }
    }

    /// What tells models apart by what they compute, and by the values of their variables, in one line.
    pub fn singleprint(&self) -> String {
        format!(
            "{}/{}/{}/{}",
            self.graph_def_program_hash,
            self.signature_def_hash,
            self.saved_object_graph_hash,
            self.checkpoint_hash
        )
    }

    /// The hashes of a message.
    pub fn from_proto(def: pb::FingerprintDef) -> Fingerprint {
        Fingerprint {
            saved_model_checksum: def.saved_model_checksum,
            graph_def_program_hash: def.graph_def_program_hash,
            signature_def_hash: def.signature_def_hash,
            saved_object_graph_hash: def.saved_object_graph_hash,
            checkpoint_hash: def.checkpoint_hash,
            uuid: def.uuid,
            producer: def.version.map_or(0, |version| version.producer),
        }
    }

    /// The hashes in the form of a message.
    pub fn to_proto(&self) -> pb::FingerprintDef {
        let version = pb::VersionDef { producer: self.producer, ..Default::default() };
        pb::FingerprintDef {
            saved_model_checksum: self.saved_model_checksum,
            graph_def_program_hash: self.graph_def_program_hash,
            signature_def_hash: self.signature_def_hash,
            saved_object_graph_hash: self.saved_object_graph_hash,
            checkpoint_hash: self.checkpoint_hash,
            version: Some(version),
            uuid: self.uuid.clone(),
        }
    }
}

/// The index of the checkpoint of a SavedModel.
pub(crate) fn index_path(dir: &Path) -> PathBuf {
    dir.join(VARIABLES_DIRECTORY).join(format!("{VARIABLES_FILENAME}.index"))
}

/// The content of a file, if it is there.
pub(crate) fn read(path: &Path) -> Result<Option<Vec<u8>>, Error> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(Error::Io { path: path.to_owned(), source }),
    }
}
