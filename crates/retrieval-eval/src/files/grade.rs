use serde::{Deserialize, Deserializer, de};

use crate::problem::Problem;

/// A grade as any tool writes it: `1`, or `1.0` where it went through a table of floats.
pub(crate) fn parse_grade(text: &str) -> Result<i32, Problem> {
    let grade = text.parse().ok().or_else(|| whole(text.parse().ok()?));
    grade.ok_or_else(|| Problem::Grade { text: text.to_owned() })
}

fn whole(number: f64) -> Option<i32> {
    let grade = number as i32;
    (f64::from(grade) == number).then_some(grade)
}

/// The same in JSON.
pub(crate) struct Grade(pub(crate) i32);

impl<'de> Deserialize<'de> for Grade {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = f64::deserialize(deserializer)?;
        whole(number).map(Self).ok_or_else(|| de::Error::custom(Problem::Grade { text: number.to_string() }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_are_grades_however_they_are_written() {
        for (text, grade) in [("1", 1), ("1.0", 1), ("-2.", -2), ("+3", 3), ("2147483647.0", i32::MAX)] {
            assert_eq!(parse_grade(text), Ok(grade), "{text}");
        }
        for text in ["1.5", "", "one", "NaN", "inf", "2147483648", "-2147483649.0", "1,0"] {
            assert_eq!(parse_grade(text), Err(Problem::Grade { text: text.to_owned() }));
        }
    }
}
