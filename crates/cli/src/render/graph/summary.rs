use flowkeep_ckpt::{Align, Columns, Sizes, counted};
use flowkeep_graph::view::{FlopTotals, OpKind, Summary};

use super::{grouped, safe, tensor};

/// Of longer lists, so many rows are printed unless all are asked for.
const MAX_ROWS: usize = 20;

/// A graph as a whole.
pub(crate) fn summary(summary: &Summary, all: bool) -> String {
    let mut out = String::new();
    let size = |n| Sizes::Human.text(n);
    let producer = match summary.producer {
        0 => String::new(),
        producer => format!("; graph version {producer}"),
    };
    let (nodes, ops) = (counted(summary.n_nodes, "node"), counted(summary.ops.len(), "op"));
    out += &format!("{nodes}, {ops}, depth {}{producer}\n", summary.depth);
    let (parameters, constants) = (&summary.parameters, &summary.constants);
    let unknown = match parameters.n_unknown {
        0 => String::new(),
        n => format!(", {n} of unknown shape"),
    };
    out += &format!(
        "{}, {}, {}{unknown}\n",
        count(parameters.n_variables, "variable"),
        grouped_count(parameters.n_elements, "parameter"),
        size(parameters.len_bytes),
    );
    out += &format!(
        "{}, {}, {} ({} in the file)\n",
        count(constants.n_nodes, "constant"),
        grouped_count(constants.n_elements, "element"),
        size(constants.len_bytes),
        size(constants.stored_bytes),
    );
    flops(&mut out, "FLOPs", &summary.flops);
    if !summary.functions.is_empty() {
        flops(&mut out, "FLOPs of functions", &summary.function_flops);
    }

    let mut section = |title: &str, table: Table| table.write(title, all, &mut out);
    let rows = summary.inputs.iter();
    let rows = rows
        .map(|input| vec![input.name.clone(), input.op.clone(), tensor(input.dtype, &input.shape)]);
    section("inputs", Table::new(&[Align::Left; 3], rows));
    let rows = summary.outputs.iter().map(|output| {
        let tensors: Vec<_> =
            output.tensors.iter().map(|(dtype, shape)| tensor(*dtype, shape)).collect();
        let what = output.tensor_name.clone().unwrap_or_else(|| output.op.clone());
        vec![safe(&output.name), what, tensors.join(", ")]
    });
    section("outputs", Table::new(&[Align::Left; 3], rows));
    let rows = summary.variables.iter().map(|variable| {
        vec![
            variable.name.clone(),
            variable.op.clone(),
            tensor(variable.dtype, &variable.shape),
            variable.n_elements().map(grouped).unwrap_or_default(),
            variable.len_bytes().map(size).unwrap_or_default(),
        ]
    });
    use Align::{Left, Right};
    section("variables", Table::new(&[Left, Left, Left, Right, Right], rows));
    let flops_of = |op: &str| {
        let found = summary.flops.by_op.iter().find(|other| other.op == op);
        found.filter(|op| op.n_known > 0).map(|op| format!("{} FLOPs", grouped(op.flops)))
    };
    let rows = summary.ops.iter().map(|op| {
        let note = match op.kind {
            OpKind::Op if op.is_control_flow => "control flow",
            OpKind::Op => "",
            OpKind::Function => "function",
            OpKind::Unknown => "unknown op",
        };
        let note = flops_of(&op.op).unwrap_or_else(|| note.to_owned());
        vec![op.n_nodes.to_string(), safe(&op.op), note]
    });
    section("ops", Table::new(&[Right, Left, Left], rows));
    let rows = summary.frames.iter().map(|frame| vec![safe(frame)]);
    section("loops", Table::new(&[Left], rows));
    let rows = summary.functions.iter().map(|function| {
        let callers = match &function.callers[..] {
            [] => "never named".to_owned(),
            [first, rest @ ..] => {
                let place = match &first.function {
                    Some(function) => format!("{function}: {}", first.node),
                    None => first.node.clone(),
                };
                match rest.len() {
                    0 => safe(&place),
                    n => format!("{} and {n} more", safe(&place)),
                }
            }
        };
        let of_call = function.flops.as_ref().filter(|flops| flops.flops > 0);
        vec![
            safe(&function.name),
            counted(function.n_nodes, "node"),
            of_call.map(|of_call| format!("{} FLOPs", grouped(of_call.flops))).unwrap_or_default(),
            callers,
        ]
    });
    section("functions", Table::new(&[Left, Right, Right, Left], rows));
    let rows = summary.devices.iter().map(|(device, n)| vec![n.to_string(), safe(device)]);
    section("devices", Table::new(&[Right, Left], rows));
    out
}

fn count(n: u64, thing: &str) -> String {
    counted(usize::try_from(n).unwrap_or(usize::MAX), thing)
}

fn grouped_count(n: u64, thing: &str) -> String {
    format!("{} {thing}{}", grouped(n), if n == 1 { "" } else { "s" })
}

fn flops(out: &mut String, title: &str, totals: &FlopTotals) {
    let unknown = match totals.n_unknown {
        0 => String::new(),
        n => format!(", and those of {} of unknown shape", count(n, "node")),
    };
    *out += &format!(
        "{title}: {} in {}{unknown}\n",
        grouped(totals.flops),
        count(totals.n_known, "node")
    );
}

/// A list with a title.
struct Table {
    aligns: Vec<Align>,
    rows: Vec<Vec<String>>,
}

impl Table {
    fn new(aligns: &[Align], rows: impl Iterator<Item = Vec<String>>) -> Table {
        Table { aligns: aligns.to_vec(), rows: rows.collect() }
    }

    fn write(self, title: &str, all: bool, out: &mut String) {
        if self.rows.is_empty() {
            return;
        }
        // One row more is not worth a line that says so.
        let n_shown = match all || self.rows.len() <= MAX_ROWS + 1 {
            true => self.rows.len(),
            false => MAX_ROWS,
        };
        let n_more = self.rows.len() - n_shown;
        *out += &format!("\n{title} ({})\n", self.rows.len());
        // The first column is moved to the right, for the title to stand out.
        let mut columns = Columns::new(&[&[Align::Left][..], &self.aligns].concat());
        for row in self.rows.into_iter().take(n_shown) {
            columns.push([vec![String::new()], row].concat());
        }
        columns.write(out);
        if n_more > 0 {
            *out += &format!("  and {n_more} more (--all)\n");
        }
    }
}
