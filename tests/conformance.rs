//! `docs/phoenix-conformance.md` names the test that holds each rule of the wire: they are there.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

const PAGE: &str = "docs/phoenix-conformance.md";
const E2E: &str = "clients/e2e/tests/";
const ROWS_MIN: usize = 70;

struct Row<'a> {
    line: usize,
    held_by: Vec<&'a str>,
}

/// The tables' rows without their heads.
fn rows(page: &str) -> Vec<Row<'_>> {
    let mut rows = Vec::new();
    for (at, line) in page.lines().enumerate() {
        let Some(cells) = line.strip_prefix('|').and_then(|line| line.strip_suffix('|')) else {
            continue;
        };
        let last = cells.rsplit('|').next().unwrap_or_default().trim();
        if last == "held by" || last.starts_with("---") {
            continue;
        }
        let held_by = last.split('`').skip(1).step_by(2).collect();
        rows.push(Row { line: at + 1, held_by });
    }
    rows
}

/// Is there a test of this name? For Rust a function that `#[test]` stands before, for Vitest a
/// call with this title.
fn has_test(text: &str, kind: Kind, name: &str) -> bool {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    match kind {
        Kind::Rust => lines.iter().enumerate().any(|(at, line)| {
            let is_named = line.strip_prefix("fn ").is_some_and(|rest| {
                rest.strip_prefix(name).is_some_and(|rest| rest.starts_with('('))
            });
            let above = lines[..at].iter().rev();
            is_named && above.take_while(|line| line.starts_with("#[")).any(|l| *l == "#[test]")
        }),
        Kind::Vitest => {
            let title = format!("\"{name}\",");
            lines.iter().enumerate().any(|(at, line)| {
                // A long title stands on a line of its own.
                let is_call = line.ends_with(&format!("({title} async () => {{"))
                    || (*line == title && at > 0 && lines[at - 1].ends_with('('));
                is_call && !line.contains(".skip") && !line.contains(".todo")
            })
        }
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Rust,
    Vitest,
}

#[test]
fn every_test_that_the_page_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join(PAGE)).expect("the page");
    let rows = rows(&page);
    assert!(rows.len() >= ROWS_MIN, "the tables were found: {} rows", rows.len());
    let mut texts: HashMap<String, String> = HashMap::new();
    let mut wrong = Vec::new();
    for Row { line, held_by } in rows {
        if held_by.is_empty() {
            wrong.push(format!("{PAGE}:{line}: held by nothing"));
        }
        for named in held_by {
            let (file, name, kind) = match (named.split_once(" › "), named.split_once("::")) {
                (Some((file, title)), _) => (file, title, Kind::Vitest),
                (None, Some((file, test))) => (file, test, Kind::Rust),
                (None, None) => {
                    wrong.push(format!("{PAGE}:{line}: not a test's name: {named}"));
                    continue;
                }
            };
            let path = match file.strip_prefix("e2e/") {
                Some(rest) => format!("{E2E}{rest}"),
                None => file.to_owned(),
            };
            let read = || fs::read_to_string(root.join(&path)).unwrap_or_default();
            let text = texts.entry(path.clone()).or_insert_with(read);
            if !has_test(text, kind, name) {
                wrong.push(format!("{PAGE}:{line}: not in {path}: {name}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_name_that_is_only_mentioned_is_no_test() {
    let rust = "#[test]\nfn yes() {}\n// fn no()\nfn no() {}\nfn yes_and_more() {}";
    assert!(has_test(rust, Kind::Rust, "yes"));
    assert!(!has_test(rust, Kind::Rust, "no") && !has_test(rust, Kind::Rust, "yes_and_more"));
    let vitest = "test(\"a\", async () => {\nneeds(\"x\")(\n\"b\",\nconst c = \"c\";\nx.skip(\"d\", async () => {";
    assert!(has_test(vitest, Kind::Vitest, "a") && has_test(vitest, Kind::Vitest, "b"));
    assert!(!has_test(vitest, Kind::Vitest, "c") && !has_test(vitest, Kind::Vitest, "d"));
}
