//! Initial values that are matrices of a checkpoint, brought from one vocabulary to another.
//!
//! Source: `checkpoint_ops.py`.

use flowkeep_graph::builder::{Initializer, Operand, Scope};
use flowkeep_graph::{Attr, Output};
use flowkeep_tensor::{DType, Shape, Tensor};

use crate::Error;

/// A vocabulary and the one that it comes from: files with a word a line.
#[derive(Clone, Debug)]
pub(crate) struct Vocabularies<'a> {
    pub(crate) new: &'a str,
    pub(crate) old: &'a str,
    /// How many lines of the old one count; -1 for all.
    pub(crate) old_size: i64,
}

/// The matrix that a variable starts with, as a whole.
#[derive(Clone, Debug)]
pub(crate) struct Remap<'a> {
    pub(crate) prefix: &'a str,
    pub(crate) key: &'a str,
    pub(crate) vocabularies: Vocabularies<'a>,
    /// Whether the words are columns.
    pub(crate) by_columns: bool,
    /// Rows and columns without those for words that are in no vocabulary.
    pub(crate) size: [usize; 2],
    /// The rows and columns for words that are in no vocabulary.
    pub(crate) n_oov: [usize; 2],
    /// What is not in the checkpoint starts with.
    pub(crate) backup: &'a Initializer,
}

impl Remap<'_> {
    /// Adds what gives the rows from `offset` on that a variable of this shape has.
    pub(crate) fn initial_value(
        &self,
        scope: &mut Scope,
        shape: &[usize],
        offset: usize,
    ) -> Result<Output, Error> {
        let ([new_rows, new_cols], [row_oov, col_oov]) = (self.size, self.n_oov);
        let refused = |text: String| Err(Error::Saver(text));
        let &[n_rows, n_cols] = shape else {
            return refused(format!("Expected 2-dim shape, but received: {shape:?}"));
        };
        if n_rows == 0 {
            return refused(format!(
                "Expected 1st dim of shape to be > 0, but received shape: {shape:?}"
            ));
        }
        if n_cols != new_cols + col_oov {
            return refused(format!(
                "Expected 2nd dim of shape to be new_col_vocab_size ({new_cols}) + num_col_oov_buckets ({col_oov}) = {}, \
                 but received shape: {shape:?}",
                new_cols + col_oov
            ));
        }
        if offset + n_rows > new_rows + row_oov {
            return refused(format!(
                "Trying to initialize {n_rows} additional rows after {offset} rows have already been initialized, which \
                 would exceed expected total row count of new_row_vocab_size ({new_rows}) + num_row_oov_buckets \
                 ({row_oov}) = {}.",
                new_rows + row_oov
            ));
        }
        let row_oov = n_rows.min((offset + n_rows).saturating_sub(new_rows));
        let n_load = n_rows - row_oov;
        if offset > new_rows {
            return Ok(scope.initialized(
                self.backup,
                &Shape::from([n_rows, n_cols]),
                DType::F32,
            )?);
        }
        let mut value = self.loaded(scope, offset, n_load)?;
        let oov = [(row_oov, [row_oov, new_cols]), (col_oov, [n_load + row_oov, col_oov])];
        for (axis, (n, shape)) in (0..).zip(oov) {
            if n > 0 {
                let fresh = scope.initialized(self.backup, &Shape::from(shape), DType::F32)?;
                value = scope.concat([value, fresh], axis)?;
            }
        }
        Ok(value)
    }

    /// What the checkpoint has of these rows, and fresh values for the rest.
    fn loaded(&self, scope: &mut Scope, offset: usize, n_rows: usize) -> Result<Output, Error> {
        let n_cols = self.size[1];
        let (rows, cols, missing) = if self.by_columns {
            let end = long(offset + n_rows);
            let rows = scope.range(long(offset), end, 1i64)?;
            let (cols, n_present) = self.remapping(scope, 0, n_cols, -1)?;
            let present = scope.op("Mul").input(int(n_rows)).input(n_present).name("mul");
            let present = present.build_one()?;
            (rows, Operand::from(cols), present)
        } else {
            let (rows, n_present) =
                self.remapping(scope, offset, n_rows, self.vocabularies.old_size)?;
            let present = scope.op("Mul").input(n_present).input(int(n_cols)).name("mul");
            let present = present.build_one()?;
            (rows, Tensor::from_elements(Vec::<i64>::new()).into(), present)
        };
        let missing = scope.op("Sub").input(int(n_rows * n_cols)).input(missing).name("sub");
        let missing = missing.build_one()?;
        let shape = Operand::packed([Operand::from(missing), 1i32.into()]);
        let fresh = scope.initialized_of(self.backup, shape, DType::F32)?;
        let load = scope.op("LoadAndRemapMatrix");
        let load = load.input(Tensor::scalar_string(self.prefix.to_owned()));
        let load = load.input(Tensor::scalar_string(self.key.to_owned()));
        let load = load.input(rows).input(cols).input(fresh);
        let load = load.attr("num_rows", Attr::Int(long(n_rows)));
        Ok(load.attr("num_cols", Attr::Int(long(n_cols))).build_one()?)
    }

    /// Where the words of the new vocabulary are in the old one, and how many of them are.
    fn remapping(
        &self,
        scope: &mut Scope,
        offset: usize,
        n: usize,
        old_size: i64,
    ) -> Result<(Output, Output), Error> {
        let node = scope.op("GenerateVocabRemapping");
        let node = node.input(Tensor::scalar_string(self.vocabularies.new.to_owned()));
        let node = node.input(Tensor::scalar_string(self.vocabularies.old.to_owned()));
        let node = node.attr("new_vocab_offset", Attr::Int(long(offset)));
        let node = node.attr("num_new_vocab", Attr::Int(long(n)));
        let node = node.attr("old_vocab_size", Attr::Int(old_size)).build()?;
        Ok((node.output(0), node.output(1)))
    }
}

fn int(n: usize) -> i32 {
    i32::try_from(n).unwrap_or(i32::MAX)
}

fn long(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
