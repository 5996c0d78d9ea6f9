//! Parts of graphs.

use flowkeep_graph::transform::{StripInput, extract_sub_graph, prune_library, strip_unused};
use flowkeep_tensor::{Code, DType, PartialShape};

use crate::fixture::{Suite, dtype, import, summary};

#[test]
fn sub_graphs_are_those_of_tensorflow() {
    Suite::open("extract_sub_graph").check(|case| {
        let graph = case.graph();
        let n_nodes = graph.len();
        let (graph, report) = extract_sub_graph(graph, &case.strs("destinations"))?;
        assert_eq!(graph.len() + report.removed.len(), n_nodes);
        Ok(graph.to_graph_def())
    });
}

#[test]
fn stripped_graphs_are_those_of_tensorflow() {
    Suite::open("strip_unused").check(|case| {
        let inputs: Vec<StripInput> = case
            .strs("inputs")
            .into_iter()
            .zip(case.strs("types"))
            .map(|(input, name)| StripInput::new(input).dtype(dtype(name)))
            .collect();
        let (graph, report) = strip_unused(case.graph(), &inputs, &case.strs("outputs"))?;
        for name in &report.placeholders {
            assert_eq!(graph.node(graph.node_by_name(name).unwrap()).op(), "Placeholder");
        }
        // TensorFlow forgets these.
        let mut def = graph.to_graph_def();
        (def.versions, def.library) = (None, None);
        Ok(def)
    });
}

const CHAIN: &str = "
    node { name: 'a' op: 'Placeholder' attr { key: 'dtype' value { type: DT_HALF } }
      attr { key: 'shape' value { shape { dim { size: 2 } } } } }
    node { name: 'b' op: 'Neg' input: 'a' device: '/cpu:0' attr { key: 'T' value { type: DT_HALF } }
      attr { key: '_output_shapes' value { list { shape { dim { size: 2 } } } } } }
    node { name: 'c' op: 'Neg' input: 'b' attr { key: 'T' value { type: DT_HALF } } }
    node { name: 'd' op: 'NoOp' input: '^c' }";

#[test]
fn an_input_keeps_the_type_and_shape_that_it_has() {
    let (graph, report) = strip_unused(import(CHAIN), &[StripInput::new("b")], &["c"]).unwrap();
    assert_eq!(summary(&graph), ["b = Placeholder()", "c = Neg(b)"]);
    assert_eq!(graph.nodes()[0].attrs().dtype("dtype").unwrap(), DType::F16);
    assert!(graph.nodes()[0].attr("_output_shapes").is_some());
    assert_eq!(graph.nodes()[0].device(), "");
    assert_eq!(report.removed, [std::sync::Arc::from("a"), "d".into()]);

    let shape = PartialShape::new(vec![None, Some(7)]);
    let input = StripInput::new("b").shape(shape.clone());
    let (graph, _) = strip_unused(import(CHAIN), &[input], &["c"]).unwrap();
    assert_eq!(graph.nodes()[0].attrs().shape("shape").unwrap(), shape);
    assert!(graph.nodes()[0].attr("_output_shapes").is_none());
}

#[test]
fn an_input_of_another_type_than_its_consumers_take_is_refused() {
    let strip = |input, output| strip_unused(import(CHAIN), &[input], &[output]).unwrap_err();
    let error = strip(StripInput::new("b").dtype(DType::F32), "c");
    assert_eq!(
        error.to_string(),
        "Input 0 of node c was passed float from b:0 incompatible with expected half."
    );
    let error = strip(StripInput::new("d"), "c");
    assert_eq!(error.to_string(), "the type of input 'd' is not known: op NoOp has no output");
    assert_eq!(error.code(), Code::InvalidArgument);
}

const LIBRARY: &str = "
    node { name: 'x' op: 'Placeholder' attr { key: 'dtype' value { type: DT_FLOAT } } }
    node { name: 'call' op: 'PartitionedCall' input: 'x'
      attr { key: 'Tin' value { list { type: DT_FLOAT } } } attr { key: 'Tout' value { list { type: DT_FLOAT } } }
      attr { key: 'f' value { func { name: 'outer' } } } }
    library {
      function { signature { name: 'unused' } node_def { name: 'n' op: 'inner' } }
      function { signature { name: 'outer' input_arg { name: 'x' type: DT_FLOAT } output_arg { name: 'y' type: DT_FLOAT } }
        node_def { name: 'if' op: 'If' input: ['x', 'x'] 
          attr { key: 'Tcond' value { type: DT_FLOAT } } attr { key: 'Tin' value { list { type: DT_FLOAT } } }
          attr { key: 'Tout' value { list { type: DT_FLOAT } } }
          attr { key: 'then_branch' value { func { name: 'inner' } } } attr { key: 'else_branch' value { func { name: 'inner' } } } }
        ret { key: 'y' value: 'if:output:0' } }
      function { signature { name: 'inner' input_arg { name: 'x' type: DT_FLOAT } output_arg { name: 'y' type: DT_FLOAT } }
        ret { key: 'y' value: 'x' } }
      function { signature { name: 'grad' } }
      function { signature { name: 'orphan' } }
      gradient { function_name: 'inner' gradient_func: 'grad' }
      gradient { function_name: 'unused' gradient_func: 'orphan' } }";

#[test]
fn functions_that_nothing_reaches_go() {
    let (graph, removed) = prune_library(import(LIBRARY)).unwrap();
    assert_eq!(removed, [std::sync::Arc::from("unused"), "orphan".into()]);
    let names: Vec<&str> =
        graph.library().functions().iter().map(|function| function.name()).collect();
    assert_eq!(names, ["outer", "inner", "grad"]);
    assert_eq!(graph.library().to_proto().gradient.len(), 1);
    assert_eq!(prune_library(graph).unwrap().1, []);
}
