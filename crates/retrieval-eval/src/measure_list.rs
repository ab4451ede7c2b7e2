use crate::error::EvalError;
use crate::measure::Measure;
use crate::measure_name::from_parts;

/// The cuts of measures that trec_eval prints at several.
const CUTS: &str = "5,10,15,20,30,100,200,500,1000";
const RECALLS: &str = "0.00,0.10,0.20,0.30,0.40,0.50,0.60,0.70,0.80,0.90,1.00";
const MULTIPLES: &str = "0.20,0.40,0.60,0.80,1.00,1.20,1.40,1.60,1.80,2.00";

/// trec_eval's sets of measures, `relstring` and `runid` apart, which are no numbers.
const SETS: [(&str, &str); 3] = [
    ("official", "num_q num_ret num_rel num_rel_ret map gm_map Rprec bpref recip_rank iprec_at_recall P"),
    ("set", "num_q num_ret num_rel num_rel_ret utility set_P set_recall set_relative_P set_map set_F"),
    (
        "all_trec",
        "num_q num_ret num_rel num_rel_ret map gm_map Rprec bpref recip_rank iprec_at_recall P recall infAP gm_bpref \
         Rprec_mult utility 11pt_avg binG G ndcg ndcg_rel Rndcg ndcg_cut map_cut relative_P success set_P \
         set_relative_P set_recall set_map set_F num_nonrel_judged_ret rbp rbp_resid unj",
    ),
];

impl Measure {
    /// The measures that `trec_eval -m name` prints, in its order.
    ///
    /// `name` is that of one measure (any that [`FromStr`](std::str::FromStr) reads), one with several cuts
    /// (`P.5,10`), one with trec_eval's own cuts (`ndcg_cut`), or `official`, `set` or `all_trec` (without `runid` and
    /// `relstring`, which are no numbers).
    ///
    /// # Errors
    /// [`EvalError::UnknownMeasure`].
    ///
    /// # Examples
    /// ```
    /// use retrieval_eval::Measure;
    ///
    /// assert_eq!(Measure::list("P.5,10")?, [Measure::Precision { k: 5 }, Measure::Precision { k: 10 }]);
    /// assert_eq!(Measure::list("success")?.len(), 3);
    /// assert_eq!(Measure::list("nDCG@10")?, [Measure::ndcg(10)]);
    /// # Ok::<(), retrieval_eval::EvalError>(())
    /// ```
    pub fn list(name: &str) -> Result<Vec<Self>, EvalError> {
        if let Some((_, names)) = SETS.iter().find(|(set, _)| set.eq_ignore_ascii_case(name)) {
            let lists = names.split_ascii_whitespace().map(Self::list).collect::<Result<Vec<_>, _>>()?;
            return Ok(lists.concat());
        }
        if let Ok(measure) = name.parse() {
            return Ok(vec![measure]);
        }
        let lower = name.to_ascii_lowercase();
        let all = |stem: &str, arguments: &str| -> Option<Vec<Self>> {
            arguments.split(',').map(|argument| from_parts(stem, Some(argument))).collect()
        };
        // A name may have an underscore, and a recall a point: the first split that reads is the one.
        let mut places = lower.match_indices(['_', '.', '@']);
        places
            .find_map(|(place, _)| all(&lower[..place], &lower[place + 1..]))
            .or_else(|| all(&lower, default_arguments(&lower)?))
            .ok_or_else(|| EvalError::UnknownMeasure { name: name.to_owned() })
    }
}

fn default_arguments(stem: &str) -> Option<&'static str> {
    Some(match stem {
        "p" | "recall" | "ndcg_cut" | "map_cut" | "relative_p" => CUTS,
        "success" => "1,5,10",
        "unj" => "5,10,20",
        "iprec_at_recall" => RECALLS,
        "rprec_mult" => MULTIPLES,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_cuts_make_several_measures() {
        let names =
            |name: &str| -> Vec<String> { Measure::list(name).unwrap().iter().map(Measure::trec_name).collect() };
        assert_eq!(names("ndcg_cut.5,10"), ["ndcg_cut_5", "ndcg_cut_10"]);
        assert_eq!(names("iprec_at_recall.0.1,0.5"), ["iprec_at_recall_0.10", "iprec_at_recall_0.50"]);
        assert_eq!(names("map"), ["map"]);
        assert_eq!(names("official").len(), 29);
        assert_eq!(names("set").len(), 10);
    }

    #[test]
    fn one_bad_cut_spoils_the_list() {
        for name in ["P.5,0", "P.5,", "P.,5", "map.5,x", "all", "", ","] {
            assert!(Measure::list(name).is_err(), "{name}");
        }
    }
}
