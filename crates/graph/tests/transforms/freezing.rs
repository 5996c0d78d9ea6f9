//! Variables that become constants.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use flowkeep_graph::transform::{
    FreezeOptions, VariableInfo, VariableValues, freeze, prune_library,
};
use flowkeep_graph::{Error, Graph};
use flowkeep_tensor::{Code, Tensor};

use crate::canonical::with_canonical_functions;
use crate::fixture::{Case, Suite, import, summary};

fn options(case: &Case<'_>) -> FreezeOptions {
    let names = |argument: &str| -> BTreeSet<String> {
        case.strs(argument).into_iter().map(str::to_owned).collect()
    };
    let mut options = FreezeOptions::new(case.strs("outputs"));
    options.allow = case.has("allow").then(|| names("allow"));
    if case.has("deny") {
        options.deny = names("deny");
    }
    options
}

#[test]
fn frozen_graphs_are_those_of_tensorflow() {
    Suite::open("freeze").check_as(with_canonical_functions, |case| {
        let (graph, report) = freeze(case.graph(), &case.tensors("variables"), &options(case))?;
        let is_variable = |op: &str| matches!(op, "VariableV2" | "VarHandleOp");
        let left: Vec<Arc<str>> = graph
            .nodes()
            .iter()
            .filter(|node| is_variable(node.op()))
            .map(|node| node.shared_name().clone())
            .collect();
        assert_eq!(report.kept, left, "{}", case.name());
        assert!(report.frozen.iter().all(|variable| graph.node_by_name(&variable.name).is_some()));
        Ok(graph.to_graph_def())
    });
}

#[test]
fn functions_that_were_frozen_do_not_stay_beside_what_they_became() {
    let suite = Suite::open("freeze");
    let case = suite.cases().find(|case| case.name() == "functions: all").unwrap();
    let n_functions = case.graph().library().functions().len();
    let (graph, report) =
        freeze(case.graph(), &case.tensors("variables"), &options(&case)).unwrap();
    assert_eq!(graph.library().functions().len(), n_functions);
    assert!(report.functions.len() >= 8, "{:?}", report.functions);
    for (old, new) in &report.functions {
        assert!(graph.library().get(old).is_none());
        assert_eq!(new.len(), 1, "{old}");
    }
    assert_eq!(prune_library(graph).unwrap().1, []);
}

#[test]
fn reads_that_waited_are_reported() {
    let suite = Suite::open("freeze");
    let case = suite.cases().find(|case| case.name() == "gathers: all").unwrap();
    let (_, report) = freeze(case.graph(), &case.tensors("variables"), &options(&case)).unwrap();
    assert_eq!(report.freed, [Arc::from("Read/ReadVariableOp")]);
    assert_eq!(report.len_bytes(), 5 * 4 * 4 + 6 * 4 + 8 + 2 * 2 + 2);
}

/// A variable of two floats, and what the text adds to it.
fn resource(rest: &str) -> Graph {
    import(&format!(
        "node {{ name: 'v' op: 'VarHandleOp'
           attr {{ key: 'dtype' value {{ type: DT_FLOAT }} }} attr {{ key: 'shape' value {{ shape {{ dim {{ size: 2 }} }} }} }}
           attr {{ key: 'shared_name' value {{ s: 'shared' }} }} }} {rest}"
    ))
}

fn values() -> HashMap<String, Tensor> {
    HashMap::from([("v".to_owned(), Tensor::from_elements(vec![1f32, 2.0]))])
}

fn freeze_all(graph: Graph, output: &str) -> Result<Graph, Error> {
    freeze(graph, &values(), &FreezeOptions::new([output])).map(|(graph, _)| graph)
}

#[test]
fn what_asks_about_a_variable_is_answered() {
    let graph = resource(
        "node { name: 'shape' op: 'VariableShape' input: 'v' attr { key: 'out_type' value { type: DT_INT64 } } }
         node { name: 'is' op: 'VarIsInitializedOp' input: 'v' }
         node { name: 'all' op: 'NoOp' input: ['^shape', '^is'] }",
    );
    let graph = freeze_all(graph, "all").unwrap();
    assert_eq!(
        summary(&graph),
        ["v = Const()", "shape = Shape(v)", "is = Const()", "all = NoOp(^is, ^shape)"]
    );
    let shape = graph.node(graph.node_by_name("shape").unwrap());
    assert_eq!(shape.attrs().dtype("out_type").unwrap().name(), "int64");
}

#[test]
fn references_become_values_in_loops_too() {
    let graph = import(
        "node { name: 'v' op: 'Variable' attr { key: 'dtype' value { type: DT_FLOAT } }
           attr { key: 'shape' value { shape { dim { size: 2 } } } } }
         node { name: 'init' op: 'IsVariableInitialized' input: 'v' attr { key: 'dtype' value { type: DT_FLOAT } } }
         node { name: 'enter' op: 'RefEnter' input: 'v' attr { key: 'T' value { type: DT_FLOAT } }
           attr { key: 'frame_name' value { s: 'f' } } attr { key: 'is_constant' value { b: true } } }
         node { name: 'switch' op: 'RefSwitch' input: ['enter', 'init'] attr { key: 'T' value { type: DT_FLOAT } } }
         node { name: 'merge' op: 'RefMerge' input: ['switch', 'switch:1'] attr { key: 'T' value { type: DT_FLOAT } }
           attr { key: 'N' value { i: 2 } } }
         node { name: 'read' op: 'Identity' input: 'merge' attr { key: 'T' value { type: DT_FLOAT } } }",
    );
    assert_eq!(
        summary(&freeze_all(graph, "read").unwrap()),
        [
            "v = Const()",
            "init = Const()",
            "enter = Enter(v)",
            "switch = Switch(enter, init)",
            "merge = Merge(switch, switch:1)",
            "read = Identity(merge)",
        ]
    );
}

#[test]
fn what_changes_a_variable_is_refused_if_it_is_needed() {
    let assign = "node { name: 'x' op: 'Placeholder' attr { key: 'dtype' value { type: DT_FLOAT } } }
         node { name: 'add' op: 'AssignAddVariableOp' input: ['v', 'x'] attr { key: 'dtype' value { type: DT_FLOAT } } }
         node { name: 'read' op: 'ReadVariableOp' input: ['v', '^add'] attr { key: 'dtype' value { type: DT_FLOAT } } }";
    // The read does not wait any more: what it waited for goes.
    assert_eq!(
        summary(&freeze_all(resource(assign), "read").unwrap()),
        ["v = Const()", "read = Identity(v)"]
    );
    let error = freeze_all(resource(assign), "add").unwrap_err();
    assert_eq!(
        error.to_string(),
        "variable 'v' cannot be frozen: node 'add' (AssignAddVariableOp) needs it as a variable"
    );
    assert_eq!(error.code(), Code::InvalidArgument);
}

#[test]
fn a_merge_of_a_frozen_variable_and_one_that_stays_is_refused() {
    let graph = resource(
        "node { name: 'w' op: 'VarHandleOp' attr { key: 'dtype' value { type: DT_FLOAT } } attr { key: 'shape' value { shape { } } } }
         node { name: 'merge' op: 'Merge' input: ['v', 'w'] attr { key: 'T' value { type: DT_RESOURCE } } attr { key: 'N' value { i: 2 } } }
         node { name: 'read' op: 'ReadVariableOp' input: 'merge' attr { key: 'dtype' value { type: DT_FLOAT } } }",
    );
    let mut options = FreezeOptions::new(["read"]);
    options.deny.insert("w".to_owned());
    let error = freeze(graph, &values(), &options).unwrap_err();
    assert_eq!(
        error.to_string(),
        "variable 'v' cannot be frozen: node 'merge' (Merge) needs it as a variable"
    );
}

#[test]
fn values_must_be_there_and_fit() {
    let read = "node { name: 'read' op: 'ReadVariableOp' input: 'v' attr { key: 'dtype' value { type: DT_FLOAT } } }";
    let with = |name: &str, value: Tensor| {
        let values = BTreeMap::from([(name.to_owned(), value)]);
        freeze(resource(read), &values, &FreezeOptions::new(["read"])).map(|_| ())
    };
    let value = || Tensor::from_elements(vec![1f32, 2.0]);
    assert_eq!(with("v", value()), Ok(()));
    assert_eq!(with("shared", value()), Ok(()));
    let error = with("w", value()).unwrap_err();
    assert_eq!(
        (error.to_string().as_str(), error.code()),
        ("variable 'v' has no value", Code::NotFound)
    );
    for (value, what) in [
        (Tensor::from_elements(vec![1f32]), "float of shape [1]"),
        (Tensor::from_elements(vec![1i32, 2]), "int32 of shape [2]"),
    ] {
        assert_eq!(
            with("v", value).unwrap_err().to_string(),
            format!("variable 'v' is float of shape [2], its value is {what}")
        );
    }
    struct Broken;
    impl VariableValues for Broken {
        fn value(&self, variable: &VariableInfo<'_>) -> Result<Option<Tensor>, Error> {
            assert_eq!((variable.shared_name, variable.is_resource), ("shared", true));
            Err(Error::Outside { code: Code::DataLoss, message: "the disk is gone".to_owned() })
        }
    }
    let error = freeze(resource(read), &Broken, &FreezeOptions::new(["read"])).unwrap_err();
    assert_eq!((error.to_string().as_str(), error.code()), ("the disk is gone", Code::DataLoss));
}

/// Function `f` reads what it is given, `g` hands it on, `h` makes a variable for itself, `r` calls
/// itself.
const FUNCTIONS: &str = "library {
    function { signature { name: 'f' input_arg { name: 'h' type: DT_RESOURCE } output_arg { name: 'y' type: DT_FLOAT }
        attr { name: 'T' type: 'type' } }
      node_def { name: 'read' op: 'ReadVariableOp' input: 'h' attr { key: 'dtype' value { placeholder: 'T' } } }
      node_def { name: 'unused' op: 'AssignVariableOp' input: ['h', 'read:value'] attr { key: 'dtype' value { placeholder: 'T' } } }
      ret { key: 'y' value: 'read:value:0' } attr { key: '_input_shapes' value { list { shape { } } } }
      resource_arg_unique_id { key: 0 value: 7 } }
    function { signature { name: 'g_12' input_arg { name: 'h' type: DT_RESOURCE } output_arg { name: 'out' type: DT_RESOURCE } }
      ret { key: 'out' value: 'h' } }
    function { signature { name: 'h' output_arg { name: 'y' type: DT_FLOAT } }
      node_def { name: 'own' op: 'VarHandleOp' attr { key: 'dtype' value { type: DT_FLOAT } } attr { key: 'shape' value { shape { dim { size: 2 } } } }
        attr { key: 'shared_name' value { s: 'v' } } }
      node_def { name: 'read' op: 'ReadVariableOp' input: 'own:resource' attr { key: 'dtype' value { type: DT_FLOAT } } }
      ret { key: 'y' value: 'read:value' } }
    function { signature { name: 'r' input_arg { name: 'h' type: DT_RESOURCE } }
      node_def { name: 'again' op: 'r' input: 'h' } control_ret { key: 'again' value: 'again' } } }";

#[test]
fn calls_by_name_and_functions_that_return_handles_are_followed() {
    let graph = resource(&format!(
        "node {{ name: 'same' op: 'PartitionedCall' input: 'v'
           attr {{ key: 'Tin' value {{ list {{ type: DT_RESOURCE }} }} }} attr {{ key: 'Tout' value {{ list {{ type: DT_RESOURCE }} }} }}
           attr {{ key: 'f' value {{ func {{ name: 'g_12' }} }} }} }}
         node {{ name: 'call' op: 'f' input: 'same' attr {{ key: 'T' value {{ type: DT_FLOAT }} }} attr {{ key: '_other' value {{ i: 1 }} }} }}
         {FUNCTIONS}"
    ));
    let graph = freeze_all(graph, "call").unwrap();
    assert_eq!(
        summary(&graph),
        ["v = Const()", "same = PartitionedCall(v)", "call = f_frozen_1(same)"]
    );
    let call = &graph.nodes()[2];
    assert_eq!(call.attrs().iter().map(|(name, _)| name).collect::<Vec<_>>(), ["_other"]);
    let same = &graph.nodes()[1];
    assert_eq!(same.attrs().func("f").unwrap().name.as_ref(), "g_frozen_0");
    assert_eq!(same.attrs().types("Tout").unwrap()[0].name(), "float");
    let f = graph.library().get("f_frozen_1").unwrap();
    let def = f.def();
    let nodes: Vec<_> = def.node_def.iter().map(|node| (&*node.op, node.input.join(" "))).collect();
    assert_eq!(nodes, [("Identity", "h".to_owned())]);
    assert_eq!(def.ret["y"], "read:output:0");
    assert!(def.resource_arg_unique_id.is_empty());
    let names: Vec<&str> = graph.library().functions().iter().map(|f| f.name()).collect();
    assert_eq!(names, ["h", "r", "g_frozen_0", "f_frozen_1"]);
}

#[test]
fn functions_are_frozen_once_for_each_way_they_are_called_in() {
    let call = |name: &str, input: &str| {
        format!(
            "node {{ name: '{name}' op: 'PartitionedCall' input: '{input}'
               attr {{ key: 'Tin' value {{ list {{ type: DT_RESOURCE }} }} }} attr {{ key: 'Tout' value {{ list {{ type: DT_FLOAT }} }} }}
               attr {{ key: 'f' value {{ func {{ name: 'f' attr {{ key: 'T' value {{ type: DT_FLOAT }} }} }} }} }} }}"
        )
    };
    let graph = resource(&format!(
        "node {{ name: 'w' op: 'VarHandleOp' attr {{ key: 'dtype' value {{ type: DT_FLOAT }} }} attr {{ key: 'shape' value {{ shape {{ }} }} }} }}
         {} {} {} {} node {{ name: 'all' op: 'NoOp' input: ['^a', '^b', '^c'] }}",
        call("a", "v"),
        call("b", "v"),
        call("c", "w"),
        FUNCTIONS
    ));
    let mut options = FreezeOptions::new(["all"]);
    options.deny.insert("w".to_owned());
    let (graph, report) = freeze(graph, &values(), &options).unwrap();
    let called = |name: &str| {
        graph.node(graph.node_by_name(name).unwrap()).attrs().func("f").unwrap().name.to_string()
    };
    assert_eq!(["a", "b", "c"].map(called), ["f_frozen_0", "f_frozen_0", "f"]);
    assert_eq!(report.functions[&Arc::from("f")], [Arc::from("f_frozen_0")]);
}

#[test]
fn functions_that_call_themselves_are_refused() {
    let graph = resource(&format!("node {{ name: 'call' op: 'r' input: 'v' }} {FUNCTIONS}"));
    let error = freeze_all(graph, "call").unwrap_err();
    assert_eq!(error.code(), Code::Unimplemented);
    assert!(error.to_string().starts_with("function r calls itself with a variable"), "{error}");
}
