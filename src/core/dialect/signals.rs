//! Signals inside a `submitSignal`: the forms of both wires, brought to one.

use super::frame::put;
use super::{Dialect, RawSignal, Targets};
use crate::wire::json::{ArrayIter, Kind, Raw};
use std::borrow::Cow;

/// Why an item is not a signal. Socket.IO answers any of them with a nack, Phoenix drops the item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignalFault {
    /// The batches are not an array.
    #[error("signals are not in an array")]
    NotAnArray,
    /// A form that the connection did not announce, or that no wire knows.
    #[error("signal has the wrong form")]
    WrongForm,
    /// No content, null, or on Socket.IO another kind than a string: clients assert a string.
    #[error("signal has no usable content")]
    BadContent,
    /// A routing member of the wrong type.
    #[error("signal has a member of the wrong type")]
    BadMember,
}

/// The signals of `batches` in order. `signals_v2` is what the connection announced: on Socket.IO
/// it decides between objects and strings; Phoenix tells the forms apart by their members.
///
/// Borrows everything that arrived unescaped; only JSON inside JSON strings (Phoenix) is copied.
pub fn each(
    dialect: Dialect,
    signals_v2: bool,
    batches: &[u8],
) -> impl Iterator<Item = Result<RawSignal<'_>, SignalFault>> {
    let form = match (dialect, signals_v2) {
        (Dialect::SocketIo, true) => Form::Objects,
        (Dialect::SocketIo, false) => Form::Strings,
        (Dialect::Phoenix | Dialect::PhoenixMsgpack, _) => Form::Mixed,
    };
    let items = Raw::parse(batches).ok().and_then(Raw::array);
    Each {
        form,
        fault: items.is_none().then_some(SignalFault::NotAnArray),
        items,
        inner: None,
        parsed: Vec::new().into_iter(),
    }
}

/// How a connection writes its signals.
#[derive(Clone, Copy)]
enum Form {
    /// Socket.IO v2: `[{"content":"…"},…]`.
    Objects,
    /// Socket.IO v1: `["…",["…"],…]`.
    Strings,
    /// Phoenix: objects of either version and JSON strings of them, each alone or in an array.
    Mixed,
}

struct Each<'a> {
    form: Form,
    fault: Option<SignalFault>,
    items: Option<ArrayIter<'a>>,
    /// The batch under way.
    inner: Option<ArrayIter<'a>>,
    /// Signals of a batch that came as a JSON string.
    parsed: std::vec::IntoIter<Result<RawSignal<'a>, SignalFault>>,
}

impl<'a> Iterator for Each<'a> {
    type Item = Result<RawSignal<'a>, SignalFault>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(fault) = self.fault.take() {
            return Some(Err(fault));
        }
        loop {
            if let Some(signal) = self.parsed.next() {
                return Some(signal);
            }
            if let Some(item) = self.inner.as_mut().and_then(Iterator::next) {
                return Some(self.read_inner(item));
            }
            let item = self.items.as_mut()?.next()?;
            match (self.form, item.kind()) {
                (Form::Objects, _) => return Some(read_object(item)),
                (Form::Strings | Form::Mixed, Kind::Array) => self.inner = item.array(),
                (Form::Strings, _) => return Some(read_string(item)),
                (Form::Mixed, Kind::String) => self.parsed = read_text(item).into_iter(),
                (Form::Mixed, _) => return Some(read_mixed(item)),
            }
        }
    }
}

impl<'a> Each<'a> {
    fn read_inner(&self, item: Raw<'a>) -> Result<RawSignal<'a>, SignalFault> {
        match (self.form, item.kind()) {
            (Form::Strings | Form::Objects, _) => read_string(item),
            (Form::Mixed, Kind::String) => {
                // In an array a string holds one signal.
                let mut signals = read_text(item);
                match signals.len() {
                    1 => signals.swap_remove(0),
                    _ => Err(SignalFault::WrongForm),
                }
            }
            (Form::Mixed, _) => read_mixed(item),
        }
    }
}

fn untargeted(content: Raw<'_>) -> RawSignal<'_> {
    RawSignal {
        content: Cow::Borrowed(content.bytes()),
        targets: Targets::Everyone,
        extra: Cow::Borrowed(b""),
    }
}

fn read_string(item: Raw<'_>) -> Result<RawSignal<'_>, SignalFault> {
    match item.kind() {
        Kind::String => Ok(untargeted(item)),
        Kind::Null | Kind::Bool | Kind::Number | Kind::Array | Kind::Object => {
            Err(SignalFault::WrongForm)
        }
    }
}

/// Socket.IO v2. Members beside the content are echoed, whatever they are.
fn read_object(item: Raw<'_>) -> Result<RawSignal<'_>, SignalFault> {
    let Some(fields) = item.object() else {
        return Err(SignalFault::WrongForm);
    };
    let mut content = None;
    let mut targets = Targets::Everyone;
    let mut extra = Vec::new();
    for (key, value) in fields {
        let is_sound = match key {
            b"content" => {
                content = Some(value);
                continue;
            }
            b"clientId" => continue,
            b"targetClientId" => match value.as_str() {
                Some(id) => {
                    targets = Targets::One(id);
                    true
                }
                None => false,
            },
            b"type" => value.kind() == Kind::String,
            b"clientConnectionNumber" | b"referenceSequenceNumber" => value.kind() == Kind::Number,
            _ => true,
        };
        if !is_sound {
            return Err(SignalFault::BadMember);
        }
        let separator: &[u8] = if extra.is_empty() { b"" } else { b"," };
        put(&mut extra, &[separator, b"\"", key, b"\":", value.bytes()]);
    }
    match content {
        Some(content) if content.kind() == Kind::String => Ok(RawSignal {
            content: Cow::Borrowed(content.bytes()),
            targets,
            extra: Cow::Owned(extra),
        }),
        Some(_) | None => Err(SignalFault::BadContent),
    }
}

/// Phoenix: v1 if it has `address` or `contents`, v2 otherwise.
fn read_mixed(item: Raw<'_>) -> Result<RawSignal<'_>, SignalFault> {
    if item.kind() != Kind::Object {
        return Err(SignalFault::WrongForm);
    }
    let contents = item.field("contents");
    if contents.is_some() || item.field("address").is_some() {
        let content = contents.and_then(|contents| contents.field("content"));
        return present(content).map(untargeted).ok_or(SignalFault::BadContent);
    }
    let wrapped = item.field("signal").filter(|signal| {
        let fields = signal.object();
        fields.is_some_and(|mut fields| fields.next().is_some())
    });
    let signal = wrapped.unwrap_or(item);
    let content = present(signal.field("content")).ok_or(SignalFault::BadContent)?;
    let one = || signal.field("targetClientId")?.as_str().filter(|id| !id.is_empty());
    let targets = match (clients(item, "targetedClients"), clients(item, "ignoredClients")) {
        (Some(only), _) => Targets::Only(only),
        (None, Some(except)) => Targets::Except(except),
        (None, None) => one().map_or(Targets::Everyone, Targets::One),
    };
    Ok(RawSignal { targets, ..untargeted(content) })
}

fn present(value: Option<Raw<'_>>) -> Option<Raw<'_>> {
    value.filter(|value| !value.is_null())
}

/// A list of client ids; counts only if it holds strings and not nothing.
fn clients<'a>(item: Raw<'a>, name: &str) -> Option<Vec<Cow<'a, str>>> {
    let ids: Option<Vec<_>> = item.field(name)?.array()?.map(Raw::as_str).collect();
    ids.filter(|ids| !ids.is_empty())
}

/// Phoenix: a string is JSON of one signal or of a list of them; other text is itself the content.
fn read_text<'a>(item: Raw<'a>) -> Vec<Result<RawSignal<'a>, SignalFault>> {
    let Some(text) = item.as_str() else {
        return vec![Err(SignalFault::WrongForm)];
    };
    let Ok(inner) = Raw::parse(text.as_bytes()) else {
        return vec![Ok(untargeted(item))];
    };
    let signals: Vec<_> = match inner.kind() {
        Kind::Object => vec![inner],
        Kind::Array => inner.array().into_iter().flatten().collect(),
        Kind::Null | Kind::Bool | Kind::Number | Kind::String => {
            return vec![Ok(untargeted(item))];
        }
    };
    let owned = signals.into_iter().map(|signal| read_mixed(signal).map(into_owned));
    owned.collect()
}

fn into_owned<'a>(signal: RawSignal<'_>) -> RawSignal<'a> {
    let own = |id: Cow<'_, str>| Cow::Owned(id.into_owned());
    RawSignal {
        content: Cow::Owned(signal.content.into_owned()),
        targets: match signal.targets {
            Targets::Everyone => Targets::Everyone,
            Targets::One(id) => Targets::One(own(id)),
            Targets::Only(ids) => Targets::Only(ids.into_iter().map(own).collect()),
            Targets::Except(ids) => Targets::Except(ids.into_iter().map(own).collect()),
        },
        extra: Cow::Owned(signal.extra.into_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Content, targets and extra of each signal, or the fault.
    fn show(dialect: Dialect, v2: bool, batches: &str) -> Vec<String> {
        each(dialect, v2, batches.as_bytes())
            .map(|signal| match signal {
                Ok(signal) => {
                    let content = String::from_utf8_lossy(&signal.content).into_owned();
                    let extra = String::from_utf8_lossy(&signal.extra).into_owned();
                    match signal.targets {
                        Targets::Everyone => format!("{content} {extra}"),
                        Targets::One(id) => format!("{content} to {id} {extra}"),
                        Targets::Only(ids) => format!("{content} to {ids:?} {extra}"),
                        Targets::Except(ids) => format!("{content} not {ids:?} {extra}"),
                    }
                }
                Err(fault) => format!("{fault:?}"),
            })
            .collect()
    }

    #[test]
    fn socketio_v2_takes_objects_with_string_content() {
        let show = |batches| show(Dialect::SocketIo, true, batches);
        assert_eq!(show(r#"[{"content":"x"}]"#), [r#""x" "#]);
        assert_eq!(
            show(r#"[{"content":"x","targetClientId":"c1","type":"t","clientId":"f","foo":[1]}]"#),
            [r#""x" to c1 "targetClientId":"c1","type":"t","foo":[1]"#]
        );
        assert_eq!(show(r#"[["x"]]"#), ["WrongForm"]);
        assert_eq!(show(r#""str""#), ["NotAnArray"]);
        assert_eq!(show(r#"[{"content":1}]"#), ["BadContent"]);
        assert_eq!(show(r#"[{"content":"x","targetClientId":null}]"#), ["BadMember"]);
        assert_eq!(show(r#"[{"content":"x","type":3}]"#), ["BadMember"]);
    }

    #[test]
    fn socketio_v1_takes_strings_alone_and_in_arrays() {
        let show = |batches| show(Dialect::SocketIo, false, batches);
        assert_eq!(show(r#"[["v1a","v1b"],"v1c"]"#), [r#""v1a" "#, r#""v1b" "#, r#""v1c" "#]);
        assert_eq!(show(r#"[{"content":"x"}]"#), ["WrongForm"]);
        assert_eq!(show(r#"[["a",{"content":"x"}]]"#), [r#""a" "#, "WrongForm"]);
    }

    #[test]
    fn phoenix_takes_objects_of_both_versions_and_json_text() {
        let show = |batches| show(Dialect::Phoenix, true, batches);
        assert_eq!(show(r#"[[{"content":"x","targetClientId":"c"}]]"#), [r#""x" to c "#]);
        assert_eq!(show(r#"[{"content":"x"},[{"content":"y"}]]"#), [r#""x" "#, r#""y" "#]);
        assert_eq!(
            show(
                r#"[[{"address":"a","contents":{"type":"t","content":"x"},"targetClientId":"c"}]]"#
            ),
            [r#""x" "#]
        );
        assert_eq!(
            show(
                r#"[[{"signal":{"content":"x"},"targetedClients":["a","b"],"ignoredClients":[]}]]"#
            ),
            [r#""x" to ["a", "b"] "#]
        );
        assert_eq!(
            show(r#"[[{"content":"x","signal":{},"targetedClients":[],"ignoredClients":["c"]}]]"#),
            [r#""x" not ["c"] "#]
        );
        assert_eq!(
            show(r#"["[{\"content\":\"x\"},{\"content\":\"y\"}]"]"#),
            [r#""x" "#, r#""y" "#]
        );
        assert_eq!(show(r#"[["{\"content\":\"x\",\"targetClientId\":\"\"}"]]"#), [r#""x" "#]);
        assert_eq!(show(r#"["not json"]"#), [r#""not json" "#]);
        assert_eq!(show(r#"[[7,{"content":null},{}]]"#), ["WrongForm", "BadContent", "BadContent"]);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>, v2: bool) {
            for dialect in [Dialect::SocketIo, Dialect::Phoenix] {
                prop_assert!(each(dialect, v2, &bytes).count() <= bytes.len() + 1);
            }
        }
    }
}
