use crate::TokenBatch;

/// A weight for each token id below `vocab_size`, high for tokens of few texts: `ln(1 + n / (1 + df))`, scaled to mean 1.
///
/// `n` is the number of texts, `df` how many of them have the token, however often. Without texts every weight is 1. As the start of a
/// [`StaticEncoder`](crate::StaticEncoder), see [`scaled_rows`](crate::StaticEncoder::scaled_rows), the weights make a mean of token
/// vectors what TF-IDF is to a count of tokens.
///
/// # Panics
/// If a token id is not below `vocab_size`.
///
/// # Source
/// Robertson (2004), *Journal of Documentation* 60(5), smoothed so that a token of no text has a weight and one of every text a
/// positive one.
///
/// # Examples
/// ```
/// use embed::{TokenBatch, inverse_document_frequency};
///
/// let texts = TokenBatch::from_rows([vec![0, 1, 1], vec![0, 2]]);
/// let weights = inverse_document_frequency(&texts, 3);
/// assert!(weights[0] < weights[1]);
/// assert_eq!(weights[1], weights[2]);
/// ```
#[track_caller]
#[doc(alias = "idf")]
pub fn inverse_document_frequency(texts: &TokenBatch, vocab_size: usize) -> Vec<f32> {
    let frequencies = document_frequencies(texts, vocab_size);
    let count = texts.len() as f64;
    let weights: Vec<f64> = frequencies.iter().map(|&df| (count / (1.0 + f64::from(df))).ln_1p()).collect();
    let mean = weights.iter().sum::<f64>() / vocab_size as f64;
    if texts.is_empty() {
        return vec![1.0; vocab_size];
    }
    weights.iter().map(|weight| (weight / mean) as f32).collect()
}

/// For each token id the number of texts that have it.
#[track_caller]
fn document_frequencies(texts: &TokenBatch, vocab_size: usize) -> Vec<u32> {
    let mut frequencies = vec![0_u32; vocab_size];
    let mut last_text = vec![0_usize; vocab_size];
    for text in 0..texts.len() {
        for &id in texts.tokens(text) {
            let id = id as usize;
            assert!(id < vocab_size, "token id {id}, the vocabulary has {vocab_size}");
            if last_text[id] != text + 1 {
                last_text[id] = text + 1;
                frequencies[id] += 1;
            }
        }
    }
    frequencies
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_the_formula_over_its_mean() {
        // df = 3, 1, 1, 0 of 3 texts: ln 1.75, ln 2.5, ln 2.5, ln 4; their mean is 0.944623.
        let texts = TokenBatch::from_rows([vec![0, 0, 1], vec![0], vec![2, 0, 2]]);
        let weights = inverse_document_frequency(&texts, 4);
        for (found, expected) in weights.iter().zip([0.592423, 0.970007, 0.970007, 1.467563]) {
            assert!((found - expected).abs() < 1e-5, "{weights:?}");
        }
    }

    #[test]
    fn without_texts_every_weight_is_one() {
        assert_eq!(inverse_document_frequency(&TokenBatch::default(), 2), [1.0, 1.0]);
    }

    #[test]
    #[should_panic(expected = "token id 7, the vocabulary has 4")]
    fn ids_outside_the_vocabulary_are_a_callers_bug() {
        inverse_document_frequency(&TokenBatch::from_rows([[7]]), 4);
    }
}
