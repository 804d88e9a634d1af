//! Flags → configuration → boot; the exit code. Nothing else.

use std::process::ExitCode;

/// Keeps a thread's memory on its core.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    levee::cli::main()
}
