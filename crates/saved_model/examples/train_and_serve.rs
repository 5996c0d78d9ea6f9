//! A SavedModel with two graphs, one that trains and one that serves, which share their variables and
//! a file with words.
//!
//! ```sh
//! train_and_serve save DIR VOCABULARY   # VOCABULARY is a file with a word on each line
//! train_and_serve serve DIR WORD..      # what the serving graph says of words
//! train_and_serve train DIR WORD NUMBER # how the loss falls when the number is learnt for the word
//! ```

use std::error::Error;
use std::sync::Arc;

use flowkeep_graph::builder::{Axes, Scope, VariableOptions};
use flowkeep_graph::optimizers::{GradientDescent, Minimize, Optimizer};
use flowkeep_graph::{Attr, Element, Output, collection_keys};
use flowkeep_runtime::{Session, SessionOptions};
use flowkeep_saved_model::{
    LoadOptions, MetaGraphOptions, SavedModelBuilder, SavedModelBundle, constants, main_op,
    predict_signature_def, supervised_train_signature_def,
};
use flowkeep_tensor::{DType, Tensor};

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        ["save", dir, vocabulary] => save(dir, vocabulary),
        ["serve", dir, ref words @ ..] => serve(dir, words),
        ["train", dir, word, number] => train(dir, word, number.parse()?),
        _ => Err(
            "usage: train_and_serve save DIR VOCABULARY | serve DIR WORD.. | train DIR WORD NUMBER"
                .into(),
        ),
    }
}

/// Gives a number for each word: `scores` for `words`, from the variable `weights`. Words that are not in
/// the vocabulary share one weight.
struct Words {
    scope: Scope,
    words: Output,
    scores: Output,
}

impl Words {
    fn new(vocabulary: &str) -> Result<Words, Box<dyn Error>> {
        let n_words = std::fs::read_to_string(vocabulary)?.lines().count();
        let mut scope = Scope::new();
        let words = scope.with_op_name("words").placeholder(DType::String, [None])?;
        let ids = {
            let path = scope
                .with_op_name("vocabulary")
                .constant(Tensor::scalar_string(vocabulary.to_owned()))?;
            scope.add_to_collection(collection_keys::ASSET_FILEPATHS, path);
            let types = [("key_dtype", DType::String), ("value_dtype", DType::I64)];
            let op = scope.op("HashTableV2").name("table");
            let table = types.iter().fold(op, |op, (name, ty)| op.attr(name, Attr::Type(*ty)));
            let table = table.attr("shared_name", Attr::Str("words".into())).build_one()?;
            let op = scope.op("InitializeTableFromTextFileV2").name("fill_table");
            let fill = op.input(table).input(path);
            // The whole line is the key, its number the value.
            let fill = fill.attr("key_index", Attr::Int(-2)).attr("value_index", Attr::Int(-1));
            let fill = fill.build()?;
            scope.add_to_collection(collection_keys::TABLE_INITIALIZERS, fill);
            let unknown = i64::try_from(n_words)?;
            scope.op("LookupTableFindV2").input(table).input(words).input(unknown).build_one()?
        };
        let zeros = Tensor::from_elements(vec![0.0f32; n_words + 1]);
        let weights = VariableOptions::new().initializer(zeros);
        let weights = scope.with_op_name("weights").variable(weights)?;
        let scores = scope.gather(&weights, ids, 0)?;
        let scores = scope.with_op_name("scores").identity(scores)?;
        Ok(Words { scope, words, scores })
    }

    /// Options to add the graph, with its assets and with what fills its table.
    fn options(&mut self) -> Result<MetaGraphOptions<'static>, Box<dyn Error>> {
        Ok(MetaGraphOptions {
            assets: self.scope.collections().get(collection_keys::ASSET_FILEPATHS).to_vec(),
            main_op: Some(main_op::tables_initializer(&mut self.scope)?),
            ..MetaGraphOptions::default()
        })
    }
}

fn save(dir: &str, vocabulary: &str) -> Result<(), Box<dyn Error>> {
    let mut training = Words::new(vocabulary)?;
    let scope = &mut training.scope;
    let targets = scope.with_op_name("targets").placeholder(DType::F32, [None])?;
    let distance = scope.sub(training.scores, targets)?;
    let squares = scope.square(distance)?;
    let loss = scope.with_op_name("loss").reduce_mean(squares, Axes::all())?;
    let minimize = Minimize { name: Some("train".to_owned()), ..Minimize::default() };
    let train = Optimizer::new(GradientDescent::new(0.25)).minimize(scope, loss, &minimize)?;
    let inputs = [("words", training.words), ("targets", targets)];
    let signature = supervised_train_signature_def(
        scope,
        inputs,
        [("loss", loss)],
        [("scores", training.scores)],
        [("loss", loss); 0],
    )?;
    scope.with_op_name("init").global_variables_initializer()?;
    let options = MetaGraphOptions { train_op: Some(Element::Node(train)), ..training.options()? };
    let options = options.signature(constants::DEFAULT_TRAIN_SIGNATURE_DEF_KEY, signature);

    let graph = Arc::new(training.scope.graph().clone());
    let session = Session::new(graph, SessionOptions::default());
    session.run(&[], &[], &["init"])?;
    let mut builder = SavedModelBuilder::new(dir)?;
    let scope = &mut training.scope;
    builder.add_meta_graph_and_variables(scope, &session, &[constants::TRAINING], options)?;

    let mut serving = Words::new(vocabulary)?;
    let outputs = [("scores", serving.scores)];
    let signature = predict_signature_def(&serving.scope, [("words", serving.words)], outputs)?;
    let options = serving.options()?;
    let options = options.signature(constants::DEFAULT_SERVING_SIGNATURE_DEF_KEY, signature);
    builder.add_meta_graph(&mut serving.scope, &[constants::SERVING], options)?;
    builder.save(false)?;
    Ok(())
}

fn serve(dir: &str, words: &[&str]) -> Result<(), Box<dyn Error>> {
    let bundle = SavedModelBundle::load(dir, &[constants::SERVING], LoadOptions::default())?;
    let words = strings(words)?;
    let outputs = bundle.call(constants::DEFAULT_SERVING_SIGNATURE_DEF_KEY, &[("words", words)])?;
    print("scores", &outputs[0].1)
}

fn train(dir: &str, word: &str, number: f32) -> Result<(), Box<dyn Error>> {
    let bundle = SavedModelBundle::load(dir, &[constants::TRAINING], LoadOptions::default())?;
    let ops = bundle.meta_graph().node_list(constants::TRAIN_OP_KEY);
    let signature = bundle.signature(constants::DEFAULT_TRAIN_SIGNATURE_DEF_KEY)?;
    let name = |key: &str| signature.inputs[key].name().unwrap_or_default();
    let targets = Tensor::from_elements(vec![number]);
    let feeds = [(name("words"), strings(&[word])?), (name("targets"), targets)];
    let loss = signature.outputs["loss"].name().unwrap_or_default();
    for _ in 0..3 {
        let losses = bundle.session().run(&feeds, &[loss], &[])?;
        print("loss", &losses[0])?;
        bundle.session().run(&feeds, &[], &[&ops[0]])?;
    }
    Ok(())
}

fn strings(words: &[&str]) -> Result<Tensor, Box<dyn Error>> {
    let bytes = words.iter().map(|word| word.as_bytes().to_vec().into());
    Ok(Tensor::from_strings([words.len()], bytes.collect())?)
}

#[expect(clippy::print_stdout, reason = "an example that prints")]
fn print(name: &str, tensor: &Tensor) -> Result<(), Box<dyn Error>> {
    println!("{name} : {:?}", tensor.as_slice::<f32>()?);
    Ok(())
}
