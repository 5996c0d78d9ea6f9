use std::fmt;

use flowkeep_bundle::Key;
use flowkeep_tensor::{Tensor, TensorIndex};

use super::part::{is_worth_parts, read_part};
use crate::nearest::Names;
use crate::{Checkpoint, Error, Pattern, Selection, TensorInfo};

/// A tensor that is asked for, or a part of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The tensor's name.
    pub name: Key,
    /// What to take of it; `None` for everything.
    pub index: Option<TensorIndex>,
}

impl Request {
    /// What a text asks for: a name, a name with an index such as `w[0:3,:]`, or a pattern of names as
    /// [`Pattern::glob`] has them, with an index or without.
    ///
    /// Names may hold brackets and stars themselves, so a tensor of exactly that name comes first; then
    /// the longest name that leaves an index; then patterns, first the whole text as one. What a
    /// pattern matches comes in the order of the checkpoint.
    ///
    /// Errors: `NOT_FOUND` if there is no such tensor, with those that have similar names;
    /// `INVALID_ARGUMENT` if what follows the name of a tensor in brackets is no index; `DATA_LOSS` if
    /// that tensor's entry is damaged.
    pub fn find(checkpoint: &Checkpoint, text: &str) -> Result<Vec<Request>, Error> {
        let missing = match checkpoint.info(text) {
            Ok(info) => return Ok(vec![Request { name: info.name.clone(), index: None }]),
            Err(error) => error,
        };
        let is_damaged = checkpoint.damaged().iter().any(|(name, _)| *name == text);
        if is_damaged {
            return Err(missing);
        }
        let mut bad_index = None;
        let inside = text.strip_suffix(']');
        for (at, _) in inside.into_iter().flat_map(|inside| inside.rmatch_indices('[')) {
            let (Some(info), Some(inside)) = (checkpoint.get(&text[..at]), inside) else {
                continue;
            };
            match inside[at + 1..].parse() {
                Ok(index) => {
                    return Ok(vec![Request { name: info.name.clone(), index: Some(index) }]);
                }
                Err(error) => _ = bad_index.get_or_insert(error),
            }
        }
        let matching = |glob: &str, index: Option<TensorIndex>| {
            let pattern = Pattern::glob(glob).ok()?;
            let tensors = checkpoint.tensors().iter().filter(|info| pattern.matches(&info.name));
            let requests =
                tensors.map(|info| Request { name: info.name.clone(), index: index.clone() });
            Some(requests.collect::<Vec<_>>()).filter(|requests| !requests.is_empty())
        };
        if let Some(requests) = matching(text, None) {
            return Ok(requests);
        }
        if let Some((glob, index)) = inside.and_then(|inside| inside.rsplit_once('['))
            && let Ok(index) = index.parse()
            && let Some(requests) = matching(glob, Some(index))
        {
            return Ok(requests);
        }
        if let Some(error) = bad_index {
            return Err(error.into());
        }
        let names = checkpoint.tensors().iter().filter_map(|info| info.name.as_str());
        let name = text.rsplit_once('[').map_or(text, |(name, _)| name);
        let nearest = Names::new(names).nearest(name).into_iter().take(3);
        let nearest: Vec<_> = nearest.map(|(name, _)| name.to_owned()).collect();
        Err(Error::NotFound {
            source: Box::new(missing),
            found: checkpoint.found().to_owned(),
            n_tensors: checkpoint.tensors().len(),
            nearest,
        })
    }

    /// Every tensor of a selection, whole, in the order of the checkpoint.
    pub fn all(checkpoint: &Checkpoint, selection: &Selection) -> Vec<Request> {
        let tensors = checkpoint.tensors().iter().filter(|info| selection.contains(&info.name));
        tensors.map(|info| Request { name: info.name.clone(), index: None }).collect()
    }

    /// Reads what is asked for, and not much more.
    ///
    /// Checksums are over whole tensors, and are compared when these are read whole: small ones are, and
    /// those of which more than half is asked for.
    ///
    /// Errors: as [`Checkpoint::tensor`]; `INVALID_ARGUMENT`, with NumPy's words, if the index does not
    /// fit the tensor.
    pub fn read(&self, checkpoint: &Checkpoint) -> Result<Tensor, Error> {
        let Some(index) = &self.index else { return checkpoint.tensor(&self.name) };
        let info = checkpoint.info(&self.name)?;
        let selection = index.resolve(&info.shape)?;
        let Some(slice) = selection.bounding_slice() else {
            let dtype = info.dtype.ok_or_else(|| unreadable(info))?;
            return Ok(Tensor::zeros(dtype, selection.shape())?);
        };
        if slice.is_full() {
            return Ok(selection.apply(&checkpoint.tensor(&self.name)?)?);
        }
        let part = match is_worth_parts(checkpoint, info, &slice)? {
            true => read_part(&checkpoint.elements(&self.name)?, &slice)?,
            false => checkpoint.slice(&self.name, &slice)?,
        };
        Ok(selection.within_bounds().apply(&part)?)
    }
}

/// As [`Request::find`] takes it: `w[0:3,:]`.
impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.index {
            Some(index) => write!(f, "{}[{index}]", self.name),
            None => write!(f, "{}", self.name),
        }
    }
}

fn unreadable(info: &TensorInfo) -> Error {
    Error::Invalid(format!("no tensor has elements of type {}", info.stored_type))
}
