//! The flowkeep command: shows, checks, runs and trains TensorFlow models, and works on their checkpoints and
//! graphs.
//!
//! One module per command in [`commands`]; each reads its flags into a request, calls the libraries,
//! fills a view and renders it as text or JSON. Results go to standard output, all else to standard
//! error. The exit status is 0, 2 for a wrong command line, else 10 more than the canonical code.
#![forbid(unsafe_code)]

mod args;
mod commands;
mod error;
mod inputs;
mod outputs;
mod python;
mod render;
mod view;

use std::io::Write as _;
use std::process::ExitCode;

use args::{Format, Invocation};
use error::Error;

fn main() -> ExitCode {
    let invocation = match args::parse(std::env::args_os()) {
        Ok(invocation) => invocation,
        Err(early) => return early.finish(),
    };
    let stdout = std::io::stdout();
    let mut out = std::io::BufWriter::new(stdout.lock());
    let result = run(&invocation, &mut out)
        .and_then(|status| out.flush().map(|()| status).map_err(Error::Output));
    match result {
        Ok(status) => ExitCode::from(status),
        Err(error) if error.is_broken_pipe() => ExitCode::SUCCESS,
        Err(error) => {
            let error = error.with_path_meant();
            report(&error, invocation.format(), &mut out);
            let status = match &invocation {
                Invocation::Ckpt(invocation) => invocation.status_of_trouble(),
                Invocation::Graph(invocation) => invocation.status_of_trouble(),
                Invocation::Ops(_)
                | Invocation::Convert(_)
                | Invocation::Freeze(_)
                | Invocation::Sig(_)
                | Invocation::Train(_)
                | Invocation::Model { .. } => None,
            };
            ExitCode::from(status.unwrap_or_else(|| error.exit_status()))
        }
    }
}

/// Does what is asked for and gives the exit status.
fn run(invocation: &Invocation, out: &mut dyn std::io::Write) -> Result<u8, Error> {
    let (command, format, flags) = match invocation {
        Invocation::Ckpt(invocation) => return invocation.run(out),
        Invocation::Graph(invocation) => return invocation.run(out),
        Invocation::Convert(invocation) => return invocation.run(out),
        Invocation::Freeze(invocation) => return invocation.run(out),
        Invocation::Ops(invocation) => return invocation.run(out).map(|()| 0),
        Invocation::Sig(invocation) => return invocation.run(out),
        Invocation::Train(invocation) => return invocation.run(out).map(|()| 0),
        Invocation::Model { command, format, flags } => (command, *format, flags),
    };
    match command {
        args::Command::Show => commands::show::run(flags, format, out),
        args::Command::Run => commands::run::run(flags, format, out),
        args::Command::Check => commands::check::run(flags, format, out),
        args::Command::Scan => commands::scan::run(flags, format, out),
        args::Command::Bench => commands::bench::run(flags, format, out),
        args::Command::Explain => commands::explain::run(flags, format, out),
        args::Command::FreezeModel => commands::freeze_model::run(flags),
        args::Command::TensorRt => Err(Error::not_offered(
            "Tensorflow has not been built with TensorRT support.. Try passing \"--convert_tf1_model=True\".",
        )),
        args::Command::Aot => Err(Error::not_offered(
            "aot_compile_cpu compiles with TensorFlow's own compiler and is not offered; see 'flowkeep freeze_model'",
        )),
    }
    .map(|()| 0)
}

/// Says what went wrong; nobody is left to tell when that fails too.
fn report(error: &Error, format: Format, out: &mut dyn std::io::Write) {
    if format == Format::Json && !matches!(error, Error::Reported { .. }) {
        let _ = render::json::error(error, out);
    }
    let _ = out.flush();
    let _ = writeln!(std::io::stderr(), "flowkeep: {error}");
}
