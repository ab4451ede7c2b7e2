use crate::{Direction, InfoNceConfig, Partition};

/// One side of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Queries,
    Passages,
}

impl Side {
    pub(crate) fn other(self) -> Self {
        match self {
            Self::Queries => Self::Passages,
            Self::Passages => Self::Queries,
        }
    }
}

/// The logits of one direction: a row for each pair, whose anchor is its query or its passage, and a column for each candidate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Block {
    pub(crate) direction: Direction,
    pub(crate) anchors: Side,
    pub(crate) candidates: Side,
    /// The softmax that its candidates are in.
    pub(crate) group: usize,
    /// What a similarity is multiplied by in the exponent, for a negative.
    pub(crate) sharpness: f64,
    /// The prefix of the rows that is compared.
    pub(crate) prefix: usize,
}

/// A softmax over the candidates of some blocks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Group {
    /// How often the pair itself is among its candidates: the blocks of it that hold the pair.
    pub(crate) own: u32,
    /// Its weight in the loss.
    pub(crate) share: f64,
    /// The prefix of the rows that is compared.
    pub(crate) prefix: usize,
}

impl Group {
    /// How often the pair itself is among its positives.
    pub(crate) fn times(self) -> f64 {
        f64::from(self.own.max(1))
    }
}

/// The blocks of a loss and the softmaxes that they make.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Blocks {
    pub(crate) blocks: Vec<Block>,
    pub(crate) groups: Vec<Group>,
}

impl Blocks {
    /// Those of the rows as they come.
    pub(crate) fn new(config: &InfoNceConfig) -> Self {
        Self::of_prefixes(config, &[1.0])
    }

    /// Those of prefixes with these weights, one prefix after another.
    pub(crate) fn of_prefixes(config: &InfoNceConfig, weights: &[f32]) -> Self {
        let scale = 1.0 / f64::from(config.temperature);
        let directions: Vec<Direction> = config.directions.iter().collect();
        let mut all = Self { blocks: Vec::new(), groups: Vec::new() };
        for (prefix, &weight) in weights.iter().enumerate() {
            let first = all.groups.len();
            let mut group = |own: u32, count: usize| {
                let share = f64::from(weight) / count as f64;
                all.groups.push(Group { own, share, prefix });
            };
            let joint = config.partition == Partition::Joint;
            match joint {
                true => group(directions.iter().copied().map(holds_pair).sum(), 1),
                false => directions.iter().for_each(|&direction| group(holds_pair(direction), directions.len())),
            }
            all.blocks.extend(directions.iter().enumerate().map(|(place, &direction)| {
                let (anchors, candidates) = sides(direction);
                let weighted = direction == Direction::QueryToPassage;
                let sharpness = scale + if weighted { f64::from(config.hardness) } else { 0.0 };
                let group = first + if joint { 0 } else { place };
                Block { direction, anchors, candidates, group, sharpness, prefix }
            }));
        }
        all
    }

    /// The blocks of one softmax.
    pub(crate) fn of_group(&self, group: usize) -> impl Iterator<Item = &Block> {
        self.blocks.iter().filter(move |block| block.group == group)
    }
}

/// What the fused kernel asks beside.
#[cfg(feature = "flex")]
impl Blocks {
    /// Whether queries and passages are anchors of a block.
    pub(crate) fn are_anchors(&self) -> [bool; 2] {
        [Side::Queries, Side::Passages].map(|side| self.blocks.iter().any(|block| block.anchors == side))
    }

    /// Whether they are candidates.
    pub(crate) fn are_candidates(&self) -> [bool; 2] {
        [Side::Queries, Side::Passages].map(|side| self.blocks.iter().any(|block| block.candidates == side))
    }
}

fn sides(direction: Direction) -> (Side, Side) {
    match direction {
        Direction::QueryToPassage => (Side::Queries, Side::Passages),
        Direction::PassageToQuery => (Side::Passages, Side::Queries),
        Direction::QueryToQuery => (Side::Queries, Side::Queries),
        Direction::PassageToPassage => (Side::Passages, Side::Passages),
    }
}

/// 1 if the pair itself is a candidate, as where the sides differ.
fn holds_pair(direction: Direction) -> u32 {
    let (anchors, candidates) = sides(direction);
    u32::from(anchors != candidates)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Directions;

    #[test]
    fn a_pair_is_a_candidate_once_for_each_direction_across() {
        let config = InfoNceConfig::default().with_hardness(3.0).with_temperature(0.5);
        let joint = Blocks::new(&config.clone().with_directions(Directions::ALL, Partition::Joint));
        assert_eq!(joint.groups, [Group { own: 2, share: 1.0, prefix: 0 }]);
        assert_eq!(joint.blocks.iter().map(|block| block.sharpness).collect::<Vec<_>>(), [5.0, 2.0, 2.0, 2.0]);
        let separate = Blocks::new(&config.with_directions(Directions::ALL, Partition::Separate));
        assert_eq!(separate.groups.iter().map(|group| group.own).collect::<Vec<_>>(), [1, 1, 0, 0]);
        assert_eq!(separate.blocks[3].group, 3);
    }

    #[test]
    fn every_prefix_has_softmaxes_of_its_own() {
        let config = InfoNceConfig::default().with_directions(Directions::SYMMETRIC, Partition::Separate);
        let blocks = Blocks::of_prefixes(&config, &[0.5, 1.0]);
        let groups: Vec<(f64, usize)> = blocks.groups.iter().map(|group| (group.share, group.prefix)).collect();
        assert_eq!(groups, [(0.25, 0), (0.25, 0), (0.5, 1), (0.5, 1)]);
        assert_eq!(blocks.blocks.iter().map(|block| block.group).collect::<Vec<_>>(), [0, 1, 2, 3]);
    }
}
