/// Token ids of a few texts, one ragged row each, without padding, and how many of each row are of a prompt before the text.
///
/// # Examples
/// ```
/// use embed::TokenBatch;
///
/// let batch = TokenBatch::from_rows([vec![2, 7, 3], vec![], vec![2, 3]]);
/// assert_eq!((batch.len(), batch.total()), (3, 5));
/// assert_eq!(batch.tokens(2), [2, 3]);
/// assert_eq!(batch.select(&[2, 0]).ids(), [2, 3, 2, 7, 3]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenBatch {
    ids: Vec<u32>,
    offsets: Vec<usize>,
    prompts: Vec<usize>,
}

impl Default for TokenBatch {
    fn default() -> Self {
        TokenBatch { ids: Vec::new(), offsets: vec![0], prompts: Vec::new() }
    }
}

impl TokenBatch {
    /// A batch with the given rows.
    pub fn from_rows<I>(rows: I) -> Self
    where
        I: IntoIterator,
        I::Item: AsRef<[u32]>,
    {
        let mut batch = TokenBatch::default();
        for row in rows {
            batch.push(row.as_ref());
        }
        batch
    }

    /// Appends a row without a prompt.
    pub fn push(&mut self, row: &[u32]) {
        self.ids.extend_from_slice(row);
        self.offsets.push(self.ids.len());
        self.prompts.push(0);
    }

    /// Appends row `row` of another batch, with its prompt.
    ///
    /// # Panics
    /// If there is no such row.
    #[track_caller]
    pub fn push_from(&mut self, other: &TokenBatch, row: usize) {
        self.push(other.tokens(row));
        self.prompts[self.offsets.len() - 2] = other.prompts[row];
    }

    /// The same rows, the first `prompt_tokens` tokens of each taken to be a prompt's, or all of a shorter one.
    pub fn with_prompts(mut self, prompt_tokens: usize) -> Self {
        self.prompts = (0..self.len()).map(|row| self.row_len(row).min(prompt_tokens)).collect();
        self
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Tokens of row `row`.
    ///
    /// # Panics
    /// If there is no such row.
    #[track_caller]
    pub fn tokens(&self, row: usize) -> &[u32] {
        &self.ids[self.offsets[row]..self.offsets[row + 1]]
    }

    /// Number of tokens of row `row`.
    ///
    /// # Panics
    /// If there is no such row.
    #[track_caller]
    pub fn row_len(&self, row: usize) -> usize {
        self.tokens(row).len()
    }

    /// Tokens at the start of row `row` that are of a prompt; an encoder may leave them out of the mean.
    ///
    /// # Panics
    /// If there is no such row.
    #[track_caller]
    pub fn prompt_len(&self, row: usize) -> usize {
        self.prompts[row]
    }

    /// Number of tokens of all rows together.
    pub fn total(&self) -> usize {
        self.ids.len()
    }

    /// Tokens of all rows, one after another.
    pub fn ids(&self) -> &[u32] {
        &self.ids
    }

    /// Where each row starts in [`ids`](TokenBatch::ids), and, last, where the last one ends: `len + 1` numbers.
    pub fn offsets(&self) -> &[usize] {
        &self.offsets
    }

    /// Tokens of the longest row; 0 without rows.
    pub fn longest(&self) -> usize {
        self.offsets.windows(2).map(|w| w[1] - w[0]).max().unwrap_or(0)
    }

    /// A batch of the rows `rows`, in that order.
    ///
    /// # Panics
    /// If there is no such row.
    #[track_caller]
    pub fn select(&self, rows: &[usize]) -> TokenBatch {
        let mut batch = TokenBatch::default();
        rows.iter().for_each(|&row| batch.push_from(self, row));
        batch
    }

    /// The same rows with at most `max_tokens` tokens each, the first ones.
    pub fn truncated(&self, max_tokens: usize) -> TokenBatch {
        let mut batch = TokenBatch::default();
        for row in 0..self.len() {
            batch.push(&self.tokens(row)[..self.row_len(row).min(max_tokens)]);
            batch.prompts[row] = self.prompts[row].min(max_tokens);
        }
        batch
    }

    /// Rows, longest first, cut into chunks of at most `budget` tokens when padded to their longest; ties keep their order.
    ///
    /// A row longer than the budget is a chunk of its own. Every row is in exactly one chunk.
    pub fn chunks(&self, budget: usize) -> Vec<Vec<usize>> {
        let mut order: Vec<usize> = (0..self.len()).collect();
        order.sort_by_key(|&row| std::cmp::Reverse(self.row_len(row)));
        let mut chunks: Vec<Vec<usize>> = Vec::new();
        for row in order {
            match chunks.last_mut() {
                Some(chunk) if (chunk.len() + 1) * self.row_len(chunk[0]).max(1) <= budget => chunk.push(row),
                _ => chunks.push(vec![row]),
            }
        }
        chunks
    }

    /// Rows, longest first, dealt out to `count` shares in turn and back, so that each has about as many rows and tokens.
    ///
    /// # Panics
    /// If `count` is 0.
    pub fn shares(&self, count: usize) -> Vec<Vec<usize>> {
        let mut order: Vec<usize> = (0..self.len()).collect();
        order.sort_by_key(|&row| std::cmp::Reverse(self.row_len(row)));
        let mut shares = vec![Vec::new(); count];
        for (round, rows) in order.chunks(count).enumerate() {
            for (place, &row) in rows.iter().enumerate() {
                shares[if round.is_multiple_of(2) { place } else { count - 1 - place }].push(row);
            }
        }
        shares
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_respect_the_budget_of_padded_tokens() {
        let batch = TokenBatch::from_rows([vec![1; 3], vec![1; 9], vec![1; 2], vec![], vec![1; 3]]);
        assert_eq!(batch.chunks(6), [vec![1], vec![0, 4], vec![2, 3]]);
    }

    #[test]
    fn shares_are_about_alike() {
        let batch = TokenBatch::from_rows([vec![1; 3], vec![1; 9], vec![1; 2], vec![], vec![1; 3]]);
        assert_eq!(batch.shares(2), [vec![1, 2, 3], vec![0, 4]]);
        assert_eq!(batch.shares(1), [vec![1, 0, 4, 2, 3]]);
        assert_eq!(TokenBatch::default().shares(2), vec![Vec::<usize>::new(); 2]);
    }

    #[test]
    fn prompts_follow_their_rows() {
        let batch = TokenBatch::from_rows([vec![1, 2, 3], vec![4]]).with_prompts(2);
        let lengths =
            |batch: &TokenBatch| -> Vec<usize> { (0..batch.len()).map(|row| batch.prompt_len(row)).collect() };
        assert_eq!(lengths(&batch), [2, 1]);
        assert_eq!(lengths(&batch.select(&[1, 0, 0])), [1, 2, 2]);
        assert_eq!(lengths(&batch.truncated(1)), [1, 1]);
        let mut mixed = TokenBatch::from_rows([[7]]);
        mixed.push_from(&batch, 0);
        assert_eq!((mixed.ids(), lengths(&mixed)), (&[7, 1, 2, 3][..], vec![0, 2]));
    }

    #[test]
    fn truncation_keeps_the_first_tokens() {
        let batch = TokenBatch::from_rows([vec![1, 2, 3], vec![4]]);
        assert_eq!(batch.truncated(2).ids(), [1, 2, 4]);
    }
}
