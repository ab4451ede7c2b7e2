//! The `pretrain` command: see `pretrain --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    pretrain::cli::main()
}
