//! Tenant ids that people can say aloud: adjective, colour, animal.

const ADJECTIVES: [&str; 64] = [
    "able", "agile", "airy", "ample", "apt", "bold", "brave", "brisk", "broad", "calm", "candid",
    "chief", "civil", "clear", "clever", "cosy", "crisp", "daring", "deft", "eager", "early",
    "easy", "even", "fair", "firm", "fond", "fresh", "frank", "gentle", "glad", "grand", "handy",
    "hardy", "honest", "humble", "jolly", "keen", "kind", "level", "light", "lively", "loyal",
    "lucid", "merry", "mild", "modest", "neat", "nimble", "noble", "patient", "plain", "polite",
    "proud", "quick", "quiet", "ready", "sharp", "smart", "solid", "steady", "sunny", "swift",
    "tidy", "wise",
];
const COLOURS: [&str; 16] = [
    "amber", "azure", "beige", "black", "blue", "bronze", "coral", "golden", "green", "indigo",
    "olive", "purple", "red", "silver", "teal", "white",
];
const ANIMALS: [&str; 64] = [
    "ant", "badger", "bat", "bear", "beaver", "bee", "bison", "boar", "camel", "cat", "cod",
    "crab", "crane", "crow", "deer", "dingo", "dove", "duck", "eagle", "eel", "elk", "falcon",
    "finch", "fox", "frog", "gecko", "goat", "goose", "hare", "hawk", "heron", "horse", "ibex",
    "jay", "koala", "lark", "lemur", "lion", "lynx", "mole", "moose", "mouse", "newt", "otter",
    "owl", "panda", "pike", "pony", "puma", "rabbit", "raven", "robin", "seal", "shark", "sheep",
    "snail", "stork", "swan", "tiger", "toad", "trout", "viper", "wolf", "wren",
];

/// A name out of random bits; `attempt` past a few makes it longer, so that one is free.
pub(super) fn tenant_id(bits: [u8; 32], attempt: usize) -> String {
    let pick = |at: usize, from: &[&'static str]| from[usize::from(bits[at]) % from.len()];
    let name = [pick(0, &ADJECTIVES), pick(1, &COLOURS), pick(2, &ANIMALS)].join("-");
    match attempt {
        0..5 => name,
        _ => format!("{name}-{}", super::act::hex(&bits[3..6])),
    }
}
