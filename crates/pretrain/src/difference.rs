//! Keys in which two settings differ.

use std::fmt;

/// A key with two different values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// `section.key`.
    pub key: String,
    /// The first configuration's value, as TOML.
    pub left: String,
    /// The second configuration's value, as TOML.
    pub right: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {} there, {} here", self.key, self.left, self.right)
    }
}
