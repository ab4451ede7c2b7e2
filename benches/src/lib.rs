//! Whole-pipeline benchmarks; `peers/` compares with other libraries.
