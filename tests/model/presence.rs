//! Presence against a list of clients; clients rebuild the state from the diffs.

use levee_core::ids::ClientId;
use levee_core::presence::Presence;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

#[derive(Clone, Debug)]
enum Step {
    Join(u8, u8),
    Update(u8, u8),
    Leave(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..6_u8, any::<u8>()).prop_map(|(client, n)| Step::Join(client, n)),
        (0..6_u8, any::<u8>()).prop_map(|(client, n)| Step::Update(client, n)),
        (0..6_u8).prop_map(Step::Leave),
    ]
}

/// Two clients share a user.
fn user(client: u8) -> Arc<str> {
    format!("u{}", client / 2).into()
}

/// What a client of Phoenix.Presence makes of a diff: joins come, then leaves go by `phx_ref`.
fn follow(state: &mut BTreeMap<String, Vec<Value>>, diff: &Value) {
    for (user, entry) in diff["joins"].as_object().unwrap() {
        let metas = state.entry(user.clone()).or_default();
        metas.extend(entry["metas"].as_array().unwrap().iter().cloned());
    }
    for (user, entry) in diff["leaves"].as_object().unwrap() {
        for meta in entry["metas"].as_array().unwrap() {
            let metas = state.get_mut(user).unwrap();
            let before = metas.len();
            metas.retain(|known| known["phx_ref"] != meta["phx_ref"]);
            assert_eq!(metas.len(), before - 1, "only what is there leaves");
        }
    }
    state.retain(|_, metas| !metas.is_empty());
}

proptest! {
    #[test]
    fn diffs_add_up_to_the_state(steps in prop::collection::vec(step(), 0..60)) {
        let mut presence = Presence::default();
        let mut model: BTreeMap<u8, u8> = BTreeMap::new();
        let mut followed = BTreeMap::new();
        for step in steps {
            let id = |client: u8| ClientId::from_bits(u128::from(client));
            let meta = |n: u8| format!(r#"{{"n":{n}}}"#).into_bytes();
            let diff = match step {
                Step::Join(client, n) => {
                    model.insert(client, n);
                    Some(presence.join(id(client), &user(client), &meta(n)).unwrap())
                }
                Step::Update(client, n) => {
                    let diff = presence.update(id(client), &meta(n)).ok();
                    prop_assert_eq!(diff.is_some(), model.contains_key(&client));
                    model.entry(client).and_modify(|known| *known = n);
                    diff
                }
                Step::Leave(client) => {
                    let diff = presence.leave(id(client));
                    prop_assert_eq!(diff.is_some(), model.remove(&client).is_some());
                    diff
                }
            };
            if let Some(diff) = diff {
                follow(&mut followed, &serde_json::from_slice(&diff).unwrap());
            }
            let state: Value = serde_json::from_slice(&presence.state()).unwrap();
            let known: BTreeMap<String, Vec<Value>> = state
                .as_object()
                .unwrap()
                .iter()
                .map(|(user, entry)| (user.clone(), entry["metas"].as_array().unwrap().clone()))
                .collect();
            prop_assert_eq!(&known, &followed);
            let mut said: Vec<(String, Value)> = known
                .values()
                .flatten()
                .map(|meta| (meta["clientId"].as_str().unwrap().to_owned(), meta["n"].clone()))
                .collect();
            said.sort_by(|a, b| a.0.cmp(&b.0));
            let mut expected: Vec<(String, Value)> =
                model.iter().map(|(client, n)| (id(*client).to_string(), json!(n))).collect();
            expected.sort_by(|a, b| a.0.cmp(&b.0));
            prop_assert_eq!(said, expected);
        }
    }
}
