use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// A progress bar over bytes, on standard error if that is a terminal; otherwise nothing.
pub(super) struct Bar(Option<ProgressBar>);

impl Bar {
    pub(super) fn new(n_bytes: u64, wanted: bool) -> Bar {
        // Short work is over before anybody has seen it begin.
        const LONG: u64 = 64 << 20;
        if !wanted || n_bytes < LONG || !std::io::stderr().is_terminal() {
            return Bar(None);
        }
        let template = "{wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}";
        let style = ProgressStyle::with_template(template);
        let bar = ProgressBar::new(n_bytes)
            .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.enable_steady_tick(Duration::from_millis(200));
        Bar(Some(bar))
    }

    /// Goes on by so many bytes.
    pub(super) fn advance(&self, n_bytes: u64) {
        if let Some(bar) = &self.0 {
            bar.inc(n_bytes);
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}
