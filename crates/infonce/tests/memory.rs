//! What a loss allocates beside its inputs and gradients, at the paper's batch, on two processors: each takes a megabyte or two.
#![cfg(feature = "flex")]

use burn::tensor::{Tensor, TensorData};
use burn_flex::Flex;
use infonce::{ContrastiveLoss, Guide, GuideRows, InBatch, InfoNceConfig};
use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATED: PeakAlloc = PeakAlloc;

const PAIRS: usize = 4096;
const MOST: usize = 16 << 20;

fn rows(width: usize, salt: usize) -> Vec<f32> {
    let scale = (width as f32).sqrt().recip();
    (0..PAIRS * width).map(|i| ((i * 7919 + salt * 104_729) % 2003) as f32 / 1001.5 * scale - scale).collect()
}

/// Bytes that a loss takes at most, beside its gradients.
fn extra(loss: &dyn ContrastiveLoss<Flex>, sides: [&Tensor<Flex, 2>; 2], known: &InBatch<'_>) -> usize {
    let [queries, passages] = sides.map(Clone::clone);
    let gradients = 2 * PAIRS * queries.dims()[1] * size_of::<f32>();
    ALLOCATED.reset_peak_usage();
    let before = ALLOCATED.current_usage();
    let output = loss.loss_and_gradients(queries, passages, known);
    assert!(output.loss.is_finite());
    ALLOCATED.peak_usage() - before - gradients
}

#[test]
fn a_loss_of_4096_pairs_takes_at_most_16_mib() {
    rayon::ThreadPoolBuilder::new().num_threads(2).build().expect("there are threads").install(losses);
}

fn losses() {
    for width in [384, 768] {
        let [queries, passages] = [1, 2].map(|salt| rows(width, salt));
        let guide = GuideRows { queries: &queries, passages: &passages, width };
        let tensor =
            |values: &[f32]| Tensor::from_data(TensorData::new(values.to_vec(), [PAIRS, width]), &Default::default());
        let sides = [tensor(&queries), tensor(&passages)];
        let plain = InfoNceConfig::default();
        let guided = plain.clone().with_guide(Guide { margin: 0.05, relative: true });
        for (config, known) in
            [(plain, InBatch::default()), (guided, InBatch { guide: Some(guide), ..InBatch::default() })]
        {
            let loss = config.build().expect("the settings are valid");
            let taken = extra(&loss, sides.each_ref(), &known);
            println!("{width} columns, guide {}: {:.1} MB", known.guide.is_some(), taken as f64 / 1e6);
            assert!(taken <= MOST, "{taken} bytes");
            // The second works in what the first has kept.
            assert!(extra(&loss, sides.each_ref(), &known) < taken);
        }
    }
}
