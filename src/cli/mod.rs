//! The command line: one flag per option of the table, a few commands, documented exit codes.

mod export;
mod manual;
mod remote;
mod user;

use crate::boot::{self, Ended};
use crate::config::options::{self, Spec};
use crate::config::value::Kind;
use crate::config::{Config, ConfigError, Inputs, document};
use crate::observe;
use crate::schema;
use clap::{Arg, ArgAction, ArgMatches, Command, FromArgMatches as _, Subcommand as _};
use clap_complete::Shell;
use levee_core::ids::DocKey;
use remote::Remote;
use serde_json::json;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

/// Done; or stopped when asked, everything settled.
pub const EXIT_OK: u8 = 0;
/// Could not start or could not go on; or a running service refused.
pub const EXIT_FAILED: u8 = 1;
/// Wrong usage or configuration (clap's own code for the former).
pub const EXIT_USAGE: u8 = 2;
/// A second interrupt cut the drain short.
pub const EXIT_INTERRUPTED: u8 = 130;

const EXAMPLES: &str = "\
Examples:
  levee serve --dev                      a service for this machine, data in ./data
  levee serve --config /etc/levee.toml   a service for others
  levee config show --config levee.toml  what is in force, and why
  levee git export acme notes --data ./data --out notes.git
  levee user create --email ann@example.org --admin --config /etc/levee.toml
  levee tenant list                      on a service on this machine, key in LEVEE_ADMIN_KEY

Exit codes: 0 done, or stopped when asked; 1 refused, could not start or go on; 2 wrong usage or
configuration; 130 interrupted twice.";

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    let matches = command().get_matches();
    let code = match matches.subcommand() {
        Some(("serve", args)) => serve(args),
        Some(("config", args)) => config(args),
        Some(("git", args)) => git(args),
        Some(("user", args)) if is_at_rest(args) => user(args),
        Some(("schema", args)) => print_schema(args),
        Some(("version", _)) => print(&format!("levee {}\n", env!("CARGO_PKG_VERSION"))),
        Some(("completions", args)) => completions(args),
        Some(("man", args)) => man(args),
        _ => remote(&matches),
    };
    ExitCode::from(code)
}

/// What a running service is asked to do.
fn remote(matches: &ArgMatches) -> u8 {
    let asked = match Remote::from_arg_matches(matches) {
        Ok(asked) => asked,
        // Not a mistake of whoever typed it: `command` and this have the same definitions.
        Err(error) => {
            let _ = error.print();
            return EXIT_USAGE;
        }
    };
    match asked.run() {
        Ok(()) => EXIT_OK,
        Err(error) => {
            eprintln!("levee: {error}");
            if error.is_usage() { EXIT_USAGE } else { EXIT_FAILED }
        }
    }
}

fn completions(args: &ArgMatches) -> u8 {
    let Some(shell) = args.get_one::<Shell>("shell") else {
        return EXIT_USAGE;
    };
    manual::completions(command(), *shell);
    EXIT_OK
}

fn man(args: &ArgMatches) -> u8 {
    let Some(dir) = args.get_one::<PathBuf>("dir") else {
        return EXIT_USAGE;
    };
    match manual::pages(command(), dir) {
        Ok(()) => EXIT_OK,
        Err(error) => {
            eprintln!("levee: cannot write manual pages to {}: {error}", dir.display());
            EXIT_FAILED
        }
    }
}

fn serve(args: &ArgMatches) -> u8 {
    let config = match Config::load(&inputs(args)) {
        Ok((config, _)) => config,
        Err(error) => return refuse(&error),
    };
    let _log = match observe::start_log(config.log) {
        Ok(log) => log,
        Err(error) => {
            eprintln!("levee: cannot start the log: {error}");
            return EXIT_FAILED;
        }
    };
    match boot::serve(&config) {
        Ok(Ended::Settled) => EXIT_OK,
        Ok(Ended::Interrupted) => EXIT_INTERRUPTED,
        Err(error) => {
            eprintln!("levee: {error}");
            EXIT_FAILED
        }
    }
}

fn config(args: &ArgMatches) -> u8 {
    match args.subcommand() {
        Some(("doc", _)) => print(&document::markdown()),
        Some(("check", args)) => match Config::load(&inputs(args)) {
            Ok(_) => print("the configuration is valid\n"),
            Err(error) => refuse(&error),
        },
        Some(("show", args)) => match Config::load(&inputs(args)) {
            Ok((config, settings)) => print(&document::show(&settings, &config.tenants)),
            Err(error) => refuse(&error),
        },
        _ => EXIT_USAGE,
    }
}

fn git(args: &ArgMatches) -> u8 {
    let Some(("export", args)) = args.subcommand() else {
        return EXIT_USAGE;
    };
    let text = |name: &str| args.get_one::<String>(name).map_or("", String::as_str);
    let path = |name: &str| PathBuf::from(text(name));
    let doc = DocKey::new(text("tenant"), text("document"));
    match export::run(&doc, &path("data"), &path("out")) {
        Ok(exported) => print(&format!("{} objects in {}\n", exported.objects, text("out"))),
        Err(error) => {
            eprintln!("levee: {error}");
            EXIT_FAILED
        }
    }
}

/// Whether an account is to be made in the data of a stopped service: if the command line says
/// where that is. Otherwise a running one is asked.
fn is_at_rest(args: &ArgMatches) -> bool {
    args.subcommand_matches("create").is_some_and(|args| {
        args.get_flag("dev") || ["config", "data"].iter().any(|name| args.contains_id(name))
    })
}

fn user(args: &ArgMatches) -> u8 {
    let Some(("create", args)) = args.subcommand() else {
        return EXIT_USAGE;
    };
    let config = match Config::load(&inputs(args)) {
        Ok((config, _)) => config,
        Err(error) => return refuse(&error),
    };
    let text = |name: &str| args.get_one::<String>(name).cloned().unwrap_or_default();
    let new = user::NewUser {
        email: text("email"),
        display_name: text("name"),
        is_admin: args.get_flag("admin"),
        is_password_given: args.get_flag("password_stdin"),
    };
    match user::create(&config, new) {
        Ok(made) if args.get_flag("json") => {
            let shown = json!({ "user": made.account, "password": made.password });
            print(&format!("{shown}\n"))
        }
        Ok(user::Made { account, password }) => {
            let password = password.map(|text| format!("password {text}\n")).unwrap_or_default();
            print(&format!("{} {}\n{password}", account.id, account.email))
        }
        Err(error) => {
            eprintln!("levee: {error}");
            EXIT_FAILED
        }
    }
}

fn print_schema(args: &ArgMatches) -> u8 {
    let found = match args.get_one::<String>("name") {
        None => schema::document(),
        Some(name) => match schema::definition(name) {
            Some(found) => found,
            None => {
                eprintln!(
                    "levee: no definition {name:?}; there are: {}",
                    schema::names().join(", ")
                );
                return EXIT_USAGE;
            }
        },
    };
    print(&format!("{found:#}\n"))
}

/// Standard output may be a closed pipe (`levee config show | head`); that is no failure.
fn print(text: &str) -> u8 {
    let _ = std::io::stdout().write_all(text.as_bytes());
    EXIT_OK
}

fn refuse(error: &ConfigError) -> u8 {
    eprintln!("levee: {error}");
    EXIT_USAGE
}

/// The whole command line.
fn command() -> Command {
    let config = Command::new("config")
        .about("Check, show or document the configuration")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(configured(Command::new("check").about("Say what is wrong, or nothing")))
        .subcommand(configured(
            Command::new("show")
                .about("Print the options in force and where each comes from; secrets are hidden"),
        ))
        .subcommand(Command::new("doc").about("Print docs/configuration.md"));
    let git = Command::new("git")
        .about("Documents as git repositories")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(
            Command::new("export")
                .about(
                    "Write a document's versions as a bare repository; the service must be stopped",
                )
                .arg(Arg::new("tenant").required(true))
                .arg(Arg::new("document").required(true))
                .arg(Arg::new("data").long("data").default_value("./data").value_name("DIR"))
                .arg(Arg::new("out").long("out").required(true).value_name("DIR")),
        );
    let schema = Command::new("schema")
        .about("Print messages, REST bodies and configuration as JSON Schema")
        .arg(Arg::new("name").help("One definition, with those it refers to [default: all]"));
    let completions = Command::new("completions")
        .about("Print the completions of a shell")
        .arg(Arg::new("shell").required(true).value_parser(clap::value_parser!(Shell)));
    let dir = Arg::new("dir").required(true).value_parser(clap::value_parser!(PathBuf));
    let man = Command::new("man")
        .about("Write the manual pages of all commands to a directory")
        .arg(dir.value_name("DIR"));
    let levee = Command::new("levee")
        .about("A complete Fluid Framework service in one binary")
        .after_help(EXAMPLES)
        .version(env!("CARGO_PKG_VERSION"))
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(configured(Command::new("serve").about("Run the service")));
    Remote::augment_subcommands(levee)
        // Also done in data at rest, for which the service's own options say where that is.
        .mut_subcommand("user", |user| user.mut_subcommand("create", configured))
        .subcommand(config)
        .subcommand(git)
        .subcommand(schema)
        .subcommand(completions)
        .subcommand(man)
        .subcommand(Command::new("version").about("Print the version"))
}

/// Adds `--config`, `--dev` and one flag per option.
fn configured(command: Command) -> Command {
    let file = Arg::new("config")
        .long("config")
        .value_name("FILE")
        .value_parser(clap::value_parser!(PathBuf))
        .help("TOML file with options and tenants");
    let dev = Arg::new("dev")
        .long("dev")
        .action(ArgAction::SetTrue)
        .help("For this machine only: loopback, ports 4000, 7070 and 7071, well-known tenants");
    let command = command.arg(file).arg(dev).after_help(EXAMPLES);
    options::GROUPS.iter().fold(command, |command, (title, specs)| {
        command.next_help_heading(*title).args(specs.iter().map(flag))
    })
}

fn flag(spec: &'static Spec) -> Arg {
    let default = match spec.default {
        "" => String::new(),
        text => format!(" [default: {text}]"),
    };
    let arg = Arg::new(spec.name).long(spec.flag()).help(format!(
        "{}{default} [env: {}]",
        spec.help,
        spec.env()
    ));
    match spec.kind {
        // `--accept-damage` and `--accept-damage=false` both read well.
        Kind::Switch => arg.num_args(0..=1).require_equals(true).default_missing_value("true"),
        Kind::Addresses => arg.action(ArgAction::Append).value_name("ADDRESS:PORT"),
        Kind::CpuList => arg.value_name("CPUS"),
        Kind::Count { .. } => arg.value_name("COUNT"),
        Kind::Bytes { .. } => arg.value_name("BYTES"),
        Kind::Millis { .. } => arg.value_name("MS"),
        Kind::Choice(choices) => arg.value_name(choices.join("|")),
        Kind::Path => arg.value_name("PATH"),
        Kind::Text => arg.value_name("TEXT"),
    }
}

/// What the process was given: flags, environment, `--config`, `--dev`.
fn inputs(args: &ArgMatches) -> Inputs {
    let mut flags = BTreeMap::new();
    for spec in options::all() {
        if let Some(values) = args.get_many::<String>(spec.name) {
            flags.insert(spec.name, values.map(String::as_str).collect::<Vec<_>>().join(","));
        }
    }
    let text = |pair: (std::ffi::OsString, std::ffi::OsString)| {
        Some((pair.0.into_string().ok()?, pair.1.into_string().ok()?))
    };
    Inputs {
        file: args.get_one::<PathBuf>("config").cloned(),
        flags,
        env: std::env::vars_os().filter_map(text).collect(),
        dev: args.get_flag("dev"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        command().debug_assert();
    }

    #[test]
    fn flags_become_option_texts() {
        let line = ["levee", "serve", "--dev", "--listen", "127.0.0.1:1", "--listen=127.0.0.1:2"];
        let more = ["--accept-damage", "--frame-bytes-max", "1MiB"];
        let matches = command().get_matches_from(line.iter().chain(&more));
        let (_, args) = matches.subcommand().unwrap();
        let inputs = inputs(args);
        assert!(inputs.dev);
        assert_eq!(inputs.flags.get("listen").unwrap(), "127.0.0.1:1,127.0.0.1:2");
        assert_eq!(inputs.flags.get("accept_damage").unwrap(), "true");
        assert_eq!(inputs.flags.get("frame_bytes_max").unwrap(), "1MiB");
        assert_eq!(inputs.flags.len(), 3);
    }
}
