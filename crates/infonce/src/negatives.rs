use rustc_hash::FxHashMap;

use crate::block::Block;
use crate::{Direction, InBatch, InfoNceConfig, KnownPositives};

/// Which candidates of a pair are no negatives for what is known of the texts, and which are positives too: none of it is a matrix.
#[derive(Debug)]
pub(crate) struct Negatives {
    queries: usize,
    hard_negatives: usize,
    same_query: Repeats,
    same_passage: Repeats,
    /// Of each query the passages of the batch that are known to answer it; empty if of none.
    answers: Vec<Vec<u32>>,
    /// Of each passage the queries that it is known to answer; empty if of none.
    answered: Vec<Vec<u32>>,
    /// Those of both that are positives, of each row; empty if none are.
    further: [Vec<Vec<u32>>; 2],
}

/// Rows with the text of another row.
#[derive(Debug, Default)]
struct Repeats {
    /// Of each row where it is in `rows`, if its text repeats.
    of_row: Vec<Option<u32>>,
    /// The rows of each repeated text.
    rows: Vec<Vec<u32>>,
}

impl Repeats {
    fn new(ids: &[u64]) -> Self {
        let mut first: FxHashMap<u64, usize> = FxHashMap::default();
        let mut repeats = Self { of_row: vec![None; ids.len()], rows: Vec::new() };
        for (row, &id) in ids.iter().enumerate() {
            let &mut first = first.entry(id).or_insert(row);
            if first == row {
                continue;
            }
            let place = *repeats.of_row[first].get_or_insert_with(|| {
                repeats.rows.push(vec![first as u32]);
                repeats.rows.len() as u32 - 1
            });
            repeats.of_row[row] = Some(place);
            repeats.rows[place as usize].push(row as u32);
        }
        repeats
    }

    /// All rows with the text of `row`, that one too, if there are others.
    fn of(&self, row: usize) -> &[u32] {
        self.of_row.get(row).copied().flatten().map_or(&[], |place| &self.rows[place as usize])
    }
}

impl Negatives {
    /// Those of a batch of so many queries.
    pub(crate) fn new(queries: usize, batch: &InBatch<'_>, config: &InfoNceConfig) -> Self {
        let further = config.known_positives == KnownPositives::Positives;
        let mut negatives = Self {
            queries,
            hard_negatives: batch.hard_negatives,
            same_query: Repeats::default(),
            same_passage: Repeats::default(),
            answers: Vec::new(),
            answered: Vec::new(),
            further: [Vec::new(), Vec::new()],
        };
        if config.mask_duplicates {
            negatives.same_query = Repeats::new(batch.query_ids);
            negatives.same_passage = Repeats::new(batch.passage_ids);
        }
        if config.mask_duplicates || further {
            negatives.know(batch);
        }
        if further {
            negatives.further =
                [others(&negatives.answers, batch.passage_ids), others(&negatives.answered, batch.query_ids)];
        }
        negatives
    }

    fn know(&mut self, batch: &InBatch<'_>) {
        if batch.known_positives.is_empty() {
            return;
        }
        let mut rows_of: FxHashMap<u64, Vec<u32>> = FxHashMap::default();
        for (row, &id) in (0..).zip(batch.passage_ids) {
            rows_of.entry(id).or_default().push(row);
        }
        self.answers = vec![Vec::new(); batch.known_positives.len()];
        self.answered = vec![Vec::new(); batch.passage_ids.len()];
        for (query, known) in batch.known_positives.iter().enumerate() {
            let rows = known.iter().filter_map(|id| rows_of.get(id)).flatten();
            let answers = &mut self.answers[query];
            answers.extend(rows.filter(|&&passage| passage as usize != query));
            answers.sort_unstable();
            answers.dedup();
            answers.iter().for_each(|&passage| self.answered[passage as usize].push(query as u32));
        }
    }

    /// The candidates of pair `row` in a block that are positives too, ascending: known ones that are no copies of its own text. In blocks
    /// without the pair itself there are none.
    pub(crate) fn positives(&self, block: &Block, row: usize) -> &[u32] {
        let [of_queries, of_passages] = &self.further;
        let known = match block.direction {
            Direction::QueryToPassage => of_queries,
            Direction::PassageToQuery => of_passages,
            Direction::QueryToQuery | Direction::PassageToPassage => return &[],
        };
        known.get(row).map_or(&[], Vec::as_slice)
    }

    /// Puts into `columns` the candidates of pair `row` that are no negatives, ascending, each once, and returns how many of them are so as
    /// false negatives: all but the pair itself and its own hard negatives.
    pub(crate) fn left_out(&self, block: &Block, row: usize, columns: &mut Vec<u32>) -> usize {
        columns.clear();
        columns.extend_from_slice(self.same_query.of(row));
        columns.extend_from_slice(self.same_passage.of(row));
        if block.direction != Direction::PassageToQuery {
            columns.extend(self.answers.get(row).into_iter().flatten());
        }
        if block.direction != Direction::QueryToPassage {
            columns.extend(self.answered.get(row).into_iter().flatten());
        }
        if matches!(block.direction, Direction::PassageToQuery | Direction::QueryToQuery) {
            columns.retain(|&column| (column as usize) < self.queries);
        }
        let own = self.own(block, row);
        columns.extend(own.clone());
        columns.push(row as u32);
        columns.sort_unstable();
        columns.dedup();
        columns.len() - 1 - own.len()
    }

    /// Columns of the hard negatives of the pair's own query, where these are no negatives.
    fn own(&self, block: &Block, row: usize) -> std::ops::Range<u32> {
        let hard = match block.direction {
            Direction::PassageToPassage => self.hard_negatives,
            _ => 0,
        };
        let first = (self.queries + row * hard) as u32;
        first..first + hard as u32
    }
}

/// Of each row's candidates those with another id than the row, if there are ids of both.
fn others(candidates: &[Vec<u32>], ids: &[u64]) -> Vec<Vec<u32>> {
    let differs = |row: usize, candidate: u32| ids.get(row).is_none_or(|id| ids.get(candidate as usize) != Some(id));
    let of_row = |(row, known): (usize, &Vec<u32>)| known.iter().copied().filter(|&one| differs(row, one)).collect();
    candidates.iter().enumerate().map(of_row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::Blocks;
    use crate::{Directions, Partition};

    /// Of each direction what is left out for pair `row`, and how many of it are false negatives.
    fn left_out(batch: &InBatch<'_>, queries: usize, row: usize) -> Vec<(Vec<u32>, usize)> {
        let all = InfoNceConfig::default().with_directions(Directions::ALL, Partition::Joint);
        let negatives = Negatives::new(queries, batch, &all);
        let of = |block: &Block| {
            let mut columns = Vec::new();
            let masked = negatives.left_out(block, row, &mut columns);
            (columns, masked)
        };
        Blocks::new(&all).blocks.iter().map(of).collect()
    }

    #[test]
    fn equal_texts_and_known_positives_are_left_out_each_once() {
        // Query 0 also answers to 8 and 9, of which 9 occurs twice; its own passage 7 occurs again in row 3.
        let known: [&[u64]; 3] = [&[7, 8, 9, 9], &[8], &[7]];
        let batch = InBatch { passage_ids: &[7, 8, 9, 7, 9], known_positives: &known, ..InBatch::default() };
        let expected = [(vec![0, 1, 2, 3, 4], 4), (vec![0, 2], 1), (vec![0, 1, 2], 2), (vec![0, 1, 2, 3, 4], 4)];
        assert_eq!(left_out(&batch, 3, 0), expected);
    }

    #[test]
    fn known_positives_are_positives_where_the_sides_differ_each_row_once() {
        let known: [&[u64]; 3] = [&[7, 8, 9, 9], &[], &[7]];
        let batch = InBatch { passage_ids: &[7, 8, 9, 7, 9], known_positives: &known, ..InBatch::default() };
        let config = InfoNceConfig::default().with_directions(Directions::ALL, Partition::Joint);
        let blocks = Blocks::new(&config).blocks;
        let positives = |config: &InfoNceConfig, row: usize| -> Vec<Vec<u32>> {
            let negatives = Negatives::new(3, &batch, config);
            blocks.iter().map(|block| negatives.positives(block, row).to_vec()).collect()
        };
        assert_eq!(positives(&config, 0).concat(), Vec::<u32>::new());
        let config = config.with_known_positives(KnownPositives::Positives);
        // Row 3 has the own passage of query 0 again.
        assert_eq!(positives(&config, 0), [vec![1, 2, 4], vec![2], vec![], vec![]]);
        assert_eq!(positives(&config, 2), [vec![0, 3], vec![0], vec![], vec![]]);
    }

    #[test]
    fn a_pair_that_shares_both_texts_counts_once() {
        let batch = InBatch { query_ids: &[1, 1, 2], passage_ids: &[5, 5, 5], ..InBatch::default() };
        assert_eq!(left_out(&batch, 3, 0)[0], (vec![0, 1, 2], 2));
    }

    #[test]
    fn own_hard_negatives_are_negatives_of_the_query_alone() {
        let batch = InBatch { hard_negatives: 2, ..InBatch::default() };
        let own = (vec![1], 0);
        assert_eq!(left_out(&batch, 2, 1), [own.clone(), own.clone(), own, (vec![1, 4, 5], 0)]);
    }
}
