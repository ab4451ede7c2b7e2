use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

use crate::Unfit;

/// What was read, and what was left out and why.
///
/// ```
/// use rust_docs::Counts;
///
/// let mut counts = Counts { files: 9, files_unparsed: 1, ..Counts::default() };
/// counts += Counts { files: 2, ..Counts::default() };
/// assert_eq!((counts.files, counts.files_unparsed), (11, 1));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Counts {
    /// Packages whose sources were read.
    pub packages: usize,
    /// Source files read.
    pub files: usize,
    /// Source files that are no Rust of this edition, left out.
    pub files_unparsed: usize,
    /// Documented public items, also those in modules that another file hides.
    pub items: usize,
    /// Items whose documentation does not begin with a paragraph, without a pair.
    pub without_paragraph: usize,
    /// Items whose first paragraph makes no sense without its code, without a pair.
    pub with_code: usize,
    /// Items whose first paragraph has fewer than four words or only points elsewhere, without a pair.
    pub short: usize,
    /// Items whose passage repeats the query, without a pair.
    pub verbatim: usize,
}

impl Counts {
    pub(crate) fn leave_out(&mut self, unfit: Unfit) {
        let count = match unfit {
            Unfit::NoParagraph => &mut self.without_paragraph,
            Unfit::Code => &mut self.with_code,
            Unfit::Short => &mut self.short,
            Unfit::Verbatim => &mut self.verbatim,
        };
        *count += 1;
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.packages += other.packages;
        self.files += other.files;
        self.files_unparsed += other.files_unparsed;
        self.items += other.items;
        self.without_paragraph += other.without_paragraph;
        self.with_code += other.with_code;
        self.short += other.short;
        self.verbatim += other.verbatim;
    }
}
