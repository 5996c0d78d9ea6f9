use std::path::Path;

use flowkeep_proto::prost::Message;
use flowkeep_proto::{pb, stored};

use crate::Error;
use crate::constants::{
    SAVED_MODEL_FILENAME_CPB, SAVED_MODEL_FILENAME_PB, SAVED_MODEL_FILENAME_PBTXT,
};
use crate::saved_model::{Content, decode_with, find, joined, parsed, tag_sets};

/// What a SavedModel directory holds, in outline: its message, but that of nodes and functions there is only
/// who calls whom. It is there in a fraction of the time of [`SavedModel::open`](crate::SavedModel::open).
///
/// ```
/// use flowkeep_saved_model::SavedModelOutline;
///
/// # let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/mnist/1");
/// let model = SavedModelOutline::open(dir)?;
/// let found = model.find(&["serve"])?;
/// assert!(model.def().meta_graphs[found].signature_def.contains_key("serving_default"));
/// # Ok::<(), flowkeep_saved_model::Error>(())
/// ```
#[derive(Debug)]
pub struct SavedModelOutline(pb::SavedModel);

impl SavedModelOutline {
    /// Reads the file that [`SavedModel::open`](crate::SavedModel::open) reads, mapped as of
    /// [`SavedModel::open_mapped`](crate::SavedModel::open_mapped): as long as the outline lives, nobody may
    /// shorten or overwrite it.
    ///
    /// Errors: as of [`SavedModel::open`](crate::SavedModel::open).
    pub fn open(dir: impl AsRef<Path>) -> Result<SavedModelOutline, Error> {
        let dir = dir.as_ref();
        let outline = |name, bytes| decode_with(stored::outline, dir, name, bytes);
        Ok(SavedModelOutline(match Content::read(dir, true)? {
            Content::Mapped(bytes, _) | Content::Pb(bytes) => {
                outline(SAVED_MODEL_FILENAME_PB, bytes)?
            }
            Content::Cpb(bytes) => outline(SAVED_MODEL_FILENAME_CPB, joined(dir, &bytes)?)?,
            Content::Pbtxt(bytes) => {
                outline(SAVED_MODEL_FILENAME_PBTXT, parsed(dir, &bytes)?.encode_to_vec().into())?
            }
        }))
    }

    /// The message in outline, as of [`stored::outline`].
    pub fn def(&self) -> &pb::SavedModel {
        &self.0
    }

    /// As [`SavedModel::tag_sets`](crate::SavedModel::tag_sets).
    pub fn tag_sets(&self) -> Vec<&[String]> {
        tag_sets(&self.0)
    }

    /// As [`SavedModel::find`](crate::SavedModel::find).
    ///
    /// Errors: `NOT_FOUND`, listing the tag sets that are there.
    pub fn find(&self, wanted: &[&str]) -> Result<usize, Error> {
        find(&self.0, wanted)
    }
}
