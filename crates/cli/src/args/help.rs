//! Examples below the help of each command.

/// The examples of a command.
pub(super) fn of(command: &str) -> &'static str {
    match command {
        "show" => SHOW,
        "run" => RUN,
        "check" => CHECK,
        "scan" => SCAN,
        "bench" => BENCH,
        "explain" => EXPLAIN,
        "freeze_model" => FREEZE_MODEL,
        _ => "",
    }
}

pub(super) const EXAMPLES: &str = "\
Examples:
  flowkeep show --dir models/mnist/1 --all
  flowkeep run --dir models/mnist/1 --inputs 'image=seven.npy'
  flowkeep check --dir models/mnist/1

Flags are those of TensorFlow's saved_model_cli; hyphens may stand for underscores.
Exit status: 0 success, 2 wrong command line, otherwise 10 plus TensorFlow's error code.";

const SHOW: &str = "\
Examples:
  List the tag sets:
    flowkeep show --dir model
  List the signatures of a tag set:
    flowkeep show --dir model --tag_set serve
  Show the inputs and outputs of a signature:
    flowkeep show --dir model --tag_set serve --signature_def serving_default
  Show everything, for a program to read:
    flowkeep show --dir model --all --format json";

const RUN: &str = "\
Inputs are separated by ';'. Where several flags name one input, --input_examples wins over
--input_exprs, and that over --inputs. A .json file holds the value alone, in TensorFlow Serving's
form; bytes are {\"b64\": \"...\"}. Of an input that takes serialized tf.train.Examples it may hold
these themselves: [{\"feature\": [1.0]}]. A .csv file has a row for each first index.

A model reads no files but its own, and writes none, unless --allow_read and --allow_write say so.

Examples:
  Give an input as a Python literal:
    flowkeep run --dir model --input_exprs 'x=[[1.0, 2.0], [3.0, 4.0]]'
  Give inputs as files, and write the outputs as files:
    flowkeep run --dir model --inputs 'x=a.npy;y=b.npz[weights];z=c.json' --outdir out
  Give records to a model that parses tf.train.Example:
    flowkeep run --dir model --signature_def regress --input_examples 'inputs=[{\"x\": [1.0]}]'
  See whether it runs at all, on 8 examples, for 10 seconds at most:
    flowkeep run --dir model --random --dim 8 --timeout 10";

const CHECK: &str = "\
Examples:
  Check all signatures of a model:
    flowkeep check --dir model
  Check one:
    flowkeep check --dir model --tag_set serve --signature_def serving_default";

const SCAN: &str = "\
Looks into functions, branches, and graphs that are serialized in constants, also where
saved_model_cli does not. --all adds every place, with what runs it. The exit status is 0 whatever
is found, as that of saved_model_cli, unless --fail_if_found is given.

Examples:
  flowkeep scan --dir model
  flowkeep scan --dir model --tag_set serve --op_denylist ReadFile,WriteFile,PyFunc --all";

const BENCH: &str = "\
Inputs that are not given are random.

Examples:
  flowkeep bench --dir model
  flowkeep bench --dir model --inputs x=x.npy --runs 1000 --threads 1 --format json
  flowkeep bench --dir model --dim 32 --seconds 10 --callers 4";

const EXPLAIN: &str = "\
Examples:
  flowkeep explain --dir model
  flowkeep explain --dir model --format json";

const FREEZE_MODEL: &str = "\
Writes original_graph.pb, frozen_graph.pb and config.pbtxt into the folder. 'flowkeep freeze'
writes a graph alone.

Examples:
  flowkeep freeze_model --dir model --tag_set serve --output_prefix out
  flowkeep freeze_model --dir model --tag_set serve --output_prefix out --variables_to_feed all";
