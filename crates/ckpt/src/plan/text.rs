use flowkeep_tensor::DType;

use super::compare::{Outcome, Plan, PlanItem};
use super::lookup::Names;
use super::target::WantedBy;
use super::wanted::Assignment;
use crate::text::{Align, Columns, counted, shown};

impl Plan<'_> {
    /// As lines: what is restored into what, what is wrong, and how much of each there is. With `all`,
    /// also what is restored, and what is not used.
    pub fn text(&self, all: bool) -> String {
        let mut out = String::new();
        out.push_str(&format!("from: {}\n", shown(self.from.found().as_bytes())));
        let wanted_by = match &self.to.wanted_by {
            WantedBy::Checkpoint => String::new(),
            WantedBy::Saver { restore_op, .. } => format!(", by its saver's {restore_op}"),
            WantedBy::Collection => ", by the variables that it lists".into(),
            WantedBy::Nodes => ", by its variables".into(),
        };
        let found = shown(format!("{}{wanted_by}", self.to.found).as_bytes());
        out.push_str(&format!("into: {found}\n"));
        match self.names {
            Names::Same => {}
            Names::FullNamesOfSource => out.push_str(
                "names: the checkpoint is object-based; its variables were found by their names in a graph\n",
            ),
            Names::FullNamesOfTarget => out.push_str(
                "names: what is restored is object-based; its variables were looked up by their names in a \
                 graph\n",
            ),
            Names::Paths => {
                out.push_str("names: both are object-based; variables were found by their paths\n");
            }
        }
        if self.is_for_v1_only() {
            out.push_str("the saver reads V1 checkpoints alone\n");
        }
        let mut columns = Columns::new(&[Align::Left; 5]);
        for item in self.items.iter().filter(|item| all || !item.ok()) {
            columns.push(row(item));
        }
        if all {
            for info in &self.unused {
                let type_and_shape = type_and_shape(info.dtype, &info.shape.to_string());
                columns.push(vec!["unused".into(), shown(&info.name), type_and_shape]);
            }
        }
        columns.write(&mut out);
        out.push_str(&self.summary());
        out
    }

    /// How much of everything there is, in one line.
    fn summary(&self) -> String {
        let n = |is_it: fn(&Outcome) -> bool| {
            self.items.iter().filter(|item| is_it(&item.outcome)).count()
        };
        let n_restored = self.items.iter().filter(|item| item.ok()).count();
        let mut parts =
            vec![format!("{n_restored} of {} restored", counted(self.items.len(), "tensor"))];
        let others = [
            (n(|o| matches!(o, Outcome::Missing { .. })), "missing"),
            (n(|o| matches!(o, Outcome::Damaged)), "damaged"),
            (n(|o| matches!(o, Outcome::Mismatch { dtype: true, .. })), "of another type"),
            (n(|o| matches!(o, Outcome::Mismatch { dtype: false, .. })), "of another shape"),
            (self.unused.len(), "of the checkpoint not used"),
        ];
        let others = others.iter().filter(|(n, _)| *n > 0);
        parts.extend(others.map(|(n, what)| format!("{n} {what}")));
        parts.join(", ") + "\n"
    }
}

/// What becomes of a tensor: a word, the name, what is wanted, what there is, and what to try.
fn row(item: &PlanItem<'_>) -> Vec<String> {
    let wanted = type_and_shape(item.wanted.dtype, &item.wanted.shape.to_string());
    let stored = item.source.map(|info| type_and_shape(info.dtype, &info.shape.to_string()));
    let stored = stored.map(|stored| format!("stored {stored}")).unwrap_or_default();
    let word = match &item.outcome {
        Outcome::Restored => "restored",
        Outcome::Reshaped => "reshaped",
        Outcome::Missing { .. } => "missing",
        Outcome::Damaged => "damaged",
        Outcome::Mismatch { dtype: true, .. } => "type",
        Outcome::Mismatch { .. } => "shape",
    };
    let note = match &item.outcome {
        Outcome::Missing { nearest } => {
            let nearest = nearest.iter().map(|near| {
                let fits = if near.fits { "" } else { " (of another type or shape)" };
                format!("{}{fits}", near.name)
            });
            let nearest = nearest.collect::<Vec<_>>().join(", ");
            if nearest.is_empty() { String::new() } else { format!("nearest: {nearest}") }
        }
        Outcome::Damaged => item.error().unwrap_or_default(),
        Outcome::Mismatch { dtype: false, reshape_fits, .. } => {
            let unchecked = item.wanted.assignment == Assignment::Unchecked;
            let unchecked = unchecked.then_some("TensorFlow would not notice");
            let notes = [reshape_fits.then_some("reshaping would fit"), unchecked];
            notes.into_iter().flatten().collect::<Vec<_>>().join("; ")
        }
        Outcome::Restored | Outcome::Reshaped => item
            .source
            .filter(|source| source.name != item.wanted.name)
            .map(|source| format!("from {}", source.name))
            .unwrap_or_default(),
        Outcome::Mismatch { .. } => String::new(),
    };
    let stored = if item.outcome == Outcome::Restored { String::new() } else { stored };
    vec![word.into(), shown(&item.wanted.name), wanted, stored, shown(note.as_bytes())]
}

fn type_and_shape(dtype: Option<DType>, shape: &str) -> String {
    format!("{} {shape}", dtype.map_or("?", DType::python_name))
}
