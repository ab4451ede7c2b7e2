//! Benchmarks of the whole pipeline: see the files beside this folder.
