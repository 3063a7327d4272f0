//! The fields of one record, without a copy of what the line already holds.
//!
//! A [`Text`] says where a key or a value stands: in the line itself, in the scratch text of this
//! record, or among the names of the pipeline. A parser only notes places; `batch` looks them up
//! when it encodes. Every place comes from `str` operations, so it is on character boundaries.

use super::fault::Fault;

/// Fields of one record at most: an index holds fewer, and a line of garbage must stay bounded.
pub const MAX_FIELDS: usize = 1000;

/// Longest key in bytes: the limit of the service.
pub const MAX_KEY_BYTES: usize = 128;

/// Capacity that the scratch text keeps from one record to the next.
const KEPT_BYTES: usize = 64 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    Line,
    Scratch,
    Names,
}

/// Where a text stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Text {
    of: Of,
    at: u32,
    len: u32,
}

impl Text {
    const fn new(of: Of, start: usize, end: usize) -> Self {
        // Lines and names are bounded far below 4 GiB; see `Shaper::shape`.
        #[allow(clippy::cast_possible_truncation, reason = "bounded by MAX_LINE_BYTES")]
        let (at, len) = (start as u32, end.saturating_sub(start) as u32);
        Self { of, at, len }
    }

    /// `start..end` of the line.
    #[must_use]
    pub const fn line(start: usize, end: usize) -> Self {
        Self::new(Of::Line, start, end)
    }

    /// Its bytes.
    #[must_use]
    pub const fn len(self) -> usize {
        self.len as usize
    }

    /// Whether it has none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.len == 0
    }
}

/// One key with its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// Its name.
    pub key: Text,
    /// What it holds.
    pub value: Text,
}

/// Names and constants of one pipeline; every [`Text`] among them is made once, when it compiles.
#[derive(Debug, Default)]
pub struct Names(String);

impl Names {
    /// The place of `name`, which is added if it is new.
    pub fn add(&mut self, name: &str) -> Text {
        let at = self.0.len();
        self.0.push_str(name);
        Text::new(Of::Names, at, self.0.len())
    }

    /// Adds the name of a field.
    ///
    /// # Errors
    /// It is empty or longer than the service takes; `what` says whose it is.
    pub fn key(&mut self, name: &str, what: &str) -> Result<Text, String> {
        if name.is_empty() || name.len() > MAX_KEY_BYTES {
            return Err(format!("{what} {name:?} must have 1 to {MAX_KEY_BYTES} bytes"));
        }
        Ok(self.add(name))
    }
}

/// The fields of one record; one object serves all records of a source.
#[derive(Debug, Default)]
pub struct Fields {
    list: Vec<Field>,
    scratch: String,
}

/// Looks texts up.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// The record's line.
    pub line: &'a str,
    /// Of the record.
    pub scratch: &'a str,
    /// Of the pipeline.
    pub names: &'a Names,
}

impl<'a> View<'a> {
    /// The text itself.
    #[must_use]
    pub fn get(&self, text: Text) -> &'a str {
        let whole = match text.of {
            Of::Line => self.line,
            Of::Scratch => self.scratch,
            Of::Names => &self.names.0,
        };
        let at = text.at as usize;
        whole.get(at..at + text.len()).unwrap_or_default()
    }
}

impl Fields {
    /// Forgets the former record.
    pub fn clear(&mut self) {
        self.list.clear();
        self.scratch.clear();
        self.scratch.shrink_to(KEPT_BYTES);
    }

    /// All of them, in order.
    #[must_use]
    pub fn all(&self) -> &[Field] {
        &self.list
    }

    /// Adds one.
    ///
    /// # Errors
    /// There are too many, or its key is none.
    pub fn push(&mut self, key: Text, value: Text) -> Result<(), Fault> {
        if key.is_empty() || key.len() > MAX_KEY_BYTES {
            return Err(Fault::BadKey);
        }
        if self.list.len() >= MAX_FIELDS {
            return Err(Fault::TooManyFields);
        }
        self.list.push(Field { key, value });
        Ok(())
    }

    /// Adds one of the pipeline's own, unless there is no room: the line's are worth more.
    pub fn offer(&mut self, key: Text, value: Text) {
        if self.list.len() < MAX_FIELDS {
            self.list.push(Field { key, value });
        }
    }

    /// Keeps those that `wanted` says.
    pub fn retain(&mut self, wanted: impl FnMut(&Field) -> bool) {
        self.list.retain(wanted);
    }

    /// All of them, to be changed.
    pub fn change(&mut self) -> &mut [Field] {
        &mut self.list
    }

    /// Writes a text that stands nowhere else; `write` may only append.
    pub fn write(&mut self, write: impl FnOnce(&mut String)) -> Text {
        let at = self.scratch.len();
        write(&mut self.scratch);
        Text::new(Of::Scratch, at, self.scratch.len())
    }

    /// Looks up texts of this record.
    #[must_use]
    pub fn view<'a>(&'a self, line: &'a str, names: &'a Names) -> View<'a> {
        View { line, scratch: &self.scratch, names }
    }
}
