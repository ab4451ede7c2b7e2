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
}

/// A softmax over the candidates of some blocks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Group {
    /// How often the pair itself is among its candidates: the blocks of it that hold the pair.
    pub(crate) own: u32,
    /// Its weight in the loss.
    pub(crate) share: f64,
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
    pub(crate) fn new(config: &InfoNceConfig) -> Self {
        let scale = 1.0 / f64::from(config.temperature);
        let joint = config.partition == Partition::Joint;
        let block = |(place, direction): (usize, Direction)| {
            let (anchors, candidates) = sides(direction);
            let weighted = direction == Direction::QueryToPassage;
            let sharpness = scale + if weighted { f64::from(config.hardness) } else { 0.0 };
            Block { direction, anchors, candidates, group: if joint { 0 } else { place }, sharpness }
        };
        let blocks: Vec<Block> = config.directions.iter().enumerate().map(block).collect();
        let groups = match joint {
            true => vec![Group { own: blocks.iter().map(|block| holds_pair(block.direction)).sum(), share: 1.0 }],
            false => {
                let share = 1.0 / blocks.len() as f64;
                blocks.iter().map(|block| Group { own: holds_pair(block.direction), share }).collect()
            }
        };
        Self { blocks, groups }
    }

    /// The blocks of one softmax.
    pub(crate) fn of_group(&self, group: usize) -> impl Iterator<Item = &Block> {
        self.blocks.iter().filter(move |block| block.group == group)
    }

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
        assert_eq!(joint.groups, [Group { own: 2, share: 1.0 }]);
        assert_eq!(joint.blocks.iter().map(|block| block.sharpness).collect::<Vec<_>>(), [5.0, 2.0, 2.0, 2.0]);
        let separate = Blocks::new(&config.with_directions(Directions::ALL, Partition::Separate));
        assert_eq!(separate.groups.iter().map(|group| group.own).collect::<Vec<_>>(), [1, 1, 0, 0]);
        assert_eq!(separate.blocks[3].group, 3);
    }
}
