//! What `TopicAware` promises, over random strata and settings.

use std::collections::{HashMap, HashSet};

use proptest::prelude::*;
use stratified_sampler::{BatchSampler, Batches, SamplerError, TopicAwareConfig};

fn labels() -> impl Strategy<Value = Vec<u32>> {
    prop::collection::vec(1..120usize, 1..12)
        .prop_map(|sizes| {
            (0u32..).zip(sizes).flat_map(|(stratum, size)| std::iter::repeat_n(7 * stratum, size)).collect::<Vec<u32>>()
        })
        .prop_shuffle()
}

proptest! {
    #[test]
    fn a_batch_has_equally_many_pairs_of_each_of_its_strata(
        labels in labels(), piece in 1..8usize, together in 1..6usize, seed in any::<u64>(), epoch in any::<u64>(),
    ) {
        let config = TopicAwareConfig::new(piece * together, together).with_seed(seed);
        let Ok(sampler) = config.build(&labels) else { return Ok(()) };
        let mut pieces = HashMap::new();
        labels.iter().for_each(|label| *pieces.entry(label).or_insert(0) += 1);
        let most = pieces.values().map(|size| size / piece).max().unwrap_or(0);
        let total: usize = pieces.values().map(|size| size / piece).sum();
        prop_assert_eq!(sampler.len(epoch), total / together);
        let mut seen = HashSet::new();
        for batch in Batches::new(&sampler, epoch) {
            prop_assert_eq!(batch.len(), piece * together);
            prop_assert!(batch.iter().all(|&pair| seen.insert(pair)), "a pair twice in an epoch");
            for pairs in batch.chunks(piece) {
                prop_assert!(pairs.iter().all(|&pair| labels[pair as usize] == labels[pairs[0] as usize]));
            }
        }
        prop_assert!(most > 0 && sampler.batch(epoch, sampler.len(epoch), &mut Vec::new()).is_err());
        prop_assert_eq!(sampler.report(epoch).seen, seen.len());
    }
}

#[test]
fn strata_of_a_batch_differ_where_none_is_crowded() {
    let labels: Vec<u32> = (0..4000).map(|pair| pair % 40).collect();
    let sampler = TopicAwareConfig::new(32, 4).build(&labels).unwrap();
    let mut several = 0;
    for batch in Batches::new(&sampler, 3) {
        let strata: HashSet<u32> = batch.iter().map(|&pair| labels[pair as usize]).collect();
        several += usize::from(strata.len() < 4);
    }
    // Only what the first placing leaves over may meet: 480 pieces, 120 batches.
    assert!(several <= 6, "{several} of {} batches", sampler.len(3));
}

#[test]
fn epochs_and_seeds_differ_and_a_resumed_one_does_not() {
    let labels: Vec<u32> = (0..400).map(|pair| pair % 10).collect();
    let plan = |seed, epoch| TopicAwareConfig::new(20, 5).with_seed(seed).build(&labels).unwrap().plan(epoch);
    assert_eq!(plan(1, 2), plan(1, 2));
    assert_ne!(plan(1, 2), plan(1, 3));
    assert_ne!(plan(1, 2), plan(2, 2));
}

#[test]
fn wrong_settings_are_named() {
    let labels = [0, 0, 0, 1, 1, 2];
    let error = |config: TopicAwareConfig| config.build(&labels).unwrap_err().to_string();
    assert_eq!(error(TopicAwareConfig::new(4, 0)), "0 strata a batch do not share a batch of 4 equally");
    assert_eq!(error(TopicAwareConfig::new(4, 3)), "3 strata a batch do not share a batch of 4 equally");
    assert_eq!(error(TopicAwareConfig::new(6, 3)), "3 strata a batch of at least 2 pairs each, only 2 there are");
    assert_eq!(TopicAwareConfig::new(0, 1).build(&labels).unwrap_err(), SamplerError::NoBatchSize);
    assert_eq!(TopicAwareConfig::new(4, 2).build(&[]).unwrap_err(), SamplerError::NoPairs);
}
