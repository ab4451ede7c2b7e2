use super::{Paired, mean};

impl Paired<'_> {
    /// Cohen's d of the paired differences (d_z): their mean over their sample standard deviation.
    ///
    /// Above 0 if the treatment is better. In units of the spread between queries of the *difference*, not of the
    /// values: it is larger than the d of two independent groups where the runs agree on which queries are hard.
    /// `None` for one query and for differences that are all equal but for rounding, whose deviation is 0.
    ///
    /// # Source
    /// Cohen (1988), *Statistical Power Analysis for the Behavioral Sciences*, section 2.3.5; Lakens (2013),
    /// *Frontiers in Psychology* 4, for the name d_z.
    ///
    /// # Examples
    /// ```
    /// use retrieval_eval::Paired;
    ///
    /// let paired = Paired::new(&[0.1, 0.2, 0.3], &[0.2, 0.4, 0.6])?;
    /// assert!((paired.cohens_d().unwrap() - 2.0).abs() < 1e-12);
    /// # Ok::<(), retrieval_eval::EvalError>(())
    /// ```
    #[doc(alias = "effect_size")]
    pub fn cohens_d(&self) -> Option<f64> {
        let differences = self.differences();
        let center = mean(&differences);
        let squares: f64 = differences.iter().map(|difference| (difference - center).powi(2)).sum();
        let deviation = (squares / (differences.len() - 1).max(1) as f64).sqrt();
        let largest = self.baseline().iter().chain(self.treatment()).fold(0.0, |max: f64, value| max.max(value.abs()));
        (deviation > super::ROUNDING * largest).then(|| center / deviation)
    }
}
