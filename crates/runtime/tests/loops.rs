//! Random programs of nested loops and conditions, drawn with edges as TensorFlow 1 draws them, give
//! what the same programs give when they are just computed.

use std::fmt::Write;
use std::sync::Arc;

use flowkeep_graph::{Graph, ImportOptions};
use flowkeep_proto::{pb, text};
use flowkeep_runtime::exec::{Executor, ParallelExecutor, SerialExecutor};
use flowkeep_runtime::{RunKey, RunOptions, Session, SessionOptions};
use flowkeep_tensor::Tensor;

/// The variables of a program.
const N_VARS: usize = 3;

/// A statement on variables, by number.
#[derive(Debug)]
enum Statement {
    /// `to = a op b`.
    Compute { op: &'static str, to: usize, a: usize, b: usize },
    /// `to = if a < b { a + to } else { b - to }`.
    Choose { to: usize, a: usize, b: usize },
    /// Does `body` `vars[count] mod limit` times.
    Repeat { count: usize, limit: i32, parallel_iterations: usize, body: Vec<Statement> },
}

struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) as usize % n
    }
}

fn program(random: &mut Random, depth: usize) -> Vec<Statement> {
    let n = 1 + random.below(4);
    (0..n)
        .map(|_| {
            let (to, a, b) = (random.below(N_VARS), random.below(N_VARS), random.below(N_VARS));
            match random.below(5) {
                0 | 1 => {
                    Statement::Compute { op: ["AddV2", "Sub", "Mul"][random.below(3)], to, a, b }
                }
                2 => Statement::Choose { to, a, b },
                _ if depth == 3 => Statement::Compute { op: "AddV2", to, a, b },
                _ => Statement::Repeat {
                    count: a,
                    limit: 1 + random.below(5) as i32,
                    parallel_iterations: [1, 2, 10][random.below(3)],
                    body: program(random, depth + 1),
                },
            }
        })
        .collect()
}

/// What the program makes of the variables.
fn compute(program: &[Statement], vars: &mut [i32; N_VARS]) {
    for statement in program {
        match *statement {
            Statement::Compute { op, to, a, b } => {
                let (a, b) = (vars[a], vars[b]);
                vars[to] = match op {
                    "AddV2" => a.wrapping_add(b),
                    "Sub" => a.wrapping_sub(b),
                    _ => a.wrapping_mul(b),
                };
            }
            Statement::Choose { to, a, b } => {
                let (a, b) = (vars[a], vars[b]);
                vars[to] = if a < b { a.wrapping_add(vars[to]) } else { b.wrapping_sub(vars[to]) };
            }
            Statement::Repeat { count, limit, ref body, .. } => {
                for _ in 0..vars[count].rem_euclid(limit) {
                    compute(body, vars);
                }
            }
        }
    }
}

/// Draws a program as nodes.
#[derive(Default)]
struct Drawing {
    text: String,
    n_nodes: usize,
}

impl Drawing {
    /// Adds a node. Gives its name.
    fn node(&mut self, op: &str, inputs: &[&str], attrs: &str) -> String {
        self.n_nodes += 1;
        let name = format!("n{}", self.n_nodes);
        self.named(&name, op, inputs, attrs);
        name
    }

    fn named(&mut self, name: &str, op: &str, inputs: &[&str], attrs: &str) {
        let inputs: String = inputs.iter().map(|input| format!("input: '{input}' ")).collect();
        let is_typed = !matches!(op, "LoopCond" | "Const" | "Placeholder");
        let dtype = if is_typed { "attr { key: 'T' value { type: DT_INT32 } }" } else { "" };
        writeln!(self.text, "node {{ name: '{name}' op: '{op}' {inputs} {dtype} {attrs} }}")
            .expect("a string takes all");
    }

    /// A constant in the frame of `pivot`.
    fn constant(&mut self, value: i32, pivot: Option<&str>) -> String {
        let pivot = pivot.map(|pivot| format!("^{pivot}"));
        let inputs: Vec<&str> = pivot.iter().map(String::as_str).collect();
        self.node(
            "Const",
            &inputs,
            &format!(
                "attr {{ key: 'dtype' value {{ type: DT_INT32 }} }} attr {{ key: 'value' value {{
                 tensor {{ dtype: DT_INT32 tensor_shape {{}} int_val: {value} }} }} }}"
            ),
        )
    }

    fn program(&mut self, program: &[Statement], vars: &mut [String; N_VARS], pivot: Option<&str>) {
        const TWO: &str = "attr { key: 'N' value { i: 2 } }";
        for statement in program {
            match *statement {
                Statement::Compute { op, to, a, b } => {
                    vars[to] = self.node(op, &[&vars[a], &vars[b]], "");
                }
                Statement::Choose { to, a, b } => {
                    let pred = self.node("Less", &[&vars[a], &vars[b]], "");
                    let sides = [&vars[to], &vars[a], &vars[b]]
                        .map(|var| self.node("Switch", &[var, &pred], ""));
                    let [to_false, to_true] = [sides[0].clone(), format!("{}:1", sides[0])];
                    let taken = self.node("AddV2", &[&format!("{}:1", sides[1]), &to_true], "");
                    let other = self.node("Sub", &[&sides[2], &to_false], "");
                    vars[to] = self.node("Merge", &[&other, &taken], TWO);
                }
                Statement::Repeat { count, limit, parallel_iterations, ref body } => {
                    let frame = format!("frame{}", self.n_nodes);
                    let enter = |is_constant: bool| {
                        format!(
                            "attr {{ key: 'frame_name' value {{ s: '{frame}' }} }}
                             attr {{ key: 'is_constant' value {{ b: {is_constant} }} }}
                             attr {{ key: 'parallel_iterations' value {{ i: {parallel_iterations} }} }}"
                        )
                    };
                    let zero = self.constant(0, pivot);
                    let limit = self.constant(limit, pivot);
                    let n = self.node("FloorMod", &[&vars[count], &limit], "");
                    let n = self.node("Enter", &[&n], &enter(true));
                    let mut at: Vec<String> = vec![zero];
                    at.extend(vars.iter().cloned());
                    let nexts: Vec<String> =
                        (0..at.len()).map(|idx| format!("{frame}_next{idx}")).collect();
                    for (var, next) in at.iter_mut().zip(&nexts) {
                        let entered = self.node("Enter", &[var], &enter(false));
                        *var = self.node("Merge", &[&entered, next], TWO);
                    }
                    let less = self.node("Less", &[&at[0], &n], "");
                    let cond = self.node("LoopCond", &[&less], "");
                    let switches: Vec<String> =
                        at.iter().map(|var| self.node("Switch", &[var, &cond], "")).collect();
                    let inner: Vec<String> = switches
                        .iter()
                        .map(|switch| self.node("Identity", &[&format!("{switch}:1")], ""))
                        .collect();
                    let one = self.constant(1, Some(&inner[0]));
                    let counted = self.node("AddV2", &[&inner[0], &one], "");
                    let mut changed = [1, 2, 3].map(|idx| inner[idx].clone());
                    self.program(body, &mut changed, Some(&inner[0]));
                    self.named(&nexts[0], "NextIteration", &[&counted], "");
                    for (next, var) in nexts[1..].iter().zip(&changed) {
                        self.named(next, "NextIteration", &[var], "");
                    }
                    for (var, switch) in vars.iter_mut().zip(&switches[1..]) {
                        *var = self.node("Exit", &[switch], "");
                    }
                }
            }
        }
    }
}

/// The program as a graph: feeds `x0`.. and fetches `y0`...
fn graph(statements: &[Statement]) -> Arc<Graph> {
    let mut drawing = Drawing::default();
    let mut vars = [0, 1, 2].map(|idx| format!("x{idx}"));
    for var in &vars {
        drawing.named(var, "Placeholder", &[], "attr { key: 'dtype' value { type: DT_INT32 } }");
    }
    drawing.program(statements, &mut vars, None);
    for (idx, var) in vars.iter().enumerate() {
        drawing.named(&format!("y{idx}"), "Identity", &[var], "");
    }
    let def: pb::GraphDef = text::parse_message(&drawing.text).expect("the drawing parses");
    Arc::new(Graph::import(def, &ImportOptions::default()).expect("the drawing imports"))
}

#[test]
fn loops_of_nodes_give_what_their_program_gives() {
    let key = RunKey::new(&["x0", "x1", "x2"], &["y0", "y1", "y2"], &[]);
    for seed in 0..120 {
        let mut random = Random(seed);
        let statements = program(&mut random, 0);
        let graph = graph(&statements);
        let executors: [(Arc<dyn Executor>, usize); 3] = [
            (Arc::new(SerialExecutor), 1),
            (Arc::new(ParallelExecutor), 2),
            (Arc::new(ParallelExecutor), 4),
        ];
        for (executor, threads) in executors {
            let options = SessionOptions { threads, executor, ..Default::default() };
            let session = Session::new(graph.clone(), options);
            let callable = session.callable(&key).expect("the drawing can be planned");
            // Of several runs the second is timed, so that later ones know what is heavy.
            for run in 0..4 {
                let mut vars = [7 + run, -3, 1 + run * 5];
                let feeds = vars.map(Tensor::scalar).to_vec();
                compute(&statements, &mut vars);
                let outputs = callable.run(feeds).expect("the program ends");
                let outputs: Vec<i32> =
                    outputs.iter().map(|y| y.to_scalar().expect("an int32 scalar")).collect();
                assert_eq!(outputs, vars, "seed {seed}, {threads} threads: {statements:?}");
            }
        }
    }
}

#[test]
fn what_runs_does_not_depend_on_the_threads() {
    let key = RunKey::new(&["x0", "x1", "x2"], &["y0", "y1", "y2"], &[]);
    for seed in 0..40 {
        let graph = graph(&program(&mut Random(seed), 0));
        let mut traces = Vec::new();
        for threads in [1, 3] {
            let options = SessionOptions { threads, ..Default::default() };
            let session = Session::new(graph.clone(), options);
            let callable = session.callable(&key).expect("the drawing can be planned");
            for _ in 0..3 {
                let feeds = [9, 4, -6].map(Tensor::scalar).to_vec();
                let options = RunOptions::default().with_trace();
                let (_, metadata) =
                    callable.run_with_options(feeds, &options).expect("the program ends");
                let mut nodes: Vec<_> =
                    metadata.step_stats.into_iter().map(|stats| stats.node).collect();
                nodes.sort();
                traces.push(nodes);
            }
        }
        assert!(traces.windows(2).all(|pair| pair[0] == pair[1]), "seed {seed}");
    }
}
