//! Graphs: look-ups, references, loops, unknown ops, devices, what is kept for the way back.

use flowkeep_graph::{Error, GRAPH_DEF_VERSION, Graph, ImportOptions, PortType};
use flowkeep_proto::{pb, text};
use flowkeep_tensor::{Code, DType};

fn import(text: &str) -> Result<Graph, Error> {
    Graph::import(text::parse_message(text).unwrap(), &ImportOptions::default())
}

const PLACEHOLDER: &str =
    "node { name: 'a' op: 'Placeholder' attr { key: 'dtype' value { type: DT_FLOAT } } }";

#[test]
fn outputs_are_looked_up_with_or_without_index() {
    let graph = import(PLACEHOLDER).unwrap();
    let output = graph.output("a:0").unwrap();
    assert_eq!(graph.output("a").unwrap(), output);
    assert_eq!(graph.tensor_name(output).to_string(), "a:0");
    for (name, code, message) in [
        (
            "a:1",
            Code::NotFound,
            "The name 'a:1' refers to a Tensor which does not exist. The operation, 'a', exists but only has 1 outputs.",
        ),
        (
            "zz:0",
            Code::NotFound,
            "The name 'zz:0' refers to a Tensor which does not exist. The operation, 'zz', does not exist in the graph.",
        ),
        (
            "a:b",
            Code::InvalidArgument,
            "The name 'a:b' looks a like a Tensor name, but is not a valid one. \
             Tensor names must be of the form \"<op_name>:<output_index>\".",
        ),
    ] {
        let error = graph.output(name).unwrap_err();
        assert_eq!((error.code(), error.to_string().as_str()), (code, message));
    }
}

#[test]
fn a_reference_feeds_a_value_but_not_the_reverse() {
    let variable = "node { name: 'v' op: 'VariableV2'
        attr { key: 'dtype' value { type: DT_FLOAT } } attr { key: 'shape' value { shape {} } } }";
    let assign = |first: &str| {
        format!(
            "{PLACEHOLDER} {variable} node {{ name: 's' op: 'Assign' input: ['{first}', 'v']
            attr {{ key: 'T' value {{ type: DT_FLOAT }} }} }}"
        )
    };
    let graph = import(&assign("v")).unwrap();
    let assign_node = graph.node(graph.node_by_name("s").unwrap());
    let reference = PortType { dtype: DType::F32, is_ref: true };
    assert_eq!(assign_node.input_types(), [reference, PortType::value(DType::F32)]);
    assert_eq!(assign_node.output_types().unwrap(), [reference]);
    assert_eq!(reference.to_string(), "float_ref");
    assert!(import(&assign("a")).is_err());
}

#[test]
fn defaults_are_filled_in() {
    let graph = import(&format!(
        "{PLACEHOLDER} node {{ name: 'm' op: 'MatMul' input: ['a', 'a'] attr {{ key: 'T' value {{ type: DT_FLOAT }} }} }}"
    ))
    .unwrap();
    let attrs = graph.node(graph.node_by_name("m").unwrap()).attrs();
    assert!(!attrs.bool("transpose_a").unwrap());
    assert_eq!(attrs.len(), 5);
}

#[test]
fn unknown_ops_import_and_feed_anything() {
    let graph = import(&format!(
        "{PLACEHOLDER}
         node {{ name: 'u' op: 'Nonesuch' input: ['a', 'a'] attr {{ key: 'x' value {{ type: DT_FLOAT_REF }} }} }}
         node {{ name: 'y' op: 'Identity' input: 'u:7' attr {{ key: 'T' value {{ type: DT_INT32 }} }} }}"
    ))
    .unwrap();
    let unknown = graph.node(graph.node_by_name("u").unwrap());
    assert!(unknown.def().is_none() && unknown.output_types().is_none());
    assert_eq!(unknown.inputs().len(), 2);
    assert_eq!(graph.output("u:12").unwrap().index, 12);
}

#[test]
fn what_nothing_reads_is_kept() {
    let text = "
        node { name: 'n' op: 'NoOp' input: ['^b', '^a'] device: '/gpu:0' attr { key: '_x' value { placeholder: 'y' } }
          experimental_debug_info { original_node_names: 'o' } experimental_type { type_id: TFT_PRODUCT } }
        node { name: 'a' op: 'NoOp' } node { name: 'b' op: 'NoOp' }
        library { gradient { function_name: 'f' gradient_func: 'g' } }
        version: 7 versions { producer: 5 bad_consumers: 3 }
        debug_info { files: 'file.py' }";
    let def: pb::GraphDef = text::parse_message(text).unwrap();
    let mut got = Graph::import(def.clone(), &ImportOptions::default()).unwrap().to_graph_def();
    got.node.rotate_right(1);
    let mut want = def;
    want.node[0].input.sort();
    assert_eq!(got, want);
}

#[test]
fn devices_can_be_cleared() {
    let def: pb::GraphDef =
        text::parse_message("node { name: 'n' op: 'NoOp' device: '/gpu:0' }").unwrap();
    let mut options = ImportOptions::default();
    assert_eq!(Graph::import(def.clone(), &options).unwrap().nodes()[0].device(), "/gpu:0");
    options.clear_devices = true;
    assert_eq!(Graph::import(def, &options).unwrap().nodes()[0].device(), "");
}

#[test]
fn few_bytes_cannot_claim_much_memory() {
    let split = |idx: usize| {
        format!("node {{ name: 's{idx}' op: 'Unstack' }} node {{ name: 'u{idx}' op: 'Unpack' input: 'a'
            attr {{ key: 'T' value {{ type: DT_FLOAT }} }} attr {{ key: 'num' value {{ i: 1000000 }} }} }}")
    };
    let nodes: String = (0..20).map(split).collect();
    let error = import(&format!("{PLACEHOLDER} {nodes}")).unwrap_err();
    assert!(error.to_string().starts_with("Number of outputs is too big"), "{error}");
}

#[test]
fn versions_are_this_readers() {
    assert_eq!(GRAPH_DEF_VERSION, 2474);
    assert_eq!(import("versions { producer: 1087 min_consumer: 12 }").unwrap().producer(), 1087);
}
