//! Functions: bodies link, placeholders are replaced, calls are typed, broken functions wait.

use std::sync::Arc;

use flowkeep_graph::{Attr, Attrs, Error, FunctionBody, Graph, ImportOptions};
use flowkeep_proto::{pb, text};
use flowkeep_tensor::DType;

/// A graph of these nodes and functions, in text form.
fn graph(text: &str) -> Result<Graph, Error> {
    let def: pb::GraphDef = text::parse_message(text).unwrap();
    Graph::import(def, &ImportOptions::default())
}

/// The body of the library's function `f`.
fn body(attrs: &[(&str, Attr)], function: &str) -> Result<Arc<FunctionBody>, Error> {
    let graph = graph(&format!("library {{ function {{ {function} }} }}")).unwrap();
    let attrs: Attrs = attrs.iter().map(|(name, attr)| (*name, attr.clone())).collect();
    graph.library().get("f").unwrap().instantiate(&attrs, graph.library())
}

fn inputs(body: &FunctionBody, node: &str) -> Vec<String> {
    let node = body.graph.node(body.graph.node_by_name(node).unwrap());
    body.graph.node_def(node).input
}

fn rets(body: &FunctionBody) -> Vec<String> {
    body.rets.iter().map(|ret| body.graph.tensor_name(*ret).to_string()).collect()
}

const SPLIT: &str = "
    signature { name: 'f'
      input_arg { name: 'x' type: DT_FLOAT } input_arg { name: 'axis' type: DT_INT32 }
      output_arg { name: 'all' type: DT_FLOAT number_attr: 'n' } output_arg { name: 'sum' type: DT_FLOAT }
      attr { name: 'n' type: 'int' default_value { i: 3 } } control_output: 'done' }
    node_def { name: 'sum' op: 'AddN' input: ['split:output', '^done']
      attr { key: 'T' value { type: DT_FLOAT } } attr { key: 'N' value { placeholder: 'n' } } }
    node_def { name: 'second' op: 'Identity' input: 'split:output:1' attr { key: 'T' value { type: DT_FLOAT } } }
    node_def { name: 'split' op: 'Split' input: ['axis', 'x:0']
      attr { key: 'T' value { type: DT_FLOAT } } attr { key: 'num_split' value { placeholder: 'n' } } }
    node_def { name: 'done' op: 'NoOp' input: '^x' }
    ret { key: 'all' value: 'split:output' } ret { key: 'sum' value: 'sum:sum:0' }
    control_ret { key: 'done' value: 'done' }";

#[test]
fn lists_of_results_are_expanded() {
    let body = body(&[], SPLIT).unwrap();
    assert_eq!(inputs(&body, "split"), ["axis", "x"]);
    assert_eq!(inputs(&body, "sum"), ["split", "split:1", "split:2", "^done"]);
    assert_eq!(inputs(&body, "second"), ["split:1"]);
    assert_eq!(inputs(&body, "done"), ["^x"]);
    assert_eq!(rets(&body), ["split:0", "split:1", "split:2", "sum:0"]);
    let control: Vec<&str> =
        body.control_rets.iter().map(|id| body.graph.node(*id).name()).collect();
    assert_eq!(control, ["done"]);
}

#[test]
fn placeholders_take_the_values_of_the_call() {
    let body = body(&[("n", Attr::Int(2))], SPLIT).unwrap();
    assert_eq!(inputs(&body, "sum"), ["split", "split:1", "^done"]);
    assert_eq!(rets(&body), ["split:0", "split:1", "sum:0"]);
}

#[test]
fn polymorphic_functions_are_typed_by_the_call() {
    let function = "
        signature { name: 'f' input_arg { name: 'x' type_list_attr: 'Ts' } output_arg { name: 'y' type_attr: 'T' }
          attr { name: 'Ts' type: 'list(type)' } attr { name: 'T' type: 'type' } }
        node_def { name: 'y' op: 'Identity' input: 'x:1' attr { key: 'T' value { placeholder: 'T' } } }
        node_def { name: 'g' op: 'g' input: 'x' attr { key: 'f' value { func { name: 'h'
          attr { key: 'U' value { placeholder: 'T' } } } } } }
        ret { key: 'y' value: 'y:output:0' }
        arg_attr { key: 0 value { attr { key: '_a' value { i: 7 } } attr { key: 'b' value { i: 8 } } } }";
    let types = [DType::I32, DType::F64];
    let attrs = [
        ("T", Attr::Type(DType::F64)),
        ("Ts", Attr::List(flowkeep_graph::AttrList::Type(types.as_slice().into()))),
    ];
    let body = body(&attrs, function).unwrap();
    let args: Vec<_> = body.args.iter().map(|id| body.graph.node(*id)).collect();
    assert_eq!(args.iter().map(|arg| arg.name()).collect::<Vec<_>>(), ["x_0", "x_1"]);
    assert_eq!(args.iter().map(|arg| arg.output_dtype(0).unwrap()).collect::<Vec<_>>(), types);
    assert!(args[1].attrs().int("_a").is_ok_and(|value| value == 7) && args[1].attr("b").is_none());
    assert_eq!(inputs(&body, "y"), ["x_1"]);
    assert_eq!(inputs(&body, "g"), ["x_0", "x_1"]);
    let g = body.graph.node(body.graph.node_by_name("g").unwrap());
    assert_eq!(g.attrs().func("f").unwrap().attrs.dtype("U").unwrap(), DType::F64);
}

/// A function of one float that returns `add`; parts of it are replaced.
const ADD: &str = "
    signature { name: 'f' input_arg { name: 'x' type: DT_FLOAT } output_arg { name: 'o' type: DT_FLOAT } }
    node_def { name: 'add' op: 'AddV2' input: ['x', 'x'] attr { key: 'T' value { type: DT_FLOAT } } }
    ret { key: 'o' value: 'add:z:0' }";

#[test]
fn broken_bodies_are_refused_with_tensorflows_words() {
    body(&[], ADD).unwrap();
    for (from, to, error) in [
        ("['x', 'x']", "['x', 'q']", "input q is not found: {{node add}}"),
        ("['x', 'x']", "['x', 'add']", "input add is not found: {{node add}}"),
        ("['x', 'x']", "['x', 'x:1']", "input x:1 is not found: {{node add}}"),
        ("['x', 'x']", "['x', 'x', '^q']", "input[2] == '^q', is not found."),
        ("add:z:0", "add", "Return o -> add is not found."),
        ("add:z:0", "add:0", "Return o -> add:0 is not found."),
        ("add:z:0", "add:z:1", "Return o -> add:z:1 is not found."),
        ("add:z:0", "add:y:0", "Return o -> add:y:0 is not found."),
        ("key: 'o'", "key: 'p'", "Return o missing."),
        ("'o' type: DT_FLOAT", "'o' type: DT_INT32", "Invalid ret types o : int32 vs. float"),
        ("['x', 'x']", "['x', 'add:z:0']", "1 nodes in a cycle"),
        (
            "value { type: DT_FLOAT }",
            "value { placeholder: 'S' }",
            "Failed to bind all placeholders in $S",
        ),
        ("name: 'add'", "name: 'x'", "Node 'x' is not unique"),
        ("op: 'AddV2'", "", "Node 'add' does not specify an operation"),
    ] {
        let function = ADD.replacen(from, to, 1);
        assert_ne!(function, ADD, "{from}");
        let got = body(&[], &function).err().map(|error| error.to_string());
        assert_eq!(got.as_deref(), Some(error), "{from} -> {to}");
    }
}

#[test]
fn a_broken_function_that_nothing_calls_stops_no_import() {
    let broken = ADD.replace("AddV2", "Nonesuch").replace("add:z:0", "nothing");
    let graph =
        graph(&format!("library {{ function {{ {broken} }} }} node {{ name: 'n' op: 'NoOp' }}"))
            .unwrap();
    assert!(
        graph.library().get("f").unwrap().instantiate(&Attrs::default(), graph.library()).is_err()
    );
}

#[test]
fn unknown_ops_in_bodies_wait_for_their_execution() {
    let unknown = ADD.replace("'add' op: 'AddV2'", "'add' op: 'Nonesuch'");
    let body = body(&[], &unknown).unwrap();
    assert_eq!(rets(&body), ["add:0"]);
    assert!(body.graph.node(body.rets[0].node).output_types().is_none());
}

#[test]
fn calls_by_name_are_checked_against_the_signature() {
    let text = |input: &str| {
        format!(
            "library {{ function {{ {ADD} }} }}
             node {{ name: 'i' op: 'Placeholder' attr {{ key: 'dtype' value {{ type: DT_INT32 }} }} }}
             node {{ name: 'x' op: 'Placeholder' attr {{ key: 'dtype' value {{ type: DT_FLOAT }} }} }}
             node {{ name: 'call' op: 'f' input: '{input}' }}
             node {{ name: 'y' op: 'Identity' input: 'call' attr {{ key: 'T' value {{ type: DT_FLOAT }} }} }}"
        )
    };
    let good = graph(&text("x")).unwrap();
    let call = good.node(good.node_by_name("call").unwrap());
    assert!(call.def().is_none());
    assert_eq!(call.output_dtype(0), Some(DType::F32));
    assert_eq!(
        graph(&text("i")).unwrap_err().to_string(),
        "Input 0 of node call was passed int32 from i:0 incompatible with expected float."
    );
}

#[test]
fn functions_of_one_name_must_be_equal() {
    let library =
        |second: &str| format!("library {{ function {{ {ADD} }} function {{ {second} }} }}");
    assert_eq!(graph(&library(ADD)).unwrap().library().functions().len(), 1);
    assert_eq!(
        graph(&library(&ADD.replace("AddV2", "Add"))).unwrap_err().to_string(),
        "Cannot add function 'f' because a different function with the same name already exists."
    );
    assert_eq!(
        graph(&library(&ADD.replace("name: 'f'", "name: 'Add'"))).unwrap_err().to_string(),
        "Cannot add function 'Add' because an op with the same name already exists."
    );
}
