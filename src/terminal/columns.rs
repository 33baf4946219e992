//! Rows of text in columns, as the lists of commands show them.

/// One line a row. Each column is as wide as its widest cell.
pub(crate) fn columns<const COLUMNS: usize>(rows: &[[String; COLUMNS]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths: Vec<usize> = (0..COLUMNS).map(width).collect();
    let line = |row: &[String; COLUMNS]| {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        format!("{}\n", cells.join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_is_as_wide_as_its_widest_cell() {
        let rows = [["id", "name"], ["k3v9x2ma", "süd"]].map(|row| row.map(str::to_owned));
        assert_eq!(columns(&rows), "id        name\nk3v9x2ma  süd\n");
    }
}
