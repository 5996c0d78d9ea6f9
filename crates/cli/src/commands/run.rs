//! `flowkeep check`: what a signature needs that cannot be run, found without running anything.

use std::io::Write;

use crate::args::{Flags, Format};
use crate::error::Error;

pub(crate) fn run(_flags: &Flags, _format: Format, _out: &mut dyn Write) -> Result<(), Error> {
    Ok(())
}
