//! Answers of the API as people read them.

use levee_core::git::iso_date;
use serde_json::Value;

/// What an answer has for people.
#[derive(Clone, Copy, Debug)]
pub(super) enum View {
    /// A list of objects, one to a line: where it is, and the fields that are shown.
    Rows(&'static str, &'static [&'static str]),
    /// An object, a field to a line: where it is; secrets are left out.
    Fields(&'static str),
    /// The answer itself, a field to a line.
    Object,
    /// One text.
    Text(&'static str),
    /// An object and a text that will not be shown again: an invite's token, an API key.
    FieldsAnd(&'static str, &'static str),
}

/// Not for a screen that others may see; `levee secret show` prints one.
const HIDDEN: [&str; 2] = ["secret1", "secret2"];

impl View {
    /// Lines, each with its end.
    pub(super) fn of(self, answer: &Value) -> String {
        match self {
            Self::Rows(list, columns) => rows(answer[list].as_array(), columns, true),
            Self::Fields(object) => fields(&answer[object]),
            Self::Object => fields(answer),
            Self::Text(name) => format!("{}\n", cell(name, &answer[name])),
            Self::FieldsAnd(object, text) => {
                let mut whole = answer[object].clone();
                whole[text] = answer[text].clone();
                fields(&whole)
            }
        }
    }
}

/// A table; nothing but its head when the list is empty.
pub(super) fn rows(list: Option<&Vec<Value>>, columns: &[&str], with_head: bool) -> String {
    let head = with_head.then(|| columns.iter().map(|name| title(name).to_uppercase()).collect());
    let row = |value: &Value| columns.iter().map(|name| cell(name, &value[*name])).collect();
    let lines: Vec<Vec<String>> =
        head.into_iter().chain(list.into_iter().flatten().map(row)).collect();
    aligned(&lines)
}

fn fields(object: &Value) -> String {
    let shown = object.as_object().into_iter().flatten();
    let shown = shown.filter(|(name, _)| !HIDDEN.contains(&name.as_str()));
    let line = |(name, value): (&String, &Value)| vec![title(name), cell(name, value)];
    aligned(&shown.map(line).collect::<Vec<_>>())
}

/// Columns as wide as their widest cell, two spaces between.
fn aligned(lines: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = lines.iter().filter_map(|line| line.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..lines.first().map_or(0, Vec::len)).map(width).collect();
    let mut text = String::new();
    for line in lines {
        let cells = line.iter().zip(&widths).map(|(cell, &width)| format!("{cell:width$}"));
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// A field's name without its unit.
fn title(name: &str) -> String {
    let bare = name.strip_suffix("_ms").or_else(|| name.strip_suffix("_s")).unwrap_or(name);
    bare.replace('_', " ")
}

fn cell(name: &str, value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Number(number) => match (time_s(name, number.as_i64()), number) {
            (Some(time_s), _) => iso_date(time_s).replace(".000Z", "Z"),
            (None, number) => number.to_string(),
        },
        Value::String(text) if text.is_empty() => "-".to_owned(),
        Value::String(text) => plain(text),
        Value::Array(list) if list.is_empty() => "-".to_owned(),
        Value::Array(list) => list.iter().map(|one| cell(name, one)).collect::<Vec<_>>().join(","),
        Value::Object(object) => {
            let given = object.iter().filter(|(_, value)| !value.is_null());
            let pairs = given.map(|(key, value)| format!("{key}={}", cell(key, value)));
            let text = pairs.collect::<Vec<_>>().join(" ");
            if text.is_empty() { "-".to_owned() } else { text }
        }
    }
}

/// Unix time in seconds, of a field whose name says that it is a time.
fn time_s(name: &str, number: Option<i64>) -> Option<i64> {
    match name {
        "created_at" => number,
        name if name.ends_with("_ms") => number.map(|time_ms| time_ms / 1000),
        name if name.ends_with("_s") => number,
        _ => None,
    }
}

/// Names come from other people: none of them may steer this terminal.
fn plain(text: &str) -> String {
    // The latter turn the direction of what is written.
    let is_steering = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}')
            || matches!(c, '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|c| if is_steering(c) { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_table_is_aligned_and_says_times_as_dates() {
        let answer = json!({ "rows": [
            { "id": "a", "since_s": 0, "role": null },
            { "id": "longer", "since_s": 86_400, "role": "owner" },
        ] });
        let text = View::Rows("rows", &["id", "since_s", "role"]).of(&answer);
        let lines = [
            "ID      SINCE                 ROLE",
            "a       1970-01-01T00:00:00Z  -",
            "longer  1970-01-02T00:00:00Z  owner",
        ];
        assert_eq!(text, lines.join("\n") + "\n");
        assert_eq!(View::Rows("rows", &["id"]).of(&json!({ "rows": [] })), "ID\n");
    }

    #[test]
    fn an_object_shows_no_secrets_unless_they_are_what_it_is_about() {
        let answer = json!({
            "tenant": { "id": "a", "secret1": "x", "limits": { "documents": 3, "connections": null } },
            "key": "lvk_1",
        });
        let text = View::Fields("tenant").of(&answer);
        assert_eq!(text, "id      a\nlimits  documents=3\n");
        assert!(View::FieldsAnd("tenant", "key").of(&answer).ends_with("key     lvk_1\n"));
    }

    #[test]
    fn a_name_cannot_steer_the_terminal() {
        let answer = json!({ "name": "a\u{1b}[2Jb\n\u{202e}c" });
        assert_eq!(View::Text("name").of(&answer), "a\u{fffd}[2Jb\u{fffd}\u{fffd}c\n");
    }
}
