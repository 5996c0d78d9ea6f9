//! Times the text format: `time_text MESSAGE FILE [TIMES]` reads FILE, the text of a message of that name, into wire
//! form and prints it again. Prints the bytes of the text and the least milliseconds of both;
//! `benches/compare_text.py` sets these beside Python's.
#![expect(clippy::print_stdout, reason = "a program whose result is what it prints")]

use std::error::Error;
use std::time::Instant;

use flowkeep_proto::text;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: time_text MESSAGE FILE [TIMES]";
    let message = arguments.next().ok_or(usage)?;
    let content = std::fs::read(arguments.next().ok_or(usage)?)?;
    let times: usize = arguments.next().map_or(Ok(9), |times| times.parse())?;
    let (mut parse, mut print) = (f64::INFINITY, f64::INFINITY);
    for _ in 0..times {
        let start = Instant::now();
        let wire = text::parse(&message, &content)?;
        parse = parse.min(start.elapsed().as_secs_f64() * 1e3);
        let start = Instant::now();
        let printed = text::print(&message, &wire)?;
        print = print.min(start.elapsed().as_secs_f64() * 1e3);
        assert_eq!(printed.as_bytes(), content, "what was printed by Python is printed again");
    }
    println!("{} {parse:.3} {print:.3}", content.len());
    Ok(())
}
