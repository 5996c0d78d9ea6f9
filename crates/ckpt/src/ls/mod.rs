//! Listing the tensors of a checkpoint: as a table, as a tree of their scopes, or by the objects that
//! own them.
//!
//! ```
//! use std::path::Path;
//!
//! use flowkeep_ckpt::ls::{ListOptions, Listing, SortBy, Tree, TreeOptions};
//! use flowkeep_ckpt::{Checkpoint, TextOptions};
//!
//! let checkpoint = Checkpoint::open(Path::new("../../fixtures/inspect/many"))?;
//! let options = ListOptions { sort: SortBy::Natural, ..ListOptions::default() };
//! let listing = Listing::new(&checkpoint, &options);
//! assert_eq!(listing.totals.all.n_elements, 3514);
//! let tree = Tree::of_names(&listing, &TreeOptions::default());
//! let text = "
//! .                       8 tensors                        13.7 KiB
//! ├── global_step         int64 []                         8 B
//! ├── ints                int32 [1100]                     4.3 KiB
//! ├── model               5 tensors                        9.4 KiB
//! │   ├── layer_1/kernel  2 tensors, float32 [30,40] here  9.4 KiB
//! │   │   └── Adam        float32 [30,40]                  4.7 KiB
//! │   ├── layer_2/bias    float64 [5]                      40 B
//! │   ├── layer_10/bias   float32 [3]                      12 B
//! │   └── scale           float16 []                       2 B
//! └── table/names         string [2,2]                     14 B
//! ";
//! assert_eq!(tree.text(&TextOptions::default()), text.trim_start());
//! # Ok::<(), flowkeep_ckpt::Error>(())
//! ```
//!
//! Tensors that cannot be told of are listed, too, with the reason.
//!
//! Modules in reading order: `listing`, `sum` (totals), `sort`, `natural` (the order of names with
//! numbers), `tree`, `objects`.

mod listing;
mod natural;
mod objects;
mod sort;
mod sum;
mod tree;

pub use listing::{ListOptions, Listing, Row};
pub use objects::{ObjectListing, ObjectPlace, ObjectRow, SlotOf};
pub use sort::SortBy;
pub use sum::{Sum, Totals, TypeSum};
pub use tree::{Leaf, Tree, TreeNode, TreeOptions};

use crate::TensorInfo;

/// The type of a tensor for people: Python's name, or that of the format if no tensor has such
/// elements.
fn type_name(info: &TensorInfo) -> &str {
    info.dtype.map_or(&info.stored_type, |dtype| dtype.python_name())
}
