//! What is seen of a training: a line of JSON for each step, or a progress bar; and what is left of it,
//! the curves.

use std::io::{IsTerminal, Write};
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

use flowkeep_ckpt::Curve;
use flowkeep_saved_model::json_tensor;
use flowkeep_saver::train::TrainEvent;
use flowkeep_tensor::{DType, Element, Tensor};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Map, json};

use super::Invocation;
use crate::args::Format;
use crate::error::Error;

/// Who watches a training.
pub(super) struct Watch<'a> {
    invocation: &'a Invocation,
    out: &'a mut dyn Write,
    bar: Option<ProgressBar>,
    /// For each fetch; of those that are no single numbers, without points.
    curves: Vec<Curve>,
    /// What the training was stopped for.
    error: Option<Error>,
}

impl<'a> Watch<'a> {
    pub(super) fn new(invocation: &'a Invocation, out: &'a mut dyn Write) -> Watch<'a> {
        let curves = invocation.fetches.iter().map(Curve::new).collect();
        Watch { invocation, out, bar: None, curves, error: None }
    }

    /// Takes note of what happens; breaks when there is nobody to tell.
    pub(super) fn on(&mut self, event: TrainEvent<'_>) -> ControlFlow<()> {
        match event {
            TrainEvent::Begun { restored, step, last_step } => {
                self.begin(restored, step, last_step)
            }
            TrainEvent::Step { step, values } => {
                if let Err(error) = self.step(step, values) {
                    self.error = Some(error);
                    return ControlFlow::Break(());
                }
            }
            TrainEvent::Saved { prefix, .. } => self.note(&format!("saved {}", prefix.display())),
            _ => {}
        }
        ControlFlow::Continue(())
    }

    /// Ends watching, and gives the curves.
    pub(super) fn finish(self) -> Result<Vec<Curve>, Error> {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        match self.error {
            Some(error) => Err(error),
            None => Ok(self.curves),
        }
    }

    fn begin(&mut self, restored: Option<&Path>, step: i64, last_step: i64) {
        let from = match restored {
            Some(prefix) => format!("from {}", prefix.display()),
            None => "from initial values".to_owned(),
        };
        self.note(&format!("step {step} of {last_step}, {from}"));
        let is_seen = !self.invocation.quiet && self.invocation.format == Format::Text;
        if is_seen && std::io::stderr().is_terminal() {
            let style =
                ProgressStyle::with_template("{wide_bar} {pos}/{len} {msg} {per_sec} {eta}");
            let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
            let per_second = |state: &indicatif::ProgressState, out: &mut dyn std::fmt::Write| {
                let _ = write!(out, "{:.1} steps/s", state.per_sec());
            };
            let bar = ProgressBar::new(last_step.abs_diff(step))
                .with_style(style.with_key("per_sec", per_second));
            bar.enable_steady_tick(Duration::from_millis(200));
            self.bar = Some(bar);
        }
    }

    fn step(&mut self, step: i64, values: &[Tensor]) -> Result<(), Error> {
        for (curve, value) in self.curves.iter_mut().zip(values) {
            if let Some(value) = number(value) {
                curve.push(step as f64, value);
            }
        }
        if let Some(bar) = &self.bar {
            let shown = self.curves.iter().filter_map(|curve| {
                let (_, value) = curve.points().last()?;
                Some(format!("{} {value:.4}", curve.name()))
            });
            bar.set_message(shown.collect::<Vec<_>>().join(" "));
            bar.inc(1);
        }
        if self.invocation.format == Format::Json {
            let mut by_name = Map::new();
            for (name, tensor) in self.invocation.fetches.iter().zip(values) {
                let value = json_tensor::write(tensor).map_err(|error| Error::Failed {
                    code: error.code(),
                    message: format!("{name}: {error}"),
                })?;
                by_name.insert(name.clone(), value);
            }
            let line = json!({"step": step, "values": by_name});
            // Whoever reads along gets each step when it is done.
            writeln!(self.out, "{line}").and_then(|()| self.out.flush()).map_err(Error::Output)?;
        }
        Ok(())
    }

    fn note(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(text),
            None => self.invocation.note(text),
        }
    }
}

/// The value of a tensor that is a single number.
fn number(tensor: &Tensor) -> Option<f64> {
    fn of<T: Element>(tensor: &Tensor, to_f64: impl Fn(T) -> f64) -> Option<f64> {
        tensor.reshape([]).ok()?.to_scalar::<T>().ok().map(to_f64)
    }
    if tensor.n_elements() != 1 {
        return None;
    }
    match tensor.dtype() {
        DType::F32 => of::<f32>(tensor, f64::from),
        DType::F64 => of::<f64>(tensor, |value| value),
        DType::F16 => of::<flowkeep_tensor::f16>(tensor, |value| value.to_f64()),
        DType::BF16 => of::<flowkeep_tensor::bf16>(tensor, |value| value.to_f64()),
        DType::I32 => of::<i32>(tensor, f64::from),
        DType::I64 => of::<i64>(tensor, |value| value as f64),
        _ => None,
    }
}
