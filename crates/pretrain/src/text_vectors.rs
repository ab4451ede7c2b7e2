use ndarray::{ArrayView1, ArrayView2, Axis};

/// Vectors of the texts of one side, of all of them or of some.
///
/// # Examples
/// ```
/// use ndarray::{array, aview1};
/// use pretrain::TextVectors;
///
/// let rows = array![[1.0, 0.0], [0.6, 0.8]];
/// let all = TextVectors::all(rows.view());
/// let some = TextVectors::of(rows.view(), &[2, 5]);
/// assert_eq!(all.row(1), some.row(5));
/// assert_eq!((some.row(3), some.dim()), (None, 2));
/// ```
#[derive(Debug, Clone, Copy)]
pub struct TextVectors<'a> {
    rows: ArrayView2<'a, f32>,
    /// The texts of the rows, ascending; `None`: a row for each text.
    texts: Option<&'a [u32]>,
}

impl<'a> TextVectors<'a> {
    /// A row for each text of the data set: `[texts, dim]`.
    pub fn all(rows: ArrayView2<'a, f32>) -> Self {
        Self { rows, texts: None }
    }

    /// Rows of some texts, which ascend.
    ///
    /// # Panics
    /// If there are not as many texts as rows.
    #[track_caller]
    pub fn of(rows: ArrayView2<'a, f32>, texts: &'a [u32]) -> Self {
        assert_eq!(rows.nrows(), texts.len(), "a row for each of these texts");
        Self { rows, texts: Some(texts) }
    }

    /// Columns.
    pub fn dim(&self) -> usize {
        self.rows.ncols()
    }

    /// The vector of a text, if it has one.
    pub fn row(&self, text: u32) -> Option<ArrayView1<'a, f32>> {
        let place = match self.texts {
            None => text as usize,
            Some(texts) => texts.binary_search(&text).ok()?,
        };
        (place < self.rows.nrows()).then(|| self.rows.index_axis_move(Axis(0), place))
    }
}
