//! The house rules, as a test: sizes, imports that point one way, and the marks of the walk.

use std::fs;
use std::path::{Path, PathBuf};

const FILE_CODE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 70;
const LINE_CHARS_MAX: usize = 100;

/// What a module of the server package may import of its siblings: only boxes below it.
const IMPORTS: &[(&str, &[&str])] = &[
    ("main", &["cli"]),
    (
        "cli",
        &["boot", "config", "directory", "git_export", "observe", "runtime", "schema", "store"],
    ),
    ("boot", &["config", "directory", "http", "identity", "observe", "runtime", "server", "store"]),
    ("config", &["runtime", "store"]),
    ("server", &["directory", "http", "observe", "runtime", "store"]),
    ("http", &["directory", "identity", "observe", "runtime", "store"]),
    ("store", &["runtime"]),
    ("directory", &["runtime"]),
    ("identity", &[]),
    ("runtime", &[]),
    ("observe", &["store"]),
    ("git_export", &[]),
    ("schema", &["config"]),
];

/// The walk of one operation: where each mark stands. `docs/ARCHITECTURE.md` has the same table.
const WALK: &[(u8, &str)] = &[
    (1, "src/server/conn.rs"),
    (2, "src/core/shard.rs"),
    (3, "src/core/wire/websocket.rs"),
    (4, "src/core/dialect/mod.rs"),
    (5, "src/core/shard/messages.rs"),
    (6, "src/core/document.rs"),
    (7, "src/core/sequencer.rs"),
    (8, "src/core/encode.rs"),
    (9, "src/core/commit.rs"),
    (10, "src/store/log.rs"),
    (11, "src/core/fanout.rs"),
    (12, "src/server/conn.rs"),
];

struct Source {
    name: String,
    text: String,
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn collect(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display())) {
        let path = entry.expect("a directory entry").path();
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        if path.is_dir() {
            if !matches!(name.as_str(), "target" | "node_modules" | "fuzz") {
                collect(&path, found);
            }
        } else if name.ends_with(".rs") {
            found.push(path);
        }
    }
}

/// Every Rust file below these folders.
fn sources(folders: &[&str]) -> Vec<Source> {
    let mut paths = Vec::new();
    for folder in folders {
        collect(&root().join(folder), &mut paths);
    }
    paths.sort();
    assert!(paths.len() > 20, "the sources were found: {}", paths.len());
    let read = |path: PathBuf| Source {
        name: path.strip_prefix(root()).expect("below the root").display().to_string(),
        text: fs::read_to_string(&path).expect("readable"),
    };
    paths.into_iter().map(read).collect()
}

/// The lines in front of a file's unit tests.
fn product_lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().take_while(|line| line.trim_end() != "#[cfg(test)]")
}

fn is_code(line: &str) -> bool {
    let line = line.trim_start();
    !line.is_empty() && !line.starts_with("//")
}

fn complain(what: &str, found: &[String]) {
    assert!(found.is_empty(), "{what}:\n  {}", found.join("\n  "));
}

#[test]
fn files_are_short() {
    let mut long = Vec::new();
    for source in sources(&["src", "loadtest/src"]) {
        let code = product_lines(&source.text).filter(|line| is_code(line)).count();
        if code > FILE_CODE_LINES_MAX && !source.name.ends_with("tests.rs") {
            long.push(format!("{}: {code} code lines", source.name));
        }
    }
    complain("files above 500 code lines", &long);
}

#[test]
fn lines_are_short() {
    let mut long = Vec::new();
    for source in sources(&["src", "loadtest/src", "tests"]) {
        for (at, line) in source.text.lines().enumerate() {
            // A literal, of which there are many on the wire, cannot always be cut.
            let is_literal = line.contains('"') || line.trim_end().ends_with('\\');
            if line.chars().count() > LINE_CHARS_MAX && !is_literal {
                long.push(format!("{}:{}", source.name, at + 1));
            }
        }
    }
    complain("lines above 100 characters", &long);
}

#[test]
fn functions_are_short() {
    let mut long = Vec::new();
    let files = sources(&["src", "loadtest/src"]);
    for source in files.iter().filter(|source| !source.name.ends_with("tests.rs")) {
        let mut open: Option<(usize, usize, String)> = None;
        for (at, line) in product_lines(&source.text).enumerate() {
            let indent = line.len() - line.trim_start().len();
            match &open {
                None if is_function(line) && !line.trim_end().ends_with(';') => {
                    open = Some((at, indent, line.trim().to_owned()));
                }
                Some((start, outer, head)) if indent == *outer && line.trim() == "}" => {
                    if at - start + 1 > FUNCTION_LINES_MAX {
                        let lines = at - start + 1;
                        long.push(format!("{}: {lines} lines: {head}", source.name));
                    }
                    open = None;
                }
                Some((_, outer, _)) if indent == *outer && line.trim_end().ends_with(';') => {
                    open = None; // a declaration without a body
                }
                _ => {}
            }
        }
    }
    complain("functions above 70 lines", &long);
}

fn is_function(line: &str) -> bool {
    let mut words = line.split_whitespace().peekable();
    let is_prefix = |word: &&str| {
        word.starts_with("pub") || matches!(*word, "async" | "const" | "unsafe" | "extern")
    };
    while words.next_if(is_prefix).is_some() {}
    words.next() == Some("fn")
}

#[test]
fn imports_point_one_way() {
    let modules: Vec<&str> = IMPORTS.iter().map(|(module, _)| *module).collect();
    let mut wrong = Vec::new();
    for source in sources(&["src"]) {
        let Some(rest) = source.name.strip_prefix("src/") else {
            continue;
        };
        let module = rest.split(['/', '.']).next().unwrap_or_default();
        if matches!(module, "core" | "lib") {
            continue;
        }
        let Some((_, allowed)) = IMPORTS.iter().find(|(name, _)| *name == module) else {
            wrong.push(format!("{}: module {module} is not in the table", source.name));
            continue;
        };
        for (at, line) in product_lines(&source.text).enumerate() {
            for other in &modules {
                let names = [format!("crate::{other}::"), format!("levee::{other}::")];
                let is_used = names.iter().any(|name| line.contains(name.as_str()));
                if is_used && is_code(line) && *other != module && !allowed.contains(other) {
                    wrong.push(format!("{}:{}: imports {other}", source.name, at + 1));
                }
            }
        }
    }
    complain("imports against the arrows", &wrong);
}

#[test]
fn the_walk_is_marked_where_its_table_says() {
    let mut found: Vec<(u8, String)> = Vec::new();
    for source in sources(&["src"]) {
        for line in source.text.lines() {
            if let Some(mark) = line.trim().strip_prefix("// walk ") {
                let number = mark.split('/').next().and_then(|n| n.parse().ok());
                found.push((number.expect("a mark is `// walk n/12`"), source.name.clone()));
            }
        }
    }
    found.sort();
    let expected: Vec<_> = WALK.iter().map(|(n, file)| (*n, (*file).to_owned())).collect();
    assert_eq!(found, expected);
    let doc = fs::read_to_string(root().join("docs/ARCHITECTURE.md")).expect("the document");
    for (number, file) in WALK {
        let row = format!("| {number} | `{}`", file.trim_start_matches("src/"));
        assert!(doc.contains(&row), "docs/ARCHITECTURE.md lacks the row: {row}");
    }
}

#[test]
fn nothing_names_one_machine_or_a_registry() {
    // Put together here, so that this file does not complain of itself.
    let forbidden = [["/ro", "ot/.cargo"].concat(), ["registry.npmjs", ".org"].concat()];
    let mut found = Vec::new();
    for folder in ["clients", "docs", "loadtest", "src", "tests", "tuning"] {
        each_text(&root().join(folder), &mut |path, text| {
            for word in forbidden.iter().filter(|word| text.contains(word.as_str())) {
                found.push(format!("{}: {word}", path.display()));
            }
        });
    }
    complain("paths or hosts of one machine", &found);
}

fn each_text(dir: &Path, visit: &mut dyn FnMut(&Path, &str)) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if matches!(name.as_str(), "node_modules" | "target" | "dist" | ".git") {
            continue;
        }
        if path.is_dir() {
            each_text(&path, visit);
        } else if let Ok(text) = fs::read_to_string(&path) {
            visit(&path, &text);
        }
    }
}

#[test]
fn unsafe_code_says_why_and_the_core_has_none() {
    let mut bare = Vec::new();
    for source in sources(&["src", "loadtest/src"]) {
        let lines: Vec<&str> = source.text.lines().collect();
        for (at, line) in lines.iter().enumerate() {
            let is_unsafe = is_code(line) && line.contains("unsafe {");
            let said = lines.iter().take(at).rev().take(6).any(|line| line.contains("SAFETY:"));
            if is_unsafe && (!said || source.name.starts_with("src/core/")) {
                bare.push(format!("{}:{}", source.name, at + 1));
            }
        }
    }
    complain("unsafe without its SAFETY line, or in the core", &bare);
}
