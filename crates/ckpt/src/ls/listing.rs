use flowkeep_bundle::{Key, StoredPart};

use super::sort::SortBy;
use super::sum::Totals;
use super::type_name;
use crate::text::{Align, Columns, TextOptions, shown};
use crate::{Checkpoint, Error, Selection, TensorInfo};

/// What to list, and how.
#[derive(Clone, Debug, Default)]
pub struct ListOptions {
    /// The tensors to list.
    pub selection: Selection,
    /// Their order.
    pub sort: SortBy,
    /// Whether the order is turned around.
    pub reverse: bool,
    /// Whether to list the slices of tensors that are stored in slices.
    pub slices: bool,
}

/// Tensors of a checkpoint.
#[derive(Debug)]
#[non_exhaustive]
pub struct Listing<'a> {
    /// The tensors, in the order that was asked for.
    pub rows: Vec<Row<'a>>,
    /// Those that cannot be told of, with the reason, in order of their names.
    pub damaged: Vec<(&'a Key, &'a Error)>,
    /// What the tensors come to.
    pub totals: Totals,
    pub(super) sort: SortBy,
    pub(super) reverse: bool,
}

/// A tensor of a listing.
#[derive(Debug)]
#[non_exhaustive]
pub struct Row<'a> {
    /// What is known of it.
    pub info: &'a TensorInfo,
    /// Its slices in stored order, if they are asked for and it is stored so.
    pub slices: Vec<StoredPart>,
}

impl<'a> Listing<'a> {
    /// Lists tensors. No data is touched.
    pub fn new(checkpoint: &'a Checkpoint, options: &ListOptions) -> Listing<'a> {
        let selected = |name: &Key| options.selection.contains(name);
        let tensors = checkpoint.tensors().iter().filter(|info| selected(&info.name));
        let mut tensors: Vec<&TensorInfo> = tensors.collect();
        tensors.sort_by(|a, b| options.sort.compare(a, b));
        if options.reverse {
            tensors.reverse();
        }
        let damaged = checkpoint.damaged().iter().filter(|(name, _)| selected(name));
        let damaged: Vec<_> = damaged.map(|(name, error)| (name, error)).collect();
        let totals = Totals::of(tensors.iter().copied(), damaged.len());
        let slices = |info: &TensorInfo| {
            let reader = checkpoint.as_checkpoint().filter(|_| options.slices && info.n_slices > 0);
            let entry = reader.and_then(|reader| reader.entry(&info.name).ok());
            entry.map(|entry| entry.parts).unwrap_or_default()
        };
        let rows = tensors.into_iter().map(|info| Row { info, slices: slices(info) });
        let (sort, reverse) = (options.sort, options.reverse);
        Listing { rows: rows.collect(), damaged, totals, sort, reverse }
    }

    /// As a table with a line of titles, followed by the totals.
    ///
    /// There are columns for slices and files only if a tensor has several.
    pub fn text(&self, options: &TextOptions) -> String {
        use Align::{Left, Right};
        let has_slices = self.rows.iter().any(|row| row.info.n_slices > 0);
        let has_files = self.rows.iter().any(|row| row.info.files.iter().any(|file| *file > 0));
        let mut titles = vec!["name", "type", "shape", "elements", "bytes"];
        let mut aligns = vec![Left, Left, Left, Right, Right];
        for (title, align) in [(has_slices, ("slices", Right)), (has_files, ("files", Left))]
            .into_iter()
            .filter_map(|(is_wanted, column)| is_wanted.then_some(column))
        {
            titles.push(title);
            aligns.push(align);
        }
        let mut columns = Columns::new(&aligns);
        columns.push(titles.into_iter().map(str::to_owned).collect());
        let mut push = |name: String, type_name: &str, cells: [String; 3], extra: [String; 2]| {
            let [slices, files] = extra;
            let extra = [(has_slices, slices), (has_files, files)].into_iter();
            let extra = extra.filter_map(|(is_wanted, cell)| is_wanted.then_some(cell));
            columns.push([name, type_name.into()].into_iter().chain(cells).chain(extra).collect());
        };
        let size = |len: Option<u64>| len.map_or("?".into(), |len| options.sizes.text(len));
        for Row { info, slices } in &self.rows {
            let n_slices = match info.n_slices {
                0 => String::new(),
                n => n.to_string(),
            };
            push(
                shown(&info.name),
                type_name(info),
                [info.shape.to_string(), info.n_elements().to_string(), size(info.len_bytes)],
                [n_slices, numbers(&info.files)],
            );
            for part in slices {
                let file = part.file.map_or("missing".into(), |file| file.to_string());
                let n_elements = part.slice.resolve(&info.shape).map(|ranges| {
                    ranges.iter().fold(1u64, |n, (_, len)| n.saturating_mul(*len)).to_string()
                });
                push(
                    format!("  {}", part.slice),
                    "",
                    [String::new(), n_elements.unwrap_or_default(), size(part.size)],
                    [String::new(), file],
                );
            }
        }
        let mut out = String::new();
        columns.write(&mut out);
        for (name, error) in &self.damaged {
            out.push_str(&format!(
                "{}  damaged: {}\n",
                shown(name),
                shown(error.to_string().as_bytes())
            ));
        }
        out.push_str(&self.totals.text(options));
        out
    }
}

/// Sorted numbers, with runs put together: `0,2-5`.
fn numbers(sorted: &[u32]) -> String {
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for number in sorted {
        match runs.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(*number) => *last = *number,
            _ => runs.push((*number, *number)),
        }
    }
    let runs = runs.into_iter().map(|(first, last)| match first == last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    });
    runs.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_numbers_are_put_together() {
        for (sorted, expected) in [
            (&[][..], ""),
            (&[0], "0"),
            (&[0, 1], "0-1"),
            (&[0, 2, 3, 4, 7], "0,2-4,7"),
            (&[u32::MAX - 1, u32::MAX], "4294967294-4294967295"),
        ] {
            assert_eq!(numbers(sorted), expected);
        }
    }
}
