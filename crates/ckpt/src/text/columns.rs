/// The widest that a column gets. What is longer stands out, and does not make all others wide.
const MAX_WIDTH: usize = 100;

/// What stands between columns.
const GAP: &str = "  ";

/// Where a cell stands in a column that is wider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// At its beginning.
    Left,
    /// At its end.
    Right,
}

/// Rows of text, in columns.
#[derive(Debug)]
pub struct Columns {
    aligns: Vec<Align>,
    rows: Vec<Vec<String>>,
}

impl Columns {
    /// No rows yet, of as many columns.
    pub fn new(aligns: &[Align]) -> Columns {
        Columns { aligns: aligns.to_vec(), rows: Vec::new() }
    }

    /// Adds a row; it may be shorter than others.
    pub fn push(&mut self, row: Vec<String>) {
        self.rows.push(row);
    }

    /// Writes a line for each row.
    pub fn write(&self, out: &mut String) {
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            let widths = cells.map(|cell| cell.chars().count());
            widths.filter(|width| *width <= MAX_WIDTH).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.aligns.len()).map(width).collect();
        for row in &self.rows {
            let start = out.len();
            for (idx, ((cell, width), align)) in
                row.iter().zip(&widths).zip(&self.aligns).enumerate()
            {
                if idx > 0 {
                    out.push_str(GAP);
                }
                let blanks = " ".repeat(width.saturating_sub(cell.chars().count()));
                match align {
                    Align::Left => out.extend([cell, &*blanks]),
                    Align::Right => out.extend([&*blanks, cell]),
                }
            }
            out.truncate(start + out[start..].trim_end().len());
            out.push('\n');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_cells_but_for_very_long_ones() {
        let mut columns = Columns::new(&[Align::Left, Align::Right, Align::Left]);
        let long = "x".repeat(MAX_WIDTH + 1);
        for row in [["name", "n", "note"], ["caf\u{e9}", "12", ""], [&long, "1", "long"]] {
            columns.push(row.map(str::to_owned).to_vec());
        }
        columns.push(vec!["a".into()]);
        let mut out = String::from("> ");
        columns.write(&mut out);
        let expected = format!("> name   n  note\ncaf\u{e9}  12\n{long}   1  long\na\n");
        assert_eq!(out, expected);
    }
}
