//! docs/ops.md says what the tables say.
//!
//! `FLOWKEEP_BLESS=1 cargo test -p flowkeep-testkit --test ops_doc` writes it anew.

use std::fmt::Write;
use std::path::Path;

use flowkeep_runtime::Registry;

const HEAD: &str = "\
# Supported ops

The ops that the CPU runs, generated from the tables by the test `ops_doc`; do not edit.
Types are those of the type attributes that a kernel restricts; where none is named, it takes every type that the op's definition allows.
All other ops of TensorFlow import, show and export; `flowkeep check` says which of them a model needs.
Function calls (`PartitionedCall`, `StatefulPartitionedCall`, functions called by name), `If`, `StatelessIf`, `Case`, `StatelessCase`, `While`, `StatelessWhile` and `SymbolicGradient` run too: they are constructs of the plan and the executor, and no kernels.

";

#[test]
fn the_support_table_is_fresh() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/ops.md");
    let wanted = table();
    if std::env::var_os("FLOWKEEP_BLESS").is_some() {
        std::fs::write(&path, &wanted).expect("docs/ops.md is written");
    }
    let present = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(present == wanted, "docs/ops.md is stale: run this test with FLOWKEEP_BLESS=1");
}

fn table() -> String {
    let mut registry = Registry::standard();
    flowkeep_saver::register(&mut registry);
    let rows = registry.rows();
    let mut text = format!("{HEAD}{} ops.\n\n| Op | Types |\n|---|---|\n", rows.len());
    for row in rows {
        let types = row.type_constraints().iter().map(|(attr, dtypes)| {
            let names: Vec<_> = dtypes.iter().map(|dtype| dtype.name()).collect();
            format!("`{attr}`: {}", names.join(", "))
        });
        let types: Vec<_> = types.collect();
        writeln!(text, "| {} | {} |", row.name(), types.join("; ")).expect("strings take text");
    }
    text
}
