//! Rows of CSV tables by the names of their columns. What the columns mean is for their readers.

use std::io;

use parking::Timestamp;
use uuid::Uuid;

/// Why a table can't be read. It shows no value, which may be a plate.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// Not CSV, or the reading failed.
    #[error("it can't be read as a CSV table")]
    NotCsv(#[from] csv::Error),
    /// A column is missing.
    #[error("its header has no column {0}")]
    NoColumn(&'static str),
    /// An invalid value.
    #[error("line {line}: {column} {problem}")]
    Value {
        /// The line, from 1.
        line: u64,
        /// The column.
        column: &'static str,
        /// The rest of the sentence.
        problem: &'static str,
    },
}

/// A column of a table, by name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Column {
    name: &'static str,
    /// `None`: the table does not have it.
    index: Option<usize>,
}

/// A table being read.
#[derive(Debug)]
pub(crate) struct Table<R> {
    rows: csv::Reader<R>,
    headers: csv::StringRecord,
    record: csv::StringRecord,
}

/// The current row.
#[derive(Debug)]
pub(crate) struct Row<'a>(&'a csv::StringRecord);

impl<R: io::Read> Table<R> {
    /// Reads the header.
    pub(crate) fn new(from: R) -> Result<Self, TableError> {
        let mut rows = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(from);
        let headers = rows.headers()?.clone();
        Ok(Self { rows, headers, record: csv::StringRecord::new() })
    }

    /// A column that may be missing; all its values are absent then.
    pub(crate) fn column(&self, name: &'static str) -> Column {
        Column { name, index: self.headers.iter().position(|header| header == name) }
    }

    /// A column that has to be there.
    pub(crate) fn required(&self, name: &'static str) -> Result<Column, TableError> {
        let column = self.column(name);
        if column.index.is_some() { Ok(column) } else { Err(TableError::NoColumn(name)) }
    }

    /// The next row, until the end.
    pub(crate) fn next_row(&mut self) -> Result<Option<Row<'_>>, TableError> {
        let has_row = self.rows.read_record(&mut self.record)?;
        Ok(has_row.then_some(Row(&self.record)))
    }
}

impl Row<'_> {
    /// A text that is not empty.
    pub(crate) fn text(&self, column: Column) -> Option<&str> {
        self.0.get(column.index?).filter(|text| !text.is_empty())
    }

    /// An id.
    pub(crate) fn id(&self, column: Column) -> Result<Option<Uuid>, TableError> {
        self.parsed(column, |text| Uuid::try_parse(text).map_err(|_| "is not a UUID"))
    }

    /// Ids with blanks between them.
    pub(crate) fn ids(&self, column: Column) -> Result<Vec<Uuid>, TableError> {
        let all = |text: &str| text.split_ascii_whitespace().map(Uuid::try_parse).collect::<Result<_, _>>();
        let ids =
            self.parsed(column, |text| all(text).map_err(|_| "is not a list of UUIDs with blanks between them"))?;
        Ok(ids.unwrap_or_default())
    }

    /// A moment.
    pub(crate) fn time(&self, column: Column) -> Result<Option<Timestamp>, TableError> {
        self.parsed(column, Timestamp::parse_rfc3339)
    }

    /// A probability.
    pub(crate) fn share(&self, column: Column) -> Result<Option<f64>, TableError> {
        self.parsed(column, |text| {
            let number: Option<f64> = text.parse().ok();
            number.filter(|number| (0.0..=1.0).contains(number)).ok_or("is not a number from 0 to 1")
        })
    }

    fn parsed<T>(
        &self,
        column: Column,
        parse: impl FnOnce(&str) -> Result<T, &'static str>,
    ) -> Result<Option<T>, TableError> {
        let line = self.0.position().map_or(0, csv::Position::line);
        let invalid = |problem| TableError::Value { line, column: column.name, problem };
        self.text(column).map(|text| parse(text).map_err(invalid)).transpose()
    }
}
