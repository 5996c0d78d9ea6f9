//! The flowkeep command: shows, checks and runs TensorFlow models.
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
    let result = run(&invocation, &mut out).and_then(|()| out.flush().map_err(Error::Output));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is_broken_pipe() => ExitCode::SUCCESS,
        Err(error) => {
            report(&error, invocation.format, &mut out);
            ExitCode::from(error.exit_status())
        }
    }
}

fn run(invocation: &Invocation, out: &mut dyn std::io::Write) -> Result<(), Error> {
    match invocation.command {
        args::Command::Show => commands::show::run(&invocation.flags, invocation.format, out),
        args::Command::Run => commands::run::run(&invocation.flags, invocation.format, out),
        args::Command::Check => commands::check::run(&invocation.flags, invocation.format, out),
    }
}

/// Says what went wrong; nobody is left to tell when that fails too.
fn report(error: &Error, format: Format, out: &mut dyn std::io::Write) {
    if format == Format::Json && !matches!(error, Error::Reported { .. }) {
        let _ = render::json::error(error, out);
    }
    let _ = out.flush();
    let _ = writeln!(std::io::stderr(), "flowkeep: {error}");
}
