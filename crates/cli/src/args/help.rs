//! Examples below the help of each command.

pub(super) const EXAMPLES: &str = "\
Examples:
  flowkeep show --dir models/mnist/1 --all
  flowkeep run --dir models/mnist/1 --inputs 'image=seven.npy'
  flowkeep check --dir models/mnist/1

Flags are those of TensorFlow's saved_model_cli; hyphens may stand for underscores.
Exit status: 0 success, 2 wrong command line, otherwise 10 plus TensorFlow's error code.";

pub(super) const SHOW: &str = "\
Examples:
  List the tag sets:
    flowkeep show --dir model
  List the signatures of a tag set:
    flowkeep show --dir model --tag_set serve
  Show the inputs and outputs of a signature:
    flowkeep show --dir model --tag_set serve --signature_def serving_default
  Show everything, for a program to read:
    flowkeep show --dir model --all --format json";

pub(super) const RUN: &str = "\
Inputs are separated by ';'. Where several flags name one input, --input_examples wins over
--input_exprs, and that over --inputs. A .json file holds the value alone, in TensorFlow Serving's form;
bytes are {\"b64\": \"...\"}.

Examples:
  Give an input as a Python literal:
    flowkeep run --dir model --input_exprs 'x=[[1.0, 2.0], [3.0, 4.0]]'
  Give inputs as files, and write the outputs as files:
    flowkeep run --dir model --inputs 'x=a.npy;y=b.npz[weights];z=c.json' --outdir out
  Give records to a model that parses tf.train.Example:
    flowkeep run --dir model --signature_def regress --input_examples 'inputs=[{\"x\": [1.0]}]'";

pub(super) const CHECK: &str = "\
Examples:
  Check all signatures of a model:
    flowkeep check --dir model
  Check one:
    flowkeep check --dir model --tag_set serve --signature_def serving_default";
