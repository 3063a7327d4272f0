//! W3C extended logs, as IIS writes them: columns between blanks, headers behind `#`.
//!
//! <https://www.w3.org/TR/WD-logfile.html>. The columns are configured and not learned from the
//! file's `#Fields:` line: an agent that starts in the middle of a file has not seen that line.

use super::fault::Fault;
use super::fields::{Fields, Names, Text};
use super::spec;

/// A compiled `iis` parser.
#[derive(Debug)]
pub struct Iis {
    keys: Vec<Text>,
}

impl Iis {
    /// Compiles it.
    ///
    /// # Errors
    /// A sentence that names the field.
    pub fn new(spec: &spec::Iis, names: &mut Names) -> Result<Self, String> {
        let words = spec.fields.iter().flat_map(|each| each.split_whitespace());
        let keys = words.filter(|word| *word != "#Fields:");
        let keys =
            keys.map(|key| names.key(key, "parser.iis.fields")).collect::<Result<Vec<_>, _>>()?;
        if keys.is_empty() || keys.len() > 100 {
            return Err("parser.iis.fields must have 1 to 100 names; copy the #Fields: line".into());
        }
        Ok(Self { keys })
    }

    /// Whether the line is a header and no record.
    #[must_use]
    pub fn comment(line: &str) -> bool {
        line.starts_with('#')
    }

    /// Adds the columns as fields; `-` stands for no value and adds none.
    ///
    /// # Errors
    /// The line does not have as many columns as there are fields.
    pub fn fields(&self, line: &str, out: &mut Fields) -> Result<(), Fault> {
        let mut at = 0;
        let mut columns = line.trim_end_matches('\r').split(' ');
        for key in &self.keys {
            let column = columns.next().ok_or(Fault::TooFewFields)?;
            if column != "-" {
                out.push(*key, Text::line(at, at + column.len()))?;
            }
            at += column.len() + 1;
        }
        if columns.next().is_some() {
            return Err(Fault::TooManyFields);
        }
        Ok(())
    }
}
