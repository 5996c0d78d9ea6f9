//! Functions in the place of calls.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use flowkeep_graph::transform::{InlineOptions, InlineReport, inline_functions};
use flowkeep_graph::{Error, Graph};
use flowkeep_proto::pb;
use flowkeep_proto::pb::attr_value::Value;

use crate::canonical::with_canonical_functions;
use crate::fixture::{Case, Suite, import, summary};

fn options(case: &Case<'_>) -> InlineOptions {
    let mut options = InlineOptions::default();
    options.keep = case.strs("fetches").into_iter().map(str::to_owned).collect();
    options.aggressive = case.flag("aggressive");
    options.in_functions = true;
    options
}

fn inline(case: &Case<'_>) -> Result<(Graph, InlineReport), Error> {
    let graph = case.graph();
    let (graph, _) = flowkeep_graph::transform::extract_sub_graph(graph, &case.strs("fetches"))?;
    inline_functions(graph, &options(case))
}

/// TensorFlow goes on to choose other nodes to be colocated with, so that groups stay the same.
fn comparable(mut def: pb::GraphDef) -> pb::GraphDef {
    name_groups(&mut def.node);
    for function in def.library.iter_mut().flat_map(|library| &mut library.function) {
        name_groups(&mut function.node_def);
    }
    with_canonical_functions(def)
}

/// Lets every node be colocated with the first node, by name, of its group.
fn name_groups(nodes: &mut [pb::NodeDef]) {
    let targets = |node: &pb::NodeDef| -> Vec<String> {
        match node.attr.get("_class").and_then(|class| class.value.as_ref()) {
            Some(Value::List(list)) => {
                list.s.iter().map(|class| String::from_utf8(class[5..].to_vec()).unwrap()).collect()
            }
            _ => Vec::new(),
        }
    };
    // Of each name the names of its group.
    let mut groups: HashMap<String, BTreeSet<String>> = HashMap::new();
    for node in nodes.iter() {
        let mut group = BTreeSet::from([node.name.clone()]);
        for name in targets(node).into_iter().chain([node.name.clone()]) {
            group.extend(groups.get(&name).cloned().unwrap_or_default());
            group.insert(name);
        }
        for name in &group {
            groups.insert(name.clone(), group.clone());
        }
    }
    let names: HashSet<String> = nodes.iter().map(|node| node.name.clone()).collect();
    for node in nodes {
        let first = groups[&node.name].iter().find(|name| names.contains(*name)).unwrap();
        let list = pb::attr_value::ListValue {
            s: vec![format!("loc:@{first}").into()],
            ..Default::default()
        };
        let class = pb::AttrValue { value: Some(Value::List(Box::new(list))) };
        node.attr.insert("_class".to_owned(), class);
    }
}

#[test]
fn calls_are_inlined_as_by_tensorflow() {
    Suite::open("inline_functions")
        .check_as(comparable, |case| inline(case).map(|(graph, _)| graph.to_graph_def()));
}

#[test]
fn calls_that_stay_are_told_with_the_reason() {
    let mut found = Vec::new();
    for case in Suite::open("inline_functions").cases() {
        let (_, report) = inline(&case).unwrap();
        for kept in report.kept.iter().filter(|kept| kept.inside.is_none()) {
            found.push((case.name().to_owned(), kept.node.to_string(), kept.why.clone()));
        }
    }
    let found: Vec<_> =
        found.iter().map(|(a, b, c)| (a.as_str(), b.as_str(), c.as_str())).collect();
    let nobody_waits = "Can't guarantee execution of function side-effects after inlining. \
         Function call node has no outgoing control edges.";
    assert_eq!(
        found,
        [
            ("calls: nested", "StatefulPartitionedCall", nobody_waits),
            (
                "calls: noinline",
                "PartitionedCall_1",
                "Can't inline function marked with '_noinline'"
            ),
            ("calls: nobody waits", "StatefulPartitionedCall_2", nobody_waits),
            ("functions: called", "StatefulPartitionedCall", nobody_waits),
        ]
    );
}

/// `f` is called by name, `r` calls itself, `p` has a loop.
const LIBRARY: &str = "library {
    function { signature { name: 'f' input_arg { name: 'x' type_attr: 'T' } output_arg { name: 'y' type_attr: 'T' }
        attr { name: 'T' type: 'type' } }
      node_def { name: 'one' op: 'Const' device: '/job:a' attr { key: 'dtype' value { placeholder: 'T' } }
        attr { key: 'value' value { tensor { dtype: DT_FLOAT float_val: 1 } } } }
      node_def { name: 'sum' op: 'AddV2' input: ['x', 'one:output:0'] attr { key: 'T' value { placeholder: 'T' } }
        attr { key: '_class' value { list { s: ['loc:@x', 'loc:@one'] } } } }
      ret { key: 'y' value: 'sum:z:0' } }
    function { signature { name: 'r' input_arg { name: 'x' type: DT_FLOAT } output_arg { name: 'y' type: DT_FLOAT } }
      node_def { name: 'half' op: 'Neg' input: 'x' attr { key: 'T' value { type: DT_FLOAT } } }
      node_def { name: 'again' op: 'r' input: 'half:y:0' }
      ret { key: 'y' value: 'again:y:0' } }
    function { signature { name: 'p' is_stateful: true output_arg { name: 'y' type: DT_STRING } }
      node_def { name: 'print' op: 'PrintV2' input: 'c:output' attr { key: 'output_stream' value { s: 'stderr' } } }
      node_def { name: 'c' op: 'Const' attr { key: 'dtype' value { type: DT_STRING } }
        attr { key: 'value' value { tensor { dtype: DT_STRING tensor_shape { } string_val: 'c' } } } }
      ret { key: 'y' value: 'c:output:0' } }
    function { signature { name: 'l' input_arg { name: 'x' type: DT_FLOAT } output_arg { name: 'y' type: DT_FLOAT } }
      node_def { name: 'enter' op: 'Enter' input: 'x' attr { key: 'T' value { type: DT_FLOAT } } attr { key: 'frame_name' value { s: 'frame' } } }
      node_def { name: 'merge' op: 'Merge' input: ['enter:output', 'next:output'] attr { key: 'T' value { type: DT_FLOAT } } attr { key: 'N' value { i: 2 } } }
      node_def { name: 'next' op: 'NextIteration' input: 'merge:output' attr { key: 'T' value { type: DT_FLOAT } } }
      node_def { name: 'exit' op: 'Exit' input: 'merge:output' attr { key: 'T' value { type: DT_FLOAT } } }
      ret { key: 'y' value: 'exit:output' } } }";

fn with_library(nodes: &str) -> Graph {
    import(&format!(
        "node {{ name: 'x' op: 'Placeholder' attr {{ key: 'dtype' value {{ type: DT_FLOAT }} }} }} {nodes} {LIBRARY}"
    ))
}

fn classes(graph: &Graph, name: &str) -> Vec<String> {
    let node = graph.node(graph.node_by_name(name).unwrap());
    let classes = node.attrs().strs("_class").unwrap();
    classes.iter().map(|class| String::from_utf8(class.to_vec()).unwrap()).collect()
}

const BY_NAME: &str = "
    node { name: 'first' op: 'NoOp' }
    node { name: 'call' op: 'f' input: ['x', '^first'] device: '/device:GPU:0' attr { key: 'T' value { type: DT_FLOAT } } }
    node { name: 'then' op: 'NoOp' input: '^call' }
    node { name: 'y' op: 'Neg' input: 'call' attr { key: 'T' value { type: DT_FLOAT } } }";

#[test]
fn a_call_by_name_is_over_with_its_results_and_all_on_its_device() {
    let (graph, report) =
        inline_functions(with_library(BY_NAME), &InlineOptions::default()).unwrap();
    assert_eq!(
        summary(&graph),
        [
            "x = Placeholder()",
            "first = NoOp()",
            "Func/call/input_control_node/_0 = NoOp(^first)",
            "Func/call/input/_1 = Identity(x, ^Func/call/input_control_node/_0)",
            "call/one = Const(^Func/call/input_control_node/_0)",
            "call/sum = AddV2(Func/call/input/_1, call/one)",
            "Func/call/output/_2 = Identity(call/sum)",
            "y = Neg(Func/call/output/_2)",
            "Func/call/output_control_node/_3 = NoOp(^Func/call/output/_2)",
            "then = NoOp(^Func/call/output_control_node/_3)",
        ]
    );
    let inlined = graph.nodes().iter().filter(|node| node.name().contains("call"));
    assert!(inlined.clone().all(|node| node.device() == "/device:GPU:0"));
    assert_eq!(inlined.count(), 6);
    assert_eq!(classes(&graph, "call/sum"), ["loc:@Func/call/input/_1", "loc:@call/one"]);
    assert_eq!(report.inlined[0].function, Arc::from("f"));
    assert_eq!(report.removed_functions, ["f", "r", "p", "l"].map(Arc::from));
}

#[test]
fn a_call_that_is_kept_is_an_identity_and_one_that_is_fed_stays() {
    let mut options = InlineOptions::default();
    options.keep.insert("call".to_owned());
    let (graph, _) = inline_functions(with_library(BY_NAME), &options).unwrap();
    let kept = "call = IdentityN(Func/call/output/_2, ^Func/call/output_control_node/_3)";
    assert!(summary(&graph).contains(&kept.to_owned()), "{:?}", summary(&graph));

    options.feeds.insert("call".to_owned());
    let (graph, report) = inline_functions(with_library(BY_NAME), &options).unwrap();
    assert_eq!(graph.len(), 5);
    assert_eq!(report.kept[0].why, "it is fed");
}

#[test]
fn functions_that_call_themselves_are_inlined_once() {
    let graph = with_library("node { name: 'call' op: 'r' input: 'x' }");
    let (graph, report) = inline_functions(graph, &InlineOptions::default()).unwrap();
    assert_eq!(report.inlined.len(), 1);
    assert_eq!(&*report.kept[0].node, "call/again");
    assert_eq!(report.kept[0].why, "function r calls itself");
    assert!(summary(&graph).contains(&"call/again = r(call/half)".to_owned()));
}

#[test]
fn effects_that_no_result_waits_for_are_not_lost() {
    let graph = || {
        with_library(
            "node { name: 'call' op: 'p' } node { name: 'then' op: 'NoOp' input: '^call' }",
        )
    };
    let (left, report) = inline_functions(graph(), &InlineOptions::default()).unwrap();
    assert_eq!(left.len(), 3);
    assert_eq!(
        report.kept[0].why,
        "Can't guarantee execution of a side-effectful node, that is not reachable from function \
         control source. Function body node: {{node print}}"
    );
    let mut options = InlineOptions::default();
    options.aggressive = true;
    let (graph, report) = inline_functions(graph(), &options).unwrap();
    assert_eq!((report.inlined.len(), report.kept.len()), (1, 0));
    assert!(graph.node_by_name("call/print").is_some());
}

#[test]
fn frames_of_loops_get_names_of_their_own() {
    let graph =
        with_library("node { name: 'a' op: 'l' input: 'x' } node { name: 'b' op: 'l' input: 'x' }");
    let (graph, _) = inline_functions(graph, &InlineOptions::default()).unwrap();
    for call in ["a", "b"] {
        let enter = graph.node(graph.node_by_name(&format!("{call}/enter")).unwrap());
        assert_eq!(enter.attrs().str("frame_name").unwrap(), &format!("{call}/frame"));
        let merge = graph.node(graph.node_by_name(&format!("{call}/merge")).unwrap());
        let next = graph.node_by_name(&format!("{call}/next")).unwrap();
        assert_eq!(merge.inputs()[1].node, next);
    }
}

#[test]
fn calls_that_do_not_fit_and_functions_that_are_not_there() {
    let call = |name: &str, types: &str| {
        with_library(&format!(
            "node {{ name: 'call' op: 'PartitionedCall' input: 'x'
               attr {{ key: 'Tin' value {{ list {{ type: DT_FLOAT }} }} }} attr {{ key: 'Tout' value {{ list {{ {types} }} }} }}
               attr {{ key: 'f' value {{ func {{ name: '{name}' }} }} }} }}"
        ))
    };
    let options = InlineOptions::default();
    let why =
        |types: &str| inline_functions(call("l", types), &options).unwrap().1.kept.remove(0).why;
    assert_eq!(
        why("type: [DT_FLOAT, DT_FLOAT]"),
        "Node outputs do not match function returns: outputs=2 ret_types=1"
    );
    assert_eq!(
        why("type: DT_INT32"),
        "Node output type doesn't match function return type: int32 != float @ index=0"
    );
    let error = inline_functions(call("g", "type: DT_FLOAT"), &options).unwrap_err();
    assert_eq!(error.to_string(), "Failed to find function \"g\" in function library");
}

#[test]
fn functions_that_grow_without_end_are_refused() {
    let mut library = String::new();
    for level in 0..30 {
        library.push_str(&format!(
            "function {{ signature {{ name: 'f{level}' input_arg {{ name: 'x' type: DT_FLOAT }} output_arg {{ name: 'y' type: DT_FLOAT }} }}
               node_def {{ name: 'a' op: 'f{0}' input: 'x' }} node_def {{ name: 'b' op: 'f{0}' input: 'a:y:0' }}
               ret {{ key: 'y' value: 'b:y:0' }} }}",
            level + 1
        ));
    }
    library.push_str(
        "function { signature { name: 'f30' input_arg { name: 'x' type: DT_FLOAT } output_arg { name: 'y' type: DT_FLOAT } }
           ret { key: 'y' value: 'x' } }",
    );
    let graph = import(&format!(
        "node {{ name: 'x' op: 'Placeholder' attr {{ key: 'dtype' value {{ type: DT_FLOAT }} }} }}
         node {{ name: 'call' op: 'f0' input: 'x' }} library {{ {library} }}"
    ));
    let error = inline_functions(graph, &InlineOptions::default()).unwrap_err();
    assert_eq!(error.code(), flowkeep_tensor::Code::ResourceExhausted);
}
