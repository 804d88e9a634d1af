//! Shell completions and manual pages, made of the command line's own definitions.

use clap::Command;
use clap_complete::Shell;
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

/// Writes the completions of a shell to standard output.
pub(super) fn completions(mut command: Command, shell: Shell) {
    let mut text = Vec::new();
    let name = command.get_name().to_owned();
    clap_complete::generate(shell, &mut command, name, &mut text);
    // A closed pipe is no failure.
    let _ = io::stdout().write_all(&text);
}

/// Writes a page for the program and for each of its commands into a directory, made if absent.
pub(super) fn pages(command: Command, dir: &Path) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    clap_mangen::generate_to(command, dir)
}
